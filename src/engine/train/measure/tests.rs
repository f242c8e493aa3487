//! Measuring on the processor, in place of a card.

use super::*;
use crate::config::{TrainConfig, TrainMode};
use crate::engine::Control;
use crate::engine::train::full_memory::{RoomForSteps, bits_of, config, dataset, room};
use std::sync::Mutex;

/// Enough pictures for steps of 2, 4 and 8.
const WIDE: Bounds = Bounds { steps: 2, growth: 8 };

/// Measures, and calls `look` with the job's settings before and after, and what was told of the size.
fn measured(config: TrainConfig, room: RoomForSteps, look: impl FnOnce(&Context<'_>, &[BatchChange])) {
    let dir = tempfile::tempdir().unwrap();
    let dataset = dataset(&dir.path().join("pictures"));
    let job = TrainJob { config, dataset, run_dir: dir.path().join("run"), resume: false };
    let (control, told) = (Control::default(), Mutex::new(Vec::new()));
    let on_event = |event: TrainEvent| {
        if let TrainEvent::BatchSize(change) = event {
            told.lock().unwrap().push(change);
        }
    };
    let (mut ctx, mut network) = Context::prepare(&job, &control, &on_event).unwrap();
    ctx.room_for_steps = room;
    let before = bits_of(&network.store);
    choose(&mut ctx, &mut network, &job, WIDE).unwrap();
    assert!(before == bits_of(&network.store), "trials leave nothing behind");
    look(&ctx, &told.lock().unwrap());
}

#[test]
fn a_size_is_found_and_taken_over_without_a_trace_in_the_weights() {
    measured(config(2), RoomForSteps::default(), |ctx, told| {
        let size = ctx.resolved.batch_size;
        assert!([2, 4, 8].contains(&size), "{size}");
        assert_eq!((ctx.config.train.batch_size, &ctx.batch_changes[..]), (Some(size), told));
        assert_eq!(told.last().map_or(2, |change| change.to), size);
        let expected = 3e-3 * (size as f64 / 2.0).sqrt();
        assert!((ctx.phases[0].learning_rate - expected).abs() < 1e-12);
    });
}

#[test]
fn what_has_no_room_is_not_taken_and_without_any_nothing_changes() {
    measured(config(2), room(4, 0), |ctx, _| assert!(ctx.resolved.batch_size <= 4));
    measured(config(2), room(1, 0), |ctx, told| {
        assert!(ctx.resolved.batch_size == 2 && told.is_empty() && ctx.phases[0].learning_rate == 3e-3);
    });
    // Fewer steps an epoch than there must be.
    measured(config(8), RoomForSteps::default(), |ctx, told| {
        assert!(ctx.resolved.batch_size == 8 && told.is_empty());
    });
}

#[test]
fn a_phase_behind_frozen_stages_is_measured_from_their_maps() {
    let mut last = config(2);
    last.backbone.cut_stage = Some("block2".to_owned());
    (last.train.mode, last.train.last_stages, last.augment.mixup) = (TrainMode::LastStages, 1, 0.0);
    measured(last, RoomForSteps::default(), |ctx, _| {
        assert!(ctx.phases.iter().any(|p| p.input == Input::Maps));
    });
}

#[test]
fn only_rates_that_were_left_open_grow() {
    let rates = |set: &[(&str, &str)]| {
        let mut config = config(2);
        (config.train.mode, config.augment.mixup) = (TrainMode::Full, 0.0);
        if set.iter().any(|(key, _)| *key == "train.phases") {
            // Phases say it themselves.
            (config.train.epochs, config.train.mode) = (None, TrainMode::Auto);
        }
        for (key, value) in set {
            config.set(key, value).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let dataset = dataset(&dir.path().join("pictures"));
        let job = TrainJob { config, dataset, run_dir: dir.path().join("run"), resume: false };
        let control = Control::default();
        let (mut ctx, _) = Context::prepare(&job, &control, &|_| {}).unwrap();
        let before: Vec<f64> = ctx.phases.iter().map(|p| p.learning_rate).collect();
        take(&mut ctx, &job, 8);
        let t = &ctx.config.train;
        assert_eq!(t.batch_size, Some(8));
        // What the run's folder says is what the phases have.
        let last = ctx.phases.last().unwrap();
        assert_eq!(
            t.phases.last().map_or(t.learning_rate, |own| own.learning_rate),
            Some(last.learning_rate)
        );
        let grown =
            ctx.phases.iter().zip(before).map(|(p, before)| (p.learning_rate / before * 1e6).round() / 1e6);
        grown.collect::<Vec<_>>()
    };
    // The head first, then everything.
    assert_eq!(rates(&[]), [4.0, 4.0]);
    assert_eq!(rates(&[("train.optimizer", "adam")]), [2.0, 2.0]);
    assert_eq!(rates(&[("train.learning_rate", "0.01")]), [4.0, 1.0]);
    assert_eq!(rates(&[("train.head_learning_rate", "0.01")]), [1.0, 4.0]);
    let own = r#"[{learns = "head", epochs = 1}, {learns = "everything", epochs = 1, learning_rate = 0.1}]"#;
    assert_eq!(rates(&[("train.phases", own), ("train.optimizer", "sgd")]), [4.0, 1.0]);
}

#[test]
fn what_was_found_is_told_with_its_reason() {
    let found = Found { size: 64, images_per_s: (120.4, 410.0), limit: Limit::Memory };
    assert_eq!(
        words(&found, 16),
        "64 pictures a step: 410 a second, with 16 it is 120. Larger steps would fill the card's memory. \
         Learning rates that were left open grow with it"
    );
    let same = Found { size: 16, limit: Limit::NoFaster, ..found };
    assert_eq!(words(&same, 16), "16 pictures a step: 410 a second. Larger steps are hardly faster");
}
