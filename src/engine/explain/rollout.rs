//! Attention rollout (Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers").

use super::{HeatMap, HeatMethod};
use crate::backbones::Network;
use crate::config::Pooling;
use crate::error::{Error, Result};
use crate::nn::layers::Forward;
use candle_core::{D, Tensor};

/// How much of each patch reaches what the head reads: the product over the blocks of their attention, mean over heads, with the
/// identity added for what passes by, rows made to sum to 1 (equation 1). Of the class token's row the patches; where the
/// features are pooled patches, the mean of the patches' rows.
///
/// # Shapes
/// `x: [1, H, W, 3]`; the map has the patches' positions.
///
/// # Errors
/// If the network has no attention, or the input does not fit.
pub fn attention_rollout(network: &Network, x: &Tensor) -> Result<HeatMap> {
    let f = Forward::eval(&network.store);
    let mut x = x.clone();
    let mut joint: Option<Tensor> = None;
    for stage in 0..network.stage_count() {
        if let Some(attention) = network.attention(&f, &x, stage)? {
            let attention = attention.flatten_to(D::Minus(3))?.squeeze(0)?;
            let step = with_identity(&attention)?;
            joint = Some(match joint {
                Some(before) => step.matmul(&before)?,
                None => step,
            });
        }
        x = network.forward_stages(&f, &x, stage, stage + 1)?;
    }
    let joint = joint.ok_or_else(|| {
        Error::input("what is left of this network has no attention, so there is none to show")
    })?;
    let rows = match network.pooling() {
        Pooling::Token => joint.narrow(0, 0, 1)?,
        _ => joint.narrow(0, 1, joint.dim(0)? - 1)?,
    };
    let values: Vec<f32> = rows.mean(0)?.narrow(0, 1, joint.dim(1)? - 1)?.to_vec1()?;
    let side = values.len().isqrt();
    if side * side != values.len() {
        return Err(Error::internal(format!("{} patches are no square", values.len())));
    }
    Ok(HeatMap { method: HeatMethod::AttentionRollout, rows: side, columns: side, values })
}

/// `(A + I)` with rows that sum to 1, for rows of `A` that do.
fn with_identity(attention: &Tensor) -> Result<Tensor> {
    let identity = Tensor::eye(attention.dim(0)?, attention.dtype(), attention.device())?;
    Ok(((attention + identity)? * 0.5)?)
}
