use super::*;

#[test]
fn exp_is_accurate_over_its_range() {
    for i in -86_000..=87_000 {
        let x = i as f32 * 1e-3;
        let exact = f64::from(x).exp();
        assert!((f64::from(exp(Baseline, x)) / exact - 1.0).abs() < 3e-7, "{x}");
    }
    assert!(exp(Baseline, f32::NAN).is_nan());
    assert!(exp(Baseline, -1000.0) < 1e-37 && exp(Baseline, 1000.0) > 1e38);
}

#[test]
fn gelu_and_its_slope_are_exact_to_rounding() {
    let x: Vec<f32> = (-9_000..=9_000).map(|i| i as f32 * 1e-3).collect();
    simd::testing::at_each_level(|level| {
        let (mut values, mut slopes) = (vec![0.0; x.len()], vec![1.0; x.len()]);
        Activation::Gelu.values(&x, &mut values);
        Activation::Gelu.scale_by_slope(&x, &mut slopes);
        for ((&x, value), slope) in x.iter().zip(values).zip(slopes) {
            let x = f64::from(x);
            let cdf = 0.5 * (1.0 + candle_core::cpu::erf::erf_f64(x * std::f64::consts::FRAC_1_SQRT_2));
            let exact = cdf + x * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(value) - x * cdf).abs() < 6e-7, "{level:?} {x}: {value}");
            assert!((f64::from(slope) - exact).abs() < 6e-7, "{level:?} {x}: slope {slope}");
        }
    });
}

#[test]
fn slices_get_what_single_values_get() {
    let x: Vec<f32> = (-90..=90).map(|i| i as f32 * 0.1).chain([f32::NAN]).collect();
    let alike = |a: f32, b: f32| (a - b).abs() < 1e-6 || (a.is_nan() && b.is_nan());
    simd::testing::at_each_level(|level| {
        for act in Activation::ALL {
            let (mut values, mut slopes) = (vec![0.0; x.len()], vec![1.0; x.len()]);
            act.values(&x, &mut values);
            act.scale_by_slope(&x, &mut slopes);
            for ((&x, value), slope) in x.iter().zip(values).zip(slopes) {
                assert!(alike(value, act.value(x)), "{level:?} {act:?} {x}");
                assert!(alike(slope, act.gradient(x, 1.0)), "{level:?} {act:?} {x}");
            }
        }
    });
}

#[test]
fn in_place_is_the_same_at_each_level() {
    simd::testing::at_each_level(|level| {
        for act in Activation::ALL {
            let mut values: Vec<f32> = (-2_000..=2_005).map(|i| i as f32 * 0.05).collect();
            values.extend([f32::NAN, f32::INFINITY, f32::MAX, -500.0]);
            let mut want = vec![0.0; values.len()];
            act.values(&values, &mut want);
            act.rewrite(&mut values);
            // Only silu is computed in another way.
            let share = if act == Activation::Silu { 4e-7 } else { 0.0 };
            for (got, want) in values.iter().zip(&want) {
                let close = (got - want).abs() <= share * want.abs() + 1e-30;
                assert!(
                    got == want || close || want.is_nan() && got.is_nan(),
                    "{act:?} {level:?}: {got} {want}"
                );
            }
        }
    });
}

#[test]
fn activations_are_listed_by_their_numbers() {
    assert!(Activation::ALL.iter().enumerate().all(|(i, &a)| a as usize == i));
}

#[test]
fn divergence_is_not_hidden() {
    for a in [
        Activation::Relu,
        Activation::Relu6,
        Activation::Hardswish,
        Activation::Silu,
        Activation::Gelu,
        Activation::Sigmoid,
        Activation::Hardsigmoid,
    ] {
        assert!(a.value(f32::NAN).is_nan(), "{a:?}");
    }
}
