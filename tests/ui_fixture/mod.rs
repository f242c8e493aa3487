//! A small made-up project for the tests of the window: pictures drawn by a formula, nothing computed, no worker.

use egui::Theme;
use egui_kittest::{Harness, HarnessBuilder};
use headstart::data::{
    Checks, Dataset, Finding, Layout, Preflight, Sample, Severity, SkipReason, Skipped, Split, Verdicts,
};
use headstart::session::Project;
use headstart::ui::{Action, AppState, Screen, ViewContext, fonts, shell, theme};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// The window without its worker: what is drawn, and what was asked for.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) state: AppState,
    pub(crate) cx: ViewContext,
    pub(crate) actions: Vec<Action>,
}

/// The window's frame with `state` in it, at 1280 x 800.
pub(crate) fn build(builder: HarnessBuilder<Desk>, state: AppState, theme: Theme) -> Harness<'static, Desk> {
    let desk = Desk { state, ..Desk::default() };
    let mut prepared = false;
    builder.with_size([1280.0, 800.0]).with_theme(theme).with_max_steps(200).build_ui_state(
        move |ui, desk| {
            if !std::mem::replace(&mut prepared, true) {
                fonts::install(ui.ctx());
                theme::install(ui.ctx());
                ui.ctx().request_discard("the fonts were installed in this pass");
                return;
            }
            desk.cx.thumbnails.begin_frame(ui.ctx());
            shell::show(ui, &desk.state, &mut desk.cx, &mut desk.actions);
        },
        desk,
    )
}

/// Three classes with eight pictures each, two of them for validation, under a new folder.
fn pictures() -> (TempDir, Preflight) {
    let dir = tempfile::tempdir().unwrap();
    let classes = ["ash", "birch", "cedar"];
    let mut samples = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        std::fs::create_dir_all(dir.path().join(name)).unwrap();
        for n in 0..8 {
            let rel = format!("{name}/{n}.png");
            draw(&dir.path().join(&rel), class as u32, n);
            samples.push(Sample { rel, class, split: if n < 6 { Split::Train } else { Split::Val } });
        }
    }
    let skipped = |rel: &str, reason| Skipped { rel: rel.to_owned(), reason };
    let dataset = Dataset {
        root: dir.path().to_path_buf(),
        layout: Layout::ClassFolders,
        labels: None,
        classes: classes.map(str::to_owned).to_vec(),
        samples,
        skipped: vec![
            skipped("ash/broken.jpg", SkipReason::Undecodable("the file ends too early".to_owned())),
            skipped("notes.txt", SkipReason::NotAnImage),
        ],
        excluded: Vec::new(),
        verdicts: Verdicts::default(),
        checks: Checks::default(),
    };
    let findings = vec![
        Finding {
            severity: Severity::Warning,
            title: "1 picture cannot be decoded and is left out".to_owned(),
            files: vec!["ash/broken.jpg".to_owned()],
            groups: Vec::new(),
            offer: None,
        },
        Finding {
            severity: Severity::Info,
            title: "2 pictures are the same".to_owned(),
            files: vec!["birch/0.png".to_owned(), "birch/1.png".to_owned()],
            groups: Vec::new(),
            offer: None,
        },
    ];
    let mut preflight = Preflight::unseen(dataset);
    (preflight.findings, preflight.undecodable_frac) = (findings, 1.0 / 25.0);
    (dir, preflight)
}

fn draw(path: &Path, class: u32, n: u32) {
    let picture = image::RgbImage::from_fn(48, 48, |x, y| {
        let (dx, dy) = (x as i32 - 24, y as i32 - 20 - n as i32);
        let inside = dx * dx + dy * dy < 120 + 30 * n as i32;
        let ground = (200 - 2 * y + 3 * n) as u8;
        let leaf = [[60, 120, 40], [190, 120, 30], [40, 110, 120]][class as usize];
        image::Rgb(if inside { leaf } else { [ground, ground, ground - 20] })
    });
    picture.save(path).unwrap();
}

/// An open project with those pictures.
pub(crate) fn open(screen: Screen) -> (TempDir, AppState) {
    let (dir, preflight) = pictures();
    let mut state = AppState { screen, cores: 4, ..AppState::default() };
    state.config.data.path = Some("/home/ada/leaves".into());
    state.project = Some(Project { dir: "/home/ada/Headstart/leaves".into(), config: state.config.clone() });
    state.preflight = Some(Arc::new(preflight));
    (dir, state)
}
