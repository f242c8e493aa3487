//! Batch normalisation by kernels for cards (`card/kernels/norm.cu`).

use super::{BatchStats, Op};
use crate::nn::ops::Activation;
use crate::nn::ops::card::{Columns, Fresh, Grid, Launch, Pass, elementwise};
use crate::nn::ops::cpu::Clamp;
use crate::nn::ops::graph::Saved;
use crate::nn::ops::tensors::Grads;
use candle_core::{Result, Tensor};

const FILE: &str = "norm";

/// Mean, biased variance and `1 / sqrt(variance + eps)` of each channel.
pub(super) fn moments(x: &Tensor, eps: f64) -> Result<[Tensor; 3]> {
    let columns = Columns::of(Pass::Sums, &[x], &[])?;
    let (mut means, mut squares) =
        (Fresh::floats(x, columns.shape_of_parts())?, Fresh::floats(x, columns.shape_of_parts())?);
    let launch = Launch::of(FILE, "moments", x.dtype())?.read(x).write(&mut means).write(&mut squares);
    // SAFETY: the kernel reads the rows and columns of `x`, and writes one row of each part's sums for each row of blocks.
    unsafe { columns.counts(launch).count(columns.width()).run(columns.grid())? };
    let (means, squares) = (means.into_tensor(), squares.into_tensor());
    let channels = columns.shape_of_parts().1;
    let [mut mean, mut variance, mut inverse] =
        [Fresh::floats(x, channels)?, Fresh::floats(x, channels)?, Fresh::floats(x, channels)?];
    let launch = Launch::of(FILE, "join_parts_of_moments", x.dtype())?
        .read(&means)
        .read(&squares)
        .write(&mut mean)
        .write(&mut variance)
        .write(&mut inverse);
    // SAFETY: the kernel reads the sums of all parts, and writes one value a channel.
    unsafe { columns.counts(launch).count(columns.parts()).number(eps as f32).run(columns.joining())? };
    Ok([mean, variance, inverse].map(Fresh::into_tensor))
}

/// `1 / sqrt(variance + eps)`.
pub(super) fn inverse_deviation(variance: &Tensor, eps: f64) -> Result<Tensor> {
    let variance = variance.contiguous()?;
    let mut inverse = Fresh::floats(&variance, variance.shape().clone())?;
    let channels = variance.elem_count();
    let launch = Launch::of(FILE, "inverse_deviation", variance.dtype())?.read(&variance).write(&mut inverse);
    // SAFETY: the kernel reads and writes one value a channel.
    unsafe { launch.count(u32::try_from(channels)?).number(eps as f32).run(Grid::of_threads(channels)?)? };
    Ok(inverse.into_tensor())
}

/// Running mean and (unbiased) variance that those of a batch have moved by `share`.
pub(crate) fn mix_running(running: [&Tensor; 2], batch: &BatchStats, share: f64) -> Result<[Tensor; 2]> {
    let channels = batch.mean.elem_count();
    if running.iter().any(|t| t.elem_count() != channels) {
        candle_core::bail!("running statistics {running:?} of {channels} channels");
    }
    let unbiased = batch.count as f64 / (batch.count as f64 - 1.0);
    let [mut mean, mut variance] =
        [Fresh::floats(running[0], channels)?, Fresh::floats(running[1], channels)?];
    let launch = Launch::of(FILE, "mix_running", batch.mean.dtype())?
        .read(running[0])
        .read(running[1])
        .read(&batch.mean)
        .read(&batch.var)
        .write(&mut mean)
        .write(&mut variance)
        .count(u32::try_from(channels)?)
        .number(share as f32)
        .number(unbiased as f32);
    // SAFETY: the kernel reads and writes one value a channel of each.
    unsafe { launch.run(Grid::of_threads(channels)?)? };
    Ok([mean, variance].map(Fresh::into_tensor))
}

impl Op {
    /// As `forward`.
    pub(super) fn result_on_card(&self, args: &[&Tensor]) -> Result<Tensor> {
        let (x, gamma, beta, addend) = (args[0], args[1], args[2], args.get(3).copied());
        let [mean, inverse] = self.statistics.tensors(x.device())?;
        let maps: Vec<&Tensor> = [x].into_iter().chain(addend).collect();
        let columns = Columns::of(Pass::Map, &maps, &[&mean, &inverse, gamma, beta])?;
        let mut y = Fresh::like(x, x.shape().clone())?;
        let launch = Launch::of(FILE, "normalise", x.dtype())?
            .read(x)
            .read_if(addend)
            .read(&mean)
            .read(&inverse)
            .read(gamma)
            .read(beta)
            .write(&mut y);
        // SAFETY: the kernel reads and writes the rows and columns of maps of one shape, and reads values of each channel.
        unsafe { columns.counts(launch).count(self.act as u32).count(columns.width()).run(columns.grid())? };
        Ok(y.into_tensor())
    }

    /// As `backward`.
    pub(super) fn gradients_on_card(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let (x, gamma, beta) = (saved.arg(0)?, saved.arg(1)?, saved.arg(2)?);
        let [mean, inverse] = self.statistics.tensors(x.device())?;
        let affine = [&mean, &inverse, gamma, beta];
        let clamp = Clamp::of(self.act).0;
        let (act, result) = match wanted.len() {
            3 => (self.act, None),
            _ if clamp == Clamp::None => (Activation::Identity, None),
            _ => (Activation::Identity, Some(saved.result()?)),
        };
        // The sums are also what the gradient behind a clamp is made with, on the way.
        let sums = wanted[1] || wanted[2] || (wanted[0] && self.of_batch) || result.is_some();
        let (of_parameters, before) = match sums {
            true => {
                let (of_parameters, before) = self.parameter_gradients([x, grad], (act, result), affine)?;
                (Some(of_parameters), before)
            }
            false => (None, None),
        };
        let grad = before.as_ref().unwrap_or(grad);
        let of_x = match wanted[0] {
            true => {
                let through = of_parameters.as_ref().filter(|_| self.of_batch);
                let columns = Columns::of(Pass::Map, &[x, grad], &affine)?;
                let mut of_x = Fresh::like(x, x.shape().clone())?;
                let launch = affine
                    .into_iter()
                    .fold(Launch::of(FILE, "input_gradient", x.dtype())?.read(x).read(grad), Launch::read)
                    .read_if(through.map(|[of_gamma, _]| of_gamma))
                    .read_if(through.map(|[_, of_beta]| of_beta))
                    .write(&mut of_x);
                let launch = columns.counts(launch).number(1.0 / columns.rows() as f32);
                // SAFETY: as in `result_on_card`.
                unsafe { launch.count(act as u32).count(columns.width()).run(columns.grid())? };
                Some(of_x.into_tensor())
            }
            false => None,
        };
        let [of_gamma, of_beta] = of_parameters.map_or([None, None], |grads| grads.map(Some));
        let mut grads = vec![of_x, of_gamma.filter(|_| wanted[1]), of_beta.filter(|_| wanted[2])];
        grads.extend(wanted.get(3).map(|wanted| wanted.then(|| grad.clone())));
        Ok(grads)
    }

    /// The gradients of gamma and beta, and the gradient before the clamp that gave `result`, if there is one.
    fn parameter_gradients(
        &self,
        [x, grad]: [&Tensor; 2],
        (act, result): (Activation, Option<&Tensor>),
        affine: [&Tensor; 4],
    ) -> Result<([Tensor; 2], Option<Tensor>)> {
        let maps: Vec<&Tensor> = [x, grad].into_iter().chain(result).collect();
        let columns = Columns::of(Pass::Sums, &maps, &affine)?;
        let (sums_shape, channels) = (columns.shape_of_parts(), columns.shape_of_parts().1);
        let (mut sums, mut products) = (Fresh::floats(x, sums_shape)?, Fresh::floats(x, sums_shape)?);
        let mut before = result.map(|result| Fresh::like(x, result.shape().clone())).transpose()?;
        let launch = Launch::of(FILE, "gradient_sums", x.dtype())?.read(x).read(grad).read_if(result);
        let launch = affine.into_iter().fold(launch, Launch::read);
        let launch = launch.write_if(before.as_mut()).write(&mut sums).write(&mut products);
        let [low, high] = elementwise::bounds(Clamp::of(self.act).0);
        let launch = columns.counts(launch).number(low).number(high);
        // SAFETY: as in `result_on_card`; one row of each part's sums is written for each row of blocks.
        unsafe { launch.count(act as u32).count(columns.width()).run(columns.grid())? };
        let (sums, products) = (sums.into_tensor(), products.into_tensor());
        let (mut of_gamma, mut of_beta) = (Fresh::floats(x, channels)?, Fresh::floats(x, channels)?);
        let launch = Launch::of(FILE, "join_parts_of_gradients", x.dtype())?
            .read(&sums)
            .read(&products)
            .read(affine[1])
            .write(&mut of_gamma)
            .write(&mut of_beta);
        let launch = launch.count(u32::try_from(channels)?).count(columns.parts());
        // SAFETY: the kernel reads the sums of all parts, and writes one value a channel.
        unsafe { launch.run(columns.joining())? };
        Ok(([of_gamma, of_beta].map(Fresh::into_tensor), before.map(Fresh::into_tensor)))
    }
}

#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests {
    use super::*;
    use crate::nn::ops::card::emulated;
    use crate::nn::ops::norm::Statistics;
    use crate::nn::ops::testing::{flat, wave};
    use candle_core::DType;

    /// bf16 values of both widths: as what they are in f32, but for the rounding of what is written.
    #[test]
    fn short_values_are_normalised_as_long_ones() {
        for shape in [[700, 3], [300, 64], [5, 1032]] {
            let [x, grad, addend] =
                [0.7, 1.1, 0.4].map(|pace| wave(&shape, pace).to_dtype(DType::BF16).unwrap());
            let [gamma, beta] = [0.3, 0.9].map(|pace| wave(&shape[1..], pace));
            let run = |dtype| {
                let [x, grad, addend] = [&x, &grad, &addend].map(|t| t.to_dtype(dtype).unwrap());
                let [mean, variance, inv_std] = moments(&x, 1e-5).unwrap();
                let statistics = Statistics::Tensors { mean: mean.clone(), inv_std: inv_std.clone() };
                let op = Op { shape: x.shape().clone(), statistics, act: Activation::Relu, of_batch: true };
                let y = op.result_on_card(&[&x, &gamma, &beta, &addend]).unwrap();
                // The clamp's gradient follows from results that are the same in both.
                let result = y.to_dtype(DType::BF16).unwrap().to_dtype(dtype).unwrap();
                let saved = Saved {
                    args: [&x, &gamma, &beta].map(|t| Some(t.clone())).to_vec(),
                    result: Some(result),
                };
                let grads = op.gradients_on_card(&saved, &grad, &[true; 4]).unwrap();
                let all = [mean, variance, inv_std, y].into_iter().chain(grads.into_iter().flatten());
                all.map(|t| flat(&t.to_dtype(DType::F32).unwrap())).collect::<Vec<_>>()
            };
            let (short, long) = emulated(|| (run(DType::BF16), run(DType::F32)));
            assert_eq!(short.len(), 8);
            for (what, (short, long)) in short.iter().zip(&long).enumerate() {
                for (a, b) in short.iter().zip(long) {
                    assert!((a - b).abs() <= 5e-3 * (1.0 + b.abs()), "{shape:?} {what}: {a}, {b}");
                }
            }
        }
    }
}
