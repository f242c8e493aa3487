//! The Train screen, drawn from hand-made states and worked by accessible names.
#![cfg(feature = "gui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ui_states;

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable};
use headstart::config::{DeviceChoice, Learns, TrainMode};
use headstart::engine::devices::not_built;
use headstart::engine::memory::{CardMemory, MemoryUse};
use headstart::engine::train::{RateSearch, RateStep};
use headstart::engine::{
    BatchChange, BatchReason, CacheProgress, HardPicture, StepProgress, Summary, TrainEvent,
};
use headstart::error::Error;
use headstart::session::RunState;
use headstart::ui::state::{Tone, TrainingEnd};
use headstart::ui::{Action, AppState, Screen};
use std::sync::Arc;
use ui_states::{
    SIZE, World, draw_picture, ended, epochs, run, settle, summary, training, window, with_pictures,
};

fn cache() -> AppState {
    training(|live, _| live.cache = Some(CacheProgress { done: 640, total: 1373, views_per_s: 95.0 }))
}

fn running() -> AppState {
    training(|live, _| {
        live.epochs = epochs(7, 25);
        let (images_per_s, eta_s) = (640.0, Some(42.0));
        live.absorb(TrainEvent::Step(StepProgress {
            epoch: 8,
            epochs: 25,
            step: 6,
            steps: 16,
            loss: 0.241,
            images_per_s,
            eta_s,
        }));
        live.notes.push(
            "The part of the network that does not learn sees every picture only now: 1,373 as they are"
                .to_owned(),
        );
    })
}

/// On a card whose memory was too small for the chosen steps.
fn halved() -> AppState {
    let mut state = running();
    if let Some(live) = &mut state.training {
        live.batch_changes.push(BatchChange { epoch: 3, from: 64, to: 32, reason: BatchReason::OutOfMemory });
        let card = CardMemory { used: 9_100_000_000, total: 24_000_000_000 };
        live.memory = Some(MemoryUse { bytes: Some(1_200_000_000), card: Some(card) });
    }
    state
}

/// Presses a button of the screen, not one of the window's frame around it.
fn press(h: &Harness<'_, World>, label: &str) {
    let here = |n: &egui_kittest::Node<'_>| n.rect().top() > 60.0 && n.rect().bottom() < 760.0;
    h.get_all_by_role_and_label(egui::Role::Button, label).find(here).unwrap().click();
}

fn failed() -> AppState {
    let error = Error::input("the loss is not a number in epoch 3, step 12")
        .with_hint("Lower train.learning_rate, for example to 0.001");
    ended(TrainingEnd::Failed(error))
}

#[test]
fn ready_says_what_will_happen_and_trains() {
    let mut h = window(with_pictures(), SIZE, true);
    h.get_by_label("Ready to train");
    h.get_by_label_contains("244 pictures to learn from, 2 classes");
    h.get_by_label_contains("only the head learns");
    press(&h, "Train");
    h.run();
    assert_eq!(h.state().actions, [Action::Train]);
}

#[test]
fn devices_that_this_build_lacks_are_shown_and_cannot_be_chosen() {
    let mut h = window(with_pictures(), SIZE, true);
    h.get_by_label("Find a setting").focus();
    h.run_steps(2);
    h.get_by_label("Find a setting").type_text("train.device");
    h.run_steps(4);
    h.get_by_role_and_label(egui::Role::ComboBox, "Device").click();
    h.run_steps(4);
    for (device, name) in [(DeviceChoice::Cuda, "NVIDIA card"), (DeviceChoice::Metal, "Apple graphics")] {
        match not_built(device) {
            Some(why) => {
                let entry = format!("{name}: {}", why.in_short);
                assert!(h.get_by_label(&entry).accesskit_node().is_disabled(), "{name}");
            }
            None => assert!(!h.get_by_label(name).accesskit_node().is_disabled(), "{name}"),
        }
    }
    assert!(!h.get_by_label("Processor").accesskit_node().is_disabled());
}

#[test]
fn nothing_open_leads_to_a_folder() {
    let mut h = window(AppState { screen: Screen::Train, ..AppState::default() }, SIZE, true);
    h.get_by_label("No pictures yet");
    h.run();
}

#[test]
fn the_frozen_part_is_told_in_words_with_time_left() {
    let h = window(cache(), SIZE, true);
    assert!(h.get_all_by_label("Preparing the pictures for the head").next().is_some());
    h.get_by_label_contains("640 of 1,373 looks at pictures, 95 a second, 0:08 left");
}

#[test]
fn a_smaller_batch_size_stays_in_sight_while_it_runs_and_once_it_is_finished() {
    let told = "32 pictures a step instead of 64 from epoch 3 on: the card's memory was full";
    let live = halved();
    let batch_changes = live.training.as_ref().unwrap().batch_changes.clone();
    let h = window(live, SIZE, true);
    h.get_by_label(told);
    h.get_by_label_contains("Graphics card · ");
    h.get_by_label_contains("1.2 GB of memory · 9.1 GB of 24.0 GB in use on the card");
    let finished = ended(TrainingEnd::Finished(Summary { batch_changes, ..summary() }));
    window(finished, SIZE, true).get_by_label(told);
}

#[test]
fn running_shows_progress_and_can_be_held_ended_and_cancelled() {
    let mut h = window(running(), SIZE, true);
    h.get_by_label("Epoch 8 of 25");
    h.get_by_label_contains("Step 6 of 16 · loss 0.241 · 640 pictures a second · 0:42 left");
    h.get_by_label_contains("Loss: 7 of 25 epochs, validation");
    h.get_by_label_contains("Quality on validation pictures: 7 of 25 epochs");
    let bar = h.get_by_role_and_label(egui::Role::ProgressIndicator, "Progress of training");
    let done = bar.accesskit_node().numeric_value().unwrap();
    assert!((done - 29.5).abs() < 0.1, "7 epochs and 6 of 16 steps, of 25 epochs: {done}");
    for label in ["Pause", "Stop and keep the best", "Cancel"] {
        press(&h, label);
        h.run_steps(4);
    }
    assert_eq!(h.state().actions, [Action::Pause, Action::StopAndKeepBest, Action::CancelJob]);
}

#[test]
fn a_second_click_where_train_was_changes_nothing() {
    let h = window(with_pictures(), SIZE, true);
    let train =
        h.get_all_by_role_and_label(egui::Role::Button, "Train").map(|n| n.rect()).find(|r| r.top() > 60.0);
    let mut h = window(training(|_, _| {}), SIZE, true);
    h.drag_at(train.unwrap().center());
    h.drop_at(train.unwrap().center());
    h.run_steps(3);
    assert_eq!(h.state().actions, []);
    let keep = h.get_by_role_and_label(egui::Role::Button, "Stop and keep the best");
    assert!(keep.accesskit_node().is_disabled(), "there is nothing to keep yet");
}

#[test]
fn cancelling_is_asked_once_and_says_what_stays() {
    for (mut state, words) in [
        (running(), "The last checkpoint is kept"),
        (training(|_, _| {}), "No epoch is finished yet, so nothing of it is kept"),
    ] {
        state.cancel_asked = true;
        let mut h = window(state, SIZE, true);
        h.run_steps(4);
        h.get_by_label_contains(words);
        h.get_by_label("Keep training").click();
        h.run_steps(4);
        h.get_by_label("Cancel training").click();
        h.run_steps(4);
        assert_eq!(h.state().actions, [Action::KeepTraining, Action::CancelTraining]);
    }
}

#[test]
fn what_is_left_of_a_cancelled_run_is_what_lies_on_disk() {
    let mut state = ended(TrainingEnd::Cancelled);
    window(state.clone(), SIZE, true).get_by_label_contains("can be continued from its last checkpoint");
    state.runs[0].state = RunState::Empty;
    window(state, SIZE, true).get_by_label("No epoch was finished, so there is nothing to continue from");
}

#[test]
fn stopped_says_after_which_epoch_and_which_is_kept() {
    let mut early = summary();
    (early.epochs_run, early.best_epoch) = (14, 12);
    let mut state = ended(TrainingEnd::Stopped(early));
    state.training.as_mut().unwrap().epochs = epochs(14, 80);
    let h = window(state, SIZE, true);
    h.get_by_label("Training was stopped after epoch 14");
    h.get_by_label_contains("Epoch 12 is kept, of 80 planned · accuracy 0.948");
}

#[test]
fn without_weights_it_does_not_look_as_if_there_were_some() {
    let mut state = with_pictures();
    assert!(
        window(state.clone(), SIZE, true).query_by_label_contains("starts from random weights").is_none()
    );
    state.config.backbone.weights = None;
    let mut h = window(state, SIZE, true);
    h.get_by_label_contains("MobileNetV2 has no weight file, so it starts from random weights");
    h.get_by_label("Choose a weight file").click();
    h.run();
    assert_eq!(h.state().actions, [Action::Go(Screen::Model)]);
}

#[test]
fn the_running_run_shows_its_best_so_far() {
    let mut h = window(running(), SIZE, true);
    h.run_steps(3);
    let best = epochs(7, 25).into_iter().rev().find(|e| e.best).unwrap();
    let words =
        format!("{:.3} · {:.0} of 153 · epoch {}", best.val_accuracy, best.val_accuracy * 153.0, best.epoch);
    h.get_by_label(&words);
}

#[test]
fn the_runs_stay_where_they_are_when_a_message_goes() {
    let top = |state: AppState| {
        let mut h = window(state, SIZE, true);
        h.run_steps(3);
        h.get_by_label("Runs").rect().top()
    };
    let mut told = running();
    told.notices.push(Tone::Info, "Training was cancelled");
    assert_eq!(top(running()), top(told));
}

#[test]
fn the_legend_says_which_epoch_its_numbers_are_of() {
    let mut h = window(running(), SIZE, true);
    h.run_steps(3);
    let (all, best) = (epochs(7, 25), epochs(7, 25).into_iter().rev().find(|e| e.best).unwrap());
    assert_eq!(h.get_all_by_label("last epoch").count(), 2);
    h.get_by_label(&format!("accuracy {:.3}", all[6].val_accuracy));
    h.get_by_label(&format!("· best epoch {}: {:.3}", best.epoch, best.val_accuracy));
}

#[test]
fn paused_can_go_on() {
    let mut state = running();
    state.jobs[0].paused = true;
    let mut h = window(state, SIZE, true);
    assert!(h.get_all_by_label("Paused").next().is_some());
    press(&h, "Resume");
    h.run_steps(4);
    assert_eq!(h.state().actions, [Action::Resume]);
}

#[test]
fn finished_says_its_number_with_the_count_and_leads_on() {
    let mut h = window(ended(TrainingEnd::Finished(summary())), SIZE, true);
    h.get_by_label("Training is finished");
    h.get_by_label("Accuracy 0.948 · 145 of 153 · validation · best epoch 17 of 25 · 0:38 in all");
    press(&h, "Evaluate");
    h.run();
    assert!(h.state().actions.contains(&Action::Go(Screen::Evaluate)), "{:?}", h.state().actions);
}

#[test]
fn a_run_is_counted_by_the_pictures_that_it_was_judged_on() {
    let mut fold = summary();
    (fold.val.accuracy, fold.val.pictures) = (23.0 / 24.0, 24);
    let mut state = ended(TrainingEnd::Finished(fold.clone()));
    state.runs[0].summary = Some(fold);
    // Its summary cannot be read, so that nobody knows how many there were.
    (state.runs[1].summary, state.runs[1].damage) = (None, Some("damaged".to_owned()));
    state.runs[2].config.data.val_fraction = 0.5;
    let h = window(state, SIZE, true);
    h.get_by_label_contains("Accuracy 0.958 · 23 of 24 · validation");
    h.get_by_label("0.958 · 23 of 24");
    for epochs in [25, 9] {
        let best = best_of(epochs);
        h.get_by_label_contains(&format!("{:.3} · epoch {}", best.0, best.1));
    }
    assert!(h.query_by_label_contains("of 153").is_none());
}

/// Accuracy of the best epoch of so many, and which one it is.
fn best_of(done: usize) -> (f64, usize) {
    let best = epochs(done, 25).into_iter().rev().find(|e| e.best).unwrap();
    (best.val_accuracy, best.epoch)
}

#[test]
fn failed_says_why_and_what_to_do() {
    let h = window(failed(), SIZE, true);
    h.get_by_label("Training failed");
    h.get_by_label_contains("The loss is not a number in epoch 3, step 12. Lower “Learning rate”");
    h.get_by_role_and_label(egui::Role::Button, "Try again");
}

#[test]
fn an_interrupted_run_can_be_continued() {
    let mut state = with_pictures();
    state.runs = vec![run("0001", RunState::Interrupted)];
    let dir = state.runs[0].dir.clone();
    let mut h = window(state, SIZE, true);
    h.get_by_label("Run 0001 was interrupted");
    h.get_by_label_contains("9 of 25 epochs are on disk");
    press(&h, "Continue");
    h.run();
    assert_eq!(h.state().actions, [Action::ContinueRun(dir)]);
}

#[test]
fn a_run_of_the_list_shows_its_curves() {
    let mut h = window(running(), SIZE, true);
    h.get_by_label("Run 0001").click();
    h.run_steps(4);
    h.get_by_label("Curves of run 0001");
    h.get_by_label_contains("Loss: 9 of 25 epochs");
    h.get_by_label("Show the latest").click();
    h.run_steps(4);
    h.get_by_label_contains("Loss: 7 of 25 epochs");
}

#[test]
fn two_chosen_runs_show_their_curves_and_what_differs() {
    let mut state = running();
    state.runs[1].config.train.epochs = Some(30);
    state.runs[1].config.data.labels = Some("labels.csv".into());
    let mut h = window(state, SIZE, true);
    h.run_steps(3);
    assert!(h.query_by_label("Compared runs").is_none());
    for run in ["Compare run 0002", "Compare run 0001"] {
        h.get_by_label(run).click();
        h.run_steps(4);
    }
    h.get_by_label_contains("Validation accuracy, last epoch: Run 0001");
    h.get_by_label_contains("Judged on different pictures or labels");
    h.get_by_label("Label file");
    h.get_by_label("none: the folders");
    h.get_by_label("automatic");
    h.get_by_label("30");
    h.get_by_label("Compare none").click();
    h.run_steps(4);
    h.get_by_label_contains("Loss: 7 of 25 epochs");
}

/// Opens the menu of a run that finished, while nothing trains, and presses an entry.
fn from_menu(label: &str) -> (AppState, Vec<Action>) {
    let mut state = ended(TrainingEnd::Finished(summary()));
    state.runs[1].config.train.learning_rate = Some(0.01);
    let mut h = window(state, SIZE, true);
    h.run_steps(3);
    h.get_by_label("More for run 0002").click();
    h.run_steps(4);
    h.get_by_label(label).click();
    h.run_steps(4);
    (h.state().state.clone(), h.state().actions.clone())
}

#[test]
fn a_run_of_the_list_can_be_repeated_continued_and_deleted() {
    let dir = |state: &AppState| state.runs[1].dir.clone();
    let (state, actions) = from_menu("Delete");
    assert_eq!(actions, [Action::DeleteRun(dir(&state))]);
    let (state, actions) = from_menu("Go on for 5 more epochs");
    assert_eq!(actions, [Action::ExtendRun(dir(&state), 5)]);
    let (state, _) = from_menu("Use these settings");
    assert_eq!(state.config.train.learning_rate, Some(0.01));
    let (state, actions) = from_menu("Same settings, from scratch");
    assert_eq!(actions, [Action::TrainFromScratch(dir(&state))]);
}

#[test]
fn a_note_is_kept_once_its_field_is_left_and_is_what_undoing_takes_back() {
    for leave in [egui::Key::Enter, egui::Key::Tab] {
        let mut h = window(running(), SIZE, true);
        h.get_by_label("Run 0001").click();
        h.run_steps(4);
        h.get_by_label("Note about run 0001").click();
        h.run_steps(2);
        h.get_by_label("Note about run 0001").type_text("brighter lamps");
        h.run_steps(2);
        assert_eq!(h.state().actions, []);
        h.key_press(leave);
        h.run_steps(2);
        let dir = h.state().state.runs[2].dir.clone();
        assert_eq!(h.state().actions, [Action::SaveNotes(dir.clone(), "brighter lamps".to_owned())]);
        assert!(!h.ctx.text_edit_focused(), "the keys of undo are the window's again");
        let state = &mut h.state_mut().state;
        let decision = headstart::data::Decision::Exclude;
        let decided = headstart::data::Decided { decision, pictures: vec!["ash/0.png".to_owned()] };
        state.decisions.take(headstart::data::Step::Decided(decided));
        state.record_notes(dir, String::new(), "brighter lamps".to_owned());
        h.run_steps(2);
        h.get_by_label_contains("Undo: the note about run 0001");
    }
}

#[test]
fn what_is_below_the_head_stays_where_it_is_while_its_numbers_change() {
    for size in [SIZE, [1100.0, 700.0]] {
        let below = |memory: Option<MemoryUse>, last: bool| {
            let mut state = running();
            let live = state.training.as_mut().unwrap();
            (live.memory, live.last_epoch) = (memory, last);
            let h = window(state, size, true);
            h.get_by_label("Progress of training").rect().top()
        };
        let large = MemoryUse {
            bytes: Some(1_900_000_000),
            card: Some(CardMemory { used: 9_100_000_000, total: 24_000_000_000 }),
        };
        let before = below(None, false);
        assert_eq!((below(Some(large), false), below(Some(large), true)), (before, before), "{size:?}");
        let prepared = window(cache(), size, true).get_by_label("Progress of training").rect().top();
        assert_eq!(prepared, before, "{size:?}");
    }
}

#[test]
fn the_present_epoch_can_be_the_last() {
    let mut h = window(running(), SIZE, true);
    press(&h, "Stop after this epoch");
    h.run_steps(4);
    assert_eq!(h.state().actions, [Action::StopAfterEpoch]);
    let mut state = running();
    state.training.as_mut().unwrap().last_epoch = true;
    let mut h = window(state, SIZE, true);
    h.get_by_label("Last epoch, 8 of 25");
    assert!(h.get_by_label("Stops after this epoch").accesskit_node().is_disabled());
    press(&h, "Stop and keep the best");
    h.run_steps(4);
    assert_eq!(h.state().actions, [Action::StopAndKeepBest]);
}

#[test]
fn rates_are_tried_and_the_suggestion_is_used_with_a_click() {
    let mut h = window(with_pictures(), SIZE, true);
    h.get_by_role_and_label(egui::Role::Tab, "Find a rate").click();
    h.run_steps(3);
    h.get_by_label("Try rates").click();
    h.run_steps(3);
    assert_eq!(h.state().actions, [Action::FindRate]);
    let mut h = window(tried(), SIZE, true);
    h.get_by_role_and_label(egui::Role::Tab, "Find a rate").click();
    h.run_steps(3);
    h.get_by_label("The loss falls most steeply at 2.1e-3");
    h.get_by_label("Use 2.1e-3").click();
    h.run_steps(3);
    assert_eq!(h.state().state.config.train.learning_rate, Some(2.1e-3));
    assert!(h.get_by_label("Use 2.1e-3").accesskit_node().is_disabled());
}

/// Rates were tried: the loss falls around 2e-3 and rises towards 1.
fn tried() -> AppState {
    let step = |i: usize| {
        let x = -6.0 + 6.0 * i as f64 / 99.0;
        let loss = 0.2 + 0.5 / (1.0 + (3.0 * (x + 2.68)).exp()) + (x + 0.9).max(0.0).powi(2) * 2.0;
        RateStep { rate: 10f64.powf(x), loss }
    };
    let mut state = with_pictures();
    state.rate_search = Some(RateSearch { steps: (0..100).map(step).collect(), suggestion: Some(0.002_09) });
    state
}

#[test]
fn the_hardest_pictures_of_the_last_epoch_are_on_show() {
    let mut h = window(with_hardest(), SIZE, true);
    h.run_steps(3);
    h.get_by_label("Hardest validation pictures after epoch 7");
    h.get_by_label("Val/0.jpg: ants, taken for bees. The network gives ants 0.02");
    h.get_by_label_contains("Loss: 7 of 25 epochs");
}

fn with_hardest() -> AppState {
    let mut state = running();
    state.training.as_mut().unwrap().hardest = (0..16)
        .map(|i| HardPicture {
            rel: format!("Val/{i}.jpg"),
            truth: i % 2,
            predicted: if i < 9 { 1 - i % 2 } else { i % 2 },
            truth_probability: 0.02 + 0.05 * i as f32,
        })
        .collect();
    state
}

#[test]
fn the_learning_rate_can_be_drawn_in_place_of_quality() {
    let mut h = window(running(), SIZE, true);
    h.state_mut().cx.train.lines.second = headstart::ui::widgets::curves::Quantity::Rate;
    h.get_by_label("Logarithmic").click();
    h.run_steps(4);
    h.get_by_label_contains("Learning rate: 7 of 25 epochs");
    assert!(h.state().cx.train.lines.look.log);
}

#[test]
fn a_setting_changes_and_goes_back() {
    let mut h = window(with_pictures(), SIZE, true);
    assert!(h.query_by_label("Reset vary training pictures").is_none());
    h.get_by_role_and_label(egui::Role::CheckBox, "Vary training pictures").click();
    h.run();
    assert!(!h.state().state.config.augment.enabled);
    h.get_by_label("Reset vary training pictures").click();
    h.run();
    assert!(h.state().state.config.augment.enabled);
}

/// Settings that are not their defaults: each has a way back beside it.
fn changed() -> AppState {
    let mut state = with_pictures();
    state.config.train.mode = TrainMode::LastStages;
    state.config.augment.crop_scale = [0.25, 0.75];
    state.config.augment.hflip = 0.25;
    state
}

#[test]
fn names_of_settings_are_whole_also_beside_a_way_back() {
    let name = |h: &Harness<'_, World>, text: &str| h.get_by_role_and_label(egui::Role::Label, text).rect();
    let names = ["What learns", "Random cut, share", "Mirror left and right", "Vary training pictures"];
    let plain = window(with_pictures(), SIZE, true);
    let mut h = window(changed(), SIZE, true);
    h.run();
    for text in names {
        let (whole, now) = (name(&plain, text), name(&h, text));
        assert!((whole.width() - now.width()).abs() < 0.5, "{text}: {whole:?} {now:?}");
        for reset in h.query_all_by_label_contains("Reset ") {
            assert!(!now.intersects(reset.rect()), "{text} lies under {:?}", reset.rect());
        }
    }
    // Where both have room, the control stays beside the name.
    let control = h.get_by_label("Reset mirror left and right").rect();
    assert!((control.center().y - name(&h, "Mirror left and right").center().y).abs() < 2.0);
}

/// Real pictures are open, and nothing was trained yet.
fn with_drawn_pictures(dir: &std::path::Path) -> AppState {
    let mut state = with_pictures();
    let found = Arc::make_mut(state.preflight.as_mut().unwrap());
    found.dataset.root = dir.to_path_buf();
    found.dataset.samples.retain(|s| s.rel.len() < "Train/100.jpg".len());
    for (i, sample) in found.dataset.samples.iter_mut().enumerate() {
        sample.rel = sample.rel.replace(".jpg", ".png");
        draw_picture(&dir.join(&sample.rel), sample.class, i);
    }
    state
}

fn varied(h: &Harness<'_, World>) -> Vec<String> {
    let all = h.query_all_by_label_contains(", varied");
    all.filter_map(|n| n.accesskit_node().label()).collect()
}

#[test]
fn before_training_the_varied_pictures_are_on_show_and_can_be_drawn_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut h = window(with_drawn_pictures(dir.path()), SIZE, true);
    h.run_steps(3);
    h.get_by_label_contains("Of 100 training pictures · view 1 of the 4 that a run keeps of each");
    let first = varied(&h);
    assert!((6..=18).contains(&first.len()), "{first:?}");
    h.get_by_label("Draw again").click();
    h.run_steps(3);
    h.get_by_label_contains("view 2 of the 4");
    assert_eq!(varied(&h), first, "the same pictures");
    h.get_by_label("Other pictures").click();
    h.run_steps(3);
    assert!(varied(&h).iter().all(|name| !first.contains(name)));
    // They are made on a thread, which has no time of its own on a busy machine.
    let begun = std::time::Instant::now();
    while h.state().cx.previews.behind() && begun.elapsed().as_secs() < 60 {
        settle(&mut h);
    }
    assert!(!h.state().cx.previews.behind());
}

#[test]
fn while_there_are_curves_the_varied_pictures_are_a_click_away() {
    let mut h = window(running(), SIZE, true);
    assert_eq!(varied(&h), Vec::<String>::new());
    h.get_by_role_and_label(egui::Role::Button, "See them").click();
    h.run_steps(3);
    assert!(!varied(&h).is_empty());
    h.get_by_role_and_label(egui::Role::Tab, "Curves").click();
    h.run_steps(3);
    assert!(varied(&h).is_empty());
    h.get_by_label_contains("Loss: 7 of 25 epochs");
}

#[test]
fn a_slider_moves_its_setting() {
    let mut h = window(with_pictures(), SIZE, true);
    let slider = h.get_by_role_and_label(egui::Role::Slider, "Turn upside down");
    slider.focus();
    h.run();
    for _ in 0..3 {
        h.key_press(egui::Key::ArrowRight);
        h.run();
    }
    let vflip = h.state().state.config.augment.vflip;
    assert!(vflip > 0.0 && vflip <= 1.0, "{vflip}");
}

#[test]
fn a_flip_that_may_change_the_class_is_told() {
    let warned = |classes: [&str; 2], hflip: f64| {
        let mut state = with_pictures();
        state.config.augment.hflip = hflip;
        let found = Arc::make_mut(state.preflight.as_mut().unwrap());
        found.dataset.classes = classes.map(str::to_owned).to_vec();
        let h = window(state, SIZE, true);
        h.query_by_label_contains("Mirrored, ").is_some()
    };
    assert!(warned(["left turn", "right turn"], 0.5));
    assert!(!warned(["left turn", "right turn"], 0.0) && !warned(["ants", "bees"], 0.5));
}

#[test]
fn mixing_pictures_of_a_frozen_backbone_is_refused_where_train_stands() {
    let mut state = with_pictures();
    state.config.augment.mixup = 0.2;
    let h = window(state.clone(), SIZE, true);
    h.get_by_label_contains(
        "augment.mixup mixes pictures, and with a frozen backbone no picture is looked at again",
    );
    state.config.train.mode = TrainMode::Full;
    window(state, SIZE, true).get_by_label("Ready to train");
}

#[test]
fn search_finds_what_is_folded_away() {
    let mut h = window(with_pictures(), SIZE, true);
    assert!(h.query_by_label("Label smoothing").is_none());
    h.get_by_label("Find a setting").click();
    h.run();
    h.get_by_label("Find a setting").type_text("smooth");
    h.run();
    assert!(h.query_all_by_label("Label smoothing").next().is_some());
    assert!(h.query_by_label("Vary training pictures").is_none());
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn snapshots() {
    let mut results = egui_kittest::SnapshotResults::new();
    for (name, make) in [
        ("ready", with_pictures as fn() -> AppState),
        ("changed", changed),
        ("cache", cache),
        ("running", running),
        ("halved", halved),
        ("failed", failed),
        ("finished", || ended(TrainingEnd::Finished(summary()))),
    ] {
        for (dark, word) in [(true, "dark"), (false, "light")] {
            let mut h = window(make(), SIZE, dark);
            settle(&mut h);
            results.add(h.try_snapshot(format!("train_{name}_{word}")));
        }
    }
    for (dark, name) in [(true, "train_compare_dark"), (false, "train_compare_light")] {
        let mut state = running();
        state.runs[1].config.train.epochs = Some(30);
        state.runs[1].config.augment.hflip = 0.0;
        state.runs[1].notes = "brighter lamps".to_owned();
        for e in &mut state.runs[1].epochs {
            e.val_accuracy -= 0.04;
        }
        let compared = state.runs[1..].iter().map(|r| r.dir.clone()).collect();
        let mut h = window(state, SIZE, dark);
        h.state_mut().cx.train.compared = compared;
        h.state_mut().cx.train.tab = Some(headstart::ui::views::train::Tab::Compare);
        settle(&mut h);
        results.add(h.try_snapshot(name));
    }
    let mut h = window(running(), SIZE, true);
    h.state_mut().cx.train.lines.second = headstart::ui::widgets::curves::Quantity::Rate;
    h.state_mut().cx.train.lines.look = headstart::ui::widgets::curves::Look { log: true, smoothing: 0.6 };
    h.get_by_label("Run 0002").click();
    h.run_steps(3);
    h.get_by_label("More for run 0002").click();
    settle(&mut h);
    results.add(h.try_snapshot("train_run_dark"));
    for (dark, name) in [(true, "train_rates_dark"), (false, "train_rates_light")] {
        let mut h = window(tried(), SIZE, dark);
        h.state_mut().cx.train.tab = Some(headstart::ui::views::train::Tab::Rates);
        settle(&mut h);
        results.add(h.try_snapshot(name));
    }
    for (dark, name) in [(true, "train_phases_dark"), (false, "train_phases_light")] {
        let mut h = window(phased(), SIZE, dark);
        h.state_mut().cx.train.tab = Some(headstart::ui::views::train::Tab::Phases);
        h.run_steps(4);
        if !dark {
            // A plan of the user's own, of three phases.
            press(&h, "Add a phase");
        }
        settle(&mut h);
        results.add(h.try_snapshot(name));
    }
    let dir = tempfile::tempdir().unwrap();
    for (dark, name) in [(true, "train_hardest_dark"), (false, "train_hardest_light")] {
        let mut state = with_hardest();
        let data = Arc::make_mut(state.preflight.as_mut().unwrap());
        data.dataset.root = dir.path().to_path_buf();
        for hard in &mut state.training.as_mut().unwrap().hardest {
            hard.rel = hard.rel.replace(".jpg", ".png");
            draw_picture(&dir.path().join(&hard.rel), hard.truth, hard.rel.len());
        }
        let mut h = window(state, SIZE, dark);
        settle(&mut h);
        results.add(h.try_snapshot(name));
    }
    let dir = tempfile::tempdir().unwrap();
    for (size, dark, name) in [
        (SIZE, true, "train_varied_dark"),
        (SIZE, false, "train_varied_light"),
        ([1920.0, 1080.0], true, "train_varied_wide_dark"),
    ] {
        let mut state = with_drawn_pictures(dir.path());
        Arc::make_mut(state.preflight.as_mut().unwrap()).dataset.classes =
            vec!["left turn".to_owned(), "right turn".to_owned()];
        let mut h = window(state, size, dark);
        settle(&mut h);
        results.add(h.try_snapshot(name));
    }
    let mut h = window(running(), [1920.0, 1080.0], true);
    settle(&mut h);
    results.add(h.try_snapshot("train_running_wide_dark"));
}

fn phased() -> AppState {
    let mut state = with_pictures();
    state.config.backbone.name = "resnet18".to_owned();
    state.config.backbone.weights = Some("w.safetensors".into());
    state.config.train.mode = TrainMode::Full;
    state
}

#[test]
fn the_plan_is_shown_and_changing_it_makes_it_the_users_own() {
    let mut h = window(phased(), SIZE, true);
    h.get_by_role_and_label(egui::Role::Tab, "Phases").click();
    h.run();
    h.get_by_label("5 epochs in all: Only the head, 2 epochs; then Everything, 3 epochs");
    h.get_by_label_contains("This plan follows from what learns");
    h.get_by_label("Move phase 2 up").click();
    h.run();
    h.get_by_label("This plan is your own.");
    h.get_by_label("5 epochs in all: Everything, 3 epochs; then Only the head, 2 epochs");
    press(&h, "Add a phase");
    h.run();
    let learns = |h: &Harness<'_, World>| {
        h.state().state.config.train.phases.iter().map(|p| p.learns).collect::<Vec<_>>()
    };
    assert_eq!(learns(&h), [Learns::Everything, Learns::Head, Learns::LastStages]);
    h.state().state.config.validate().unwrap();
    h.get_by_label("What learns in phase 3").click();
    h.run();
    h.get_by_label("From layer2 on").click();
    h.run();
    assert_eq!(h.state().state.config.train.phases[2].last_stages, Some(3));
    h.get_by_label("Remove phase 1").click();
    h.run();
    assert_eq!(learns(&h), [Learns::Head, Learns::LastStages]);
    press(&h, "Back to the automatic plan");
    h.run();
    let train = &h.state().state.config.train;
    assert!(train.phases.is_empty() && train.mode == TrainMode::Auto);
    h.get_by_label_contains("This plan follows from what learns");
}

#[test]
fn a_number_that_a_field_does_not_take_is_told() {
    let mut h = window(with_pictures(), SIZE, true);
    let field =
        |h: &Harness<'_, World>| h.get_by_role_and_label(egui::Role::SpinButton, "Epochs").rect().center();
    let typed = |h: &mut Harness<'_, World>, text: &str| {
        let at = field(h);
        h.hover_at(at);
        h.run_steps(2);
        h.drag_at(at);
        h.drop_at(at);
        h.run_steps(3);
        h.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        h.event(egui::Event::Text(text.to_owned()));
        h.run_steps(3);
        h.key_press(egui::Key::Enter);
        h.run_steps(3);
        h.query_by_label("Epochs takes 1 to 100000").is_some()
    };
    assert!(typed(&mut h, "99999999"), "too many");
    assert!(typed(&mut h, "many"), "no number");
    assert!(!typed(&mut h, "40"));
    assert_eq!(h.state().state.config.train.epochs, Some(40));
}

#[test]
fn the_latest_run_can_be_written_about_and_is_not_offered_when_it_is_shown() {
    for state in [running(), ended(TrainingEnd::Finished(summary()))] {
        let latest =
            state.training.as_ref().unwrap().run_dir.file_name().unwrap().to_str().unwrap().to_owned();
        let mut h = window(state, SIZE, true);
        h.run_steps(3);
        h.get_by_label(&format!("Note about run {latest}"));
        h.get_by_label(&format!("Run {latest}")).click();
        h.run_steps(3);
        assert!(h.query_by_label("Show the latest").is_none());
    }
}

#[test]
fn mirror_images_that_were_found_are_warned_of_where_pictures_are_mirrored() {
    let mut state = with_pictures();
    let mut found = (**state.preflight.as_ref().unwrap()).clone();
    found.findings = vec![headstart::data::Finding {
        severity: headstart::data::Severity::Info,
        title: "2 pictures look mirrored, like a picture of another class".to_owned(),
        files: vec!["Train/0.jpg".to_owned(), "Train/1.jpg".to_owned()],
        groups: Vec::new(),
        offer: None,
    }];
    state.preflight = Some(Arc::new(found));
    let text =
        "Mirrored, 2 of your pictures look like a picture of another class. Set this to 0 where that matters";
    let mut h = window(state.clone(), [1280.0, 1000.0], true);
    h.run_steps(3);
    h.get_by_label(text);
    h.get_by_label("See those pictures").click();
    h.run_steps(3);
    assert_eq!(h.state().actions, [Action::Go(Screen::Data)]);
    h.get_by_label_contains("2 pictures look mirrored");
    state.config.augment.hflip = 0.0;
    let h = window(state, SIZE, true);
    assert!(h.query_by_label(text).is_none());
}
