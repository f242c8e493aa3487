//! What predictions say beyond counts: curves over the threshold, calibration, confused pairs, an order of the classes.
//!
//! Pure functions of labels and probabilities. [`Analysis::of`] computes everything once for an evaluation; for 100 classes
//! and 100,000 pictures that takes about a second, so it belongs on a thread of its own.

pub mod bootstrap;
pub mod calibration;
pub mod cluster;
mod compare;
mod coverage;
pub mod curves;
mod pairs;

pub use calibration::{Bin, Calibration};
pub use compare::Comparison;
pub use coverage::{Coverage, CoveragePoint};
pub use curves::{Curve, MacroCurve, Point};
pub use pairs::{Pair, confused_pairs};

use super::{Evaluation, Prediction};

/// Everything that is computed from an evaluation's predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Of each class against all others.
    pub classes: Vec<Curve>,
    /// Of all pairs of a picture and a class together.
    pub micro: Curve,
    /// The mean over the classes.
    pub macro_mean: MacroCurve,
    /// Whether confidence is what it says.
    pub calibration: Calibration,
    /// Classes that were taken for each other, the most frequent first.
    pub pairs: Vec<Pair>,
    /// All predictions by their cross-entropy, the highest first, equal ones in the data set's order.
    pub by_loss: Vec<usize>,
    /// Macro F1 with 95 % confidence, by the bootstrap.
    pub macro_f1_interval: (f64, f64),
    /// The classes so that those that are taken for each other stand side by side.
    pub clustered: Vec<usize>,
}

impl Analysis {
    /// Computes everything.
    pub fn of(evaluation: &Evaluation) -> Self {
        let classes: Vec<Curve> =
            (0..evaluation.classes.len()).map(|class| Curve::of_class(evaluation, class)).collect();
        Self {
            micro: Curve::micro(evaluation),
            macro_mean: MacroCurve::of(&classes),
            classes,
            calibration: Calibration::of(&evaluation.predictions),
            pairs: confused_pairs(&evaluation.confusion),
            by_loss: by_loss(&evaluation.predictions),
            macro_f1_interval: bootstrap::macro_f1_interval(evaluation),
            clustered: cluster::order(&evaluation.confusion),
        }
    }
}

/// Indices of the predictions by their cross-entropy, the highest first.
pub fn by_loss(predictions: &[Prediction]) -> Vec<usize> {
    let losses: Vec<f64> = predictions.iter().map(Prediction::loss).collect();
    let mut order: Vec<usize> = (0..losses.len()).collect();
    order.sort_by(|&a, &b| losses[b].total_cmp(&losses[a]));
    order
}
