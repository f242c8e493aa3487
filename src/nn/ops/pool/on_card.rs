//! Pooling by kernels for cards (`card/kernels/pool.cu`, and for means of whole maps `pictures.cu`).

use super::{Kind, Windows};
use crate::nn::ops::card::{Fresh, Grid, Launch, picture_sums, vector_width};
use candle_core::{Result, Tensor};

const FILE: &str = "pool";

impl Windows {
    /// As `forward`.
    pub(super) fn result_on_card(&self, x: &Tensor, kind: Kind) -> Result<Tensor> {
        let [oh, ow] = self.output;
        if self.whole() && kind == Kind::Mean {
            let share = 1.0 / (self.input[0] * self.input[1]) as f32;
            return picture_sums(&self.pixels(x)?, None, share)?.to_dtype(x.dtype());
        }
        let mut y = Fresh::like(x, (self.n, oh, ow, self.channels))?;
        let kernel = match kind {
            Kind::Max => "largest",
            Kind::Mean => "mean",
        };
        let width = vector_width(self.channels, &[x]);
        let launch = Launch::of(FILE, kernel, x.dtype())?.read(x).write(&mut y);
        // SAFETY: threads read windows of the map, and each writes channels of one position of the result.
        unsafe { self.run(launch, [oh, ow], width)? };
        Ok(y.into_tensor())
    }

    /// As `mean_gradient`.
    pub(super) fn mean_gradient_on_card(&self, grad: &Tensor) -> Result<Tensor> {
        let [h, w] = self.input;
        let mut of_x = Fresh::like(grad, (self.n, h, w, self.channels))?;
        let width = vector_width(self.channels, &[grad]);
        let launch = Launch::of(FILE, "mean_gradient", grad.dtype())?.read(grad).write(&mut of_x);
        // SAFETY: threads read the results of windows, and each writes channels of one position of the map.
        unsafe { self.run(launch, [h, w], width)? };
        Ok(of_x.into_tensor())
    }

    /// As `max_gradient`.
    pub(super) fn max_gradient_on_card(&self, x: &Tensor, maxima: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let [h, w] = self.input;
        let mut of_x = Fresh::like(x, (self.n, h, w, self.channels))?;
        let width = vector_width(self.channels, &[x, maxima, grad]);
        let launch = Launch::of(FILE, "largest_gradient", x.dtype())?.read(x).read(maxima).read(grad);
        let launch = launch.write(&mut of_x);
        // SAFETY: threads read windows of the map and their results, and each writes channels of one position of the map.
        unsafe { self.run(launch, [h, w], width)? };
        Ok(of_x.into_tensor())
    }

    /// Runs a kernel with a thread for each pack of channels of maps of this size.
    ///
    /// # Safety
    /// As [`Launch::run`]: the kernel's tensors are maps of these windows' sizes.
    unsafe fn run(&self, launch: Launch<'_>, size: [usize; 2], width: u32) -> Result<()> {
        let ([h, w], [oh, ow], [kh, kw], spec) = (self.input, self.output, self.kernel, self.spec);
        let mut launch = launch;
        for count in [h, w, oh, ow, self.channels, kh, kw, spec.stride, spec.padding] {
            launch = launch.count(u32::try_from(count)?);
        }
        let items = self.n * size[0] * size[1] * self.channels / width as usize;
        // SAFETY: the caller's promise.
        unsafe { launch.count(u32::try_from(items)?).count(width).run(Grid::of_threads(items)?) }
    }
}

#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests {
    use super::super::{PoolSpec, avg_pool2d, global_avg_pool, global_max_pool, max_pool2d};
    use crate::nn::ops::card::{emulated, launched};
    use crate::nn::ops::testing::{flat, wave};
    use candle_core::{DType, Tensor, Var};

    /// Maps with many equal values pool on a card to the very values and gradients of the processor.
    #[test]
    fn ties_go_where_they_go_on_the_processor() {
        for channels in [3, 8] {
            let steps = (wave(&[2, 9, 7, channels], 0.7) * 2.0).unwrap().round().unwrap();
            for (kernel, stride, padding, ceil) in
                [(3, 2, 1, false), (2, 2, 0, false), (3, 1, 1, false), (3, 2, 0, true)]
            {
                let spec = PoolSpec { kernel, stride, padding, ceil };
                let run = || {
                    let x = Var::from_tensor(&steps).unwrap();
                    let y = max_pool2d(&x, spec).unwrap();
                    let grads = (&y * wave(y.dims(), 1.3)).unwrap().sum_all().unwrap().backward().unwrap();
                    [flat(&y), flat(grads.get(&x).unwrap())]
                };
                let ([y, of_x], [y_of_card, of_x_of_card]) = (run(), emulated(run));
                assert_eq!(y, y_of_card, "{spec:?}");
                // Windows that overlap are added in another order.
                for (a, b) in of_x.iter().zip(&of_x_of_card) {
                    assert!((a - b).abs() < 1e-6, "{spec:?}: {a}, {b}");
                }
            }
        }
    }

    #[test]
    fn short_values_are_pooled_as_long_ones() {
        let x = wave(&[2, 9, 7, 16], 0.7).to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap();
        let spec = PoolSpec { kernel: 3, stride: 2, padding: 1, ceil: false };
        let [n, h, w, c] = [2, 9, 7, 16];
        let windows = super::Windows {
            n,
            input: [h, w],
            output: [5, 4],
            channels: c,
            kernel: [3, 3],
            spec: PoolSpec { ..spec },
        };
        let passes = |dtype| {
            let x = x.to_dtype(dtype).unwrap();
            let grad = wave(&[n, 5, 4, c], 1.1).to_dtype(DType::BF16).unwrap().to_dtype(dtype).unwrap();
            let most = windows.result_on_card(&x, super::Kind::Max).unwrap();
            let of_most = windows.max_gradient_on_card(&x, &most, &grad).unwrap();
            let mean = windows.result_on_card(&x, super::Kind::Mean).unwrap();
            let of_mean = windows.mean_gradient_on_card(&grad).unwrap();
            [most, of_most, mean, of_mean].map(|t: Tensor| flat(&t.to_dtype(DType::F32).unwrap()))
        };
        let (short, long) = emulated(|| (passes(DType::BF16), passes(DType::F32)));
        for (what, (short, long)) in short.iter().zip(&long).enumerate() {
            assert!(short.iter().zip(long).all(|(a, b)| (a - b).abs() <= 4e-3 * (1.0 + b.abs())), "{what}");
        }
        assert_eq!(short[0], long[0]);
    }

    #[test]
    fn each_way_of_pooling_is_one_kernel() {
        emulated(|| {
            let (x, before) = (wave(&[2, 6, 6, 8], 0.7), launched());
            let spec = PoolSpec { kernel: 2, stride: 2, padding: 0, ceil: false };
            max_pool2d(&x, spec).unwrap();
            avg_pool2d(&x, spec).unwrap();
            global_avg_pool(&x).unwrap();
            global_max_pool(&x).unwrap();
            assert_eq!(launched() - before, 4);
        });
    }
}
