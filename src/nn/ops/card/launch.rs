//! Launches: a kernel, its arguments, its grid.

use candle_core::op::BackpropOp;
use candle_core::{DType, Device, Error, Result, Shape, Storage, Tensor, bail};
use std::ops::Range;

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
        Self::new(like.device(), like.dtype(), shape)
    }

    /// Room for f32 values on the device of `like`.
    pub(crate) fn floats(like: &Tensor, shape: impl Into<Shape>) -> Result<Self> {
        Self::new(like.device(), DType::F32, shape)
    }

    /// Room for values of a type, on a device.
    pub(crate) fn new(device: &Device, dtype: DType, shape: impl Into<Shape>) -> Result<Self> {
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

/// A word of a kernel's arguments: an argument, or a part of a table.
pub(crate) enum Word<'a> {
    /// A pointer to values that are read.
    Read(&'a Tensor),
    /// A pointer to values that are changed in place.
    Update(&'a Tensor),
    /// A pointer to values that are written.
    Write(&'a mut Storage),
    /// A pointer that is null.
    Absent,
    /// A count or a number for something.
    Count(u32),
    /// A number.
    Number(f32),
    /// Two values of four bytes, as a table has them.
    Pair([u32; 2]),
}

/// A kernel and its arguments, given in the kernel's order.
pub(crate) struct Launch<'a> {
    pub(super) module: String,
    pub(super) kernel: &'static str,
    pub(super) words: Vec<Word<'a>>,
    /// Where each argument begins and ends among the words; a table has more than one.
    pub(super) args: Vec<Range<usize>>,
}

impl<'a> Launch<'a> {
    /// A kernel of `kernels/FILE.cu`, in its form for values of this type.
    pub(crate) fn of(file: &str, kernel: &'static str, values: DType) -> Result<Self> {
        let suffix = match values {
            DType::F32 => "f32",
            DType::BF16 => "bf16",
            _ => bail!("the kernel {kernel} has no form for {values:?}"),
        };
        Ok(Self { module: format!("{file}_{suffix}"), kernel, words: Vec::new(), args: Vec::new() })
    }

    fn word(mut self, word: Word<'a>) -> Self {
        self.args.push(self.words.len()..self.words.len() + 1);
        self.words.push(word);
        self
    }

    /// The next argument: values to be read, contiguous.
    pub(crate) fn read(self, tensor: &'a Tensor) -> Self {
        self.word(Word::Read(tensor))
    }

    /// The next argument: values to be read if there are any.
    pub(crate) fn read_if(self, tensor: Option<&'a Tensor>) -> Self {
        self.word(tensor.map_or(Word::Absent, Word::Read))
    }

    /// The next argument: values to be written.
    pub(crate) fn write(self, to: &'a mut Fresh) -> Self {
        self.word(Word::Write(&mut to.storage))
    }

    /// The next argument: values to be written if there is room for them.
    pub(crate) fn write_if(self, to: Option<&'a mut Fresh>) -> Self {
        self.word(to.map_or(Word::Absent, |to| Word::Write(&mut to.storage)))
    }

    /// The next argument: a count or a number for something.
    pub(crate) fn count(self, value: u32) -> Self {
        self.word(Word::Count(value))
    }

    /// The next argument: a number.
    pub(crate) fn number(self, value: f32) -> Self {
        self.word(Word::Number(value))
    }

    /// The next argument: a structure of `size` words, of which the last may be left out.
    pub(crate) fn table(mut self, words: Vec<Word<'a>>, size: usize) -> Self {
        let begin = self.words.len();
        self.words.extend(words);
        self.words.resize_with(begin + size, || Word::Absent);
        self.args.push(begin..begin + size);
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
        let tensors = || {
            self.words.iter().filter_map(|word| match word {
                Word::Read(tensor) | Word::Update(tensor) => Some(*tensor),
                _ => None,
            })
        };
        if let Some(tensor) = tensors().find(|tensor| !tensor.is_contiguous()) {
            bail!("the kernel {} got values that are not contiguous: {:?}", self.kernel, tensor.layout());
        }
        match tensors().next().map(|tensor| tensor.device().clone()) {
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
