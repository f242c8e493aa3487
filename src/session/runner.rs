//! What each job does: the calls into the layers below, on a pool of the asked number of threads.

use super::events::Events;
use super::jobs::{JobEvent, JobOutput, JobRequest, ModelRef};
use super::journal::{self, Entry};
use super::readable::check_readable;
use super::run_lock::RunLock;
use super::{checks, decisions, pictures, places, project, splits};
use crate::backbones::{Network, find, weights};
use crate::config::{DataConfig, HeadConfig, TrainConfig};
use crate::data::{self, Checks, Dataset, Layout, Preflight, SavedSplits, Split};
use crate::engine::{self, Classifier, Control, Evaluation, TrainEvent, TrainJob};
use crate::error::{Error, Result};
use crate::export::bundle::export_bundle;
use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Carries jobs out; keeps the last opened model between them.
#[derive(Default)]
pub(super) struct Runner {
    model: Option<OpenModel>,
}

struct OpenModel {
    from: ModelRef,
    written: Option<std::time::SystemTime>,
    classifier: Classifier,
}

/// What a job reports to and is stopped by.
struct Job<'a> {
    events: &'a Events,
    control: &'a Control,
}

impl Job<'_> {
    fn progress(&self, done: usize, total: usize) -> Result<()> {
        self.events.progress(done, total);
        self.control.checkpoint()
    }
}

impl Runner {
    /// Does the job on a pool of its own.
    pub(super) fn run(
        &mut self,
        request: JobRequest,
        events: &Events,
        control: &Control,
    ) -> Result<JobOutput> {
        let threads = match &request {
            JobRequest::Train { config, .. } => config.train.threads,
            JobRequest::MeasureSpeed { threads, .. } => *threads,
            _ => 0,
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("headstart-{i}"))
            .build()
            .map_err(|e| Error::internal(format!("could not start {threads} threads ({e})")))?;
        pool.install(|| self.dispatch(request, &Job { events, control }))
    }

    fn dispatch(&mut self, request: JobRequest, job: &Job<'_>) -> Result<JobOutput> {
        match request {
            JobRequest::OpenData { root, config, project } => {
                open_data(&root, &config, project.as_deref(), job).map(JobOutput::Data)
            }
            JobRequest::WriteSample { dir } => write_sample(&dir, job).map(|()| JobOutput::Sample(dir)),
            JobRequest::CheckWeights { backbone, weights } => check_weights(&backbone, &weights),
            JobRequest::Train { config, dataset, run_dir, resume } => {
                let train = TrainJob { config: *config, dataset: *dataset, run_dir, resume };
                self.model = None;
                run_training(&train, job)
            }
            JobRequest::Evaluate { model, data } => {
                let classifier = self.open(ModelRef::Saved(model.clone()))?;
                evaluate(classifier, &model, &data, job).map(|e| JobOutput::Evaluated(Box::new(e)))
            }
            JobRequest::Predict { model, paths } => {
                let pictures = pictures::expand(&paths, &|| job.control.checkpoint())?;
                let classifier = self.open(model)?;
                let mut each = |path: &Path, ranked| {
                    job.events.send(JobEvent::Predicted(job.events.id(), path.to_path_buf(), ranked));
                };
                classifier.classify(&pictures, &|d, t| job.progress(d, t), &mut each)?;
                Ok(JobOutput::Predicted)
            }
            JobRequest::MeasureSpeed { backbone, .. } => {
                let images_per_s = engine::images_per_s(find(&backbone)?, job.control)?;
                Ok(JobOutput::Speed { backbone, threads: rayon::current_num_threads(), images_per_s })
            }
            JobRequest::ExportBundle { run_dir, out } => export(&run_dir, out),
        }
    }

    /// The model, opened now unless it is the one that was opened last and has not been written since.
    fn open(&mut self, from: ModelRef) -> Result<&Classifier> {
        let written = written_at(&from);
        let reuse = self.model.take().filter(|m| m.from == from && m.written == written);
        let model = match reuse {
            Some(model) => model,
            None => {
                let classifier = match &from {
                    ModelRef::Saved(dir) => Classifier::open(dir)?,
                    ModelRef::Imagenet { backbone, weights } => Classifier::imagenet(backbone, weights)?,
                };
                OpenModel { from, written, classifier }
            }
        };
        Ok(&self.model.insert(model).classifier)
    }
}

fn written_at(model: &ModelRef) -> Option<std::time::SystemTime> {
    let candidates = match model {
        ModelRef::Saved(dir) => vec![dir.join("model/model.safetensors"), dir.join("model.safetensors")],
        ModelRef::Imagenet { weights, .. } => vec![weights.clone()],
    };
    candidates.iter().find_map(|p| std::fs::metadata(p).ok()?.modified().ok())
}

/// The pictures of a folder as they lie there: divided as `saved` says, and looked at where `known` does not tell already.
fn look_through(
    root: &Path,
    config: &DataConfig,
    saved: Option<&SavedSplits>,
    known: Checks,
    job: &Job<'_>,
) -> Result<Arc<Preflight>> {
    let progress = |done, total| job.progress(done, total);
    let mut dataset = data::scan(root, config, saved, &progress)?;
    dataset.checks = known;
    data::preflight(dataset, config, &progress).map(Arc::new)
}

fn open_data(
    root: &Path,
    config: &DataConfig,
    project: Option<&Path>,
    job: &Job<'_>,
) -> Result<Arc<Preflight>> {
    if let Some(dir) = project {
        places::check_outside("the project", dir, root)?;
    }
    let saved = project.map(|dir| splits::load(dir, config)).transpose()?.flatten();
    let known = project.map(checks::load).unwrap_or_default();
    let found = look_through(root, config, saved.as_ref(), known.clone(), job)?;
    let Some(dir) = project else { return Ok(found) };
    let d = &found.dataset;
    splits::save(dir, config, d)?;
    if d.checks != known {
        checks::save(dir, d.checks.clone())?;
    }
    if project::is_project(dir) {
        journal::append(dir, Entry::opened(d))?;
    }
    Ok(found.decided_if_possible(&decisions::decisions(dir)?.verdicts()))
}

fn write_sample(dir: &Path, job: &Job<'_>) -> Result<()> {
    if !places::is_new_or_empty(dir)? {
        return Err(Error::input("the sample pictures need a new or empty folder, and this one holds files")
            .with_path(dir)
            .with_hint("Choose another folder"));
    }
    data::sample::write_sample(dir, &|done, total| job.progress(done, total))
}

fn check_weights(backbone: &str, file: &Path) -> Result<JobOutput> {
    let spec = find(backbone)?;
    let weights = weights::read_state_dict(file)?;
    // Two classes stand for the head that will be made: the published one is dropped either way.
    let mut network = Network::new(spec, None, &HeadConfig::default(), 2, 0, &Device::Cpu)?;
    weights::load_into(&mut network, &weights).map(JobOutput::Weights)
}

/// The project that a run folder `PROJECT/runs/ID` belongs to, and the run's name.
fn project_of(run_dir: &Path) -> Option<(&Path, String)> {
    let runs = run_dir.parent()?;
    let project = runs.parent()?;
    let id = run_dir.file_name()?.to_string_lossy().into_owned();
    (runs.file_name()? == "runs" && project::is_project(project)).then_some((project, id))
}

fn run_training(train: &TrainJob, job: &Job<'_>) -> Result<JobOutput> {
    let run_dir = &train.run_dir;
    places::check_outside("the run", run_dir, &train.dataset.root)?;
    engine::check_unfinished(run_dir)?;
    let (made, empty) = (!run_dir.exists(), places::is_new_or_empty(run_dir)?);
    std::fs::create_dir_all(run_dir).map_err(|e| Error::io("create the folder", run_dir, &e))?;
    let lock = RunLock::take(run_dir)?;
    let project = project_of(run_dir);
    let as_begun = match train.resume {
        true => as_begun(train, project.as_ref().map(|(dir, _)| *dir), job)?,
        false => None,
    };
    let train = as_begun.as_ref().unwrap_or(train);
    splits::save(run_dir, &train.config.data, &train.dataset)?;
    decisions::save(run_dir, &train.dataset.verdicts)?;
    if let Some((dir, run)) = &project {
        journal::append(dir, Entry::RunStarted { run: run.clone(), resumed: train.resume })?;
    }
    let result = engine::train(train, job.control, &|event| job.events.train(event));
    if let Some((dir, run)) = project {
        let outcome = match &result {
            Ok(_) => "done".to_owned(),
            Err(e) if e.is_cancelled() => "cancelled".to_owned(),
            Err(e) => format!("failed: {e}"),
        };
        let written = journal::append(dir, Entry::RunFinished { run, outcome });
        // A result is worth more than the line about it.
        written.unwrap_or_else(|e| tracing::warn!("{e}"));
    }
    if result.is_err() && empty && !run_dir.join("config.toml").exists() {
        tidy_up(run_dir, made, lock);
    }
    result.map(|outcome| JobOutput::Trained(Box::new(outcome)))
}

/// The job with the pictures as they were decided on when the run was begun, where that has changed since.
fn as_begun(train: &TrainJob, project: Option<&Path>, job: &Job<'_>) -> Result<Option<TrainJob>> {
    let (then, root, config) = (decisions::load(&train.run_dir)?, &train.dataset.root, &train.config.data);
    if then == train.dataset.verdicts {
        return Ok(None);
    }
    let saved = splits::load(&train.run_dir, config)?;
    let known = project.map(checks::load).unwrap_or_default();
    let dataset = look_through(root, config, saved.as_ref(), known, job)?.decided(&then)?.dataset.clone();
    Ok(Some(TrainJob { dataset, config: train.config.clone(), run_dir: train.run_dir.clone(), resume: true }))
}

/// Leaves the place of a run that was refused as it was found; only the splits and the lock were written by then.
fn tidy_up(run_dir: &Path, made: bool, lock: RunLock) {
    let removed = splits::remove(run_dir)
        .and_then(|()| decisions::remove(run_dir))
        .and_then(|()| lock.remove(run_dir))
        .and_then(|()| match made {
            true => std::fs::remove_dir(run_dir),
            false => Ok(()),
        });
    // Why the run was refused is what the person has to know.
    removed.unwrap_or_else(|e| tracing::warn!("{} could not be tidied up: {e}", run_dir.display()));
}

fn evaluate(classifier: &Classifier, model: &Path, root: &Path, job: &Job<'_>) -> Result<Evaluation> {
    let progress = |done, total| job.progress(done, total);
    let trained_on = TrainConfig::load(&model.join("config.toml")).ok().map(|c| c.data);
    let same_folder = trained_on
        .as_ref()
        .and_then(|d| d.path.as_deref())
        .is_some_and(|p| places::resolved(p) == places::resolved(root));
    let config = trained_on.unwrap_or_default();
    let saved = if same_folder { splits::load(model, &config)? } else { None };
    let found = look_through(root, &config, saved.as_ref(), Checks::default(), job)?;
    check_readable(&found, &config)?;
    let judged = match same_folder {
        true => found.decided(&decisions::load(model)?)?,
        false => found,
    };
    let dataset = &judged.dataset;
    let split = judged_split(dataset, same_folder);
    let count = split.map_or(dataset.samples.len(), |s| dataset.indices(s).len());
    let note = match split {
        Some(_) => format!("Judging the model on {count} validation pictures"),
        None => format!(
            "Judging the model on all {count} pictures. If it has learned from some of them, the result is too good"
        ),
    };
    job.events.train(TrainEvent::Note(note));
    engine::evaluate(classifier, dataset, split, job.control, &progress)
}

/// Which pictures a judgement is about: the folder's own validation pictures, those that the model was not trained on, or,
/// for a folder that the model has never seen, all.
fn judged_split(dataset: &Dataset, trained_on: bool) -> Option<Split> {
    let has_val = dataset.samples.iter().any(|s| s.split == Split::Val);
    ((trained_on || dataset.layout == Layout::SplitFolders) && has_val).then_some(Split::Val)
}

fn export(run_dir: &Path, out: PathBuf) -> Result<JobOutput> {
    if let Ok(TrainConfig { data: DataConfig { path: Some(data), .. }, .. }) =
        TrainConfig::load(&run_dir.join("config.toml"))
    {
        places::check_outside("the model", &out, &data)?;
    }
    export_bundle(run_dir, &out)?;
    Ok(JobOutput::Exported(out))
}
