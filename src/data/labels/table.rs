//! A label file's text: its header, its columns, its rows.

use crate::config::DataConfig;
use crate::data::Split;
use crate::data::walk::part_of;
use crate::error::{Error, Result};
use csv::{ReaderBuilder, StringRecord, Trim};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// Names of the columns, the first one that is there counts. Capital letters, spaces and hyphens make no difference.
const FILE: &[&str] =
    &["file", "filename", "file_name", "path", "filepath", "file_path", "image", "image_path", "picture"];
const LABEL: &[&str] = &["label", "class", "category", "class_name"];
const SPLIT: &[&str] = &["split", "set", "subset"];
const GROUP: &[&str] =
    &["group", "group_id", "subject", "subject_id", "patient", "patient_id", "sequence", "sequence_id"];

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Row {
    /// Line in the file, from 1.
    pub(super) line: u64,
    /// The picture as the file names it; empty where it names none.
    pub(super) file: String,
    /// Its class; empty where there is none.
    pub(super) label: String,
    /// Its part, where the file says so.
    pub(super) split: Option<Split>,
    /// Its group, where the file says so.
    pub(super) group: Option<String>,
}

/// What a label file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Table {
    /// In their order.
    pub(super) rows: Vec<Row>,
    /// Name of the column with the classes.
    pub(super) label_column: String,
    /// Name of the column with the groups.
    pub(super) group_column: Option<String>,
    /// Names of the columns that say nothing here.
    pub(super) unused: Vec<String>,
    /// Names that more than one column has, of which the first counts.
    pub(super) repeated: Vec<String>,
}

impl Table {
    /// Reads a table of at least two columns, told apart by commas, semicolons or tabs, with a header.
    ///
    /// # Errors
    /// If the text is not UTF-8, has no columns for file and label, has rows of another length than the header, or names a part
    /// that is none; the message names the line.
    pub(in crate::data) fn parse(bytes: &[u8], config: &DataConfig) -> Result<Self> {
        // The reader miscounts lines that end in both characters.
        let text = text_of(bytes)?.replace("\r\n", "\n");
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter(&text)).trim(Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| damaged(&e))?.clone();
        let columns = Columns::of(&header, config)?;
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| damaged(&e))?;
            if record.iter().any(|cell| !cell.is_empty()) {
                rows.push(columns.row(&record)?);
            }
        }
        check_quotes(&text, rows.last())?;
        let name = |i: usize| header.get(i).unwrap_or_default().to_owned();
        let same = |i: usize, j: usize| i != j && plain(&name(i)) == plain(&name(j));
        let repeats = |i: usize| (0..header.len()).any(|j| same(i, j));
        let (used, others): (Vec<usize>, Vec<usize>) = (0..header.len()).partition(|i| columns.has(*i));
        let unused = others.into_iter().filter(|i| !used.iter().any(|j| same(*i, *j)));
        Ok(Self {
            rows,
            label_column: name(columns.label),
            group_column: columns.group.map(name),
            unused: unused.map(name).collect(),
            repeated: used.iter().copied().filter(|i| repeats(*i)).map(name).collect(),
        })
    }
}

/// Whether a file's first line is the header of a label file.
pub(super) fn has_labels(path: &Path, config: &DataConfig) -> bool {
    let mut line = Vec::new();
    let read = std::fs::File::open(path).and_then(|f| BufReader::new(f).read_until(b'\n', &mut line));
    read.is_ok() && Table::parse(&line, config).is_ok()
}

/// The text without a byte order mark.
fn text_of(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Error::input(format!("the label file is not UTF-8 text (line {line})"))
            .with_hint("Save it as \"CSV UTF-8\" in the program that it comes from")
    })?;
    Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text))
}

/// Refuses a quote that is never closed: all lines after it are in one cell of the last row.
fn check_quotes(text: &str, last: Option<&Row>) -> Result<()> {
    let open = text.matches('"').count() % 2 == 1;
    match last.filter(|row| open && (row.file.contains('\n') || row.label.contains('\n'))) {
        None => Ok(()),
        Some(row) => {
            Err(Error::input(format!("the label file opens a quote and never closes it (line {})", row.line))
                .with_hint("Close it, or take it away: what comes after it is not read as rows"))
        }
    }
}

/// Whichever of comma, semicolon and tab the first line has most often outside of quotes.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
    let outside: Vec<&str> = first.split('"').step_by(2).collect();
    let times = |d: u8| outside.iter().map(|part| part.matches(char::from(d)).count()).sum::<usize>();
    // The first of equals: max_by_key takes the last.
    [b'\t', b';', b','].into_iter().max_by_key(|d| times(*d)).unwrap_or(b',')
}

fn damaged(e: &csv::Error) -> Error {
    let at = e.position().map_or_else(String::new, |p| format!(" (line {})", p.line()));
    let what = match e.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("a row of the label file has {len} cells, and its header {expected_len}{at}")
        }
        _ => format!("the label file cannot be read as a table{at}"),
    };
    Error::input(what).with_hint("Put cells that hold the delimiter into quotes")
}

/// Which column says what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    file: usize,
    label: usize,
    split: Option<usize>,
    group: Option<usize>,
}

impl Columns {
    fn of(header: &StringRecord, config: &DataConfig) -> Result<Self> {
        let list = || header.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        if header.is_empty() {
            return Err(Error::input("the label file is empty")
                .with_hint("It needs a header and a row for each picture, with its file and its label"));
        }
        if header.len() < 2 {
            return Err(Error::input(format!("the label file has fewer than two columns ({})", list()))
                .with_hint("It needs a header and a column each for the file and its label, with commas, semicolons or tabs between"));
        }
        let find = |chosen: &Option<String>, key: &str, names: &[&str]| match chosen {
            Some(chosen) => match header.iter().position(|n| n == chosen.trim()) {
                Some(i) => Ok(Some(i)),
                None => Err(Error::input(format!("the label file has no column \"{chosen}\""))
                    .with_hint(format!("Set data.{key} to one of its columns: {}", list()))),
            },
            None => Ok(names.iter().find_map(|name| header.iter().position(|n| plain(n) == *name))),
        };
        let missing = |what: &str, key: &str, names: &[&str]| {
            Error::input(format!("the label file has no column for the {what}; its columns are {}", list()))
                .with_hint(format!(
                    "Call it \"{}\" in the file and choose the file again; project.toml and the command line can say with \
                     data.{key} which one it is",
                    names[0]
                ))
        };
        let file = find(&config.csv_file, "csv_file", FILE)?;
        let label = find(&config.csv_label, "csv_label", LABEL)?;
        let file = file.ok_or_else(|| missing("file", "csv_file", FILE))?;
        let label = label.ok_or_else(|| missing("label", "csv_label", LABEL))?;
        if file == label {
            return Err(Error::input("the label file's column for file and label is the same one")
                .with_hint("Set data.csv_file and data.csv_label to two columns"));
        }
        let split = find(&config.csv_split, "csv_split", SPLIT)?;
        let group = find(&config.csv_group, "csv_group", GROUP)?;
        Ok(Self { file, label, split, group })
    }

    fn has(self, column: usize) -> bool {
        [Some(self.file), Some(self.label), self.split, self.group].contains(&Some(column))
    }

    fn row(self, record: &StringRecord) -> Result<Row> {
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |i: usize| record.get(i).unwrap_or_default();
        let part = |name: &str| {
            part_of(name).ok_or_else(|| {
                Error::input(format!("the label file names a part \"{name}\" (line {line})"))
                    .with_hint("Parts are train, val (also valid, validation) and test")
            })
        };
        let split = self.split.map(cell).filter(|name| !name.is_empty()).map(part).transpose()?;
        let group = self.group.map(cell).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Row { line, file: cell(self.file).to_owned(), label: cell(self.label).to_owned(), split, group })
    }
}

/// A column's name as it is compared.
fn plain(name: &str) -> String {
    name.to_lowercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Table {
        Table::parse(text.as_bytes(), &DataConfig::default()).unwrap()
    }

    fn refusal(bytes: &[u8], config: &DataConfig) -> String {
        Table::parse(bytes, config).unwrap_err().to_string()
    }

    #[test]
    fn delimiters_quotes_marks_and_names_of_columns_are_recognised() {
        assert_eq!(parse("file,label\na.jpg,5\" pipe\n").rows[0].label, "5\" pipe");
        for text in [
            "file,label\n\"a, b.jpg\",\"a \"\"cat\"\"\"\n",
            "\u{FEFF}File Name;Class\r\na, b.jpg;\"a \"\"cat\"\"\"\r\n\r\n;\r\n",
            "note\tcategory\timage-path\nx\t\"a \"\"cat\"\"\"\ta, b.jpg",
        ] {
            let table = parse(text);
            let row = &table.rows[0];
            assert_eq!(
                (row.line, row.file.as_str(), row.label.as_str()),
                (2, "a, b.jpg", "a \"cat\""),
                "{text}"
            );
            assert_eq!(table.rows.len(), 1, "{text}");
        }
        assert_eq!(parse("note\tcategory\timage-path\n").unused, ["note"]);
        // The better name counts, and the other is told of.
        let table = parse("image,file,class,label\nA,b,C,d\n");
        assert_eq!((table.rows[0].file.as_str(), table.rows[0].label.as_str()), ("b", "d"));
        assert_eq!(
            (table.unused, table.repeated),
            (vec!["image".to_owned(), "class".to_owned()], Vec::new())
        );
        let table = parse("file,Label,notes,label\na,cat,x,dog\n");
        assert_eq!((table.rows[0].label.as_str(), table.label_column.as_str()), ("cat", "Label"));
        assert_eq!((table.unused, table.repeated), (vec!["notes".to_owned()], vec!["Label".to_owned()]));
    }

    #[test]
    fn parts_and_groups_are_read_where_they_are() {
        let table = parse("path,label,Subset,Patient ID\na,x,Train,7\nb,x,VALID,\nc,x,,8\nd,x,test,8\n");
        let splits: Vec<Option<Split>> = table.rows.iter().map(|r| r.split).collect();
        assert_eq!(splits, [Some(Split::Train), Some(Split::Val), None, Some(Split::Test)]);
        let groups: Vec<Option<&str>> = table.rows.iter().map(|r| r.group.as_deref()).collect();
        assert_eq!(groups, [Some("7"), None, Some("8"), Some("8")]);
        assert_eq!(table.group_column.as_deref(), Some("Patient ID"));
        let e = refusal(b"path,label,split\na,x,train\nb,x,later\n", &DataConfig::default());
        assert!(e.contains("\"later\" (line 3)") && e.contains("validation"), "{e}");
    }

    #[test]
    fn columns_are_chosen_by_the_settings() {
        let choose = |file: &str, label: &str| DataConfig {
            csv_file: Some(file.to_owned()),
            csv_label: Some(label.to_owned()),
            ..DataConfig::default()
        };
        let text = b"id,breed,label\n1.jpg,pug,2\n";
        let table = Table::parse(text, &choose("id", "breed")).unwrap();
        assert_eq!((table.rows[0].label.as_str(), table.label_column.as_str()), ("pug", "breed"));
        assert_eq!(table.unused, ["label"]);
        let e = refusal(text, &choose("id", "race"));
        assert!(
            e.contains("no column \"race\"") && e.contains("data.csv_label") && e.contains("\"breed\""),
            "{e}"
        );
        assert!(refusal(text, &choose("id", "id")).contains("two columns"));
    }

    #[test]
    fn a_column_that_is_missing_can_be_named_in_the_file_itself() {
        let e = refusal(b"name,label\na.jpg,cat\n", &DataConfig::default());
        assert!(e.contains("Call it \"file\" in the file and choose the file again"), "{e}");
        assert!(e.contains("the command line can say with data.csv_file"), "{e}");
    }

    #[test]
    fn what_is_no_label_file_says_why() {
        let default = DataConfig::default();
        for (bytes, words) in [
            (&b"file\na.jpg\n"[..], "fewer than two columns"),
            (b"", "the label file is empty"),
            (b"a.jpg,cat\n", "no column for the file; its columns are \"a.jpg\", \"cat\""),
            (b"file,breed\na.jpg,pug\n", "no column for the label"),
            (b"file,label\na.jpg,cat\nb,c.jpg,cat\n", "has 3 cells, and its header 2 (line 3)"),
            (b"file,label\na.jpg,K\xE4fer\n", "not UTF-8 text (line 2)"),
            (b"file,label\na.jpg,cat\nb.jpg,\"cat\nc.jpg,dog\nd.jpg,dog\n", "never closes it (line 3)"),
            (b"\xFF\xFEf\0i\0l\0e\0", "not UTF-8 text (line 1)"),
        ] {
            let e = refusal(bytes, &default);
            assert!(e.contains(words), "{e}");
        }
    }
}
