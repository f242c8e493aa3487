use super::*;
use candle_core::{DType, Device, Var};

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
}

fn spec(kernel: usize, stride: usize, padding: usize) -> PoolSpec {
    PoolSpec { kernel, stride, padding, ceil: false }
}

#[test]
fn windows_that_cannot_be_are_refused_with_their_sizes() {
    let cases = [
        (zeros(&[5, 5, 2]), spec(2, 2, 0), "needs x [N, H, W, C]"),
        (zeros(&[1, 5, 5, 2, 1]), spec(2, 2, 0), "needs x [N, H, W, C]"),
        (zeros(&[1, 0, 5, 2]), spec(2, 2, 0), "with a size of zero"),
        (zeros(&[0, 5, 5, 2]), spec(2, 2, 0), "with a size of zero"),
        (zeros(&[1, 5, 5, 2]), spec(0, 2, 0), "with a size of zero"),
        (zeros(&[1, 5, 5, 2]), spec(2, 0, 0), "with a size of zero"),
        (zeros(&[1, 5, 5, 2]), spec(3, 2, 2), "with more padding than half of the window"),
        (zeros(&[1, 5, 3, 2]), spec(4, 1, 0), "with a window larger than the padded picture"),
        (zeros(&[1, 3, 5, 2]), spec(6, 1, 1), "with a window larger than the padded picture"),
    ];
    for (x, spec, why) in cases {
        for e in [max_pool2d(&x, spec), avg_pool2d(&x, spec)].map(|r| r.unwrap_err()) {
            assert_eq!(e.kind(), ErrorKind::Numeric);
            let text = e.to_string();
            assert!(text.contains(why) && text.contains(&format!("{:?}", x.dims())), "{text}");
            assert!(text.contains(&format!("{spec:?}")), "{text}");
        }
    }
    // The limits themselves are allowed: a window of the padded picture's size, and half of it as padding.
    assert_eq!(max_pool2d(&zeros(&[1, 3, 5, 2]), spec(5, 1, 1)).unwrap().dims(), [1, 1, 3, 2]);
    assert_eq!(avg_pool2d(&zeros(&[1, 5, 5, 2]), spec(4, 2, 2)).unwrap().dims(), [1, 3, 3, 2]);
}

#[test]
fn global_pooling_needs_a_map_with_positions() {
    for shape in [&[2, 3][..], &[2, 4, 4, 3, 1], &[2, 0, 4, 3], &[2, 4, 4, 0]] {
        for e in [global_avg_pool, global_max_pool].map(|pool| pool(&zeros(shape)).unwrap_err()) {
            let text = e.to_string();
            assert!(text.contains("needs x [N, H, W, C]") && text.contains(&format!("{shape:?}")), "{text}");
        }
    }
}

#[test]
fn other_types_are_refused() {
    let x = zeros(&[1, 4, 4, 2]).to_dtype(DType::F64).unwrap();
    for e in [max_pool2d(&x, spec(2, 2, 0)), global_avg_pool(&x)].map(|r| r.unwrap_err().to_string()) {
        assert!(e.contains("pooling needs f32") && e.contains("F64"), "{e}");
    }
}

#[test]
fn a_view_in_another_order_is_pooled_as_its_copy() {
    let x = Tensor::rand(-1f32, 1.0, (2, 6, 5, 3), &Device::Cpu).unwrap();
    let turned = x.transpose(1, 2).unwrap();
    let copy = turned.contiguous().unwrap();
    assert!(!turned.is_contiguous());
    let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for pool in [max_pool2d, avg_pool2d] {
        assert_eq!(
            values(pool(&turned, spec(3, 2, 1)).unwrap()),
            values(pool(&copy, spec(3, 2, 1)).unwrap())
        );
    }
}

#[test]
fn a_value_that_is_no_number_is_passed_on_and_gets_the_gradient() {
    let values = vec![1.0, f32::NAN, 3.0, 2.0];
    let x = Var::from_vec(values, (1, 2, 2, 1), &Device::Cpu).unwrap();
    let y = max_pool2d(&x, spec(2, 2, 0)).unwrap();
    assert!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0].is_nan());
    let gradients = y.sum_all().unwrap().backward().unwrap();
    let gradient = gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(gradient, [0.0, 1.0, 0.0, 0.0]);
}
