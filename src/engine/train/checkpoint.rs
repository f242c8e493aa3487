//! The checkpoint: what is needed to go on exactly where an epoch ended, in one file that is replaced atomically.
//!
//! `checkpoint/state.safetensors` holds `weights/NAME` (what has learned so far), `best/NAME` (the same of the best epoch) and
//! `optimizer/NAME`, in the inside layout; its metadata holds [`Progress`]. Randomness is keyed by epoch and needs no state.
//! Weights that never learned come from the source file, which is recognised by its SHA-256.

use super::files::names;
use super::fingerprint::CONTENT_DIGITS;
use crate::config::TrainConfig;
use crate::engine::BatchChange;
use crate::error::{Error, Result};
use crate::export::atomic;
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILE: &str = "state.safetensors";
const METADATA_KEY: &str = "headstart";
const VERSION: u32 = 1;
/// Writing may take one part in this many of the training time.
const COST: u32 = 25;

/// Named tensors in the inside layout.
pub(crate) type Named = BTreeMap<String, Tensor>;

/// Everything but tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Schema version.
    pub(crate) version: u32,
    /// Epochs done.
    pub(crate) epoch: usize,
    /// Epochs by which patience shortened each phase; phases at the end may be left out.
    #[serde(default)]
    pub(crate) shortened: Vec<usize>,
    /// When steps got another number of pictures than was chosen.
    #[serde(default)]
    pub(crate) batch_changes: Vec<BatchChange>,
    /// The resolved settings as TOML.
    pub(crate) config: String,
    /// Fingerprint of the pictures and their split.
    pub(crate) pictures: String,
    /// Fingerprint of what each picture's file held when the run began, [`CONTENT_DIGITS`] digits each in the order of the data
    /// set; empty in older checkpoints.
    #[serde(default)]
    pub(crate) contents: String,
    /// Fingerprint of the source weights; empty without any.
    pub(crate) weights: String,
    /// `metrics.jsonl` so far.
    pub(crate) lines: Vec<String>,
    /// The best epoch, from 1, and the bits of its two scores; text would round them.
    pub(crate) best: Option<(usize, [u64; 2])>,
    /// Seconds spent so far.
    pub(crate) elapsed_s: f64,
    /// Training pictures that the epochs went through.
    #[serde(deserialize_with = "pictures_trained")]
    pub(crate) trained: u64,
}

/// A number, or as in older checkpoints a number and the seconds that the steps took.
fn pictures_trained<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Trained {
        Pictures(u64),
        WithSeconds((u64, IgnoredAny)),
    }
    Trained::deserialize(deserializer).map(|trained| match trained {
        Trained::Pictures(pictures) | Trained::WithSeconds((pictures, _)) => pictures,
    })
}

impl Progress {
    /// An unstarted job's.
    pub(crate) fn new(config: String, pictures: String, contents: String, weights: String) -> Self {
        Self {
            version: VERSION,
            epoch: 0,
            shortened: Vec::new(),
            batch_changes: Vec::new(),
            config,
            pictures,
            contents,
            weights,
            lines: Vec::new(),
            best: None,
            elapsed_s: 0.0,
            trained: 0,
        }
    }
}

/// A checkpoint in memory.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    /// Everything but tensors.
    pub(crate) progress: Progress,
    /// What has learned.
    pub(crate) weights: Named,
    /// The same at the best epoch.
    pub(crate) best: Named,
    /// The optimizer's state.
    pub(crate) optimizer: Named,
}

impl Checkpoint {
    /// Writes the checkpoint into the run's folder.
    ///
    /// # Errors
    /// If the disk is full; the checkpoint before is then intact.
    pub(crate) fn save(&self, run_dir: &Path) -> Result<()> {
        let dir = run_dir.join(names::CHECKPOINT);
        std::fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, &e))?;
        let mut parts: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
        for (prefix, named) in
            [("weights", &self.weights), ("best", &self.best), ("optimizer", &self.optimizer)]
        {
            for (name, t) in named {
                let values = t.flatten_all()?.to_vec1::<f32>()?;
                parts.push((format!("{prefix}/{name}"), t.dims().to_vec(), values));
            }
        }
        let damaged = |e: safetensors::SafeTensorError| {
            Error::internal(format!("could not write the checkpoint ({e})")).with_path(&dir)
        };
        let views = parts
            .iter()
            .map(|(name, shape, values)| {
                let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values));
                view.map(|v| (name.as_str(), v)).map_err(damaged)
            })
            .collect::<Result<Vec<_>>>()?;
        let text = serde_json::to_string(&self.progress)
            .map_err(|e| Error::internal(format!("could not write the checkpoint ({e})")))?;
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), text)]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(damaged)?;
        atomic::write(&dir.join(FILE), &bytes)
    }

    /// Reads the checkpoint of a run; `None` where there is none.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub(crate) fn load(run_dir: &Path, device: &Device) -> Result<Option<Self>> {
        let path = run_dir.join(names::CHECKPOINT).join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(b) => b,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &path, &e)),
        };
        Self::parse(&bytes, device).map(Some).map_err(|why| {
            Error::input(format!("the checkpoint is damaged ({why})"))
                .with_path(&path)
                .with_hint("Start a new run; the settings are in the run's config.toml")
        })
    }

    fn parse(bytes: &[u8], device: &Device) -> std::result::Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let text = header.metadata().as_ref().and_then(|m| m.get(METADATA_KEY)).ok_or("no progress in it")?;
        let progress: Progress = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if progress.version != VERSION {
            return Err(format!("its version is {}, this program writes {VERSION}", progress.version));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let mut c = Self { progress, weights: Named::new(), best: Named::new(), optimizer: Named::new() };
        for (name, view) in file.iter() {
            let values: Vec<f32> = match view.dtype() {
                Dtype::F32 => bytemuck::pod_collect_to_vec(view.data()),
                other => return Err(format!("`{name}` is {other:?}, not F32")),
            };
            let tensor = Tensor::from_vec(values, view.shape(), device).map_err(|e| e.to_string())?;
            let (group, name) = name.split_once('/').ok_or_else(|| format!("`{name}` is in no group"))?;
            let group = match group {
                "weights" => &mut c.weights,
                "best" => &mut c.best,
                "optimizer" => &mut c.optimizer,
                other => return Err(format!("there is no group `{other}`")),
            };
            group.insert(name.to_owned(), tensor);
        }
        Ok(c)
    }
}

/// Decides when a checkpoint is worth its time.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    last: Option<(Instant, Duration)>,
}

impl Throttle {
    /// Whether enough time has passed since the last one that writing costs less than one part in 20.
    pub(crate) fn is_due(&self) -> bool {
        self.last.is_none_or(|(ended, took)| ended.elapsed() >= took * COST)
    }

    /// Notes that one was written from `started` until now.
    pub(crate) fn written(&mut self, started: Instant) {
        self.last = Some((Instant::now(), started.elapsed()));
    }
}

/// How many pictures of the same job hold something else than when it began; 0 where an older checkpoint does not tell.
pub(crate) fn changed_pictures(now: &Progress, then: &Progress) -> usize {
    let [now, then] = [now, then].map(|p| p.contents.as_bytes().chunks(CONTENT_DIGITS));
    now.zip(then).filter(|(now, then)| now != then).count()
}

/// Where the checkpoint of a run lies.
pub(crate) fn dir(run_dir: &Path) -> PathBuf {
    run_dir.join(names::CHECKPOINT)
}

/// The first setting that changes the result and differs, with its value then and now. A setting that came later has its default in an
/// older run.
fn other_setting(now: &str, then: &str) -> Result<Option<String>> {
    const FREE: [&str; 6] = [
        "train.threads",
        "train.device",
        "data.path",
        "data.allow_many_unreadable",
        "data.cache_mib",
        "backbone.weights",
    ];
    let differences = TrainConfig::from_toml(then)?.differences(&TrainConfig::from_toml(now)?)?;
    let value = |v: Option<String>| v.unwrap_or_else(|| "left open".to_owned());
    let other = differences.into_iter().find(|d| !FREE.contains(&d.key.as_str()));
    Ok(other.map(|d| format!("{} was {}, and is {} now", d.key, value(d.before), value(d.after))))
}

/// A checkpoint may only be continued with what it was begun with.
///
/// # Errors
/// If settings that change the result, the pictures or the source weights differ; names the first that does.
pub(crate) fn same_job(now: &Progress, then: &Progress) -> Result<()> {
    let what = match other_setting(&now.config, &then.config)? {
        Some(other) => format!("the run was begun with other settings: {other}"),
        None if now.pictures != then.pictures => {
            "the run was begun with other pictures or another split".to_owned()
        }
        None if now.weights != then.weights => "the run was begun with other source weights".to_owned(),
        None => return Ok(()),
    };
    Err(Error::input(what).with_hint("Go on with what the run was begun with, or start a new run"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::train::fingerprint::contents;

    fn sample() -> Checkpoint {
        let t = |v: &[f32]| Tensor::new(v, &Device::Cpu).unwrap();
        let mut progress = Progress::new("a = 1".into(), "p".into(), "0123".into(), String::new());
        progress.best = Some((3, [(0.1f64 + 0.2).to_bits(), f64::NEG_INFINITY.to_bits()]));
        Checkpoint {
            progress,
            weights: Named::from([("w".into(), t(&[1.0, -0.0, f32::MIN_POSITIVE]))]),
            best: Named::from([("w".into(), t(&[2.0, 3.0, 4.0]))]),
            optimizer: Named::from([("w/momentum".into(), t(&[5.0]))]),
        }
    }

    #[test]
    fn a_setting_that_an_older_run_did_not_know_does_not_stop_it() {
        let progress = |text: String| Progress::new(text, "p".into(), String::new(), String::new());
        let config = TrainConfig::default();
        let now = progress(config.to_toml().unwrap());
        let older: Vec<&str> = now.config.lines().filter(|l| !l.starts_with("mixup")).collect();
        assert_ne!(older.join("\n"), now.config.trim_end());
        same_job(&now, &progress(older.join("\n"))).unwrap();
        let changed = now.config.replace("mixup = 0.0", "mixup = 0.5");
        assert!(same_job(&now, &progress(changed)).unwrap_err().to_string().contains("mixup"));
    }

    #[test]
    fn what_is_read_is_what_was_written_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Checkpoint::load(dir.path(), &Device::Cpu).unwrap().is_none());
        let c = sample();
        c.save(dir.path()).unwrap();
        let back = Checkpoint::load(dir.path(), &Device::Cpu).unwrap().unwrap();
        assert_eq!(back.progress, c.progress);
        let bits = |n: &Named| {
            n.iter()
                .map(|(k, t)| (k.clone(), t.to_vec1::<f32>().unwrap().iter().map(|v| v.to_bits()).collect()))
                .collect::<Vec<(String, Vec<u32>)>>()
        };
        for (a, b) in [(&c.weights, &back.weights), (&c.best, &back.best), (&c.optimizer, &back.optimizer)] {
            assert_eq!(bits(a), bits(b));
        }
    }

    #[test]
    fn older_progress_is_read() {
        let mut now = sample().progress;
        now.trained = 40;
        let mut older = serde_json::to_value(&now).unwrap();
        older["trained"] = serde_json::json!([40, 1.5]);
        older.as_object_mut().unwrap().remove("contents").unwrap();
        let older: Progress = serde_json::from_value(older).unwrap();
        assert_eq!(changed_pictures(&now, &older), 0);
        assert_eq!(Progress { contents: now.contents.clone(), ..older }, now);
    }

    #[test]
    fn changed_pictures_are_counted() {
        let with =
            |files: [u8; 3]| Progress { contents: contents(&files.map(|b| [b; 32])), ..sample().progress };
        let then = with([1, 2, 3]);
        assert_eq!(
            [[1, 2, 3], [1, 9, 3], [4, 2, 9]].map(|now| changed_pictures(&with(now), &then)),
            [0, 1, 2]
        );
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        sample().save(dir.path()).unwrap();
        let path = dir.path().join("checkpoint/state.safetensors");
        let good = std::fs::read(&path).unwrap();
        for bad in [&good[..good.len() / 2], &good[..4], b"" as &[u8]] {
            std::fs::write(&path, bad).unwrap();
            let e = Checkpoint::load(dir.path(), &Device::Cpu).unwrap_err();
            assert!(e.to_string().contains("state.safetensors"), "{e}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_failing_write_leaves_the_old_one_intact() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        sample().save(dir.path()).unwrap();
        let folder = dir.path().join("checkpoint");
        // A file in the folder's place fails for every user, root too, which permissions do not.
        let kept = dir.path().join("kept");
        std::fs::rename(&folder, &kept).unwrap();
        std::fs::write(&folder, b"").unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o400)).unwrap();
        let e = sample().save(dir.path()).unwrap_err();
        assert!(e.kind() == crate::ErrorKind::Io && e.to_string().contains("checkpoint"), "{e}");
        assert!(kept.join("state.safetensors").exists());
    }

    #[test]
    fn a_checkpoint_is_refused_for_another_job_and_says_why() {
        let p = |config: &str, pictures: &str| {
            Progress::new(config.into(), pictures.into(), String::new(), String::new())
        };
        let a = p("[train]\nepochs = 3\nthreads = 2", "x");
        same_job(&a, &p("[train]\nepochs = 3\nthreads = 4", "x")).unwrap();
        let e = same_job(&a, &p("[train]\nepochs = 4", "x")).unwrap_err().to_string();
        assert!(e.contains("train.epochs was 4, and is 3 now"), "{e}");
        assert!(same_job(&a, &p("[train]\nepochs = 3", "y")).unwrap_err().to_string().contains("pictures"));
    }
}
