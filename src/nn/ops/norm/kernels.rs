//! The passes of batch normalisation over rows of channels.
//!
//! Sums over the batch are taken in parcels whose size depends on the channel count alone, and joined in order, so that
//! results are the same for any number of threads. Within a row, values are taken in lanes of a fixed number: copied out of
//! their slices, they vectorise without proof that the slices do not overlap.

use crate::nn::ops::Activation;
use crate::nn::ops::activation::{Fixed, specialised};
use crate::nn::ops::simd;
use rayon::prelude::*;

/// Values taken at a time.
const LANES: usize = 16;

/// Values in a parcel: whole rows, some 32 thousand values, and few enough rows that f32 sums stay exact to some 1e-6.
pub(super) fn parcel(channels: usize) -> usize {
    (32_768 / channels).clamp(16, 512) * channels
}

/// Evaluates `$value` for all elements of slices of one length, each under its slice's name; the first slices get what it
/// gives.
macro_rules! lanes {
    (($($out:ident),*) ($($in:ident),*) $value:expr) => {{
        let length = [$($out.len()),*][0];
        let whole = length / LANES * LANES;
        for at in (0..whole).step_by(LANES) {
            $(let $in = copied(&$in[at..]);)*
            let old = ($(copied(&$out[at..])),*,);
            let mut new = old;
            for lane in 0..LANES {
                $(let $in = $in[lane];)*
                lanes!(@element old new lane ($($out),*) $value);
            }
            lanes!(@write new at ($($out),*));
        }
        for at in whole..length {
            $(let $in = $in[at];)*
            lanes!(@tail at ($($out),*) $value);
        }
    }};
    (@element $old:ident $new:ident $lane:ident ($a:ident) $value:expr) => {
        $new.0[$lane] = { #[allow(unused_variables, reason = "not every value depends on the old one")] let $a = $old.0[$lane]; $value };
    };
    (@element $old:ident $new:ident $lane:ident ($a:ident, $b:ident) $value:expr) => {
        ($new.0[$lane], $new.1[$lane]) = { let ($a, $b) = ($old.0[$lane], $old.1[$lane]); $value };
    };
    (@write $new:ident $at:ident ($a:ident)) => {
        $a[$at..$at + LANES].copy_from_slice(&$new.0);
    };
    (@write $new:ident $at:ident ($a:ident, $b:ident)) => {
        $a[$at..$at + LANES].copy_from_slice(&$new.0);
        $b[$at..$at + LANES].copy_from_slice(&$new.1);
    };
    (@tail $at:ident ($a:ident) $value:expr) => {
        $a[$at] = { #[allow(unused_variables, reason = "not every value depends on the old one")] let $a = $a[$at]; $value };
    };
    (@tail $at:ident ($a:ident, $b:ident) $value:expr) => {
        ($a[$at], $b[$at]) = { let ($a, $b) = ($a[$at], $b[$at]); $value };
    };
}

/// The first `LANES` values.
#[inline(always)]
fn copied(values: &[f32]) -> [f32; LANES] {
    let mut copy = [0.0; LANES];
    copy.copy_from_slice(&values[..LANES]);
    copy
}

/// Mean and biased variance of each channel: two passes within each parcel, which stays in the cache between them, joined
/// in f64 by the update of Chan, Golub and LeVeque (1979).
pub(super) fn moments(x: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let parts: Vec<_> = x.par_chunks(parcel(channels)).map(|x| parcel_moments(x, channels)).collect();
    let (mut mean, mut m2) = (vec![0f64; channels], vec![0f64; channels]);
    let mut seen = 0f64;
    for (rows, part_mean, part_m2) in &parts {
        let rows = *rows as f64;
        let total = seen + rows;
        let moments = mean.iter_mut().zip(&mut m2);
        for ((mean, m2), (&part_mean, &part_m2)) in moments.zip(part_mean.iter().zip(part_m2)) {
            let delta = f64::from(part_mean) - *mean;
            *mean += delta * rows / total;
            *m2 += f64::from(part_m2) + delta * delta * seen * rows / total;
        }
        seen = total;
    }
    m2.iter_mut().for_each(|v| *v /= seen);
    (mean, m2)
}

fn parcel_moments(x: &[f32], channels: usize) -> (usize, Vec<f32>, Vec<f32>) {
    let rows = x.len() / channels;
    let (mut mean, mut m2) = (vec![0f32; channels], vec![0f32; channels]);
    simd::vectorised(
        #[inline(always)]
        || {
            for row in x.chunks_exact(channels) {
                let sum = &mut mean[..];
                lanes!((sum)(row) sum + row);
            }
            mean.iter_mut().for_each(|s| *s /= rows as f32);
            for row in x.chunks_exact(channels) {
                let (sum, mean) = (&mut m2[..], &mean[..]);
                lanes!((sum)(row, mean) sum + (row - mean) * (row - mean));
            }
        },
    );
    (rows, mean, m2)
}

/// `act(x * scale + shift + addend)`; `addend` may be empty.
pub(super) fn normalise(act: Activation, x: &[f32], affine: (&[f32], &[f32]), addend: &[f32], y: &mut [f32]) {
    let channels = affine.0.len();
    let size = parcel(channels);
    y.par_chunks_mut(size).zip(x.par_chunks(size)).enumerate().for_each(|(i, (y, x))| {
        let addend = addend.get(i * size..i * size + x.len()).unwrap_or_default();
        specialised!(act, act => simd::vectorised(
            #[inline(always)]
            || normalise_parcel(act, x, affine, addend, y)
        ));
    });
}

#[inline(always)]
fn normalise_parcel<const ACT: u8>(
    act: Fixed<ACT>,
    x: &[f32],
    (scale, shift): (&[f32], &[f32]),
    addend: &[f32],
    y: &mut [f32],
) {
    let channels = scale.len();
    let rows = y.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
    if addend.is_empty() {
        for (y, x) in rows {
            lanes!((y)(x, scale, shift) act.value(x * scale + shift));
        }
        return;
    }
    for ((y, x), addend) in rows.zip(addend.chunks_exact(channels)) {
        lanes!((y)(x, scale, shift, addend) act.value(x * scale + shift + addend));
    }
}

/// The gradient at the activation's input from that at its output.
#[inline(always)]
fn pre_grad<const ACT: u8>(act: Fixed<ACT>, x: f32, grad: f32, scale: f32, shift: f32) -> f32 {
    act.gradient(x * scale + shift, grad)
}

/// Sums over the batch of `dz` and of `dz * (x - mean)`, where `z` is the activation's input.
pub(super) fn sums(
    act: Activation,
    (x, grad): (&[f32], &[f32]),
    affine: (&[f32], &[f32]),
    mean: &[f32],
) -> (Vec<f64>, Vec<f64>) {
    let channels = affine.0.len();
    let size = parcel(channels);
    let part = |(x, grad): (&[f32], &[f32])| {
        let mut sums = (vec![0f32; channels], vec![0f32; channels]);
        specialised!(act, act => simd::vectorised(
            #[inline(always)]
            || parcel_sums(act, (x, grad), affine, mean, (&mut sums.0, &mut sums.1))
        ));
        sums
    };
    let parts: Vec<_> = x.par_chunks(size).zip(grad.par_chunks(size)).map(part).collect();
    let (mut plain, mut weighted) = (vec![0f64; channels], vec![0f64; channels]);
    for (part_plain, part_weighted) in &parts {
        plain.iter_mut().zip(part_plain).for_each(|(s, &v)| *s += f64::from(v));
        weighted.iter_mut().zip(part_weighted).for_each(|(s, &v)| *s += f64::from(v));
    }
    (plain, weighted)
}

#[inline(always)]
fn parcel_sums<const ACT: u8>(
    act: Fixed<ACT>,
    (x, grad): (&[f32], &[f32]),
    (scale, shift): (&[f32], &[f32]),
    mean: &[f32],
    (plain, weighted): (&mut [f32], &mut [f32]),
) {
    let channels = scale.len();
    for (x, grad) in x.chunks_exact(channels).zip(grad.chunks_exact(channels)) {
        lanes!((plain, weighted)(x, grad, scale, shift, mean) {
            let dz = pre_grad(act, x, grad, scale, shift);
            (plain + dz, weighted + dz * (x - mean))
        });
    }
}

/// Turns a parcel of the result's gradient into that of `x`: `dz * scale - (offset + x * slope)`, the last two being what flows
/// through the batch's statistics.
pub(super) fn input_gradient(
    act: Activation,
    x: &[f32],
    grad: &mut [f32],
    affine: (&[f32], &[f32]),
    through_stats: (&[f32], &[f32]),
) {
    specialised!(act, act => simd::vectorised(
        #[inline(always)]
        || input_gradient_parcel(act, x, grad, affine, through_stats)
    ));
}

#[inline(always)]
fn input_gradient_parcel<const ACT: u8>(
    act: Fixed<ACT>,
    x: &[f32],
    grad: &mut [f32],
    (scale, shift): (&[f32], &[f32]),
    (offset, slope): (&[f32], &[f32]),
) {
    let channels = scale.len();
    for (grad, x) in grad.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        lanes!((grad)(x, scale, shift, offset, slope) {
            pre_grad(act, x, grad, scale, shift) * scale - (offset + x * slope)
        });
    }
}
