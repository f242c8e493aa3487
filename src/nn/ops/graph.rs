//! How operations enter a gradient graph: the tape that records on this thread, or candle's own.
//!
//! On the processor an operation reads and writes slices; on any other device it is made of tensor operations.

use super::cpu::{self, CHUNK};
use super::memory::filled;
use super::simd;
use super::tensors::{self, Grads};
use crate::nn::tape;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Error, Layout, MetalStorage, Result, Shape,
    Storage, Tensor,
};
use rayon::prelude::*;

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

/// A gradient on its way.
#[derive(Debug)]
pub(crate) enum Grad {
    /// Nobody else has it: it may be written over.
    Owned(Vec<f32>),
    /// To be read only.
    Shared(Tensor),
}

impl Grad {
    /// Calls `body` with the values.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&[f32]) -> R) -> Result<R> {
        match self {
            Self::Owned(values) => Ok(body(values)),
            Self::Shared(tensor) => cpu::with_values([&tensor.contiguous()?], |[values]| body(values)),
        }
    }

    /// The values after `body` has changed them, parcel by parcel of `size`; in place where nobody else has them.
    pub(crate) fn rewrite(self, size: usize, body: impl Fn(usize, &mut [f32]) + Sync) -> Result<Vec<f32>> {
        self.rewrite_with(size, (0..usize::MAX).into_par_iter(), body)
    }

    /// The same where `body` gets an item of `items` with each parcel; there are at least as many.
    pub(crate) fn rewrite_with<T: Send>(
        self,
        size: usize,
        items: impl IndexedParallelIterator<Item = T>,
        body: impl Fn(T, &mut [f32]) + Sync,
    ) -> Result<Vec<f32>> {
        match self {
            Self::Owned(mut values) => {
                values.par_chunks_mut(size).zip(items).for_each(|(to, item)| body(item, to));
                Ok(values)
            }
            Self::Shared(tensor) => cpu::with_values([&tensor.contiguous()?], |[from]| {
                let fill = |to: &mut [f32]| {
                    to.par_chunks_mut(size).zip(from.par_chunks(size)).zip(items).for_each(
                        |((to, from), item)| {
                            to.copy_from_slice(from);
                            body(item, to);
                        },
                    );
                };
                // SAFETY: every chunk is copied before anything else.
                unsafe { filled(from.len(), fill) }
            }),
        }
    }

    /// As a tensor of this shape.
    pub(crate) fn into_tensor(self, shape: &Shape) -> Result<Tensor> {
        match self {
            Self::Owned(values) => Tensor::from_vec(values, shape, &candle_core::Device::Cpu),
            Self::Shared(tensor) => tensor.reshape(shape),
        }
    }

    /// The sum of two, written over one of them where that is allowed.
    pub(crate) fn add(self, other: Self) -> Result<Self> {
        if let (Self::Shared(sum), Self::Shared(other)) = (&self, &other)
            && tensors::serve(sum)
        {
            return Ok(Self::Shared((sum + other.reshape(sum.shape())?)?));
        }
        let (sum, other) = match (self, other) {
            (other, Self::Owned(values)) => (Self::Owned(values), other),
            (sum, other) => (sum, other),
        };
        let add = |values: &[f32]| {
            sum.rewrite(CHUNK, |i, sum| {
                let values = &values[i * CHUNK..i * CHUNK + sum.len()];
                simd::vectorised(
                    #[inline(always)]
                    || sum.iter_mut().zip(values).for_each(|(s, v)| *s += v),
                );
            })
        };
        Ok(Self::Owned(other.with(add)??))
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
}

/// The gradients of an operation's arguments, by its tensor operations where its result came `of_tensors`.
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
    let grads = op.backward_tensors(saved, &grad, wanted)?;
    Ok(grads.into_iter().map(|grad| grad.map(Grad::Shared)).collect())
}

/// Whether [`apply`] can give these arguments to one operation: candle's graph takes no more than three.
pub(crate) fn takes(args: &[&Tensor]) -> bool {
    args.len() <= 3 || tape::recording() || !args.iter().any(|t| t.track_op())
}

/// Applies an operation to contiguous f32 tensors of one device.
pub(crate) fn apply(op: impl Operation, args: &[&Tensor]) -> Result<Tensor> {
    let tracked = args.iter().any(|t| t.track_op());
    let made = match args.iter().any(|t| tensors::serve(t)) {
        true => Some(of_tensors(&op, args)?),
        false => None,
    };
    match made {
        Some(made) if !tracked => return Ok(made),
        Some(made) if tape::recording() => return tape::push(op, args, Made::Tensor(made)),
        _ => {}
    }
    if made.is_none() && (!tracked || tape::recording()) {
        let (values, shape) = cpu::with_all_values(args, |args| op.forward(args))?;
        return match tracked {
            true => tape::push(op, args, Made::Values(values, shape)),
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
    // What is computed inside must not enter candle's graph as well.
    let detached: Vec<Tensor> = args.iter().map(|t| t.detach()).collect();
    op.forward_tensors(&detached.iter().collect::<Vec<_>>())?.contiguous()
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
            *out = grads.next().flatten().map(|grad| grad.into_tensor(arg.shape())).transpose()?;
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
