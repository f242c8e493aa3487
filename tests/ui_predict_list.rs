//! The Predict screen's list: heat maps of pictures that are looked at, what is unlike training, and very many pictures.
#![cfg(feature = "gui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ui_states;

use egui::{Key, Pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use headstart::engine::{Explanation, HeatMap, HeatMethod, Unlike};
use headstart::error::{Error, Result};
use headstart::session::jobs::ModelRef;
use headstart::session::{Explained, JobId};
use headstart::ui::state::{JobKind, RunningJob, TrainingEnd};
use headstart::ui::{Action, AppState, Screen};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use ui_states::{SIZE, World, class_names, draw_picture, ended, settle, summary, window};

fn path(i: usize) -> PathBuf {
    format!("/new pictures/garden/IMG_{i:05}.png").into()
}

fn put(state: &mut AppState, i: usize) {
    let classes = class_names(10);
    let p = 0.55 + 0.44 * ((i * 37 % 101) as f32 / 101.0);
    let ranked = vec![(classes[i % 10].clone(), p), (classes[(i + 1) % 10].clone(), 1.0 - p)];
    state.predictions.compare(path(i), Unlike { similarity: (i * 61 % 103) as f32 / 103.0, familiar: 0.1 });
    state.predictions.put(path(i), Ok(ranked));
}

/// `n` pictures, about a tenth of them unlike anything in training.
fn classified(n: usize) -> AppState {
    let mut state = AppState { screen: Screen::Predict, ..ended(TrainingEnd::Finished(summary())) };
    (0..n).for_each(|i| put(&mut state, i));
    state
}

fn explained(state: &AppState, picture: PathBuf, heat: Result<HeatMap>) -> Explained {
    let explanation = Explanation {
        class: 0,
        probabilities: vec![0.55, 0.45],
        features: vec![1.0],
        seen: [0.1, 0.05, 0.9, 0.95],
        heat,
    };
    let model = state.predict_model().unwrap();
    Explained { model, picture, asked: None, explanation, alike: None, unlike: None }
}

fn heat() -> HeatMap {
    let bump = |i: usize| (-(((i % 7) as f32 - 4.0).powi(2) + ((i / 7) as f32 - 2.0).powi(2)) / 5.0).exp();
    HeatMap { method: HeatMethod::GradCam, rows: 7, columns: 7, values: (0..49).map(bump).collect() }
}

fn hover(h: &mut Harness<'_, World>, label: &str) {
    let at = h.get_by_label_contains(label).rect().center();
    h.hover_at(at);
    h.run_steps(4);
}

#[test]
fn resting_on_a_picture_asks_for_its_heat_map_and_shows_what_it_says() {
    let mut h = window(classified(30), SIZE, true);
    h.step();
    assert!(h.state().actions.is_empty());
    hover(&mut h, "IMG_00000.png: ");
    assert_eq!(h.state().actions.last(), Some(&Action::LookInto(path(0))));
    h.get_by_label("Working out what the network looks at…");

    // One at a time: who has moved on meanwhile is asked about next.
    let job = |id| RunningJob {
        id: JobId(id),
        kind: JobKind::Explain,
        started_s: Some(0.0),
        progress: None,
        paused: false,
        stopping: false,
    };
    h.state_mut().actions.clear();
    h.state_mut().state.jobs.push(job(1));
    hover(&mut h, "IMG_00001.png: ");
    assert!(h.state().actions.is_empty());
    h.state_mut().state.jobs.clear();
    h.run_steps(2);
    assert_eq!(h.state().actions.last(), Some(&Action::LookInto(path(1))));

    let known = explained(&h.state().state, path(1), Ok(heat()));
    h.state_mut().state.insight.put(known);
    h.run_steps(2);
    h.get_by_label("The brighter, the more it speaks for beetle");
    let none = Error::input("the last map of this network is a single position");
    let known = explained(&h.state().state, path(1), Err(none));
    h.state_mut().state.insight.put(known);
    h.run_steps(2);
    h.get_by_label("No heat map: the last map of this network is a single position");
    h.hover_at(Pos2::new(640.0, 60.0));
    h.run_steps(3);
    assert!(h.query_by_label_contains("No heat map").is_none(), "only while it is looked at");
}

#[test]
fn the_keyboard_s_focus_shows_the_heat_map_too() {
    let mut h = window(classified(30), SIZE, true);
    h.step();
    h.get_by_label_contains("IMG_00002.png: ").focus();
    h.run_steps(4);
    assert_eq!(h.state().actions.last(), Some(&Action::LookInto(path(2))));
    h.key_press(Key::Enter);
    h.run_steps(3);
    h.get_by_label("Enlarged picture IMG_00002.png");
}

#[test]
fn a_selected_picture_has_its_heat_map_with_a_switch() {
    let mut state = classified(30);
    let known = explained(&state, path(3), Ok(heat()));
    state.insight.put(known);
    let mut h = window(state, SIZE, true);
    h.step();
    h.get_by_label_contains("IMG_00003.png: ").click();
    h.run_steps(3);
    h.hover_at(Pos2::new(640.0, 60.0));
    h.run_steps(3);
    h.get_by_label("The brighter, the more it speaks for daisy");
    h.get_by_label("Heat map").click();
    h.run_steps(3);
    assert!(h.state().actions.is_empty(), "it was known");
}

#[test]
fn what_is_unlike_training_is_counted_filtered_and_sorted() {
    let mut h = window(classified(103), SIZE, true);
    h.step();
    let unlike = (0..103).filter(|i| ((i * 61 % 103) as f32 / 103.0) < 0.1).count();
    h.get_by_label(&format!("103 classified · {unlike} unlike anything in training"));
    let order = h.get_by_label("Order of the list");
    order.click();
    h.run_steps(3);
    h.get_by_label("Least like training first").click();
    h.run_steps(3);
    // 0 is the smallest of all remainders.
    let first = h.get_all_by_label_contains(", probability ").next().unwrap();
    assert!(first.rect().top() < 320.0);
    h.get_by_label_contains("IMG_00000.png: ");
    h.get_by_label(&format!("Unlike training · {unlike}")).click();
    h.run_steps(3);
    h.get_by_label("Filter by name or class").click();
    h.run_steps(2);
    h.get_by_label("Filter by name or class").type_text("IMG_00001");
    h.run_steps(3);
    h.get_by_label("No picture matches the filter");
}

#[test]
fn a_frame_with_twenty_thousand_pictures_takes_a_fraction_of_a_frame_s_time() {
    let mut h = window(classified(20_000), SIZE, true);
    h.step();
    h.get_by_label("Filter by name or class").click();
    h.run_steps(2);
    h.get_by_label("Filter by name or class").type_text("img_");
    h.run_steps(3);
    // In builds as `cargo test` makes them. Of three rounds the best: what other programs do meanwhile is not the window's.
    let rounds = [0, 1, 2].map(|round| percentile(&mut h, round));
    let most = rounds.into_iter().min().unwrap();
    assert!(most < Duration::from_millis(16), "{rounds:?}");
}

/// What 99 of 100 frames stay below while the list is scrolled.
fn percentile(h: &mut Harness<'_, World>, round: usize) -> Duration {
    let mut times = Vec::new();
    for n in 0..300 {
        h.hover_at(Pos2::new(500.0, 500.0));
        h.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: vec2(0.0, -400.0),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Unknown,
            modifiers: egui::Modifiers::NONE,
        });
        // Now and then an answer arrives, after which all is counted, filtered and sorted again.
        if n % 30 == 0 {
            put(&mut h.state_mut().state, 300 * round + n);
        }
        let start = Instant::now();
        h.step();
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() * 99 / 100]
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn snapshots() {
    let mut results = egui_kittest::SnapshotResults::new();
    // The list shows paths, so the place has to be the same in every run.
    let dir = std::env::temp_dir().join("headstart snapshot pictures/meadow");
    for (name, size, dark) in [("dark", SIZE, true), ("light", SIZE, false)] {
        let mut state = classified(0);
        let file = |i: usize| dir.join(format!("IMG_{i:04}.png"));
        for i in 0..12 {
            draw_picture(&file(i), i % 2, i);
            let p = 0.6 + 0.03 * i as f32;
            let classes = class_names(2);
            let ranked = vec![(classes[i % 2].clone(), p), (classes[1 - i % 2].clone(), 1.0 - p)];
            let similarity = if i % 5 == 1 { 0.41 } else { 0.8 };
            state.predictions.compare(file(i), Unlike { similarity, familiar: 0.55 });
            state.predictions.put(file(i), Ok(ranked));
        }
        state.predictions.model = Some(ModelRef::Saved("/projects/Ants and bees/runs/0003".into()));
        for i in [1, 2] {
            let known = explained(&state, file(i), Ok(heat()));
            state.insight.put(known);
        }
        let mut h = window(state, size, dark);
        settle(&mut h);
        h.get_by_label_contains("IMG_0002.png: ").click();
        hover(&mut h, "IMG_0001.png: ");
        settle(&mut h);
        results.add(h.try_snapshot(format!("predict_heat_{name}")));
    }
}
