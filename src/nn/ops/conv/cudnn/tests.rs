//! What can be said of cuDNN without a card; and with one, where there is one.

use super::plan::{Plans, Refused, Sizes, exact, first_of, grown, result_shape};
use super::*;
use crate::nn::ops::conv::Conv2dSpec;
use std::rc::Rc;

/// What making a plan gives.
type Made<P> = std::result::Result<std::result::Result<P, Refused>, &'static str>;

fn geometry(x: [usize; 4], kernel: [usize; 2], cout: usize, spec: [usize; 4]) -> Geometry {
    let [stride, padding, dilation, groups] = spec;
    let weight = [kernel[0], kernel[1], x[3] / groups, cout];
    Geometry::new(&x, &weight, None, Conv2dSpec { stride, padding, dilation, groups }).unwrap()
}

#[test]
fn descriptors_have_the_sizes_of_the_convolution() {
    let g = geometry([8, 9, 7, 12], [3, 5], 20, [2, 1, 1, 4]);
    let want = Sizes {
        x: [8, 12, 9, 7],
        filter: [20, 3, 3, 5],
        y: [8, 20, 5, 3],
        bias: [1, 20, 1, 1],
        padding: [1, 1],
        stride: [2, 2],
        dilation: [1, 1],
        groups: 4,
    };
    assert_eq!(Sizes::of(&g), Some(want));
    assert_eq!(result_shape(Pass::Forward, &g), [8, 5, 3, 20]);
    assert_eq!(result_shape(Pass::Fused { relu: true }, &g), [8, 5, 3, 20]);
    assert_eq!(result_shape(Pass::Input, &g), [8, 9, 7, 12]);
    assert_eq!(result_shape(Pass::Filter, &g), [20, 3, 5, 3]);
}

#[test]
fn what_cudnn_cannot_count_is_not_given_to_it() {
    let last = geometry([1 << 15, 256, 255, 1], [3, 3], 1, [1, 1, 1, 1]);
    assert!(Sizes::of(&last).is_some());
    let large = geometry([1 << 15, 256, 256, 1], [3, 3], 1, [1, 1, 1, 1]);
    assert_eq!(Sizes::of(&large), None);
    let mut plans = Plans::<u8>::default();
    let make = |_: &Sizes| -> Made<u8> { panic!("it has no descriptors") };
    assert!(plans.get(Pass::Forward, &large, make).unwrap().is_none());
}

#[test]
fn a_plan_is_made_once_for_each_pass_and_geometry() {
    let (a, b) = (
        geometry([8, 9, 7, 12], [3, 3], 20, [1, 1, 1, 1]),
        geometry([5, 9, 7, 12], [3, 3], 20, [1, 1, 1, 1]),
    );
    let (mut plans, mut made) = (Plans::default(), 0);
    let mut get = |pass, geometry| {
        let make = |sizes: &Sizes| -> Made<(i32, i32)> {
            made += 1;
            Ok(Ok((made, sizes.x[0])))
        };
        plans.get(pass, &geometry, make).unwrap().map(|plan: Rc<(i32, i32)>| *plan)
    };
    assert_eq!(get(Pass::Forward, a), Some((1, 8)));
    assert_eq!(get(Pass::Forward, b), Some((2, 5)));
    assert_eq!(get(Pass::Input, a), Some((3, 8)));
    assert_eq!(get(Pass::Forward, a), Some((1, 8)));
}

#[test]
fn what_cannot_be_planned_or_run_is_not_tried_again() {
    let g = geometry([8, 9, 7, 12], [3, 3], 20, [1, 1, 1, 1]);
    let mut plans = Plans::<u8>::default();
    let mut tries = 0;
    for _ in 0..2 {
        let make = |_: &Sizes| -> Made<u8> {
            tries += 1;
            Ok(Err(Refused("not supported".to_owned())))
        };
        assert!(plans.get(Pass::Filter, &g, make).unwrap().is_none());
    }
    assert_eq!(tries, 1);
    let make = |_: &Sizes| -> Made<u8> { Ok(Ok(7)) };
    assert!(plans.get(Pass::Forward, &g, make).unwrap().is_some());
    plans.refuse(Pass::Forward, &g, &Refused("not supported".to_owned()));
    assert!(plans.get(Pass::Forward, &g, make).unwrap().is_none());
}

#[test]
fn what_fails_this_time_is_tried_again() {
    let g = geometry([8, 9, 7, 12], [3, 3], 20, [1, 1, 1, 1]);
    let mut plans = Plans::<u8>::default();
    let failing = |_: &Sizes| -> Made<u8> { Err("the memory is full") };
    assert_eq!(plans.get(Pass::Input, &g, failing).unwrap_err(), "the memory is full");
    assert!(plans.get(Pass::Input, &g, |_: &Sizes| -> Made<u8> { Ok(Ok(7)) }).unwrap().is_some());
}

#[test]
fn the_first_algorithm_that_can_be_run_is_taken() {
    let bytes = |algorithm: u8| if algorithm > 1 { Ok(usize::from(algorithm) * 100) } else { Err(algorithm) };
    assert_eq!(first_of(&[1, 3, 2], bytes), Some(Ok((3, 300))));
    assert_eq!(first_of(&[0, 1], bytes), Some(Err(1)));
    assert_eq!(first_of(&[], bytes), None);
}

#[test]
fn the_workspace_grows_only_where_it_is_too_small_and_then_by_much() {
    const MIB: usize = 1 << 20;
    assert_eq!(grown(0, 0), None);
    assert_eq!(grown(0, 1), Some(MIB));
    assert_eq!(grown(MIB, MIB), None);
    assert_eq!(grown(3 * MIB, 3 * MIB + 1), Some(6 * MIB));
    assert_eq!(grown(MIB, 5 * MIB + 1), Some(6 * MIB));
}

#[test]
fn short_products_are_left_out_where_nvidias_variable_says_so() {
    assert!(exact(Some("0")));
    assert!(!exact(None) && !exact(Some("1")) && !exact(Some("")));
}

#[test]
fn filters_are_turned_and_turned_back() {
    let weight = crate::nn::ops::testing::wave(&[3, 2, 4, 5], 0.7);
    let turned = filter(&geometry([1, 9, 9, 4], [3, 2], 5, [1, 0, 1, 1]), &weight).unwrap();
    assert_eq!(turned.dims(), [5, 3, 2, 4]);
    let at = |t: &Tensor, i: [usize; 4]| {
        i.iter().fold(t.clone(), |t, &i| t.get(i).unwrap()).to_scalar::<f32>().unwrap()
    };
    assert_eq!(at(&turned, [4, 2, 1, 3]), at(&weight, [2, 1, 3, 4]));
    let back = turned.permute((1, 2, 3, 0)).unwrap();
    assert_eq!(
        crate::nn::ops::testing::flat(&back.contiguous().unwrap()),
        crate::nn::ops::testing::flat(&weight)
    );
}

#[test]
fn weights_of_a_fully_connected_layer_are_a_product_s_and_have_a_filter_all_the_same() {
    let g = geometry([16, 1, 1, 7], [1, 1], 3, [1, 0, 1, 1]);
    let weight = crate::nn::ops::testing::wave(&[7, 3], 0.7);
    let turned = filter(&g, &weight).unwrap();
    assert_eq!(turned.dims(), [3, 1, 1, 7]);
    let flat = crate::nn::ops::testing::flat;
    assert_eq!(flat(&turned), flat(&weight.t().unwrap().contiguous().unwrap()));
    assert!(is_product(&g, DType::F32) && is_product(&g, DType::BF16));
    let map = geometry([16, 8, 8, 7], [1, 1], 3, [1, 0, 1, 1]);
    assert!(!is_product(&map, DType::F32) && is_product(&map, DType::BF16));
    let strided = geometry([16, 8, 8, 7], [1, 1], 3, [2, 0, 1, 1]);
    assert!(!is_product(&strided, DType::BF16));
}

#[test]
fn nothing_on_the_processor_goes_to_cudnn() {
    let g = geometry([2, 9, 7, 12], [3, 3], 20, [1, 1, 1, 1]);
    let (x, weight) = (
        crate::nn::ops::testing::wave(&[2, 9, 7, 12], 0.3),
        crate::nn::ops::testing::wave(&[3, 3, 12, 20], 0.7),
    );
    assert!(forward(&g, &x, &weight).unwrap().is_none());
}
