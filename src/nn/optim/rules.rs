//! The update rules' arithmetic, one pass over a parameter.

use super::super::ops::cpu::{CHUNK, values};
use super::super::ops::simd;
use candle_core::{CpuStorage, Error, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;
use std::sync::Mutex;

/// How a gradient moves a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the last move that is kept, in `[0, 1)`; 0 is plain descent.
        momentum: f64,
        /// Look-ahead form (Nesterov 1983, as in PyTorch).
        nesterov: bool,
    },
    /// Adam (Kingma and Ba 2015); with `decoupled` AdamW (Loshchilov and Hutter 2019).
    Adam {
        /// Decay of the mean of gradients.
        beta1: f64,
        /// Decay of the mean of their squares.
        beta2: f64,
        /// Added to the root.
        eps: f64,
        /// Weight decay shrinks the weights directly, not through the gradient.
        decoupled: bool,
    },
}

impl Rule {
    /// Adam with PyTorch's defaults.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: false };
    /// AdamW with PyTorch's defaults.
    pub const ADAM_W: Self = Self::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: true };

    /// Whether the first and the second moment are kept.
    pub(super) fn keeps(self) -> (bool, bool) {
        match self {
            Self::Sgd { momentum, .. } => (momentum != 0.0, false),
            Self::Adam { .. } => (true, true),
        }
    }
}

/// One parameter's update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    pub(super) rule: Rule,
    pub(super) lr: f64,
    pub(super) weight_decay: f64,
    pub(super) l2_sp: f64,
    /// Multiplies the gradient.
    pub(super) clip: f64,
    /// Number of this step, from 1.
    pub(super) step: u64,
}

/// What belongs to a parameter; a slice is empty where the rule does not keep it.
pub(super) struct Values<'a> {
    pub(super) first: &'a mut [f32],
    pub(super) second: &'a mut [f32],
    pub(super) source: &'a [f32],
}

impl Update {
    /// Updates `param` in place.
    pub(super) fn run(self, param: &Tensor, grad: &Tensor, values: Values<'_>) -> Result<()> {
        param.inplace_op2(grad, &InPlace { update: self, values: Mutex::new(values) })
    }

    fn all(self, p: &mut [f32], g: &[f32], values: &mut Values<'_>) {
        let parcels = p.len().div_ceil(CHUNK);
        let firsts = parts_mut(values.first, parcels);
        let seconds = parts_mut(values.second, parcels);
        let sources = (0..parcels).map(|i| match values.source {
            [] => &[][..],
            source => &source[i * CHUNK..source.len().min((i + 1) * CHUNK)],
        });
        let state = firsts.into_iter().zip(seconds).zip(sources).collect::<Vec<_>>();
        p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(state).for_each(|((p, g), ((m, v), source))| {
            simd::vectorised(
                #[inline(always)]
                || self.parcel(p, g, m, v, source),
            );
        });
    }

    #[inline(always)]
    fn parcel(self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], source: &[f32]) {
        let (clip, pull) = (self.clip as f32, (2.0 * self.l2_sp) as f32);
        if source.is_empty() {
            self.rule_loop(
                p,
                m,
                v,
                #[inline(always)]
                |i, _| g[i] * clip,
            );
        } else {
            self.rule_loop(
                p,
                m,
                v,
                #[inline(always)]
                |i, p| (g[i] + pull * (p - source[i])) * clip,
            );
        }
    }

    /// `grad(i, p)` is the gradient of value i, which is now p.
    #[inline(always)]
    fn rule_loop(self, p: &mut [f32], m: &mut [f32], v: &mut [f32], grad: impl Fn(usize, f32) -> f32) {
        let (lr, decay) = (self.lr as f32, self.weight_decay as f32);
        match self.rule {
            Rule::Sgd { momentum, nesterov } => {
                let mu = momentum as f32;
                if m.is_empty() {
                    for (i, p) in p.iter_mut().enumerate() {
                        *p -= lr * (grad(i, *p) + decay * *p);
                    }
                    return;
                }
                // The gradient counts once more in Nesterov's form.
                let (ahead, kept) = if nesterov { (1.0, mu) } else { (0.0, 1.0) };
                for (i, (p, m)) in p.iter_mut().zip(m).enumerate() {
                    let d = grad(i, *p) + decay * *p;
                    *m = mu * *m + d;
                    *p -= lr * (ahead * d + kept * *m);
                }
            }
            Rule::Adam { beta1, beta2, eps, decoupled } => {
                let correction = |beta: f64| 1.0 - beta.powf(self.step as f64);
                let step_size = (self.lr / correction(beta1)) as f32;
                let root = correction(beta2).sqrt() as f32;
                let (new1, beta2, new2) = ((1.0 - beta1) as f32, beta2 as f32, (1.0 - beta2) as f32);
                let (shrink, coupled) =
                    if decoupled { ((1.0 - self.lr * self.weight_decay) as f32, 0.0) } else { (1.0, decay) };
                for (i, ((p, m), v)) in p.iter_mut().zip(m).zip(v).enumerate() {
                    let g = grad(i, *p) + coupled * *p;
                    *m += new1 * (g - *m);
                    *v = *v * beta2 + new2 * g * g;
                    *p = *p * shrink - step_size * *m / (v.sqrt() / root + eps as f32);
                }
            }
        }
    }
}

/// `count` parcels of `values`, empty ones where there are no values.
fn parts_mut(values: &mut [f32], count: usize) -> Vec<&mut [f32]> {
    if values.is_empty() {
        return (0..count).map(|_| <&mut [f32]>::default()).collect();
    }
    values.chunks_mut(CHUNK).collect()
}

/// Sum of squares.
pub(super) fn square_sum(g: &[f32]) -> f64 {
    let parts: Vec<f64> = g.par_chunks(CHUNK).map(|g| sum_of(g.len(), |i| g[i])).collect();
    parts.iter().sum()
}

/// Sum of squares of the gradient with L2-SP's part.
pub(super) fn square_sum_l2_sp(g: &[f32], p: &[f32], source: &[f32], l2_sp: f64) -> f64 {
    let pull = (2.0 * l2_sp) as f32;
    let parcels = g.par_chunks(CHUNK).zip(p.par_chunks(CHUNK)).zip(source.par_chunks(CHUNK));
    let parts: Vec<f64> =
        parcels.map(|((g, p), s)| sum_of(g.len(), |i| g[i] + pull * (p[i] - s[i]))).collect();
    parts.iter().sum()
}

fn sum_of(len: usize, value: impl Fn(usize) -> f32) -> f64 {
    simd::vectorised(
        #[inline(always)]
        || {
            // Independent sums, which vectorise; f64, so that huge gradients do not overflow.
            let mut sums = [0f64; 8];
            for i in (0..len - len % 8).step_by(8) {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let v = f64::from(value(i + lane));
                    *sum += v * v;
                }
            }
            let rest = (len - len % 8..len).map(|i| f64::from(value(i)).powi(2)).sum::<f64>();
            sums.iter().sum::<f64>() + rest
        },
    )
}

struct InPlace<'a> {
    update: Update,
    /// The op is only lent out; the lock is never contended.
    values: Mutex<Values<'a>>,
}

impl InplaceOp2 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "optimizer"
    }

    fn cpu_fwd(
        &self,
        param: &mut CpuStorage,
        param_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<()> {
        let grad = values((grad, grad_layout))?;
        let misfit = || Error::Msg("the optimizer got a parameter that is not contiguous f32".to_owned());
        let (start, end) = param_layout.contiguous_offsets().ok_or_else(misfit)?;
        let CpuStorage::F32(param) = param else { return Err(misfit()) };
        let param = param.get_mut(start..end).ok_or_else(misfit)?;
        let mut state = self.values.lock().map_err(|_| misfit())?;
        self.update.all(param, grad, &mut state);
        Ok(())
    }
}
