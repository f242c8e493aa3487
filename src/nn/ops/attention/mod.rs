//! Multi-head self-attention as one operation.
//!
//! Each head of each picture is a task; a task takes some queries at a time, so that their scores against all keys stay in the
//! cache and are never kept. The backward pass computes the scores again, from the queries and keys that the graph holds
//! anyway: besides input and result, nothing of the size of the scores is ever in memory.

mod backward;
mod on_card;
mod tensors;
mod weights;

pub use weights::attention_weights;

use super::activation::exp;
use super::cpu::{check_operands, with_values};
use super::gemm::{LentPanels, Mat, Out, padded_columns, product_of_panels};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::parallel::{Shared, with_scratch};
use super::simd::{self, Isa, Kernel};
use super::tensors::Grads;
use crate::error::{Error, Result};
use candle_core::{Shape, Tensor};
use rayon::prelude::*;

/// `softmax(Q · Kᵀ / sqrt(D)) · V` for each head (Vaswani et al. 2017, "Attention is all you need"). Differentiable.
///
/// # Shapes
/// `qkv: [.., T, 3 * C]`: for each of T tokens its query, key and value, each of C values, which are `heads` heads of
/// D = C / `heads` one behind the other (the order of timm's `attn.qkv`). The result is `[.., T, C]`. Tokens attend to those
/// with the same outer indices.
///
/// # Errors
/// If shapes or types do not fit.
pub fn attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let (attention, outer) = Attention::of(qkv, heads)?;
    let shape = Shape::from([outer, &[attention.tokens, attention.width()]].concat());
    Ok(graph::apply(Op { attention, shape }, &[&qkv.contiguous()?])?)
}

const NAME: &str = "attention";
/// Queries that are worked on at a time: a multiple of the rows of every block of the matrix product.
const QUERIES: usize = 48;

#[derive(Debug, Clone, Copy)]
struct Attention {
    /// Sets of tokens that attend to each other.
    pictures: usize,
    tokens: usize,
    heads: usize,
    /// Values of a head.
    depth: usize,
}

/// One head of one picture: matrices `[T, D]`.
#[derive(Clone, Copy)]
struct HeadInput<'a> {
    q: Mat<'a>,
    k: Mat<'a>,
    v: Mat<'a>,
}

impl Attention {
    /// What `qkv` asks for, and its outer dimensions.
    fn of(qkv: &Tensor, heads: usize) -> Result<(Self, &[usize])> {
        check_operands(NAME, [Some(qkv)])?;
        match *qkv.dims() {
            [ref outer @ .., tokens, width]
                if heads > 0 && tokens > 0 && width > 0 && width.is_multiple_of(3 * heads) =>
            {
                let pictures = outer.iter().product();
                Ok((Self { pictures, tokens, heads, depth: width / 3 / heads }, outer))
            }
            ref shape => Err(Error::internal(format!(
                "attention with {heads} heads needs [.., T, 3 * C], not {shape:?}"
            ))),
        }
    }

    /// Values of a token in the result.
    fn width(&self) -> usize {
        self.heads * self.depth
    }

    /// Factor of the scores.
    fn scale(&self) -> f32 {
        1.0 / (self.depth as f32).sqrt()
    }

    /// The part of the input that task `index` reads.
    fn head<'a>(&self, qkv: &'a [f32], index: usize) -> HeadInput<'a> {
        let (picture, head) = (index / self.heads, index % self.heads);
        let (tokens, depth, width) = (self.tokens, self.depth, self.width());
        let first = picture * tokens * 3 * width + head * depth;
        let matrix = |part: usize| Mat::rows(&qkv[first + part * width..], tokens, depth, 3 * width);
        HeadInput { q: matrix(0), k: matrix(1), v: matrix(2) }
    }

    /// Index in the result of the first value of task `index`.
    fn result(&self, index: usize) -> usize {
        (index / self.heads * self.tokens * self.heads + index % self.heads) * self.depth
    }

    fn forward(&self, qkv: &[f32]) -> Vec<f32> {
        let (tokens, depth) = (self.tokens, self.depth);
        let (score_row, row) = (padded_columns(tokens), padded_columns(depth));
        let (keys_len, values_len) = (LentPanels::len(depth, tokens), LentPanels::len(tokens, depth));
        let fill = |out: &mut [f32]| {
            let shared = Shared::new(out);
            (0..self.pictures * self.heads).into_par_iter().for_each(|index| {
                let HeadInput { q, k, v } = self.head(qkv, index);
                with_scratch(keys_len + values_len + QUERIES * (score_row + row), |scratch| {
                    let (keys, scratch) = scratch.split_at_mut(keys_len);
                    let (values, scratch) = scratch.split_at_mut(values_len);
                    let (scores, result) = scratch.split_at_mut(QUERIES * score_row);
                    let (keys, values) = (LentPanels::pack_transposed(k, keys), LentPanels::pack(v, values));
                    for first in (0..tokens).step_by(QUERIES) {
                        let count = QUERIES.min(tokens - first);
                        self.probabilities(q.row_range(first, count), keys, scores);
                        let scores = Mat::rows(scores, count, tokens, score_row);
                        product_of_panels(scores, values, Out::rows(&mut *result, row));
                        for (i, values) in result.chunks_exact(row).take(count).enumerate() {
                            let at = self.result(index) + (first + i) * self.width();
                            // SAFETY: each task writes its own head's values of its own picture's tokens.
                            unsafe { shared.part(at, depth) }.copy_from_slice(&values[..depth]);
                        }
                    }
                });
            });
        };
        // SAFETY: each head writes its values of all tokens.
        unsafe { filled(self.pictures * tokens * self.width(), fill) }
    }

    /// Probabilities with which the queries attend to each key: rows of `scores`.
    fn probabilities(&self, queries: Mat<'_>, keys: LentPanels<'_>, scores: &mut [f32]) {
        let row = padded_columns(self.tokens);
        let count = queries.row_count();
        product_of_panels(queries, keys, Out::rows(&mut *scores, row));
        let scores = &mut scores[..count * row];
        simd::dispatch(Softmax { scores, row, tokens: self.tokens, scale: self.scale() });
    }
}

/// The softmax of the first `tokens` values of each of the rows, `row` apart.
struct Softmax<'a> {
    scores: &'a mut [f32],
    row: usize,
    tokens: usize,
    scale: f32,
}

impl Kernel for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        for row in self.scores.chunks_exact_mut(self.row) {
            softmax(isa, &mut row[..self.tokens], self.scale);
        }
    }
}

/// Independent maxima and sums within a row, which vectorise.
const LANES: usize = 32;

/// `values = softmax(scale * values)`; `scale` is positive. Not-a-number anywhere makes all of them so.
#[inline(always)]
fn softmax(isa: impl Isa, values: &mut [f32], scale: f32) {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(f32::NEG_INFINITY, |m, &v| if v > m { v } else { m });
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    let most = lanes.iter().fold(rest, |m, &v| if v > m { v } else { m });
    let mut lanes = [0f32; LANES];
    let mut chunks = values.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(isa, (chunk[lane] - most) * scale);
            lanes[lane] += chunk[lane];
        }
    }
    let mut total = lanes.iter().sum::<f32>();
    for value in chunks.into_remainder() {
        *value = exp(isa, (*value - most) * scale);
        total += *value;
    }
    let share = 1.0 / total;
    values.iter_mut().for_each(|v| *v *= share);
}

/// The operation on `qkv`.
struct Op {
    attention: Attention,
    /// Of the result.
    shape: Shape,
}

impl Operation for Op {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        Keeps { args: 1, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        (self.attention.forward(args[0]), self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, _: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let of_qkv =
            grad.with(|grad| with_values([saved.arg(0)?], |[qkv]| self.attention.backward(qkv, grad)))??;
        Ok(vec![Some(Grad::Owned(of_qkv))])
    }

    fn takes_short(&self) -> bool {
        true
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.attention.result_of_tensors(args[0])?.reshape(&self.shape)
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        let qkv = saved.arg(0)?;
        Ok(vec![Some(self.attention.gradient_of_tensors(qkv, grad)?.reshape(qkv.shape())?)])
    }
}

#[cfg(test)]
mod tests;
