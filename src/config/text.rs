//! Configurations as text: TOML files and `key=value` settings.

use super::TrainConfig;
use crate::error::{Error, Result, plain_toml};
use std::path::Path;

impl TrainConfig {
    /// Reads a configuration from TOML text; keys left out get their defaults.
    ///
    /// # Errors
    /// Says which key or value is wrong.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|e| {
            let at = e.span().map(|span| place(text, span.start)).unwrap_or_default();
            Error::input(format!("the configuration is not valid{at}: {}", plain_toml(e.message())))
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// If the file cannot be read or a value in it is wrong.
    pub fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).map_err(|e| Error::io("read the configuration", path, &e))?;
        Self::from_toml(&text).map_err(|e| e.with_path(path))
    }

    /// The configuration as TOML text.
    ///
    /// # Errors
    /// Only if a number cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self)
            .map_err(|e| Error::internal(format!("could not write the configuration ({e})")))
    }

    /// Sets one key, for example `train.epochs` to `30`. The value is TOML, or plain text where the key takes text.
    ///
    /// # Errors
    /// If the key does not exist or the value does not fit; the configuration is then unchanged.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.set_all([(key, value)])
    }

    /// Sets several keys as [`Self::set`] sets one, and then looks whether they go together, so that their order does not matter.
    ///
    /// # Errors
    /// If a key does not exist or a value does not fit; the configuration is then unchanged.
    pub fn set_all<'a>(&mut self, settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
        let mut changed = self.clone();
        for (key, value) in settings {
            changed = changed.with(key, value)?;
        }
        changed.validate()?;
        *self = changed;
        Ok(())
    }

    /// The same with one key set, whose value is of the right kind but may be out of range.
    fn with(&self, key: &str, value: &str) -> Result<Self> {
        let Some((table, field)) = key.split_once('.') else {
            return Err(Error::input(format!("the setting `{key}` has no table"))
                .with_hint("Write it as table.key, for example train.epochs=30"));
        };
        let mut document: toml::Table = toml::Table::try_from(self)
            .map_err(|e| Error::internal(format!("could not write the configuration ({e})")))?;
        let parsed = format!("v = {value}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut t| t.remove("v"))
            .unwrap_or_else(|| toml::Value::String(value.to_owned()));
        let Some(toml::Value::Table(entries)) = document.get_mut(table) else {
            return Err(Error::input(format!("there is no setting `{key}`"))
                .with_hint("The tables are data, backbone, head, augment and train"));
        };
        entries.insert(field.to_owned(), widen(entries.get(field), parsed));
        document.try_into().map_err(|e: toml::de::Error| {
            Error::input(format!("{key} = {value}: {}", plain_toml(e.message())))
        })
    }
}

/// Where byte `at` of a TOML text is, in words: its line, and the key that is written there.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count();
    let table = before.lines().rev().find_map(|l| l.trim().strip_prefix('['));
    let table = table.and_then(|l| l.split(']').next()).map(|name| name.trim_matches(['[', ' ']));
    let key = text.lines().nth(line).and_then(|l| l.split_once('=')).map(|(key, _)| key.trim());
    let key = key.filter(|key| !key.is_empty() && !key.starts_with(['#', '{', '"']));
    match (table, key) {
        (Some(table), Some(key)) => format!(" (line {}, {table}.{key})", line + 1),
        (None, Some(key)) => format!(" (line {}, {key})", line + 1),
        (_, None) => format!(" (line {})", line + 1),
    }
}

/// `1` given for a setting that now holds `0.5` means `1.0`.
fn widen(old: Option<&toml::Value>, new: toml::Value) -> toml::Value {
    match (old, new) {
        (Some(toml::Value::Float(_)) | None, toml::Value::Integer(i)) if old.is_some() => {
            toml::Value::Float(i as f64)
        }
        (_, new) => new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{OptimizerKind, TrainMode};

    #[test]
    fn settings_that_need_each_other_come_in_any_order() {
        let both = [("data.group_by", "pattern"), ("data.group_pattern", r"patient(\d+)")];
        let mut c = TrainConfig::default();
        c.set_all(both).unwrap();
        assert_eq!(c.data.group_pattern.as_deref(), Some(r"patient(\d+)"));
        let mut c = TrainConfig::default();
        c.set_all(both.into_iter().rev()).unwrap();
        let before = c.clone();
        assert!(c.set_all([("train.epochs", "9"), ("head.dropout", "1.5")]).is_err());
        assert_eq!(c, before, "all or nothing");
    }

    #[test]
    fn text_and_back_is_the_same() {
        let mut c = TrainConfig::default();
        c.set("train.mode", "last-stages").unwrap();
        c.set("train.epochs", "7").unwrap();
        c.set("backbone.weights", "w/m.safetensors").unwrap();
        assert_eq!(TrainConfig::from_toml(&c.to_toml().unwrap()).unwrap(), c);
    }

    #[test]
    fn settings_are_addressed_by_table_and_key() {
        let mut c = TrainConfig::default();
        c.set("train.optimizer", "adam-w").unwrap();
        c.set("train.momentum", "0").unwrap();
        c.set("train.learning_rate", "1").unwrap();
        c.set("augment.crop_scale", "[0.08, 1.0]").unwrap();
        assert_eq!(c.train.optimizer, Some(OptimizerKind::AdamW));
        assert_eq!(
            (c.train.momentum, c.train.learning_rate, c.augment.crop_scale[0]),
            (0.0, Some(1.0), 0.08)
        );
    }

    #[test]
    fn a_wrong_value_in_a_file_is_named_with_its_key_and_line() {
        for (text, place, why) in [
            ("[train]\nepochs = 3\nphases = \"nonsense\"\n", "(line 3, train.phases)", "a list"),
            ("[data]\n\nval_fraction = true\n", "(line 3, data.val_fraction)", "a number"),
            ("[train]\nepocs = 3\n", "(line 2, train.epocs)", "epocs"),
            ("[train]\n[[train.phases]]\nepochs = \"x\"\n", "train.phases.epochs)", "whole number"),
        ] {
            let e = TrainConfig::from_toml(text).unwrap_err().to_string();
            assert!(e.contains(place) && e.contains(why), "{e}");
        }
    }

    #[test]
    fn a_bad_setting_changes_nothing_and_names_itself() {
        let mut c = TrainConfig::default();
        for (key, value) in [
            ("train.epocs", "3"),
            ("train.epochs", "many"),
            ("train.momentum", "2"),
            ("epochs", "3"),
            ("x.y", "1"),
        ] {
            let e = c.set(key, value).unwrap_err().to_string();
            assert!(e.contains(key.rsplit('.').next().unwrap()) || e.contains(key), "{e}");
        }
        assert_eq!(c, TrainConfig::default());
        assert_eq!(c.train.mode, TrainMode::Auto);
    }
}
