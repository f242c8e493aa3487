//! The gradient of attention.
//!
//! With probabilities P and the result's gradient G: dV = Pᵀ · G, dP = G · Vᵀ, dS = scale * P * (dP - sum(P * dP)) for each
//! query, dQ = dS · K, dK = dSᵀ · Q.

use super::{Attention, HeadInput, QUERIES};
use crate::nn::ops::gemm::{LentPanels, Mat, Out, add_transposed_panels, padded_columns, product_of_panels};
use crate::nn::ops::memory::filled;
use crate::nn::ops::parallel::{Shared, with_scratch};
use crate::nn::ops::simd;
use rayon::prelude::*;

impl Attention {
    /// The gradient of `qkv`, in its layout, from the result's.
    pub(super) fn backward(&self, qkv: &[f32], grad: &[f32]) -> Vec<f32> {
        let (tokens, depth, width) = (self.tokens, self.depth, self.width());
        let fill = |out: &mut [f32]| {
            let shared = Shared::new(out);
            (0..self.pictures * self.heads).into_par_iter().for_each(|index| {
                let grad = Mat::rows(&grad[self.result(index)..], tokens, depth, width);
                let first = index / self.heads * tokens * 3 * width + index % self.heads * depth;
                self.head_gradient(self.head(qkv, index), grad, |part, token, values| {
                    let at = first + token * 3 * width + part * width;
                    // SAFETY: each task writes its own head's values of its own picture's tokens.
                    unsafe { shared.part(at, depth) }.copy_from_slice(&values[..depth]);
                });
            });
        };
        // SAFETY: each head stores its three gradients of all tokens.
        unsafe { filled(qkv.len(), fill) }
    }

    /// Calls `store(part, token, values)` with the gradient of each token's query (part 0), key (1) and value (2).
    fn head_gradient(&self, input: HeadInput<'_>, grad: Mat<'_>, store: impl Fn(usize, usize, &[f32])) {
        let (tokens, depth) = (self.tokens, self.depth);
        let (score_row, row) = (padded_columns(tokens), padded_columns(depth));
        let (wide, tall) = (LentPanels::len(depth, tokens), LentPanels::len(tokens, depth));
        let block = QUERIES * score_row;
        let space = 2 * wide + 3 * tall + 2 * block + QUERIES * row + 2 * tokens * row;
        with_scratch(space, |scratch| {
            let mut rest = scratch;
            let mut take = |len: usize| {
                let (part, left) = std::mem::take(&mut rest).split_at_mut(len);
                rest = left;
                part
            };
            let keys_t = LentPanels::pack_transposed(input.k, take(wide));
            let values_t = LentPanels::pack_transposed(input.v, take(wide));
            let keys = LentPanels::pack(input.k, take(tall));
            let queries = LentPanels::pack(input.q, take(tall));
            let upstream = LentPanels::pack(grad, take(tall));
            let (scores, slopes, of_q) = (take(block), take(block), take(QUERIES * row));
            let (of_k, of_v) = (take(tokens * row), take(tokens * row));
            of_k.fill(0.0);
            of_v.fill(0.0);
            for first in (0..tokens).step_by(QUERIES) {
                let count = QUERIES.min(tokens - first);
                self.probabilities(input.q.row_range(first, count), keys_t, scores);
                product_of_panels(grad.row_range(first, count), values_t, Out::rows(&mut *slopes, score_row));
                let p = Mat::rows(scores, count, tokens, score_row);
                add_transposed_panels(p, upstream, first..first + count, Out::rows(&mut *of_v, row));
                let scale = self.scale();
                simd::vectorised(
                    #[inline(always)]
                    || {
                        let rows = slopes.chunks_exact_mut(score_row).zip(scores.chunks_exact(score_row));
                        rows.take(count)
                            .for_each(|(s, p)| score_gradient(&mut s[..tokens], &p[..tokens], scale));
                    },
                );
                let slopes = Mat::rows(slopes, count, tokens, score_row);
                product_of_panels(slopes, keys, Out::rows(&mut *of_q, row));
                add_transposed_panels(slopes, queries, first..first + count, Out::rows(&mut *of_k, row));
                of_q.chunks_exact(row).take(count).enumerate().for_each(|(i, v)| store(0, first + i, v));
            }
            of_k.chunks_exact(row).enumerate().for_each(|(token, v)| store(1, token, v));
            of_v.chunks_exact(row).enumerate().for_each(|(token, v)| store(2, token, v));
        });
    }
}

/// Turns the gradient of a query's probabilities `p` into that of its scores.
#[inline(always)]
fn score_gradient(slopes: &mut [f32], p: &[f32], scale: f32) {
    const LANES: usize = 32;
    let mut lanes = [0f32; LANES];
    let (slope_chunks, p_chunks) = (slopes.chunks_exact(LANES), p.chunks_exact(LANES));
    let rest: f32 = slope_chunks.remainder().iter().zip(p_chunks.remainder()).map(|(s, p)| s * p).sum();
    for (s, p) in slope_chunks.zip(p_chunks) {
        for lane in 0..LANES {
            lanes[lane] += s[lane] * p[lane];
        }
    }
    let mean = lanes.iter().sum::<f32>() + rest;
    slopes.iter_mut().zip(p).for_each(|(s, p)| *s = scale * p * (*s - mean));
}
