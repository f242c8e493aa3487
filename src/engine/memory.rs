//! Memory: how much training will take, and how much is taken and free now.

use crate::backbones::{Network, find};
use crate::config::{OptimizerKind, PlannedPhase, Solver, TrainConfig};
use crate::data::augment::sufficient_side;
use crate::error::Result;
use serde::Serialize;

/// Bytes of a value.
const VALUE: u64 = 4;
/// The program with its threads, before anything is trained.
const PROGRAM: u64 = 30 << 20;
/// Copies of all weights at the most: the network, its file as read, frozen layers prepared for speed, and the model as it is
/// written at the end.
const COPIES: u64 = 8;
/// What learning adds for each weight that learns: the gradient, the best epoch, and the checkpoint while it is written.
const LEARNING: u64 = 5;
/// Copies of each value of the optimizer's state: itself, and the checkpoint's.
const STATE_COPIES: u64 = 3;
/// Pictures that are decoded together; as many are made ready while those before are worked on.
const AT_ONCE: u64 = 16;

/// What training is estimated to take at the most, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Weights, in all copies that are made of them.
    pub weights: u64,
    /// Gradients, the optimizer's state, and copies of what learns.
    pub learning: u64,
    /// Activations of a step, kept for the gradient.
    pub activations: u64,
    /// Pictures and features that are kept so that they are not made twice, and pictures in the making.
    pub pictures: u64,
}

impl MemoryEstimate {
    /// All of it, the program included.
    pub fn total(&self) -> u64 {
        PROGRAM + self.weights + self.learning + self.activations + self.pictures
    }
}

/// Estimates what training takes at the most with these settings, for so many classes, training and validation pictures. From the
/// shapes of the network; true peaks of resnet18 and mobilenet_v2, full and frozen, are within a factor of 1.5 (see the test).
///
/// # Errors
/// If the backbone is not registered, or the settings do not fit it.
pub fn estimate(
    config: &TrainConfig,
    classes: usize,
    (train, val): (usize, usize),
) -> Result<MemoryEstimate> {
    let spec = find(&config.backbone.name)?;
    let cut = config.backbone.cut_stage.as_deref();
    let counts = Network::param_counts(spec, cut, &config.head, classes)?;
    let kept = Network::kept_values(spec, cut, &config.head, classes)?;
    let (stages, side) = (counts.stages.len(), spec.preprocess.crop_px as u64);
    let resolved = config.train.resolve(config.backbone.weights.is_some());
    let plan = match config.train.solver {
        Solver::Logistic => Vec::new(),
        Solver::Gradient => config.train.plan(config.backbone.weights.is_some()),
    };
    let state = match resolved.optimizer {
        OptimizerKind::Sgd => 1,
        OptimizerKind::Adam | OptimizerKind::AdamW => 2,
    };
    let of_phase = |phase: &PlannedPhase| {
        let first = phase.first_stage(stages);
        let learning = counts.split(first).1 as u64 * VALUE * (LEARNING + state * STATE_COPIES);
        let values: usize = kept.stages.iter().skip(first).map(|s| s.kept).sum();
        (learning, (values + kept.features) as u64 * VALUE * resolved.batch_size.min(train.max(1)) as u64)
    };
    let widest = plan.iter().map(of_phase).max_by_key(|(a, b)| a + b).unwrap_or_default();
    let (weights, _) = counts.split(stages);
    let views = if config.augment.enabled { config.augment.views as u64 } else { 1 };
    let rows = train as u64 * views + val as u64;
    let looked_at = plan.iter().any(|p| p.first_stage(stages) == 0);
    // What a phase reads: features, maps at its boundary, or the pictures.
    let tables: u64 = plan
        .iter()
        .map(|p| match p.first_stage(stages) {
            0 => 0,
            first if first == stages => rows * kept.features as u64 * VALUE,
            first => rows * kept.stages.get(first - 1).map_or(0, |s| s.output) as u64 * VALUE,
        })
        .max()
        .unwrap_or(rows * kept.features as u64 * VALUE);
    let source = sufficient_side(spec.preprocess.crop_px, &config.augment) as u64;
    // As bytes, and a third wider than high.
    let decoded =
        if looked_at { train as u64 * source * source * 4 + val as u64 * side * side * 3 } else { 0 };
    let in_the_making = 2 * AT_ONCE * side * side * 3 * VALUE * if looked_at { 1 } else { views };
    let room = (config.data.cache_mib as u64) << 20;
    Ok(MemoryEstimate {
        weights: (weights + counts.head) as u64 * VALUE * COPIES,
        learning: widest.0,
        activations: widest.1,
        pictures: (tables + decoded).min(room) + in_the_making,
    })
}

/// Memory that this process takes now, in bytes; on the processor, that is where training is. None where the system does not tell
/// (anywhere but Linux).
pub fn in_use() -> Option<u64> {
    kib("/proc/self/status", "VmRSS:")
}

/// Memory in use while work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryUse {
    /// This program's, in bytes; none where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The graphics card's; none where the work is done on the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<CardMemory>,
}

/// Memory of a graphics card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CardMemory {
    /// Bytes in use: by all programs on an NVIDIA card, by this one on Apple's graphics.
    pub used: u64,
    /// Bytes in all: of Apple's graphics, as many as it recommends to use.
    pub total: u64,
}

impl CardMemory {
    /// Bytes that are free.
    pub fn free(&self) -> u64 {
        self.total.saturating_sub(self.used)
    }
}

/// Memory that programs could still take, in bytes; none where the system does not tell.
pub fn free() -> Option<u64> {
    kib("/proc/meminfo", "MemAvailable:")
}

/// The largest memory that this process has taken so far, in bytes; none where the system does not tell.
pub fn peak() -> Option<u64> {
    kib("/proc/self/status", "VmHWM:")
}

fn kib(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainMode;

    /// `peak_rss_mib` of the release build's `headstart-cli train` on 48 training and 16 validation pictures of ants and bees, one
    /// epoch, two threads, `train.head_epochs=0`, 22 November 2026.
    const MEASURED: [(&str, TrainMode, usize, u64); 9] = [
        ("resnet18", TrainMode::Full, 8, 957),
        ("resnet18", TrainMode::Full, 16, 1188),
        ("resnet18", TrainMode::Full, 32, 1784),
        ("resnet18", TrainMode::LastStages, 16, 806),
        ("resnet18", TrainMode::Frozen, 16, 386),
        ("mobilenet_v2", TrainMode::Full, 8, 690),
        ("mobilenet_v2", TrainMode::Full, 16, 1177),
        ("mobilenet_v2", TrainMode::Full, 32, 2979),
        ("mobilenet_v2", TrainMode::Frozen, 16, 145),
    ];

    fn estimated_mib(backbone: &str, mode: TrainMode, batch: usize) -> f64 {
        let mut c = TrainConfig::default();
        c.backbone.name = backbone.to_owned();
        (c.train.mode, c.train.batch_size, c.train.head_epochs) = (mode, Some(batch), Some(0));
        estimate(&c, 2, (48, 16)).unwrap().total() as f64 / f64::from(1 << 20)
    }

    #[test]
    fn true_peaks_are_within_a_factor_of_one_and_a_half() {
        for (backbone, mode, batch, measured) in MEASURED {
            let ratio = estimated_mib(backbone, mode, batch) / measured as f64;
            assert!((1.0 / 1.5..1.5).contains(&ratio), "{backbone} {mode:?} {batch}: {ratio:.2}");
        }
    }

    #[test]
    fn every_network_has_an_estimate_that_grows_with_what_learns_and_with_the_batch() {
        for spec in crate::backbones::registry() {
            let of = |mode, batch| estimated_mib(spec.name, mode, batch);
            let (head, some) = (of(TrainMode::Frozen, 8), of(TrainMode::LastStages, 8));
            let (all, more) = (of(TrainMode::Full, 8), of(TrainMode::Full, 16));
            assert!(head < all && head < some && all < more, "{}: {head} {some} {all} {more}", spec.name);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_in_use_grows_with_what_is_touched() {
        let before = in_use().unwrap();
        let block = vec![1u8; 64 << 20];
        let during = in_use().unwrap();
        assert!(block.iter().step_by(4096).map(|&b| u64::from(b)).sum::<u64>() > 0);
        assert!(during > before + (32 << 20) && peak().unwrap() >= during && free().unwrap() > 0);
    }
}
