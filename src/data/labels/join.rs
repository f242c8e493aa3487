//! The rows of a label file and the pictures of a folder, brought together.

use super::table::Row;
use super::{LabelFile, Table, name};
use crate::data::preflight::{Finding, Severity};
use crate::data::walk::Found;
use crate::data::{SkipReason, Skipped, Split};
use crate::error::{Error, Result, count};
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Files that an error names as examples.
const EXAMPLES: usize = 3;

/// What came of it.
pub(in crate::data) struct Joined {
    /// The pictures with their labels and parts.
    pub(in crate::data) found: Vec<Found>,
    /// The pictures that the file gives no label.
    pub(in crate::data) skipped: Vec<Skipped>,
    /// Whether the file says which part pictures belong to.
    pub(in crate::data) has_parts: bool,
    /// What there is to know of the file.
    pub(in crate::data) file: LabelFile,
}

/// Gives each of `pictures` (paths relative to `root`) the label that the table in `path` says. A row names its picture relative
/// to the table's own folder, or else to `root`.
///
/// # Errors
/// If a picture has two labels, parts or groups, no row names any picture, or a class is only in the test part.
pub(in crate::data) fn join(root: &Path, path: &Path, table: Table, pictures: Vec<Found>) -> Result<Joined> {
    let places = Places::new(root, path, &pictures);
    let mut told = Told::default();
    let mut rows: HashMap<&str, &Row> = HashMap::new();
    for row in &table.rows {
        match (row.file.is_empty(), places.find(&row.file)) {
            (true, _) => told.no_file.push(format!("line {}", row.line)),
            (_, None) => told.missing.push(row.file.clone()),
            (_, Some(rel)) if row.label.is_empty() => told.no_label.push(rel.to_owned()),
            (_, Some(rel)) => match rows.get(rel) {
                None => {
                    rows.insert(rel, row);
                }
                Some(first) => {
                    agree(rel, first, row).map_err(|e| e.with_path(path))?;
                    told.repeated.push(rel.to_owned());
                }
            },
        }
    }
    if rows.is_empty() {
        return Err(nothing_named(root, path, &told.missing));
    }
    let has_parts = rows.values().any(|row| row.split.is_some());
    let groups = rows.iter().filter_map(|(rel, row)| Some(((*rel).to_owned(), row.group.clone()?)));
    let groups: HashMap<String, String> = groups.collect();
    let parts = rows.iter().filter_map(|(rel, row)| Some(((*rel).to_owned(), row.split?)));
    let parts: HashMap<String, Split> = parts.collect();
    let mut found = Vec::with_capacity(rows.len());
    let mut skipped = Vec::new();
    for picture in &pictures {
        match rows.get(picture.rel.as_str()) {
            Some(row) => {
                if has_parts && row.split.is_none() {
                    told.no_part.push(picture.rel.clone());
                }
                let split = row.split.unwrap_or(Split::Train);
                found.push(Found { rel: picture.rel.clone(), class: row.label.clone(), split });
            }
            None => skipped.push(Skipped { rel: picture.rel.clone(), reason: SkipReason::Unlabelled }),
        }
    }
    check_test_classes(&found).map_err(|e| e.with_path(path))?;
    let file = LabelFile {
        path: path.to_path_buf(),
        label_column: table.label_column,
        group_column: table.group_column,
        groups: Arc::new(groups),
        parts: Arc::new(parts),
        findings: told.findings(&name(path), (&table.unused, &table.repeated)),
    };
    Ok(Joined { found, skipped, has_parts, file })
}

/// Refuses a second row that says something else of the same picture.
fn agree(rel: &str, first: &Row, second: &Row) -> Result<()> {
    let lines = format!("lines {} and {}", first.line, second.line);
    let what = if first.label != second.label {
        format!("{rel} has two labels, \"{}\" and \"{}\" ({lines})", first.label, second.label)
    } else if first.split != second.split {
        format!("{rel} is named for two different parts ({lines})")
    } else if first.group != second.group {
        format!("{rel} is named for two different groups ({lines})")
    } else {
        return Ok(());
    };
    Err(Error::input(what).with_hint("Keep one of the two rows"))
}

/// Refuses classes of which nothing can be learned because all their pictures are for testing.
fn check_test_classes(found: &[Found]) -> Result<()> {
    let other: HashSet<&str> =
        found.iter().filter(|f| f.split != Split::Test).map(|f| f.class.as_str()).collect();
    let Some(class) = found.iter().map(|f| f.class.as_str()).find(|c| !other.contains(c)) else {
        return Ok(());
    };
    let n = found.iter().filter(|f| f.class == class).count();
    let pictures = count(n, "picture", "pictures");
    Err(Error::input(format!("the class \"{class}\" is present only in test ({pictures})"))
        .with_hint("Name pictures of it for training, or remove its rows"))
}

fn nothing_named(root: &Path, path: &Path, missing: &[String]) -> Error {
    let what = match missing {
        [] => "the label file names no picture with a label".to_owned(),
        _ => {
            let examples = missing.iter().take(EXAMPLES).cloned().collect::<Vec<_>>().join(", ");
            format!("no row of the label file names a picture in {} ({examples}, …)", root.display())
        }
    };
    Error::input(what)
        .with_path(path)
        .with_hint("Name files relative to the folder of pictures, or to the label file's own folder")
}

/// Where the pictures are that rows name.
struct Places<'a> {
    rels: HashSet<&'a str>,
    root: Vec<String>,
    /// What names are relative to: the table's folder, then the data folder.
    bases: [PathBuf; 2],
}

impl<'a> Places<'a> {
    fn new(root: &Path, table: &Path, pictures: &'a [Found]) -> Self {
        let rels = pictures.iter().map(|p| p.rel.as_str()).collect();
        let absolute = |p: &Path| std::path::absolute(p).unwrap_or_else(|_| p.to_path_buf());
        let (root, beside) = (absolute(root), absolute(table.parent().unwrap_or(root)));
        Self { rels, root: parts(&root).unwrap_or_default(), bases: [beside, root] }
    }

    /// The picture of that name, relative to the data folder.
    fn find(&self, file: &str) -> Option<&'a str> {
        let file = file.replace('\\', "/");
        self.bases.iter().find_map(|base| {
            // An absolute path replaces the base.
            let path = parts(&base.join(&file))?;
            let rel = path.strip_prefix(self.root.as_slice())?.join("/");
            self.rels.get(rel.as_str()).copied()
        })
    }
}

/// The parts of a path, `.` and `..` taken as written.
fn parts(path: &Path) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop();
            }
            other => parts.push(other.as_os_str().to_str()?.to_owned()),
        }
    }
    Some(parts)
}

/// What the rows showed.
#[derive(Default)]
struct Told {
    missing: Vec<String>,
    no_file: Vec<String>,
    no_label: Vec<String>,
    no_part: Vec<String>,
    repeated: Vec<String>,
}

impl Told {
    /// `unused` are columns that say nothing, `repeated` those that are there more than once.
    fn findings(self, file: &str, (unused, repeated): (&[String], &[String])) -> Vec<Finding> {
        let rows = |n: usize, one: &str, many: &str| {
            count(n, &format!("row of {file} {one}"), &format!("rows of {file} {many}"))
        };
        let mut found = Vec::new();
        let mut add = |severity, title: String, files: Vec<String>| {
            found.push(Finding { severity, title, files, groups: Vec::new(), offer: None });
        };
        let sorts = [
            (
                Severity::Warning,
                self.missing,
                ["names a file that is not among the pictures", "name files that are not among the pictures"],
                "",
            ),
            (Severity::Warning, self.no_file, ["names no file", "name no file"], ""),
            (Severity::Warning, self.no_label, ["has no label", "have no label"], ""),
            (
                Severity::Warning,
                self.no_part,
                ["names no part, though others do", "name no part, though others do"],
                ": taken for training",
            ),
            (
                Severity::Info,
                self.repeated,
                ["repeats an earlier one", "repeat earlier ones"],
                ": the picture is used once",
            ),
        ];
        for (severity, files, [one, many], rest) in sorts {
            if !files.is_empty() {
                add(severity, rows(files.len(), one, many) + rest, files);
            }
        }
        for column in repeated {
            let title =
                format!("{file} has more than one column \"{column}\": only the first of them counts");
            add(Severity::Warning, title, Vec::new());
        }
        if !unused.is_empty() {
            let columns = if unused.len() == 1 { "a column that is" } else { "columns that are" };
            add(Severity::Info, format!("{file} has {columns} not used: {}", unused.join(", ")), Vec::new());
        }
        found
    }
}
