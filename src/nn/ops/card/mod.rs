//! Kernels of our own for NVIDIA cards, in CUDA C++ (`kernels/*.cu`), and how they are launched.
//!
//! With the feature `cuda`, `build.rs` compiles them by nvcc, and they serve what lies on a card. With the feature `emulated-card`,
//! which is for tests, it compiles the very same files by the host's C++ compiler (`kernels/emulated.h` stands in for CUDA): inside
//! of [`emulated`] they serve what lies on the processor, launched with the grids and arguments that a card would get. Without either
//! nothing of this is ever called, and every other device than the processor computes by tensor operations
//! ([`tensors`](super::tensors)).
//!
//! # Adding an operation
//! 1. A file `kernels/NAME.cu`, or a kernel in one that is there: `KERNEL(name, arguments) { .. }` with pointers, `unsigned` and
//!    `float` as arguments, `Value` as the type of activations, `SHARED(float, name, count)` for shared memory, sums in float.
//!    `build.rs` finds it; there is one module for each file and type of values. Headers (`*.cuh`) are shared: `columns.cuh` is for
//!    whatever goes over rows of channels, `activation.cuh` has the activations. No atomic sums of floats: results must not depend
//!    on chance, so sums are taken in two stages of a fixed order.
//! 2. Beside the operation a file `on_card.rs` that makes results ([`Fresh`]) and launches ([`Launch`]), and in its `Operation`
//!    the methods `forward_on_card` and `backward_on_card`, which call it. Those that are missing fall back to tensor operations.
//!    What many operations have in common (activations, sums of columns, biases) is chosen in [`tensors`](super::tensors), so that
//!    operations which are made of tensor operations have kernels for these parts.
//!    What goes over many tensors at once, or changes them in place, takes a table ([`Launch::table`]), as the optimizer does.
//! 3. The golden tests, the tests of gradients and those of training run it under emulation:
//!    `cargo test --features emulated-card --test emulated_card`; the tests of `nn::ops` do so too with that feature
//!    (`testing::both_ways`).

#![cfg_attr(
    not(any(feature = "cuda", feature = "emulated-card")),
    allow(dead_code, reason = "arguments that nothing can be launched with")
)]

mod columns;
mod cross_entropy;
#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod elementwise;
#[cfg(feature = "emulated-card")]
mod emulated;
mod launch;
#[cfg(any(feature = "cuda", feature = "emulated-card"))]
mod lend;
#[cfg(feature = "cuda")]
mod opening;
pub(crate) mod optimizer;
mod parts;
mod pictures;
mod rows;
#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests;
mod views;

pub(crate) use columns::{Channelwise, Columns, Pass, channelwise, column_sums};
pub(crate) use cross_entropy::{cross_entropy, gradient_of_cross_entropy};
#[cfg(feature = "emulated-card")]
pub use emulated::{emulated, launched};
pub(crate) use launch::{Fresh, Grid, Launch, MAX_THREADS, vector_width};
#[cfg(feature = "cuda")]
pub use opening::open;
pub(crate) use parts::join_parts;
pub(crate) use pictures::{gate, picture_sums};
pub(crate) use views::{Change, LARGEST_VIEW, Recolour, Taps, View, views};

use candle_core::{CudaStorage, Device, Layout, Result, Tensor};

/// Waits until a device is done. What of its memory no tensor holds goes back to the system, where that does not happen by itself.
///
/// # Errors
/// If what the device was doing failed.
pub(crate) fn free_unused(device: &Device) -> Result<()> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(card) = device {
        return opening::free_unused(card);
    }
    device.synchronize()
}

/// Some storage on a storage's card, which is only there to be exchanged for another.
#[cfg(feature = "cuda")]
pub(crate) fn placeholder(beside: &CudaStorage, _: &Layout) -> Result<CudaStorage> {
    cuda::uninitialised(&beside.device, &candle_core::Shape::from(1), candle_core::DType::F32)
}

/// In a build without CUDA.
#[cfg(not(feature = "cuda"))]
pub(crate) fn placeholder(beside: &CudaStorage, layout: &Layout) -> Result<CudaStorage> {
    use candle_core::backend::BackendStorage;
    beside.try_clone(layout)
}

/// Whether kernels serve what is done with `tensor`.
pub(crate) fn serves(tensor: &Tensor) -> bool {
    serves_device(tensor.device())
}

/// Whether kernels serve what is done on this device.
pub(crate) fn serves_device(device: &Device) -> bool {
    #[cfg(feature = "emulated-card")]
    if emulated::is_forced() && device.is_cpu() {
        return true;
    }
    cfg!(feature = "cuda") && device.is_cuda()
}
