//! A project: a folder with `project.toml`, `splits.json`, `journal.jsonl` and `runs/<id>/`.

use super::checks;
use super::journal::{self, Entry};
use super::judging::test_judged_file;
use super::places;
use super::runs::{RunInfo, RunState, read_run};
use super::splits::{self, Divide};
use crate::config::{CONFIG_VERSION, TrainConfig};
use crate::data::Dataset;
use crate::engine;
use crate::error::{Error, Result};
use crate::export::atomic;
use std::path::{Path, PathBuf};

const FILE: &str = "project.toml";
/// What damaged settings are called once others are saved in their place.
const SET_ASIDE: &str = "project.damaged.toml";
pub(super) const RUNS: &str = "runs";
/// Folder of a project that the window suggests for saved models.
pub const EXPORTS: &str = "exports";

/// An open project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its folder.
    pub dir: PathBuf,
    /// Its settings, also the CLI's configuration file; `data.path` is the pictures.
    pub config: TrainConfig,
}

impl Project {
    /// Makes a project in `dir` (created; must not be inside the data folder) for the pictures in `config.data.path`.
    ///
    /// # Errors
    /// If the folder cannot be written or already holds a project.
    pub fn create(dir: &Path, config: TrainConfig) -> Result<Self> {
        config.validate()?;
        let project = Self { dir: dir.to_path_buf(), config };
        project.check_places()?;
        if dir.join(FILE).exists() {
            return Err(Error::input("this folder already holds a project")
                .with_path(dir)
                .with_hint("Open it, or choose another folder"));
        }
        let runs = dir.join(RUNS);
        std::fs::create_dir_all(&runs).map_err(|e| Error::io("create the folder", &runs, &e))?;
        project.save()?;
        journal::append(dir, Entry::Created)?;
        Ok(project)
    }

    /// Opens a project folder.
    ///
    /// # Errors
    /// If it holds no `project.toml`, or a damaged one and no run whose settings could stand in.
    pub fn open(dir: &Path) -> Result<Self> {
        if !is_project(dir) {
            return Err(Error::input("this folder holds no project")
                .with_path(dir)
                .with_hint("Choose a folder with a project.toml in it, or make a new project"));
        }
        let config = load_settings(dir)?;
        // The same folder has one name, by whichever it is opened.
        Ok(Self { dir: std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_path_buf()), config })
    }

    /// Puts a project on disk whose pictures have been looked through: makes its folder, saves settings, splits and what the
    /// look showed.
    ///
    /// # Errors
    /// See [`Self::create`].
    pub fn keep(&self, dataset: &Dataset) -> Result<()> {
        Self::create(&self.dir, self.config.clone())?;
        self.save_splits(dataset)?;
        checks::save(&self.dir, dataset.checks.clone())?;
        journal::append(&self.dir, Entry::opened(dataset))
    }

    /// Takes damaged lines out of the journal, and keeps the file as it was beside it. Returns what to tell, if there were any.
    pub fn mend_journal(&self) -> Option<Error> {
        journal::mend(&self.dir).unwrap_or_else(Some)
    }

    /// Saves the settings, atomically.
    ///
    /// # Errors
    /// If the folder cannot be written, or the settings now name pictures that the project would write among.
    pub fn save(&self) -> Result<()> {
        self.check_places()?;
        let file = self.dir.join(FILE);
        if damage(&self.dir).is_some() {
            let aside = self.dir.join(SET_ASIDE);
            std::fs::rename(&file, &aside).map_err(|e| Error::io("rename to", &aside, &e))?;
        }
        atomic::write(&self.dir.join(FILE), self.config.to_toml()?.as_bytes())
    }

    /// Saves where chance put the pictures of `dataset`, so that the split stays the same when files are added. Opening the data
    /// with the project named does this by itself.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn save_splits(&self, dataset: &Dataset) -> Result<()> {
        splits::keep(&self.dir, &self.config.data, dataset, &Divide::AsSaved).map(drop)
    }

    /// A fresh folder for the next run. Numbers are never used again, not even those of deleted runs.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn new_run_dir(&self) -> Result<PathBuf> {
        let runs = self.dir.join(RUNS);
        std::fs::create_dir_all(&runs).map_err(|e| Error::io("create the folder", &runs, &e))?;
        let in_journal = journal::read(&self.dir)?.into_iter().filter_map(|entry| match entry {
            Entry::RunCreated { run } | Entry::RunStarted { run, .. } => run.parse::<u64>().ok(),
            _ => None,
        });
        let on_disk = run_names(&runs)?.into_iter().filter_map(|name| name.parse::<u64>().ok());
        let next = in_journal.chain(on_disk).max().unwrap_or(0) + 1;
        let run = format!("{next:04}");
        let dir = runs.join(&run);
        // Fails where another program made the same folder in this moment, so two runs never share one.
        std::fs::create_dir(&dir).map_err(|e| Error::io("create the folder", &dir, &e))?;
        journal::append(&self.dir, Entry::RunCreated { run })?;
        Ok(dir)
    }

    /// A fresh run's folder from which training, resumed, goes on where a finished run ended, for `more` epochs; and the settings to
    /// do that with. The finished run stays as it is.
    ///
    /// # Errors
    /// If the run has no epochs or no checkpoint, or the project's folder cannot be written.
    pub fn extend_run(&self, run_dir: &Path, more: usize) -> Result<(PathBuf, TrainConfig)> {
        let to = self.new_run_dir()?;
        let config = engine::train::extend(run_dir, &to, more)?;
        // It goes on with the pictures as they were divided and decided on for the run, and chosen by what its test pictures said.
        for name in ["splits.json", "decisions.json", test_judged_file()] {
            match std::fs::copy(run_dir.join(name), to.join(name)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("copy", run_dir.join(name), &e));
                }
                _ => {}
            }
        }
        Ok((to, config))
    }

    /// The runs, newest first. The second value tells of damaged ones: those that are left out, and those of which the model can be
    /// used but the numbers are lost.
    ///
    /// # Errors
    /// If the `runs` folder cannot be read.
    pub fn runs(&self) -> Result<(Vec<RunInfo>, Vec<String>)> {
        let runs = self.dir.join(RUNS);
        let mut names = run_names(&runs)?;
        names.sort_by(|a, b| natord::compare(b, a));
        let mut found = Vec::new();
        let mut damaged = Vec::new();
        for name in names {
            match read_run(&runs.join(&name), &self.config) {
                Ok(run) => {
                    if let (Some(why), RunState::Finished) = (&run.damage, run.state) {
                        damaged.push(format!("run {name} can be used, but its numbers are lost: {why}"));
                    }
                    if run.state == RunState::Finished && run.model_bytes.is_none() {
                        damaged.push(format!(
                            "run {name} has lost its model: bring model/model.safetensors back from a copy, or train again with its settings"
                        ));
                    }
                    found.push(run);
                }
                Err(e) => damaged.push(format!("run {name} is left out: {e}")),
            }
        }
        Ok((found, damaged))
    }

    /// Folders in `exports`, the place that the window suggests for saved models; none where there is no such folder.
    pub fn exports(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.join(EXPORTS)).into_iter().flatten().flatten();
        entries.map(|e| e.path()).collect()
    }

    /// Refuses places where the project would write among the pictures.
    fn check_places(&self) -> Result<()> {
        let Some(data) = &self.config.data.path else { return Ok(()) };
        places::check_outside("the project", &self.dir, data)?;
        let runs = self.dir.join(RUNS);
        if places::is_within(data, &runs) {
            return Err(Error::input("the pictures lie where this project keeps its runs")
                .with_path(data)
                .with_hint("Choose another folder for the project"));
        }
        Ok(())
    }
}

/// What is wrong with the settings of the project in `dir`, if anything is: they cannot be understood, or name no pictures.
pub fn damage(dir: &Path) -> Option<Error> {
    let path = dir.join(FILE);
    let bytes = std::fs::read(&path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // A newer program's file is whole.
    let version = text.parse::<toml::Table>().ok().and_then(|t| t.get("version")?.as_integer());
    if version.is_some_and(|v| v > i64::from(CONFIG_VERSION)) {
        return None;
    }
    match TrainConfig::from_toml(&text) {
        Ok(config) if config.data.path.is_some() => None,
        Ok(_) if !text.trim().is_empty() => None,
        Ok(_) => Some(Error::input("the project's settings are empty").with_path(path)),
        Err(e) => Some(e.with_path(path)),
    }
}

/// The settings of the project in `dir`; where they are damaged, those of its newest run.
fn load_settings(dir: &Path) -> Result<TrainConfig> {
    let Some(damage) = damage(dir) else { return TrainConfig::load(&dir.join(FILE)) };
    let runs = dir.join(RUNS);
    let mut names = run_names(&runs)?;
    names.sort_by(|a, b| natord::compare(b, a));
    let of_run = |name: &String| TrainConfig::load(&runs.join(name).join("config.toml")).ok();
    names.iter().filter_map(of_run).find(|config| config.data.path.is_some()).ok_or_else(|| {
        damage.with_hint(
            "Bring this file back from a copy, or open the folder of pictures: that begins a new project",
        )
    })
}

/// Whether `dir` is a project's folder.
pub fn is_project(dir: &Path) -> bool {
    dir.join(FILE).is_file()
}

/// Names of the folders in `runs`; none where `runs` does not exist.
fn run_names(runs: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("read the folder", runs, &e)),
    };
    let folders = entries.flatten().filter(|e| e.path().is_dir());
    let names = folders.map(|e| e.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|n| !n.starts_with('.')).collect())
}
