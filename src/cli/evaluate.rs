//! `evaluate`: how good a model is on labelled pictures.

use super::job;
use super::output::{CliResult, Out};
use super::progress::{Reporter, Style};
use super::tables::{Table, share};
use crate::engine::{Evaluation, TrainEvent};
use crate::session::{JobEvent, JobOutput, JobRequest, Worker, check_outside, save_evaluation};
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
    /// The folder for predictions.csv and summary.json.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    check_outside("the evaluation", &args.out, &args.data)?;
    let mut reporter = Reporter::new(Style::or_by_terminal(None), "Judging the pictures");
    let request = JobRequest::Evaluate { model: args.model.clone(), data: args.data.clone() };
    let mut note = |event, out: &mut Out<'_>| match event {
        JobEvent::Train(_, TrainEvent::Note(text)) => out.line(text),
        _ => Ok(()),
    };
    let output = job::run(&Worker::spawn(|| {}), request, &mut reporter, out, &mut note)?;
    let JobOutput::Evaluated(evaluation) = output else { return Err(job::wrong_output()) };
    save_evaluation(&args.out, &evaluation)?;
    print(&evaluation, out)?;
    out.line(format!("\npredictions.csv and summary.json are in {}", args.out.display()))
}

fn print(e: &Evaluation, out: &mut Out<'_>) -> CliResult {
    let m = &e.confusion;
    out.line(format!("accuracy  {}", share(m.correct(), m.total())))?;
    out.line(format!("macro F1  {:.3}", m.macro_f1()))?;
    out.line(format!("loss      {:.4}\n", e.loss))?;
    let mut table = Table::new(&["class", "precision", "recall", "F1"]);
    for (class, (name, c)) in e.classes.iter().zip(m.per_class()).enumerate() {
        let hit = m.count(class, class);
        table.row([
            name.clone(),
            share(hit, m.column_total(class)),
            share(hit, c.support),
            format!("{:.3}", c.f1),
        ]);
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
