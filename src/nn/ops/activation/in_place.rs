//! Activations that are worth vectors of their own, written over their arguments.

use super::exp::vector_exp;
use crate::nn::ops::simd::{Isa, Kernel, Vector};

/// Applies silu in place: a division of vectors takes longer than all else in it, so it is done with reciprocals.
pub(super) struct Silu<'a>(pub(super) &'a mut [f32]);

impl Kernel for Silu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        let lanes = I::V::LANES;
        let mut at = 0;
        // SAFETY: run by `dispatch` with its vector type; all values read and written lie in the slice.
        unsafe {
            while at + lanes <= self.0.len() {
                let to = self.0.as_mut_ptr().add(at);
                vector_silu(I::V::load(to)).store(to);
                at += lanes;
            }
            if at < self.0.len() {
                let (to, rest) = (self.0.as_mut_ptr().add(at), self.0.len() - at);
                vector_silu(I::V::load_part(to, rest)).store_part(to, rest);
            }
        }
    }
}

/// Silu of each lane, to about 3e-7.
///
/// # Safety
/// As for the methods of [`Vector`].
#[inline(always)]
unsafe fn vector_silu<V: Vector>(x: V) -> V {
    // SAFETY: the caller's promise.
    unsafe { x.mul(V::splat(1.0).add(vector_exp(V::splat(0.0).sub(x))).reciprocal()) }
}
