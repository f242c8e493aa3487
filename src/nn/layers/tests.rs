use super::*;
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::ops::Activation;
use crate::nn::params::{ParamId, ParamKind};
use candle_core::{Device, Var};

fn drawn(shape: &[usize], index: usize) -> Tensor {
    Init::Normal(1.0).draw(shape, 9, index, &Device::Cpu).unwrap()
}

/// A depthwise and a pointwise convolution with bias and with statistics that are not 0 and 1.
fn network(store: &mut ParamStore) -> Vec<ConvNormAct> {
    let mut b = ParamBuilder::new(store, 1, &Device::Cpu);
    let depthwise = ConvDef::new("0", 6, 6, 3).stride(2).groups(6).norm("1").act(Activation::Relu6);
    let pointwise = ConvDef::new("2", 6, 5, 1).bias().norm("3").act(Activation::Silu);
    let layers = [depthwise, pointwise].map(|def| ConvNormAct::new(&mut b, def).unwrap());
    let ids: Vec<(ParamId, ParamKind)> = store.iter().map(|(id, p)| (id, p.kind)).collect();
    for (i, (id, kind)) in ids.into_iter().enumerate() {
        let values = drawn(store.get(id).var.dims(), i);
        let values = if kind == ParamKind::RunningStat { values.abs().unwrap() } else { values };
        store.set(id, &values).unwrap();
    }
    layers.into()
}

fn run(store: &ParamStore, layers: &[ConvNormAct], train_batch_norm: bool) -> Vec<f32> {
    let f = Forward { train_batch_norm, ..Forward::eval(store) };
    let x = drawn(&[2, 7, 5, 6], 100);
    let y = layers.iter().fold(x, |x, layer| layer.forward(&f, &x).unwrap());
    f.keep_statistics().unwrap();
    y.flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} {b}");
    }
}

#[test]
fn folded_and_unfolded_agree_also_after_a_change() {
    let mut store = ParamStore::new();
    let layers = network(&mut store);
    for change in 0..3 {
        store.set_trainable(|_, _| true);
        let unfolded = run(&store, &layers, false);
        store.set_trainable(|_, _| false);
        assert_close(&run(&store, &layers, false), &unfolded);
        // Twice: from the kept weights now.
        assert_close(&run(&store, &layers, false), &unfolded);
        let id = store.find(["0.weight", "3.running_var", "2.bias"][change]).unwrap();
        let moved = (store.get(id).var.as_tensor() + 0.5).unwrap().detach();
        store.set(id, &moved).unwrap();
        let after = run(&store, &layers, false);
        assert!(after.iter().zip(&unfolded).any(|(a, b)| (a - b).abs() > 1e-3));
    }
}

#[test]
fn folding_passes_gradients_on_to_the_input() {
    let mut store = ParamStore::new();
    let layers = network(&mut store);
    let mut gradient = |trainable: bool| {
        store.set_trainable(|_, _| trainable);
        let x = Var::from_tensor(&drawn(&[2, 7, 5, 6], 100)).unwrap();
        let f = Forward::eval(&store);
        let y = layers.iter().fold(x.as_tensor().clone(), |x, layer| layer.forward(&f, &x).unwrap());
        let grads = y.sum_all().unwrap().backward().unwrap();
        grads.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert_close(&gradient(false), &gradient(true));
}

#[test]
fn frozen_normalisations_keep_their_statistics_while_others_learn() {
    let mut store = ParamStore::new();
    let layers = network(&mut store);
    let frozen = |name: &str| name.starts_with("1.");
    store.set_trainable(|_, p| !frozen(&p.name));
    let before = store.snapshot().unwrap();
    let learning = run(&store, &layers, true);
    for ((_, p), old) in store.iter().zip(&before).filter(|((_, p), _)| p.kind == ParamKind::RunningStat) {
        let moved = (p.var.as_tensor() - old).unwrap().abs().unwrap().sum_all().unwrap();
        assert_eq!(moved.to_scalar::<f32>().unwrap() > 0.0, !frozen(&p.name), "{}", p.name);
    }
    store.restore(&before).unwrap();
    assert_ne!(run(&store, &layers, false), learning);
}

#[test]
fn dropout_keeps_the_mean_and_is_off_in_evaluation() {
    let store = ParamStore::new();
    let x = Var::ones((100, 101), candle_core::DType::F32, &Device::Cpu).unwrap();
    let layer = Dropout { probability: 0.25 };
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values(&layer.forward(&Forward::eval(&store), &x).unwrap()).iter().all(|&v| v == 1.0));
    let f = Forward::train(&store, false, Rng::for_key(5, &[]));
    let (first, second) = (layer.forward(&f, &x).unwrap(), layer.forward(&f, &x).unwrap());
    let dropped = values(&first).iter().filter(|&&v| v == 0.0).count() as f64 / 10_100.0;
    assert!((dropped - 0.25).abs() < 0.02, "{dropped}");
    assert!(values(&first).iter().all(|&v| v == 0.0 || v == 1.0 / 0.75));
    assert_ne!(values(&first), values(&second));
    let grads = first.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(grads.get(&x).unwrap()), values(&first));
    assert!(Dropout { probability: 1.0 }.forward(&f, &x).is_err());
}

#[test]
fn stochastic_depth_drops_whole_pictures_and_is_off_in_evaluation() {
    let store = ParamStore::new();
    let x = Var::ones((2000, 3, 1, 5), candle_core::DType::F32, &Device::Cpu).unwrap();
    let layer = StochasticDepth { probability: 0.2 };
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(values(&layer.forward(&Forward::eval(&store), &x).unwrap()), values(&x));
    let f = Forward::train(&store, false, Rng::for_key(5, &[]));
    let y = layer.forward(&f, &x).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    let y = values(&y);
    let rows: Vec<f32> = y.chunks_exact(15).map(|row| row[0]).collect();
    assert!(y.chunks_exact(15).zip(&rows).all(|(row, &first)| row.iter().all(|&v| v == first)));
    assert!(rows.iter().all(|&v| v == 0.0 || v == 1.25));
    let dropped = rows.iter().filter(|&&v| v == 0.0).count() as f64 / 2000.0;
    assert!((dropped - 0.2).abs() < 0.03, "{dropped}");
    assert_eq!(values(grads.get(&x).unwrap()), y);
}

#[test]
fn squeeze_and_excitation_follows_its_parameters_also_where_they_are_frozen() {
    let mut store = ParamStore::new();
    let mut b = ParamBuilder::new(&mut store, 1, &Device::Cpu);
    let layer = SqueezeExcite::new(&mut b, "se", (6, 2), Activation::Silu, Activation::Sigmoid).unwrap();
    let x = drawn(&[2, 4, 3, 6], 100);
    let mut last = Vec::new();
    for id in [layer.squeeze, layer.squeeze_bias, layer.excite, layer.excite_bias] {
        store.set(id, &drawn(store.get(id).var.dims(), id.0)).unwrap();
        let mut both = [true, false].map(|trainable| {
            store.set_trainable(|_, _| trainable);
            let y = layer.forward(&Forward::eval(&store), &x).unwrap();
            y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        });
        assert_eq!(both[0], both[1]);
        assert_ne!(both[1], last);
        last = std::mem::take(&mut both[1]);
    }
}
