//! What a network looks at in one picture.

mod grad_cam;
mod rollout;

pub use grad_cam::grad_cam;
pub use rollout::attention_rollout;

use super::Classifier;
use super::forward::argmax;
use crate::data::decode::decode_file;
use crate::data::transform::{eval_region, eval_view};
use crate::error::{Error, Result};
use std::path::Path;

/// Where a [`HeatMap`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeatMethod {
    /// [`grad_cam`]: what speaks for one class.
    GradCam,
    /// [`attention_rollout`]: what a transformer reads, whatever the class.
    AttentionRollout,
}

/// How much each part of the square that a network sees counts.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// How it was computed.
    pub method: HeatMethod,
    /// Positions from top to bottom.
    pub rows: usize,
    /// Positions from left to right.
    pub columns: usize,
    /// `[rows, columns]`, row by row, none below 0; as computed, without any scaling.
    pub values: Vec<f32>,
}

impl HeatMap {
    /// The values divided by the largest; all 0 where nothing counts. Of an attention rollout, which is never 0, the smallest is
    /// taken off before.
    pub fn relative(&self) -> Vec<f32> {
        let lowest = match self.method {
            HeatMethod::GradCam => 0.0,
            HeatMethod::AttentionRollout => self.values.iter().copied().fold(f32::INFINITY, f32::min),
        };
        let most = self.values.iter().fold(0f32, |most, v| most.max(v - lowest));
        let scale = if most > 0.0 { 1.0 / most } else { 0.0 };
        self.values.iter().map(|v| (v - lowest) * scale).collect()
    }
}

/// What a network makes of one picture, and what it looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Class that the map is of.
    pub class: usize,
    /// Probability of each class; they sum to 1.
    pub probabilities: Vec<f32>,
    /// What the head reads.
    pub features: Vec<f32>,
    /// Which part of the picture the network sees: left, upper, right and lower edge as shares of width and height.
    pub seen: [f32; 4],
    /// What counts in it, or why that cannot be told of this network.
    pub heat: Result<HeatMap, Error>,
}

impl Classifier {
    /// What the network looks at in a picture when it gives `class` its probability; without one, the most probable class.
    ///
    /// # Errors
    /// If the picture cannot be decoded, there is no such class, or the network's output is not finite.
    pub fn explain(&self, picture: &Path, class: Option<usize>) -> Result<Explanation> {
        let preprocess = self.preprocess();
        let image = decode_file(picture, self.maker.max_megapixels)?;
        let seen = eval_region(image.dimensions(), preprocess)?;
        let x = self.maker.tensor(eval_view(&image, preprocess)?, self.network.store.device())?;
        let answer = self.answers_of(&x)?.pop().ok_or_else(|| Error::internal("a picture has no answer"))?;
        let class = class.unwrap_or_else(|| argmax(&answer.probabilities));
        if class >= answer.probabilities.len() {
            return Err(Error::input(format!("the model has no class number {class}")));
        }
        let heat = match self.network.has_class_token() {
            true => attention_rollout(&self.network, &x),
            false => grad_cam(&self.network, &x, class, self.output),
        };
        let (probabilities, features) = (answer.probabilities, answer.features);
        Ok(Explanation { class, probabilities, features, seen, heat })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_values_reach_from_nothing_to_everything() {
        let map = |method, values: &[f32]| HeatMap { method, rows: 1, columns: 3, values: values.to_vec() };
        let relative = |method, values| map(method, values).relative();
        assert_eq!(relative(HeatMethod::GradCam, &[0.5, 0.25, 0.0]), [1.0, 0.5, 0.0]);
        assert_eq!(relative(HeatMethod::GradCam, &[0.0, 0.0, 0.0]), [0.0, 0.0, 0.0]);
        assert_eq!(relative(HeatMethod::AttentionRollout, &[0.5, 0.75, 1.0]), [0.0, 0.5, 1.0]);
        assert_eq!(relative(HeatMethod::AttentionRollout, &[0.5, 0.5, 0.5]), [0.0, 0.0, 0.0]);
    }
}
