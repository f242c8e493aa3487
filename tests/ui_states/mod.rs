//! Hand-made states of the window for the tests of its screens, and pictures drawn on the spot.

#![allow(dead_code, reason = "each test file uses its own part")]

use egui_kittest::Harness;
use headstart::config::TrainConfig;
use headstart::data::{Checks, Dataset, Layout, Preflight, Sample, Split, Verdicts};
use headstart::engine::metrics::ConfusionMatrix;
use headstart::engine::train::{SplitScore, Summary};
use headstart::engine::{EpochRecord, Evaluation, Prediction};
use headstart::nn::rng::Rng;
use headstart::session::{JobId, Project, RunInfo, RunState};
use headstart::ui::state::{JobKind, LiveTraining, RunningJob, ShownEvaluation, TrainingEnd};
use headstart::ui::{Action, AppState, Screen, ViewContext, fonts, shell, theme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The window as it opens, in points.
pub(crate) const SIZE: [f32; 2] = [1280.0, 800.0];

/// State, what views remember, and what they asked for.
pub(crate) struct World {
    pub(crate) state: AppState,
    pub(crate) cx: ViewContext,
    pub(crate) actions: Vec<Action>,
}

impl World {
    pub(crate) fn new(state: AppState) -> Self {
        Self { state, cx: ViewContext::default(), actions: Vec::new() }
    }
}

/// The whole window's drawing without its worker: settings and selections take effect, the rest is only recorded.
pub(crate) fn window(state: AppState, size: [f32; 2], dark: bool) -> Harness<'static, World> {
    let theme = if dark { egui::Theme::Dark } else { egui::Theme::Light };
    Harness::builder()
        .with_size(size)
        .with_theme(theme)
        .with_max_steps(40)
        .with_context_setup(move |ctx| {
            fonts::install(ctx);
            theme::install(ctx);
            ctx.set_theme(theme);
        })
        .build_ui_state(draw, World::new(state))
}

pub(crate) fn draw(ui: &mut egui::Ui, world: &mut World) {
    let ctx = ui.ctx().clone();
    world.cx.thumbnails.begin_frame(&ctx);
    let mut actions = Vec::new();
    shell::show(ui, &world.state, &mut world.cx, &mut actions);
    for action in &actions {
        match action {
            Action::SetConfig(config) => world.state.config = (**config).clone(),
            Action::Decide(decided) => world.state.deciding.push_back(decided.pictures.clone()),
            Action::Select(selection) => world.state.selection = *selection,
            Action::ShowEvaluateTab(tab) => world.state.evaluate_tab = *tab,
            Action::ClearPredictions => world.state.predictions.clear(),
            Action::Go(screen) => world.state.screen = *screen,
            Action::MovePane(forward) => world.cx.panes.step(*forward),
            _ => {}
        }
    }
    world.actions.extend(actions);
}

/// Steps until thumbnails are decoded and on the screen.
pub(crate) fn settle(harness: &mut Harness<'_, World>) {
    for _ in 0..30 {
        harness.step();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

pub(crate) fn class_names(n: usize) -> Vec<String> {
    const TWO: [&str; 2] = ["ants", "bees"];
    const TEN: [&str; 10] = [
        "airliner",
        "beetle",
        "canoe",
        "daisy",
        "espresso",
        "fire engine",
        "goldfish",
        "harvester",
        "iguana",
        "jellyfish",
    ];
    match n {
        2 => TWO.map(str::to_owned).to_vec(),
        10 => TEN.map(str::to_owned).to_vec(),
        _ => (0..n).map(|i| format!("{} {:02}", TEN[i % 10], i / 10)).collect(),
    }
}

/// Predictions with a plausible pattern: mostly right, mistakes towards neighbouring classes. Draws the pictures that were
/// taken for something else into `root`, where one is given.
pub(crate) fn evaluation(classes: usize, per_class: usize, root: Option<&Path>) -> Evaluation {
    let mut rng = Rng::for_key(3, &[classes as u64]);
    let mut confusion = ConfusionMatrix::new(classes);
    let mut predictions = Vec::new();
    for truth in 0..classes {
        for i in 0..per_class + truth % 3 {
            let near = (truth + 1 + rng.below(3.min(classes - 1))) % classes;
            let wrong = rng.uniform() < 0.07 + 0.03 * (truth % 4) as f64;
            let predicted = if wrong { near } else { truth };
            let sure = rng.range(0.52, 0.995) as f32;
            let mut probabilities = vec![(1.0 - sure) / (classes - 1) as f32; classes];
            probabilities[predicted] = sure;
            confusion.add(truth, predicted);
            let rel = format!("val/{}/{truth:02}_{i:03}.png", class_names(classes)[truth]);
            if let Some(root) = root.filter(|_| wrong || i < 12 && classes <= 10) {
                draw_picture(&root.join(&rel), truth, i);
            }
            predictions.push(Prediction { rel, truth, predicted, probabilities });
        }
    }
    Evaluation { classes: class_names(classes), predictions, confusion, loss: 0.183 }
}

/// A drawn picture: a tilted petal flower on an uneven ground, different for each class and number.
pub(crate) fn draw_picture(path: &Path, class: usize, number: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut rng = Rng::for_key(11, &[class as u64, number as u64]);
    let (w, h) = (120 + 10 * rng.below(5), 100 + 10 * rng.below(5));
    let ground: [f64; 3] = std::array::from_fn(|_| rng.range(40.0, 190.0));
    let ink: [f64; 3] =
        std::array::from_fn(
            |c| if c == class % 3 { rng.range(170.0, 250.0) } else { rng.range(20.0, 150.0) },
        );
    let (cx, cy, size, turn) =
        (rng.range(0.35, 0.65), rng.range(0.35, 0.65), rng.range(0.22, 0.42), rng.range(0.0, 6.3));
    let petals = (3 + class % 6) as f64;
    let picture = image::RgbImage::from_fn(w as u32, h as u32, |x, y| {
        let (u, v) = (f64::from(x) / w as f64 - cx, f64::from(y) / h as f64 - cy);
        let (radius, angle) = (u.hypot(v), v.atan2(u) + turn);
        let inside = radius < size * (0.62 + 0.38 * (angle * petals).cos());
        let shade = 1.0 - 0.5 * f64::from(y) / h as f64;
        let colour = if inside { ink } else { ground };
        image::Rgb(colour.map(|c| (c * shade).clamp(0.0, 255.0) as u8))
    });
    picture.save(path).unwrap();
}

pub(crate) fn epochs(done: usize, planned: usize) -> Vec<EpochRecord> {
    let mut best = 0.0;
    (1..=done)
        .map(|epoch| {
            let t = epoch as f64;
            let wobble = 0.012 * (t * 2.1).sin();
            let accuracy =
                0.948 - 0.36 * (-t / 2.6).exp() + if epoch == planned { -0.006 } else { wobble * 0.4 };
            let is_best = accuracy > best;
            best = f64::max(best, accuracy);
            EpochRecord {
                epoch,
                epochs: planned,
                phase: "head".to_owned(),
                train_loss: 0.12 + 0.55 * (-t / 3.0).exp() + wobble,
                train_accuracy: accuracy - 0.02,
                val_loss: 0.17 + 0.48 * (-t / 2.5).exp() - wobble,
                val_accuracy: accuracy,
                val_macro_f1: accuracy - 0.004 - wobble.abs(),
                learning_rate: 0.01 * (1.0 - t / (planned + 1) as f64),
                images_per_s: 640.0,
                elapsed_s: 14.0 + t,
                eta_s: (planned - epoch) as f64,
                best: is_best,
                batch_size: None,
            }
        })
        .collect()
}

pub(crate) fn summary() -> Summary {
    Summary {
        version: 1,
        backbone: "mobilenet_v2".to_owned(),
        mode: "frozen".to_owned(),
        device: "cpu".to_owned(),
        precision: "f32".to_owned(),
        epochs_run: 25,
        best_epoch: 17,
        val: SplitScore {
            accuracy: 145.0 / 153.0,
            macro_f1: 0.946,
            loss: 0.183,
            pictures: 153,
            copies_in_training: 0,
        },
        wall_s: 38.4,
        images_per_s: 640.0,
        peak_rss_mib: 512,
        batch_changes: Vec::new(),
    }
}

pub(crate) fn config() -> TrainConfig {
    let mut config = TrainConfig::default();
    config.data.path = Some("/pictures/hymenoptera".into());
    config.backbone.name = "mobilenet_v2".to_owned();
    config.backbone.weights = Some("/weights/mobilenet_v2.safetensors".into());
    config
}

/// Ants and bees are open, 244 to learn from and 153 to judge by.
pub(crate) fn with_pictures() -> AppState {
    let sample = |i: usize, split: Split| Sample { rel: format!("{split:?}/{i}.jpg"), class: i % 2, split };
    let samples = (0..244).map(|i| sample(i, Split::Train)).chain((0..153).map(|i| sample(i, Split::Val)));
    let dataset = Dataset {
        root: "/pictures/hymenoptera".into(),
        layout: Layout::SplitFolders,
        labels: None,
        classes: class_names(2),
        samples: samples.collect(),
        skipped: Vec::new(),
        excluded: Vec::new(),
        verdicts: Verdicts::default(),
        checks: Checks::default(),
    };
    AppState {
        screen: Screen::Train,
        project: Some(Project { dir: "/projects/Ants and bees".into(), config: config() }),
        preflight: Some(Arc::new(Preflight::unseen(dataset))),
        config: config(),
        cores: 2,
        ..AppState::default()
    }
}

pub(crate) fn run(id: &str, state: RunState) -> RunInfo {
    let finished = state == RunState::Finished;
    RunInfo {
        id: id.to_owned(),
        dir: PathBuf::from("/projects/Ants and bees/runs").join(id),
        state,
        config: config(),
        epochs: if state == RunState::Empty { Vec::new() } else { epochs(if finished { 25 } else { 9 }, 25) },
        summary: finished.then(summary),
        model_bytes: finished.then_some(9_123_456),
        notes: String::new(),
        damage: None,
    }
}

/// Training runs: `live` changes what is known of it.
pub(crate) fn training(change: impl FnOnce(&mut LiveTraining, &mut RunningJob)) -> AppState {
    let mut state = with_pictures();
    let run_dir = PathBuf::from("/projects/Ants and bees/runs/0003");
    let mut live = LiveTraining::new(run_dir.clone(), config(), Vec::new());
    let mut job = RunningJob {
        id: JobId(1),
        kind: JobKind::Train { run_dir },
        started_s: Some(0.0),
        progress: None,
        paused: false,
        stopping: false,
    };
    change(&mut live, &mut job);
    state.training = Some(live);
    state.jobs.push(job);
    state.runs = vec![
        run("0003", RunState::Empty),
        run("0002", RunState::Finished),
        run("0001", RunState::Interrupted),
    ];
    state
}

/// Training is over.
pub(crate) fn ended(end: TrainingEnd) -> AppState {
    let mut state = with_pictures();
    let finished = matches!(end, TrainingEnd::Finished(_));
    let newest = run("0003", if finished { RunState::Finished } else { RunState::Interrupted });
    let mut live = LiveTraining::new(newest.dir.clone(), config(), epochs(if finished { 25 } else { 9 }, 25));
    live.end = Some(end);
    state.training = Some(live);
    state.runs = vec![newest, run("0002", RunState::Finished), run("0001", RunState::Interrupted)];
    state
}

/// Something is judged; the pictures of mistakes are drawn into `root`, where one is given.
pub(crate) fn judged(classes: usize, per_class: usize, root: Option<&Path>) -> AppState {
    let mut state = ended(TrainingEnd::Finished(summary()));
    state.screen = Screen::Evaluate;
    let evaluation = Arc::new(evaluation(classes, per_class, root));
    let run_dir = state.runs.first().map(|r| r.dir.clone());
    let data_root = root.map_or_else(|| PathBuf::from("/pictures/hymenoptera"), Path::to_path_buf);
    for run in &mut state.runs {
        // The runs are of the pictures that are judged.
        run.config.data.path = Some(data_root.clone());
    }
    state.evaluation = Some(ShownEvaluation {
        evaluation,
        data_root,
        run_dir,
        split: Some(Split::Val),
        test_judged: 0,
        test_judged_by_others: 0,
        title: "run 0003 · validation".to_owned(),
        cautions: Vec::new(),
        compared: None,
    });
    state
}
