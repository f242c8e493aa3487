//! What was found out about a companion, remembered until something changes that it depends on.

use super::{Companion, driver};
use crate::export::atomic;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Changes with each start of the machine, where the system says so.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// Chooses which cards a program sees.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    /// Schema version, 1.
    version: u32,
    /// What it depends on.
    of: String,
    /// Why it does not work; none where it does.
    fails: Option<String>,
}

/// What the answer depends on: the companion's files, the driver, the start of the machine.
#[derive(Debug)]
pub(super) struct Remembered {
    of: String,
}

impl Remembered {
    /// For the programs and libraries in `folder` and this driver.
    pub(super) fn of(folder: &Path, driver: &str) -> Self {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut stamps: Vec<String> = files.filter_map(|file| driver::stamp(&file.path())).collect();
        stamps.sort_unstable();
        let boot = std::fs::read_to_string(BOOT).unwrap_or_default();
        let visible = std::env::var(VISIBLE).unwrap_or_default();
        let all = [env!("CARGO_PKG_VERSION"), driver, &boot, &visible, &stamps.join("\n")].join("\0");
        Self { of: Sha256::digest(all.as_bytes()).iter().map(|b| format!("{b:02x}")).collect() }
    }

    /// What was found, if it was about the same.
    pub(super) fn read(&self, file: &Path) -> Option<Companion> {
        let content: Content = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        (content.version == 1 && content.of == self.of)
            .then(|| content.fails.map_or(Companion::Works, Companion::Fails))
    }

    /// Remembers what was found. Where that cannot be written, it is asked for again the next time.
    pub(super) fn write(&self, file: &Path, found: &Companion) {
        let fails = match found {
            Companion::Works => None,
            Companion::Fails(why) => Some(why.clone()),
            _ => return,
        };
        let content = Content { version: 1, of: self.of.clone(), fails };
        let written = serde_json::to_vec(&content).map_err(|e| e.to_string()).and_then(|text| {
            let folder = file.parent().unwrap_or(file);
            std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
            atomic::write(file, &text).map_err(|e| e.to_string())
        });
        if let Err(e) = written {
            tracing::info!("{} cannot be written: {e}", file.display());
        }
    }
}
