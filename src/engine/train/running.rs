//! The loss and the hits of an epoch's steps.

use super::epoch::Sums;
use crate::engine::forward::argmax;
use crate::error::Result;
use crate::nn::ops::tensors;
use candle_core::{D, DType, Tensor};

/// What the steps since the last reading came to. On the processor that is known at once; numbers of another device are waited
/// for only where they are read, so that it is never idle between steps.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// The sum of losses over pictures, and the number of hits.
    unread: Option<[Tensor; 2]>,
}

impl Running {
    /// Adds a step: its `(loss, logits)` and the pictures' classes.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn add(&mut self, made: (&Tensor, &Tensor), labels: &[u32], sums: &mut Sums) -> Result<()> {
        let (loss, logits) = (made.0.detach(), made.1.detach());
        sums.seen += labels.len();
        if !tensors::serve(&loss) {
            sums.loss += f64::from(loss.to_scalar::<f32>()?) * labels.len() as f64;
            sums.correct += hits_of_values(&logits, labels)?;
            return Ok(());
        }
        let step = [loss.affine(labels.len() as f64, 0.0)?, hits(&logits, labels)?];
        self.unread = Some(match self.unread.take() {
            Some([loss, hits]) => [(loss + &step[0])?, (hits + &step[1])?],
            None => step,
        });
        Ok(())
    }

    /// Moves everything into the sums, waiting for it where it has to.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn read(&mut self, sums: &mut Sums) -> Result<()> {
        if let Some([loss, hits]) = self.unread.take() {
            sums.loss += f64::from(loss.to_scalar::<f32>()?);
            sums.correct += hits.to_scalar::<f32>()? as usize;
        }
        Ok(())
    }
}

fn hits_of_values(logits: &Tensor, labels: &[u32]) -> Result<usize> {
    let rows = logits.to_vec2::<f32>()?;
    let hits = rows.iter().zip(labels).filter(|(row, label)| {
        let predicted = match row.as_slice() {
            [z] => usize::from(*z > 0.0),
            z => argmax(z),
        };
        predicted == **label as usize
    });
    Ok(hits.count())
}

/// The same, counted on the device.
fn hits(logits: &Tensor, labels: &[u32]) -> Result<Tensor> {
    let labels = Tensor::from_slice(labels, labels.len(), logits.device())?;
    let predicted = match logits.dim(D::Minus1)? {
        1 => logits.squeeze(1)?.gt(0f32)?.to_dtype(DType::U32)?,
        _ => logits.argmax(D::Minus1)?,
    };
    Ok(predicted.eq(&labels)?.to_dtype(DType::F32)?.sum_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn what_is_read_late_is_what_is_known_at_once() {
        let tensor = |v: &[f32], shape: &[usize]| Tensor::from_slice(v, shape, &Device::Cpu).unwrap();
        let run = || {
            let mut sums =
                Sums { loss: 0.0, correct: 0, seen: 0, learning_rate: 0.0, seconds: 0.0, stopped: false };
            let mut running = Running::default();
            let logits = tensor(&[0.1, 0.9, 0.7, 0.3, 0.2, 0.8], &[3, 2]);
            running.add((&tensor(&[0.5], &[]), &logits), &[1, 1, 1], &mut sums).unwrap();
            let logits = tensor(&[0.1, -0.9], &[2, 1]);
            running.add((&tensor(&[0.25], &[]), &logits), &[1, 0], &mut sums).unwrap();
            let before = sums.loss;
            running.read(&mut sums).unwrap();
            (before, sums.loss, sums.correct, sums.seen)
        };
        assert_eq!(run(), (2.0, 2.0, 4, 5));
        assert_eq!(tensors::forced(run), (0.0, 2.0, 4, 5));
    }
}
