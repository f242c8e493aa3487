use super::{Fresh, Grid, Launch, emulated, launched};
use crate::nn::ops::testing::{flat, wave};
use crate::nn::ops::{Activation, batch_norm};
use candle_core::{DType, Result, Tensor};

#[test]
fn kernels_serve_inside_of_the_emulation_only() {
    let (x, one) = (wave(&[4, 6], 0.7), wave(&[6], 0.3));
    let norm = || flat(&batch_norm(&x, &one, &one, 1e-5, Activation::Relu).unwrap().0);
    let before = launched();
    let outside = norm();
    assert_eq!(launched(), before);
    let inside = emulated(norm);
    assert!(launched() > before);
    assert!(inside.iter().zip(&outside).all(|(a, b)| (a - b).abs() < 1e-5));
}

/// What a kernel of `faulty.cu` makes of 64 values.
fn run(kernel: &'static str, arguments: impl for<'a> FnOnce(Launch<'a>) -> Launch<'a>) -> Result<Vec<f32>> {
    let x = wave(&[64], 0.7);
    let mut y = Fresh::like(&x, 64)?;
    let launch = arguments(Launch::of("faulty", kernel, DType::F32)?.read(&x).write(&mut y));
    // SAFETY: the kernels stay inside of 64 values, but for one, which writes one more: there is room for that in tests.
    unsafe { launch.run(Grid { blocks: [1, 1], threads: [64, 1] })? };
    y.into_tensor().to_vec1()
}

fn mirrored(x: &Tensor) -> Vec<f32> {
    flat(x).into_iter().rev().collect()
}

#[test]
fn what_is_right_is_computed() {
    let x = wave(&[64], 0.7);
    assert_eq!(run("mirrored", |launch| launch).unwrap(), mirrored(&x));
    let sum: f32 = flat(&x).iter().sum();
    let sums = run("summed", |launch| launch).unwrap();
    assert!(sums.iter().all(|v| (v - sum).abs() < 1e-5 && v == &sums[0]), "{sum} {sums:?}");
}

#[test]
fn a_missing_barrier_spoils_the_result() {
    let right = mirrored(&wave(&[64], 0.7));
    for kernel in ["without_barrier", "without_second_barrier", "unwritten"] {
        let got = run(kernel, |launch| launch).unwrap();
        assert!(got.iter().zip(&right).any(|(a, b)| a.is_nan() || a != b), "{kernel}");
    }
    // One that reads what is not there yet gets no number.
    assert!(run("without_barrier", |launch| launch).unwrap().iter().any(|v| v.is_nan()));
    assert!(run("unwritten", |launch| launch).unwrap()[0].is_nan());
}

#[test]
fn what_a_card_would_not_take_is_refused_and_told() {
    for (kernel, why) in [
        ("half_a_barrier", "barrier that not every thread"),
        ("two_barriers", "barrier that not every thread"),
        ("absent_lane", "not every lane"),
        ("unaligned", "multiple of 16"),
        ("beyond", "behind the end"),
        ("nowhere", "no such kernel"),
    ] {
        let error = run(kernel, |launch| launch).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(kernel), "{error}");
    }
    let error = run("mirrored", |launch| launch.count(1)).unwrap_err().to_string();
    assert!(error.contains("3 arguments for one of 2"), "{error}");
    // What failed before does not stay.
    assert!(run("mirrored", |launch| launch).is_ok());
}
