//! A record of operations from which gradients are computed without candle's sums.
//!
//! candle's backward pass adds every gradient to zeros on one thread, keeps all activations until it is done, and never writes
//! in place: on the networks here that costs as much as the convolutions. While a [`Tape`] records, operations that
//! know it ([`apply`]) put themselves on it and give results that candle takes for variables. Its backward pass hands
//! gradients on as they are, adds only where two meet, and lets go of activations as it goes.
//!
//! Other operations of candle may stand in between: where an operation on the tape reads a tensor of candle's graph, the gradient
//! is carried through that graph by candle.

use super::ops::graph::{Grad, Operation, Saved};
use crate::error::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::op::BackpropOp;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Storage, Tensor, TensorId};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::marker::PhantomData;

thread_local! {
    static PAUSED: Cell<bool> = const { Cell::new(false) };
    /// The tapes that record on this thread, the innermost last.
    static TAPES: RefCell<Vec<Vec<Record>>> = const { RefCell::new(Vec::new()) };
}

/// Records the operations of this thread from [`Tape::record`] until it is dropped or read.
#[derive(Debug)]
#[must_use = "operations are recorded only while the tape lives"]
pub struct Tape {
    /// Not to be sent to another thread.
    here: PhantomData<*const ()>,
}

/// An argument of a recorded operation.
enum Arg {
    /// No gradient wanted.
    Constant,
    /// A parameter, or the result of a recorded operation.
    Leaf(TensorId, Shape),
    /// A result of candle's operations.
    Graph(Tensor),
}

/// A recorded operation.
struct Record {
    op: Box<dyn Operation>,
    args: Vec<Arg>,
    saved: Saved,
    result: TensorId,
}

impl Tape {
    /// Starts to record.
    pub fn record() -> Self {
        TAPES.with_borrow_mut(|tapes| tapes.push(Vec::new()));
        Self { here: PhantomData }
    }

    /// The gradients of `loss`, which was computed since the tape was started, for all variables that it depends on.
    ///
    /// # Errors
    /// If a gradient cannot be computed.
    pub fn gradients(self, loss: &Tensor) -> Result<GradStore> {
        let mut records = TAPES
            .with_borrow_mut(|tapes| tapes.last_mut().map(std::mem::take))
            .ok_or_else(|| Error::internal("there is no tape on this thread"))?;
        let mut grads = Gradients::default();
        grads.take(&loss.backward()?)?;
        while let Some(record) = records.pop() {
            let Some((_, grad)) = grads.0.remove(&record.result) else { continue };
            let wanted: Vec<bool> = record.args.iter().map(|a| !matches!(a, Arg::Constant)).collect();
            let name = record.op.name();
            let made = record.op.backward(&record.saved, grad, &wanted)?;
            if made.len() != record.args.len() {
                return Err(Error::internal(format!("{name} gave {} gradients", made.len())));
            }
            // Activations are let go before the next operation needs memory for its own gradients.
            drop(record.saved);
            for (arg, grad) in record.args.into_iter().zip(made) {
                match (arg, grad) {
                    (Arg::Leaf(id, shape), Some(grad)) => grads.add(id, shape, grad)?,
                    (Arg::Graph(tensor), Some(grad)) => {
                        let root = tensor.apply_op1(Root(grad.into_tensor(tensor.shape())?))?;
                        grads.take(&root.backward()?)?;
                    }
                    _ => {}
                }
            }
        }
        let mut store = loss.detach().backward()?;
        for (id, (shape, grad)) in grads.0 {
            store.insert_id(id, grad.into_tensor(&shape)?);
        }
        Ok(store)
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        TAPES.with_borrow_mut(Vec::pop);
    }
}

/// Gradients that have arrived so far.
#[derive(Default)]
struct Gradients(HashMap<TensorId, (Shape, Grad)>);

impl Gradients {
    fn add(&mut self, id: TensorId, shape: Shape, grad: Grad) -> Result<()> {
        let sum = match self.0.remove(&id) {
            Some((_, there)) => there.add(grad)?,
            None => grad,
        };
        self.0.insert(id, (shape, sum));
        Ok(())
    }

    /// Takes what candle computed.
    fn take(&mut self, store: &GradStore) -> Result<()> {
        for id in store.get_ids() {
            if let Some(grad) = store.get_id(*id) {
                self.add(*id, grad.shape().clone(), Grad::Shared(grad.detach()))?;
            }
        }
        Ok(())
    }
}

/// Whether a tape records on this thread.
pub(crate) fn recording() -> bool {
    !PAUSED.get() && TAPES.with_borrow(|tapes| !tapes.is_empty())
}

/// Runs `forward` with operations on candle's graph although a tape may record. For a chain of blocks that candle's operations
/// link: each recorded operation in it would have candle carry its gradient through all blocks before.
pub(crate) fn paused<T>(forward: impl FnOnce() -> T) -> T {
    let before = PAUSED.replace(true);
    let result = forward();
    PAUSED.set(before);
    result
}

/// Puts an operation on the tape; gives its result.
pub(super) fn push(op: impl Operation, args: &[&Tensor], values: Vec<f32>, shape: Shape) -> Tensor {
    let result = Tensor::from_storage(Storage::Cpu(CpuStorage::F32(values)), shape, BackpropOp::none(), true);
    let wanted: Vec<bool> = args.iter().map(|t| t.track_op()).collect();
    let keeps = op.keeps(&wanted);
    let kept = |keep: bool, tensor: &Tensor| keep.then(|| tensor.detach());
    let saved = Saved {
        args: args.iter().enumerate().map(|(i, t)| kept(keeps.args >> i & 1 == 1, t)).collect(),
        result: kept(keeps.result, &result),
    };
    let arg = |tensor: &&Tensor| match (tensor.is_variable(), tensor.track_op()) {
        (true, _) => Arg::Leaf(tensor.id(), tensor.shape().clone()),
        (false, true) => Arg::Graph((*tensor).clone()),
        (false, false) => Arg::Constant,
    };
    let args = args.iter().map(arg).collect();
    let record = Record { op: Box::new(op), args, saved, result: result.id() };
    TAPES.with_borrow_mut(|tapes| {
        if let Some(tape) = tapes.last_mut() {
            tape.push(record);
        }
    });
    result
}

/// The root of a backward pass through candle's graph: gives the tensor this gradient.
struct Root(Tensor);

impl CustomOp1 for Root {
    fn name(&self) -> &'static str {
        "gradient"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}

#[cfg(test)]
mod tests;
