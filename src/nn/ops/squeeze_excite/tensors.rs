//! Squeeze and excitation by tensor operations; what goes over whole maps by kernels for cards, where they serve.

use super::Op;
use crate::nn::ops::card;
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
        let mean = sums(maps, None, 1.0 / self.positions as f32)?;
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
        gated(&maps, &gates.gate[1], None)?.reshape(&self.shape)
    }

    pub(super) fn gradients_of_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let args = (0..wanted.len()).map(|i| saved.arg(i)).collect::<Result<Vec<_>>>()?;
        let (maps, grad) = (self.maps(args[0])?, self.maps(grad)?);
        let m = self.matrices_of_tensors(&args[1..])?;
        let Gates { mean, hidden, gate } = self.gates_of_tensors(&maps, &m)?;
        let d_gate = activation::gradient(self.gate, &gate[0], &sums(&maps, Some(&grad), 1.0)?)?;
        let d_hidden = activation::gradient(self.act, &hidden[0], &d_gate.matmul(&m.excite.t()?)?)?;
        let of_x = when(wanted[0], || {
            let share = d_hidden.matmul(&m.squeeze.t()?)?.affine(1.0 / self.positions as f64, 0.0)?;
            gated(&grad, &gate[1], Some(&share))?.reshape(&self.shape)
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

/// Sums over the positions of each picture of `a: [N, positions, C]`, or of its products with `b`, times `scale`: `[N, C]`.
fn sums(a: &Tensor, b: Option<&Tensor>, scale: f32) -> Result<Tensor> {
    if card::serves(a) {
        return card::picture_sums(a, b, scale);
    }
    let summed = b.map_or(Ok(a.clone()), |b| a * b)?.sum(1)?;
    summed.affine(f64::from(scale), 0.0)
}

/// `maps * gates + offsets` of `maps: [N, positions, C]`, with `[N, C]` gates and offsets.
fn gated(maps: &Tensor, gates: &Tensor, offsets: Option<&Tensor>) -> Result<Tensor> {
    if card::serves(maps) {
        return card::gate(maps, gates, offsets);
    }
    let own = maps.broadcast_mul(&gates.unsqueeze(1)?)?;
    offsets.map_or(Ok(own.clone()), |offsets| own.broadcast_add(&offsets.unsqueeze(1)?))
}

#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests {
    use super::super::{Op, squeeze_excite};
    use super::*;
    use crate::nn::ops::Activation;
    use crate::nn::ops::card::emulated;
    use crate::nn::ops::graph::Operation;
    use crate::nn::ops::testing::{flat, wave};
    use candle_core::{DType, Var};

    #[test]
    fn kernels_gate_as_the_processor_does() {
        for channels in [6, 16] {
            let shapes: [&[usize]; 5] =
                [&[3, 7, 5, channels], &[channels, 4], &[4], &[4, channels], &[channels]];
            let run = || {
                let args = shapes.map(|shape| Var::from_tensor(&wave(shape, 0.7)).unwrap());
                let [x, squeeze, squeeze_bias, excite, excite_bias] = &args;
                let (squeeze, excite) = ((&**squeeze, &**squeeze_bias), (&**excite, &**excite_bias));
                let y = squeeze_excite(x, squeeze, excite, Activation::Silu, Activation::Sigmoid).unwrap();
                let grads = (&y * wave(shapes[0], 1.1)).unwrap().sum_all().unwrap().backward().unwrap();
                let of_args = args.iter().map(|arg| flat(grads.get(arg).unwrap()));
                [flat(&y)].into_iter().chain(of_args).collect::<Vec<_>>()
            };
            for (what, (want, got)) in run().iter().zip(&emulated(run)).enumerate() {
                let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5 * (1.0 + a.abs());
                assert!(want.iter().zip(got).all(close), "{channels} {what}: {want:?} {got:?}");
            }
        }
    }

    /// Maps of bf16 with layers of f32, as what they are in f32 but for the rounding of what is written.
    #[test]
    fn short_maps_are_gated_as_long_ones() {
        let shapes: [&[usize]; 5] = [&[3, 7, 5, 16], &[16, 4], &[4], &[4, 16], &[16]];
        let parts = shapes.map(|shape| wave(shape, 0.7));
        let rounded = |t: &Tensor| t.to_dtype(DType::BF16).unwrap();
        let (x, grad) = (rounded(&parts[0]), rounded(&wave(shapes[0], 1.1)));
        let run = |dtype| {
            let (x, grad) = (x.to_dtype(dtype).unwrap(), grad.to_dtype(dtype).unwrap());
            let (act, gate) = (Activation::Relu, Activation::Hardsigmoid);
            let op = Op { shape: x.shape().clone(), positions: 35, channels: 16, squeezed: 4, act, gate };
            let args: Vec<Tensor> = [x].into_iter().chain(parts[1..].iter().cloned()).collect();
            let y = op.forward_on_card(&args.iter().collect::<Vec<_>>()).unwrap();
            let saved = Saved { args: args.into_iter().map(Some).collect(), result: None };
            let grads = op.backward_on_card(&saved, &grad, &[true; 5]).unwrap();
            let all = [y].into_iter().chain(grads.into_iter().flatten());
            all.map(|t| flat(&t.to_dtype(DType::F32).unwrap())).collect::<Vec<_>>()
        };
        let (short, long) = emulated(|| (run(DType::BF16), run(DType::F32)));
        assert_eq!(short.len(), 6);
        for (what, (short, long)) in short.iter().zip(&long).enumerate() {
            for (a, b) in short.iter().zip(long) {
                assert!((a - b).abs() <= 4e-3 * (1.0 + b.abs()), "{what}: {a}, {b}");
            }
        }
    }
}
