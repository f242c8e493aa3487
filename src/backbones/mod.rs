//! Pretrained networks: what is registered, how each is built, and how weights are read into them.

mod block;
mod convnext;
mod densenet;
mod efficientnet;
pub mod head;
pub mod imagenet;
mod mobilenet_v2;
mod mobilenet_v3;
pub mod network;
mod registry;
mod resnet;
mod small_cnn;
mod sources;
pub mod spec;
mod squeezenet;
mod vgg;
mod vit;
pub mod weights;

pub use network::{KeptByStage, KeptValues, Network, ParamCounts};
pub use registry::{find, registry, title};
pub use spec::{BackboneSpec, HubFile, WeightSource};
pub use weights::{LoadReport, StateDict};
