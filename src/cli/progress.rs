//! Progress on a terminal, as JSON lines, or not at all.

use super::output::{CliResult, Out};
use super::tables::percent;
use crate::engine::{EpochRecord, HardPicture, TrainEvent};
use crate::session::JobEvent;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal as _;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Style {
    /// A bar on standard error.
    Bar,
    /// One JSON object a line on standard output.
    Json,
    /// Nothing but warnings, on standard error.
    None,
}

impl Style {
    /// The asked style; without one, a bar on a terminal and nothing elsewhere.
    pub(super) fn or_by_terminal(asked: Option<Self>) -> Self {
        asked.unwrap_or(if std::io::stderr().is_terminal() { Self::Bar } else { Self::None })
    }
}

/// Shows what a job tells.
pub(super) struct Reporter {
    style: Style,
    bar: ProgressBar,
    what: &'static str,
}

impl Reporter {
    /// A reporter; `what` names the work that plain progress belongs to.
    pub(super) fn new(style: Style, what: &'static str) -> Self {
        let target = match style {
            Style::Bar => ProgressDrawTarget::stderr_with_hz(15),
            _ => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = ProgressStyle::with_template("{msg:32!} {bar:30} {human_pos}/{human_len} {prefix}");
        bar.set_style(template.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self { style, bar, what }
    }

    /// Shows one event.
    pub(super) fn event(&mut self, event: &JobEvent, out: &mut Out<'_>) -> CliResult {
        if let JobEvent::SecondPart(_) = event {
            // Only a comparison of pictures has one.
            self.what = "Looking for doubtful labels";
        }
        match self.style {
            Style::None => {
                match event {
                    JobEvent::Train(_, TrainEvent::Warning(text)) => self.say(text),
                    JobEvent::Train(_, TrainEvent::BatchSize(change)) => self.say(&change.words()),
                    _ => {}
                }
                Ok(())
            }
            Style::Json => as_json(event, self.what).map_or(Ok(()), |line| out.json_line(&line)),
            Style::Bar => {
                self.draw(event);
                Ok(())
            }
        }
    }

    /// Takes the bar off the terminal.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn draw(&self, event: &JobEvent) {
        match event {
            JobEvent::Progress(_, done, total) => {
                self.show(self.what.to_owned(), *done, *total, String::new())
            }
            JobEvent::Train(_, event) => self.draw_training(event),
            _ => {}
        }
    }

    fn draw_training(&self, event: &TrainEvent) {
        match event {
            TrainEvent::Preflight(done, total) => {
                self.show("Looking at the pictures".to_owned(), *done, *total, String::new());
            }
            TrainEvent::Note(text) | TrainEvent::Warning(text) => self.say(text),
            TrainEvent::BatchSize(change) => self.say(&change.words()),
            TrainEvent::Loaded(report) => self.say(&report.summary()),
            TrainEvent::Cache(c) => {
                let rate = format!("{:.0} views/s", c.views_per_s);
                self.show("Computing features once".to_owned(), c.done, c.total, rate);
            }
            TrainEvent::Step(s) => {
                let left = s.eta_s.map_or(String::new(), |left| format!(", {} left", duration(left)));
                let rest = format!("{:.0} images/s{left}", s.images_per_s);
                self.show(format!("Epoch {} of {}", s.epoch, s.epochs), s.step, s.steps, rest);
            }
            TrainEvent::Epoch(e) => self.say(&epoch_line(e)),
            TrainEvent::Hardest(_) | TrainEvent::Memory(_) => {}
        }
    }

    fn show(&self, what: String, done: usize, total: usize, rest: String) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(what);
        self.bar.set_prefix(rest);
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| {
            use std::io::Write as _;
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }
}

fn epoch_line(e: &EpochRecord) -> String {
    format!(
        "epoch {:>3}/{}  loss {:.4}  val loss {:.4}  val accuracy {}  macro F1 {}{}",
        e.epoch,
        e.epochs,
        e.train_loss,
        e.val_loss,
        percent(e.val_accuracy),
        percent(e.val_macro_f1),
        if e.best { "  best" } else { "" }
    )
}

/// `75` seconds as `1 min 15 s`.
pub(super) fn duration(seconds: f64) -> String {
    let s = if seconds.is_finite() { seconds.max(0.0).round() as u64 } else { 0 };
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// One line a state: `event` names it, the other keys are its values.
fn as_json(event: &JobEvent, what: &str) -> Option<Value> {
    match event {
        JobEvent::Progress(_, done, total) => {
            Some(json!({"event": "progress", "what": what, "done": done, "total": total}))
        }
        JobEvent::Train(_, event) => Some(training_as_json(event)),
        _ => None,
    }
}

fn training_as_json(event: &TrainEvent) -> Value {
    match event {
        TrainEvent::Preflight(done, total) => {
            json!({"event": "progress", "what": "Looking at the pictures", "done": done, "total": total})
        }
        TrainEvent::Note(text) => json!({"event": "note", "text": text}),
        TrainEvent::Warning(text) => json!({"event": "warning", "text": text}),
        TrainEvent::BatchSize(c) => as_event("batch_size", c),
        TrainEvent::Loaded(r) => json!({
            "event": "loaded",
            "path": r.path.to_string_lossy(),
            "loaded": r.loaded,
            "missing": r.missing,
            "unexpected": r.unexpected,
            "reshaped": r.reshaped,
            "dropped_head": r.dropped_head,
        }),
        TrainEvent::Cache(c) => {
            json!({"event": "cache", "done": c.done, "total": c.total, "views_per_s": c.views_per_s})
        }
        TrainEvent::Step(s) => json!({
            "event": "step",
            "epoch": s.epoch,
            "epochs": s.epochs,
            "step": s.step,
            "steps": s.steps,
            "loss": s.loss,
            "images_per_s": s.images_per_s,
            "eta_s": s.eta_s,
        }),
        TrainEvent::Memory(memory) => as_event("memory", memory),
        TrainEvent::Hardest(pictures) => {
            let one = |p: &HardPicture| json!({"path": p.rel, "truth_probability": p.truth_probability});
            json!({"event": "hardest", "pictures": pictures.iter().map(one).collect::<Vec<_>>()})
        }
        TrainEvent::Epoch(e) => as_event("epoch", e),
    }
}

/// An event with the record's own keys.
fn as_event(name: &str, record: &impl serde::Serialize) -> Value {
    let mut line = json!({"event": name});
    if let (Some(line), Ok(Value::Object(record))) = (line.as_object_mut(), serde_json::to_value(record)) {
        line.extend(record);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::memory::{CardMemory, MemoryUse};
    use crate::engine::{BatchChange, BatchReason};
    use crate::session::JobId;

    #[test]
    fn time_is_told_in_the_units_that_matter() {
        let told = [0.4, 59.6, 75.0, 7325.0, f64::NAN].map(duration);
        assert_eq!(told, ["0 s", "1 min 0 s", "1 min 15 s", "2 h 2 min", "0 s"]);
    }

    #[test]
    fn json_progress_is_one_object_a_line() {
        let mut text = Vec::new();
        let mut out = Out::new(&mut text);
        let mut reporter = Reporter::new(Style::Json, "Looking");
        reporter.event(&JobEvent::Progress(JobId(1), 2, 5), &mut out).unwrap();
        reporter.event(&JobEvent::Train(JobId(1), TrainEvent::Note("hm".into())), &mut out).unwrap();
        let change = BatchChange { epoch: 2, from: 8, to: 4, reason: BatchReason::OutOfMemory };
        reporter.event(&JobEvent::Train(JobId(1), TrainEvent::BatchSize(change)), &mut out).unwrap();
        let card = CardMemory { used: 3, total: 8 };
        let memory = TrainEvent::Memory(MemoryUse { bytes: Some(5), card: Some(card) });
        reporter.event(&JobEvent::Train(JobId(1), memory), &mut out).unwrap();
        drop(out);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"event\":\"progress\",\"what\":\"Looking\",\"done\":2,\"total\":5}\n{\"event\":\"note\",\"text\":\"hm\"}\n\
             {\"event\":\"batch_size\",\"epoch\":2,\"from\":8,\"to\":4,\"reason\":\"out_of_memory\"}\n\
             {\"event\":\"memory\",\"bytes\":5,\"card\":{\"used\":3,\"total\":8}}\n"
        );
    }
}
