//! Attention by tensor operations.

use super::Attention;
use crate::nn::ops::tensors::short::{in_f32, product, widened};
use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

impl Attention {
    /// Queries, keys and values, `[pictures, heads, T, D]` each.
    fn parts(&self, qkv: &Tensor) -> Result<[Tensor; 3]> {
        let qkv = qkv.reshape((self.pictures, self.tokens, 3, self.heads, self.depth))?;
        let part = |i: usize| qkv.narrow(2, i, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        Ok([part(0)?, part(1)?, part(2)?])
    }

    /// Probabilities with which each query attends to each key, `[pictures, heads, T, T]`.
    fn probabilities_of_tensors(&self, [q, k, _]: &[Tensor; 3]) -> Result<Tensor> {
        let scores = product(q, &k.t()?)?;
        in_f32(&scores, |scores| softmax_last_dim(&scores.affine(f64::from(self.scale()), 0.0)?))
    }

    /// The result, `[pictures, T, heads * D]`.
    pub(super) fn result_of_tensors(&self, qkv: &Tensor) -> Result<Tensor> {
        let parts = self.parts(qkv)?;
        let result = product(&self.probabilities_of_tensors(&parts)?, &parts[2])?;
        result.transpose(1, 2)?.contiguous()?.reshape((self.pictures, self.tokens, self.width()))
    }

    /// The mean over heads of the probabilities, `[pictures, T, T]`.
    pub(super) fn mean_weights_of_tensors(&self, qkv: &Tensor) -> Result<Tensor> {
        widened(&self.probabilities_of_tensors(&self.parts(qkv)?)?)?.mean(1)
    }

    /// The gradient of `qkv`, `[pictures, T, 3, heads, D]`; see `backward` for the formulas.
    pub(super) fn gradient_of_tensors(&self, qkv: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let parts = self.parts(qkv)?;
        let p = self.probabilities_of_tensors(&parts)?;
        let grad = grad.reshape((self.pictures, self.tokens, self.heads, self.depth))?;
        let grad = grad.transpose(1, 2)?.contiguous()?;
        let [q, k, v] = parts;
        let of_v = product(&p.t()?, &grad)?;
        let of_p = product(&grad, &v.t()?)?;
        let of_scores = in_f32(&of_p, |of_p| {
            let p = widened(&p)?;
            let mean = (of_p * &p)?.sum_keepdim(D::Minus1)?;
            (p * of_p.broadcast_sub(&mean)?)?.affine(f64::from(self.scale()), 0.0)
        })?;
        let (of_q, of_k) = (product(&of_scores, &k)?, product(&of_scores.t()?, &q)?);
        let by_token = |t: Tensor| t.transpose(1, 2)?.contiguous();
        Tensor::stack(&[by_token(of_q)?, by_token(of_k)?, by_token(of_v)?], 2)
    }
}
