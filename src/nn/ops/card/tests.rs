use super::{emulated, launched};
use crate::nn::ops::testing::{flat, wave};
use crate::nn::ops::{Activation, batch_norm};

#[test]
fn kernels_serve_inside_of_the_emulation_only() {
    let (x, one) = (wave(&[4, 6], 0.7), wave(&[6], 0.3));
    let norm = || flat(&batch_norm(&x, &one, &one, 1e-5, Activation::Relu).unwrap().0);
    let before = launched();
    let outside = norm();
    assert_eq!(launched(), before);
    let inside = emulated(norm);
    assert!(launched() > before);
    assert!(inside.iter().zip(&outside).all(|(a, b)| (a - b).abs() < 1e-5));
}
