//! Registers of f32 lanes.

use super::{Baseline, Isa};

/// 1.5 * 2^23: adding it rounds to the nearest whole number, which the lowest bits of the sum then hold.
pub(crate) const WHOLE: f32 = 12_582_912.0;
/// From the bits of n + [`WHOLE`] to the biased exponent of 2^n.
const TO_EXPONENT: i32 = 127 - 0x4b40_0000;

/// A register of f32 lanes. Every method is inlined into a dispatcher's copy of a kernel; none may be called elsewhere.
pub(crate) trait Vector: Copy {
    /// Number of lanes.
    const LANES: usize;

    /// All lanes equal `v`.
    ///
    /// # Safety
    /// Inside a [`Kernel`] run by [`dispatch`] with this vector type only, as for every method.
    unsafe fn splat(v: f32) -> Self;

    /// Reads `LANES` values.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load(from: *const f32) -> Self;

    /// Reads `count` values, 1 to `LANES`; the other lanes are zero.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_part(from: *const f32, count: usize) -> Self;

    /// Writes `LANES` values.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store(self, to: *mut f32);

    /// Writes the first `count` values, 1 to `LANES`.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store_part(self, to: *mut f32, count: usize);

    /// `self + b`.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn add(self, b: Self) -> Self;

    /// `self - b`.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn sub(self, b: Self) -> Self;

    /// `self * b`.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn mul(self, b: Self) -> Self;

    /// `self * b + c`.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;

    /// `c - self * b`.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn negative_mul_add(self, b: Self, c: Self) -> Self;

    /// 1 / self to about 1e-7 relative, for values whose reciprocal is a normal number; NaN stays NaN.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn reciprocal(self) -> Self;

    /// 2^n, where self is n + [`WHOLE`] for a whole number n from -126 to 127.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn power_of_two(self) -> Self;

    /// Between `low` and `high`; NaN stays NaN.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn clamp(self, low: Self, high: Self) -> Self;
}

/// Implements [`Vector`] for an x86 register, with `load_part` and `store_part` given as functions.
#[cfg(target_arch = "x86_64")]
macro_rules! x86_vector {
    ($ty:ident, $lanes:literal, $load_part:ident, $store_part:ident, $splat:ident, $load:ident, $store:ident,
     $add:ident, $sub:ident, $mul:ident, $fma:ident, $fnma:ident, $min:ident, $max:ident, $reciprocal:ident,
     $power_of_two:ident) => {
        impl Vector for core::arch::x86_64::$ty {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(v: f32) -> Self {
                // SAFETY: the caller runs on a processor with this vector type.
                unsafe { core::arch::x86_64::$splat(v) }
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: as above, and the values are readable.
                unsafe { core::arch::x86_64::$load(from) }
            }
            #[inline(always)]
            unsafe fn load_part(from: *const f32, count: usize) -> Self {
                // SAFETY: as above; values behind the last are not touched.
                unsafe { $load_part(from, count) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as above, and the values are writable.
                unsafe { core::arch::x86_64::$store(to, self) }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut f32, count: usize) {
                // SAFETY: as above; values behind the last are not touched.
                unsafe { $store_part(to, count, self) }
            }
            #[inline(always)]
            unsafe fn add(self, b: Self) -> Self {
                // SAFETY: the caller runs on a processor with this vector type.
                unsafe { core::arch::x86_64::$add(self, b) }
            }
            #[inline(always)]
            unsafe fn sub(self, b: Self) -> Self {
                // SAFETY: as above.
                unsafe { core::arch::x86_64::$sub(self, b) }
            }
            #[inline(always)]
            unsafe fn mul(self, b: Self) -> Self {
                // SAFETY: as above.
                unsafe { core::arch::x86_64::$mul(self, b) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: as above.
                unsafe { core::arch::x86_64::$fma(self, b, c) }
            }
            #[inline(always)]
            unsafe fn negative_mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: as above.
                unsafe { core::arch::x86_64::$fnma(self, b, c) }
            }
            #[inline(always)]
            unsafe fn reciprocal(self) -> Self {
                // SAFETY: as above.
                unsafe {
                    // A step of Newton's method doubles the digits of the guess.
                    let guess = $reciprocal(self);
                    guess.mul_add(self.negative_mul_add(guess, Self::splat(1.0)), guess)
                }
            }
            #[inline(always)]
            unsafe fn power_of_two(self) -> Self {
                // SAFETY: as above.
                unsafe { $power_of_two(self) }
            }
            #[inline(always)]
            unsafe fn clamp(self, low: Self, high: Self) -> Self {
                // The bound comes first: these instructions return their second operand where either is NaN.
                // SAFETY: as above.
                unsafe { core::arch::x86_64::$min(high, core::arch::x86_64::$max(low, self)) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn load_part_512(from: *const f32, count: usize) -> core::arch::x86_64::__m512 {
    // SAFETY: masked lanes are not read; the caller runs on a processor with these vectors.
    unsafe { core::arch::x86_64::_mm512_maskz_loadu_ps(0xffff >> (16 - count), from) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn store_part_512(to: *mut f32, count: usize, v: core::arch::x86_64::__m512) {
    // SAFETY: masked lanes are not written; the caller runs on a processor with these vectors.
    unsafe { core::arch::x86_64::_mm512_mask_storeu_ps(to, 0xffff >> (16 - count), v) }
}

/// Eight lanes of which the first `count` are set.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn mask_256(count: usize) -> core::arch::x86_64::__m256i {
    const ONES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: `count` is 1 to 8, so that all eight values read lie in the array.
    unsafe { core::arch::x86_64::_mm256_loadu_si256(ONES.as_ptr().add(8 - count).cast()) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn load_part_256(from: *const f32, count: usize) -> core::arch::x86_64::__m256 {
    // SAFETY: masked lanes are not read; the caller runs on a processor with these vectors.
    unsafe { core::arch::x86_64::_mm256_maskload_ps(from, mask_256(count)) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn store_part_256(to: *mut f32, count: usize, v: core::arch::x86_64::__m256) {
    // SAFETY: masked lanes are not written; the caller runs on a processor with these vectors.
    unsafe { core::arch::x86_64::_mm256_maskstore_ps(to, mask_256(count), v) }
}

/// 1 / v to 14 bits.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn reciprocal_512(v: core::arch::x86_64::__m512) -> core::arch::x86_64::__m512 {
    // SAFETY: the caller runs on a processor with these vectors.
    unsafe { core::arch::x86_64::_mm512_rcp14_ps(v) }
}

/// 1 / v to 22 bits, of which the method's last step makes 23.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn reciprocal_256(v: core::arch::x86_64::__m256) -> core::arch::x86_64::__m256 {
    // SAFETY: the caller runs on a processor with these vectors.
    unsafe {
        let guess = core::arch::x86_64::_mm256_rcp_ps(v);
        guess.mul_add(v.negative_mul_add(guess, Vector::splat(1.0)), guess)
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn power_of_two_512(v: core::arch::x86_64::__m512) -> core::arch::x86_64::__m512 {
    use core::arch::x86_64::{_mm512_add_epi32, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_set1_epi32};
    // SAFETY: the caller runs on a processor with these vectors.
    unsafe {
        let exponent = _mm512_add_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(TO_EXPONENT));
        _mm512_castsi512_ps(core::arch::x86_64::_mm512_slli_epi32::<23>(exponent))
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn power_of_two_256(v: core::arch::x86_64::__m256) -> core::arch::x86_64::__m256 {
    use core::arch::x86_64::{_mm256_add_epi32, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_set1_epi32};
    // SAFETY: the caller runs on a processor with these vectors.
    unsafe {
        let exponent = _mm256_add_epi32(_mm256_castps_si256(v), _mm256_set1_epi32(TO_EXPONENT));
        _mm256_castsi256_ps(core::arch::x86_64::_mm256_slli_epi32::<23>(exponent))
    }
}

#[cfg(target_arch = "x86_64")]
x86_vector!(
    __m512,
    16,
    load_part_512,
    store_part_512,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_fmadd_ps,
    _mm512_fnmadd_ps,
    _mm512_min_ps,
    _mm512_max_ps,
    reciprocal_512,
    power_of_two_512
);
#[cfg(target_arch = "x86_64")]
x86_vector!(
    __m256,
    8,
    load_part_256,
    store_part_256,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    _mm256_min_ps,
    _mm256_max_ps,
    reciprocal_256,
    power_of_two_256
);

/// The vector of the baseline, which the compiler splits into what there is.
impl Vector for [f32; 8] {
    const LANES: usize = 8;
    #[inline(always)]
    unsafe fn splat(v: f32) -> Self {
        [v; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promised readable values; an array of f32 has the alignment of one.
        unsafe { from.cast::<Self>().read() }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        // SAFETY: the caller promised `count` readable values.
        std::array::from_fn(|i| if i < count { unsafe { *from.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promised writable values.
        unsafe { to.cast::<Self>().write(self) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, count: usize) {
        for (i, &v) in self.iter().take(count).enumerate() {
            // SAFETY: the caller promised `count` writable values.
            unsafe { *to.add(i) = v };
        }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        std::array::from_fn(|i| self[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        std::array::from_fn(|i| self[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        std::array::from_fn(|i| self[i] * b[i])
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        std::array::from_fn(|i| Baseline.mul_add(self[i], b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn negative_mul_add(self, b: Self, c: Self) -> Self {
        std::array::from_fn(|i| Baseline.mul_add(-self[i], b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn reciprocal(self) -> Self {
        std::array::from_fn(|i| 1.0 / self[i])
    }
    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        std::array::from_fn(|i| f32::from_bits(self[i].to_bits().wrapping_add(TO_EXPONENT as u32) << 23))
    }
    #[inline(always)]
    unsafe fn clamp(self, low: Self, high: Self) -> Self {
        std::array::from_fn(|i| if self[i].is_nan() { self[i] } else { self[i].max(low[i]).min(high[i]) })
    }
}
