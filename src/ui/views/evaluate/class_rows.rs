//! The table of classes: its numbers and its order.

use crate::engine::Evaluation;
use crate::engine::metrics::ClassMetrics;
use std::cmp::Ordering;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Column {
    /// Class names, in the data set's order.
    #[default]
    Class,
    /// Of those called so, the share that is.
    Precision,
    /// Of those that are, the share found.
    Recall,
    /// Harmonic mean of both.
    F1,
    /// Pictures.
    Support,
}

impl Column {
    /// All, from left to right.
    pub const ALL: [Self; 5] = [Self::Class, Self::Precision, Self::Recall, Self::F1, Self::Support];

    /// Heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Class => "Class",
            Self::Precision => "Precision",
            Self::Recall => "Recall",
            Self::F1 => "F1",
            Self::Support => "Pictures",
        }
    }

    /// What the column means, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Class => "The class that the pictures really show",
            Self::Precision => "Of the pictures that were called this class, the share that really is",
            Self::Recall => "Of the pictures of this class, the share that was found",
            Self::F1 => "Precision and recall in one number (their harmonic mean): high only where both are",
            Self::Support => "How many pictures of this class were judged",
        }
    }
}

/// Which column orders the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SortBy {
    /// The column.
    pub column: Column,
    /// From high to low.
    pub descending: bool,
}

impl SortBy {
    /// The order after a click on a heading: numbers begin with the lowest, because that is where the trouble is; a second
    /// click turns the order round.
    pub fn clicked(self, column: Column) -> Self {
        Self { column, descending: self.column == column && !self.descending }
    }
}

/// Class indices with their numbers, in order.
pub(super) fn rows(evaluation: &Evaluation, sort: SortBy) -> Vec<(usize, ClassMetrics)> {
    let mut rows: Vec<(usize, ClassMetrics)> =
        evaluation.confusion.per_class().into_iter().enumerate().collect();
    let number = |m: &ClassMetrics| match sort.column {
        Column::Class => 0.0,
        Column::Precision => m.precision,
        Column::Recall => m.recall,
        Column::F1 => m.f1,
        Column::Support => m.support as f64,
    };
    rows.sort_by(|a, b| {
        let by_number = number(&a.1).partial_cmp(&number(&b.1)).unwrap_or(Ordering::Equal);
        let order = if sort.column == Column::Class { a.0.cmp(&b.0) } else { by_number };
        let order = if sort.descending { order.reverse() } else { order };
        order.then(a.0.cmp(&b.0))
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::metrics::ConfusionMatrix;

    fn evaluation() -> Evaluation {
        let mut confusion = ConfusionMatrix::new(3);
        for (t, p) in [(0, 0), (0, 0), (0, 1), (1, 1), (2, 0), (2, 2)] {
            confusion.add(t, p);
        }
        Evaluation {
            classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
            predictions: Vec::new(),
            confusion,
            loss: 0.0,
        }
    }

    fn order(column: Column, descending: bool) -> Vec<usize> {
        rows(&evaluation(), SortBy { column, descending }).iter().map(|r| r.0).collect()
    }

    #[test]
    fn every_column_orders_both_ways() {
        assert_eq!(order(Column::Class, false), [0, 1, 2]);
        assert_eq!(order(Column::Class, true), [2, 1, 0]);
        assert_eq!(order(Column::Recall, false), [2, 0, 1]);
        assert_eq!(order(Column::Recall, true), [1, 0, 2]);
        assert_eq!(order(Column::Support, true), [0, 2, 1]);
        assert_eq!(order(Column::Precision, false), [1, 0, 2]);
    }

    #[test]
    fn a_heading_sorts_lowest_first_and_then_turns_round() {
        let once = SortBy::default().clicked(Column::Recall);
        assert_eq!(once, SortBy { column: Column::Recall, descending: false });
        assert!(once.clicked(Column::Recall).descending);
        assert!(!once.clicked(Column::Recall).clicked(Column::F1).descending);
    }
}
