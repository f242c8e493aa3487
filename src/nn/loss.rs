//! Losses on logits, in f32.

use super::ops::card;
use super::ops::cpu::{check_operands, with_values};
use super::ops::graph::{self, Grad, Keeps, Operation, Saved};
use super::ops::tensors::Grads;
use super::ops::tensors::short::widened;
use crate::error::{Error, Result};
use candle_core::{D, Device, Shape, Tensor};
use candle_nn::ops::{sigmoid, softmax_last_dim};

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
    check_smoothing(label_smoothing)?;
    let total = targets.iter().map(|&t| f64::from(weights[t as usize])).sum();
    let uniform = label_smoothing / classes as f64;
    let of_class = |target: u32, c: usize| {
        let own = if c == target as usize { 1.0 - label_smoothing } else { 0.0 };
        (own + uniform) * f64::from(weights[c])
    };
    let shares = targets.iter().flat_map(|&t| (0..classes).map(move |c| (t, c)));
    let op = CrossEntropy { shares: shares.map(|(t, c)| of_class(t, c)).collect(), classes, total };
    check_operands(NAME, [Some(logits)])?;
    Ok(graph::apply(op, &[&widened(logits)?.contiguous()?])?)
}

/// Softmax cross-entropy with a share of each class as the target, PyTorch's `CrossEntropyLoss(weight, label_smoothing)` with
/// class probabilities and mean reduction (divided by the number of pictures). Differentiable in `logits`.
///
/// # Shapes
/// `logits: [N, K]`, `targets`: N rows of K shares, `class_weights`: K. The result is a scalar.
///
/// # Errors
/// If shapes do not fit, or `label_smoothing` is not in `[0, 1]`.
pub fn soft_cross_entropy(
    logits: &Tensor,
    targets: &[f32],
    class_weights: Option<&[f32]>,
    label_smoothing: f64,
) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    let weights = class_weights.map_or_else(|| vec![1.0; classes], <[f32]>::to_vec);
    if targets.is_empty() || targets.len() != n * classes || weights.len() != classes {
        return Err(Error::internal(format!(
            "cross-entropy of logits {:?} with {} shares and {} class weights",
            logits.dims(),
            targets.len(),
            weights.len()
        )));
    }
    check_smoothing(label_smoothing)?;
    let uniform = label_smoothing / classes as f64;
    let smooth = |(i, &share): (usize, &f32)| {
        (f64::from(share) * (1.0 - label_smoothing) + uniform) * f64::from(weights[i % classes])
    };
    let shares = targets.iter().enumerate().map(smooth).collect();
    let op = CrossEntropy { shares, classes, total: n as f64 };
    check_operands(NAME, [Some(logits)])?;
    Ok(graph::apply(op, &[&widened(logits)?.contiguous()?])?)
}

fn check_smoothing(smoothing: f64) -> Result<()> {
    if (0.0..=1.0).contains(&smoothing) {
        return Ok(());
    }
    Err(Error::input(format!("a label smoothing of {smoothing} is not in [0, 1]")))
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
    Ok(graph::apply(op, &[&widened(logits)?.contiguous()?])?)
}

const NAME: &str = "cross-entropy";
const BINARY: &str = "binary-cross-entropy";

struct CrossEntropy {
    /// How much the negative log-probability of each class counts for each picture, `[N, K]`.
    shares: Vec<f64>,
    classes: usize,
    /// What the sum is divided by.
    total: f64,
}

impl CrossEntropy {
    fn rows<'a>(&'a self, logits: &'a [f32]) -> impl Iterator<Item = (&'a [f64], &'a [f32])> {
        self.shares.chunks_exact(self.classes).zip(logits.chunks_exact(self.classes))
    }

    /// The shares, `[N, K]`.
    fn shares_on(&self, device: &Device) -> candle_core::Result<Tensor> {
        let shares: Vec<f32> = self.shares.iter().map(|&share| share as f32).collect();
        Tensor::from_vec(shares, (self.shares.len() / self.classes, self.classes), device)
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
        let of_row = |(shares, row): (&[f64], &[f32])| {
            let norm = log_sum_exp(row);
            let of_class = |(&share, &z): (&f64, &f32)| match share {
                // A class that does not count must not spoil the sum with 0 times infinity.
                0.0 => 0.0,
                share => share * (norm - f64::from(z)),
            };
            shares.iter().zip(row).map(of_class).sum::<f64>()
        };
        let loss = self.rows(args[0]).map(of_row).sum::<f64>() / self.total;
        (vec![loss as f32], Shape::from(()))
    }

    fn backward(&self, saved: &Saved, grad: Grad, _: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let scale = scalar(&grad)? / self.total;
        let values = with_values([saved.arg(0)?], |[logits]| {
            let mut out = Vec::with_capacity(logits.len());
            for (shares, row) in self.rows(logits) {
                let norm = log_sum_exp(row);
                let all: f64 = shares.iter().sum();
                let grad_of =
                    |(&share, &z): (&f64, &f32)| (scale * (all * (f64::from(z) - norm).exp() - share)) as f32;
                out.extend(shares.iter().zip(row).map(grad_of));
            }
            out
        })?;
        Ok(vec![Some(Grad::Owned(values))])
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        let (logits, shares) = (args[0], self.shares_on(args[0].device())?);
        let top = logits.max_keepdim(D::Minus1)?;
        let sum = logits.broadcast_sub(&top)?.exp()?.sum_keepdim(D::Minus1)?;
        let costs = (&shares * (top + sum.log()?)?.broadcast_sub(logits)?)?;
        // As on the processor, a class that does not count must not spoil the sum.
        let costs = shares.eq(0f32)?.where_cond(&costs.zeros_like()?, &costs)?;
        costs.sum_all()?.affine(1.0 / self.total, 0.0)
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        let (logits, shares) = (saved.arg(0)?, self.shares_on(grad.device())?);
        let all = shares.sum_keepdim(D::Minus1)?;
        let of_each = (softmax_last_dim(logits)?.broadcast_mul(&all)? - shares)?;
        Ok(vec![Some(of_each.broadcast_mul(&grad.affine(1.0 / self.total, 0.0)?)?)])
    }

    fn forward_on_card(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        let shares = self.shares_on(args[0].device())?;
        card::cross_entropy(args[0], &shares, (1.0 / self.total) as f32)
    }

    fn backward_on_card(&self, saved: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        let (logits, shares) = (saved.arg(0)?, self.shares_on(grad.device())?);
        let scale = (1.0 / self.total) as f32;
        Ok(vec![Some(card::gradient_of_cross_entropy(logits, &shares, grad, scale)?)])
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

impl Binary {
    /// The targets, `[N, 1]`.
    fn targets_on(&self, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.targets, (self.targets.len(), 1), device)
    }
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

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        let (z, targets) = (args[0], self.targets_on(args[0].device())?);
        let softplus_minus = (z.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()? + z.neg()?.relu()?)?;
        let weights = targets.affine(self.pos_weight - 1.0, 1.0)?;
        ((targets.affine(-1.0, 1.0)? * z)? + (weights * softplus_minus)?)?.mean_all()
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        let (p, targets) = (sigmoid(saved.arg(0)?)?, self.targets_on(grad.device())?);
        let missed = (targets.affine(self.pos_weight, 0.0)? * p.affine(-1.0, 1.0)?)?;
        let of_each = ((targets.affine(-1.0, 1.0)? * p)? - missed)?;
        Ok(vec![Some(of_each.broadcast_mul(&grad.affine(1.0 / self.targets.len() as f64, 0.0)?)?)])
    }
}
