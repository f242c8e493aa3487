//! Squeeze and excitation by tensor operations.

use super::Op;
use crate::nn::ops::graph::Saved;
use crate::nn::ops::tensors::{Grads, activation, column_sums, when};
use candle_core::{Result, Tensor};

/// The two small layers' weights, as matrices, and biases.
struct Matrices {
    squeeze: Tensor,
    squeeze_bias: Tensor,
    excite: Tensor,
    excite_bias: Tensor,
}

/// What they compute: `[N, ..]` each, before and after the activation where there are two.
struct Gates {
    mean: Tensor,
    hidden: [Tensor; 2],
    gate: [Tensor; 2],
}

impl Op {
    /// The pictures' maps, `[N, H * W, C]`.
    fn maps(&self, t: &Tensor) -> Result<Tensor> {
        t.reshape(((), self.positions, self.channels))
    }

    /// The small layers' arguments, in four or in one.
    fn matrices_of_tensors(&self, args: &[&Tensor]) -> Result<Matrices> {
        let mut parts = Vec::with_capacity(4);
        match args {
            [joined] => {
                let mut first = 0;
                for len in self.lengths() {
                    parts.push(joined.narrow(0, first, len)?);
                    first += len;
                }
            }
            apart => parts.extend(apart.iter().map(|&t| t.clone())),
        }
        let [squeeze, squeeze_bias, excite, excite_bias] = &parts[..] else {
            candle_core::bail!("squeeze and excitation of {} arguments", 1 + parts.len());
        };
        let (channels, squeezed) = (self.channels, self.squeezed);
        Ok(Matrices {
            squeeze: squeeze.reshape((channels, squeezed))?,
            squeeze_bias: squeeze_bias.clone(),
            excite: excite.reshape((squeezed, channels))?,
            excite_bias: excite_bias.clone(),
        })
    }

    fn gates_of_tensors(&self, maps: &Tensor, m: &Matrices) -> Result<Gates> {
        let mean = maps.mean(1)?;
        let before = mean.matmul(&m.squeeze)?.broadcast_add(&m.squeeze_bias)?;
        let hidden = activation::value(self.act, &before)?;
        let hidden = [before, hidden];
        let before = hidden[1].matmul(&m.excite)?.broadcast_add(&m.excite_bias)?;
        let gate = activation::value(self.gate, &before)?;
        Ok(Gates { mean, hidden, gate: [before, gate] })
    }

    pub(super) fn result_of_tensors(&self, args: &[&Tensor]) -> Result<Tensor> {
        let maps = self.maps(args[0])?;
        let gates = self.gates_of_tensors(&maps, &self.matrices_of_tensors(&args[1..])?)?;
        maps.broadcast_mul(&gates.gate[1].unsqueeze(1)?)?.reshape(&self.shape)
    }

    pub(super) fn gradients_of_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let args = (0..wanted.len()).map(|i| saved.arg(i)).collect::<Result<Vec<_>>>()?;
        let (maps, grad) = (self.maps(args[0])?, self.maps(grad)?);
        let m = self.matrices_of_tensors(&args[1..])?;
        let Gates { mean, hidden, gate } = self.gates_of_tensors(&maps, &m)?;
        let d_gate = activation::gradient(self.gate, &gate[0], &(&maps * &grad)?.sum(1)?)?;
        let d_hidden = activation::gradient(self.act, &hidden[0], &d_gate.matmul(&m.excite.t()?)?)?;
        let of_x = when(wanted[0], || {
            let share = d_hidden.matmul(&m.squeeze.t()?)?.affine(1.0 / self.positions as f64, 0.0)?;
            let own = grad.broadcast_mul(&gate[1].unsqueeze(1)?)?;
            own.broadcast_add(&share.unsqueeze(1)?)?.reshape(&self.shape)
        })?;
        let part = |i: usize| match i {
            0 => mean.t()?.matmul(&d_hidden),
            1 => column_sums(&d_hidden, self.squeezed),
            2 => hidden[1].t()?.matmul(&d_gate),
            _ => column_sums(&d_gate, self.channels),
        };
        let mut grads = vec![of_x];
        match wanted[1..] {
            [wanted] => grads.push(when(wanted, || {
                let parts = (0..4).map(|i| part(i)?.flatten_all()).collect::<Result<Vec<_>>>()?;
                Tensor::cat(&parts, 0)
            })?),
            ref apart => {
                for (i, &wanted) in apart.iter().enumerate() {
                    grads.push(when(wanted, || part(i)?.reshape(args[1 + i].shape()))?);
                }
            }
        }
        Ok(grads)
    }
}
