//! The update rules by tensor operations, for devices other than the processor.

use super::rules::{Rule, Update};
use candle_core::{Result, Tensor};

/// What belongs to a parameter, in its shape; `None` where the rule does not keep it.
pub(super) struct State {
    pub(super) first: Option<Tensor>,
    pub(super) second: Option<Tensor>,
    pub(super) source: Option<Tensor>,
}

impl Update {
    /// The parameter's new values, and its new first and second moment.
    pub(super) fn of_tensors(
        self,
        param: &Tensor,
        grad: &Tensor,
        state: State,
    ) -> Result<(Tensor, Option<Tensor>, Option<Tensor>)> {
        let grad = pulled(param, grad, state.source, self.l2_sp)?.affine(self.clip, 0.0)?;
        let decayed = |grad: Tensor, decay: f64| match decay {
            0.0 => Ok(grad),
            decay => grad + param.affine(decay, 0.0)?,
        };
        match (self.rule, state.first, state.second) {
            (Rule::Sgd { momentum, nesterov }, first, _) => {
                let step = decayed(grad, self.weight_decay)?;
                let Some(first) = first else {
                    return Ok(((param - step.affine(self.lr, 0.0)?)?, None, None));
                };
                let first = (first.affine(momentum, 0.0)? + &step)?;
                let step = if nesterov { (step + first.affine(momentum, 0.0)?)? } else { first.clone() };
                Ok(((param - step.affine(self.lr, 0.0)?)?, Some(first), None))
            }
            (Rule::Adam { beta1, beta2, eps, decoupled }, Some(first), Some(second)) => {
                let correction = |beta: f64| 1.0 - beta.powf(self.step as f64);
                let (shrink, coupled) = if decoupled {
                    (1.0 - self.lr * self.weight_decay, 0.0)
                } else {
                    (1.0, self.weight_decay)
                };
                let grad = decayed(grad, coupled)?;
                let first = (&first + (&grad - &first)?.affine(1.0 - beta1, 0.0)?)?;
                let second = (second.affine(beta2, 0.0)? + grad.sqr()?.affine(1.0 - beta2, 0.0)?)?;
                let root = second.sqrt()?.affine(1.0 / correction(beta2).sqrt(), eps)?;
                let step = first.affine(self.lr / correction(beta1), 0.0)?.div(&root)?;
                Ok(((param.affine(shrink, 0.0)? - step)?, Some(first), Some(second)))
            }
            (Rule::Adam { .. }, ..) => candle_core::bail!("Adam without its moments"),
        }
    }
}

/// The gradient with L2-SP's part.
fn pulled(param: &Tensor, grad: &Tensor, source: Option<Tensor>, l2_sp: f64) -> Result<Tensor> {
    match source {
        Some(source) => grad + (param - source)?.affine(2.0 * l2_sp, 0.0)?,
        None => Ok(grad.clone()),
    }
}

/// Sum of squares of the gradient with L2-SP's part: a scalar, which stays on its device.
pub(super) fn square_sum(
    param: &Tensor,
    grad: &Tensor,
    source: Option<Tensor>,
    l2_sp: f64,
) -> Result<Tensor> {
    pulled(&param.detach(), grad, source, l2_sp)?.sqr()?.sum_all()
}
