use super::super::testing::{flat, wave};
use super::super::{Activation, add};
use super::taps::{Frame, Spill, Taps, fit, spread};
use super::{forced, serve};
use crate::nn::tape::Tape;
use candle_core::{DType, Device, Tensor, Var};

#[test]
fn it_is_forced_inside_only_and_also_after_a_panic() {
    let t = wave(&[2], 0.7);
    assert!(!serve(&t));
    forced(|| {
        assert!(forced(|| serve(&t)) && serve(&t));
    });
    let failed = std::panic::catch_unwind(|| forced(|| panic!("on purpose")));
    assert!(failed.is_err() && !serve(&t));
}

#[test]
fn operands_of_another_type_are_refused_by_name() {
    let (x, other) = (wave(&[2, 3], 0.7), wave(&[2, 3], 0.7).to_dtype(DType::F64).unwrap());
    let error = forced(|| add(&x, &other, Activation::Relu).unwrap_err().to_string());
    assert!(error.contains("a sum needs f32") && error.contains("F64"), "{error}");
}

#[test]
fn maps_are_fitted_and_spread_with_what_they_are_told() {
    let t = Tensor::from_vec(vec![1f32, 2.0, 3.0, 4.0], (1, 2, 2, 1), &Device::Cpu).unwrap();
    assert_eq!(flat(&fit(&t, 2, (1, -1), 9.0).unwrap()), [9.0, 1.0, 9.0, 3.0]);
    let spread = spread(&t, 2).unwrap();
    assert_eq!(spread.dims(), [1, 4, 4, 1]);
    assert_eq!(flat(&spread)[..8], [1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

/// For every geometry, what taps see and what goes back through them are transposes of each other: `<at(x), y> = <x, spill(y)>`.
#[test]
fn the_way_back_is_the_transpose_of_the_way_there() {
    for (size, kernel, step, padding) in
        [([5, 7], [3, 3], 1, 1), ([6, 5], [3, 2], 2, 1), ([7, 7], [2, 2], 3, 0), ([4, 9], [1, 3], 2, 0)]
    {
        let count = |axis: usize| (size[axis] + 2 * padding - kernel[axis]) / step + 1;
        let frame = Frame {
            positions: [count(0), count(1)],
            step,
            padding: [padding as isize; 2],
            reach: [kernel[0] - 1, kernel[1] - 1],
        };
        let x = wave(&[2, size[0], size[1], 3], 0.7);
        let seen = Taps::new(&x, frame, 0.0).unwrap();
        let mut spill = Spill::new(frame);
        let mut there = 0.0;
        for t in 0..kernel[0] * kernel[1] {
            let tap = [t / kernel[1], t % kernel[1]];
            let y = wave(&[2, frame.positions[0], frame.positions[1], 3], 1.1 + t as f64);
            there += flat(&(seen.at(tap).unwrap() * &y).unwrap()).iter().map(|&v| f64::from(v)).sum::<f64>();
            spill.add(tap, &y).unwrap();
        }
        let map = spill.finish(size).unwrap().unwrap();
        assert_eq!(map.dims(), x.dims());
        let back = flat(&(map * &x).unwrap()).iter().map(|&v| f64::from(v)).sum::<f64>();
        assert!((there - back).abs() < 1e-3, "{size:?} {kernel:?} {step} {padding}: {there}, {back}");
    }
}

/// On a tape, in candle's graph, and with candle's operations between the two.
#[test]
fn gradients_come_through_the_tape_and_through_candle() {
    let x = Var::from_tensor(&wave(&[3, 5], 0.7)).unwrap();
    let loss = |x: &Tensor| {
        let y = Activation::Silu.apply(x).unwrap();
        // What meets again is added, on the tape and in candle's graph.
        let z = add(&(&y * 3.0).unwrap(), &y, Activation::Relu6).unwrap();
        (z * wave(&[3, 5], 0.9)).unwrap().sum_all().unwrap()
    };
    let want = flat(loss(x.as_tensor()).backward().unwrap().get(&x).unwrap());
    for recorded in [false, true] {
        let got = forced(|| {
            let tape = recorded.then(Tape::record);
            let loss = loss(x.as_tensor());
            let grads = match tape {
                Some(tape) => tape.gradients(&loss).unwrap(),
                None => loss.backward().unwrap(),
            };
            flat(grads.get(&x).unwrap())
        });
        assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} {want:?}");
    }
}
