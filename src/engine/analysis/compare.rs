//! Two evaluations side by side, on the pictures that both judged.

use crate::engine::{Evaluation, Prediction};
use std::collections::HashMap;

/// What changed from one evaluation to a later one. Pictures are told by their path, classes by their name; what a picture shows is
/// what the later evaluation says, so that a corrected label counts for both.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// How many pictures both judged.
    pub common: usize,
    /// How many of those the earlier model has right.
    pub right_before: usize,
    /// How many of those the later model has right.
    pub right_after: usize,
    /// Indices into the later [`Evaluation::predictions`]: wrong before, right now.
    pub put_right: Vec<usize>,
    /// The same: right before, wrong now.
    pub newly_wrong: Vec<usize>,
    /// Of the common pictures, how many the earlier evaluation counted to another class.
    pub relabelled: usize,
    /// Pictures that only the earlier model was judged by.
    pub only_before: usize,
    /// Pictures that only the later model was judged by.
    pub only_after: usize,
    /// How likely a difference like this one, or a larger one, is if both models are equally good: the exact two-sided test
    /// of McNemar (Psychometrika 1947), in `[0, 1]`.
    pub p_value: f64,
    /// Mean cross-entropy in nats of the earlier and of the later model on the common pictures, by what they show now; `None` where a
    /// class is new to the earlier one.
    pub losses: Option<[f64; 2]>,
}

impl Comparison {
    /// Compares `after` with `before`.
    pub fn of(before: &Evaluation, after: &Evaluation) -> Self {
        let earlier: HashMap<&str, &Prediction> =
            before.predictions.iter().map(|p| (p.rel.as_str(), p)).collect();
        let name = |e: &'_ Evaluation, class: usize| e.classes.get(class).cloned();
        let mut found = Self {
            common: 0,
            right_before: 0,
            right_after: 0,
            put_right: Vec::new(),
            newly_wrong: Vec::new(),
            relabelled: 0,
            only_before: 0,
            only_after: 0,
            p_value: 1.0,
            losses: None,
        };
        let mut losses = Some([0.0; 2]);
        for (i, now) in after.predictions.iter().enumerate() {
            let Some(then) = earlier.get(now.rel.as_str()) else { continue };
            let truth = name(after, now.truth);
            found.common += 1;
            found.relabelled += usize::from(name(before, then.truth) != truth);
            let (was, is) = (name(before, then.predicted) == truth, now.predicted == now.truth);
            let known = truth.as_ref().and_then(|t| before.classes.iter().position(|class| class == t));
            losses = losses.zip(known).map(|([b, a], class)| [b + then.loss_of(class), a + now.loss()]);
            found.right_before += usize::from(was);
            found.right_after += usize::from(is);
            match (was, is) {
                (false, true) => found.put_right.push(i),
                (true, false) => found.newly_wrong.push(i),
                _ => {}
            }
        }
        found.only_before = before.predictions.len() - found.common;
        found.only_after = after.predictions.len() - found.common;
        found.losses = losses.filter(|_| found.common > 0).map(|sums| sums.map(|s| s / found.common as f64));
        found.p_value = mcnemar(found.put_right.len(), found.newly_wrong.len());
        found
    }
}

/// Chance of a split of `b + c` fair coins at least as uneven as `b` to `c`.
fn mcnemar(b: usize, c: usize) -> f64 {
    let n = b + c;
    let mut ln_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for i in 0..=b.min(c) {
        tail += ln_term.exp();
        ln_term += ((n - i) as f64).ln() - ((i + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ConfusionMatrix;

    /// Of `(path, truth, predicted)`.
    fn evaluation(classes: &[&str], rows: &[(&str, usize, usize)]) -> Evaluation {
        let mut confusion = ConfusionMatrix::new(classes.len());
        let predictions = rows
            .iter()
            .map(|&(rel, truth, predicted)| {
                confusion.add(truth, predicted);
                let probabilities = vec![1.0 / classes.len() as f32; classes.len()];
                Prediction { rel: rel.to_owned(), truth, predicted, probabilities }
            })
            .collect();
        let classes = classes.iter().map(|c| (*c).to_owned()).collect();
        Evaluation { classes, predictions, confusion, loss: 0.0 }
    }

    #[test]
    fn only_pictures_that_both_judged_are_compared_by_what_they_are_held_to_show_now() {
        let before = evaluation(
            &["ants", "bees"],
            &[("1", 0, 1), ("2", 0, 0), ("3", 1, 1), ("4", 0, 1), ("gone", 1, 1)],
        );
        // The classes stand in another order, and picture 4 turned out to be a bee.
        let after = evaluation(
            &["bees", "ants"],
            &[("4", 0, 0), ("3", 0, 1), ("2", 1, 1), ("1", 1, 1), ("new", 0, 0)],
        );
        let found = Comparison::of(&before, &after);
        assert_eq!((found.common, found.only_before, found.only_after, found.relabelled), (4, 1, 1, 1));
        assert_eq!((found.right_before, found.right_after), (3, 3), "4 was right all along");
        assert_eq!((found.put_right, found.newly_wrong), (vec![3], vec![1]));
        assert_eq!(found.p_value, 1.0);
        let [was, is] = found.losses.unwrap();
        assert!((was - 2f64.ln()).abs() < 1e-6 && (is - 2f64.ln()).abs() < 1e-6, "all are equally probable");
        // A surer model: 1 has its class with 0.9 now, and had 0.5.
        let mut surer = after.clone();
        surer.predictions[3].probabilities = vec![0.1, 0.9];
        let [was, is] = Comparison::of(&before, &surer).losses.unwrap();
        assert!((was - 2f64.ln()).abs() < 1e-6 && (is - (3.0 * 2f64.ln() - 0.9f64.ln()) / 4.0).abs() < 1e-6);
        // What the earlier model had no class for it has no loss on.
        let new = evaluation(&["bees", "wasps"], &[("1", 1, 1)]);
        assert_eq!(Comparison::of(&before, &new).losses, None);
    }

    #[test]
    fn a_difference_is_as_likely_as_scipy_says() {
        // scipy.stats.binomtest(b, b + c, 0.5).pvalue, SciPy 1.17.
        for (b, c, want) in [
            (0, 0, 1.0),
            (5, 0, 0.0625),
            (8, 2, 0.109375),
            (1, 12, 0.00341796875),
            (130, 96, 0.02793207868690631),
        ] {
            for found in [mcnemar(b, c), mcnemar(c, b)] {
                assert!((found - want).abs() < 1e-12, "{b} to {c}: {found} for {want}");
            }
        }
        assert!(mcnemar(3000, 1000) < 1e-200 && mcnemar(20_000, 20_000) > 0.99);
    }
}
