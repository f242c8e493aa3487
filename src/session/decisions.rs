//! Decisions about pictures: a project's in its journal, those that a run was trained with in its `decisions.json`.

use super::journal;
use crate::data::{Decisions, Finding, Preflight, Severity, Step, Verdicts};
use crate::error::{Error, Result, place_in_json};
use crate::export::atomic;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

const FILE: &str = "decisions.json";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct DecisionsFile {
    version: u32,
    pictures: Verdicts,
}

/// All decisions of a project.
///
/// # Errors
/// If its journal cannot be read.
pub fn decisions(project: &Path) -> Result<Decisions> {
    Ok(journal::read(project)?.into_iter().filter_map(journal::Entry::step).collect())
}

/// The pictures after decisions. Where the folder has changed so that these can not hold, the pictures as `found`, with a finding that
/// says so.
pub fn after(decisions: &Decisions, found: &Arc<Preflight>) -> Preflight {
    found.decided(&decisions.verdicts()).unwrap_or_else(|why| {
        let title = format!("what you decided about pictures does not hold any more: {why}");
        let mut found = Preflight::clone(found);
        found.findings.insert(0, Finding { severity: Severity::Warning, title, files: Vec::new() });
        found
    })
}

/// Takes a step, and keeps it in the project's journal: the decisions after it, and the pictures as they are then. `found` is what
/// was found before any decision.
///
/// # Errors
/// If the pictures could not be trained on after it, or the journal cannot be written; nothing is kept then.
pub fn decide(project: &Path, found: &Arc<Preflight>, step: Step) -> Result<(Decisions, Preflight)> {
    let mut decisions = decisions(project)?;
    decisions.take(step.clone());
    let preflight = found.decided(&decisions.verdicts())?;
    journal::append(project, step.into())?;
    Ok((decisions, preflight))
}

/// What a run was trained with; nothing where it has no such file.
pub(super) fn load(run_dir: &Path) -> Result<Verdicts> {
    let path = run_dir.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Verdicts::default()),
        Err(e) => return Err(Error::io("read", &path, &e)),
    };
    let file: DecisionsFile = serde_json::from_slice(&bytes).map_err(|e| {
        Error::input(format!("the decisions about pictures are damaged ({})", place_in_json(&e)))
            .with_path(&path)
    })?;
    match file.version {
        1..=VERSION => Ok(file.pictures),
        newer => Err(Error::input(format!("the decisions about pictures have version {newer}"))
            .with_path(&path)
            .with_hint("A newer Headstart wrote them; use that one")),
    }
}

/// Keeps what a run is trained with. No file where nothing was decided.
pub(super) fn save(run_dir: &Path, verdicts: &Verdicts) -> Result<()> {
    if verdicts.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(&DecisionsFile { version: VERSION, pictures: verdicts.clone() })
        .map_err(|e| Error::internal(format!("could not write the decisions ({e})")))?;
    atomic::write(&run_dir.join(FILE), &text)
}

/// Removes what was saved in `run_dir`, if anything was.
pub(super) fn remove(run_dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(run_dir.join(FILE)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
