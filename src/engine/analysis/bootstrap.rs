//! How sure a number is that no formula tells it of: the bootstrap's percentile interval (Efron and Tibshirani 1993).

use crate::engine::{Evaluation, keys};
use crate::nn::rng::Rng;

/// How often as many pictures as were judged are drawn from them.
pub const RESAMPLES: usize = 1000;
/// So that the same predictions have the same interval.
const SEED: u64 = 0;
/// Share of the resamples that is left out below and above.
const TAIL: f64 = 0.025;

/// Macro F1 with 95 % confidence: between these two it lies for 95 of 100 draws, with replacement, of as many of the judged pictures.
/// Both ends are in `[0, 1]`; all of it where nothing was judged.
pub fn macro_f1_interval(evaluation: &Evaluation) -> (f64, f64) {
    let pairs: Vec<(usize, usize)> = evaluation.predictions.iter().map(|p| (p.truth, p.predicted)).collect();
    if pairs.is_empty() {
        return (0.0, 1.0);
    }
    let mut scores = MacroF1::new(evaluation.classes.len());
    let resample = |i: usize| {
        let mut rng = Rng::for_key(SEED, &[keys::RESAMPLE, i as u64]);
        scores.of((0..pairs.len()).map(|_| pairs[rng.below(pairs.len())]))
    };
    interval((0..RESAMPLES).map(resample).collect())
}

/// What lies between the tails, between two values in proportion (numpy's `linear`).
fn interval(mut scores: Vec<f64>) -> (f64, f64) {
    scores.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * scores.len().saturating_sub(1) as f64;
        let (low, part) = (place.floor() as usize, place.fract());
        let value = |i: usize| scores.get(i.min(scores.len().saturating_sub(1))).copied().unwrap_or_default();
        value(low) + (value(low + 1) - value(low)) * part
    };
    (at(TAIL), at(1.0 - TAIL))
}

/// Counts of each class, used again for each resample.
struct MacroF1 {
    hits: Vec<usize>,
    /// True and predicted ones together.
    named: Vec<usize>,
}

impl MacroF1 {
    fn new(classes: usize) -> Self {
        Self { hits: vec![0; classes], named: vec![0; classes] }
    }

    /// As [`crate::engine::ConfusionMatrix::macro_f1`] of `(true, predicted)` pairs.
    fn of(&mut self, pairs: impl Iterator<Item = (usize, usize)>) -> f64 {
        self.hits.fill(0);
        self.named.fill(0);
        for (truth, predicted) in pairs {
            self.hits[truth] += usize::from(truth == predicted);
            self.named[truth] += 1;
            self.named[predicted] += 1;
        }
        let seen = self.hits.iter().zip(&self.named).filter(|(_, named)| **named > 0);
        let (sum, count) = seen.fold((0.0, 0usize), |(sum, count), (&hits, &named)| {
            (sum + 2.0 * hits as f64 / named as f64, count + 1)
        });
        sum / count.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ConfusionMatrix, Prediction};
    use serde_json::Value;

    fn numbers(list: &Value) -> Vec<usize> {
        list.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
    }

    #[test]
    fn the_scores_and_the_interval_of_resamples_are_those_of_scikit_learn_and_numpy() {
        let text = include_str!("../../../tests/fixtures/engine_bootstrap.json");
        let golden: Value = serde_json::from_str(text).unwrap();
        let pairs: Vec<(usize, usize)> =
            numbers(&golden["truth"]).into_iter().zip(numbers(&golden["predicted"])).collect();
        let mut scores = MacroF1::new(4);
        let resamples = golden["resamples"].as_array().unwrap();
        let found: Vec<f64> =
            resamples.iter().map(|r| scores.of(numbers(r).into_iter().map(|i| pairs[i]))).collect();
        for (got, want) in found.iter().zip(golden["scores"].as_array().unwrap()) {
            assert!((got - want.as_f64().unwrap()).abs() < 1e-12, "{got} for {want}");
        }
        let (low, high) = interval(found);
        for (got, want) in [(low, &golden["low"]), (high, &golden["high"])] {
            assert!((got - want.as_f64().unwrap()).abs() < 1e-12, "{got} for {want}");
        }
    }

    fn evaluation(pairs: &[(usize, usize)]) -> Evaluation {
        let mut confusion = ConfusionMatrix::new(2);
        let predictions = pairs
            .iter()
            .map(|&(truth, predicted)| {
                confusion.add(truth, predicted);
                Prediction { rel: String::new(), truth, predicted, probabilities: Vec::new() }
            })
            .collect();
        Evaluation { classes: vec!["a".into(), "b".into()], predictions, confusion, loss: 0.0 }
    }

    #[test]
    fn it_holds_the_score_is_always_the_same_and_narrower_of_more_pictures() {
        let some: Vec<(usize, usize)> =
            (0..60).map(|i| (i % 2, usize::from(i % 2 == 1 || i % 10 == 0))).collect();
        let few = evaluation(&some);
        let (low, high) = macro_f1_interval(&few);
        let score = few.confusion.macro_f1();
        assert!(low < score && score < high && high <= 1.0, "{low} {score} {high}");
        assert_eq!(macro_f1_interval(&few), (low, high));
        let (l, h) = macro_f1_interval(&evaluation(&some.repeat(10)));
        assert!(h - l < 0.5 * (high - low));
        assert_eq!(macro_f1_interval(&evaluation(&[(0, 0), (1, 1)])), (1.0, 1.0));
        assert_eq!(macro_f1_interval(&evaluation(&[])), (0.0, 1.0));
    }
}
