//! Layer normalisation by kernels for cards (`card/kernels/layer_norm.cu`).

use super::Op;
use crate::nn::ops::card::{Columns, Fresh, Grid, Launch, Pass, join_parts, vector_width};
use crate::nn::ops::graph::Saved;
use crate::nn::ops::tensors::{Grads, column_sums, when};
use candle_core::{Result, Tensor};

const FILE: &str = "layer_norm";

impl Op {
    /// Rows of x.
    fn count(&self) -> usize {
        self.shape.elem_count() / self.rows.channels
    }

    /// The next arguments of a launch with a warp for each row.
    fn sizes<'a>(&self, launch: Launch<'a>, tensors: &[&Tensor]) -> Result<Launch<'a>> {
        let channels = self.rows.channels;
        let launch = launch.count(u32::try_from(self.count())?).count(u32::try_from(channels)?);
        Ok(launch.number(self.rows.eps).count(vector_width(channels, tensors)))
    }

    /// As `forward`.
    pub(super) fn result_on_card(&self, [x, gamma, beta]: [&Tensor; 3]) -> Result<Tensor> {
        let mut y = Fresh::like(x, self.shape.clone())?;
        if x.elem_count() == 0 {
            return Ok(x.clone());
        }
        let launch = Launch::of(FILE, "normalise", x.dtype())?.read(x).read(gamma).read(beta).write(&mut y);
        // SAFETY: each warp reads and writes a row, and reads values of each channel.
        unsafe { self.sizes(launch, &[x, gamma, beta])?.run(Grid::of_rows(self.count())?)? };
        Ok(y.into_tensor())
    }

    /// As `backward`.
    pub(super) fn gradients_on_card(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let channels = self.rows.channels;
        if !wanted[0] && !wanted[1] {
            let of_beta = when(wanted[2], || column_sums(grad, channels))?;
            return Ok(vec![None, None, of_beta]);
        }
        let (x, rows) = (saved.arg(0)?, self.count());
        // Without the gradient of x nothing reads gamma, which is not kept then.
        let gamma = wanted[0].then(|| saved.arg(1)).transpose()?;
        let of_affine = wanted[1] || wanted[2];
        let mut of_x = wanted[0].then(|| Fresh::like(x, x.shape().clone())).transpose()?;
        let mut moments = match of_affine {
            true => Some([Fresh::floats(x, rows)?, Fresh::floats(x, rows)?]),
            false => None,
        };
        let launch = Launch::of(FILE, "input_gradient", x.dtype())?.read(x).read(grad).read_if(gamma);
        let (means, inverses) = match &mut moments {
            Some([means, inverses]) => (Some(means), Some(inverses)),
            None => (None, None),
        };
        let launch = launch.write_if(of_x.as_mut()).write_if(means).write_if(inverses);
        let read: Vec<&Tensor> = [x, grad].into_iter().chain(gamma).collect();
        // SAFETY: each warp reads rows of both, and gamma; it writes a row, and one value of each moment.
        unsafe { self.sizes(launch, &read)?.run(Grid::of_rows(rows)?)? };
        let [of_gamma, of_beta] = match moments {
            Some(moments) => self.affine_gradients(x, grad, moments.map(Fresh::into_tensor))?.map(Some),
            None => [None, None],
        };
        let of_x = of_x.map(Fresh::into_tensor);
        Ok(vec![of_x, of_gamma.filter(|_| wanted[1]), of_beta.filter(|_| wanted[2])])
    }

    /// The gradients of gamma and beta.
    fn affine_gradients(
        &self,
        x: &Tensor,
        grad: &Tensor,
        [means, inverses]: [Tensor; 2],
    ) -> Result<[Tensor; 2]> {
        let columns = Columns::of(Pass::Sums, &[x, grad], &[])?;
        let shape = columns.shape_of_parts();
        let (mut products, mut sums) = (Fresh::floats(x, shape)?, Fresh::floats(x, shape)?);
        let launch =
            Launch::of(FILE, "affine_sums", x.dtype())?.read(x).read(grad).read(&means).read(&inverses);
        let launch = columns.counts(launch.write(&mut products).write(&mut sums));
        // SAFETY: the kernel reads the rows and columns of both and the rows' moments, and writes one row of sums for each row of
        // blocks.
        unsafe { launch.count(columns.width()).run(columns.grid())? };
        let join = |parts: Fresh| join_parts(&parts.into_tensor(), self.rows.channels);
        Ok([join(products)?, join(sums)?])
    }
}

#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests {
    use super::super::{Op, Rows};
    use super::*;
    use crate::nn::ops::card::emulated;
    use crate::nn::ops::testing::{flat, wave};
    use candle_core::{DType, Var};

    /// Rows shorter and longer than a warp's turn, of both widths, and many of them.
    #[test]
    fn results_and_gradients_are_those_of_the_processor() {
        for shape in [[3, 1], [5, 7], [2, 96], [9, 333], [3, 1024], [700, 24]] {
            let x = ((wave(&shape, 0.7) * 3.0).unwrap() + 40.0).unwrap();
            let run = || {
                let [gamma, beta] =
                    [1.3, 0.4].map(|pace| Var::from_tensor(&wave(&shape[1..], pace)).unwrap());
                let x = Var::from_tensor(&x).unwrap();
                let y = crate::nn::ops::layer_norm(&x, &gamma, &beta, 1e-5).unwrap();
                let grads = (&y * wave(&shape, 0.9)).unwrap().sum_all().unwrap().backward().unwrap();
                let of = |v: &Var| flat(grads.get(v).unwrap());
                [flat(&y), of(&x), of(&gamma), of(&beta)]
            };
            let (want, got) = (run(), emulated(run));
            for (what, (want, got)) in want.iter().zip(&got).enumerate() {
                let scale = want.iter().fold(1f32, |m, v| m.max(v.abs()));
                // Sums over rows: each row's own rounding adds up, that of a mean far from zero.
                let bound = if what < 2 { 2e-5 * scale } else { 1e-5 + 1e-6 * shape[0] as f32 };
                for (a, b) in want.iter().zip(got) {
                    assert!((a - b).abs() <= bound, "{shape:?} {what}: {a}, {b}");
                }
            }
        }
    }

    #[test]
    fn short_values_are_normalised_as_long_ones() {
        for (rows, channels) in [(5, 7), (40, 96), (3, 1032)] {
            let shape = [rows, channels];
            let rounded = |t: Tensor| t.to_dtype(DType::BF16).unwrap();
            let (x, grad) = (rounded(wave(&shape, 0.7)), rounded(wave(&shape, 1.1)));
            let [gamma, beta] = [1.3, 0.4].map(|pace| wave(&[channels], pace));
            let run = |dtype| {
                let [x, grad] = [&x, &grad].map(|t| t.to_dtype(dtype).unwrap());
                let op = Op { rows: Rows { channels, eps: 1e-5 }, shape: x.shape().clone() };
                let y = op.result_on_card([&x, &gamma, &beta]).unwrap();
                let args = vec![Some(x), Some(gamma.clone()), None];
                let grads = op.gradients_on_card(&Saved { args, result: None }, &grad, &[true; 3]).unwrap();
                let all = [y].into_iter().chain(grads.into_iter().flatten());
                all.map(|t| flat(&t.to_dtype(DType::F32).unwrap())).collect::<Vec<_>>()
            };
            let (short, long) = emulated(|| (run(DType::BF16), run(DType::F32)));
            assert_eq!(short.len(), 4);
            for (what, (short, long)) in short.iter().zip(&long).enumerate() {
                for (a, b) in short.iter().zip(long) {
                    assert!((a - b).abs() <= 4e-3 * (1.0 + b.abs()), "{shape:?} {what}: {a}, {b}");
                }
            }
        }
    }
}
