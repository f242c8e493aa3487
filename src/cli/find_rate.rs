//! `train --find-rate`: which learning rate suits the pictures and settings, found by trying; nothing is trained for good.

use super::job;
use super::output::{CliResult, Out};
use super::progress::{Reporter, Style};
use crate::config::TrainConfig;
use crate::data::Dataset;
use crate::engine::train::{RateSearch, RateStep};
use crate::error::Error;
use crate::export::atomic;
use crate::session::{JobOutput, JobRequest, Worker};
use serde_json::{Value, json};
use std::path::Path;

/// Tries rates and tells the loss at each. The curve goes to `file`, where one is named, as JSON lines.
pub(super) fn run(
    worker: &Worker,
    config: TrainConfig,
    dataset: Dataset,
    style: Style,
    (file, out): (Option<&Path>, &mut Out<'_>),
) -> CliResult {
    if let Some(file) = file.filter(|f| f.exists()) {
        return Err(Error::input("there is something already where the curve is to be written")
            .with_path(file)
            .with_hint("Name another file with --out")
            .into());
    }
    let mut reporter = Reporter::new(style, "Trying rates");
    let request = JobRequest::FindRate { config: Box::new(config), dataset: Box::new(dataset) };
    let JobOutput::Rates(search) = job::run_quietly(worker, request, &mut reporter, out)? else {
        return Err(job::wrong_output());
    };
    let lines = lines(&search);
    if let Some(file) = file {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        atomic::write(file, text.as_bytes())?;
    }
    if style == Style::Json {
        return lines.iter().try_for_each(|line| out.json_line(line));
    }
    match search.suggestion {
        Some(rate) => {
            out.line(format!("The loss falls most steeply at a learning rate of {rate:.1e}"))?;
            out.line(format!("Use it with --set train.learning_rate={rate:.1e}"))
        }
        None => {
            out.line("The loss did not fall at any rate: more pictures a step, or other settings, may help")
        }
    }
}

/// A line for each step, and one for the suggestion.
fn lines(search: &RateSearch) -> Vec<Value> {
    let step = |(i, s): (usize, &RateStep)| json!({"event": "rate", "step": i + 1, "learning_rate": s.rate, "loss": s.loss});
    let end = json!({"event": "suggestion", "learning_rate": search.suggestion});
    search.steps.iter().enumerate().map(step).chain([end]).collect()
}
