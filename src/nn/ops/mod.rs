//! Differentiable operations that candle lacks or has too slow, over channels-last f32 tensors. They enter the tape that records, or
//! candle's graph ([`graph`]). On the processor they are kernels of ours; on NVIDIA cards, where there are some, as well ([`card`]);
//! elsewhere tensor operations ([`tensors`]).

pub mod activation;
mod add;
pub mod attention;
pub mod card;
pub mod concat;
pub mod conv;
pub(crate) mod cpu;
pub mod dropout;
mod gemm;
pub(crate) mod graph;
pub mod layer_norm;
pub mod linear;
pub mod memory;
pub mod norm;
pub(crate) mod parallel;
pub mod pool;
pub mod residual;
pub(crate) mod simd;
pub mod squeeze_excite;
pub mod tensors;
#[cfg(test)]
mod testing;
pub mod tokens;

pub use activation::Activation;
pub use add::add;
pub use attention::{attention, attention_weights};
pub use concat::concat_channels;
pub use conv::{Conv2dSpec, PackedConv, conv2d};
pub use dropout::{dropout, dropout_rows};
pub use layer_norm::layer_norm;
pub use linear::{PackedLinear, linear, linear_of_activated, linear_residual};
pub use norm::{BatchStats, batch_norm, batch_norm_add, batch_norm_frozen, batch_norm_frozen_add};
pub use pool::{PoolSpec, avg_pool2d, global_avg_pool, global_max_pool, max_pool2d};
pub use residual::residual;
pub use squeeze_excite::squeeze_excite;
pub use tokens::{embed_patches, pick_tokens};
