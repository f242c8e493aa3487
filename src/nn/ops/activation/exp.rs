//! The exponential function in arithmetic that vectorises: Cephes' `expf`, range reduction by ln 2 in two parts, then a
//! polynomial.

use crate::nn::ops::simd::{Isa, Vector, WHOLE};

/// Arguments are limited to the range in which the result is a normal number.
const LOWEST: f32 = -87.0;
const HIGHEST: f32 = 88.0;
/// ln 2 as a sum: few enough digits in the first part that its products are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// (e^r - 1 - r) / r^2 for small r, from the highest power of r down.
const POLYNOMIAL: [f32; 6] =
    [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// e^x to about 1e-7 relative.
#[inline(always)]
pub(crate) fn exp(isa: impl Isa, x: f32) -> f32 {
    let low = if x < LOWEST { LOWEST } else { x };
    let x = if low > HIGHEST { HIGHEST } else { low };
    let shifted = isa.mul_add(x, std::f32::consts::LOG2_E, WHOLE);
    let n = shifted - WHOLE;
    let r = isa.mul_add(n, -LN_2[1], isa.mul_add(n, -LN_2[0], x));
    let [p, p4, p3, p2, p1, p0] = POLYNOMIAL;
    let p = isa.mul_add(p, r, p4);
    let p = isa.mul_add(p, r, p3);
    let p = isa.mul_add(p, r, p2);
    let p = isa.mul_add(p, r, p1);
    let p = isa.mul_add(p, r, p0);
    let y = isa.mul_add(p, r * r, r) + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_add(127);
    y * f32::from_bits(exponent << 23)
}

/// As [`exp`], of each lane, in a range in which the result's reciprocal is a normal number, too.
///
/// # Safety
/// As for the methods of [`Vector`].
#[inline(always)]
pub(super) unsafe fn vector_exp<V: Vector>(x: V) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let x = x.clamp(V::splat(LOWEST), V::splat(-LOWEST));
        let shifted = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(WHOLE));
        let n = shifted.sub(V::splat(WHOLE));
        let r = n.negative_mul_add(V::splat(LN_2[0]), x);
        let r = n.negative_mul_add(V::splat(LN_2[1]), r);
        let [p, p4, p3, p2, p1, p0] = POLYNOMIAL;
        let p = V::splat(p).mul_add(r, V::splat(p4));
        let p = p.mul_add(r, V::splat(p3));
        let p = p.mul_add(r, V::splat(p2));
        let p = p.mul_add(r, V::splat(p1));
        let p = p.mul_add(r, V::splat(p0));
        let y = p.mul_add(r.mul(r), r.add(V::splat(1.0)));
        y.mul(shifted.power_of_two())
    }
}
