//! Results and gradients against the definition in f64: the error's norm relative to the result's.

use super::super::tests::each_product;
use super::super::{Conv2dSpec, Geometry};
use super::*;
use crate::nn::ops::simd::testing::at_each_level;
use crate::nn::rng::Rng;

/// What is promised of the algorithm, which rounds more than a plain sum does.
const TOLERANCE: f64 = 1e-5;

fn drawn(len: usize, key: u64) -> Vec<f32> {
    let mut rng = Rng::for_key(key, &[]);
    (0..len).map(|_| rng.normal() as f32).collect()
}

fn geometry([n, h, w, cin]: [usize; 4], cout: usize, padding: usize) -> Geometry {
    let spec = Conv2dSpec { stride: 1, padding, dilation: 1, groups: 1 };
    Geometry::new(&[n, h, w, cin], &[3, 3, cin, cout], None, spec).unwrap()
}

fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let error: f64 = got.iter().zip(want).map(|(&g, w)| (f64::from(g) - w).powi(2)).sum();
    (error / want.iter().map(|w| w * w).sum::<f64>()).sqrt()
}

/// Odd sizes, borders that cut tiles, several pictures, channels that are no multiple of a vector.
const CASES: [([usize; 4], usize, usize); 6] = [
    ([2, 9, 11, 32], 32, 1),
    ([3, 7, 7, 40], 33, 1),
    ([1, 12, 8, 35], 70, 0),
    ([2, 5, 6, 32], 48, 2),
    ([1, 4, 4, 64], 32, 1),
    ([5, 14, 13, 32], 64, 1),
];

#[test]
fn results_are_right() {
    for (x_shape, cout, padding) in CASES {
        let g = geometry(x_shape, cout, padding);
        let (x, w) = (drawn(x_shape.iter().product(), 1), drawn(9 * x_shape[3] * cout, 2));
        let mut want = vec![0.0; g.output_shape().iter().product()];
        each_product(&g, |xi, wi, yi| want[yi] += f64::from(x[xi]) * f64::from(w[wi]));
        at_each_level(|level| {
            let winograd = Winograd::new(&g);
            let mut got = vec![f32::NAN; want.len()];
            let all = (f32::NEG_INFINITY, f32::INFINITY);
            winograd.convolve(&x, &winograd.weights(&w), &[], &[], all, &mut got);
            let error = relative_error(&got, &want);
            assert!(error < TOLERANCE, "{x_shape:?} {cout} {padding} {level:?}: {error}");
        });
    }
}

#[test]
fn bias_addend_and_clamp_come_last() {
    let (x_shape, cout) = ([2, 6, 7, 32], 36);
    let g = geometry(x_shape, cout, 1);
    let (x, w, bias) = (drawn(x_shape.iter().product(), 1), drawn(9 * 32 * cout, 2), drawn(cout, 3));
    let addend = drawn(g.output_shape().iter().product(), 4);
    let mut want: Vec<f64> =
        (0..addend.len()).map(|i| f64::from(bias[i % cout]) + f64::from(addend[i])).collect();
    each_product(&g, |xi, wi, yi| want[yi] += f64::from(x[xi]) * f64::from(w[wi]));
    want.iter_mut().for_each(|v| *v = v.clamp(0.0, 6.0));
    at_each_level(|level| {
        let winograd = Winograd::new(&g);
        let mut got = vec![f32::NAN; want.len()];
        winograd.convolve(&x, &winograd.weights(&w), &bias, &addend, (0.0, 6.0), &mut got);
        let error = relative_error(&got, &want);
        assert!(error < TOLERANCE, "{level:?}: {error}");
    });
}

#[test]
fn gradients_are_right() {
    for (x_shape, cout, padding) in CASES {
        let g = geometry(x_shape, cout, padding);
        let (x, w) = (drawn(x_shape.iter().product(), 1), drawn(9 * x_shape[3] * cout, 2));
        let dy = drawn(g.output_shape().iter().product(), 5);
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
        each_product(&g, |xi, wi, yi| {
            dx[xi] += f64::from(w[wi]) * f64::from(dy[yi]);
            dw[wi] += f64::from(x[xi]) * f64::from(dy[yi]);
        });
        at_each_level(|level| {
            let label = format!("{x_shape:?} {cout} {padding} {level:?}");
            let winograd = Winograd::new(&g).turned();
            let mut got = vec![f32::NAN; dx.len()];
            let all = (f32::NEG_INFINITY, f32::INFINITY);
            winograd.convolve(&dy, &winograd.turned_weights(&w), &[], &[], all, &mut got);
            let error = relative_error(&got, &dx);
            assert!(error < TOLERANCE, "{label}: input {error}");
            for own_sum in [0, usize::MAX] {
                let error = relative_error(&Winograd::new(&g).weight_gradient_with(&x, &dy, own_sum), &dw);
                assert!(error < TOLERANCE, "{label}: weights {error}");
            }
        });
    }
}
