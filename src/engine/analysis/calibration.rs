//! Whether a probability is what it says: reliability diagram and expected calibration error (Guo et al. 2017, "On
//! Calibration of Modern Neural Networks").

use crate::engine::Prediction;

/// Bins of equal width, as in the paper.
pub const BINS: usize = 15;

/// Pictures whose confidence (the highest probability) lies in `(low, high]`; the first bin holds 0 too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Pictures that were classified rightly.
    pub right: usize,
    /// Pictures that were not.
    pub wrong: usize,
    /// Mean confidence; 0 where the bin is empty.
    pub confidence: f64,
}

impl Bin {
    /// Pictures in it.
    pub fn count(&self) -> usize {
        self.right + self.wrong
    }

    /// Share of them that is right; none where there are none.
    pub fn accuracy(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.right as f64 / self.count() as f64)
    }
}

/// The bins, and how far confidence and accuracy are apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// [`BINS`] of them, from 0 to 1.
    pub bins: Vec<Bin>,
    /// Expected calibration error: the mean over all pictures of |accuracy - mean confidence| of their bin, in `[0, 1]`.
    pub error: f64,
}

impl Calibration {
    /// Of all predictions.
    pub fn of(predictions: &[Prediction]) -> Self {
        let mut bins: Vec<Bin> = (0..BINS)
            .map(|i| Bin { low: edge(i), high: edge(i + 1), right: 0, wrong: 0, confidence: 0.0 })
            .collect();
        for p in predictions {
            let confidence = p.confidence();
            if let Some(bin) = bins.get_mut(bin_of(confidence)) {
                bin.confidence += f64::from(confidence);
                *(if p.truth == p.predicted { &mut bin.right } else { &mut bin.wrong }) += 1;
            }
        }
        let mut error = 0.0;
        for bin in &mut bins {
            error += (bin.right as f64 - bin.confidence).abs();
            bin.confidence /= bin.count().max(1) as f64;
        }
        Self { bins, error: error / predictions.len().max(1) as f64 }
    }
}

/// The bin of a confidence.
pub fn bin_of(confidence: f32) -> usize {
    (1..BINS).filter(|&i| edge(i) < f64::from(confidence)).count()
}

/// Both ends of a bin.
pub fn edges(bin: usize) -> (f64, f64) {
    (edge(bin), edge(bin + 1))
}

/// The lower end of bin `i`.
fn edge(i: usize) -> f64 {
    if i >= BINS { 1.0 } else { i as f64 * (1.0 / BINS as f64) }
}
