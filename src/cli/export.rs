//! `export`: a run's model for other tools.

use super::job;
use super::output::{CliResult, Out};
use super::progress::{Reporter, Style};
use crate::error::Error;
use crate::session::{JobRequest, Worker};
use clap::ValueEnum;
use std::path::PathBuf;

/// What is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A folder with model.safetensors, config.json in timm's form, and a model card.
    Bundle,
    /// An ONNX graph; not yet written by this version.
    Onnx,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run's folder.
    #[arg(long)]
    run: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    format: Format,
    /// A new folder.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    if let Format::Onnx = args.format {
        return Err(Error::input("this version of Headstart writes bundles only, no ONNX")
            .with_hint("Use --format bundle")
            .into());
    }
    let mut reporter = Reporter::new(Style::or_by_terminal(None), "Saving the model");
    let request = JobRequest::ExportBundle { run_dir: args.run.clone(), out: args.out.clone() };
    job::run_quietly(&Worker::spawn(|| {}), request, &mut reporter, out)?;
    out.line(format!("The model is in {}", args.out.display()))
}
