//! Launches: a kernel, its arguments, its grid.

use candle_core::op::BackpropOp;
use candle_core::{DType, Device, Error, Result, Shape, Storage, Tensor, bail};

/// Most threads of a block: what the kernels are compiled for.
pub(crate) const MAX_THREADS: u32 = 256;

/// How many blocks of how many threads, `[x, y]` each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    pub(crate) blocks: [u32; 2],
    pub(crate) threads: [u32; 2],
}

impl Grid {
    /// A row of blocks with a thread for each of `count` things.
    pub(crate) fn of_threads(count: usize) -> Result<Self> {
        let blocks = u32::try_from(count.div_ceil(MAX_THREADS as usize))?;
        Ok(Self { blocks: [blocks, 1], threads: [MAX_THREADS, 1] })
    }
}

/// Values in memory of a device that a kernel is to write.
pub(crate) struct Fresh {
    storage: Storage,
    shape: Shape,
}

impl Fresh {
    /// Room for values, on the device and of the type of `like`. Until a kernel has written them they are any values.
    pub(crate) fn like(like: &Tensor, shape: impl Into<Shape>) -> Result<Self> {
        Self::of(like.device(), like.dtype(), shape)
    }

    /// Room for f32 values on the device of `like`.
    pub(crate) fn floats(like: &Tensor, shape: impl Into<Shape>) -> Result<Self> {
        Self::of(like.device(), DType::F32, shape)
    }

    /// Room for values of this type.
    pub(crate) fn of(device: &Device, dtype: DType, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        let storage = match device {
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => super::cuda::uninitialised(device, &shape, dtype).map(Storage::Cuda),
            #[cfg(feature = "emulated-card")]
            Device::Cpu => super::emulated::poisoned(&shape, dtype).map(Storage::Cpu),
            _ => Err(Error::Msg(format!("no kernel serves {dtype:?} {shape:?} on {:?}", device.location()))),
        }?;
        Ok(Self { storage, shape })
    }

    /// The values as a tensor.
    pub(crate) fn into_tensor(self) -> Tensor {
        Tensor::from_storage(self.storage, self.shape, BackpropOp::none(), false)
    }
}

/// An argument of a kernel.
pub(super) enum Arg<'a> {
    /// A pointer to values that are read.
    Read(&'a Tensor),
    /// A pointer to values that are written.
    Write(&'a mut Storage),
    /// A pointer that is null.
    Absent,
    U32(u32),
    F32(f32),
}

/// A kernel and its arguments, given in the kernel's order.
pub(crate) struct Launch<'a> {
    pub(super) module: String,
    pub(super) kernel: &'static str,
    pub(super) args: Vec<Arg<'a>>,
}

impl<'a> Launch<'a> {
    /// A kernel of `kernels/FILE.cu`, in its form for values of this type.
    pub(crate) fn of(file: &str, kernel: &'static str, values: DType) -> Result<Self> {
        let suffix = match values {
            DType::F32 => "f32",
            DType::BF16 => "bf16",
            _ => bail!("the kernel {kernel} has no form for {values:?}"),
        };
        Ok(Self { module: format!("{file}_{suffix}"), kernel, args: Vec::new() })
    }

    /// The next argument: values to be read, contiguous.
    pub(crate) fn read(mut self, tensor: &'a Tensor) -> Self {
        self.args.push(Arg::Read(tensor));
        self
    }

    /// The next argument: values to be read if there are any.
    pub(crate) fn read_if(mut self, tensor: Option<&'a Tensor>) -> Self {
        self.args.push(tensor.map_or(Arg::Absent, Arg::Read));
        self
    }

    /// The next argument: values to be written.
    pub(crate) fn write(mut self, to: &'a mut Fresh) -> Self {
        self.args.push(Arg::Write(&mut to.storage));
        self
    }

    /// The next argument: values to be written if there is room for them.
    pub(crate) fn write_if(mut self, to: Option<&'a mut Fresh>) -> Self {
        self.args.push(to.map_or(Arg::Absent, |to| Arg::Write(&mut to.storage)));
        self
    }

    /// The next argument: a count or a number for something.
    pub(crate) fn count(mut self, value: u32) -> Self {
        self.args.push(Arg::U32(value));
        self
    }

    /// The next argument: a number.
    pub(crate) fn number(mut self, value: f32) -> Self {
        self.args.push(Arg::F32(value));
        self
    }

    /// Launches the kernel; a card has it in its queue then, and what follows on the card waits for it.
    ///
    /// # Safety
    /// With these arguments and this grid, the kernel must read and write inside of the values that it gets, and nothing may be read
    /// that is not written.
    ///
    /// # Errors
    /// If an argument is not contiguous or lies elsewhere, or the launch fails.
    pub(crate) unsafe fn run(self, grid: Grid) -> Result<()> {
        for arg in &self.args {
            if let Arg::Read(tensor) = arg
                && !tensor.is_contiguous()
            {
                bail!("the kernel {} got values that are not contiguous: {:?}", self.kernel, tensor.layout());
            }
        }
        let device = self.args.iter().find_map(|arg| match arg {
            Arg::Read(tensor) => Some(tensor.device().clone()),
            _ => None,
        });
        match device {
            #[cfg(feature = "cuda")]
            // SAFETY: the caller's promise.
            Some(Device::Cuda(device)) => unsafe { super::cuda::run(&device, self, grid) },
            #[cfg(feature = "emulated-card")]
            // SAFETY: the caller's promise.
            Some(Device::Cpu) => unsafe { super::emulated::run(self, grid) },
            _ => bail!("no kernel {} for these {} blocks", self.kernel, grid.blocks[0]),
        }
    }
}

/// Neighbours that a thread takes at once of rows of `channels` values: 16 bytes of the tensors' type where each begins at a
/// multiple of that, or 1.
pub(crate) fn vector_width(channels: usize, tensors: &[&Tensor]) -> u32 {
    let size = tensors.first().map_or(1, |t| t.dtype().size_in_bytes());
    let wide = 16 / size;
    let aligned = |t: &&Tensor| (t.layout().start_offset() * t.dtype().size_in_bytes()).is_multiple_of(16);
    if channels.is_multiple_of(wide) && tensors.iter().all(aligned) { wide as u32 } else { 1 }
}
