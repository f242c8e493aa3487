//! `compare`: which labels of a run's pictures are doubtful; keeps what tells new pictures that are unlike anything in training.

use super::job;
use super::output::{CliResult, Out};
use super::progress::{Reporter, Style};
use super::tables::{Table, percent, share};
use crate::error::{count, part_of, thousands};
use crate::session::{Analysis, JobOutput, JobRequest, Worker};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Doubtful labels that are printed as text.
const SHOWN: usize = 40;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of a finished run.
    #[arg(long)]
    run: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    let mut reporter = Reporter::new(Style::or_by_terminal(None), "Comparing the pictures");
    let request = JobRequest::Analyse { run_dir: args.run.clone(), dataset: None };
    let output = job::run_quietly(&Worker::spawn(|| {}), request, &mut reporter, out)?;
    let JobOutput::Analysed(analysis) = output else { return Err(job::wrong_output()) };
    if args.json {
        out.json(&as_json(&analysis))?;
        return out.flush();
    }
    print(&analysis, out)
}

fn print(analysis: &Analysis, out: &mut Out<'_>) -> CliResult {
    let (all, doubtful) = (analysis.looked_at, analysis.suspects.len());
    let name = |class: usize| analysis.classes.get(class).cloned().unwrap_or_default();
    if doubtful > 0 {
        let mut table = Table::new(&["picture", "labelled", "probably", "probability"]);
        for s in analysis.suspects.iter().take(SHOWN) {
            let rel = analysis.pictures.get(s.picture).map(|p| p.rel.clone()).unwrap_or_default();
            table.row([rel, name(s.given), name(s.suggested), percent(f64::from(s.probability))]);
        }
        table.print(out)?;
        if doubtful > SHOWN {
            out.line(format!("and {} more; --json lists all", thousands(doubtful - SHOWN)))?;
        }
        out.line("")?;
    }
    out.line(format!("{} labels are doubtful", part_of(doubtful, all)))?;
    if analysis.pictures.len() > all {
        let tested = count(analysis.pictures.len() - all, "test picture is", "test pictures are");
        out.line(format!("{tested} not looked at: they are judged only when asked for"))?;
    }
    out.line(format!(
        "Classifiers that had not seen the picture named its class for {}",
        share(analysis.right, all)
    ))?;
    if doubtful > 0 && analysis.doubts_too_much() {
        out.line("So few that many of these labels may be right: a better model doubts fewer")?;
    }
    Ok(())
}

fn as_json(analysis: &Analysis) -> Value {
    let name = |class: usize| analysis.classes.get(class);
    let suspects = analysis.suspects.iter().map(|s| {
        json!({
            "path": analysis.pictures.get(s.picture).map(|p| &p.rel),
            "label": name(s.given),
            "suggested": name(s.suggested),
            "probability": s.probability,
        })
    });
    let accuracy = analysis.out_of_fold_accuracy();
    json!({"pictures": analysis.pictures.len(), "looked_at": analysis.looked_at, "out_of_fold_accuracy": accuracy, "doubtful": suspects.collect::<Vec<_>>()})
}
