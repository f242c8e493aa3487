//! Which pictures stand behind what is selected, and in which order.

use crate::engine::{Evaluation, Prediction};
use crate::ui::state::Selection;
use std::cmp::Ordering;

/// Indices into [`Evaluation::predictions`], the most telling first: mistakes before what is right; of mistakes the surest
/// (the highest probability for the wrong class), of what is right the least sure.
pub(super) fn behind(evaluation: &Evaluation, selection: Selection) -> Vec<usize> {
    let all = &evaluation.predictions;
    let mut found: Vec<usize> = (0..all.len())
        .filter(|&i| match selection {
            Selection::Mistakes => all[i].truth != all[i].predicted,
            Selection::Cell { truth, predicted } => all[i].truth == truth && all[i].predicted == predicted,
            Selection::Class(class) => all[i].truth == class,
            Selection::PredictedAs(class) => all[i].predicted == class,
            Selection::ClassOrPredictedAs(class) => all[i].truth == class || all[i].predicted == class,
        })
        .collect();
    let key = |p: &Prediction| {
        let (right, sure) = (p.truth == p.predicted, probability(p, p.predicted));
        (right, if right { sure } else { -sure })
    };
    // Stable: equal ones stay in the data set's order.
    found.sort_by(|&a, &b| key(&all[a]).partial_cmp(&key(&all[b])).unwrap_or(Ordering::Equal));
    found
}

/// The probability given to a class; 0 where a damaged file has too few.
pub(super) fn probability(prediction: &Prediction, class: usize) -> f32 {
    prediction.probabilities.get(class).copied().unwrap_or(0.0)
}

/// The classes of a picture with their probabilities, highest first.
pub(super) fn ranked(probabilities: &[f32]) -> Vec<(usize, f32)> {
    let mut all: Vec<(usize, f32)> = probabilities.iter().copied().enumerate().collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal));
    all
}

/// What the pictures are, with their number.
pub(super) fn title(evaluation: &Evaluation, selection: Selection, found: usize) -> String {
    let class = |i: usize| evaluation.classes.get(i).map_or("?", String::as_str);
    let pictures = if found == 1 { "1 picture".to_owned() } else { format!("{found} pictures") };
    match selection {
        Selection::Mistakes if found == 0 => "No mistakes".to_owned(),
        Selection::Mistakes if found == 1 => "1 mistake".to_owned(),
        Selection::Mistakes => format!("{found} mistakes"),
        Selection::Cell { truth, predicted } if truth == predicted => {
            format!("{pictures} of {}, rightly found", class(truth))
        }
        Selection::Cell { truth, predicted } => {
            format!("{pictures} of {} taken for {}", class(truth), class(predicted))
        }
        Selection::Class(c) => format!("{pictures} of {}", class(c)),
        Selection::PredictedAs(c) => format!("{pictures} called {}", class(c)),
        Selection::ClassOrPredictedAs(c) => format!("{pictures} of {0} or called {0}", class(c)),
    }
}

/// The order they are in, in words.
pub(super) fn order(selection: Selection, found: usize) -> &'static str {
    match selection {
        Selection::Mistakes if found == 0 => "Every validation picture is classified correctly",
        _ if found == 0 => "No picture is in this cell",
        Selection::Mistakes => "The surest mistakes first. Select a cell to see only its pictures",
        Selection::Cell { truth, predicted } if truth != predicted => "The surest mistakes first",
        Selection::Cell { .. } => "The least sure first",
        Selection::Class(_) | Selection::PredictedAs(_) | Selection::ClassOrPredictedAs(_) => {
            "Mistakes first, the surest of them at the top; then what is right, the least sure first"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::metrics::ConfusionMatrix;

    fn evaluation(rows: &[(usize, usize, [f32; 3])]) -> Evaluation {
        let mut confusion = ConfusionMatrix::new(3);
        let predictions = rows
            .iter()
            .enumerate()
            .map(|(i, &(truth, predicted, p))| {
                confusion.add(truth, predicted);
                Prediction { rel: format!("{i}.png"), truth, predicted, probabilities: p.to_vec() }
            })
            .collect();
        Evaluation { classes: ["a", "b", "c"].map(str::to_owned).to_vec(), predictions, confusion, loss: 0.3 }
    }

    #[test]
    fn the_surest_mistakes_come_first_and_of_what_is_right_the_least_sure() {
        let e = evaluation(&[
            (0, 0, [0.9, 0.1, 0.0]),
            (0, 1, [0.30, 0.6, 0.1]),
            (1, 1, [0.4, 0.6, 0.0]),
            (0, 1, [0.02, 0.98, 0.0]),
            // Surer than the first mistake, although the true class got more.
            (2, 0, [0.65, 0.0, 0.35]),
            (1, 1, [0.1, 0.9, 0.0]),
        ]);
        assert_eq!(behind(&e, Selection::Mistakes), [3, 4, 1]);
        assert_eq!(behind(&e, Selection::Cell { truth: 0, predicted: 1 }), [3, 1]);
        assert_eq!(behind(&e, Selection::Cell { truth: 1, predicted: 1 }), [2, 5]);
        assert!(behind(&e, Selection::Cell { truth: 2, predicted: 2 }).is_empty());
        assert_eq!(behind(&e, Selection::Class(0)), [3, 1, 0]);
        assert_eq!(behind(&e, Selection::PredictedAs(0)), [4, 0]);
        // A mistake comes first also where what is right was less sure of itself.
        let e = evaluation(&[(0, 0, [0.36, 0.34, 0.3]), (0, 1, [0.45, 0.55, 0.0])]);
        assert_eq!(behind(&e, Selection::Class(0)), [1, 0]);
    }

    #[test]
    fn numbers_that_are_none_and_rows_that_are_short_do_not_panic() {
        let mut e = evaluation(&[(0, 1, [f32::NAN, 0.5, 0.5]), (0, 2, [0.1, 0.2, 0.7])]);
        e.predictions[1].probabilities.clear();
        assert_eq!(behind(&e, Selection::Mistakes).len(), 2);
        assert!(ranked(&e.predictions[1].probabilities).is_empty());
    }
}
