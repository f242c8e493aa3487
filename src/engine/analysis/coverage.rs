//! What leaving unsure pictures undecided costs and brings: the share that is decided against how often that is right
//! (selective classification, Geifman and El-Yaniv, NeurIPS 2017).

use crate::engine::{Evaluation, Prediction};

/// What a threshold on the highest probability makes of the judged pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoveragePoint {
    /// Pictures at least this sure are decided, in `[0, 1]`.
    pub threshold: f32,
    /// How many are decided.
    pub decided: usize,
    /// How many of those are right.
    pub right: usize,
}

impl CoveragePoint {
    /// Share of those decided that are right; 1 where none is decided.
    pub fn accuracy(&self) -> f64 {
        if self.decided == 0 { 1.0 } else { self.right as f64 / self.decided as f64 }
    }
}

/// All thresholds that make a difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage {
    /// By falling threshold: each decides more pictures than the one before, the last all.
    pub points: Vec<CoveragePoint>,
    /// How many pictures there are.
    pub total: usize,
}

impl Coverage {
    /// Of an evaluation's predictions.
    pub fn of(evaluation: &Evaluation) -> Self {
        let right = |p: &Prediction| p.truth == p.predicted;
        let mut sure: Vec<(f32, bool)> =
            evaluation.predictions.iter().map(|p| (p.confidence(), right(p))).collect();
        sure.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut points: Vec<CoveragePoint> = Vec::new();
        let mut so_far = CoveragePoint { threshold: 1.0, decided: 0, right: 0 };
        for (threshold, right) in sure {
            so_far.threshold = threshold;
            so_far.decided += 1;
            so_far.right += usize::from(right);
            // Pictures that are equally sure are decided together.
            match points.last_mut().filter(|last| last.threshold == threshold) {
                Some(last) => *last = so_far,
                None => points.push(so_far),
            }
        }
        Self { points, total: evaluation.predictions.len() }
    }

    /// What `threshold` makes of the pictures.
    pub fn at(&self, threshold: f32) -> CoveragePoint {
        let reached = self.points.partition_point(|p| p.threshold >= threshold);
        let nothing = CoveragePoint { threshold, decided: 0, right: 0 };
        let point = reached.checked_sub(1).and_then(|i| self.points.get(i)).copied().unwrap_or(nothing);
        CoveragePoint { threshold, ..point }
    }

    /// The lowest threshold at which at least `accuracy` of what is decided is right, if there is one that decides anything.
    pub fn threshold_for(&self, accuracy: f64) -> Option<f32> {
        self.points.iter().rev().find(|p| p.accuracy() >= accuracy).map(|p| p.threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ConfusionMatrix;

    /// Of `(highest probability, right)`.
    fn coverage(rows: &[(f32, bool)]) -> Coverage {
        let mut confusion = ConfusionMatrix::new(2);
        let predictions = rows
            .iter()
            .map(|&(p, right)| {
                confusion.add(usize::from(!right), 0);
                let probabilities = vec![p, 1.0 - p];
                Prediction { rel: String::new(), truth: usize::from(!right), predicted: 0, probabilities }
            })
            .collect();
        let classes = vec!["a".to_owned(), "b".to_owned()];
        Coverage::of(&Evaluation { classes, predictions, confusion, loss: 0.0 })
    }

    #[test]
    fn a_higher_threshold_decides_fewer_and_equally_sure_pictures_together() {
        let c = coverage(&[(0.75, true), (0.5, false), (0.875, true), (0.75, false), (1.0, true)]);
        let counts: Vec<_> = c.points.iter().map(|p| (p.threshold, p.decided, p.right)).collect();
        assert_eq!(counts, [(1.0, 1, 1), (0.875, 2, 2), (0.75, 4, 3), (0.5, 5, 3)]);
        let at = |t: f32| (c.at(t).decided, c.at(t).right);
        assert_eq!(
            [at(0.0), at(0.5), at(0.6), at(0.75), at(0.76), at(1.0)],
            [(5, 3), (5, 3), (4, 3), (4, 3), (2, 2), (1, 1)]
        );
        assert_eq!(
            (c.threshold_for(0.6), c.threshold_for(0.75), c.threshold_for(0.9)),
            (Some(0.5), Some(0.75), Some(0.875))
        );
    }

    #[test]
    fn nothing_judged_and_nothing_right_are_no_thresholds() {
        let none = coverage(&[]);
        assert_eq!((none.threshold_for(0.5), none.at(0.5).decided, none.at(0.5).accuracy()), (None, 0, 1.0));
        assert_eq!(coverage(&[(0.9, false)]).threshold_for(0.5), None);
    }
}
