//! Small reads and writes that the window needs, on one named thread, in the order in which they were asked for.

use super::app::pasting::copied_files;
use super::state::{Compared, PathKind};
use crate::backbones::registry;
use crate::config::TrainConfig;
use crate::data::{Dataset, Decided, Decisions, Preflight, Step};
use crate::engine::analysis::Comparison;
use crate::engine::{self, Evaluation};
use crate::error::{Error, Result};
use crate::export::atomic;
use crate::session::home::{self, ProjectOf, SamplePlace};
use crate::session::pasted::Pasted;
use crate::session::{
    Project, ProjectLock, RunInfo, Settings, check_outside, decisions, fonts, load_evaluation, project,
    save_notes, test_judged, test_judged_by_others, was_compared, weights,
};
use crossbeam_channel::{Receiver, Sender};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// What can be asked of the disk.
#[derive(Debug)]
pub(super) enum DiskRequest {
    /// The project of a folder of pictures: the one it has, or a new one.
    ProjectFor(PathBuf),
    /// Put a new project on disk.
    Keep(Box<Project>, Box<Dataset>),
    /// Which folders of exported models a project has.
    Exports(Project),
    /// A project folder.
    OpenProject(PathBuf),
    /// Save settings.
    Save(Project),
    /// A new run's folder, for training with these settings.
    NewRun(Project, Box<TrainConfig>),
    /// The same, for training with the pictures divided as these settings say.
    NewRunDivided(Project, Box<TrainConfig>, Arc<Preflight>),
    /// A new run's folder to go on from where another ended, for so many epochs.
    ExtendRun(Project, PathBuf, usize),
    /// Move a run to the trash.
    TrashRun(Project, PathBuf),
    /// Bring a run back.
    RestoreRun(Project, PathBuf),
    /// What was written about a run.
    SaveNotes(PathBuf, String),
    /// All runs.
    Runs(Project),
    /// A run's evaluation.
    Evaluation(Box<RunInfo>),
    /// How often a run's test pictures were judged.
    TestJudged(PathBuf),
    /// What changed since a run, up to another one with its evaluation.
    Compare(PathBuf, (PathBuf, Arc<Evaluation>)),
    /// What lies at these paths.
    Look(Vec<PathBuf>),
    /// Where the sample pictures are, or should be drawn.
    Sample,
    /// The sample pictures are drawn at this place: give them their own name.
    SampleDrawn(PathBuf),
    /// What is remembered between starts.
    LoadSettings,
    SaveSettings(Settings),
    /// Fonts of this computer for letters that the window's own lack.
    Fonts,
    /// Weight files on this computer.
    KnownWeights,
    /// How much memory programs could still take.
    FreeMemory,
    /// Write a table, which must not come into the folder of pictures, where one is open.
    Write(PathBuf, Vec<u8>, Option<PathBuf>),
    /// Look for files on the clipboard; with `alone` it holds nothing else.
    CopiedFiles {
        alone: bool,
    },
    /// Keep a picture from the clipboard: its size, and its pixels.
    Paste([usize; 2], Vec<u8>),
    /// What was decided about a project's pictures, which are shown as given.
    Decisions(PathBuf, Arc<Preflight>),
    /// One step more.
    Decide(PathBuf, Arc<Preflight>, Step),
}

/// What the disk answers.
#[derive(Debug)]
pub(super) enum DiskAnswer {
    /// With what to tell of its files that are damaged.
    Opened(Box<Project>, Vec<String>),
    /// A new project was put on disk, or why it could not be.
    Kept(PathBuf, Option<Error>),
    /// The project's settings are damaged, and it has no run whose settings could stand in.
    Damaged(Error),
    /// It is not on disk yet.
    NewProject(Box<Project>),
    /// Folders of exported models.
    Exports(Vec<PathBuf>),
    /// With the pictures where they are divided in another way than those on show.
    RunReady(PathBuf, Box<TrainConfig>, Option<Box<Dataset>>),
    /// The run that ended, and where and how to go on.
    RunExtended(PathBuf, PathBuf, Box<TrainConfig>),
    /// Where the run was, and where it is now.
    RunTrashed(PathBuf, PathBuf),
    RunRestored,
    Runs(Vec<RunInfo>, Vec<String>),
    /// A run's own, how often it was judged on its test pictures, and whether its pictures were compared.
    Evaluation(Box<(RunInfo, Evaluation, usize, bool)>),
    /// The run whose evaluation cannot be read, and why.
    NoEvaluation(PathBuf, Error),
    /// By the run, and by others of the project.
    TestJudged(PathBuf, usize, usize),
    /// What changed since the earlier run, and the later evaluation.
    Compared(Compared, Arc<Evaluation>),
    Looked(Vec<(PathBuf, PathKind)>),
    /// The sample pictures are there.
    SampleAt(PathBuf),
    /// They have to be drawn, at this place.
    DrawSampleAt(PathBuf),
    /// With what went wrong, if something did.
    Settings(Settings, Option<String>),
    KnownWeights(BTreeMap<&'static str, Vec<PathBuf>>),
    /// In bytes, where the system tells.
    FreeMemory(Option<u64>),
    Fonts(Vec<Vec<u8>>),
    Written(PathBuf),
    /// Saving this project's settings ended; with why, if it failed.
    Saved(PathBuf, Option<Error>),
    /// Files from the clipboard, and whether they are all that it could hold.
    CopiedFiles(Vec<PathBuf>, bool),
    /// The file of a picture from the clipboard.
    Pasted(PathBuf),
    /// The project, its decisions, its pictures after them, and what was decided just now.
    Decided(PathBuf, Box<Decisions>, Arc<Preflight>, Option<Decided>),
    /// A step could not be kept; whether it was a new decision.
    NotDecided(Error, bool),
    Nothing,
}

/// The thread.
#[derive(Debug)]
pub(super) struct Disk {
    requests: Option<Sender<DiskRequest>>,
    answers: Receiver<Result<DiskAnswer>>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    pub(super) fn start(wake: impl Fn() + Send + 'static) -> Self {
        let (requests, inbox) = crossbeam_channel::unbounded();
        let (outbox, answers) = crossbeam_channel::unbounded();
        let work = move || {
            let mut held = Held::default();
            for request in inbox {
                if outbox.send(serve(request, &mut held)).is_err() {
                    return;
                }
                wake();
            }
        };
        let thread = std::thread::Builder::new().name("disk".to_owned()).spawn(work).ok();
        Self { requests: Some(requests), answers, thread }
    }

    pub(super) fn ask(&self, request: DiskRequest) {
        if let Some(requests) = &self.requests {
            // The thread ends only with the window.
            let _ = requests.send(request);
        }
    }

    pub(super) fn answer(&self) -> Option<Result<DiskAnswer>> {
        self.answers.try_recv().ok()
    }

    /// Waits until everything that was asked for is on disk.
    pub(super) fn finish(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread keeps as long as it is needed.
#[derive(Default)]
struct Held {
    pasted: Option<Pasted>,
    /// The project on show.
    project: Option<(PathBuf, ProjectLock)>,
}

impl Held {
    /// Keeps other windows out of the project on show.
    fn take(&mut self, project: &Path) -> Result<()> {
        if self.project.as_ref().is_none_or(|(taken, _)| taken != project) {
            self.project = Some((project.to_path_buf(), ProjectLock::take(project)?));
        }
        Ok(())
    }

    fn opened(&mut self, project: Project) -> Result<DiskAnswer> {
        self.take(&project.dir)?;
        let settings = project::damage(&project.dir).map(|damage| {
            format!(
                "{damage} The settings of its newest run are used; the damaged file is kept beside when others are saved."
            )
        });
        let journal = project.mend_journal().map(|damage| damage.to_string());
        Ok(DiskAnswer::Opened(Box::new(project), settings.into_iter().chain(journal).collect()))
    }
}

fn serve(request: DiskRequest, held: &mut Held) -> Result<DiskAnswer> {
    match request {
        DiskRequest::ProjectFor(data) => match home::project_for(&data, &home::home())? {
            ProjectOf::Known(project) => held.opened(project),
            ProjectOf::New(project) => Ok(DiskAnswer::NewProject(Box::new(project))),
        },
        DiskRequest::Keep(project, dataset) => {
            // Where only a part of it could be written before, the settings are what is left to save.
            let kept = match project::is_project(&project.dir) {
                true => project.save(),
                false => home::keep(&project, &dataset, &home::home()),
            };
            match kept {
                Ok(()) => held.take(&project.dir).map(|()| DiskAnswer::Kept(project.dir, None)),
                Err(why) => Ok(DiskAnswer::Kept(project.dir, Some(why))),
            }
        }
        DiskRequest::OpenProject(dir) => match Project::open(&dir) {
            Ok(project) => held.opened(project),
            Err(error) if project::damage(&dir).is_some() => Ok(DiskAnswer::Damaged(error)),
            Err(error) => Err(error),
        },
        DiskRequest::Save(project) => {
            let failed = project.save().err();
            Ok(DiskAnswer::Saved(project.dir, failed))
        }
        DiskRequest::Exports(project) => Ok(DiskAnswer::Exports(project.exports())),
        DiskRequest::NewRun(project, config) => {
            project.new_run_dir().map(|dir| DiskAnswer::RunReady(dir, config, None))
        }
        DiskRequest::NewRunDivided(project, config, pictures) => {
            let divided = pictures.divided(&config.data)?;
            project.new_run_dir().map(|dir| DiskAnswer::RunReady(dir, config, Some(Box::new(divided))))
        }
        DiskRequest::ExtendRun(project, run, more) => project
            .extend_run(&run, more)
            .map(|(to, config)| DiskAnswer::RunExtended(run, to, Box::new(config))),
        DiskRequest::TrashRun(project, run) => {
            project.trash_run(&run).map(|trashed| DiskAnswer::RunTrashed(run, trashed))
        }
        DiskRequest::RestoreRun(project, trashed) => {
            project.restore_run(&trashed).map(|_| DiskAnswer::RunRestored)
        }
        DiskRequest::SaveNotes(run, notes) => save_notes(&run, &notes).map(|()| DiskAnswer::Nothing),
        DiskRequest::Runs(project) => project.runs().map(|(runs, bad)| DiskAnswer::Runs(runs, bad)),
        DiskRequest::Evaluation(run) => {
            let evaluation = match load_evaluation(&run.dir) {
                Ok(evaluation) => evaluation,
                Err(why) => return Ok(DiskAnswer::NoEvaluation(run.dir, why)),
            };
            let times = test_judged(&run.dir)?;
            let compared = was_compared(&run.dir);
            Ok(DiskAnswer::Evaluation(Box::new((*run, evaluation, times, compared))))
        }
        DiskRequest::TestJudged(run_dir) => {
            let (own, others) = (test_judged(&run_dir)?, test_judged_by_others(&run_dir));
            Ok(DiskAnswer::TestJudged(run_dir, own, others))
        }
        DiskRequest::Compare(run_dir, (later_run, after)) => {
            let comparison = Arc::new(Comparison::of(&load_evaluation(&run_dir)?, &after));
            let decisions = decisions::changes_between(&run_dir, &later_run)?;
            Ok(DiskAnswer::Compared(Compared { run_dir, comparison, decisions }, after))
        }
        DiskRequest::Look(paths) => Ok(DiskAnswer::Looked(
            paths
                .into_iter()
                .map(|p| {
                    let kind = look(&p);
                    (p, kind)
                })
                .collect(),
        )),
        DiskRequest::Sample => home::sample_place(&home::home()).map(|place| match place {
            SamplePlace::Ready(there) => DiskAnswer::SampleAt(there),
            SamplePlace::ToDraw(draft) => DiskAnswer::DrawSampleAt(draft),
        }),
        DiskRequest::SampleDrawn(drawn) => home::keep_sample(&drawn).map(DiskAnswer::SampleAt),
        DiskRequest::LoadSettings => {
            let (mut settings, lost) = Settings::load();
            settings.recent_projects = settings.existing_projects();
            Ok(DiskAnswer::Settings(settings, lost))
        }
        DiskRequest::SaveSettings(settings) => settings.save().map(|()| DiskAnswer::Nothing),
        DiskRequest::Fonts => Ok(DiskAnswer::Fonts(fonts::of_this_computer())),
        DiskRequest::FreeMemory => Ok(DiskAnswer::FreeMemory(engine::memory::free())),
        DiskRequest::KnownWeights => {
            let of = |name| (name, weights::known(name));
            Ok(DiskAnswer::KnownWeights(registry().iter().map(|s| of(s.name)).collect()))
        }
        DiskRequest::Write(path, bytes, pictures) => {
            if let Some(pictures) = pictures {
                check_outside("the table", &path, &pictures)?;
            }
            atomic::write(&path, &bytes).map(|()| DiskAnswer::Written(path))
        }
        DiskRequest::CopiedFiles { alone } => Ok(DiskAnswer::CopiedFiles(copied_files(), alone)),
        DiskRequest::Paste(size, rgba) => {
            let kept = match &mut held.pasted {
                Some(pasted) => pasted.keep(size, &rgba)?,
                None => held.pasted.insert(Pasted::new()?).keep(size, &rgba)?,
            };
            Ok(DiskAnswer::Pasted(kept))
        }
        DiskRequest::Decisions(project, shown) => decisions::refreshed(&project, &shown)
            .map(|(decisions, preflight)| DiskAnswer::Decided(project, Box::new(decisions), preflight, None)),
        DiskRequest::Decide(project, found, step) => {
            let new = match &step {
                Step::Decided(new) => Some(new.clone()),
                Step::Undone | Step::Redone => None,
            };
            Ok(match decisions::decide(&project, &found, step) {
                Ok((decisions, preflight)) => {
                    DiskAnswer::Decided(project, Box::new(decisions), preflight, new)
                }
                Err(error) => DiskAnswer::NotDecided(error, new.is_some()),
            })
        }
    }
}

fn look(path: &Path) -> PathKind {
    if path.is_dir() {
        let has = |name: &str| path.join(name).is_file();
        return if has("project.toml") {
            PathKind::Project
        } else if has("model.safetensors") || has("summary.json") {
            PathKind::Model
        } else {
            PathKind::Folder
        };
    }
    if !path.exists() {
        return PathKind::Missing;
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("safetensors" | "pth" | "pt") => PathKind::Weights,
        Some("csv" | "tsv") => PathKind::Table,
        _ => PathKind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_by_what_lies_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let p = dir.path().join(name);
            std::fs::create_dir_all(p.parent().unwrap()).unwrap();
            std::fs::write(&p, "x").unwrap();
            p
        };
        assert_eq!(look(&file("a.JPG")), PathKind::File);
        assert_eq!(look(&file("w.PTH")), PathKind::Weights);
        assert_eq!(look(&file("labels.TSV")), PathKind::Table);
        assert_eq!(look(file("p/project.toml").parent().unwrap()), PathKind::Project);
        assert_eq!(look(file("r/summary.json").parent().unwrap()), PathKind::Model);
        assert_eq!(look(dir.path()), PathKind::Folder);
        assert_eq!(look(&dir.path().join("none")), PathKind::Missing);
    }
    #[test]
    fn a_project_is_remembered_by_the_one_whole_path_that_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("p");
        Project::create(&place, TrainConfig::default()).unwrap();
        let request = DiskRequest::OpenProject(place.join("runs/.."));
        let Ok(DiskAnswer::Opened(opened, told)) = serve(request, &mut Held::default()) else {
            panic!("it is a project")
        };
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(opened.dir, place.canonicalize().unwrap());
        std::fs::write(place.join("journal.jsonl"), "damaged").unwrap();
        let request = DiskRequest::OpenProject(place);
        let Ok(DiskAnswer::Opened(_, told)) = serve(request, &mut Held::default()) else {
            panic!("what is lost is told")
        };
        assert!(matches!(&told[..], [told] if told.contains("line 1 of the journal")), "{told:?}");
    }

    #[test]
    fn damaged_settings_that_nothing_stands_in_for_are_told_apart_and_stay_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("p");
        Project::create(&place, TrainConfig::default()).unwrap();
        std::fs::write(place.join("project.toml"), "garbage = [").unwrap();
        let open = |place: PathBuf| serve(DiskRequest::OpenProject(place), &mut Held::default());
        assert!(matches!(open(place.clone()), Ok(DiskAnswer::Damaged(_))));
        assert_eq!(std::fs::read(place.join("project.toml")).unwrap(), b"garbage = [");
        assert!(open(dir.path().join("none")).is_err(), "that is no project at all");
    }

    #[test]
    fn settings_that_cannot_be_saved_are_told_with_their_project() {
        let dir = tempfile::tempdir().unwrap();
        let project = Project::create(&dir.path().join("p"), TrainConfig::default()).unwrap();
        let gone = Project { dir: dir.path().join("p/project.toml/none"), config: project.config.clone() };
        let saved = |project: &Project| match serve(DiskRequest::Save(project.clone()), &mut Held::default())
        {
            Ok(DiskAnswer::Saved(of, failed)) => (of == project.dir, failed.is_some()),
            other => panic!("{other:?}"),
        };
        assert_eq!((saved(&project), saved(&gone)), ((true, false), (true, true)));
    }
}
