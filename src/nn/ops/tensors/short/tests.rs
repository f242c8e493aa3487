//! Every operation with activations of bf16 against itself in f32.

use super::*;
#[cfg(feature = "emulated-card")]
use crate::nn::ops::card::emulated;
use crate::nn::ops::tensors::forced;
use crate::nn::ops::testing::{flat, wave};
use crate::nn::ops::{
    Activation, Conv2dSpec, PackedConv, PackedLinear, PoolSpec, add, attention, attention_weights,
    avg_pool2d, batch_norm_add, batch_norm_frozen_add, concat_channels, conv2d, dropout, dropout_rows,
    embed_patches, global_avg_pool, global_max_pool, layer_norm, linear, linear_of_activated,
    linear_residual, max_pool2d, pick_tokens, residual, squeeze_excite,
};
use crate::nn::rng::Rng;
use crate::nn::tape::Tape;
use candle_core::Var;

/// Difference, relative to the largest value. All that goes in is the same in both types, so that what differs are the roundings of
/// 2^-9 of a value on the way, which sums make no more than that of the largest, and of the result.
const TOLERANCE: f32 = 4.0 / 512.0;

/// [`wave`] of values that bf16 has.
fn exact(shape: &[usize], pace: f64) -> Tensor {
    widened(&wave(shape, pace).to_dtype(DType::BF16).unwrap()).unwrap()
}

/// An operation on activations, the first so many shapes, and parameters, the others.
struct Case {
    name: &'static str,
    activations: usize,
    shapes: Vec<Vec<usize>>,
    apply: Box<Apply>,
}

type Apply = dyn Fn(&[&Tensor]) -> Tensor;

fn case(
    name: &'static str,
    activations: &[&[usize]],
    parameters: &[&[usize]],
    apply: impl Fn(&[&Tensor]) -> Tensor + 'static,
) -> Case {
    let shapes = activations.iter().chain(parameters).map(|shape| shape.to_vec()).collect();
    Case { name, activations: activations.len(), shapes, apply: Box::new(apply) }
}

fn spec(stride: usize, padding: usize, groups: usize) -> Conv2dSpec {
    Conv2dSpec { stride, padding, dilation: 1, groups }
}

fn cases() -> Vec<Case> {
    let (silu, gelu, identity) = (Activation::Silu, Activation::Gelu, Activation::Identity);
    let map: &[usize] = &[3, 7, 6, 8];
    let pool = PoolSpec { kernel: 3, stride: 2, padding: 1, ceil: false };
    let conv = |name, stride, padding, groups, kernel: usize, cout: usize| {
        let apply = move |v: &[&Tensor]| {
            conv2d(v[0], v[1], Some(v[2]), spec(stride, padding, groups), Activation::Identity).unwrap()
        };
        case(name, &[&[3, 7, 6, 8]], &[&[kernel, kernel, 8 / groups, cout], &[cout]], apply)
    };
    vec![
        conv("convolution", 1, 1, 1, 3, 12),
        conv("convolution with steps", 2, 1, 1, 3, 12),
        conv("convolution in groups", 1, 1, 2, 3, 12),
        conv("depthwise convolution", 1, 1, 8, 3, 8),
        conv("pointwise convolution", 1, 0, 1, 1, 12),
        conv("pointwise convolution with steps", 2, 0, 1, 1, 12),
        case("convolution and activation", &[map], &[&[3, 3, 8, 12]], move |v| {
            conv2d(v[0], v[1], None, spec(1, 1, 1), silu).unwrap()
        }),
        case("linear", &[&[20, 9]], &[&[9, 12], &[12]], move |v| {
            linear(v[0], v[1], Some(v[2]), silu).unwrap()
        }),
        case("linear of activated", &[&[20, 9]], &[&[9, 12], &[12]], move |v| {
            linear_of_activated(gelu, v[0], v[1], Some(v[2])).unwrap()
        }),
        case("linear residual", &[&[20, 9], &[20, 12]], &[&[9, 12], &[12]], move |v| {
            linear_residual(gelu, v[0], (v[2], v[3]), v[1], None).unwrap()
        }),
        case("scaled linear residual", &[&[20, 9], &[20, 12]], &[&[9, 12], &[12], &[12]], move |v| {
            linear_residual(identity, v[0], (v[2], v[3]), v[1], Some(v[4])).unwrap()
        }),
        case("attention", &[&[2, 1, 7, 24]], &[], |v| attention(v[0], 2).unwrap()),
        case("batch normalisation", &[map, map], &[&[8], &[8]], |v| {
            batch_norm_add(v[0], (v[2], v[3]), 1e-5, Some(v[1]), Activation::Relu).unwrap().0
        }),
        case("frozen batch normalisation", &[map], &[&[8], &[8]], move |v| {
            let running = (wave(&[8], 0.4), wave(&[8], 0.6).sqr().unwrap());
            batch_norm_frozen_add(v[0], (v[1], v[2]), (&running.0, &running.1), 1e-1, None, silu).unwrap()
        }),
        case("layer normalisation", &[&[20, 9]], &[&[9], &[9]], |v| {
            layer_norm(v[0], v[1], v[2], 1e-6).unwrap()
        }),
        case("activation", &[map], &[], move |v| gelu.apply(v[0]).unwrap()),
        case("kinks", &[map], &[], |v| Activation::Hardswish.apply(v[0]).unwrap()),
        case("sum", &[map, map], &[], |v| add(v[0], v[1], Activation::Relu).unwrap()),
        case("scaled sum", &[map, map], &[&[8]], |v| residual(v[0], v[1], Some(v[2])).unwrap()),
        case("squeeze and excite", &[map], &[&[1, 1, 8, 4], &[4], &[1, 1, 4, 8], &[8]], move |v| {
            squeeze_excite(v[0], (v[1], v[2]), (v[3], v[4]), silu, Activation::Sigmoid).unwrap()
        }),
        case("largest of windows", &[map], &[], move |v| max_pool2d(v[0], pool).unwrap()),
        case("mean of windows", &[map], &[], move |v| avg_pool2d(v[0], pool).unwrap()),
        case("mean", &[map], &[], |v| global_avg_pool(v[0]).unwrap()),
        case("largest", &[map], &[], |v| global_max_pool(v[0]).unwrap()),
        case("side by side", &[map, map], &[], |v| concat_channels(v[0], v[1]).unwrap()),
        case("dropout", &[map], &[], |v| dropout(v[0], 0.3, &mut Rng::for_key(3, &[])).unwrap()),
        case("dropped rows", &[map], &[], |v| dropout_rows(v[0], 0.5, &mut Rng::for_key(3, &[])).unwrap()),
        case("tokens", &[&[2, 2, 3, 8]], &[&[1, 1, 8], &[1, 7, 8]], |v| {
            let x = embed_patches(v[1], v[0], v[2]).unwrap();
            pick_tokens(&x, 0..5).unwrap()
        }),
    ]
}

/// The result and the gradients of all arguments, with activations of a type; and whether all have the types that they should.
fn run(case: &Case, dtype: DType) -> (Vec<Vec<f32>>, bool) {
    let argument = |(i, shape): (usize, &Vec<usize>)| {
        let dtype = if i < case.activations { dtype } else { DType::F32 };
        Var::from_tensor(&exact(shape, 0.3 + 0.2 * i as f64).to_dtype(dtype).unwrap()).unwrap()
    };
    let vars: Vec<Var> = case.shapes.iter().enumerate().map(argument).collect();
    let tape = Tape::record();
    let y = (case.apply)(&vars.iter().map(Var::as_tensor).collect::<Vec<_>>());
    let wide = y.to_dtype(DType::F32).unwrap();
    let loss = (&wide * exact(y.dims(), 0.31)).unwrap().sum_all().unwrap();
    let grads = tape.gradients(&loss).unwrap();
    let grads: Vec<&Tensor> = vars.iter().map(|v| grads.get(v).unwrap()).collect();
    let typed = y.dtype() == dtype && vars.iter().zip(&grads).all(|(v, g)| v.dtype() == g.dtype());
    let values = [&y].into_iter().chain(grads).map(|t| flat(&widened(t).unwrap())).collect();
    (values, typed)
}

fn check(case: &Case) {
    let ((short, typed), (long, _)) = (run(case, DType::BF16), run(case, DType::F32));
    assert!(typed, "{}: types", case.name);
    for (i, (short, long)) in short.iter().zip(&long).enumerate() {
        assert_eq!(short.len(), long.len(), "{} {i}", case.name);
        let scale = long.iter().fold(0f32, |m, v| m.max(v.abs()));
        let off = short.iter().zip(long).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(scale > 0.0 && off <= TOLERANCE * scale, "{} {i}: off by {off} of {scale}", case.name);
    }
}

#[test]
fn every_operation_is_that_of_f32_but_for_some_roundings() {
    for case in cases() {
        forced(|| check(&case));
        #[cfg(feature = "emulated-card")]
        emulated(|| check(&case));
    }
}

#[test]
fn without_a_tape_the_gradients_are_the_same() {
    forced(|| {
        let x = Var::from_tensor(&wave(&[20, 9], 0.3).to_dtype(DType::BF16).unwrap()).unwrap();
        let weight = Var::from_tensor(&wave(&[9, 12], 0.5)).unwrap();
        let loss = || {
            let y = linear(&x, &weight, None, Activation::Silu).unwrap().to_dtype(DType::F32).unwrap();
            (y * wave(&[20, 12], 0.9)).unwrap().sum_all().unwrap()
        };
        let tape = Tape::record();
        let recorded = tape.gradients(&loss()).unwrap();
        let plain = loss().backward().unwrap();
        for var in [&x, &weight] {
            let (a, b) = (recorded.get(var).unwrap(), plain.get(var).unwrap());
            assert_eq!((a.dtype(), b.dtype()), (var.dtype(), var.dtype()));
            assert_eq!(flat(&widened(a).unwrap()), flat(&widened(b).unwrap()));
        }
    });
}

#[test]
fn frozen_layers_are_rounded_once_and_serve_both_widths() {
    forced(|| {
        let x = wave(&[2, 6, 5, 8], 0.3).to_dtype(DType::BF16).unwrap();
        let conv = PackedConv::new(&exact(&[3, 3, 8, 12], 0.5), &exact(&[12], 0.7), spec(1, 1, 1));
        let scale = exact(&[12], 0.2);
        let layer = PackedLinear::new(&exact(&[8, 12], 0.5), &exact(&[12], 0.7), Some(&scale));
        let silu = Activation::Silu;
        for apply in
            [&(|x: &Tensor| conv.forward(x, None, silu).unwrap()) as &dyn Fn(&Tensor) -> Tensor, &|x| {
                layer.forward(silu, x, None, silu).unwrap()
            }]
        {
            let (short, long) = (apply(&x), apply(&widened(&x).unwrap()));
            assert_eq!((short.dtype(), long.dtype()), (DType::BF16, DType::F32));
            let (short, long) = (flat(&widened(&short).unwrap()), flat(&long));
            let scale = long.iter().fold(0f32, |m, v| m.max(v.abs()));
            let off = short.iter().zip(&long).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            // Twice as many roundings: of two activations, the product and the scale, too.
            assert!(off <= 2.0 * TOLERANCE * scale, "off by {off} of {scale}");
            assert!(short != long);
        }
    });
    let constant = Constant::new(&wave(&[5], 0.3));
    let short = wave(&[2], 0.1).to_dtype(DType::BF16).unwrap();
    let twice = [(); 2].map(|()| constant.like(&short).unwrap().id());
    assert!(twice[0] == twice[1] && constant.like(&wave(&[2], 0.1)).unwrap().dtype() == DType::F32);
}

#[test]
fn attention_is_told_in_f32() {
    let qkv = wave(&[2, 1, 7, 24], 0.7).to_dtype(DType::BF16).unwrap();
    let told = forced(|| attention_weights(&qkv, 2).unwrap());
    assert_eq!(told.dtype(), DType::F32);
}

#[test]
fn the_processors_kernels_refuse_it_by_name() {
    let x = wave(&[2, 3], 0.7).to_dtype(DType::BF16).unwrap();
    let error = add(&x, &x, Activation::Relu).unwrap_err().to_string();
    assert!(error.contains("a sum needs f32") && error.contains("BF16"), "{error}");
}
