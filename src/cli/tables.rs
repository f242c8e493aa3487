//! Tables of plain text: the first column to the left, numbers to the right.

use super::output::{CliResult, Out};
use crate::error::part_of;

pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|s| (*s).to_owned()).collect(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn print(&self, out: &mut Out<'_>) -> CliResult {
        let lines: Vec<&Vec<String>> = std::iter::once(&self.header).chain(&self.rows).collect();
        let width = |column: usize| {
            lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        for line in &lines {
            let cells =
                line.iter().zip(&widths).enumerate().map(|(i, (cell, &w))| {
                    if i == 0 { format!("{cell:<w$}") } else { format!("{cell:>w$}") }
                });
            let text = cells.collect::<Vec<_>>().join("  ");
            out.line(text.trim_end())?;
        }
        Ok(())
    }
}

/// A share of one, as people read it: `94.8 %`. Files and JSON hold the fraction.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A share with the counts behind it: `94.8 % · 145 of 153`.
pub(super) fn share(part: usize, whole: usize) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    format!("{} · {}", percent(share), part_of(part, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_under_wide_letters() {
        let mut text = Vec::new();
        let mut out = Out::new(&mut text);
        let mut table = Table::new(&["class", "n"]);
        table.row(["käfer".to_owned(), "7".to_owned()]);
        table.row(["a".to_owned(), "123".to_owned()]);
        table.print(&mut out).unwrap();
        drop(out);
        assert_eq!(String::from_utf8(text).unwrap(), "class    n\nkäfer    7\na      123\n");
    }

    #[test]
    fn a_share_tells_its_counts() {
        assert_eq!(
            (share(145, 153), share(0, 0)),
            ("94.8 % · 145 of 153".to_owned(), "0.0 % · 0 of 0".to_owned())
        );
    }
}
