//! Forward pass and gradients against loops over the definition, in f64.

use super::*;
use crate::nn::ops::simd::testing::at_each_level;
use crate::nn::ops::testing::both_ways;
use candle_core::{Device, Var};

/// Values without a pattern that a wrong index could hit by chance.
pub(super) fn wave(len: usize, pace: f64) -> Vec<f32> {
    (0..len).map(|i| ((i as f64 + 1.0) * pace).sin() as f32).collect()
}

/// Calls `visit(x index, weight index, y index)` for every product in a convolution.
pub(super) fn each_product(g: &Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let ([h, w, cin], [oh, ow, cout], [kh, kw]) = (g.input, g.output, g.kernel);
    let [group_in, group_out] = g.group();
    for (n, oy, ox, o) in (0..g.n * oh * ow * cout)
        .map(|i| (i / (oh * ow * cout), i / (ow * cout) % oh, i / cout % ow, i % cout))
    {
        for (ky, kx, c) in
            (0..kh * kw * group_in).map(|i| (i / (kw * group_in), i / group_in % kw, i % group_in))
        {
            let y = (oy * g.spec.stride + ky * g.spec.dilation) as isize - g.spec.padding as isize;
            let x = (ox * g.spec.stride + kx * g.spec.dilation) as isize - g.spec.padding as isize;
            if y >= 0 && x >= 0 && (y as usize) < h && (x as usize) < w {
                let channel = o / group_out * group_in + c;
                visit(
                    ((n * h + y as usize) * w + x as usize) * cin + channel,
                    ((ky * kw + kx) * group_in + c) * cout + o,
                    ((n * oh + oy) * ow + ox) * cout + o,
                );
            }
        }
    }
}

fn assert_close(what: &str, got: &Tensor, want: &[f64]) {
    let got = got.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(got) - want).abs() <= 3e-6 * scale, "{what}[{i}]: {got} instead of {want}");
    }
}

/// `x: [n, h, w, c]`, kernel `[kh, kw]`, result channels, then stride, padding, dilation, groups.
type Case = ([usize; 4], [usize; 2], usize, [usize; 4]);

fn check(case: Case, act: Activation, with_bias: bool) {
    both_ways(|| check_one_way(case, act, with_bias));
}

fn check_one_way(case: Case, act: Activation, with_bias: bool) {
    let ([n, h, w, c], [kh, kw], cout, [stride, padding, dilation, groups]) = case;
    let spec = Conv2dSpec { stride, padding, dilation, groups };
    let label = format!("{case:?} {act:?}");
    let device = Device::Cpu;
    let x = Var::from_vec(wave(n * h * w * c, 0.7), (n, h, w, c), &device).unwrap();
    let per_group = c / groups;
    let weight =
        Var::from_vec(wave(kh * kw * per_group * cout, 1.3), (kh, kw, per_group, cout), &device).unwrap();
    let bias = Var::from_vec(wave(cout, 0.4), cout, &device).unwrap();
    let y = conv2d(&x, &weight, with_bias.then_some(bias.as_tensor()), spec, act).unwrap();

    let g = Geometry::new(x.dims(), weight.dims(), None, spec).unwrap();
    let (xs, ws) = (wave(n * h * w * c, 0.7), wave(weight.elem_count(), 1.3));
    let bs = if with_bias { wave(cout, 0.4) } else { vec![0.0; cout] };
    let mut before: Vec<f64> = (0..y.elem_count()).map(|i| f64::from(bs[i % cout])).collect();
    each_product(&g, |xi, wi, yi| before[yi] += f64::from(xs[xi]) * f64::from(ws[wi]));
    let (low, high) = Clamp::of(act).0.range();
    let want: Vec<f64> = before.iter().map(|v| v.clamp(f64::from(low), f64::from(high))).collect();
    assert_eq!(y.dims(), [n, g.output[0], g.output[1], cout], "{label}");
    assert_close(&format!("{label} result"), &y, &want);

    let upstream = wave(want.len(), 0.9);
    let loss =
        (&y * Tensor::from_vec(upstream.clone(), y.shape(), &device).unwrap()).unwrap().sum_all().unwrap();
    let grads = loss.backward().unwrap();
    let passes = |i: usize| before[i] > f64::from(low) && before[i] < f64::from(high);
    let dy: Vec<f64> =
        upstream.iter().enumerate().map(|(i, &u)| if passes(i) { f64::from(u) } else { 0.0 }).collect();
    let (mut dx, mut dw, mut db) = (vec![0.0; xs.len()], vec![0.0; ws.len()], vec![0.0; cout]);
    each_product(&g, |xi, wi, yi| {
        dx[xi] += f64::from(ws[wi]) * dy[yi];
        dw[wi] += f64::from(xs[xi]) * dy[yi];
    });
    dy.iter().enumerate().for_each(|(i, d)| db[i % cout] += d);
    assert_close(&format!("{label} input gradient"), grads.get(&x).unwrap(), &dx);
    assert_close(&format!("{label} weight gradient"), grads.get(&weight).unwrap(), &dw);
    if with_bias {
        assert_close(&format!("{label} bias gradient"), grads.get(&bias).unwrap(), &db);
    }
}

#[test]
fn pointwise() {
    for stride in [1, 2, 3] {
        check(([3, 7, 5, 19], [1, 1], 35, [stride, 0, 1, 1]), Activation::Relu6, true);
    }
    check(([2, 5, 4, 8], [1, 1], 64, [1, 1, 1, 1]), Activation::Identity, false);
    check(([1, 1, 1, 70], [1, 1], 33, [1, 0, 1, 1]), Activation::Relu, true);
}

#[test]
fn general_kernels() {
    for kernel in [[3, 3], [5, 5], [7, 7], [1, 3], [3, 1], [2, 4]] {
        for stride in [1, 2, 3] {
            for padding in 0..=3 {
                check(([2, 9, 7, 3], kernel, 5, [stride, padding, 1, 1]), Activation::Relu, true);
            }
        }
    }
}

#[test]
fn dilated_kernels() {
    for stride in [1, 2, 3] {
        check(([2, 11, 9, 4], [3, 3], 6, [stride, 2, 2, 1]), Activation::Identity, true);
        check(([2, 11, 9, 18], [3, 3], 18, [stride, 2, 2, 18]), Activation::Identity, true);
    }
}

#[test]
fn whole_panels_and_tiles() {
    check(([2, 13, 11, 16], [3, 3], 64, [1, 1, 1, 1]), Activation::Relu, true);
    check(([2, 12, 11, 24], [3, 3], 40, [2, 1, 1, 1]), Activation::Identity, false);
}

#[test]
fn depthwise_kernels() {
    at_each_level(|_| {
        for channels in [2, 7, 16, 21, 40, 70] {
            for (kernel, stride, padding) in [
                ([3, 3], 1, 1),
                ([3, 3], 2, 1),
                ([5, 5], 1, 2),
                ([5, 5], 2, 2),
                ([7, 7], 1, 3),
                ([7, 7], 2, 3),
                ([1, 3], 3, 0),
                ([3, 2], 1, 2),
            ] {
                check(
                    ([2, 9, 13, channels], kernel, channels, [stride, padding, 1, channels]),
                    Activation::Relu6,
                    true,
                );
            }
        }
        check(([1, 3, 2, 16], [7, 7], 16, [1, 3, 1, 16]), Activation::Identity, false);
    });
}

#[test]
fn other_groups() {
    check(([2, 7, 6, 12], [3, 3], 6, [1, 1, 1, 3]), Activation::Relu, true);
    check(([2, 7, 6, 12], [3, 3], 24, [2, 1, 1, 12]), Activation::Identity, true);
    check(([2, 6, 6, 8], [1, 1], 8, [1, 0, 1, 4]), Activation::Identity, false);
    check(([2, 6, 7, 8], [1, 1], 40, [2, 0, 1, 2]), Activation::Identity, false);
}

#[test]
fn strides_larger_than_the_kernel_leave_gaps() {
    check(([2, 8, 8, 5], [1, 1], 4, [3, 0, 1, 1]), Activation::Identity, true);
    check(([1, 2, 9, 5], [2, 2], 4, [5, 0, 1, 1]), Activation::Identity, true);
}

#[test]
fn no_gradient_for_what_is_not_tracked() {
    both_ways(|| {
        let device = Device::Cpu;
        let x = Tensor::from_vec(wave(2 * 5 * 5 * 4, 0.7), (2, 5, 5, 4), &device).unwrap();
        let weight = Tensor::from_vec(wave(9 * 4 * 6, 0.7), (3, 3, 4, 6), &device).unwrap();
        let bias = Tensor::from_vec(wave(6, 0.7), 6, &device).unwrap();
        let spec = Conv2dSpec { stride: 1, padding: 1, dilation: 1, groups: 1 };
        let run = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
            let y = conv2d(x, weight, Some(bias), spec, Activation::Relu).unwrap();
            y.sum_all().unwrap().backward().unwrap()
        };
        let var = Var::from_tensor(&bias).unwrap();
        let grads = run(&x, &weight, &var);
        assert!(grads.get(&var).is_some() && grads.get(&x).is_none() && grads.get(&weight).is_none());
        let var = Var::from_tensor(&weight).unwrap();
        let grads = run(&x, &var, &bias);
        assert!(grads.get(&var).is_some() && grads.get(&x).is_none() && grads.get(&bias).is_none());
        let var = Var::from_tensor(&x).unwrap();
        let grads = run(&var, &weight, &bias);
        assert!(grads.get(&var).is_some() && grads.get(&weight).is_none() && grads.get(&bias).is_none());
    });
}

#[test]
fn views_are_read_in_their_own_order() {
    both_ways(|| {
        let device = Device::Cpu;
        let nchw = Tensor::from_vec(wave(2 * 3 * 6 * 5, 0.7), (2, 3, 6, 5), &device).unwrap();
        let oihw = Tensor::from_vec(wave(4 * 3 * 9, 0.3), (4, 3, 3, 3), &device).unwrap();
        let (view, weight) = (nchw.permute((0, 2, 3, 1)).unwrap(), oihw.permute((2, 3, 1, 0)).unwrap());
        let spec = Conv2dSpec { stride: 2, padding: 1, dilation: 1, groups: 1 };
        let ours = conv2d(&view, &weight, None, spec, Activation::Identity).unwrap();
        let candle = nchw.conv2d(&oihw, 1, 2, 1, 1).unwrap().permute((0, 2, 3, 1)).unwrap();
        let worst = (ours - candle).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(worst < 1e-5, "{worst}");
    });
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let x = Var::from_vec(wave(3 * 17 * 15 * 20, 0.7), (3, 17, 15, 20), &Device::Cpu).unwrap();
            let weight = Var::from_vec(wave(9 * 20 * 24, 1.1), (3, 3, 20, 24), &Device::Cpu).unwrap();
            let spec = Conv2dSpec { stride: 1, padding: 1, dilation: 1, groups: 1 };
            let y = conv2d(&x, &weight, None, spec, Activation::Relu).unwrap();
            let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            [&y, grads.get(&x).unwrap(), grads.get(&weight).unwrap()]
                .map(|t| t.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn frozen_groups_are_added_each_to_its_own_channels() {
    both_ways(|| {
        let tensor = |shape: &[usize], pace| {
            Tensor::from_vec(wave(shape.iter().product(), pace), shape, &Device::Cpu).unwrap()
        };
        let (x, weight, bias) = (tensor(&[2, 7, 6, 12], 0.7), tensor(&[3, 3, 4, 6], 1.3), tensor(&[6], 0.4));
        let addend = tensor(&[2, 7, 6, 6], 0.9);
        let spec = Conv2dSpec { stride: 1, padding: 1, dilation: 1, groups: 3 };
        let packed = PackedConv::new(&weight, &bias, spec);
        let got = packed.forward(&x, Some(&addend), Activation::Relu).unwrap();
        let plain = conv2d(&x, &weight, Some(&bias), spec, Activation::Identity).unwrap();
        let want = (plain + addend).unwrap().relu().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let want: Vec<f64> = want.into_iter().map(f64::from).collect();
        assert_close("frozen groups", &got, &want);
    });
}

#[test]
fn errors_name_the_shapes() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
    let spec = Conv2dSpec { stride: 1, padding: 0, dilation: 1, groups: 1 };
    let fails = |x: &[usize], w: &[usize], spec: Conv2dSpec| {
        let error = conv2d(&zeros(x), &zeros(w), None, spec, Activation::Identity).unwrap_err().to_string();
        assert!(error.contains(&format!("{x:?}")) && error.contains(&format!("{w:?}")), "{error}");
    };
    fails(&[1, 4, 4, 3], &[3, 3, 4, 8], spec);
    fails(&[1, 4, 4], &[3, 3, 4, 8], spec);
    fails(&[1, 2, 4, 4], &[3, 3, 4, 8], spec);
    fails(&[0, 4, 4, 4], &[3, 3, 4, 8], spec);
    fails(&[1, 4, 4, 4], &[3, 3, 2, 7], Conv2dSpec { groups: 2, ..spec });
    fails(&[1, 4, 4, 4], &[3, 3, 4, 8], Conv2dSpec { stride: 0, ..spec });
    fails(&[1, 4, 4, 4], &[3, 3, 4, 8], Conv2dSpec { dilation: usize::MAX, ..spec });
    let half = zeros(&[1, 4, 4, 4]).to_dtype(candle_core::DType::F16).unwrap();
    assert!(conv2d(&half, &zeros(&[3, 3, 4, 8]), None, spec, Activation::Identity).is_err());
}
