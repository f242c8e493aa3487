//! How operations enter a gradient graph: the tape that records on this thread, or candle's own.
//!
//! On the processor an operation reads and writes slices; on any other device it is made of tensor operations, or on a card of kernels
//! for it.

mod grad;

use super::card;
use super::cpu;
use super::tensors::{self, Grads, short};
use crate::nn::tape;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Error, Layout, MetalStorage, Result, Shape,
    Storage, Tensor,
};
pub(crate) use grad::Grad;

/// What an operation's gradients are computed from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeps {
    /// Bit i: argument i.
    pub(crate) args: u8,
    pub(crate) result: bool,
}

/// What was kept, as [`Operation::keeps`] said.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) args: Vec<Option<Tensor>>,
    pub(crate) result: Option<Tensor>,
}

impl Saved {
    /// A kept argument.
    pub(crate) fn arg(&self, i: usize) -> Result<&Tensor> {
        self.args
            .get(i)
            .and_then(Option::as_ref)
            .ok_or_else(|| Error::Msg(format!("argument {i} was not kept")))
    }

    /// The kept result.
    pub(crate) fn result(&self) -> Result<&Tensor> {
        self.result.as_ref().ok_or_else(|| Error::Msg("the result was not kept".to_owned()))
    }
}

/// An operation with a gradient.
pub(crate) trait Operation: Send + Sync + 'static {
    /// What it is called in errors.
    fn name(&self) -> &'static str;

    /// What the gradients of the `wanted` arguments are computed from.
    fn keeps(&self, wanted: &[bool]) -> Keeps;

    /// The result of contiguous f32 arguments, and its shape.
    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape);

    /// The gradients of the arguments, in their shapes, from the result's: `None` for those not `wanted`.
    fn backward(&self, saved: &Saved, grad: Grad, wanted: &[bool]) -> Result<Vec<Option<Grad>>>;

    /// [`Self::forward`] for devices other than the processor: of contiguous f32 arguments that no graph follows. Besides the
    /// arguments nobody may keep the result's storage, which the tape takes.
    fn forward_tensors(&self, args: &[&Tensor]) -> Result<Tensor>;

    /// [`Self::backward`] for devices other than the processor.
    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads;

    /// Whether [`Self::forward_tensors`] and [`Self::backward_tensors`] work on bf16 as it is, all arguments alike: products, and
    /// what only moves values. Others get f32 in its place.
    fn takes_short(&self) -> bool {
        false
    }

    /// [`Self::forward_tensors`] by kernels for cards, where there are some; of activations that may be bf16.
    fn forward_on_card(&self, args: &[&Tensor]) -> Result<Tensor> {
        short::forward(self, args)
    }

    /// [`Self::backward_tensors`] by kernels for cards, where there are some.
    fn backward_on_card(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        short::backward(self, saved, grad, wanted)
    }
}

/// The gradients of an operation's arguments, by its tensor operations or kernels for cards where its result came `of_tensors`.
pub(crate) fn gradients(
    op: &dyn Operation,
    saved: &Saved,
    grad: (Grad, &Shape),
    wanted: &[bool],
    of_tensors: bool,
) -> Result<Vec<Option<Grad>>> {
    if !of_tensors {
        return op.backward(saved, grad.0, wanted);
    }
    let grad = grad.0.into_tensor(grad.1)?.detach().contiguous()?;
    let grads = match card::serves(&grad) {
        true => op.backward_on_card(saved, &grad, wanted)?,
        false => short::backward(op, saved, &grad, wanted)?,
    };
    Ok(grads.into_iter().map(|grad| grad.map(Grad::Shared)).collect())
}

/// Whether [`apply`] can give these arguments to one operation: candle's graph takes no more than three.
pub(crate) fn takes(args: &[&Tensor]) -> bool {
    args.len() <= 3 || tape::recording() || !args.iter().any(|t| t.track_op())
}

/// Applies an operation to contiguous f32 tensors of one device.
pub(crate) fn apply(op: impl Operation, args: &[&Tensor]) -> Result<Tensor> {
    let tracked = args.iter().any(|t| t.track_op());
    let mut made = None;
    if args.iter().any(|t| tensors::serve(t)) {
        // What is computed inside must not enter candle's graph as well.
        let operands = short::operands(&op, args)?;
        let operands: Vec<&Tensor> = operands.iter().collect();
        let result = of_tensors(&op, &operands)?;
        if !tracked {
            return Ok(result);
        }
        if tape::recording() {
            return tape::push(op, args, &operands, Made::Tensor(result));
        }
        made = Some(result);
    }
    if made.is_none() && (!tracked || tape::recording()) {
        let (values, shape) = cpu::with_all_values(args, |args| op.forward(args))?;
        return match tracked {
            true => tape::push(op, args, args, Made::Values(values, shape)),
            false => Tensor::from_vec(values, shape, &candle_core::Device::Cpu),
        };
    }
    match args {
        [a] => a.apply_op1(InGraph { op, made }),
        [a, b] => a.apply_op2(b, InGraph { op, made }),
        [a, b, c] => a.apply_op3(b, c, InGraph { op, made }),
        _ => Err(Error::Msg(format!("{} of {} arguments needs a tape", op.name(), args.len()))),
    }
}

/// The result of an operation.
pub(crate) enum Made {
    /// On the processor.
    Values(Vec<f32>, Shape),
    /// By tensor operations, on their device.
    Tensor(Tensor),
}

/// The result by tensor operations, with values of its own.
fn of_tensors(op: &impl Operation, args: &[&Tensor]) -> Result<Tensor> {
    match args.first().is_some_and(|first| card::serves(first)) {
        true => op.forward_on_card(args)?.contiguous(),
        false => short::forward(op, args)?.contiguous(),
    }
}

/// An operation in candle's graph.
struct InGraph<O> {
    op: O,
    /// The result, where tensor operations have computed it already.
    made: Option<Tensor>,
}

impl<O: Operation> InGraph<O> {
    /// A copy of the result that tensor operations have computed, if they have.
    fn made(&self) -> Result<Option<(Storage, Shape)>> {
        let Some(made) = &self.made else { return Ok(None) };
        let copy = made.force_contiguous()?;
        let (storage, layout) = copy.storage_and_layout();
        Ok(Some((storage.try_clone(layout)?, made.shape().clone())))
    }

    fn made_on_cuda(&self) -> Result<(CudaStorage, Shape)> {
        match self.made()? {
            Some((Storage::Cuda(storage), shape)) => Ok((storage, shape)),
            _ => Err(self.elsewhere()),
        }
    }

    fn made_on_metal(&self) -> Result<(MetalStorage, Shape)> {
        match self.made()? {
            Some((Storage::Metal(storage), shape)) => Ok((storage, shape)),
            _ => Err(self.elsewhere()),
        }
    }

    fn elsewhere(&self) -> Error {
        Error::Msg(format!("{}: the result lies on another device than the arguments", self.op.name()))
    }

    fn forward<const N: usize>(&self, args: [(&CpuStorage, &Layout); N]) -> Result<(CpuStorage, Shape)> {
        match self.made()? {
            Some((Storage::Cpu(storage), shape)) => return Ok((storage, shape)),
            Some(_) => return Err(self.elsewhere()),
            None => {}
        }
        let mut values = [&[] as &[f32]; N];
        for (values, arg) in values.iter_mut().zip(args) {
            *values = cpu::values(arg)?;
        }
        let (values, shape) = self.op.forward(&values);
        Ok((CpuStorage::F32(values), shape))
    }

    fn backward<const N: usize>(
        &self,
        args: [&Tensor; N],
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; N]> {
        let saved =
            Saved { args: args.iter().map(|t| Some(t.detach())).collect(), result: Some(result.detach()) };
        let wanted = args.map(|t| t.track_op());
        let grad = (Grad::Shared(grad.clone()), result.shape());
        let made = gradients(&self.op, &saved, grad, &wanted, self.made.is_some())?;
        let mut grads = made.into_iter();
        let mut out = [const { None }; N];
        for (out, arg) in out.iter_mut().zip(args) {
            let grad = grads.next().flatten().map(|grad| grad.into_tensor(arg.shape())).transpose()?;
            *out = grad.map(|grad| grad.to_dtype(arg.dtype())).transpose()?;
        }
        Ok(out)
    }
}

impl<O: Operation> CustomOp1 for InGraph<O> {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward([(s, l)])
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.made_on_cuda()
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.made_on_metal()
    }

    fn bwd(&self, a: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [a] = self.backward([a], result, grad)?;
        Ok(a)
    }
}

impl<O: Operation> CustomOp2 for InGraph<O> {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward([(s1, l1), (s2, l2)])
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.made_on_cuda()
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.made_on_metal()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok(self.backward([a, b], result, grad)?.into())
    }
}

impl<O: Operation> CustomOp3 for InGraph<O> {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward([(s1, l1), (s2, l2), (s3, l3)])
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.made_on_cuda()
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.made_on_metal()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        Ok(self.backward([a, b, c], result, grad)?.into())
    }
}
