//! Decisions about pictures: a project's in its journal, those that a run was trained with in its `decisions.json`.

use super::journal;
use super::versioned::FileKind;
use crate::data::{DecisionChanges, Decisions, Preflight, Step, Verdicts};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

const KIND: FileKind = FileKind {
    name: "decisions.json",
    what: "the decisions about pictures",
    newest: 1,
    if_damaged: "Bring this file back from a copy, or start a new run",
};

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

/// The pictures as a project's decisions have them now; `shown` is how they were last.
///
/// # Errors
/// If its journal cannot be read.
pub fn refreshed(project: &Path, shown: &Arc<Preflight>) -> Result<(Decisions, Arc<Preflight>)> {
    let decisions = decisions(project)?;
    let verdicts = decisions.verdicts();
    let preflight = match verdicts == shown.dataset.verdicts {
        true => Arc::clone(shown),
        false => shown.before_decisions().decided_if_possible(&verdicts),
    };
    Ok((decisions, preflight))
}

/// Takes a step, and keeps it in the project's journal: the decisions after it, and the pictures as they are then. `found` is what
/// was found before any decision.
///
/// # Errors
/// If the pictures could not be trained on after it, or the journal cannot be written; nothing is kept then.
pub fn decide(project: &Path, found: &Arc<Preflight>, step: Step) -> Result<(Decisions, Arc<Preflight>)> {
    let mut decisions = decisions(project)?;
    decisions.take(step.clone());
    let preflight = found.decided(&decisions.verdicts())?;
    journal::append(project, journal::Entry::Step(step))?;
    Ok((decisions, preflight))
}

/// What was decided about pictures between two runs.
///
/// # Errors
/// If what one of them was trained with cannot be read.
pub fn changes_between(earlier_run: &Path, later_run: &Path) -> Result<DecisionChanges> {
    Ok(load(later_run)?.changes_since(&load(earlier_run)?))
}

/// What a run was trained with; nothing where it has no such file.
pub(super) fn load(run_dir: &Path) -> Result<Verdicts> {
    let file: Option<DecisionsFile> = KIND.read(run_dir, |f: &DecisionsFile| f.version)?;
    Ok(file.map(|f| f.pictures).unwrap_or_default())
}

/// Keeps what a run is trained with. No file where nothing was decided.
pub(super) fn save(run_dir: &Path, verdicts: &Verdicts) -> Result<()> {
    if verdicts.is_empty() {
        return Ok(());
    }
    KIND.write(run_dir, &DecisionsFile { version: KIND.newest, pictures: verdicts.clone() })
}

/// Removes what was saved in `run_dir`, if anything was.
pub(super) fn remove(run_dir: &Path) -> std::io::Result<()> {
    KIND.remove(run_dir)
}
