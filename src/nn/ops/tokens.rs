//! Tokens of vision transformers: made from patches, and picked.

use super::cpu::{check_operands, column_sums};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::simd;
use super::tensors::{Grads, column_sums as tensor_sums, when};
use crate::error::{Error, Result};
use candle_core::{Shape, Tensor};
use rayon::prelude::*;
use std::ops::Range;

/// The class token and behind it each picture's patches, line by line, all with their positions' values added (Dosovitskiy et al.
/// 2021, "An Image is Worth 16x16 Words"). Differentiable in all three.
///
/// # Shapes
/// `class: [1, 1, C]`, `patches: [N, H, W, C]`, `positions: [1, 1 + H * W, C]`; the result is `[N, 1, 1 + H * W, C]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn embed_patches(class: &Tensor, patches: &Tensor, positions: &Tensor) -> Result<Tensor> {
    let wrong = || {
        let shapes = (class.dims(), patches.dims(), positions.dims());
        Error::internal(format!("tokens of class, patches and positions of shapes {shapes:?}"))
    };
    let &[n, h, w, width] = patches.dims() else { return Err(wrong()) };
    let tokens = 1 + h * w;
    if class.dims() != [1, 1, width] || positions.dims() != [1, tokens, width] || patches.elem_count() == 0 {
        return Err(wrong());
    }
    check_operands(EMBED, [Some(class), Some(patches), Some(positions)])?;
    let op = Embed { pictures: n, tokens, width };
    Ok(graph::apply(op, &[&class.contiguous()?, &patches.contiguous()?, &positions.contiguous()?])?)
}

/// Some of each picture's tokens. Differentiable.
///
/// # Shapes
/// `x: [N, 1, T, C]`; the result is `[N, 1, range.len(), C]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn pick_tokens(x: &Tensor, range: Range<usize>) -> Result<Tensor> {
    let (&[n, 1, tokens, width], false) = (x.dims(), range.is_empty()) else {
        return Err(Error::internal(format!("tokens {range:?} of {:?}", x.dims())));
    };
    if range.end > tokens || x.elem_count() == 0 {
        return Err(Error::internal(format!("tokens {range:?} of {:?}", x.dims())));
    }
    check_operands(PICK, [Some(x)])?;
    Ok(graph::apply(Pick { pictures: n, tokens, width, range }, &[&x.contiguous()?])?)
}

const EMBED: &str = "embed-patches";
const PICK: &str = "pick-tokens";

struct Embed {
    pictures: usize,
    tokens: usize,
    width: usize,
}

impl Operation for Embed {
    fn name(&self) -> &'static str {
        EMBED
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        Keeps { args: 0, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (width, picture) = (self.width, self.tokens * self.width);
        let fill = |out: &mut [f32]| {
            let pictures = out.par_chunks_mut(picture).zip(args[1].par_chunks(picture - width));
            pictures.for_each(|(out, patches)| {
                out[..width].copy_from_slice(args[0]);
                out[width..].copy_from_slice(patches);
                simd::vectorised(
                    #[inline(always)]
                    || out.iter_mut().zip(args[2]).for_each(|(v, p)| *v += p),
                );
            });
        };
        // SAFETY: all tokens of each picture are copied before anything else.
        let out = unsafe { filled(self.pictures * picture, fill) };
        (out, Shape::from((self.pictures, 1, self.tokens, width)))
    }

    fn backward(&self, _: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let (width, picture) = (self.width, self.tokens * self.width);
        grad.with(|grad| {
            let of_positions = (wanted[0] || wanted[2]).then(|| column_sums(grad, picture));
            let of_class = of_positions.as_ref().filter(|_| wanted[0]).map(|sums| sums[..width].to_vec());
            let of_patches = wanted[1].then(|| {
                let copy = |out: &mut [f32]| {
                    let pictures = out.par_chunks_mut(picture - width).zip(grad.par_chunks(picture));
                    pictures.for_each(|(out, grad)| out.copy_from_slice(&grad[width..]));
                };
                // SAFETY: all patches of each picture are written.
                unsafe { filled(self.pictures * (picture - width), copy) }
            });
            [of_class, of_patches, of_positions.filter(|_| wanted[2])].map(|g| g.map(Grad::Owned)).into()
        })
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        let class = args[0].broadcast_as((self.pictures, 1, self.width))?.contiguous()?;
        let patches = args[1].reshape((self.pictures, self.tokens - 1, self.width))?;
        Tensor::cat(&[class, patches], 1)?.broadcast_add(args[2])?.unsqueeze(1)
    }

    fn backward_tensors(&self, _: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let of_positions = when(wanted[0] || wanted[2], || {
            tensor_sums(grad, self.tokens * self.width)?.reshape((1, self.tokens, self.width))
        })?;
        let of_class = of_positions.as_ref().filter(|_| wanted[0]);
        Ok(vec![
            of_class.map(|sums| sums.narrow(1, 0, 1)?.contiguous()).transpose()?,
            when(wanted[1], || grad.narrow(2, 1, self.tokens - 1)?.contiguous())?,
            of_positions.filter(|_| wanted[2]),
        ])
    }
}

struct Pick {
    pictures: usize,
    tokens: usize,
    width: usize,
    range: Range<usize>,
}

impl Pick {
    /// Where the tokens lie in a picture's values.
    fn values(&self) -> Range<usize> {
        self.range.start * self.width..self.range.end * self.width
    }
}

impl Operation for Pick {
    fn name(&self) -> &'static str {
        PICK
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        Keeps { args: 0, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let values = self.values();
        let mut out = Vec::with_capacity(self.pictures * values.len());
        for picture in args[0].chunks_exact(self.tokens * self.width) {
            out.extend_from_slice(&picture[values.clone()]);
        }
        (out, Shape::from((self.pictures, 1, self.range.len(), self.width)))
    }

    fn backward(&self, _: &Saved, grad: Grad, _: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let values = self.values();
        let mut out = vec![0f32; self.pictures * self.tokens * self.width];
        grad.with(|grad| {
            let pictures = out.par_chunks_mut(self.tokens * self.width).zip(grad.par_chunks(values.len()));
            pictures.for_each(|(out, grad)| out[values.clone()].copy_from_slice(grad));
        })?;
        Ok(vec![Some(Grad::Owned(out))])
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        args[0].narrow(2, self.range.start, self.range.len())?.contiguous()
    }

    fn backward_tensors(&self, _: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        Ok(vec![Some(grad.pad_with_zeros(2, self.range.start, self.tokens - self.range.end)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::testing::{flat, var};
    use candle_core::Var;

    /// Compares two ways to the same, and their gradients.
    fn compare(vars: &[&Var], ours: &Tensor, candles: &Tensor) {
        assert_eq!(ours.dims(), candles.dims());
        let grads = [ours, candles].map(|y| {
            let weight = var(y.dims(), 0.9);
            (y * weight.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap()
        });
        let pairs = std::iter::once((ours, candles))
            .chain(vars.iter().map(|v| (grads[0].get(v).unwrap(), grads[1].get(v).unwrap())));
        for (ours, candles) in pairs {
            assert_eq!(ours.dims(), candles.dims());
            assert!(flat(ours).iter().zip(flat(candles)).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }

    #[test]
    fn tokens_are_class_and_patches_with_positions() {
        let (class, patches, positions) =
            (var(&[1, 1, 5], 0.7), var(&[3, 2, 4, 5], 1.1), var(&[1, 9, 5], 0.3));
        let ours = embed_patches(&class, &patches, &positions).unwrap();
        let first = class.broadcast_as((3, 1, 5)).unwrap();
        let candles = Tensor::cat(&[&first, &patches.reshape((3, 8, 5)).unwrap()], 1).unwrap();
        let candles = candles.broadcast_add(&positions).unwrap().unsqueeze(1).unwrap();
        compare(&[&class, &patches, &positions], &ours, &candles);
        let error = embed_patches(&class, &patches, &class).unwrap_err().to_string();
        assert!(error.contains("[3, 2, 4, 5]"), "{error}");
    }

    #[test]
    fn picked_tokens_get_the_gradient() {
        let x = var(&[3, 1, 7, 5], 0.7);
        for range in [0..1, 1..7, 2..4] {
            let ours = pick_tokens(&x, range.clone()).unwrap();
            compare(&[&x], &ours, &x.narrow(2, range.start, range.len()).unwrap());
        }
        assert!(pick_tokens(&x, 5..8).is_err() && pick_tokens(&x, 3..3).is_err());
    }
}
