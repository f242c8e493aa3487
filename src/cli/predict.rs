//! `predict`: the classes of new pictures.

use super::job;
use super::output::{CliResult, Out};
use super::progress::{Reporter, Style};
use super::tables::percent;
use crate::engine::{Ranked, Unlike};
use crate::error::{Error, Result, part_of, thousands};
use crate::session::jobs::ModelRef;
use crate::session::{
    Copied, JobEvent, JobOutput, JobRequest, TableRow, UNDECIDED, Worker, check_outside, decision,
    pictures_of, predictions_csv, weights,
};
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
    /// Leave a picture undecided where no class is at least this probable, from 0 to 1.
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    decide_from: Option<f32>,
    /// Copy each picture into a folder named after its class in this folder; undecided ones into `undecided`.
    #[arg(long, value_name = "DIR")]
    copy_to: Option<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    let learned_from = args.model.as_deref().and_then(pictures_of);
    if let Some(file) = &args.csv {
        check_table(file, args.paths.iter().chain(&learned_from))?;
    }
    if let Some(dir) = &args.copy_to {
        for folder in args.paths.iter().chain(&learned_from).filter(|p| p.is_dir()) {
            check_outside("the copies", dir, folder)?;
        }
    }
    let request = JobRequest::Predict { model: model(args)?, paths: args.paths.clone() };
    let mut reporter = Reporter::new(Style::or_by_terminal(None), "Classifying");
    let mut found: Vec<(PathBuf, Result<Ranked>)> = Vec::new();
    let mut compared: HashMap<PathBuf, Unlike> = HashMap::new();
    let decide_from = args.decide_from.unwrap_or(0.0);
    let as_text = args.csv.is_none() && !args.json;
    let mut keep = |event, out: &mut Out<'_>| {
        match event {
            JobEvent::Compared(_, path, unlike) => {
                compared.insert(path, unlike);
            }
            JobEvent::Predicted(_, path, ranked) => {
                if as_text {
                    let row = TableRow { path: &path, result: Some(&ranked), unlike: compared.get(&path) };
                    print(&row, decide_from, out)?;
                }
                found.push((path, ranked));
            }
            _ => {}
        }
        Ok(())
    };
    job::run(&Worker::spawn(|| {}), request, &mut reporter, out, &mut keep)?;
    let rows: Vec<TableRow<'_>> = found
        .iter()
        .map(|(path, result)| TableRow { path, result: Some(result), unlike: compared.get(path) })
        .collect();
    if let Some(file) = &args.csv {
        crate::export::atomic::write(file, &predictions_csv(&rows, TOP, decide_from)?)?;
        let failed = found.iter().filter(|(_, r)| r.is_err()).count();
        let but = if failed == 0 {
            String::new()
        } else {
            format!(", {} could not be classified", thousands(failed))
        };
        out.line(format!(
            "{} pictures: {}{but}",
            part_of(found.len() - failed, found.len()),
            file.display()
        ))?;
    }
    if args.json {
        out.json(
            &found
                .iter()
                .zip(&rows)
                .map(|((path, ranked), row)| as_json(path, ranked, row, args.decide_from))
                .collect::<Vec<_>>(),
        )?;
    }
    if let Some(dir) = &args.copy_to {
        copy(&rows, decide_from, (dir, args.json), &mut reporter, out)?;
    }
    out.flush()?;
    match (found.len(), found.iter().filter(|(_, r)| r.is_err()).count()) {
        (0, _) => Err(Error::input("there are no pictures in what was named").into()),
        (all, failed) if all == failed => {
            Err(Error::input(format!("none of the {} pictures could be classified", thousands(all))).into())
        }
        _ => Ok(()),
    }
}

/// Copies each picture into the folder of its class.
fn copy(
    rows: &[TableRow<'_>],
    decide_from: f32,
    (dir, quiet): (&Path, bool),
    reporter: &mut Reporter,
    out: &mut Out<'_>,
) -> CliResult {
    let decided =
        |row: &TableRow<'_>| Some((row.path.to_path_buf(), decision(row.result, decide_from)?.to_owned()));
    let pictures = rows.iter().filter_map(decided).collect();
    let request = JobRequest::CopyByClass { pictures, out: dir.to_path_buf(), data: None };
    let done = job::run_quietly(&Worker::spawn(|| {}), request, reporter, out)?;
    let JobOutput::Copied(Copied { copied, present, failed, .. }) = done else {
        return Err(job::wrong_output());
    };
    for why in &failed {
        tracing::warn!("{why}");
    }
    if !quiet {
        let there =
            if present == 0 { String::new() } else { format!(", {} were there already", thousands(present)) };
        let lost = if failed.is_empty() {
            String::new()
        } else {
            format!(", {} could not be read", thousands(failed.len()))
        };
        out.line(format!("{} pictures copied to {}{there}{lost}", thousands(copied), dir.display()))?;
    }
    Ok(())
}

fn probability(text: &str) -> std::result::Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("a probability is from 0 to 1".to_owned()) }
}

/// Refuses to write the table over anything but an older table, or among the pictures.
fn check_table<'a>(file: &Path, pictures: impl Iterator<Item = &'a PathBuf>) -> Result<()> {
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

fn print(row: &TableRow<'_>, decide_from: f32, out: &mut Out<'_>) -> CliResult {
    let path = row.path;
    match row.result {
        None => Ok(()),
        Some(Ok(classes)) => {
            let top: Vec<String> = classes
                .iter()
                .take(TOP)
                .map(|(label, p)| format!("{label} {}", percent(f64::from(*p))))
                .collect();
            let note =
                if row.unlike.is_some_and(Unlike::is_unlike) { " (unlike anything in training)" } else { "" };
            let open = if decision(row.result, decide_from) == Some(UNDECIDED) { "undecided: " } else { "" };
            out.line(format!("{}: {open}{}{note}", path.display(), top.join(", ")))
        }
        Some(Err(e)) => out.line(format!("{}: could not be classified: {}", path.display(), e.what())),
    }
}

fn as_json(path: &Path, ranked: &Result<Ranked>, row: &TableRow<'_>, decide_from: Option<f32>) -> Value {
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
    if let Some(decide_from) = decide_from {
        picture["decision"] = json!(decision(row.result, decide_from));
    }
    if let Some(unlike) = row.unlike {
        picture["unlike_training"] = json!(unlike.is_unlike());
        picture["similarity_to_training"] = json!(unlike.similarity);
    }
    picture
}
