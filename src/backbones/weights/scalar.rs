//! Number formats of weight files, decoded to f32.

use crate::error::{Error, Result};

/// A floating-point format that weights are stored in, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    F16,
    Bf16,
    F32,
    F64,
}

impl Scalar {
    pub(super) fn size_bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// All whole values in `bytes`; a rest that is too short for one is left out.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => {
                bytes.as_chunks::<2>().0.iter().map(|b| f16_to_f32(u16::from_le_bytes(*b))).collect()
            }
            Self::Bf16 => {
                let widen = |b: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
                bytes.as_chunks::<2>().0.iter().map(widen).collect()
            }
            Self::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F64 => bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        }
    }
}

/// IEEE 754 binary16 to binary32, exact.
fn f16_to_f32(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10 & 0x1f);
    let fraction = u32::from(half & 0x3ff);
    let magnitude = match (exponent, fraction) {
        // Zero and subnormals: the fraction counts steps of 2^-24.
        (0, f) => f as f32 * f32::from_bits((127 - 24) << 23),
        (0x1f, f) => f32::from_bits(0xff << 23 | f << 13),
        (e, f) => f32::from_bits((e + 127 - 15) << 23 | f << 13),
    };
    f32::from_bits(magnitude.to_bits() | sign)
}

/// Product of `shape`, where it is small enough to be addressed at all.
pub(super) fn element_count(name: &str, shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= isize::MAX as usize / 8)
        .ok_or_else(|| Error::input(format!("the tensor {name} has the impossible shape {shape:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_decoded_exactly() {
        let cases: [(u16, f32); 8] = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x8000, -0.0),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(f16_to_f32(bits).to_bits(), value.to_bits(), "{bits:#x}");
        }
        assert!(f16_to_f32(0x7e00).is_nan());
        assert_eq!(Scalar::Bf16.decode(&[0x80, 0x3f, 0x20, 0xc0]), [1.0, -2.5]);
        assert_eq!(Scalar::F64.decode(&0.1f64.to_le_bytes()), [0.1f32]);
    }

    #[test]
    fn a_shape_that_overflows_is_refused() {
        assert!(element_count("w", &[1 << 40, 1 << 40]).is_err());
        assert!(element_count("w", &[usize::MAX]).is_err());
        assert_eq!(element_count("w", &[]).unwrap(), 1);
    }
}
