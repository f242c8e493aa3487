//! Deleted runs: moved to the project's `trash` folder, from where they can be brought back.

use super::journal::{self, Entry};
use super::lock;
use super::project::{Project, RUNS};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

const TRASH: &str = "trash";

impl Project {
    /// Moves a run to the project's `trash` folder; returns where it lies now. Its number is not used again.
    ///
    /// # Errors
    /// If it is not a run of this project, is being trained, or cannot be moved.
    pub fn trash_run(&self, run_dir: &Path) -> Result<PathBuf> {
        let name = self.child_of(RUNS, run_dir)?;
        if lock::is_taken(run_dir) {
            return Err(Error::input("this run is being trained")
                .with_path(run_dir)
                .with_hint("Cancel the training, or wait until it ends"));
        }
        let trash = self.dir.join(TRASH);
        std::fs::create_dir_all(&trash).map_err(|e| Error::io("create the folder", &trash, &e))?;
        let to = trash.join(&name);
        move_folder(run_dir, &to)?;
        journal::append(&self.dir, Entry::RunDeleted { run: name })?;
        Ok(to)
    }

    /// Brings a run back from the project's `trash` folder; returns where it lies now.
    ///
    /// # Errors
    /// If it is not there any more, or cannot be moved.
    pub fn restore_run(&self, trashed: &Path) -> Result<PathBuf> {
        let name = self.child_of(TRASH, trashed)?;
        let to = self.dir.join(RUNS).join(&name);
        move_folder(trashed, &to)?;
        journal::append(&self.dir, Entry::RunRestored { run: name })?;
        Ok(to)
    }

    /// The name of a folder that must lie right in a folder of the project.
    fn child_of(&self, parent: &str, dir: &Path) -> Result<String> {
        let name = dir.file_name().map(|n| n.to_string_lossy().into_owned());
        name.filter(|_| dir.parent() == Some(&self.dir.join(parent)))
            .ok_or_else(|| Error::internal("this is not a run of the project").with_path(dir))
    }
}

/// Never onto something that is there already.
fn move_folder(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Err(Error::input("a run of this number is there already").with_path(to));
    }
    std::fs::rename(from, to).map_err(|e| Error::io("move the run", from, &e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;
    use crate::session::lock::RunLock;

    fn project(dir: &Path) -> Project {
        Project::create(&dir.join("project"), TrainConfig::default()).unwrap()
    }

    #[test]
    fn a_deleted_run_comes_back_whole_and_its_number_is_not_used_again() {
        let t = tempfile::tempdir().unwrap();
        let project = project(t.path());
        let run = project.new_run_dir().unwrap();
        std::fs::write(run.join("metrics.jsonl"), "x").unwrap();
        let trashed = project.trash_run(&run).unwrap();
        assert!(!run.exists() && trashed.join("metrics.jsonl").exists());
        assert!(project.runs().unwrap().0.is_empty());
        let next = project.new_run_dir().unwrap();
        assert!(next.ends_with("0002"), "{}", next.display());
        assert_eq!(project.restore_run(&trashed).unwrap(), run);
        assert_eq!(std::fs::read_to_string(run.join("metrics.jsonl")).unwrap(), "x");
        assert!(project.restore_run(&trashed).is_err(), "it is not there any more");
    }

    #[test]
    fn only_idle_runs_of_the_project_are_moved() {
        let t = tempfile::tempdir().unwrap();
        let project = project(t.path());
        let run = project.new_run_dir().unwrap();
        let lock = RunLock::take(&run).unwrap();
        assert!(project.trash_run(&run).unwrap_err().to_string().contains("being trained"));
        drop(lock);
        for other in [project.dir.clone(), t.path().to_path_buf(), run.join("model")] {
            assert!(project.trash_run(&other).is_err());
        }
        assert!(run.exists());
    }
}
