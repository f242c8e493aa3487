//! Activations that are worth vectors of their own, written over their arguments.

use crate::nn::ops::simd::{Isa, Kernel, Vector, WHOLE};

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

/// As [`super::exp`], of each lane.
///
/// # Safety
/// As for the methods of [`Vector`].
#[inline(always)]
unsafe fn vector_exp<V: Vector>(x: V) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let x = x.clamp(V::splat(-87.0), V::splat(87.0));
        let shifted = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(WHOLE));
        let n = shifted.sub(V::splat(WHOLE));
        let r = n.negative_mul_add(V::splat(0.693_359_4), x);
        let r = n.negative_mul_add(V::splat(-2.121_944_4e-4), r);
        let p = V::splat(1.987_569_1e-4).mul_add(r, V::splat(1.398_199_9e-3));
        let p = p.mul_add(r, V::splat(8.333_452e-3));
        let p = p.mul_add(r, V::splat(4.166_579_6e-2));
        let p = p.mul_add(r, V::splat(1.666_666_5e-1));
        let p = p.mul_add(r, V::splat(0.5));
        let y = p.mul_add(r.mul(r), r.add(V::splat(1.0)));
        y.mul(shifted.power_of_two())
    }
}
