//! The calls of cuDNN. Its handle belongs to a thread, and so do the plans and the workspace.

use super::plan::{self, Plans, Refused, Sizes};
use super::{Geometry, Onto, Pass};
use candle_core::cuda_backend::cudarc::cudnn::sys::{
    cudnnActivationMode_t, cudnnConvolutionBwdDataAlgo_t as InputAlgorithm,
    cudnnConvolutionBwdFilterAlgo_t as FilterAlgorithm, cudnnConvolutionFwdAlgo_t as ForwardAlgorithm,
    cudnnConvolutionMode_t, cudnnMathType_t, cudnnNanPropagation_t, cudnnStatus_t, cudnnTensorFormat_t,
};
use candle_core::cuda_backend::cudarc::cudnn::{
    ActivationDescriptor, ConvBackwardData, ConvBackwardFilter, ConvBiasActivationForward, ConvDescriptor,
    ConvForward, Cudnn, CudnnDataType, CudnnError, FilterDescriptor, TensorDescriptor,
};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, DevicePtr, DeviceRepr};
use candle_core::cuda_backend::{CudaDType, CudaDevice, CudaStorage, DeviceId};
use candle_core::op::BackpropOp;
use candle_core::{DType, Device, Error, Layout, Result, Storage, StorageRef, Tensor};
use half::bf16;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// What cuDNN's functions give.
type Status<T> = std::result::Result<T, CudnnError>;

thread_local! {
    static ENGINES: RefCell<HashMap<DeviceId, Engine>> = RefCell::default();
}

/// cuDNN on a device.
struct Engine {
    cudnn: Arc<Cudnn>,
    of_f32: Plans<Plan<f32>>,
    of_bf16: Plans<Plan<bf16>>,
    /// One for all convolutions: they run one after the other.
    workspace: Option<CudaSlice<u8>>,
}

impl Engine {
    fn new(device: &CudaDevice) -> Result<Self> {
        let stream = device.cuda_stream();
        // What fails here would be a panic inside of `Cudnn::new`.
        stream.context().bind_to_thread()?;
        let (of_f32, of_bf16) = (Plans::default(), Plans::default());
        Ok(Self { cudnn: Cudnn::new(stream)?, of_f32, of_bf16, workspace: None })
    }

    /// At least as many bytes.
    fn workspace(&mut self, device: &CudaDevice, bytes: usize) -> Result<Option<&mut CudaSlice<u8>>> {
        if let Some(size) = plan::grown(self.workspace.as_ref().map_or(0, CudaSlice::len), bytes) {
            // The old one goes first: there may be no room for both.
            self.workspace = None;
            // SAFETY: scratch memory of cuDNN's, which reads nothing that it has not written.
            self.workspace = Some(unsafe { device.alloc::<u8>(size)? });
        }
        Ok(self.workspace.as_mut())
    }
}

/// What cuDNN convolves here.
trait Value: CudnnDataType + DeviceRepr + CudaDType {
    const ZERO: Self;
    const ONE: Self;

    fn plans(engine: &mut Engine) -> &mut Plans<Plan<Self>>;

    /// How its products may be computed; sums are f32.
    fn math() -> cudnnMathType_t;
}

impl Value for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn plans(engine: &mut Engine) -> &mut Plans<Plan<Self>> {
        &mut engine.of_f32
    }

    fn math() -> cudnnMathType_t {
        match plan::exact(std::env::var("NVIDIA_TF32_OVERRIDE").ok().as_deref()) {
            true => cudnnMathType_t::CUDNN_FMA_MATH,
            false => cudnnMathType_t::CUDNN_DEFAULT_MATH,
        }
    }
}

impl Value for bf16 {
    const ZERO: Self = bf16::ZERO;
    const ONE: Self = bf16::ONE;

    fn plans(engine: &mut Engine) -> &mut Plans<Plan<Self>> {
        &mut engine.of_bf16
    }

    fn math() -> cudnnMathType_t {
        cudnnMathType_t::CUDNN_TENSOR_OP_MATH
    }
}

/// How a pass is run, and for which data.
struct Plan<T> {
    algorithm: Algorithm,
    /// Bytes.
    workspace: usize,
    conv: ConvDescriptor<f32>,
    x: TensorDescriptor<T>,
    filter: FilterDescriptor<T>,
    y: TensorDescriptor<T>,
    bias: TensorDescriptor<T>,
    activation: ActivationDescriptor<T>,
}

#[derive(Clone, Copy)]
enum Algorithm {
    Forward(ForwardAlgorithm),
    Fused(ForwardAlgorithm),
    Input(InputAlgorithm),
    Filter(FilterAlgorithm),
}

/// Those of a pass that always give the same result, the best first.
fn algorithms(pass: Pass) -> &'static [Algorithm] {
    match pass {
        Pass::Forward => &[
            Algorithm::Forward(ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM),
            Algorithm::Forward(ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM),
        ],
        // The only one that takes a bias without a ReLU.
        Pass::Fused { .. } => {
            &[Algorithm::Fused(ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM)]
        }
        Pass::Input => &[Algorithm::Input(InputAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1)],
        Pass::Filter => &[Algorithm::Filter(FilterAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1)],
    }
}

impl<T: Value> Plan<T> {
    fn new(cudnn: &Arc<Cudnn>, pass: Pass, sizes: &Sizes) -> Status<Self> {
        let last = cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
        let mode = cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let mut conv = cudnn.create_conv2d::<f32>(sizes.padding, sizes.stride, sizes.dilation, mode)?;
        conv.set_group_count(sizes.groups)?;
        conv.set_math_type(T::math())?;
        let x = cudnn.create_4d_tensor(last, sizes.x)?;
        let filter = cudnn.create_4d_filter(last, sizes.filter)?;
        let y = cudnn.create_4d_tensor(last, sizes.y)?;
        let bias = cudnn.create_4d_tensor(last, sizes.bias)?;
        let kind = match pass {
            Pass::Fused { relu: true } => cudnnActivationMode_t::CUDNN_ACTIVATION_RELU,
            _ => cudnnActivationMode_t::CUDNN_ACTIVATION_IDENTITY,
        };
        // What is not a number stays so.
        let activation = cudnn.create_activation(kind, cudnnNanPropagation_t::CUDNN_PROPAGATE_NAN, 0.0)?;
        let list = algorithms(pass);
        let mut plan = Self { algorithm: list[0], workspace: 0, conv, x, filter, y, bias, activation };
        if let Some(found) = plan::first_of(list, |algorithm| plan.workspace_of(algorithm)) {
            (plan.algorithm, plan.workspace) = found?;
        }
        Ok(plan)
    }

    fn workspace_of(&self, algorithm: Algorithm) -> Status<usize> {
        match algorithm {
            Algorithm::Forward(algorithm) => self.forward().get_workspace_size(algorithm),
            Algorithm::Fused(algorithm) => self.fused().get_workspace_size(algorithm),
            Algorithm::Input(algorithm) => self.input().get_workspace_size(algorithm),
            Algorithm::Filter(algorithm) => self.of_filter().get_workspace_size(algorithm),
        }
    }

    fn forward(&self) -> ConvForward<'_, T, f32, T> {
        ConvForward { conv: &self.conv, x: &self.x, w: &self.filter, y: &self.y }
    }

    fn fused(&self) -> ConvBiasActivationForward<'_, T, f32, T, T> {
        let Self { conv, x, filter, y, bias, activation, .. } = self;
        ConvBiasActivationForward { conv, act: activation, x, w: filter, z: y, bias, y }
    }

    fn input(&self) -> ConvBackwardData<'_, T, f32, T> {
        ConvBackwardData { conv: &self.conv, dx: &self.x, w: &self.filter, dy: &self.y }
    }

    fn of_filter(&self) -> ConvBackwardFilter<'_, T, f32, T> {
        ConvBackwardFilter { conv: &self.conv, x: &self.x, dw: &self.filter, dy: &self.y }
    }

    /// # Safety
    /// The operands and the result are as large as the descriptors say, in the order of [`Pass`].
    unsafe fn launch(
        &self,
        workspace: Option<&mut CudaSlice<u8>>,
        [a, b]: [&CudaView<'_, T>; 2],
        onto: Option<(&CudaView<'_, T>, Option<&CudaView<'_, T>>)>,
        out: &mut CudaSlice<T>,
    ) -> Status<()> {
        let scale = (T::ONE, T::ZERO);
        match (self.algorithm, onto) {
            (Algorithm::Forward(algorithm), _) => {
                // SAFETY: as this function's.
                unsafe { self.forward().launch(algorithm, workspace, scale, a, b, out) }
            }
            (Algorithm::Input(algorithm), _) => {
                // SAFETY: as this function's.
                unsafe { self.input().launch(algorithm, workspace, scale, out, a, b) }
            }
            (Algorithm::Filter(algorithm), _) => {
                // SAFETY: as this function's.
                unsafe { self.of_filter().launch(algorithm, workspace, scale, a, out, b) }
            }
            (Algorithm::Fused(algorithm), Some((bias, Some(addend)))) => {
                let scale = (T::ONE, T::ONE);
                // SAFETY: as this function's.
                unsafe { self.fused().launch(algorithm, workspace, scale, a, b, addend, bias, out) }
            }
            (Algorithm::Fused(algorithm), Some((bias, None))) => {
                let stream = out.stream().clone();
                let (address, length) = (out.device_ptr(&stream).0, out.len());
                // cuDNN asks for something to add also where it counts nothing: the result, as PyTorch does.
                // SAFETY: valid while the result is; `leak` keeps it from being freed twice.
                let nothing = unsafe { stream.upgrade_device_ptr::<T>(address, length) };
                // SAFETY: as this function's; with a factor of zero `nothing` is not read.
                let status = unsafe {
                    self.fused().launch(algorithm, workspace, scale, a, b, &nothing.slice(..), bias, out)
                };
                nothing.leak();
                status
            }
            (Algorithm::Fused(_), None) => Err(CudnnError(cudnnStatus_t::CUDNN_STATUS_BAD_PARAM)),
        }
    }
}

/// Runs a pass on operands of one device, in the order of [`Pass`]; `None` where cuDNN has nothing for it.
pub(super) fn run(
    pass: Pass,
    geometry: &Geometry,
    operands: [&Tensor; 2],
    onto: Option<Onto<'_>>,
) -> Result<Option<Tensor>> {
    match operands[0].dtype() {
        DType::F32 => run_of::<f32>(pass, geometry, operands, onto),
        DType::BF16 => run_of::<bf16>(pass, geometry, operands, onto),
        _ => Ok(None),
    }
}

fn run_of<T: Value>(
    pass: Pass,
    geometry: &Geometry,
    operands: [&Tensor; 2],
    onto: Option<Onto<'_>>,
) -> Result<Option<Tensor>> {
    let Device::Cuda(device) = operands[0].device() else { return Ok(None) };
    ENGINES.with_borrow_mut(|engines| {
        if !engines.contains_key(&device.id()) {
            engines.insert(device.id(), Engine::new(device)?);
        }
        let Some(engine) = engines.get_mut(&device.id()) else { return Ok(None) };
        let cudnn = engine.cudnn.clone();
        let failed = |e| Error::Msg(format!("cuDNN failed at {pass:?} of {geometry:?}: {e}"));
        let make = |sizes: &Sizes| match Plan::new(&cudnn, pass, sizes) {
            Ok(plan) => Ok(Ok(plan)),
            Err(e) => refused(e).map(Err).ok_or_else(|| failed(e)),
        };
        let Some(plan) = T::plans(engine).get(pass, geometry, make)? else { return Ok(None) };
        let workspace = engine.workspace(device, plan.workspace)?;
        let shape = plan::result_shape(pass, geometry);
        let guards = operands.map(Tensor::storage_and_layout);
        let bias = onto.map(|(bias, _)| bias.storage_and_layout());
        let addend = onto.and_then(|(_, addend)| addend).map(Tensor::storage_and_layout);
        let [a, b] = [values::<T>(&guards[0])?, values(&guards[1])?];
        let (bias, addend) =
            (bias.as_ref().map(values).transpose()?, addend.as_ref().map(values).transpose()?);
        let onto = bias.as_ref().map(|bias| (bias, addend.as_ref()));
        // SAFETY: the pass writes every value, as its result counts nothing of what was there.
        let mut out = unsafe { device.alloc::<T>(shape.iter().product())? };
        // SAFETY: the operands hold the values of their shapes, which are the geometry's and so the descriptors'.
        let launched = unsafe { plan.launch(workspace, [&a, &b], onto, &mut out) };
        match launched {
            Ok(()) => {
                let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(out, device.clone()));
                Ok(Some(Tensor::from_storage(storage, &shape[..], BackpropOp::none(), false)))
            }
            Err(e) => {
                let why = refused(e).ok_or_else(|| failed(e))?;
                T::plans(engine).refuse(pass, geometry, &why);
                Ok(None)
            }
        }
    })
}

/// The values of a contiguous tensor of this type.
fn values<'a, T: Value>((storage, layout): &'a (StorageRef<'_>, &Layout)) -> Result<CudaView<'a, T>> {
    let (Storage::Cuda(storage), Some((begin, end))) = (&**storage, layout.contiguous_offsets()) else {
        candle_core::bail!("operand of shape {:?} is not contiguous on the card", layout.shape());
    };
    Ok(storage.as_cuda_slice::<T>()?.slice(begin..end))
}

/// Why the library has no kernel for a case, where it says so: cuDNN 9's statuses from 2000 (an argument that it does not take) and from
/// 3000 on (a case that it does not support). Nothing was begun then.
fn refused(e: CudnnError) -> Option<Refused> {
    (2000..4000).contains(&(e.0 as u32)).then(|| Refused(e.to_string()))
}
