//! Layer normalisation, attention, fully connected layers and residual sums against PyTorch
//! (`fixtures/ops_transformer_golden.py` made the expected values), and their gradients against finite differences.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test should stop where it fails"
)]

mod digest;
mod ways;

use candle_core::{Tensor, Var};
use digest::{assert_digest, size, sizes, wave};
use headstart::nn::ops::{Activation, attention, layer_norm, linear, linear_of_activated, residual};
use serde_json::Value;
use ways::every_way;

every_way!(
    results_and_gradients_agree_with_pytorch,
    frozen_operands_give_the_same_result_and_no_gradient,
    gradients_agree_with_finite_differences,
    mismatched_shapes_are_named,
);

const PACES: [f64; 3] = [0.7, 1.3, 0.4];

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("fixtures/ops_transformer_golden.json")).unwrap()
}

fn activation(case: &Value) -> Activation {
    match case["act"].as_str().unwrap() {
        "identity" => Activation::Identity,
        "relu" => Activation::Relu,
        "gelu" => Activation::Gelu,
        "silu" => Activation::Silu,
        other => panic!("activation {other}"),
    }
}

fn compute(case: &Value, args: &[Tensor]) -> Tensor {
    match (case["op"].as_str().unwrap(), args) {
        ("layer_norm", [x, gamma, beta]) => layer_norm(x, gamma, beta, 1e-6),
        ("attention", [qkv]) => attention(qkv, size(case, "heads")),
        ("linear", [x, weight, bias]) => linear(x, weight, Some(bias), activation(case)),
        ("linear_of_activated", [x, weight, bias]) => {
            linear_of_activated(activation(case), x, weight, Some(bias))
        }
        ("residual", [x, branch]) => residual(x, branch, None),
        ("residual", [x, branch, scale]) => residual(x, branch, Some(scale)),
        other => panic!("{other:?}"),
    }
    .unwrap()
}

fn shapes(case: &Value) -> Vec<Vec<usize>> {
    case["shapes"].as_array().unwrap().iter().map(sizes).collect()
}

fn operands(case: &Value) -> Vec<Var> {
    let pairs = shapes(case).into_iter().zip(PACES);
    pairs.map(|(shape, pace)| Var::from_tensor(&wave(&shape, pace)).unwrap()).collect()
}

fn tensors(vars: &[Var]) -> Vec<Tensor> {
    vars.iter().map(|v| v.as_tensor().clone()).collect()
}

fn label(case: &Value) -> String {
    format!("{} {} {}", case["op"], case["shapes"], case["act"])
}

fn results_and_gradients_agree_with_pytorch() {
    for case in cases() {
        let vars = operands(&case);
        let y = compute(&case, &tensors(&vars));
        assert_digest(&format!("{}: result", label(&case)), &y, &case["y"]);
        let loss = (&y * wave(y.dims(), 0.9)).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        for (i, (var, want)) in vars.iter().zip(case["grads"].as_array().unwrap()).enumerate() {
            assert_digest(&format!("{}: gradient {i}", label(&case)), grads.get(var).unwrap(), want);
        }
    }
}

fn frozen_operands_give_the_same_result_and_no_gradient() {
    for case in cases() {
        let vars = operands(&case);
        let frozen: Vec<Tensor> = vars.iter().map(|v| v.as_detached_tensor()).collect();
        let y = compute(&case, &frozen);
        assert!(!y.track_op());
        assert_digest(&format!("{}: frozen result", label(&case)), &y, &case["y"]);
        for learning in 0..vars.len() {
            let mut args = frozen.clone();
            args[learning] = vars[learning].as_tensor().clone();
            let grads = compute(&case, &args).sum_all().unwrap().backward().unwrap();
            for (i, var) in vars.iter().enumerate() {
                assert_eq!(grads.get(var).is_some(), i == learning, "{}: gradient {i}", label(&case));
            }
        }
    }
}

/// The slope of the loss along a direction, by the gradient and by a difference, for the smaller cases.
fn gradients_agree_with_finite_differences() {
    let mut checked = 0;
    for case in cases() {
        let vars = operands(&case);
        if vars.iter().map(|v| v.elem_count()).sum::<usize>() > 2000 || case["act"] == "relu" {
            continue;
        }
        let loss = |args: &[Tensor]| {
            let y = compute(&case, args);
            (&y * wave(y.dims(), 0.9)).unwrap().sum_all().unwrap()
        };
        let grads = loss(&tensors(&vars)).backward().unwrap();
        for (i, var) in vars.iter().enumerate() {
            let direction = wave(var.dims(), 2.1);
            let product = (grads.get(var).unwrap() * &direction).unwrap();
            let slope = f64::from(product.sum_all().unwrap().to_scalar::<f32>().unwrap());
            let shifted = |by: f64| {
                let mut args = tensors(&vars);
                args[i] = (var.as_detached_tensor() + (&direction * by).unwrap()).unwrap();
                f64::from(loss(&args).to_scalar::<f32>().unwrap())
            };
            let step = 5e-3;
            let difference = (shifted(step) - shifted(-step)) / (2.0 * step);
            let error = (slope - difference).abs() / (1.0 + slope.abs());
            assert!(error < 1e-2, "{}: gradient {i}: {slope}, difference {difference}", label(&case));
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
}

fn mismatched_shapes_are_named() {
    let (x, weight) = (wave(&[2, 5, 6], 0.7), wave(&[7, 3], 0.7));
    let errors = [
        linear(&x, &weight, None, Activation::Identity).unwrap_err().to_string(),
        linear_of_activated(Activation::Gelu, &x, &weight, None).unwrap_err().to_string(),
    ];
    assert!(errors.iter().all(|e| e.contains("[2, 5, 6]") && e.contains("[7, 3]")), "{errors:?}");
}
