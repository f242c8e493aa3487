//! Running one job of the worker to its end.

use super::output::{CliResult, Failure, Out};
use super::progress::Reporter;
use crate::error::Error;
use crate::session::{JobEvent, JobOutput, JobRequest, Outcome, Worker};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest sleep between two looks at the worker; it wakes at once when there is something.
const WAIT: Duration = Duration::from_secs(1);

/// Runs one job; `on_event` sees everything but its end, after the reporter.
pub(super) fn run(
    worker: &Worker,
    request: JobRequest,
    reporter: &mut Reporter,
    out: &mut Out<'_>,
    on_event: &mut dyn FnMut(JobEvent, &mut Out<'_>) -> CliResult,
) -> CliResult<JobOutput> {
    let (id, control) = worker.submit(request);
    loop {
        let Some(event) = worker.wait_event(WAIT) else { continue };
        if let JobEvent::Finished(ended, outcome) = event {
            if ended != id {
                continue;
            }
            reporter.clear();
            return match outcome {
                Outcome::Done(output) => Ok(output),
                Outcome::Cancelled => Err(Error::cancelled().into()),
                Outcome::Failed(e) => Err(e.into()),
            };
        }
        if let Err(failure) = reporter.event(&event, out).and_then(|()| on_event(event, out)) {
            control.cancel();
            reporter.clear();
            return Err(failure);
        }
    }
}

/// As [`run`], for a job whose events need no more than progress.
pub(super) fn run_quietly(
    worker: &Worker,
    request: JobRequest,
    reporter: &mut Reporter,
    out: &mut Out<'_>,
) -> CliResult<JobOutput> {
    run(worker, request, reporter, out, &mut |_, _| Ok(()))
}

/// Where a label file is meant to be: in the folder that the program was started in where it is there, otherwise in the folder of
/// pictures.
pub(super) fn label_file(file: &Path) -> PathBuf {
    let here = std::path::absolute(file).ok().filter(|p| p.is_file());
    here.unwrap_or_else(|| file.to_path_buf())
}

/// A job answered with what another job makes.
pub(super) fn wrong_output() -> Failure {
    Error::internal("the worker answered with the result of another job").into()
}
