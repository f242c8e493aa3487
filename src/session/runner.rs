//! What each job does: the calls into the layers below, on a pool of the asked number of threads.

use super::events::Events;
use super::insight::{self, OpenFeatures};
use super::jobs::{JobEvent, JobOutput, JobRequest, Looked, ModelRef};
use super::journal::{self, Entry};
use super::lane::Lane;
use super::lock::RunLock;
use super::opened::Opened;
use super::splits::{Divide, Redivided};
use super::{
    arrangement, checks, copies, decisions, judging, pictures, places, project, run_pictures, splits,
};
use crate::backbones::{Network, find, weights};
use crate::config::{DataConfig, HeadConfig, TrainConfig};
use crate::data::{self, Checks, Dataset, Finding, Gone, Preflight, Sample, SavedSplits, Severity};
use crate::engine::train::RateSearch;
use crate::engine::{self, Classifier, Control, TrainEvent, TrainJob};
use crate::error::{Error, ErrorKind, Result};
use crate::export::bundle::export_bundle;
use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Carries jobs out; keeps the last opened model and the last read features between them.
#[derive(Default)]
pub(super) struct Runner {
    models: Opened<(ModelRef, Option<SystemTime>), Classifier>,
    features: OpenFeatures,
}

/// What a job reports to and is stopped by.
pub(super) struct Job<'a> {
    pub(super) events: &'a Events,
    pub(super) control: &'a Control,
}

impl Job<'_> {
    pub(super) fn progress(&self, done: usize, total: usize) -> Result<()> {
        self.events.progress(done, total);
        self.control.checkpoint()
    }
}

impl Runner {
    /// The runner of another thread; what both open is in memory once.
    pub(super) fn beside(&self) -> Self {
        Self { models: self.models.beside(), features: self.features.beside() }
    }

    /// Lets go of what it keeps.
    pub(super) fn let_go(&mut self) {
        self.models.close();
        self.features.close();
    }

    /// Does the job on a pool of its own: of as many threads as it says, or else `threads` (0 for one a core).
    pub(super) fn run(
        &mut self,
        request: JobRequest,
        threads: usize,
        events: &Events,
        control: &Control,
    ) -> Result<JobOutput> {
        let threads = match &request {
            JobRequest::Train { config, .. } | JobRequest::FindRate { config, .. } => config.train.threads,
            JobRequest::MeasureSpeed { threads, .. } => *threads,
            _ => threads,
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("headstart-{i}"))
            .build()
            .map_err(|e| Error::internal(format!("could not start {threads} threads ({e})")))?;
        let long = Lane::of(&request) == Lane::Long;
        let done = pool.install(|| self.dispatch(request, &Job { events, control }));
        // Work of other lanes may be going on beside training, which needs what it let go for its next step.
        if long && let Err(e) = engine::free_unused() {
            tracing::warn!("a card's memory could not be given back: {e}");
        }
        done
    }

    fn dispatch(&mut self, request: JobRequest, job: &Job<'_>) -> Result<JobOutput> {
        match request {
            JobRequest::OpenData { root, config, project, divide } => {
                open_data(&root, &config, (project.as_deref(), divide), job)
            }
            JobRequest::WriteSample { dir } => write_sample(&dir, job).map(|()| JobOutput::Sample(dir)),
            JobRequest::CheckWeights { backbone, weights } => check_weights(&backbone, &weights),
            JobRequest::Train { config, dataset, run_dir, resume } => {
                let train = TrainJob { config: *config, dataset: *dataset, run_dir, resume };
                self.let_go();
                run_training(&train, job)
            }
            JobRequest::FindRate { config, dataset } => {
                find_rate(*config, *dataset, job).map(JobOutput::Rates)
            }
            JobRequest::Evaluate { model, data, labels, test } => {
                let classifier = self.open(ModelRef::Saved(model.clone()))?;
                judging::judge(&classifier, (model, data, labels), test, job)
                    .map(|j| JobOutput::Evaluated(Box::new(j)))
            }
            JobRequest::Predict { model, paths } => {
                let pictures = pictures::expand(&paths, &|| job.control.checkpoint())?;
                let known = self.features.of(&model)?;
                let classifier = self.open(model)?;
                let reference = known.as_deref().and_then(|known| known.reference.as_ref());
                predict(&classifier, reference, &pictures, job).map(|()| JobOutput::Predicted)
            }
            JobRequest::Explain { model, picture, class } => {
                let known = self.features.of(&model)?;
                let classifier = self.open(model.clone())?;
                insight::explain(&classifier, known.as_deref(), model, picture, class)
                    .map(|e| JobOutput::Explained(Box::new(e)))
            }
            JobRequest::Analyse { run_dir, dataset } => {
                let dataset = match dataset {
                    Some(dataset) => *dataset,
                    None => trained_on(&run_dir, job)?,
                };
                let model = ModelRef::Saved(run_dir.clone());
                let before = self.features.of(&model)?;
                let progress = |done, total| job.progress(done, total);
                let second_part = || job.events.send(JobEvent::SecondPart(job.events.id()));
                let classifier = self.open(model)?;
                insight::analyse(
                    &classifier,
                    before.as_deref().map(|known| &known.features),
                    run_dir,
                    &dataset,
                    (&progress, &|| job.control.checkpoint(), &second_part),
                )
                .map(|a| JobOutput::Analysed(Box::new(a)))
            }
            JobRequest::Arrange { analysis } => {
                let known = self.features.of(&ModelRef::Saved(analysis.run_dir.clone()))?;
                let progress = |done, total| job.progress(done, total);
                let found = arrangement::arrange(
                    &analysis,
                    known.as_deref().map(|known| &known.features),
                    &progress,
                )?;
                Ok(JobOutput::Arranged(analysis, Arc::new(found)))
            }
            JobRequest::CopyByClass { pictures, out, data } => {
                let progress = |done, total| job.progress(done, total);
                copies::copy_by_class(&pictures, &out, data.as_deref(), &progress).map(JobOutput::Copied)
            }
            JobRequest::MeasureSpeed { backbone, device, precision, .. } => {
                let measured = engine::speed(find(&backbone)?, device, precision, job.control)?;
                Ok(JobOutput::Speed { backbone, threads: rayon::current_num_threads(), measured })
            }
            JobRequest::ExportBundle { run_dir, out } => export(&run_dir, out),
        }
    }

    /// The model, opened now unless it is the one that was opened last and has not been written since.
    fn open(&mut self, from: ModelRef) -> Result<Arc<Classifier>> {
        let written = written_at(&from);
        self.models.get((from.clone(), written), || match &from {
            ModelRef::Saved(dir) => Classifier::open(dir),
            ModelRef::Imagenet { backbone, weights } => Classifier::imagenet(backbone, weights),
        })
    }
}

fn predict(
    classifier: &Classifier,
    reference: Option<&engine::features::Reference>,
    pictures: &[PathBuf],
    job: &Job<'_>,
) -> Result<()> {
    let (id, progress) = (job.events.id(), |done, total| job.progress(done, total));
    let send = |path: &Path, ranked| job.events.send(JobEvent::Predicted(id, path.to_path_buf(), ranked));
    let Some(reference) = reference else {
        return classifier.classify(pictures, &progress, &mut |path, ranked| send(path, ranked));
    };
    classifier.classify_with_features(pictures, &progress, &mut |path, ranked, features| {
        if let Some(unlike) = features.and_then(|features| reference.unlike(features)) {
            job.events.send(JobEvent::Compared(id, path.to_path_buf(), unlike));
        }
        send(path, ranked);
    })
}

fn written_at(model: &ModelRef) -> Option<SystemTime> {
    let candidates = match model {
        ModelRef::Saved(dir) => vec![dir.join("model/model.safetensors"), dir.join("model.safetensors")],
        ModelRef::Imagenet { weights, .. } => vec![weights.clone()],
    };
    candidates.iter().find_map(|p| std::fs::metadata(p).ok()?.modified().ok())
}

/// The pictures of a folder as they lie there: divided as `saved` says, and looked at where `known` does not tell already.
pub(super) fn look_through(
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
    (project, divide): (Option<&Path>, Divide),
    job: &Job<'_>,
) -> Result<JobOutput> {
    let anew = divide == Divide::Anew;
    let how = Looked { with: config.clone(), ..Looked::default() };
    if let Some(dir) = project {
        places::check_outside("the project", dir, root)?;
    }
    let (saved, damage) = match project {
        Some(dir) => splits::load_or_set_aside(dir, config, &divide)?,
        None => (None, None),
    };
    let known = project.map(checks::load).unwrap_or_default();
    let found = look_through(root, config, saved.as_ref(), known.clone(), job)?;
    let Some(dir) = project else { return Ok(JobOutput::Data(found, how)) };
    let decisions = decisions::decisions(dir)?;
    let gone = if anew { Gone::default() } else { Gone::since(&known, &found.dataset) };
    let looked = match gone.whole_part() {
        // It is told until it is back, or the pictures are divided on purpose.
        true => found.dataset.checks.clone().and(&known),
        false => found.dataset.checks.clone(),
    };
    let (redivided, told) = match keep_look((dir, &divide), config, &found.dataset, (&known, looked)) {
        Err(e) if e.kind() == ErrorKind::ReadOnly => {
            (None, Some(Finding::about_all(Severity::Warning, READ_ONLY)))
        }
        kept => (kept?, None),
    };
    let gone = gone.finding(&found.dataset);
    let found = found.telling(damage.into_iter().chain(told).chain(gone));
    let found = found.decided_if_possible(&decisions.verdicts());
    let moved = redivided.is_some();
    // What is had again was asked for: the way back from it is known.
    let redivided = redivided.filter(|_| !matches!(divide, Divide::As(_)));
    Ok(JobOutput::Data(found, Looked { redivided, moved, ..how }))
}

/// What a window says of a project that can be looked at and not changed.
pub const READ_ONLY: &str = "this project is on a disk that is read-only: nothing can be saved and no run begun; to do so, copy the project's folder \
     to another disk and open it there";

/// Saves in the project's folder what a look at its pictures showed. Where that replaces an earlier division, both are returned; it comes
/// last: nothing can fail once it is done.
fn keep_look(
    (dir, divide): (&Path, &Divide),
    config: &DataConfig,
    dataset: &Dataset,
    (known, looked): (&Checks, Checks),
) -> Result<Option<Redivided>> {
    if looked != *known {
        checks::save(dir, looked)?;
    }
    if project::is_project(dir) {
        journal::append(dir, Entry::opened(dataset))?;
    }
    splits::keep(dir, config, dataset, divide)
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

/// In a folder that is gone afterwards.
fn find_rate(config: TrainConfig, dataset: Dataset, job: &Job<'_>) -> Result<RateSearch> {
    let scratch = std::env::temp_dir();
    let dir = tempfile::tempdir_in(&scratch).map_err(|e| Error::io("create a folder", &scratch, &e))?;
    let train = TrainJob { config, dataset, run_dir: dir.path().to_path_buf(), resume: false };
    let on_event = |event| match event {
        // Of the picture's part only how far it is: its other words are about a run.
        TrainEvent::Preflight(..) | TrainEvent::Cache(_) => job.events.train(event),
        _ => {}
    };
    engine::train::find_rate(&train, job.control, &on_event, &|done, total| job.events.progress(done, total))
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

/// The pictures that a run was trained on, as they were decided on then.
fn trained_on(run_dir: &Path, job: &Job<'_>) -> Result<Dataset> {
    let config = TrainConfig::load(&run_dir.join("config.toml"))?.data;
    let root = config.path.as_deref().ok_or_else(|| {
        Error::input("the run does not say which pictures it was trained on").with_path(run_dir)
    })?;
    Ok(run_pictures::of_run(Some(run_dir), (root, &config), Checks::default(), job)?.dataset.clone())
}

/// The job with the pictures as they were divided and decided on when the run was begun, where that has changed since.
fn as_begun(train: &TrainJob, project: Option<&Path>, job: &Job<'_>) -> Result<Option<TrainJob>> {
    let saved = splits::load(&train.run_dir, &train.config.data)?.unwrap_or_default();
    let stays = |s: &Sample| saved.splits.get(&s.rel).is_none_or(|part| *part == s.split);
    let same_parts = train.dataset.samples.iter().all(stays);
    if same_parts && decisions::load(&train.run_dir)? == train.dataset.verdicts {
        return Ok(None);
    }
    let known = project.map(checks::load).unwrap_or_default();
    let place = (train.dataset.root.as_path(), &train.config.data);
    let dataset = run_pictures::of_run(Some(&train.run_dir), place, known, job)?.dataset.clone();
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

fn export(run_dir: &Path, out: PathBuf) -> Result<JobOutput> {
    if let Ok(TrainConfig { data: DataConfig { path: Some(data), .. }, .. }) =
        TrainConfig::load(&run_dir.join("config.toml"))
    {
        places::check_outside("the model", &out, &data)?;
    }
    export_bundle(run_dir, &out)?;
    Ok(JobOutput::Exported(out))
}
