//! `inspect`: what is in a folder, and what is wrong with it. Fails, after its report, where that would stop training.

use super::job;
use super::output::{CliResult, Out};
use super::progress::{Reporter, Style};
use super::tables::Table;
use crate::config::DataConfig;
use crate::data::{Dataset, Layout, Preflight, Severity, SkipReason, Split};
use crate::error::{Error, thousands};
use crate::session::{Divide, JobOutput, JobRequest, Worker};
use serde_json::json;
use std::path::PathBuf;

/// Left-out files and groups of copies of one finding that are printed; JSON has all.
const SHOWN: usize = 20;

const SPLITS: [(Split, &str); 3] = [(Split::Train, "train"), (Split::Val, "val"), (Split::Test, "test")];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of pictures.
    data: PathBuf,
    /// A table (CSV) with the labels of the pictures, where folders do not say them.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    let mut reporter = Reporter::new(Style::or_by_terminal(None), "Looking at the pictures");
    let labels = args.labels.as_deref().map(job::label_file);
    let config = Box::new(DataConfig { labels, ..DataConfig::default() });
    let divide = Divide::AsSaved;
    let request = JobRequest::OpenData { root: args.data.clone(), config, project: None, divide };
    let output = job::run_quietly(&Worker::spawn(|| {}), request, &mut reporter, out)?;
    let JobOutput::Data(found, _) = output else { return Err(job::wrong_output()) };
    if args.json {
        print_json(&found, out)?
    } else {
        print_text(&found, out)?
    }
    out.flush()?;
    match found.findings.iter().find(|f| f.severity == Severity::Error) {
        Some(stops) => Err(Error::input(stops.title.clone()).with_path(&args.data).into()),
        None => Ok(()),
    }
}

fn layout(d: &Dataset) -> &'static str {
    match d.layout {
        Layout::SplitFolders => "split-folders",
        Layout::ClassFolders => "class-folders",
        Layout::LabelFile => "label-file",
        Layout::SplitLabelFile => "split-label-file",
    }
}

fn severity(s: Severity) -> &'static str {
    match s {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn reason(r: &SkipReason) -> (&'static str, String) {
    match r {
        SkipReason::Hidden => ("hidden", "hidden or a system's own file".to_owned()),
        SkipReason::NotAnImage => ("not-an-image", "not a picture".to_owned()),
        SkipReason::Unreadable(why) => ("unreadable", why.clone()),
        SkipReason::ClassUnreadable(class, why) => {
            ("class-unreadable", format!("the folder of the class {class} cannot be opened: {why}"))
        }
        SkipReason::Undecodable(why) => ("undecodable", why.clone()),
        SkipReason::BrokenLink => ("broken-link", "a link that leads nowhere or in a circle".to_owned()),
        SkipReason::Unlabelled => ("unlabelled", "the label file gives it no label".to_owned()),
        SkipReason::NotLearned(class) => {
            ("not-learned", format!("a test picture of {class}, of which training has none"))
        }
        SkipReason::Misplaced => ("misplaced", "lies in no class folder".to_owned()),
    }
}

fn print_text(found: &Preflight, out: &mut Out<'_>) -> CliResult {
    let d = &found.dataset;
    let how = match (d.layout, &d.labels) {
        (_, Some(file)) => format!("labels from {}, column \"{}\"", file.name(), file.label_column),
        (Layout::SplitFolders, None) => "divided by its folders".to_owned(),
        _ => "one folder a class, divided by the seed".to_owned(),
    };
    out.line(format!(
        "{}: {} pictures in {} classes, {how}\n",
        d.root.display(),
        thousands(d.samples.len()),
        thousands(d.classes.len())
    ))?;
    let splits: Vec<_> = SPLITS.iter().filter(|(s, _)| !d.indices(*s).is_empty()).collect();
    let header: Vec<&str> = std::iter::once("class").chain(splits.iter().map(|(_, name)| *name)).collect();
    let mut table = Table::new(&header);
    let counts: Vec<Vec<usize>> = splits.iter().map(|(s, _)| d.class_counts(*s)).collect();
    for (class, name) in d.classes.iter().enumerate() {
        let of_class = counts.iter().map(|c| thousands(c.get(class).copied().unwrap_or(0)));
        table.row(std::iter::once(name.clone()).chain(of_class));
    }
    let sums = counts.iter().map(|c| thousands(c.iter().sum()));
    table.row(std::iter::once("all".to_owned()).chain(sums));
    table.print(out)?;
    if !found.findings.is_empty() {
        out.line("\nFindings")?;
    }
    for f in &found.findings {
        out.line(format!("  {}: {}", severity(f.severity), f.title))?;
        let groups: Vec<&[String]> = f.together().collect();
        for group in groups.iter().take(SHOWN) {
            out.line(format!("    {}", group.join(" = ")))?;
        }
        if groups.len() > SHOWN {
            out.line(format!("    and {} more; --json lists all", thousands(groups.len() - SHOWN)))?;
        }
        // What is no picture here is named nowhere else.
        let elsewhere =
            |name: &&String| d.position(name).is_none() && !d.skipped.iter().any(|s| s.rel == **name);
        let named: Vec<&String> = f.files.iter().filter(elsewhere).collect();
        for name in named.iter().take(SHOWN) {
            out.line(format!("    {name}"))?;
        }
        if named.len() > SHOWN {
            out.line(format!("    and {} more; --json lists all", thousands(named.len() - SHOWN)))?;
        }
    }
    if !d.skipped.is_empty() {
        out.line(format!("\nLeft out: {}", thousands(d.skipped.len())))?;
    }
    for s in d.skipped.iter().take(SHOWN) {
        out.line(format!("  {}: {}", s.rel, reason(&s.reason).1))?;
    }
    if d.skipped.len() > SHOWN {
        out.line(format!("  and {} more; --json lists all", thousands(d.skipped.len() - SHOWN)))?;
    }
    Ok(())
}

fn print_json(found: &Preflight, out: &mut Out<'_>) -> CliResult {
    let d = &found.dataset;
    let counts = |split| d.class_counts(split);
    let (train, val, test) = (counts(Split::Train), counts(Split::Val), counts(Split::Test));
    let classes: Vec<_> = d
        .classes
        .iter()
        .enumerate()
        .map(|(i, name)| json!({"name": name, "train": train.get(i), "val": val.get(i), "test": test.get(i)}))
        .collect();
    let findings: Vec<_> = found
        .findings
        .iter()
        .map(|f| json!({"severity": severity(f.severity), "title": f.title, "files": f.files, "together": f.together().collect::<Vec<_>>()}))
        .collect();
    let skipped: Vec<_> = d
        .skipped
        .iter()
        .map(|s| {
            let (kind, why) = reason(&s.reason);
            json!({"path": s.rel, "reason": kind, "why": why})
        })
        .collect();
    out.json(&json!({
        "version": 1,
        "root": d.root.to_string_lossy(),
        "layout": layout(d),
        "labels": d.labels.as_ref().map(|file| file.path.to_string_lossy()),
        "pictures": d.samples.len(),
        "classes": classes,
        "undecodable_frac": found.undecodable_frac,
        "findings": findings,
        "skipped": skipped,
    }))
}
