//! `sample`: the sample pictures.

use super::job;
use super::output::{CliResult, Out};
use super::progress::{Reporter, Style};
use crate::session::{JobRequest, Worker};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A new or empty folder.
    dir: PathBuf,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    let mut reporter = Reporter::new(Style::or_by_terminal(None), "Drawing the sample pictures");
    let request = JobRequest::WriteSample { dir: args.dir.clone() };
    job::run_quietly(&Worker::spawn(|| {}), request, &mut reporter, out)?;
    out.line(format!("The sample pictures are in {}", args.dir.display()))
}
