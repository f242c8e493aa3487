//! Depthwise convolution by kernels for cards (`card/kernels/depthwise.cu`).

use super::{Conv, Geometry};
use crate::nn::ops::card::{Fresh, Grid, Launch, MAX_THREADS, join_parts, vector_width};
use crate::nn::ops::cpu::Clamp;
use crate::nn::ops::graph::Saved;
use crate::nn::ops::tensors::{Grads, activation, column_sums, when};
use candle_core::{DType, Result, Tensor};

const FILE: &str = "depthwise";
/// Columns of a row that a thread takes of the usual kernels.
const TILE: usize = 4;
/// Threads of a block side by side, where they sum the weights' gradient.
const SIDE: usize = 32;
/// Tiles that a thread should take at least there.
const TILES: usize = 8;
/// Blocks that should be there at least, to fill the largest cards a few times over.
const BLOCKS: usize = 1024;

/// The names of the kernels of a size: forward, of the input's gradient, of the weights'.
type Kernels = [&'static str; 3];

/// What serves any kernel.
const ANY: Kernels = ["forward_any", "input_any", "weights_any"];

impl Geometry {
    /// The kernels that serve it, and whether they take tiles.
    fn kernels(&self) -> (Kernels, bool) {
        let tiled: Kernels = match (self.kernel, self.spec.stride, self.spec.dilation) {
            ([3, 3], 1, 1) => ["forward_3_1", "input_3_1", "weights_3_1"],
            ([3, 3], 2, 1) => ["forward_3_2", "input_3_2", "weights_3_2"],
            ([5, 5], 1, 1) => ["forward_5_1", "input_5_1", "weights_5_1"],
            ([5, 5], 2, 1) => ["forward_5_2", "input_5_2", "weights_5_2"],
            ([7, 7], 1, 1) => ["forward_7_1", "input_7_1", "weights_7_1"],
            ([7, 7], 2, 1) => ["forward_7_2", "input_7_2", "weights_7_2"],
            _ => return (ANY, false),
        };
        (tiled, true)
    }

    /// The next arguments of a launch: the sizes.
    fn sizes<'a>(&self, launch: Launch<'a>) -> Result<Launch<'a>> {
        let ([h, w, channels], [oh, ow, _], [kh, kw], spec) =
            (self.input, self.output, self.kernel, self.spec);
        let sizes = [h, w, oh, ow, channels, kh, kw, spec.stride, spec.padding, spec.dilation];
        sizes.into_iter().try_fold(launch, |launch, size| Ok(launch.count(u32::try_from(size)?)))
    }

    /// Depthwise: the convolution with a bias, behind a clamp.
    fn depthwise_on_card(
        &self,
        [x, weight]: [&Tensor; 2],
        bias: Option<&Tensor>,
        clamp: Clamp,
    ) -> Result<Tensor> {
        let (kernels, tiled) = self.kernels();
        let [oh, ow, channels] = self.output;
        let (weight, bias) = (floats(weight)?, bias.map(floats).transpose()?);
        let read: Vec<&Tensor> = [x, &weight].into_iter().chain(&bias).collect();
        let width = vector_width(channels, &read);
        let tiles = if tiled { ow.div_ceil(TILE) } else { ow };
        let items = self.n * oh * tiles * (channels / width as usize);
        let (low, high) = clamp.range();
        // A bound that is infinite is none.
        let bound = |v: f32| if v.is_finite() { v } else { f32::NAN };
        let mut y = Fresh::like(x, &self.output_shape()[..])?;
        let launch = Launch::of(FILE, kernels[0], x.dtype())?.read(x).read(&weight).read_if(bias.as_ref());
        let launch = self.sizes(launch.write(&mut y))?.count(u32::try_from(items)?);
        // SAFETY: threads read what lies inside of the map, and the taps' weights and the bias of their channels; each writes
        // positions of the result of its own.
        unsafe { launch.number(bound(low)).number(bound(high)).count(width).run(Grid::of_threads(items)?)? };
        Ok(y.into_tensor())
    }

    fn depthwise_input_gradient_on_card(&self, weight: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let (kernels, tiled) = self.kernels();
        let [h, w, channels] = self.input;
        let weight = floats(weight)?;
        let width = vector_width(channels, &[grad, &weight]);
        // Tiles begin where the first tap meets a result.
        let tiles = if tiled { (w + self.spec.padding % self.spec.stride).div_ceil(TILE) } else { w };
        let items = self.n * h * tiles * (channels / width as usize);
        let mut of_x = Fresh::like(grad, (self.n, h, w, channels))?;
        let launch = Launch::of(FILE, kernels[1], grad.dtype())?.read(&weight).read(grad).write(&mut of_x);
        let launch = self.sizes(launch)?.count(u32::try_from(items)?).count(width);
        // SAFETY: as in `depthwise_on_card`, with input and result in each other's place.
        unsafe { launch.run(Grid::of_threads(items)?)? };
        Ok(of_x.into_tensor())
    }

    fn depthwise_weight_gradient_on_card(&self, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let (kernels, tiled) = self.kernels();
        let ([oh, ow, channels], [kh, kw]) = (self.output, self.kernel);
        let width = vector_width(channels, &[x, grad]);
        let across = channels.div_ceil(width as usize);
        let side = across.next_power_of_two().min(SIDE);
        let down = MAX_THREADS as usize / side;
        // A block has a row of taps of the usual kernels, or one tap; of which depends nothing but the shape.
        let (tiles, each) = if tiled { (ow.div_ceil(TILE), kh) } else { (ow, kh * kw) };
        let rows = self.n * oh;
        let blocks_across = across.div_ceil(side);
        let wanted = BLOCKS.div_ceil(blocks_across * each);
        let parts = (rows * tiles).div_ceil(down * TILES).min(wanted).max(1);
        let tiles_per_block = (rows * tiles).div_ceil(parts).next_multiple_of(down);
        let parts = (rows * tiles).div_ceil(tiles_per_block);
        let mut sums = Fresh::floats(x, (parts, kh * kw * channels))?;
        let launch = Launch::of(FILE, kernels[2], x.dtype())?.read(x).read(grad).write(&mut sums);
        let launch = self.sizes(launch)?.count(u32::try_from(rows)?);
        // What threads count with: all tiles, and those that the last block would take.
        u32::try_from(parts * tiles_per_block)?;
        let grid = Grid {
            blocks: [u32::try_from(blocks_across)?, u32::try_from(parts * each)?],
            threads: [u32::try_from(side)?, u32::try_from(down)?],
        };
        // SAFETY: blocks read what lies inside of both maps, and each writes the sums of taps and channels of its own.
        unsafe { launch.count(u32::try_from(tiles_per_block)?).count(width).run(grid)? };
        join_parts(&sums.into_tensor(), (kh, kw, 1, channels))
    }
}

/// What kernels read as parameters.
fn floats(t: &Tensor) -> Result<Tensor> {
    t.to_dtype(DType::F32)?.contiguous()
}

impl Conv {
    /// As `forward`, of a depthwise convolution.
    pub(super) fn depthwise_result_on_card(&self, args: &[&Tensor]) -> Result<Tensor> {
        let y = self.geometry.depthwise_on_card([args[0], args[1]], args.get(2).copied(), self.clamp)?;
        y.reshape(&self.shape)
    }

    /// As `backward`, of a depthwise convolution.
    pub(super) fn depthwise_gradients_on_card(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let grad = activation::clamp_gradient(self.clamp, saved, grad)?.contiguous()?;
        let mut grads = vec![
            when(wanted[0], || self.geometry.depthwise_input_gradient_on_card(saved.arg(1)?, &grad))?,
            when(wanted[1], || self.geometry.depthwise_weight_gradient_on_card(saved.arg(0)?, &grad))?,
        ];
        if let Some(&bias) = wanted.get(2) {
            grads.push(when(bias, || column_sums(&grad, self.geometry.output[2]))?);
        }
        Ok(grads)
    }
}

#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests {
    use super::super::Conv2dSpec;
    use super::*;
    use crate::nn::ops::card::{emulated, launched};
    use crate::nn::ops::testing::{flat, wave};

    #[test]
    fn short_values_are_convolved_as_long_ones() {
        // Forward, and both gradients, of maps of this type.
        let passes = |g: &Geometry, dtype: DType| {
            let short = |t: Tensor| t.to_dtype(DType::BF16).unwrap().to_dtype(dtype).unwrap();
            let [h, w, c] = g.input;
            let x = short(wave(&[g.n, h, w, c], 0.7));
            let grad = short(wave(&g.output_shape(), 1.1));
            let weight = wave(&[g.kernel[0], g.kernel[1], 1, c], 1.3);
            let bias = wave(&[c], 0.4);
            let y = g.depthwise_on_card([&x, &weight], Some(&bias), Clamp::Relu6).unwrap();
            let of_x = g.depthwise_input_gradient_on_card(&weight, &grad).unwrap();
            let of_weight = g.depthwise_weight_gradient_on_card(&x, &grad).unwrap();
            [y, of_x, of_weight].map(|t| flat(&t.to_dtype(DType::F32).unwrap()))
        };
        for (size, channels, stride, dilation) in
            [(3, 24, 1, 1), (3, 6, 2, 1), (5, 16, 2, 1), (7, 8, 1, 1), (7, 40, 2, 1), (3, 16, 1, 2)]
        {
            let spec = Conv2dSpec { stride, padding: size / 2, dilation, groups: channels };
            let g = Geometry::new(&[2, 9, 13, channels], &[size, size, 1, channels], None, spec).unwrap();
            let (short, long) = emulated(|| (passes(&g, DType::BF16), passes(&g, DType::F32)));
            for (what, (short, long)) in short.iter().zip(&long).enumerate() {
                let scale = long.iter().fold(1f32, |m, v| m.max(v.abs()));
                // What is written is rounded, but for the weights' gradient, which is f32.
                let bound = if what == 2 { 3e-6 } else { 4e-3 } * scale;
                for (a, b) in short.iter().zip(long) {
                    assert!((a - b).abs() <= bound, "{spec:?} {what}: {a}, {b}");
                }
            }
        }
    }

    #[test]
    fn a_depthwise_convolution_is_one_kernel_and_its_gradients_are_few() {
        emulated(|| {
            let spec = Conv2dSpec { stride: 1, padding: 1, dilation: 1, groups: 8 };
            let x = candle_core::Var::from_tensor(&wave(&[2, 6, 6, 8], 0.7)).unwrap();
            let weight = candle_core::Var::from_tensor(&wave(&[3, 3, 1, 8], 1.3)).unwrap();
            let before = launched();
            let y = super::super::conv2d(&x, &weight, None, spec, crate::nn::ops::Activation::Relu).unwrap();
            assert_eq!(launched() - before, 1);
            y.sum_all().unwrap().backward().unwrap();
            assert!(launched() - before >= 3);
        });
    }
}
