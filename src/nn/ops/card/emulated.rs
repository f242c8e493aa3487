//! Launches on the processor, for tests: the same kernels, arguments and grids as on a card.

use super::launch::{Grid, Launch, Word};
use super::lend::with_updates;
use crate::nn::ops::tensors;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, Error, Result, Shape, Storage, WithDType, bail};
use std::any::Any;
use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_uint, c_void};

thread_local! {
    static FORCED: Cell<bool> = const { Cell::new(false) };
    static LAUNCHED: Cell<u64> = const { Cell::new(0) };
}

/// Values behind the end of what a kernel may write, which tell when it writes further.
const GUARD: usize = 64;

unsafe extern "C" {
    /// See `kernels/emulated.h`.
    fn headstart_emulated_launch(
        kernel: *const c_char,
        grid: *const c_uint,
        threads: *const c_uint,
        args: *mut *mut c_void,
        kinds: *const *const c_char,
        count: c_uint,
    ) -> *const c_char;
}

/// Calls `body` with every operation of this thread computed as on a card: by the kernels for cards where there are some, by tensor
/// operations elsewhere.
pub fn emulated<R>(body: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _before = Before(FORCED.replace(true));
    tensors::forced(body)
}

/// How many kernels this thread has launched.
pub fn launched() -> u64 {
    LAUNCHED.get()
}

/// Whether this thread is inside of [`emulated`].
pub(super) fn is_forced() -> bool {
    FORCED.get()
}

/// Values that are not a number, so that a test finds one which a kernel did not write.
pub(super) fn poisoned(shape: &Shape, dtype: DType) -> Result<CpuStorage> {
    fn values<T: Copy>(count: usize, poison: T) -> Vec<T> {
        let mut values = vec![poison; count + GUARD];
        values.truncate(count);
        values
    }
    let count = shape.elem_count();
    Ok(match dtype {
        DType::F32 => CpuStorage::F32(values(count, f32::NAN)),
        DType::BF16 => CpuStorage::BF16(values(count, WithDType::from_f64(f64::NAN))),
        DType::F64 => CpuStorage::F64(values(count, f64::NAN)),
        DType::U32 => CpuStorage::U32(values(count, u32::MAX)),
        _ => bail!("no emulated kernel writes {dtype:?}"),
    })
}

/// Whether the values behind the end are still what [`poisoned`] made them.
fn guard_is_whole(storage: &mut CpuStorage) -> bool {
    fn whole<T: Copy>(values: &mut Vec<T>, is_poison: impl Fn(T) -> bool) -> bool {
        // SAFETY: `poisoned` wrote them before it shortened the vector.
        values.spare_capacity_mut()[..GUARD].iter().all(|value| is_poison(unsafe { value.assume_init() }))
    }
    match storage {
        CpuStorage::F32(values) => whole(values, f32::is_nan),
        CpuStorage::BF16(values) => whole(values, |v| v.to_f64().is_nan()),
        CpuStorage::F64(values) => whole(values, f64::is_nan),
        CpuStorage::U32(values) => whole(values, |v| v == u32::MAX),
        _ => false,
    }
}

/// Runs a kernel.
///
/// # Safety
/// As [`Launch::run`].
pub(super) unsafe fn run(launch: Launch<'_>, grid: Grid) -> Result<()> {
    let Launch { module, kernel, mut words, args } = launch;
    let elsewhere = || Error::Msg(format!("the kernel {kernel} got values that it cannot take"));
    let locked: Vec<_> = words
        .iter()
        .map(|word| match word {
            Word::Read(tensor) => Some(tensor.storage_and_layout()),
            _ => None,
        })
        .collect();
    let mut values: Vec<u64> = Vec::with_capacity(words.len());
    let mut kinds: Vec<String> = Vec::with_capacity(words.len());
    let mut updated = Vec::new();
    for (at, (word, locked)) in words.iter_mut().zip(&locked).enumerate() {
        let (value, kind) = match (word, locked) {
            (Word::Read(tensor), Some((storage, layout))) => {
                let Storage::Cpu(storage) = &**storage else { return Err(elsewhere()) };
                let begin = layout.start_offset() * tensor.dtype().size_in_bytes();
                (address(storage).ok_or_else(elsewhere)? + begin as u64, kind(tensor.dtype(), "r")?)
            }
            (Word::Update(tensor), _) => {
                updated.push((at, *tensor));
                (0, kind(tensor.dtype(), "w")?)
            }
            (Word::Write(Storage::Cpu(storage)), _) => {
                (address_to_write(storage).ok_or_else(elsewhere)?, kind(storage.dtype(), "w")?)
            }
            (Word::Read(_) | Word::Write(_), _) => return Err(elsewhere()),
            (Word::Absent, _) => (0, "n".to_owned()),
            (Word::Count(value), _) => (u64::from(*value), "u".to_owned()),
            (Word::Number(value), _) => (u64::from(value.to_bits()), "f".to_owned()),
            (Word::Pair([low, high]), _) => (u64::from(*low) | u64::from(*high) << 32, "u".to_owned()),
        };
        values.push(value);
        kinds.push(kind);
    }
    // A table is known by its size, in bytes.
    let kinds = args.iter().map(|arg| match arg.len() {
        1 => kinds[arg.start].clone(),
        words => format!("t{}", 8 * words),
    });
    let text = |text: String| CString::new(text).map_err(|e| Error::Msg(e.to_string()));
    let kinds = kinds.map(text).collect::<Result<Vec<_>>>()?;
    let name = text(format!("{module}/{kernel}"))?;
    let with_address = |storage: &mut dyn Any, with: &mut dyn FnMut(u64) -> Result<()>| {
        let begin = storage.downcast_mut::<CpuStorage>().and_then(address_to_write);
        with(begin.ok_or_else(elsewhere)?)
    };
    with_updates(&updated, &mut values, &with_address, &mut |values| {
        let base = values.as_mut_ptr();
        // SAFETY: arguments begin among the values.
        let mut args: Vec<*mut c_void> =
            args.iter().map(|arg| unsafe { base.add(arg.start) }.cast()).collect();
        let kinds: Vec<*const c_char> = kinds.iter().map(|kind| kind.as_ptr()).collect();
        let blocks = [grid.blocks[0], grid.blocks[1], 1];
        let threads = [grid.threads[0], grid.threads[1], 1];
        let count = c_uint::try_from(args.len())?;
        // SAFETY: the arguments are as many as are counted, of the types that are named, and the emulation refuses a kernel that
        // takes others; the caller promised that the kernel stays inside of them.
        let error = unsafe {
            let (args, kinds) = (args.as_mut_ptr(), kinds.as_ptr());
            headstart_emulated_launch(name.as_ptr(), blocks.as_ptr(), threads.as_ptr(), args, kinds, count)
        };
        LAUNCHED.set(LAUNCHED.get() + 1);
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: a string that stays until this thread's next launch.
        let error = unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned();
        bail!("the kernel {module}/{kernel}: {error}")
    })?;
    drop(locked);
    for word in &mut words {
        if let Word::Write(Storage::Cpu(storage)) = word
            && !guard_is_whole(storage)
        {
            bail!("the kernel {module}/{kernel} wrote behind the end of its result");
        }
    }
    Ok(())
}

/// What a pointer is called to values that are only read, `r`, or also written, `w`.
fn kind(dtype: DType, access: &str) -> Result<String> {
    Ok(match dtype {
        DType::F32 => format!("{access}f"),
        DType::BF16 => format!("{access}h"),
        DType::F64 => format!("{access}d"),
        DType::U32 => format!("{access}u"),
        _ => bail!("no kernel takes {dtype:?}"),
    })
}

fn address(storage: &CpuStorage) -> Option<u64> {
    Some(match storage {
        CpuStorage::F32(values) => values.as_ptr().expose_provenance() as u64,
        CpuStorage::BF16(values) => values.as_ptr().expose_provenance() as u64,
        CpuStorage::F64(values) => values.as_ptr().expose_provenance() as u64,
        CpuStorage::U32(values) => values.as_ptr().expose_provenance() as u64,
        _ => return None,
    })
}

fn address_to_write(storage: &mut CpuStorage) -> Option<u64> {
    Some(match storage {
        CpuStorage::F32(values) => values.as_mut_ptr().expose_provenance() as u64,
        CpuStorage::BF16(values) => values.as_mut_ptr().expose_provenance() as u64,
        CpuStorage::F64(values) => values.as_mut_ptr().expose_provenance() as u64,
        CpuStorage::U32(values) => values.as_mut_ptr().expose_provenance() as u64,
        _ => return None,
    })
}
