//! `evaluate`: how good a model is on labelled pictures.

use super::job;
use super::output::{CliResult, Out};
use super::progress::{Reporter, Style};
use super::tables::{Table, percent, share};
use crate::data::Split;
use crate::engine::analysis::Calibration;
use crate::engine::analysis::bootstrap::macro_f1_interval;
use crate::engine::metrics::wilson_interval;
use crate::engine::{Evaluation, TrainEvent};
use crate::error::part_of;
use crate::session::{
    JobEvent, JobOutput, JobRequest, Worker, check_outside, check_place_of_evaluation, pictures_of,
    save_evaluation, times_judged,
};
use std::path::PathBuf;

/// Confusion matrices of more classes are in the files only.
const MOST_COLUMNS: usize = 12;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's folder or a bundle.
    #[arg(long)]
    model: PathBuf,
    /// The folder of labelled pictures.
    #[arg(long)]
    data: PathBuf,
    /// A table (CSV) with their labels, where folders do not say them.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The folder for predictions.csv, curves.csv and summary.json.
    #[arg(long)]
    out: PathBuf,
    /// Replace an earlier evaluation in --out.
    #[arg(long)]
    force: bool,
    /// Judge a run on the test pictures; each time is counted in its folder.
    #[arg(long, value_parser = ["test"])]
    split: Option<String>,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    for folder in [Some(args.data.clone()), pictures_of(&args.model)].into_iter().flatten() {
        check_outside("the evaluation", &args.out, &folder)?;
    }
    // Before any work is done, and any judging of test pictures counted.
    check_place_of_evaluation(&args.out, args.force)?;
    let mut reporter = Reporter::new(Style::or_by_terminal(None), "Judging the pictures");
    let request = JobRequest::Evaluate {
        model: args.model.clone(),
        data: args.data.clone(),
        labels: args.labels.as_deref().map(job::label_file),
        test: args.split.is_some(),
    };
    let mut note = |event, out: &mut Out<'_>| match event {
        JobEvent::Train(_, TrainEvent::Note(text)) => out.line(text),
        _ => Ok(()),
    };
    let output = job::run(&Worker::spawn(|| {}), request, &mut reporter, out, &mut note)?;
    let JobOutput::Evaluated(judged) = output else { return Err(job::wrong_output()) };
    let test_judged = (judged.split == Some(Split::Test)).then_some(judged.test_judged);
    if let Some(n) = test_judged {
        out.line(format!("test pictures, {}", times_judged(n, judged.test_judged_by_others)))?;
    }
    save_evaluation(&args.out, &judged.evaluation, test_judged)?;
    for caution in &judged.cautions {
        out.line(caution)?;
    }
    print(&judged.evaluation, out)?;
    out.line(format!("\npredictions.csv, curves.csv and summary.json are in {}", args.out.display()))
}

fn print(e: &Evaluation, out: &mut Out<'_>) -> CliResult {
    let m = &e.confusion;
    let (low, high) = wilson_interval(m.correct(), m.total());
    let interval = format!("between {} and {} with 95 % confidence", percent(low), percent(high));
    out.line(format!("accuracy  {} · {interval}", share(m.correct(), m.total())))?;
    let (low, high) = macro_f1_interval(e);
    let interval = format!("between {} and {} with 95 % confidence", percent(low), percent(high));
    let over = match (m.occurring(), m.classes()) {
        (judged, all) if judged < all => format!(" · mean over {} classes that occur", part_of(judged, all)),
        _ => String::new(),
    };
    out.line(format!("macro F1  {} · {interval}{over}", percent(m.macro_f1())))?;
    out.line(format!("loss      {:.4}", e.loss))?;
    let error = Calibration::of(&e.predictions).error;
    out.line(format!("calibration error  {}\n", percent(error)))?;
    let mut table = Table::new(&["class", "precision", "recall", "F1"]);
    for (class, (name, c)) in e.classes.iter().zip(m.per_class()).enumerate() {
        let hit = m.count(class, class);
        let f1 = if m.occurs(class) { percent(c.f1) } else { "–".to_owned() };
        table.row([name.clone(), share(hit, m.column_total(class)), share(hit, c.support), f1]);
    }
    table.print(out)?;
    if e.classes.len() > MOST_COLUMNS {
        return Ok(());
    }
    out.line("\nConfusion matrix, a row for each true class, a column for each predicted one")?;
    let header: Vec<&str> = std::iter::once("").chain(e.classes.iter().map(String::as_str)).collect();
    let mut table = Table::new(&header);
    for (truth, name) in e.classes.iter().enumerate() {
        let counts = (0..m.classes()).map(|predicted| m.count(truth, predicted).to_string());
        table.row(std::iter::once(name.clone()).chain(counts));
    }
    table.print(out)
}
