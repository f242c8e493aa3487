//! Downloads beside everything else: each in a thread of its own, so that training goes on.

use super::client::Hub;
use super::file_of;
use crate::backbones::BackboneSpec;
use crate::engine::Control;
use crate::error::{Error, Result};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Progress is told at most this often.
const INTERVAL: Duration = Duration::from_millis(100);

/// What a download tells.
#[derive(Debug, Clone, PartialEq)]
pub enum DownloadEvent {
    /// Bytes that are here, and in all.
    Progress {
        /// Registered name of the backbone.
        backbone: &'static str,
        /// Bytes here.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// It ended: where the file is, or why there is none ([`Error::is_cancelled`] where it was cancelled).
    Finished {
        /// Registered name of the backbone.
        backbone: &'static str,
        /// The file, or why not.
        outcome: Result<PathBuf>,
    },
}

/// The downloads that run. Dropping it cancels them; what has arrived is kept.
pub struct Downloads {
    out: Sender<DownloadEvent>,
    events: Receiver<DownloadEvent>,
    wake: Arc<dyn Fn() + Send + Sync>,
    controls: HashMap<&'static str, Arc<Control>>,
}

impl std::fmt::Debug for Downloads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Downloads").field("running", &self.controls.keys()).finish_non_exhaustive()
    }
}

impl Downloads {
    /// `wake` is called after every event, for example to repaint a window.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (out, events) = unbounded();
        Self { out, events, wake: Arc::new(wake), controls: HashMap::new() }
    }

    /// Begins to download the backbone's weights, unless that runs already.
    pub fn start(&mut self, spec: &'static BackboneSpec) {
        if self.controls.contains_key(spec.name) {
            return;
        }
        let control = Arc::new(Control::default());
        self.controls.insert(spec.name, control.clone());
        let (out, wake) = (self.out.clone(), self.wake.clone());
        let tell = move |event| {
            // Nobody listens once the window is closed.
            let _ = out.send(event);
            wake();
        };
        let begun = std::thread::Builder::new().name("download".to_owned()).spawn({
            let tell = tell.clone();
            move || {
                let outcome = run(spec, &control, &tell);
                tell(DownloadEvent::Finished { backbone: spec.name, outcome });
            }
        });
        if let Err(e) = begun {
            let outcome = Err(Error::internal(format!("could not start the download ({e})")));
            tell(DownloadEvent::Finished { backbone: spec.name, outcome });
        }
    }

    /// Ends a download; what has arrived is kept and continued next time.
    pub fn cancel(&self, backbone: &str) {
        if let Some(control) = self.controls.get(backbone) {
            control.cancel();
        }
    }

    /// Takes the next event, without waiting.
    pub fn try_event(&mut self) -> Option<DownloadEvent> {
        let event = self.events.try_recv().ok()?;
        if let DownloadEvent::Finished { backbone, .. } = &event {
            self.controls.remove(backbone);
        }
        Some(event)
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        self.controls.values().for_each(|control| control.cancel());
    }
}

fn run(spec: &'static BackboneSpec, control: &Control, tell: &dyn Fn(DownloadEvent)) -> Result<PathBuf> {
    let told: Cell<Option<Instant>> = Cell::new(None);
    let progress = |done, total| {
        if told.get().is_none_or(|t| t.elapsed() >= INTERVAL) {
            told.set(Some(Instant::now()));
            tell(DownloadEvent::Progress { backbone: spec.name, done, total });
        }
    };
    Hub::from_env()?.download(&file_of(spec)?, control, &progress)
}
