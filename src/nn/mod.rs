//! Numerics: differentiable operations on channels-last tensors, parameters, optimizers, schedules and losses.

pub mod init;
pub mod layers;
pub mod loss;
pub mod ops;
pub mod optim;
pub mod params;
pub mod rng;
pub mod schedule;
pub mod tape;
