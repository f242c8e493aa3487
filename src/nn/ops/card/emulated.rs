//! Launches on the processor, for tests: the same kernels, arguments and grids as on a card.

use super::launch::{Arg, Grid, Launch};
use crate::nn::ops::tensors;
use candle_core::{CpuStorage, DType, Error, Result, Shape, Storage, WithDType, bail};
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
        CpuStorage::U32(values) => whole(values, |v| v == u32::MAX),
        _ => false,
    }
}

/// Runs a kernel.
///
/// # Safety
/// As [`Launch::run`].
pub(super) unsafe fn run(launch: Launch<'_>, grid: Grid) -> Result<()> {
    let Launch { module, kernel, mut args } = launch;
    let elsewhere = || Error::Msg(format!("the kernel {kernel} got values that it cannot take"));
    let locked: Vec<_> = args
        .iter()
        .map(|arg| match arg {
            Arg::Read(tensor) => Some(tensor.storage_and_layout()),
            _ => None,
        })
        .collect();
    let (mut words, mut kinds): (Vec<u64>, Vec<&CStr>) = Default::default();
    for (arg, locked) in args.iter_mut().zip(&locked) {
        let (word, kind) = match (arg, locked) {
            (Arg::Read(_), Some((storage, layout))) => {
                let Storage::Cpu(storage) = &**storage else { return Err(elsewhere()) };
                let (address, size, [kind, _]) = address(storage).ok_or_else(elsewhere)?;
                (address + (layout.start_offset() * size) as u64, kind)
            }
            (Arg::Write(Storage::Cpu(storage)), _) => address_to_write(storage).ok_or_else(elsewhere)?,
            (Arg::Read(_) | Arg::Write(_), _) => return Err(elsewhere()),
            (Arg::Absent, _) => (0, c"n"),
            (Arg::U32(value), _) => (u64::from(*value), c"u"),
            (Arg::F32(value), _) => (u64::from(value.to_bits()), c"f"),
        };
        words.push(word);
        kinds.push(kind);
    }
    let name = CString::new(format!("{module}/{kernel}")).map_err(|e| Error::Msg(e.to_string()))?;
    let mut pointers: Vec<*mut c_void> =
        words.iter_mut().map(|word| std::ptr::from_mut(word).cast()).collect();
    let kinds: Vec<*const c_char> = kinds.iter().map(|kind| kind.as_ptr()).collect();
    let (blocks, threads) = ([grid.blocks[0], grid.blocks[1], 1], [grid.threads[0], grid.threads[1], 1]);
    let count = c_uint::try_from(pointers.len())?;
    // SAFETY: the arguments are as many as are counted, of the types that are named, and the emulation refuses a kernel that takes
    // others; the caller promised that the kernel stays inside of them.
    let error = unsafe {
        let (args, kinds) = (pointers.as_mut_ptr(), kinds.as_ptr());
        headstart_emulated_launch(name.as_ptr(), blocks.as_ptr(), threads.as_ptr(), args, kinds, count)
    };
    LAUNCHED.set(LAUNCHED.get() + 1);
    if !error.is_null() {
        // SAFETY: a string that stays until this thread's next launch.
        let error = unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned();
        bail!("the kernel {module}/{kernel}: {error}");
    }
    drop(locked);
    for arg in &mut args {
        if let Arg::Write(Storage::Cpu(storage)) = arg
            && !guard_is_whole(storage)
        {
            bail!("the kernel {module}/{kernel} wrote behind the end of its result");
        }
    }
    Ok(())
}

/// The address and size of values, and what their type is called as an argument that is read and one that is written.
fn address(storage: &CpuStorage) -> Option<(u64, usize, [&'static CStr; 2])> {
    Some(match storage {
        CpuStorage::F32(values) => (values.as_ptr().expose_provenance() as u64, 4, [c"rf", c"wf"]),
        CpuStorage::BF16(values) => (values.as_ptr().expose_provenance() as u64, 2, [c"rh", c"wh"]),
        CpuStorage::U32(values) => (values.as_ptr().expose_provenance() as u64, 4, [c"ru", c"wu"]),
        _ => return None,
    })
}

/// As [`address`], to be written.
fn address_to_write(storage: &mut CpuStorage) -> Option<(u64, &'static CStr)> {
    let (_, _, [_, kind]) = address(storage)?;
    Some(match storage {
        CpuStorage::F32(values) => (values.as_mut_ptr().expose_provenance() as u64, kind),
        CpuStorage::BF16(values) => (values.as_mut_ptr().expose_provenance() as u64, kind),
        CpuStorage::U32(values) => (values.as_mut_ptr().expose_provenance() as u64, kind),
        _ => return None,
    })
}
