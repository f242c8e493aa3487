//! What the program remembers between starts: recent projects, theme, the last folder.

use crate::config::DeviceChoice;
use crate::error::{Error, Result};
use crate::export::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How many recent projects are remembered.
const RECENT: usize = 10;

/// Light, dark, or whatever the system shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeChoice {
    /// What the system shows.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// What the program remembers between starts. Losing it costs nothing but convenience, so it never stops the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Schema version, 1.
    pub version: u32,
    /// The user's choice of theme.
    pub theme: ThemeChoice,
    /// Where the last file dialog ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_folder: Option<PathBuf>,
    /// Project folders, newest first.
    pub recent_projects: Vec<PathBuf>,
    /// Width of the gallery's pictures in points, 64 to 320.
    pub thumbnail_size: u16,
    /// Pictures a second that backbones were measured at, by [`device_key`], then by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub speeds: BTreeMap<String, BTreeMap<String, f64>>,
}

/// What a measured speed is of: `cpu-2` for two threads of the processor, `cuda` or `metal` for a card.
pub fn device_key(device: DeviceChoice, threads: usize) -> String {
    match device {
        DeviceChoice::Auto | DeviceChoice::Cpu => format!("cpu-{threads}"),
        DeviceChoice::Cuda | DeviceChoice::Metal => device.name().to_owned(),
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: 1,
            theme: ThemeChoice::System,
            last_folder: None,
            recent_projects: Vec::new(),
            thumbnail_size: 108,
            speeds: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The remembered settings; the defaults where there are none. Where they cannot be read, the defaults and a sentence on
    /// what was lost: the file is kept under another name, so that the next save does not replace it.
    pub fn load() -> (Self, Option<String>) {
        default_file().map(|file| Self::load_from(&file)).unwrap_or_default()
    }

    /// As [`Self::load`], from a given file.
    pub fn load_from(file: &Path) -> (Self, Option<String>) {
        let why = match std::fs::read_to_string(file) {
            Ok(text) => match toml::from_str(&text) {
                Ok(settings) => return (settings, None),
                Err(e) => e.message().to_owned(),
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return (Self::default(), None),
            Err(e) => e.to_string(),
        };
        let kept = match set_aside(file) {
            Ok(kept) => format!("the old file is kept as {}", kept.display()),
            Err(e) => format!("the old file could not be kept ({e})"),
        };
        let lost = format!(
            "The theme and the list of recent projects could not be read from {} ({why}) and begin anew; {kept}",
            file.display()
        );
        tracing::warn!("{lost}");
        (Self::default(), Some(lost))
    }

    /// Saves them in the user's configuration folder, atomically.
    ///
    /// # Errors
    /// If there is no such folder or it cannot be written.
    pub fn save(&self) -> Result<()> {
        let file = default_file().ok_or_else(|| {
            Error::input("there is no home folder to keep the settings in").with_hint("Set HOME")
        })?;
        self.save_to(&file)
    }

    /// As [`Self::save`], to a given file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_to(&self, file: &Path) -> Result<()> {
        let text = toml::to_string_pretty(self)
            .map_err(|e| Error::internal(format!("could not write the settings ({e})")))?;
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create the folder", dir, &e))?;
        }
        atomic::write(file, text.as_bytes())
    }

    /// Puts a project at the top of the recent ones.
    pub fn remember_project(&mut self, dir: &Path) {
        self.recent_projects.retain(|p| p != dir);
        self.recent_projects.insert(0, dir.to_path_buf());
        self.recent_projects.truncate(RECENT);
    }

    /// Pictures a second of a backbone, where that was measured on a device, the processor with so many threads.
    pub fn speed(&self, backbone: &str, device: DeviceChoice, threads: usize) -> Option<f64> {
        self.speeds.get(&device_key(device, threads))?.get(backbone).copied()
    }

    /// Keeps a measured speed.
    pub fn remember_speed(
        &mut self,
        backbone: &str,
        device: DeviceChoice,
        threads: usize,
        images_per_s: f64,
    ) {
        let key = device_key(device, threads);
        self.speeds.entry(key).or_default().insert(backbone.to_owned(), images_per_s);
    }

    /// Recent projects that are still there, newest first.
    pub fn existing_projects(&self) -> Vec<PathBuf> {
        self.recent_projects.iter().filter(|p| p.join("project.toml").is_file()).cloned().collect()
    }
}

/// The system's folders for this program.
pub(super) fn folders() -> Option<directories::ProjectDirs> {
    directories::ProjectDirs::from("app", "Headstart", "headstart")
}

/// Where the program keeps files of its own that are worth keeping: weights, and projects that got no folder chosen.
pub fn data_dir() -> Option<PathBuf> {
    folders().map(|d| d.data_dir().to_path_buf())
}

fn default_file() -> Option<PathBuf> {
    folders().map(|d| d.config_dir().join("settings.toml"))
}

/// Gives a damaged file another name beside the old one, so that nothing is written over it.
fn set_aside(file: &Path) -> std::io::Result<PathBuf> {
    let mut n = 1;
    loop {
        let mut name = file.as_os_str().to_owned();
        name.push(if n == 1 { ".bad".to_owned() } else { format!(".bad{n}") });
        let kept = PathBuf::from(name);
        if !kept.exists() {
            return std::fs::rename(file, &kept).map(|()| kept);
        }
        n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_and_read_back() {
        let t = tempfile::tempdir().unwrap();
        let file = t.path().join("deep/settings.toml");
        let mut s = Settings { theme: ThemeChoice::Dark, ..Settings::default() };
        s.remember_project(Path::new("a"));
        s.remember_project(Path::new("b"));
        s.remember_project(Path::new("a"));
        s.remember_speed("resnet18", DeviceChoice::Cpu, 2, 31.5);
        s.remember_speed("resnet18", DeviceChoice::Cuda, 2, 4000.0);
        s.save_to(&file).unwrap();
        let known = |device, threads| s.speed("resnet18", device, threads);
        assert_eq!((known(DeviceChoice::Cpu, 2), known(DeviceChoice::Cpu, 4)), (Some(31.5), None));
        assert_eq!((known(DeviceChoice::Cuda, 4), known(DeviceChoice::Metal, 4)), (Some(4000.0), None));
        assert_eq!(Settings::load_from(&file), (s.clone(), None));
        assert_eq!(s.recent_projects, [Path::new("a"), Path::new("b")]);
    }

    #[test]
    fn damaged_settings_do_not_stop_the_program() {
        let t = tempfile::tempdir().unwrap();
        let file = t.path().join("settings.toml");
        assert_eq!(Settings::load_from(&file), (Settings::default(), None));
        for (text, kept) in [
            ("theme = ", "settings.toml.bad"),
            ("theme = \"purple\"", "settings.toml.bad2"),
            ("\0", "settings.toml.bad3"),
        ] {
            std::fs::write(&file, text).unwrap();
            let (settings, lost) = Settings::load_from(&file);
            assert_eq!(settings, Settings::default());
            assert!(lost.is_some_and(|l| l.contains(kept)), "{kept}");
            assert_eq!(std::fs::read_to_string(t.path().join(kept)).unwrap(), text);
            assert!(!file.exists());
        }
        std::fs::write(&file, "version = 2\ntheme = \"light\"\nnews = true\n").unwrap();
        assert_eq!(Settings::load_from(&file).0.theme, ThemeChoice::Light);
    }

    #[test]
    fn only_so_many_projects_are_remembered() {
        let mut s = Settings::default();
        (0..30).for_each(|i| s.remember_project(Path::new(&i.to_string())));
        assert_eq!((s.recent_projects.len(), s.recent_projects[0].to_str()), (RECENT, Some("29")));
        assert!(s.existing_projects().is_empty());
    }
}
