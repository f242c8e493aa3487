//! Training, evaluation and prediction. Knows nothing of windows: it reports through [`TrainEvent`]s and obeys a [`Control`].

pub mod analysis;
mod at_once;
pub mod companion;
pub mod control;
pub mod device;
pub mod devices;
pub mod evaluate;
pub mod events;
pub mod explain;
pub mod features;
mod forward;
mod keys;
mod lbfgs;
mod logistic;
pub mod memory;
pub mod metrics;
mod mix;
mod picture_cache;
pub mod predict;
pub mod preview;
mod speed;
pub mod train;
mod views;

pub use analysis::Analysis;
pub use control::Control;
pub(crate) use device::{computes_in_bf16, device_name, free_unused, peak_rss_mib};
pub use device::{device, is_built_in};
pub use evaluate::{Evaluation, Prediction, evaluate};
pub use events::{
    BatchChange, BatchReason, CacheProgress, EpochRecord, HardPicture, StepProgress, TrainEvent,
};
pub use explain::{Explanation, HeatMap, HeatMethod};
pub use features::{Familiar, Features, Unlike};
pub use metrics::{ClassMetrics, ConfusionMatrix};
pub use predict::{Classifier, Ranked, model_sha256};
pub use preview::{PreviewRequest, Previewer};
pub use speed::{Speed, speed};
pub use train::{Summary, TrainJob, TrainOutcome, check_unfinished, train};
