//! Who attends to whom: the probabilities that attention itself never keeps.

use super::{Attention, HeadInput, QUERIES};
use crate::error::Result;
use crate::nn::ops::cpu::with_values;
use crate::nn::ops::gemm::{LentPanels, padded_columns};
use crate::nn::ops::parallel::with_scratch;
use crate::nn::ops::tensors;
use candle_core::{Device, Tensor};
use rayon::prelude::*;

/// The mean over heads of `softmax(Q · Kᵀ / sqrt(D))`: how much each token attends to each other. Not differentiable.
///
/// # Shapes
/// `qkv: [.., T, 3 * C]` as for [`attention`](super::attention()). The result is `[.., T, T]`; row i holds the attention of token i
/// and sums to 1.
///
/// # Errors
/// If shapes or types do not fit.
pub fn attention_weights(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let (attention, outer) = Attention::of(qkv, heads)?;
    let shape = [outer, &[attention.tokens; 2]].concat();
    if tensors::serve(qkv) {
        return Ok(attention.mean_weights_of_tensors(&qkv.detach().contiguous()?)?.reshape(shape)?);
    }
    let values = with_values([&qkv.contiguous()?], |[qkv]| attention.mean_weights(qkv))?;
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

impl Attention {
    fn mean_weights(&self, qkv: &[f32]) -> Vec<f32> {
        let (tokens, row) = (self.tokens, padded_columns(self.tokens));
        let (keys_len, share) = (LentPanels::len(self.depth, tokens), 1.0 / self.heads as f32);
        let mut out = vec![0f32; self.pictures * tokens * tokens];
        out.par_chunks_mut(tokens * tokens).enumerate().for_each(|(picture, mean)| {
            with_scratch(keys_len + QUERIES * row, |scratch| {
                let (keys, scores) = scratch.split_at_mut(keys_len);
                for head in 0..self.heads {
                    let HeadInput { q, k, .. } = self.head(qkv, picture * self.heads + head);
                    let keys = LentPanels::pack_transposed(k, &mut *keys);
                    for (i, mean) in mean.chunks_mut(QUERIES * tokens).enumerate() {
                        let count = mean.len() / tokens;
                        self.probabilities(q.row_range(i * QUERIES, count), keys, scores);
                        for (mean, of_head) in mean.chunks_exact_mut(tokens).zip(scores.chunks_exact(row)) {
                            mean.iter_mut().zip(of_head).for_each(|(m, p)| *m += share * p);
                        }
                    }
                }
            });
        });
        out
    }
}
