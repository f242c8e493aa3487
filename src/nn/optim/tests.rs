//! What a step changes when it fails.

use super::*;
use crate::nn::ops::tensors;
use candle_core::DType;

#[test]
fn a_step_that_fails_in_its_middle_has_changed_nothing_and_can_be_made_again() {
    let run = |fails_first: bool| {
        let mut store = ParamStore::new();
        let values = |n: usize| Tensor::arange(1f32, 1.0 + n as f32, &Device::Cpu).unwrap();
        let ids = ["a", "b"].map(|name| store.add(name.into(), ParamKind::Bias, values(3)).unwrap());
        let groups = ParamGroup::split(&store, &ids, 1.0, 0.1);
        let mut optimizer = Optimizer::new(&store, Rule::ADAM_W, groups).unwrap();
        let sum = (store.tensor(ids[0]).sqr().unwrap() + store.tensor(ids[1])).unwrap().sum_all().unwrap();
        let mut state = Vec::new();
        for step in 0..3 {
            if fails_first && step == 1 {
                let mut grads = sum.backward().unwrap();
                // Fails at the second parameter, as want of memory could.
                let misfit = Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap();
                grads.insert(store.get(ids[1]).var.as_tensor(), misfit);
                optimizer.step(&store, &grads, 0.1).unwrap_err();
                assert_eq!(optimizer.steps(), 1);
            }
            optimizer.step(&store, &sum.backward().unwrap(), 0.1).unwrap();
        }
        for (_, param) in store.iter() {
            state.extend(param.var.as_tensor().to_vec1::<f32>().unwrap());
        }
        for (_, tensor) in optimizer.state_tensors().unwrap() {
            state.extend(tensor.to_vec1::<f32>().unwrap());
        }
        state
    };
    tensors::forced(|| assert_eq!(run(true), run(false)));
    #[cfg(feature = "emulated-card")]
    crate::nn::ops::card::emulated(|| assert_eq!(run(true), run(false)));
}
