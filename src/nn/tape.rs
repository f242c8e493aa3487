//! A record of operations from which gradients are computed without candle's sums.
//!
//! candle's backward pass adds every gradient to zeros on one thread, keeps all activations until it is done, and never writes
//! in place: on the networks here that costs as much as the convolutions. While a [`Tape`] records, the operations of `nn::ops`
//! put themselves on it and give results that to candle are a graph's beginning. The tape's backward pass hands gradients on as
//! they are, adds only where two meet, and lets go of activations as it goes.
//!
//! Other operations of candle may stand in between: where an operation on the tape reads a tensor of candle's graph, the gradient
//! is carried through that graph by candle.

mod recorded;

use super::ops::graph::{self, Grad, Made, Operation, Saved};
use super::ops::tensors;
use crate::error::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;

thread_local! {
    /// The tapes that record on this thread, the innermost last.
    static TAPES: RefCell<Vec<Records>> = RefCell::default();
    /// Gradients of recorded results that candle has computed; none while no tape asks for them.
    static ARRIVED: RefCell<Option<Vec<(TensorId, Tensor)>>> = const { RefCell::new(None) };
}

/// Records the operations of this thread from [`Tape::record`] until it is dropped or read.
#[derive(Debug)]
#[must_use = "operations are recorded only while the tape lives"]
pub struct Tape {
    /// Not to be sent to another thread.
    here: PhantomData<*const ()>,
}

/// What a tape holds.
#[derive(Default)]
struct Records {
    list: Vec<Record>,
    results: HashSet<TensorId>,
}

/// An argument of a recorded operation.
enum Arg {
    /// No gradient wanted.
    Constant,
    /// A parameter, or the result of a recorded operation.
    Leaf(TensorId, Shape, DType),
    /// A result of candle's operations.
    Graph(Tensor),
}

/// A recorded operation.
struct Record {
    op: Box<dyn Operation>,
    args: Vec<Arg>,
    saved: Saved,
    result: (TensorId, Shape),
    /// The result came of tensor operations, and so do the gradients.
    of_tensors: bool,
}

impl Tape {
    /// Starts to record.
    pub fn record() -> Self {
        TAPES.with_borrow_mut(|tapes| tapes.push(Records::default()));
        Self { here: PhantomData }
    }

    /// The gradients of `loss`, which was computed since the tape was started, for all variables that it depends on.
    ///
    /// # Errors
    /// If a gradient cannot be computed.
    pub fn gradients(self, loss: &Tensor) -> Result<GradStore> {
        let mut records = TAPES
            .with_borrow_mut(|tapes| tapes.last_mut().map(|tape| std::mem::take(&mut tape.list)))
            .ok_or_else(|| Error::internal("there is no tape on this thread"))?;
        let mut grads = Gradients::default();
        grads.through_candle(loss)?;
        while let Some(record) = records.pop() {
            let Some((_, grad)) = grads.0.remove(&record.result.0) else { continue };
            let wanted: Vec<bool> = record.args.iter().map(|a| !matches!(a, Arg::Constant)).collect();
            let name = record.op.name();
            let grad = (grad, &record.result.1);
            let made = graph::gradients(&*record.op, &record.saved, grad, &wanted, record.of_tensors)?;
            if made.len() != record.args.len() {
                return Err(Error::internal(format!("{name} gave {} gradients", made.len())));
            }
            // Activations are let go before the next operation needs memory for its own gradients.
            drop(record.saved);
            for (arg, grad) in record.args.into_iter().zip(made) {
                match (arg, grad) {
                    (Arg::Leaf(id, shape, dtype), Some(grad)) => {
                        grads.add(id, shape, grad.of_type(dtype)?)?
                    }
                    (Arg::Graph(tensor), Some(grad)) => {
                        let grad = grad.of_type(tensor.dtype())?.into_tensor(tensor.shape())?;
                        let root = match tensors::serve(&tensor) {
                            // Its gradient is what the tensor is multiplied with.
                            true => (&tensor * grad)?.sum_all()?,
                            false => tensor.apply_op1(Root(grad))?,
                        };
                        grads.through_candle(&root)?;
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

    /// Takes what candle computes from `root` for variables and for recorded results.
    fn through_candle(&mut self, root: &Tensor) -> Result<()> {
        let collecting = Collecting::begin();
        let store = root.backward()?;
        for id in store.get_ids() {
            if let Some(grad) = store.get_id(*id) {
                self.add(*id, grad.shape().clone(), Grad::Shared(grad.detach()))?;
            }
        }
        for (id, grad) in collecting.arrived() {
            self.add(id, grad.shape().clone(), Grad::Shared(grad))?;
        }
        Ok(())
    }
}

/// While it lives, gradients of recorded results are taken from candle.
struct Collecting;

impl Collecting {
    fn begin() -> Self {
        ARRIVED.set(Some(Vec::new()));
        Self
    }

    fn arrived(self) -> Vec<(TensorId, Tensor)> {
        ARRIVED.take().unwrap_or_default()
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        ARRIVED.set(None);
    }
}

/// Whether a tape records on this thread.
pub(crate) fn recording() -> bool {
    TAPES.with_borrow(|tapes| !tapes.is_empty())
}

/// Puts an operation on the tape, which read `operands` where it was given `args`; gives its result.
pub(super) fn push(
    op: impl Operation,
    args: &[&Tensor],
    operands: &[&Tensor],
    made: Made,
) -> candle_core::Result<Tensor> {
    let of_tensors = matches!(made, Made::Tensor(_));
    let result = recorded::recorded(made, operands)?;
    let wanted: Vec<bool> = args.iter().map(|t| t.track_op()).collect();
    let keeps = op.keeps(&wanted);
    let kept = |keep: bool, tensor: &Tensor| keep.then(|| tensor.detach());
    let saved = Saved {
        args: operands.iter().enumerate().map(|(i, t)| kept(keeps.args >> i & 1 == 1, t)).collect(),
        result: kept(keeps.result, &result),
    };
    TAPES.with_borrow_mut(|tapes| {
        let Some(tape) = tapes.last_mut() else { return };
        let arg = |tensor: &&Tensor| match tensor.track_op() {
            false => Arg::Constant,
            true if tensor.is_variable() || tape.results.contains(&tensor.id()) => {
                Arg::Leaf(tensor.id(), tensor.shape().clone(), tensor.dtype())
            }
            true => Arg::Graph((*tensor).clone()),
        };
        let args = args.iter().map(arg).collect();
        tape.results.insert(result.id());
        let result = (result.id(), result.shape().clone());
        tape.list.push(Record { op: Box::new(op), args, saved, result, of_tensors });
    });
    Ok(result)
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
