//! Labels that are probably wrong: confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty
//! in Dataset Labels"), counted as the authors' `cleanlab` does.

use super::Features;
use crate::data::Progress;
use crate::engine::forward::argmax;
use crate::engine::logistic::{Labelled, out_of_fold};
use crate::error::Result;
use std::borrow::Cow;

/// A picture whose label is doubtful.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// Its number.
    pub picture: usize,
    /// The class it has.
    pub given: usize,
    /// The class it probably is of.
    pub suggested: usize,
    /// Probability of the suggested class, out of fold.
    pub probability: f32,
    /// Normalised margin: (probability of the given class - highest probability of another + 1) / 2, in `[0, 1]`. The lower, the
    /// more doubtful.
    pub margin: f32,
}

/// What confident learning counts.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfidentJoint {
    /// Mean probability of each class over the pictures that have it; infinite for a class without any.
    pub thresholds: Vec<f32>,
    /// `[K, K]`: pictures of given class i (row) that confidently are of class j.
    pub counts: Vec<usize>,
    /// The doubtful ones, the most doubtful first.
    pub suspects: Vec<Suspect>,
    /// Pictures whose own class is the most probable one. Where this is few, doubts say more about the models than about labels.
    pub right: usize,
}

/// Room for rounding at a threshold; `cleanlab`'s.
const SLACK: f32 = 1e-6;

/// Doubtful labels by out-of-fold probabilities: a picture counts for the most probable of the classes whose threshold it
/// reaches, and is doubtful where that is another than its own.
///
/// # Shapes
/// `probabilities: [N, K]`, of models that have not seen the picture; `labels: [N]`, each below K.
pub fn confident_joint(labels: &[usize], probabilities: &[Vec<f32>], classes: usize) -> ConfidentJoint {
    let thresholds = thresholds(labels, probabilities, classes);
    let mut counts = vec![0; classes * classes];
    let mut suspects = Vec::new();
    for (picture, (&given, p)) in labels.iter().zip(probabilities).enumerate() {
        let reached: Vec<usize> = (0..classes).filter(|&c| p[c] >= thresholds[c] - SLACK).collect();
        let suggested = match reached.as_slice() {
            [] => continue,
            [only] => *only,
            _ => argmax(p),
        };
        counts[given * classes + suggested] += 1;
        if suggested != given && argmax(p) != given {
            let margin = normalised_margin(p, given);
            suspects.push(Suspect { picture, given, suggested, probability: p[suggested], margin });
        }
    }
    // Stable: equal ones stay in the data set's order.
    suspects.sort_by(|a, b| a.margin.total_cmp(&b.margin));
    let right = labels.iter().zip(probabilities).filter(|(given, p)| argmax(p) == **given).count();
    ConfidentJoint { thresholds, counts, suspects, right }
}

fn thresholds(labels: &[usize], probabilities: &[Vec<f32>], classes: usize) -> Vec<f32> {
    let mut sums = vec![(0f64, 0usize); classes];
    for (&label, p) in labels.iter().zip(probabilities) {
        sums[label].0 += f64::from(p[label]);
        sums[label].1 += 1;
    }
    let mean = |(sum, count)| if count == 0 { f32::INFINITY } else { (sum / count as f64) as f32 };
    sums.into_iter().map(mean).collect()
}

fn normalised_margin(p: &[f32], given: usize) -> f32 {
    let others = p.iter().enumerate().filter(|(c, _)| *c != given).map(|(_, v)| *v);
    (p[given] - others.fold(0.0, f32::max) + 1.0) / 2.0
}

impl Features {
    /// Doubtful labels of the pictures with these numbers, from logistic regressions on their features that have not seen the picture
    /// (five folds, drawn from `seed`).
    ///
    /// # Errors
    /// If features are not finite, or `progress` stops the work.
    pub fn suspects(&self, among: &[usize], seed: u64, progress: Progress<'_>) -> Result<ConfidentJoint> {
        let labels: Vec<usize> = among.iter().map(|&i| self.pictures[i].class).collect();
        let width = self.width();
        // As many as there can be: they are copied only where some are left out.
        let features = match among.len() == self.len() {
            true => Cow::Borrowed(self.values()),
            false => among.iter().flat_map(|&i| &self.values()[i * width..][..width]).copied().collect(),
        };
        let data = Labelled {
            features: &features,
            width,
            labels: &labels,
            pictures: among,
            classes: self.classes.len(),
            class_weights: None,
        };
        let probabilities = out_of_fold(&data, seed, progress)?;
        let mut found = confident_joint(&labels, &probabilities, self.classes.len());
        found.suspects.iter_mut().for_each(|s| s.picture = among[s.picture]);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::of_rows;
    use super::*;
    use crate::nn::rng::Rng;
    use serde_json::Value;

    fn numbers(list: &Value) -> Vec<f64> {
        list.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    fn indices(list: &Value) -> Vec<usize> {
        numbers(list).into_iter().map(|v| v as usize).collect()
    }

    /// Values of `tests/fixtures/engine_suspects_golden.py`.
    #[test]
    fn what_is_doubtful_is_what_cleanlab_finds() {
        let golden: Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/engine_suspects_golden.json"))
                .unwrap();
        let cases = golden["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 3);
        for case in cases {
            let labels = indices(&case["labels"]);
            let p: Vec<Vec<f32>> = case["probabilities"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| numbers(row).into_iter().map(|v| v as f32).collect())
                .collect();
            let got = confident_joint(&labels, &p, 4);
            for (got, want) in got.thresholds.iter().zip(numbers(&case["thresholds"])) {
                assert!((f64::from(*got) - want).abs() < 1e-6, "{got} for {want}");
            }
            let joint: Vec<usize> = case["joint"].as_array().unwrap().iter().flat_map(indices).collect();
            assert_eq!(got.counts, joint);
            let ranked: Vec<usize> = got.suspects.iter().map(|s| s.picture).collect();
            assert_eq!(ranked, indices(&case["ranked"]));
            let margins = numbers(&case["margins"]);
            for s in &got.suspects {
                assert!((f64::from(s.margin) - margins[s.picture]).abs() < 1e-6);
                assert_eq!(s.given, labels[s.picture]);
            }
        }
    }

    #[test]
    fn labels_that_were_swapped_are_found_on_features_and_few_others() {
        let mut rng = Rng::for_key(5, &[]);
        let truth: Vec<usize> = (0..150).map(|i| i % 3).collect();
        let rows: Vec<Vec<f32>> = truth
            .iter()
            .map(|&t| (0..6).map(|d| (rng.normal() + if d == t { 5.0 } else { 0.0 }) as f32).collect())
            .collect();
        let swapped = [3, 40, 77, 110];
        let mut labels = truth.clone();
        swapped.iter().for_each(|&i| labels[i] = (truth[i] + 1) % 3);
        let told = std::sync::Mutex::new(Vec::new());
        let progress = |done, total| {
            told.lock().unwrap().push((done, total));
            Ok(())
        };
        let all: Vec<usize> = (0..150).collect();
        let features = of_rows(&rows, &labels, 3);
        let found = features.suspects(&all, 0, &progress).unwrap();
        let told = told.into_inner().unwrap();
        assert!(
            told.is_sorted() && told.iter().all(|(done, total)| done < total && *total == told[0].1),
            "{told:?}"
        );
        assert!(told[0].0 == 0 && told.iter().any(|(done, total)| 5 * done > 4 * total), "{told:?}");
        assert!((140..=146).contains(&found.right), "{} of 150, four of which are swapped", found.right);
        let suspects = found.suspects;
        let mut first: Vec<usize> = suspects.iter().take(swapped.len()).map(|s| s.picture).collect();
        first.sort_unstable();
        assert_eq!(first, swapped);
        assert!(suspects.iter().take(swapped.len()).all(|s| s.suggested == truth[s.picture]));
        // Pictures that are left out are neither doubted nor learned from, and the others keep their numbers.
        let some: Vec<usize> = all.iter().copied().filter(|i| *i != 3 && i % 7 != 0).collect();
        let found = features.suspects(&some, 0, &|_, _| Ok(())).unwrap();
        let mut first: Vec<usize> = found.suspects.iter().take(2).map(|s| s.picture).collect();
        first.sort_unstable();
        assert_eq!(first, [40, 110]);
        assert!(found.suspects.iter().all(|s| some.contains(&s.picture)) && found.right + 10 > some.len());
        assert!(suspects.len() < 10, "{} of 150", suspects.len());
    }

    #[test]
    fn a_class_without_pictures_is_never_suggested() {
        let p = vec![vec![0.1, 0.1, 0.8], vec![0.6, 0.2, 0.2], vec![0.3, 0.6, 0.1]];
        let found = confident_joint(&[0, 0, 1], &p, 3);
        assert!(found.suspects.iter().all(|s| s.suggested != 2), "{found:?}");
        assert_eq!(found.thresholds[2], f32::INFINITY);
    }
}
