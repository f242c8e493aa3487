//! What a training job works on: checked pictures, resolved settings, the network with its source weights.

use super::cache::{Pictures, Reporter, Room};
use super::plan::{Input, Phase, check_stages, plan};
use super::{TrainJob, checkpoint, files, fingerprint};
use crate::backbones::weights::{load_into, read_state_dict};
use crate::backbones::{Network, find};
use crate::config::{HeadOutput, Learns, ResolvedTrain, Solver, TrainConfig};
use crate::data::orientation::{Flip, concern};
use crate::data::{Dataset, Layout, Split, preflight};
use crate::engine::at_once::AtOnce;
use crate::engine::memory::MemoryUse;
use crate::engine::picture_cache::{Budget, PictureCache};
use crate::engine::views::ViewMaker;
use crate::engine::{BatchChange, Control, TrainEvent, device, memory};
use crate::error::{Error, ErrorKind, Result, part_of};
use candle_core::Device;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// More undecodable pictures than this share need the user's word.
const MAX_UNDECODABLE: f64 = 0.2;

/// Memory in use is told at most this often.
const MEMORY_EVERY: Duration = Duration::from_secs(1);

/// Everything that stays the same during a training job.
pub(crate) struct Context<'a> {
    /// All settings, nothing left open.
    pub(crate) config: TrainConfig,
    /// What depends on the mode.
    pub(crate) resolved: ResolvedTrain,
    /// Pause, stop and cancel.
    pub(crate) control: &'a Control,
    /// Where events go.
    pub(crate) on_event: &'a (dyn Fn(TrainEvent) + Sync),
    /// The pictures that can be decoded.
    pub(crate) dataset: Dataset,
    /// SHA-256 of their files, in their order.
    pub(crate) contents: Vec<[u8; 32]>,
    /// Training pictures with their numbers.
    pub(crate) train: Vec<(usize, PathBuf)>,
    /// Validation pictures with their numbers.
    pub(crate) val: Vec<(usize, PathBuf)>,
    /// How views are made.
    pub(crate) maker: ViewMaker,
    /// Memory for what need not be made twice.
    budget: Budget,
    /// What learns, and when.
    pub(crate) phases: Vec<Phase>,
    /// What computes.
    device: Device,
    /// The run's folder.
    pub(crate) run_dir: PathBuf,
    /// Weight of each class in the loss, mean 1 over the pictures.
    pub(crate) class_weights: Option<Vec<f32>>,
    /// SHA-256 of the source weights; empty without any.
    pub(crate) weights_sha256: String,
    /// When the job began.
    pub(crate) started: Instant,
    /// When memory in use was told last.
    memory_told: Mutex<Option<Instant>>,
    /// What became of the size of steps before training begins.
    pub(crate) batch_changes: Vec<BatchChange>,
    /// How many rows passes without gradients take at once.
    at_once: AtOnce,
    /// Stands for a card's memory.
    #[cfg(test)]
    pub(crate) room_for_steps: super::full_memory::RoomForSteps,
}

impl<'a> Context<'a> {
    /// Looks at the pictures, reads the weights and builds the network.
    ///
    /// # Errors
    /// If settings, pictures or weights do not fit, or the run's folder cannot be used.
    pub(crate) fn prepare(
        job: &TrainJob,
        control: &'a Control,
        on_event: &'a (dyn Fn(TrainEvent) + Sync),
    ) -> Result<(Self, Network)> {
        let started = Instant::now();
        job.config.validate()?;
        job.config.check_mixing()?;
        let spec = find(&job.config.backbone.name)?;
        if !job.resume {
            check_stages(&job.config, spec)?;
        }
        let device = device::device(job.config.train.device)?;
        let bf16 = device::computes_in_bf16(job.config.train.precision, &device)?;
        prepare_folder(&job.run_dir, job.resume)?;
        let (dataset, contents) = usable_pictures(job, control, on_event)?;
        let resolved = job.config.train.resolve(job.config.backbone.weights.is_some());
        let config = written_out(&job.config, &dataset)?;
        warn_of_flips(&config, &dataset, on_event);
        let seed = config.train.seed;
        let cut = config.backbone.cut_stage.as_deref();
        let mut network = Network::new(spec, cut, &config.head, dataset.classes.len(), seed, &device)?;
        network.compute_in_bf16(bf16);
        let weights_sha256 = match &config.backbone.weights {
            Some(path) => {
                let report = load_into(&mut network, &read_state_dict(path)?)?;
                on_event(TrainEvent::Loaded(report));
                fingerprint::sha256_of_file(path)?
            }
            None => String::new(),
        };
        let numbered = |split| dataset.indices(split).into_iter().map(|i| (i, dataset.path(i))).collect();
        let (train, val) = (numbered(Split::Train), numbered(Split::Val));
        let planned = job.config.train.plan(job.config.backbone.weights.is_some());
        let phases = plan(&planned, network.stage_names());
        let budget = Budget::mib(config.data.cache_mib);
        let again = phases.iter().any(|p| p.input == Input::Pictures);
        let context = Self {
            class_weights: config
                .train
                .balance_classes
                .then(|| balanced(&dataset.class_counts(Split::Train))),
            maker: ViewMaker {
                preprocess: spec.preprocess,
                augment: config.augment.clone(),
                max_megapixels: config.data.max_megapixels,
                seed,
                kept: again.then(|| Arc::new(PictureCache::new(budget.clone()))),
            },
            budget,
            phases,
            device,
            run_dir: job.run_dir.clone(),
            config,
            resolved,
            control,
            on_event,
            dataset,
            contents,
            train,
            val,
            weights_sha256,
            started,
            memory_told: Mutex::default(),
            batch_changes: Vec::new(),
            at_once: AtOnce::default(),
            #[cfg(test)]
            room_for_steps: Default::default(),
        };
        Ok((context, network))
    }

    /// Both parts of the pictures.
    pub(crate) fn pictures(&self) -> Pictures<'_> {
        Pictures { train: &self.train, val: &self.val }
    }

    /// Where what the frozen part computes is kept.
    pub(crate) fn room(&self) -> Room<'_> {
        Room { budget: &self.budget, dir: &self.run_dir }
    }

    /// Class of a picture by its number in the data set.
    pub(crate) fn class(&self, picture: usize) -> usize {
        self.dataset.samples[picture].class
    }

    /// Says something to the person.
    pub(crate) fn note(&self, text: impl Into<String>) {
        (self.on_event)(TrainEvent::Note(text.into()));
    }

    /// Says something that the person should not miss.
    pub(crate) fn warn(&self, text: impl Into<String>) {
        (self.on_event)(TrainEvent::Warning(text.into()));
    }

    /// Tells how much memory is in use, once a second.
    pub(crate) fn tell_memory(&self) {
        let mut told = self.memory_told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= MEMORY_EVERY) {
            *told = Some(Instant::now());
            let now = MemoryUse { bytes: memory::in_use(), card: device::card_memory(&self.device) };
            if now.bytes.is_some() || now.card.is_some() {
                (self.on_event)(TrainEvent::Memory(now));
            }
        }
    }

    /// Softmax or sigmoid.
    pub(crate) fn output(&self) -> HeadOutput {
        self.config.head.output
    }

    /// Calls `work` with a reporter that fails when the job should end before there is anything to keep.
    pub(crate) fn with_reporter<T>(&self, work: impl FnOnce(&Reporter<'_>) -> Result<T>) -> Result<T> {
        let keep_going = || keep_going(self.control);
        work(&Reporter { keep_going: &keep_going, on_event: self.on_event, at_once: &self.at_once })
    }

    /// Lets `work` answer rows `0..count`, in smaller parts where the card's memory is full.
    ///
    /// # Errors
    /// See [`AtOnce::rows`].
    pub(crate) fn rows<T>(
        &self,
        count: usize,
        device: &Device,
        work: impl FnMut(Range<usize>) -> Result<Vec<T>>,
    ) -> Result<Vec<T>> {
        self.with_reporter(|reporter| reporter.rows(count, device, work))
    }
}

/// Says where flipped pictures may belong to another class.
fn warn_of_flips(config: &TrainConfig, dataset: &Dataset, on_event: &(dyn Fn(TrainEvent) + Sync)) {
    let a = &config.augment;
    if !a.enabled || config.train.solver == Solver::Logistic {
        return;
    }
    for (flip, often, key) in [(Flip::Mirror, a.hflip, "hflip"), (Flip::UpsideDown, a.vflip, "vflip")] {
        if let Some(why) = concern(&dataset.classes, flip).filter(|_| often > 0.0) {
            on_event(TrainEvent::Warning(format!("{why}. Set augment.{key} to 0 where that matters")));
        }
    }
}

/// Waits while paused; fails when cancelled, and also when asked to keep the best while there is none yet.
fn keep_going(control: &Control) -> Result<()> {
    control.checkpoint()?;
    if control.should_finish() { Err(Error::cancelled()) } else { Ok(()) }
}

fn prepare_folder(dir: &Path, resume: bool) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, &e))?;
    files::check_unfinished(dir)?;
    if !resume {
        for old in [checkpoint::dir(dir), dir.join(files::names::MODEL)] {
            match std::fs::remove_dir_all(&old) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove the older run in", &old, &e));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Decodes every picture once and leaves out what cannot be; gives the SHA-256 of each file, too.
fn usable_pictures(
    job: &TrainJob,
    control: &Control,
    on_event: &(dyn Fn(TrainEvent) + Sync),
) -> Result<(Dataset, Vec<[u8; 32]>)> {
    let config = &job.config.data;
    let before = job.dataset.samples.len();
    let found = preflight(job.dataset.clone(), config, &|done, total| {
        keep_going(control)?;
        on_event(TrainEvent::Preflight(done, total));
        Ok(())
    })?;
    let dataset = found.dataset;
    let lost = before - dataset.samples.len();
    if found.undecodable_frac > MAX_UNDECODABLE && !config.allow_many_unreadable {
        let what = format!(
            "{} pictures ({:.0} %) cannot be decoded",
            part_of(lost, before),
            100.0 * found.undecodable_frac
        );
        return Err(Error::new(ErrorKind::NeedsConfirmation, what)
            .with_path(&dataset.root)
            .with_hint("Mend the files, or set data.allow_many_unreadable to true to go on without them"));
    }
    if lost > 0 {
        on_event(TrainEvent::Note(format!(
            "{} pictures cannot be decoded and are left out",
            part_of(lost, before)
        )));
    }
    if dataset.classes.len() < 2 {
        return Err(Error::input(format!("there are pictures of {} class", dataset.classes.len()))
            .with_path(&dataset.root)
            .with_hint("Training needs at least two class folders with pictures"));
    }
    if let Some(class) = dataset.class_counts(Split::Train).iter().position(|&n| n == 0) {
        return Err(Error::input(format!("class `{}` has no training pictures", dataset.classes[class]))
            .with_path(&dataset.root)
            .with_hint("Add pictures of it, or remove the class folder"));
    }
    if dataset.indices(Split::Val).is_empty() {
        return Err(Error::input("there are no validation pictures").with_path(&dataset.root).with_hint(
            match dataset.layout {
                Layout::SplitLabelFile => "Name some for validation in the label file",
                _ if dataset.can_hold_out() => "Raise data.val_fraction",
                _ => "Each class needs at least two pictures, one of them to judge by: add some",
            },
        ));
    }
    Ok((dataset, found.contents))
}

/// The settings with everything left open filled in, so that a run's `config.toml` says what was used. Where a card's speed decides the
/// size of steps, the run changes that, and rates that were left open, afterwards.
///
/// # Errors
/// If there is no such backbone, or it cannot be cut or pooled so.
pub fn written_out(config: &TrainConfig, dataset: &Dataset) -> Result<TrainConfig> {
    let r = config.train.resolve(config.backbone.weights.is_some());
    let mut c = config.clone();
    let (spec, cut) = (find(&config.backbone.name)?, config.backbone.cut_stage.as_deref());
    c.head.pooling = Some(Network::pooling_of(spec, cut, &config.head)?);
    c.data.path = Some(dataset.root.clone());
    let within = |p: &Path| p.strip_prefix(&dataset.root).unwrap_or(p).to_path_buf();
    c.data.labels = dataset.labels.as_ref().map(|file| within(&file.path));
    c.train.batch_size = Some(r.batch_size);
    c.train.optimizer = Some(r.optimizer);
    c.train.weight_decay = Some(r.weight_decay);
    if !config.train.phases.is_empty() {
        let plan = config.train.plan(config.backbone.weights.is_some());
        for (phase, planned) in c.train.phases.iter_mut().zip(plan) {
            phase.learning_rate = Some(planned.learning_rate);
            phase.schedule = Some(planned.schedule);
            phase.last_stages = (planned.learns == Learns::LastStages).then_some(planned.last_stages);
        }
        return Ok(c);
    }
    c.train.mode = r.mode;
    c.train.epochs = Some(r.epochs);
    c.train.head_epochs = Some(r.head_epochs);
    c.train.learning_rate = Some(r.learning_rate);
    c.train.head_learning_rate = Some(r.head_learning_rate);
    c.train.schedule = Some(r.schedule);
    Ok(c)
}

/// scikit-learn's "balanced": pictures / (classes * pictures of the class).
fn balanced(counts: &[usize]) -> Vec<f32> {
    let total: usize = counts.iter().sum();
    counts.iter().map(|&n| total as f32 / (counts.len() * n.max(1)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_classes_weigh_more_and_the_mean_stays_one() {
        let w = balanced(&[30, 10]);
        assert_eq!(w, [40.0 / 60.0, 40.0 / 20.0]);
        assert!((30.0 * w[0] + 10.0 * w[1] - 40.0).abs() < 1e-4);
    }
}
