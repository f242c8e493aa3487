//! Activations, batch normalisation, losses, optimizers and schedules against PyTorch (`fixtures/nn_golden.py`), and
//! gradients against finite differences.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ways;

use candle_core::{Tensor, Var};
use headstart::error::Result;
use headstart::nn::loss::{binary_cross_entropy, cross_entropy, soft_cross_entropy};
use headstart::nn::ops::{Activation, batch_norm, batch_norm_frozen, concat_channels, squeeze_excite};
use headstart::nn::optim::{Optimizer, ParamGroup, Rule};
use headstart::nn::params::{ParamKind, ParamStore};
use headstart::nn::schedule::{Curve, Schedule};
use std::collections::BTreeMap;
use ways::{device, every_way};

every_way!(
    activations_match_pytorch,
    batch_norm_matches_pytorch,
    squeeze_and_excitation_matches_pytorch,
    squeeze_and_excitation_refuses_what_does_not_fit,
    maps_side_by_side_are_what_candle_makes_of_them,
    running_statistics_move_as_in_pytorch,
    losses_match_pytorch,
    losses_refuse_what_does_not_fit,
    optimizers_match_pytorch_and_resume_exactly,
    a_gradient_that_is_not_finite_changes_nothing,
    gradients_are_those_of_finite_differences,
    only_tracked_arguments_get_gradients,
    a_large_offset_does_not_spoil_the_variance,
);

const ACTS: [Activation; 8] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Relu6,
    Activation::Hardswish,
    Activation::Silu,
    Activation::Gelu,
    Activation::Sigmoid,
    Activation::Hardsigmoid,
];

/// The fixture's formula: an integer hash of the position in [-1, 1).
fn made(seed: u64, count: usize) -> Vec<f32> {
    let hash = |i: u64| ((i * 2_654_435_761 + seed * 40_503 * 65_537) % (1 << 32)) >> 8;
    (1..=count as u64).map(|i| hash(i) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn tensor(seed: u64, shape: &[usize], scale: f64, shift: f64) -> Tensor {
    let t = Tensor::from_vec(made(seed, shape.iter().product()), shape, &device()).unwrap();
    t.affine(scale, shift).unwrap()
}

fn var(t: &Tensor) -> Var {
    Var::from_tensor(t).unwrap()
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

struct Golden(BTreeMap<String, Vec<f64>>);

impl Golden {
    fn load() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/nn_golden.json");
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    #[track_caller]
    fn check(&self, name: &str, ours: &[f32], tolerance: f64) {
        let theirs = self.0.get(name).unwrap_or_else(|| panic!("the fixture has no {name}"));
        assert_eq!(theirs.len(), ours.len(), "{name}");
        for (i, (&a, &b)) in ours.iter().zip(theirs).enumerate() {
            let error = (f64::from(a) - b).abs();
            assert!(error <= tolerance * (1.0 + b.abs()), "{name}[{i}]: {a} is not {b}");
        }
    }
}

fn activations_match_pytorch() {
    let golden = Golden::load();
    for act in ACTS {
        let x = var(&tensor(1, &[3, 5, 7], 9.0, 0.0));
        let y = act.apply(&x).unwrap();
        let grads = (&y * tensor(2, &[3, 5, 7], 1.0, 0.0)).unwrap().sum_all().unwrap().backward().unwrap();
        golden.check(&format!("act/{act:?}/y"), &values(&y), 2e-6);
        golden.check(&format!("act/{act:?}/dx"), &values(grads.get(&x).unwrap()), 2e-6);
    }
}

fn batch_norm_matches_pytorch() {
    let golden = Golden::load();
    let shape = [2, 3, 5, 3];
    for (form, act) in ["train", "frozen"].into_iter().flat_map(|f| ACTS.map(|a| (f, a))) {
        let key = |what: &str| format!("bn/{form}/{act:?}/{what}");
        let x = var(&tensor(3, &shape, 2.0, 0.7));
        let (gamma, beta) = (var(&tensor(4, &[3], 2.0, 0.0)), var(&tensor(5, &[3], 3.0, 0.0)));
        let (mean, variance) = (tensor(6, &[3], 1.0, 0.0), tensor(7, &[3], 1.0, 1.5));
        let y = if form == "train" {
            batch_norm(&x, &gamma, &beta, 1e-5, act).unwrap().0
        } else {
            batch_norm_frozen(&x, &gamma, &beta, (&mean, &variance), 1e-5, act).unwrap()
        };
        let grads = (&y * tensor(8, &shape, 1.0, 0.0)).unwrap().sum_all().unwrap().backward().unwrap();
        golden.check(&key("y"), &values(&y), 3e-6);
        for (what, v) in [("dx", &x), ("dgamma", &gamma), ("dbeta", &beta)] {
            golden.check(&key(what), &values(grads.get(v).unwrap()), 1e-5);
        }
    }
}

/// With the bias as the last row of each matrix.
fn gated(x: &Tensor, squeeze: &Tensor, excite: &Tensor, act: Activation, gate: Activation) -> Result<Tensor> {
    let [squeeze, excite] = [squeeze, excite].map(|joined| {
        let rows = joined.dims()[0] - 1;
        (joined.narrow(0, 0, rows).unwrap(), joined.get(rows).unwrap())
    });
    squeeze_excite(x, (&squeeze.0, &squeeze.1), (&excite.0, &excite.1), act, gate)
}

fn squeeze_and_excitation_matches_pytorch() {
    let golden = Golden::load();
    for (act, gate) in [(Activation::Silu, Activation::Sigmoid), (Activation::Relu, Activation::Hardsigmoid)]
    {
        let x = var(&tensor(50, &[3, 5, 3, 19], 2.0, 0.3));
        let (squeeze, excite) = (var(&tensor(51, &[20, 6], 1.5, 0.0)), var(&tensor(52, &[7, 19], 3.0, 0.0)));
        let y = gated(&x, &squeeze, &excite, act, gate).unwrap();
        let grads = (&y * tensor(53, y.dims(), 1.0, 0.0)).unwrap().sum_all().unwrap().backward().unwrap();
        golden.check(&format!("se/{gate:?}/y"), &values(&y), 3e-6);
        for (what, v) in [("dx", &x), ("dsqueeze", &squeeze), ("dexcite", &excite)] {
            golden.check(&format!("se/{gate:?}/{what}"), &values(grads.get(v).unwrap()), 1e-5);
        }
    }
}

fn squeeze_and_excitation_refuses_what_does_not_fit() {
    let of = |x: &[usize], squeeze: &[usize], excite: &[usize]| {
        let [x, squeeze, excite] = [x, squeeze, excite].map(|shape| tensor(1, shape, 1.0, 0.0));
        gated(&x, &squeeze, &excite, Activation::Relu, Activation::Sigmoid)
    };
    assert!(of(&[2, 3, 3, 4], &[5, 2], &[3, 4]).is_ok());
    for (x, squeeze, excite) in [
        (&[2, 3, 3, 5][..], &[5, 2], &[3, 4]),
        (&[2, 3, 4], &[5, 2], &[3, 4]),
        (&[2, 3, 3, 4], &[4, 2], &[3, 4]),
        (&[2, 3, 3, 4], &[5, 2], &[2, 4]),
        (&[0, 3, 3, 4], &[5, 2], &[3, 4]),
    ] {
        let error = of(x, squeeze, excite).unwrap_err().to_string();
        assert!(error.contains(&format!("{x:?}")), "{error}");
    }
}

fn maps_side_by_side_are_what_candle_makes_of_them() {
    for (a, b) in
        [([3, 5, 7, 4], [3, 5, 7, 9]), ([2, 1, 1, 33], [2, 1, 1, 1]), ([8, 31, 29, 3], [8, 31, 29, 5])]
    {
        let (a, b) = (var(&tensor(1, &a, 1.0, 0.0)), var(&tensor(2, &b, 1.0, 0.0)));
        let run = |joined: Tensor| {
            let grads = weighted(&joined).backward().unwrap();
            [&joined, grads.get(&a).unwrap(), grads.get(&b).unwrap()].map(values)
        };
        let ours = run(concat_channels(&a, &b).unwrap());
        assert!(ours == run(Tensor::cat(&[a.as_tensor(), b.as_tensor()], 3).unwrap()));
    }
    let of = |a: &[usize], b: &[usize]| concat_channels(&tensor(1, a, 1.0, 0.0), &tensor(2, b, 1.0, 0.0));
    let error = of(&[2, 3, 3, 4], &[2, 3, 2, 4]).unwrap_err().to_string();
    assert!(error.contains("[2, 3, 2, 4]"), "{error}");
    assert!(of(&[2, 3, 3, 4], &[2, 3, 4]).is_err());
}

fn running_statistics_move_as_in_pytorch() {
    use headstart::nn::layers::{BatchNorm, Forward};
    use headstart::nn::rng::Rng;
    let mut store = ParamStore::new();
    let mut add = |name: &str, kind, t: Tensor| store.add(name.into(), kind, t).unwrap();
    let norm = BatchNorm {
        gamma: add("g", ParamKind::Norm, tensor(4, &[3], 2.0, 0.0)),
        beta: add("b", ParamKind::Norm, tensor(5, &[3], 3.0, 0.0)),
        mean: add("m", ParamKind::RunningStat, tensor(6, &[3], 1.0, 0.0)),
        var: add("v", ParamKind::RunningStat, tensor(7, &[3], 1.0, 1.5)),
        eps: 1e-5,
        momentum: 0.1,
    };
    let f = Forward::train(&store, true, Rng::for_key(0, &[]));
    norm.forward_add(&f, &tensor(3, &[2, 3, 5, 3], 2.0, 0.7), None, Activation::Relu).unwrap();
    let before = values(&store.tensor(norm.mean));
    assert_eq!(before, values(&tensor(6, &[3], 1.0, 0.0)), "they count once the step was made");
    f.keep_statistics().unwrap();
    let golden = Golden::load();
    golden.check("bn/running_mean", &values(&store.tensor(norm.mean)), 1e-6);
    golden.check("bn/running_var", &values(&store.tensor(norm.var)), 1e-6);
}

fn losses_match_pytorch() {
    let golden = Golden::load();
    let weights = [0.5, 2.0, 1.25, 0.75];
    let check = |key: String, z: &Var, loss: Tensor| {
        let grads = (&loss * 3.0).unwrap().backward().unwrap();
        golden.check(&format!("{key}/loss"), &values(&loss), 1e-6);
        golden.check(&format!("{key}/dz"), &values(grads.get(z).unwrap()), 1e-6);
    };
    for smoothing in ["0.0", "0.2"] {
        for (name, weights) in [("plain", None), ("weighted", Some(&weights[..]))] {
            let z = var(&tensor(9, &[5, 4], 4.0, 0.0));
            let loss = cross_entropy(&z, &[2, 0, 3, 3, 1], weights, smoothing.parse().unwrap()).unwrap();
            check(format!("ce/{name}/{smoothing}"), &z, loss);
            let shares = [
                [0.7, 0.3, 0.0, 0.0],
                [0.0, 0.0, 1.0, 0.0],
                [0.25, 0.0, 0.5, 0.25],
                [0.0, 0.1, 0.9, 0.0],
                [0.0, 0.0, 0.0, 1.0],
            ];
            let z = var(&tensor(9, &[5, 4], 4.0, 0.0));
            let smoothing_frac = smoothing.parse().unwrap();
            let loss = soft_cross_entropy(&z, shares.as_flattened(), weights, smoothing_frac).unwrap();
            check(format!("soft/{name}/{smoothing}"), &z, loss);
        }
    }
    for (name, weight) in [("plain", None), ("weighted", Some(2.5))] {
        let z = var(&tensor(10, &[5, 1], 20.0, 0.0));
        let loss = binary_cross_entropy(&z, &[1.0, 0.0, 0.3, 1.0, 0.0], weight).unwrap();
        check(format!("bce/{name}"), &z, loss);
    }
}

fn losses_refuse_what_does_not_fit() {
    let z = tensor(9, &[5, 4], 1.0, 0.0);
    assert!(cross_entropy(&z, &[0, 1, 2, 3], None, 0.0).is_err());
    assert!(cross_entropy(&z, &[0, 1, 2, 3, 4], None, 0.0).unwrap_err().to_string().contains('4'));
    assert!(cross_entropy(&z, &[0, 1, 2, 3, 3], Some(&[1.0]), 0.0).is_err());
    assert!(cross_entropy(&z, &[0, 1, 2, 3, 3], None, 1.5).is_err());
    assert!(soft_cross_entropy(&z, &[0.25; 19], None, 0.0).is_err());
    assert!(soft_cross_entropy(&z, &[0.25; 20], None, -0.1).is_err());
    assert!(binary_cross_entropy(&z, &[0.0; 5], None).is_err());
}

/// `(rule, weight decay, clip, l2_sp)` of a variant of the fixture.
fn variant(name: &str) -> (Rule, f64, f64, f64) {
    let momentum = Rule::Sgd { momentum: 0.9, nesterov: false };
    match name {
        "sgd" => (Rule::Sgd { momentum: 0.0, nesterov: false }, 0.0, 0.0, 0.0),
        "sgd-decay" => (momentum, 0.1, 0.0, 0.0),
        "sgd-nesterov" => (Rule::Sgd { momentum: 0.9, nesterov: true }, 0.1, 0.0, 0.0),
        "sgd-clip" => (momentum, 0.1, 1.5, 0.0),
        "sgd-l2sp-clip" => (momentum, 0.0, 1.5, 0.3),
        "adam" => (Rule::ADAM, 0.1, 0.0, 0.0),
        "adamw" => (Rule::ADAM_W, 0.1, 0.0, 0.0),
        "adamw-l2sp" => (Rule::ADAM_W, 0.1, 0.0, 0.3),
        _ => panic!("{name}"),
    }
}

fn optimizers_match_pytorch_and_resume_exactly() {
    let golden = Golden::load();
    for name in
        ["sgd", "sgd-decay", "sgd-nesterov", "sgd-clip", "sgd-l2sp-clip", "adam", "adamw", "adamw-l2sp"]
    {
        for resume_at in [None, Some(0), Some(4)] {
            golden.check(&format!("opt/{name}"), &ten_steps(name, resume_at), 3e-6);
        }
        assert_eq!(ten_steps(name, None), ten_steps(name, Some(5)), "{name}");
    }
}

/// Both parameters after each of ten steps; at step `resume_at` a new optimizer takes over the saved state.
fn ten_steps(name: &str, resume_at: Option<u64>) -> Vec<f32> {
    let (rule, decay, clip, l2_sp) = variant(name);
    let mut store = ParamStore::new();
    let w = store.add("fc.weight".into(), ParamKind::LinearWeight, tensor(11, &[4, 3], 1.0, 0.0)).unwrap();
    let b = store.add("fc.bias".into(), ParamKind::Bias, tensor(12, &[3], 1.0, 0.0)).unwrap();
    let source = BTreeMap::from([(w, tensor(13, &[4, 3], 1.0, 0.0)), (b, tensor(14, &[3], 1.0, 0.0))]);
    let fresh = |store: &ParamStore| {
        let mut groups = ParamGroup::split(store, &[w, b], 1.0, decay);
        groups[1].lr_scale = 0.5;
        let o = Optimizer::new(store, rule, groups).unwrap().with_clip_norm(clip);
        o.with_l2_sp(store, l2_sp, &source).unwrap()
    };
    let mut optimizer = fresh(&store);
    let mut trace = Vec::new();
    for step in 0..10 {
        if resume_at == Some(step) {
            let state = optimizer.state_tensors().unwrap().into_iter().collect();
            optimizer = fresh(&store);
            optimizer.load_state(&store, &state).unwrap();
            assert_eq!(optimizer.steps(), step);
        }
        let term = |id, seed, scale: f64| {
            let p = store.tensor(id);
            let pull = (&p * tensor(seed, p.dims(), scale, 0.0)).unwrap().sum_all().unwrap();
            (p.sqr().unwrap().sum_all().unwrap() + pull).unwrap()
        };
        let grads = (term(w, 20 + step, 2.0) + term(b, 40 + step, 1.0)).unwrap().backward().unwrap();
        optimizer.step(&store, &grads, 0.05).unwrap();
        assert_eq!(optimizer.norm().unwrap().is_some(), clip > 0.0);
        trace.extend(values(&store.tensor(w)));
        trace.extend(values(&store.tensor(b)));
    }
    trace
}

fn a_gradient_that_is_not_finite_changes_nothing() {
    for rule in [Rule::Sgd { momentum: 0.9, nesterov: false }, Rule::ADAM_W] {
        for broken in [f64::NAN, f64::INFINITY] {
            let mut store = ParamStore::new();
            let start = tensor(11, &[5, 3], 1.0, 0.0);
            let w = store.add("w".into(), ParamKind::LinearWeight, start.copy().unwrap()).unwrap();
            let groups = ParamGroup::split(&store, &[w], 1.0, 0.1);
            let mut optimizer = Optimizer::new(&store, rule, groups).unwrap().with_clip_norm(1.0);
            let mut step = |factor: f64| {
                let loss = (store.tensor(w).sum_all().unwrap() * factor).unwrap();
                optimizer.step(&store, &loss.backward().unwrap(), 0.1)?;
                optimizer.norm().map(|_| optimizer.steps())
            };
            let error = step(broken).unwrap_err().to_string();
            assert!(error.contains("norm of the gradient"), "{error}");
            assert_eq!(values(&store.tensor(w)), values(&start), "{rule:?}");
            assert_eq!(step(1.0).unwrap(), 1, "{rule:?}");
            assert!(values(&store.tensor(w)).iter().all(|v| v.is_finite()));
        }
    }
}

#[test]
fn schedules_match_pytorch() {
    let golden = Golden::load();
    let trace = |kind, warmup_epochs| {
        let s = Schedule { kind, warmup_epochs, step_epochs: 2, step_gamma: 0.1 };
        (0..42).map(|i| s.at(i, 42, 7) as f32).collect::<Vec<_>>()
    };
    golden.check("schedule/step", &trace(Curve::Step, 0.0), 1e-6);
    golden.check("schedule/cosine", &trace(Curve::Cosine, 0.0), 1e-6);
    golden.check("schedule/one-cycle", &trace(Curve::OneCycle, 0.0), 1e-6);
    golden.check("schedule/warm-cosine", &trace(Curve::Cosine, 2.0), 1e-6);
    assert!(trace(Curve::Constant, 0.0).iter().all(|&v| v == 1.0));
    for (kind, steps) in [Curve::OneCycle, Curve::Cosine].into_iter().flat_map(|k| [(k, 1), (k, 3)]) {
        let s = Schedule { kind, warmup_epochs: 0.5, step_epochs: 1, step_gamma: 0.1 };
        assert!((0..steps).all(|i| s.at(i, steps, 1).is_finite()), "{kind:?} {steps}");
    }
}

/// Compares the gradient of `f` in each of `inputs` with central differences.
fn check_gradients(what: &str, inputs: &[Tensor], f: impl Fn(&[Var]) -> Tensor) {
    const STEP: f32 = 4e-3;
    let vars: Vec<Var> = inputs.iter().map(var).collect();
    let grads = f(&vars).backward().unwrap();
    for (n, input) in inputs.iter().enumerate() {
        let grad = values(grads.get(&vars[n]).unwrap_or_else(|| panic!("{what}: no gradient for input {n}")));
        for (i, g) in grad.iter().enumerate() {
            let moved = |by: f32| {
                let mut v = values(input);
                v[i] += by;
                let moved = Tensor::from_vec(v, input.shape(), &device()).unwrap();
                let moved: Vec<Var> =
                    inputs.iter().enumerate().map(|(m, t)| var(if m == n { &moved } else { t })).collect();
                f(&moved).to_scalar::<f32>().unwrap()
            };
            let numeric = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            assert!(
                (numeric - g).abs() < 4e-3 * (1.0 + g.abs()),
                "{what}: input {n}[{i}]: {g}, not {numeric}"
            );
        }
    }
}

fn weighted(y: &Tensor) -> Tensor {
    (y * tensor(8, y.dims(), 1.0, 0.0)).unwrap().sum_all().unwrap()
}

fn gradients_are_those_of_finite_differences() {
    let shape = [3, 3, 1, 5];
    // Away from the kinks at -3, 0, 3 and 6, where there is no derivative to compare with.
    let away = values(&tensor(1, &shape, 7.0, 1.0)).into_iter().map(|v| v.floor() + 0.5).collect();
    let away: Tensor = Tensor::from_vec::<_, f32>(away, &shape, &device()).unwrap();
    for act in ACTS {
        check_gradients(&format!("{act:?}"), std::slice::from_ref(&away), |v| {
            weighted(&act.apply(&v[0]).unwrap())
        });
    }
    let inputs = [tensor(3, &shape, 2.0, 0.7), tensor(4, &[5], 1.0, 0.2), tensor(5, &[5], 1.0, 0.0)];
    let running = (tensor(6, &[5], 1.0, 0.0), tensor(7, &[5], 1.0, 1.5));
    for act in [Activation::Identity, Activation::Silu, Activation::Gelu] {
        check_gradients(&format!("batch norm and {act:?}"), &inputs, |v| {
            weighted(&batch_norm(&v[0], &v[1], &v[2], 1e-5, act).unwrap().0)
        });
        check_gradients(&format!("frozen batch norm and {act:?}"), &inputs, |v| {
            let running = (&running.0, &running.1);
            weighted(&batch_norm_frozen(&v[0], &v[1], &v[2], running, 1e-5, act).unwrap())
        });
    }
    // The squeeze's activation is smooth; the gate's kinks are at -3 and 3, which these values do not reach.
    let inputs = [tensor(50, &shape, 2.0, 0.3), tensor(51, &[6, 3], 1.0, 0.0), tensor(52, &[4, 5], 1.0, 0.0)];
    for gate in [Activation::Sigmoid, Activation::Hardsigmoid] {
        check_gradients(&format!("squeeze and excitation with {gate:?}"), &inputs, |v| {
            weighted(&gated(&v[0], &v[1], &v[2], Activation::Silu, gate).unwrap())
        });
    }
    check_gradients(
        "maps side by side",
        &[tensor(3, &[2, 3, 4], 1.0, 0.0), tensor(4, &[2, 3, 2], 1.0, 0.0)],
        |v| weighted(&concat_channels(&v[0], &v[1]).unwrap()),
    );
    check_gradients("cross-entropy", &[tensor(9, &[3, 5], 3.0, 0.0)], |v| {
        cross_entropy(&v[0], &[4, 0, 2], Some(&[1.0, 0.5, 2.0, 1.0, 3.0]), 0.1).unwrap()
    });
    check_gradients("binary cross-entropy", &[tensor(10, &[3, 1], 3.0, 0.0)], |v| {
        binary_cross_entropy(&v[0], &[1.0, 0.0, 0.5], Some(2.0)).unwrap()
    });
}

fn only_tracked_arguments_get_gradients() {
    let x = var(&tensor(3, &[2, 3, 3, 5], 1.0, 0.0));
    let fixed = |seed| tensor(seed, &[5], 1.0, 1.5);
    let (gamma, beta, mean, variance) = (fixed(4), fixed(5), fixed(6), fixed(7));
    let y = batch_norm_frozen(&x, &gamma, &beta, (&mean, &variance), 1e-5, Activation::Relu).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&x).is_some() && grads.get(&gamma).is_none() && grads.get(&beta).is_none());
    let (squeeze, excite) = (tensor(51, &[6, 3], 1.0, 0.0), tensor(52, &[4, 5], 1.0, 0.0));
    let y = gated(&x, &squeeze, &excite, Activation::Relu, Activation::Sigmoid).unwrap();
    let grads = concat_channels(&y, &x.as_detached_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&x).is_some() && grads.get(&squeeze).is_none() && grads.get(&excite).is_none());
    let learning = var(&excite);
    let plain = x.as_detached_tensor();
    let y = gated(&plain, &squeeze, &learning, Activation::Relu, Activation::Sigmoid).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&learning).is_some() && grads.get(&squeeze).is_none() && grads.get(&plain).is_none());
    let (plain, scale) = (x.as_detached_tensor(), var(&gamma));
    let y = batch_norm(&plain, &scale, &beta, 1e-5, Activation::Relu).unwrap().0;
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&scale).is_some() && grads.get(&plain).is_none() && grads.get(&beta).is_none());
}

fn a_large_offset_does_not_spoil_the_variance() {
    let (x, one, zero) =
        (tensor(3, &[8, 9, 7, 3], 1.0, 1000.0), tensor(4, &[3], 0.0, 1.0), tensor(4, &[3], 0.0, 0.0));
    let (_, stats) = batch_norm(&x, &one, &zero, 1e-5, Activation::Identity).unwrap();
    for c in 0..3 {
        let v: Vec<f64> = values(&x).chunks_exact(3).map(|row| f64::from(row[c])).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let variance = v.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / v.len() as f64;
        let ours = f64::from(values(&stats.var)[c]);
        assert!((ours / variance - 1.0).abs() < 1e-4, "{ours} {variance}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = || {
        let x = var(&tensor(3, &[3, 41, 37, 24], 1.0, 0.3));
        let (gamma, beta) = (var(&tensor(4, &[24], 1.0, 0.0)), var(&tensor(5, &[24], 1.0, 0.0)));
        let y = batch_norm(&x, &gamma, &beta, 1e-5, Activation::Silu).unwrap().0;
        let (squeeze, excite) = (tensor(51, &[25, 6], 1.0, 0.0), tensor(52, &[7, 24], 1.0, 0.0));
        let y = gated(&y, &squeeze, &excite, Activation::Relu, Activation::Sigmoid).unwrap();
        let grads = weighted(&Activation::Hardswish.apply(&y).unwrap()).backward().unwrap();
        let mut all: Vec<u32> = values(&y).iter().map(|v| v.to_bits()).collect();
        for v in [&x, &gamma, &beta] {
            all.extend(values(grads.get(v).unwrap()).iter().map(|v| v.to_bits()));
        }
        let mut store = ParamStore::new();
        let w = store.add("w".into(), ParamKind::LinearWeight, tensor(11, &[300, 301], 1.0, 0.0)).unwrap();
        let groups = ParamGroup::split(&store, &[w], 1.0, 0.1);
        let mut optimizer = Optimizer::new(&store, Rule::ADAM_W, groups).unwrap().with_clip_norm(1.0);
        let grads = weighted(&store.tensor(w)).backward().unwrap();
        optimizer.step(&store, &grads, 0.1).unwrap();
        all.extend(values(&store.tensor(w)).iter().map(|v| v.to_bits()));
        all
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    assert!(with(1) == with(3));
}
