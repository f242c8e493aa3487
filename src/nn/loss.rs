//! Losses on logits.

use super::ops::cpu::{check_operands, with_values};
use super::ops::graph::{self, Grad, Keeps, Operation, Saved};
use crate::error::{Error, Result};
use candle_core::{Shape, Tensor};

/// Softmax cross-entropy, PyTorch's `CrossEntropyLoss(weight, label_smoothing)` with mean reduction (divided by the sum of
/// the targets' weights). Differentiable in `logits`.
///
/// # Shapes
/// `logits: [N, K]`, `targets`: N class indices, `class_weights`: K. The result is a scalar.
///
/// # Errors
/// If shapes do not fit, a target is not below K, or `label_smoothing` is not in `[0, 1]`.
pub fn cross_entropy(
    logits: &Tensor,
    targets: &[u32],
    class_weights: Option<&[f32]>,
    label_smoothing: f64,
) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    let weights = class_weights.map_or_else(|| vec![1.0; classes], <[f32]>::to_vec);
    if n == 0 || classes == 0 || targets.len() != n || weights.len() != classes {
        return Err(Error::internal(format!(
            "cross-entropy of logits {:?} with {} targets and {} class weights",
            logits.dims(),
            targets.len(),
            weights.len()
        )));
    }
    if let Some(target) = targets.iter().find(|t| **t as usize >= classes) {
        return Err(Error::internal(format!("the target {target} is not below the {classes} classes")));
    }
    if !(0.0..=1.0).contains(&label_smoothing) {
        return Err(Error::input(format!("a label smoothing of {label_smoothing} is not in [0, 1]")));
    }
    let total = targets.iter().map(|&t| f64::from(weights[t as usize])).sum();
    let op = CrossEntropy { targets: targets.to_vec(), weights, smoothing: label_smoothing, total };
    check_operands(NAME, [Some(logits)])?;
    Ok(graph::apply(op, &[&logits.contiguous()?])?)
}

/// Binary cross-entropy with logits, mean over the batch: `logits: [N, 1]`, `targets`: N values in `[0, 1]`, `pos_weight`
/// as PyTorch's. Differentiable in `logits`.
///
/// # Errors
/// If shapes do not fit.
pub fn binary_cross_entropy(logits: &Tensor, targets: &[f32], pos_weight: Option<f32>) -> Result<Tensor> {
    if targets.is_empty() || logits.dims() != [targets.len(), 1] {
        return Err(Error::internal(format!(
            "binary cross-entropy of logits {:?} with {} targets",
            logits.dims(),
            targets.len()
        )));
    }
    let op = Binary { targets: targets.to_vec(), pos_weight: f64::from(pos_weight.unwrap_or(1.0)) };
    check_operands(BINARY, [Some(logits)])?;
    Ok(graph::apply(op, &[&logits.contiguous()?])?)
}

const NAME: &str = "cross-entropy";
const BINARY: &str = "binary-cross-entropy";

struct CrossEntropy {
    targets: Vec<u32>,
    weights: Vec<f32>,
    smoothing: f64,
    /// Sum of the targets' weights.
    total: f64,
}

impl CrossEntropy {
    /// How much the negative log-probability of class `c` counts for a picture of class `target`.
    fn share(&self, target: usize, c: usize) -> f64 {
        let uniform = self.smoothing / self.weights.len() as f64;
        let own = if c == target { 1.0 - self.smoothing } else { 0.0 };
        (own + uniform) * f64::from(self.weights[c])
    }

    fn rows<'a>(&'a self, logits: &'a [f32]) -> impl Iterator<Item = (usize, &'a [f32])> {
        self.targets.iter().map(|&t| t as usize).zip(logits.chunks_exact(self.weights.len()))
    }
}

fn log_sum_exp(row: &[f32]) -> f64 {
    // A row of not-a-numbers has no largest value; the sum is then not a number either, as it should be.
    let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    top + row.iter().map(|&z| (f64::from(z) - top).exp()).sum::<f64>().ln()
}

impl Operation for CrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        Keeps { args: 1, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let of_row = |(target, row): (usize, &[f32])| {
            let norm = log_sum_exp(row);
            let of_class = |(c, &z): (usize, &f32)| match self.share(target, c) {
                // A class that does not count must not spoil the sum with 0 times infinity.
                0.0 => 0.0,
                share => share * (norm - f64::from(z)),
            };
            row.iter().enumerate().map(of_class).sum::<f64>()
        };
        let loss = self.rows(args[0]).map(of_row).sum::<f64>() / self.total;
        (vec![loss as f32], Shape::from(()))
    }

    fn backward(&self, saved: &Saved, grad: Grad, _: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let scale = scalar(&grad)? / self.total;
        let values = with_values([saved.arg(0)?], |[logits]| {
            let mut out = Vec::with_capacity(logits.len());
            for (target, row) in self.rows(logits) {
                let norm = log_sum_exp(row);
                let all: f64 = (0..row.len()).map(|c| self.share(target, c)).sum();
                let grad_of = |(c, &z): (usize, &f32)| {
                    (scale * (all * (f64::from(z) - norm).exp() - self.share(target, c))) as f32
                };
                out.extend(row.iter().enumerate().map(grad_of));
            }
            out
        })?;
        Ok(vec![Some(Grad::Owned(values))])
    }
}

/// The gradient of a loss.
fn scalar(grad: &Grad) -> candle_core::Result<f64> {
    grad.with(|grad| grad.iter().copied().map(f64::from).sum())
}

struct Binary {
    targets: Vec<f32>,
    pos_weight: f64,
}

impl Operation for Binary {
    fn name(&self) -> &'static str {
        BINARY
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        Keeps { args: 1, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let of_one = |(&z, &target): (&f32, &f32)| {
            let (z, target) = (f64::from(z), f64::from(target));
            let softplus_minus = (-z.abs()).exp().ln_1p() + if z < 0.0 { -z } else { 0.0 };
            (1.0 - target) * z + (1.0 + (self.pos_weight - 1.0) * target) * softplus_minus
        };
        let sum: f64 = args[0].iter().zip(&self.targets).map(of_one).sum();
        (vec![(sum / self.targets.len() as f64) as f32], Shape::from(()))
    }

    fn backward(&self, saved: &Saved, grad: Grad, _: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let scale = scalar(&grad)? / self.targets.len() as f64;
        let of_one = |(&z, &target): (&f32, &f32)| {
            let (p, target) = (1.0 / (1.0 + (-f64::from(z)).exp()), f64::from(target));
            (scale * ((1.0 - target) * p - self.pos_weight * target * (1.0 - p))) as f32
        };
        let values = with_values([saved.arg(0)?], |[logits]| {
            logits.iter().zip(&self.targets).map(of_one).collect::<Vec<_>>()
        })?;
        Ok(vec![Some(Grad::Owned(values))])
    }
}
