//! Attention by tensor operations; what stands around the products by kernels for cards, where they serve.

use super::{Attention, on_card};
use crate::nn::ops::card;
use crate::nn::ops::tensors::short::{in_f32, product, widened};
use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

impl Attention {
    /// Queries, keys and values, `[pictures, heads, T, D]` each.
    fn parts(&self, qkv: &Tensor) -> Result<[Tensor; 3]> {
        if card::serves(qkv) {
            let parts = self.split_heads(qkv, 3)?;
            return Ok([parts.get(0)?, parts.get(1)?, parts.get(2)?]);
        }
        let qkv = qkv.reshape((self.pictures, self.tokens, 3, self.heads, self.depth))?;
        let part = |i: usize| qkv.narrow(2, i, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        Ok([part(0)?, part(1)?, part(2)?])
    }

    /// Probabilities with which each query attends to each key, `[pictures, heads, T, T]`.
    fn probabilities_of_tensors(&self, [q, k, _]: &[Tensor; 3]) -> Result<Tensor> {
        let scores = product(q, &k.t()?)?;
        if card::serves(&scores) {
            return on_card::softmax(&scores, self.scale());
        }
        in_f32(&scores, |scores| softmax_last_dim(&scores.affine(f64::from(self.scale()), 0.0)?))
    }

    /// The result, `[pictures, T, heads * D]`.
    pub(super) fn result_of_tensors(&self, qkv: &Tensor) -> Result<Tensor> {
        let parts = self.parts(qkv)?;
        let result = product(&self.probabilities_of_tensors(&parts)?, &parts[2])?;
        let by_token = match card::serves(&result) {
            true => self.join_heads(&[&result])?,
            false => result.transpose(1, 2)?.contiguous()?,
        };
        by_token.reshape((self.pictures, self.tokens, self.width()))
    }

    /// The mean over heads of the probabilities, `[pictures, T, T]`.
    pub(super) fn mean_weights_of_tensors(&self, qkv: &Tensor) -> Result<Tensor> {
        widened(&self.probabilities_of_tensors(&self.parts(qkv)?)?)?.mean(1)
    }

    /// The gradient of `qkv`, `[pictures, T, 3, heads, D]`; see `backward` for the formulas.
    pub(super) fn gradient_of_tensors(&self, qkv: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let parts = self.parts(qkv)?;
        let p = self.probabilities_of_tensors(&parts)?;
        let grad = match card::serves(grad) {
            true => self.split_heads(grad, 1)?.squeeze(0)?,
            false => {
                let grad = grad.reshape((self.pictures, self.tokens, self.heads, self.depth))?;
                grad.transpose(1, 2)?.contiguous()?
            }
        };
        let [q, k, v] = parts;
        let of_v = product(&p.t()?, &grad)?;
        let of_scores = self.gradient_of_scores(&p, &product(&grad, &v.t()?)?)?;
        let (of_q, of_k) = (product(&of_scores, &k)?, product(&of_scores.t()?, &q)?);
        if card::serves(&of_q) {
            return self.join_heads(&[&of_q, &of_k, &of_v]);
        }
        let by_token = |t: Tensor| t.transpose(1, 2)?.contiguous();
        Tensor::stack(&[by_token(of_q)?, by_token(of_k)?, by_token(of_v)?], 2)
    }

    /// The gradient of the scores from the probabilities' one.
    fn gradient_of_scores(&self, p: &Tensor, of_p: &Tensor) -> Result<Tensor> {
        if card::serves(p) {
            return on_card::softmax_gradient(p, of_p, self.scale());
        }
        in_f32(of_p, |of_p| {
            let p = widened(p)?;
            let mean = (of_p * &p)?.sum_keepdim(D::Minus1)?;
            (p * of_p.broadcast_sub(&mean)?)?.affine(f64::from(self.scale()), 0.0)
        })
    }
}
