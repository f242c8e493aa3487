//! The status bar: the device, the job with its progress and time left, the notices.

use crate::backbones;
use crate::error::part_of;
use crate::ui::Action;
use crate::ui::state::{AppState, JobKind, RunningJob};
use crate::ui::theme::{Palette, space};
use crate::ui::views::train::words::standing;
use crate::ui::widgets::{basic::button_small, progress_bar, wheel};
use egui::{Align, Layout, RichText, Ui, vec2};

pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    ui.spacing_mut().item_spacing.x = space::S;
    ui.horizontal_centered(|ui| {
        let (dot, _) = ui.allocate_exact_size(vec2(8.0, 8.0), egui::Sense::hover());
        let working = state.job().is_some();
        ui.painter().circle_filled(dot.center(), 3.5, if working { p.accent } else { p.good });
        let threads = state.threads();
        let word = if threads == 1 { "thread" } else { "threads" };
        let device = if on_a_card(state) { "Graphics card" } else { "CPU" };
        quiet(ui, &format!("{device} · {threads} {word}")).on_hover_text("Where the work is done");
        ui.add_space(space::S);
        if let Some(job) = state.job() {
            job_part(ui, state, job, actions);
        }
        for job in state.jobs_beside() {
            beside(ui, state, job, actions);
        }
        for (backbone, download) in state.running_downloads() {
            let title = backbones::title(backbone);
            ui.label(RichText::new(format!("Downloading {title}")).small());
            progress_bar(ui, download.frac().unwrap_or(0.0), vec2(80.0, 6.0));
            quiet(ui, &download.megabytes());
            let name = format!("Cancel the download of {title}");
            if !download.stopping
                && button_small(ui, "Cancel").accessible_name(&name).on_hover_text(&name).clicked()
            {
                actions.push(Action::CancelDownload(backbone));
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| notices(ui, state, actions));
    });
}

/// Whether the training that runs is done on a graphics card; pictures are prepared on the processor all the same.
fn on_a_card(state: &AppState) -> bool {
    let memory = state.training.as_ref().filter(|_| state.training_job().is_some()).and_then(|t| t.memory);
    memory.is_some_and(|now| now.card.is_some())
}

fn quiet(ui: &mut Ui, text: &str) -> egui::Response {
    let muted = Palette::of(ui).muted;
    ui.label(RichText::new(text).small().color(muted))
}

fn job_part(ui: &mut Ui, state: &AppState, job: &RunningJob, actions: &mut Vec<Action>) {
    ui.label(RichText::new(words(state, job)).small());
    if let Some(frac) = fraction(state, job) {
        progress_bar(ui, frac, vec2(140.0, 6.0));
    } else {
        wheel(ui, 12.0, "At work");
    }
    let facts = facts(state, job);
    if !facts.is_empty() {
        quiet(ui, &facts);
    }
    if !job.stopping
        && button_small(ui, "Cancel").on_hover_text("Stops at the next step; what was saved stays").clicked()
    {
        actions.push(Action::CancelJob);
    }
    let waits = |j: &&RunningJob| j.started_s.is_none() && j.kind != JobKind::Explain && j.id != job.id;
    let waiting = state.jobs.iter().filter(waits).count();
    if waiting > 0 {
        quiet(ui, &format!("{waiting} more waiting"));
    }
}

/// What runs beside the first job, in short.
fn beside(ui: &mut Ui, state: &AppState, job: &RunningJob, actions: &mut Vec<Action>) {
    ui.label(RichText::new(job.kind.words()).small());
    progress_bar(ui, fraction(state, job).unwrap_or(0.0), vec2(64.0, 6.0));
    match job.progress {
        _ if job.kind == JobKind::Analyse => drop(quiet(ui, &comparison_words(state, job))),
        Some((done, total)) => drop(quiet(ui, &part_of(done, total))),
        None => {}
    }
    let name = format!("Cancel: {}", job.kind.words().to_lowercase());
    if !job.stopping && button_small(ui, "Cancel").accessible_name(&name).on_hover_text(&name).clicked() {
        actions.push(Action::CancelBeside(job.id));
    }
}

fn fraction(state: &AppState, job: &RunningJob) -> Option<f32> {
    if job.is_training() {
        return standing(state).progress();
    }
    job.progress.filter(|(_, total)| *total > 0).map(|(done, total)| done as f32 / total as f32)
}

/// What the job does, in a few words.
fn words(state: &AppState, job: &RunningJob) -> String {
    if job.stopping {
        return format!("{}: ends at its next step", job.kind.words());
    }
    if job.paused {
        return format!("{}: paused", job.kind.words());
    }
    if let (JobKind::FindRate, Some((done, total))) = (&job.kind, job.progress) {
        return format!("{} · {}", job.kind.words(), state.rate_part.words(done, total).to_lowercase());
    }
    let training = state.training.as_ref().filter(|_| matches!(job.kind, JobKind::Train { .. }));
    match training.map(|t| (&t.preflight, &t.cache, &t.step)) {
        Some((Some(_), _, _)) => "Looking through the pictures".to_owned(),
        Some((_, Some(_), _)) => "Preparing the pictures for the head".to_owned(),
        Some((_, _, Some(step))) => format!("Training · epoch {} of {}", step.epoch, step.epochs),
        _ => job.kind.words().to_owned(),
    }
}

/// Speed and time left.
fn facts(state: &AppState, job: &RunningJob) -> String {
    let training = state.training.as_ref().filter(|_| matches!(job.kind, JobKind::Train { .. }));
    if let Some(t) = training {
        if let Some(c) = &t.cache {
            let left = (c.total - c.done.min(c.total)) as f64 / c.views_per_s.max(1e-9);
            return format!("{:.0} a second · {} left", c.views_per_s, clock(left));
        }
        if let Some(s) = &t.step {
            let left = s.eta_s.map_or(String::new(), |left| format!(" · {} left", clock(left)));
            return format!("{:.0} img/s{left}", s.images_per_s);
        }
    }
    if job.kind == JobKind::FindRate {
        // Its parts go at speeds of their own.
        return String::new();
    }
    if job.kind == JobKind::Analyse {
        return job.started_s.map_or_else(String::new, |_| comparison_words(state, job));
    }
    let (Some((done, total)), Some(_)) = (job.progress, job.started_s) else { return String::new() };
    match job.seconds_left(state.now_s) {
        // Its steps are no pictures, so their number says nothing.
        Some(left) if job.kind == JobKind::Arrange => format!("{} left", clock(left)),
        Some(left) => format!("{} · {} left", part_of(done, total), clock(left)),
        None if job.kind == JobKind::Arrange => String::new(),
        None => part_of(done, total),
    }
}

/// How far the comparison of all pictures is: each of its two parts has a time of its own.
pub fn comparison_words(state: &AppState, job: &RunningJob) -> String {
    let left = job.seconds_left(state.now_s).map_or_else(String::new, |s| format!(" · {} left", clock(s)));
    match (state.insight.second_part, job.progress) {
        (true, _) => format!("part 2 of 2: looking for doubtful labels{left}"),
        (false, Some((done, total))) => format!("part 1 of 2: {} pictures{left}", part_of(done, total)),
        (false, None) => "part 1 of 2".to_owned(),
    }
}

/// `0:42`, `12:05`, `1:02:03`.
pub fn clock(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".to_owned();
    }
    let s = seconds.round() as u64;
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

fn notices(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let count = state.notices.all().len();
    if count == 0 {
        return;
    }
    let text = if count == 1 { "1 notice".to_owned() } else { format!("{count} notices") };
    if button_small(ui, &text).clicked() {
        actions.push(Action::ToggleNotices);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::jobs::{JobEvent, JobId};

    #[test]
    fn each_part_of_a_comparison_tells_its_own_time() {
        let id = JobId(1);
        let job = RunningJob::new(id, JobKind::Analyse);
        let mut state = AppState { jobs: vec![job], ..AppState::default() };
        state.insight.second_part = true;
        let mut at = |now_s: f64, event: JobEvent| {
            state.now_s = now_s;
            state.absorb(event);
            (comparison_words(&state, &state.jobs[0]), fraction(&state, &state.jobs[0]))
        };
        assert_eq!(at(0.0, JobEvent::Started(id)).0, "part 1 of 2");
        let (words, _) = at(10.0, JobEvent::Progress(id, 300, 900));
        assert_eq!(words, "part 1 of 2: 300 of 900 pictures · 0:20 left");
        assert_eq!(at(30.0, JobEvent::Progress(id, 900, 900)).1, Some(1.0));
        let second = "part 2 of 2: looking for doubtful labels";
        assert_eq!(at(30.0, JobEvent::SecondPart(id)), (second.to_owned(), None));
        let (words, done) = at(50.0, JobEvent::Progress(id, 10, 40));
        assert_eq!((words, done), (format!("{second} · 1:00 left"), Some(0.25)));
    }

    #[test]
    fn times_read_like_a_clock() {
        assert_eq!(
            [clock(42.0), clock(725.4), clock(3723.0), clock(f64::NAN)],
            ["0:42", "12:05", "1:02:03", "–"]
        );
    }
}
