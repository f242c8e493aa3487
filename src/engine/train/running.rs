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

/// What a step adds.
#[derive(Debug)]
pub(crate) struct Added {
    pictures: usize,
    /// The sum of its losses and its hits, where they are known at once.
    known: (f64, usize),
    /// With this step in it.
    unread: Option<[Tensor; 2]>,
}

impl Running {
    /// What a step of this `(loss, logits)` and these classes of its pictures would add.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn with(&self, made: (&Tensor, &Tensor), labels: &[u32]) -> Result<Added> {
        let (loss, logits) = (made.0.detach(), made.1.detach());
        let (pictures, unread) = (labels.len(), self.unread.clone());
        if !tensors::serve(&loss) {
            let loss = f64::from(loss.to_scalar::<f32>()?) * pictures as f64;
            return Ok(Added { pictures, known: (loss, hits_of_values(&logits, labels)?), unread });
        }
        let step = [loss.affine(pictures as f64, 0.0)?, hits(&logits, labels)?];
        let unread = match unread {
            Some([loss, hits]) => [(loss + &step[0])?, (hits + &step[1])?],
            None => step,
        };
        Ok(Added { pictures, known: (0.0, 0), unread: Some(unread) })
    }

    /// Counts a step that was made.
    pub(crate) fn add(&mut self, added: Added, sums: &mut Sums) {
        sums.seen += added.pictures;
        sums.loss += added.known.0;
        sums.correct += added.known.1;
        self.unread = added.unread;
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
            let mut sums = Sums::default();
            let mut running = Running::default();
            let logits = tensor(&[0.1, 0.9, 0.7, 0.3, 0.2, 0.8], &[3, 2]);
            let first = running.with((&tensor(&[0.5], &[]), &logits), &[1, 1, 1]).unwrap();
            // A step that was not made does not count.
            running.with((&tensor(&[9.0], &[]), &logits), &[1, 1, 1]).unwrap();
            running.add(first, &mut sums);
            let logits = tensor(&[0.1, -0.9], &[2, 1]);
            let second = running.with((&tensor(&[0.25], &[]), &logits), &[1, 0]).unwrap();
            running.add(second, &mut sums);
            let before = sums.loss;
            running.read(&mut sums).unwrap();
            (before, sums.loss, sums.correct, sums.seen)
        };
        assert_eq!(run(), (2.0, 2.0, 4, 5));
        assert_eq!(tensors::forced(run), (0.0, 2.0, 4, 5));
    }
}
