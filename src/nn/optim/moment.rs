//! Values that an optimizer keeps beside a parameter, on the device of the parameter.

use candle_core::{Device, Result, Tensor};

/// One value for each of a parameter's.
#[derive(Debug)]
pub(super) enum Moment {
    /// On the processor; empty before the first step.
    Values(Vec<f32>),
    /// In the parameter's shape, on other devices.
    Tensor(Tensor),
}

impl Default for Moment {
    fn default() -> Self {
        Self::Values(Vec::new())
    }
}

impl Moment {
    /// The values, moved to the processor if they are not there.
    pub(super) fn values(&mut self) -> Result<&[f32]> {
        Ok(self.at_home()?)
    }

    /// The same to be changed, `count` of them: zeros where there are none yet.
    pub(super) fn grown(&mut self, count: usize) -> Result<&mut [f32]> {
        let values = self.at_home()?;
        values.resize(count, 0.0);
        Ok(values)
    }

    /// The values in the shape and on the device of a parameter: zeros where there are none yet.
    pub(super) fn tensor(&mut self, like: &Tensor) -> Result<Tensor> {
        let tensor = match self {
            Self::Tensor(tensor) => return Ok(tensor.clone()),
            Self::Values(values) if values.is_empty() => like.zeros_like()?,
            Self::Values(values) => Tensor::from_slice(values, like.shape(), like.device())?,
        };
        *self = Self::Tensor(tensor.clone());
        Ok(tensor)
    }

    /// As a checkpoint keeps them, flat and on the processor; `None` where there are none.
    pub(super) fn saved(&self) -> Result<Option<Tensor>> {
        match self {
            Self::Values(values) if values.is_empty() => Ok(None),
            Self::Values(values) => Tensor::from_slice(values, values.len(), &Device::Cpu).map(Some),
            // A copy also where it is on the processor already: kernels for cards change it in place.
            Self::Tensor(tensor) if tensor.device().is_cpu() => tensor.flatten_all()?.copy().map(Some),
            Self::Tensor(tensor) => tensor.flatten_all()?.to_device(&Device::Cpu).map(Some),
        }
    }

    fn at_home(&mut self) -> Result<&mut Vec<f32>> {
        if let Self::Tensor(tensor) = self {
            *self = Self::Values(tensor.flatten_all()?.to_vec1()?);
        }
        match self {
            Self::Values(values) => Ok(values),
            Self::Tensor(_) => candle_core::bail!("the optimizer's state did not come back to the processor"),
        }
    }
}
