//! Which pictures stand behind what is selected, and in which order.

use crate::engine::analysis::{by_loss, calibration};
use crate::engine::{Evaluation, Prediction};
use crate::error::{count, thousands};
use crate::ui::state::{Selection, ShownEvaluation};
use std::cmp::Ordering;
use std::sync::Arc;

/// The pictures behind the selection that was asked for last: a hundred thousand are not sorted anew in every frame.
#[derive(Debug, Default)]
pub(super) struct Found(Option<(Arc<Evaluation>, Selection, Arc<[usize]>)>);

impl Found {
    /// Indices as [`behind`] gives them, or as the comparison with another run does.
    pub(super) fn of(&mut self, shown: &ShownEvaluation, selection: Selection) -> Arc<[usize]> {
        let evaluation = &shown.evaluation;
        let compared = shown.compared.as_ref().map(|c| &c.comparison);
        match selection {
            Selection::PutRight => {
                return compared.map(|c| c.put_right.as_slice().into()).unwrap_or_default();
            }
            Selection::NewlyWrong => {
                return compared.map(|c| c.newly_wrong.as_slice().into()).unwrap_or_default();
            }
            _ => {}
        }
        if let Some((of, by, found)) = &self.0
            && Arc::ptr_eq(of, evaluation)
            && *by == selection
        {
            return found.clone();
        }
        let found: Arc<[usize]> = behind(evaluation, selection).into();
        self.0 = Some((evaluation.clone(), selection, found.clone()));
        found
    }
}

/// Indices into [`Evaluation::predictions`], the most telling first: mistakes before what is right; of mistakes the surest
/// (the highest probability for the wrong class), of what is right the least sure.
pub(super) fn behind(evaluation: &Evaluation, selection: Selection) -> Vec<usize> {
    let all = &evaluation.predictions;
    if selection == Selection::Losses {
        return by_loss(all);
    }
    let mut found: Vec<usize> = (0..all.len())
        .filter(|&i| match selection {
            Selection::Mistakes => all[i].truth != all[i].predicted,
            Selection::Cell { truth, predicted } => all[i].truth == truth && all[i].predicted == predicted,
            Selection::Class(class) => all[i].truth == class,
            Selection::PredictedAs(class) => all[i].predicted == class,
            Selection::ClassOrPredictedAs(class) => all[i].truth == class || all[i].predicted == class,
            Selection::Scored { class, low, high } => {
                let within = |p: f32| low <= p && p < high;
                match class {
                    Some(class) => within(probability(&all[i], class)),
                    None => all[i].probabilities.iter().any(|&p| within(p)),
                }
            }
            Selection::Confidence { bin, right } => {
                calibration::bin_of(all[i].confidence()) == bin
                    && right.is_none_or(|right| right == (all[i].truth == all[i].predicted))
            }
            Selection::Pair { a, b } => {
                let (truth, predicted) = (all[i].truth, all[i].predicted);
                (truth, predicted) == (a, b) || (truth, predicted) == (b, a)
            }
            Selection::Losses => true,
            Selection::PutRight | Selection::NewlyWrong => false,
        })
        .collect();
    let key = |p: &Prediction| match selection {
        Selection::Scored { class: Some(class), .. } => (false, -probability(p, class)),
        _ => {
            let right = p.truth == p.predicted;
            (right, if right { p.confidence() } else { -p.confidence() })
        }
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
    let pictures = count(found, "picture", "pictures");
    match selection {
        Selection::Mistakes if found == 0 => "No mistakes".to_owned(),
        Selection::Mistakes if found == 1 => "1 mistake".to_owned(),
        Selection::Mistakes => format!("{} mistakes", thousands(found)),
        Selection::Cell { truth, predicted } if truth == predicted => {
            format!("{pictures} of {}, rightly found", class(truth))
        }
        Selection::Cell { truth, predicted } => {
            format!("{pictures} of {} taken for {}", class(truth), class(predicted))
        }
        Selection::Class(c) => format!("{pictures} of {}", class(c)),
        Selection::PredictedAs(c) => format!("{pictures} called {}", class(c)),
        Selection::ClassOrPredictedAs(c) => format!("{pictures} of {0} or called {0}", class(c)),
        Selection::Scored { class: of, low, high } => {
            let of = of.map_or("any class", class);
            match high.is_finite() {
                true => format!("{pictures} with {low:.3} up to {high:.3} for {of}"),
                false => format!("{pictures} with at least {low:.3} for {of}"),
            }
        }
        Selection::Confidence { bin, right } => {
            let (low, high) = calibration::edges(bin);
            let which = match right {
                None => "",
                Some(true) => ", right",
                Some(false) => ", wrong",
            };
            format!("{pictures} {low:.2} to {high:.2} sure{which}")
        }
        Selection::Pair { a, b } => format!("{pictures}: {} and {} mixed up", class(a), class(b)),
        Selection::Losses => format!("{pictures} by loss"),
        Selection::PutRight => format!("{pictures} put right"),
        Selection::NewlyWrong => format!("{pictures} newly wrong"),
    }
}

/// The order they are in, in words.
pub(super) fn order(selection: Selection, found: usize) -> &'static str {
    match selection {
        Selection::Mistakes if found == 0 => "Every picture is classified correctly",
        _ if found == 0 => "No picture is behind this",
        Selection::Mistakes => "The surest mistakes first. Select a number to see its pictures",
        Selection::Cell { truth, predicted } if truth != predicted => "The surest mistakes first",
        Selection::Cell { .. } | Selection::Confidence { right: Some(true), .. } => "The least sure first",
        Selection::Scored { class: Some(_), .. } => "The highest probability for the class first",
        Selection::Pair { .. } | Selection::Confidence { right: Some(false), .. } => {
            "The surest mistakes first"
        }
        Selection::Losses => "The highest loss first: the true class got the lowest probability",
        Selection::PutRight => "Wrong in the other run, right in this one, in the order of the data set",
        Selection::NewlyWrong => "Right in the other run, wrong in this one, in the order of the data set",
        _ => "Mistakes first, the surest of them at the top; then what is right, the least sure first",
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
