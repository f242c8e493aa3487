//! `predict`: the classes of new pictures.

use super::job;
use super::output::{CliResult, Out};
use super::progress::{Reporter, Style};
use crate::engine::{Ranked, Unlike};
use crate::error::{Error, Result};
use crate::session::jobs::ModelRef;
use crate::session::{JobEvent, JobRequest, Worker, check_outside, predictions_csv, weights};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Classes shown for a picture.
const TOP: usize = 5;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's folder or a bundle.
    #[arg(long, value_name = "RUN_OR_BUNDLE", required_unless_present = "backbone")]
    model: Option<PathBuf>,
    /// In place of --model: a network with its published 1000 classes, from complete --weights.
    #[arg(long, requires = "weights", conflicts_with = "model")]
    backbone: Option<String>,
    /// Complete pretrained weights for --backbone.
    #[arg(long, requires = "backbone")]
    weights: Option<PathBuf>,
    /// Pictures, and folders of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Write a table to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    csv: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    if let Some(file) = &args.csv {
        check_table(file, &args.paths)?;
    }
    let request = JobRequest::Predict { model: model(args)?, paths: args.paths.clone() };
    let mut reporter = Reporter::new(Style::or_by_terminal(None), "Classifying");
    let mut found: Vec<(PathBuf, Result<Ranked>)> = Vec::new();
    let mut compared: HashMap<PathBuf, Unlike> = HashMap::new();
    let as_text = args.csv.is_none() && !args.json;
    let mut keep = |event, out: &mut Out<'_>| {
        match event {
            JobEvent::Compared(_, path, unlike) => {
                compared.insert(path, unlike);
            }
            JobEvent::Predicted(_, path, ranked) => {
                if as_text {
                    print(&path, &ranked, compared.get(&path), out)?;
                }
                found.push((path, ranked));
            }
            _ => {}
        }
        Ok(())
    };
    job::run(&Worker::spawn(|| {}), request, &mut reporter, out, &mut keep)?;
    if let Some(file) = &args.csv {
        crate::export::atomic::write(file, &predictions_csv(&found, TOP, &compared)?)?;
        let failed = found.iter().filter(|(_, r)| r.is_err()).count();
        let but = if failed == 0 { String::new() } else { format!(", {failed} could not be classified") };
        out.line(format!("{} of {} pictures: {}{but}", found.len() - failed, found.len(), file.display()))?;
    }
    if args.json {
        out.json(
            &found.iter().map(|(path, ranked)| as_json(path, ranked, compared.get(path))).collect::<Vec<_>>(),
        )?;
    }
    out.flush()?;
    match (found.len(), found.iter().filter(|(_, r)| r.is_err()).count()) {
        (0, _) => Err(Error::input("there are no pictures in what was named").into()),
        (all, failed) if all == failed => {
            Err(Error::input(format!("none of the {all} pictures could be classified")).into())
        }
        _ => Ok(()),
    }
}

/// Refuses to write the table over anything but an older table, or among the pictures.
fn check_table(file: &Path, pictures: &[PathBuf]) -> Result<()> {
    for path in pictures {
        check_outside("the table", file, path)?;
    }
    let begin = match std::fs::File::open(file) {
        Ok(old) => {
            let mut begin = Vec::new();
            old.take(8).read_to_end(&mut begin).map_err(|e| Error::io("read", file, &e))?;
            begin
        }
        Err(_) => return Ok(()),
    };
    if begin.is_empty() || begin.starts_with(b"path,lab") {
        return Ok(());
    }
    Err(Error::input("this file is not an older table of predictions, and would be lost")
        .with_path(file)
        .with_hint("Choose another name for --csv"))
}

fn model(args: &Args) -> Result<ModelRef> {
    match (&args.model, &args.backbone, &args.weights) {
        (Some(dir), ..) => Ok(ModelRef::Saved(dir.clone())),
        (None, Some(backbone), Some(file)) => {
            Ok(ModelRef::Imagenet { backbone: backbone.clone(), weights: weights::resolve(file)? })
        }
        _ => Err(Error::input("no model is named").with_hint("Give it with --model")),
    }
}

fn print(path: &Path, ranked: &Result<Ranked>, unlike: Option<&Unlike>, out: &mut Out<'_>) -> CliResult {
    match ranked {
        Ok(classes) => {
            let top: Vec<String> =
                classes.iter().take(TOP).map(|(label, p)| format!("{label} {:.1} %", p * 100.0)).collect();
            let note =
                if unlike.is_some_and(Unlike::is_unlike) { " (unlike anything in training)" } else { "" };
            out.line(format!("{}: {}{note}", path.display(), top.join(", ")))
        }
        Err(e) => out.line(format!("{}: could not be classified: {}", path.display(), e.what())),
    }
}

fn as_json(path: &Path, ranked: &Result<Ranked>, unlike: Option<&Unlike>) -> Value {
    let (classes, error) = match ranked {
        Ok(classes) => (classes.as_slice(), None),
        Err(e) => (&[][..], Some(e.to_string())),
    };
    let top: Vec<Value> = classes
        .iter()
        .take(TOP)
        .map(|(label, probability)| json!({"label": label, "probability": probability}))
        .collect();
    let mut picture = json!({"path": path.to_string_lossy(), "top": top, "error": error});
    if let Some(unlike) = unlike {
        picture["unlike_training"] = json!(unlike.is_unlike());
        picture["similarity_to_training"] = json!(unlike.similarity);
    }
    picture
}
