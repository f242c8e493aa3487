//! Whole runs with the kernels for cards, which the processor runs: views that are made there, numbers that are read late.

use super::full_memory::{config, dataset};
use super::{TrainJob, train};
use crate::config::{TrainConfig, TrainMode};
use crate::engine::{Classifier, Control};
use crate::nn::ops::card::{emulated, launched};
use std::path::{Path, PathBuf};

/// What a run came to, and what its model says of pictures: numbers that may differ by rounding.
struct Came {
    losses: Vec<f64>,
    /// Pictures classified correctly, while training and when judged.
    accuracies: Vec<f64>,
    /// Of each picture what the head reads, and its probabilities by the names of classes; none of the one that is missing.
    answers: Vec<Option<(Vec<f32>, Vec<f32>)>>,
    launched: u64,
}

fn run(dir: &Path, config: TrainConfig) -> Came {
    let dataset = dataset(&dir.join("pictures"));
    let mut paths: Vec<PathBuf> = (0..dataset.samples.len()).map(|i| dataset.path(i)).collect();
    paths.insert(3, dir.join("missing.png"));
    let job = TrainJob { config, dataset, run_dir: dir.join("run"), resume: false };
    let before = launched();
    let outcome = train(&job, &Control::default(), &|_| {}).unwrap();
    let classifier = Classifier::open(&job.run_dir).unwrap();
    let mut answers = Vec::new();
    let each = &mut |_: &Path, ranked: crate::error::Result<_>, features: Option<&[f32]>| {
        let mut ranked: Vec<(String, f32)> = ranked.unwrap_or_default();
        ranked.sort_by(|a, b| a.0.cmp(&b.0));
        answers.push(features.map(|f| (f.to_vec(), ranked.iter().map(|(_, p)| *p).collect())));
    };
    classifier.classify_with_features(&paths, &|_, _| Ok(()), each).unwrap();
    let of = |two: fn(&crate::engine::EpochRecord) -> [f64; 2]| outcome.epochs.iter().flat_map(two).collect();
    Came {
        losses: of(|e| [e.train_loss, e.val_loss]),
        accuracies: of(|e| [e.train_accuracy, e.val_accuracy]),
        answers,
        launched: launched() - before,
    }
}

/// With `work` on a single thread, so that what is forced for it holds for all that it does.
fn alone<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(work)
}

#[test]
fn runs_on_a_card_come_to_what_they_come_to_on_the_processor() {
    for mode in [TrainMode::Frozen, TrainMode::LastStages, TrainMode::Scratch] {
        let mut c = config(8);
        c.train.mode = mode;
        c.train.epochs = Some(2);
        c.train.head_epochs = (mode == TrainMode::LastStages).then_some(1);
        c.train.clip_norm = 2.0;
        if mode != TrainMode::Scratch {
            (c.backbone.cut_stage, c.augment.mixup) = (Some("block2".to_owned()), 0.0);
        }
        let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let processor = run(dirs[0].path(), c.clone());
        let card = alone(|| emulated(|| run(dirs[1].path(), c)));
        assert!(processor.launched == 0 && card.launched > 0);
        assert_eq!(processor.accuracies, card.accuracies, "{mode:?}");
        assert_eq!(processor.losses.len(), card.losses.len());
        for (a, b) in processor.losses.iter().zip(&card.losses) {
            assert!((a - b).abs() < 1e-3 * a, "{mode:?}: {:?} {:?}", processor.losses, card.losses);
        }
        assert_eq!(card.answers.iter().position(Option::is_none), Some(3));
        assert_eq!(processor.answers.len(), card.answers.len());
        for (a, b) in processor.answers.iter().zip(&card.answers) {
            let (Some(a), Some(b)) = (a, b) else {
                assert_eq!(a, b);
                continue;
            };
            let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 5e-3);
            assert!(close(&a.0, &b.0) && close(&a.1, &b.1), "{mode:?}: {a:?} {b:?}");
        }
    }
}
