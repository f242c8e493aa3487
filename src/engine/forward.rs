//! What logits mean.

use crate::config::HeadOutput;
use crate::error::{Error, Result};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::{sigmoid, softmax};

/// Class probabilities of each row, softmax or sigmoid, each row summing to 1.
///
/// # Shapes
/// `logits`: `[N, K]`, or `[N, 1]` with a sigmoid output, which gives two probabilities.
///
/// # Errors
/// If the logits are not a matrix, or one of them is not finite.
pub(crate) fn probabilities(logits: &Tensor, output: HeadOutput) -> Result<Vec<Vec<f32>>> {
    // The few numbers of the answers are worked out on the processor; not every device has f64.
    let logits = logits.to_device(&Device::Cpu)?;
    if logits.to_vec2::<f32>()?.iter().flatten().any(|v| !v.is_finite()) {
        return Err(Error::new(crate::ErrorKind::Numeric, "the network's output is not finite")
            .with_hint("The weights are damaged or training diverged: try a lower train.learning_rate"));
    }
    // In f64, so that a probability near 1 keeps its distance from 1.
    let logits = logits.to_dtype(DType::F64)?;
    let p = match output {
        HeadOutput::Sigmoid => {
            let p = sigmoid(&logits)?;
            Tensor::cat(&[&p.affine(-1.0, 1.0)?, &p], D::Minus1)?
        }
        HeadOutput::Softmax => softmax(&logits, D::Minus1)?,
    };
    Ok(p.to_dtype(DType::F32)?.to_vec2()?)
}

/// Index of the largest value, the first on a tie; 0 for an empty slice.
pub(crate) fn argmax(p: &[f32]) -> usize {
    p.iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (i, &v)| if v > best.1 { (i, v) } else { best })
        .0
}

/// `-ln p`, bounded where a probability is zero in f32.
pub(crate) fn negative_log(p: f32) -> f64 {
    -f64::from(p.max(f32::MIN_POSITIVE)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_ties_go_to_the_first() {
        let of = |row: &[f32], output| {
            let logits = Tensor::from_slice(row, (1, row.len()), &Device::Cpu).unwrap();
            probabilities(&logits, output).map(|rows| rows[0].clone())
        };
        let p = of(&[1000.0, 1000.0, -1000.0], HeadOutput::Softmax).unwrap();
        assert_eq!((p[0], p[1], argmax(&p)), (0.5, 0.5, 0));
        let p = of(&[3f32.ln()], HeadOutput::Sigmoid).unwrap();
        assert!((p[1] - 0.75).abs() < 1e-6 && (p[0] + p[1] - 1.0).abs() < 1e-6);
        assert!(of(&[f32::NAN, 0.0], HeadOutput::Softmax).is_err());
    }
}
