//! Attention against loops over the definition in f64, and its gradient against finite differences of those.

use super::attention;
use crate::nn::ops::testing::{both_ways, flat};
use candle_core::{Device, Tensor, Var};

fn wave(len: usize, pace: f64) -> Vec<f32> {
    (0..len).map(|i| ((i as f64 + 1.0) * pace).sin() as f32).collect()
}

/// The definition: `qkv` is `[n, t, 3 * heads * d]`.
fn exact(qkv: &[f64], [n, t, heads, d]: [usize; 4]) -> Vec<f64> {
    let width = heads * d;
    let at = |n: usize, t_: usize, part: usize, h: usize, i: usize| {
        qkv[(n * t + t_) * 3 * width + part * width + h * d + i]
    };
    let mut out = vec![0.0; n * t * width];
    for (picture, head, query) in (0..n * heads * t).map(|i| (i / (heads * t), i / t % heads, i % t)) {
        let scores: Vec<f64> = (0..t)
            .map(|key| {
                let dot: f64 =
                    (0..d).map(|i| at(picture, query, 0, head, i) * at(picture, key, 1, head, i)).sum();
                (dot / (d as f64).sqrt()).exp()
            })
            .collect();
        let total: f64 = scores.iter().sum();
        for i in 0..d {
            out[(picture * t + query) * width + head * d + i] =
                (0..t).map(|key| scores[key] / total * at(picture, key, 2, head, i)).sum();
        }
    }
    out
}

#[test]
fn results_are_those_of_the_definition() {
    both_ways(|| {
        for shape in [[1, 1, 1, 1], [2, 5, 3, 4], [1, 49, 2, 8], [2, 101, 1, 33]] {
            let [n, t, heads, d] = shape;
            let values: Vec<f32> = wave(n * t * 3 * heads * d, 0.7).iter().map(|v| 2.0 * v).collect();
            let qkv = Tensor::from_vec(values.clone(), (n, t, 3 * heads * d), &Device::Cpu).unwrap();
            let got = attention(&qkv, heads).unwrap();
            assert_eq!(got.dims(), [n, t, heads * d]);
            let want = exact(&values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), shape);
            for (got, want) in flat(&got).iter().zip(&want) {
                assert!((f64::from(*got) - want).abs() < 1e-5, "{shape:?}: {got} for {want}");
            }
        }
    });
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    both_ways(|| {
        for shape in [[2, 3, 2, 4], [1, 51, 1, 2]] {
            let [n, t, heads, d] = shape;
            let values = wave(n * t * 3 * heads * d, 0.7);
            let qkv = Var::from_vec(values.clone(), (n, 1, t, 3 * heads * d), &Device::Cpu).unwrap();
            let y = attention(&qkv, heads).unwrap();
            assert_eq!(y.dims(), [n, 1, t, heads * d]);
            let upstream = wave(n * t * heads * d, 0.9);
            let weights = Tensor::from_vec(upstream.clone(), y.shape(), &Device::Cpu).unwrap();
            let grads = (y * weights).unwrap().sum_all().unwrap().backward().unwrap();
            let got = flat(grads.get(&qkv).unwrap());
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let loss = |values: &[f64]| {
                exact(values, shape).iter().zip(&upstream).map(|(y, u)| y * f64::from(*u)).sum::<f64>()
            };
            for (i, got) in got.iter().enumerate() {
                let shifted = |by: f64| {
                    let mut values = values.clone();
                    values[i] += by;
                    loss(&values)
                };
                let want = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                assert!((f64::from(*got) - want).abs() < 1e-5, "{shape:?}, {i}: {got} for {want}");
            }
        }
    });
}

#[test]
fn large_scores_neither_overflow_nor_hide_divergence() {
    both_ways(|| {
        let of = |values: Vec<f32>| {
            flat(&attention(&Tensor::from_vec(values, (1, 2, 3), &Device::Cpu).unwrap(), 1).unwrap())
        };
        // The first query meets scores of 1e6 and -1e6: it sees the first value alone.
        assert_eq!(of(vec![1e3, 1e3, 5.0, 1e3, -1e3, 7.0])[0], 5.0);
        assert!(of(vec![1.0, f32::NAN, 5.0, 1.0, 1.0, 7.0]).iter().all(|v| v.is_nan()));
    });
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let qkv = Var::from_vec(wave(3 * 60 * 3 * 32, 0.7), (3, 60, 96), &Device::Cpu).unwrap();
            let y = attention(&qkv, 4).unwrap();
            let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            (flat(&y), flat(grads.get(&qkv).unwrap()))
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let qkv = Tensor::from_vec(wave(24, 0.7), (2, 2, 6), &Device::Cpu).unwrap();
    for heads in [0, 3] {
        assert!(attention(&qkv, heads).unwrap_err().to_string().contains("[2, 2, 6]"));
    }
}
