//! Where two configurations differ, key by key.

use super::TrainConfig;
use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// One setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its key, for example `train.epochs`.
    pub key: String,
    /// Its value as TOML in the first configuration; none where it is left open there.
    pub before: Option<String>,
    /// The same in the second.
    pub after: Option<String>,
}

impl TrainConfig {
    /// The settings in which `self` and `after` differ, by key.
    ///
    /// # Errors
    /// Only if a number cannot be written as TOML.
    pub fn differences(&self, after: &Self) -> Result<Vec<Difference>> {
        let [before, after] = [table(self)?, table(after)?];
        let tables: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let mut found = Vec::new();
        for name in tables {
            let [a, b] = [&before, &after].map(|t| t.get(name).and_then(toml::Value::as_table));
            let keys: BTreeSet<&String> = [a, b].into_iter().flatten().flat_map(toml::Table::keys).collect();
            for key in keys {
                let [a, b] = [a, b].map(|t| t.and_then(|t| t.get(key)));
                if a != b {
                    let [before, after] = [a, b].map(|v| v.map(toml::Value::to_string));
                    found.push(Difference { key: format!("{name}.{key}"), before, after });
                }
            }
        }
        Ok(found)
    }
}

fn table(config: &TrainConfig) -> Result<toml::Table> {
    toml::Table::try_from(config)
        .map_err(|e| Error::internal(format!("could not write the configuration ({e})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_that_differs_is_named_with_both_values() {
        let a = TrainConfig::default();
        let mut b = a.clone();
        assert_eq!(a.differences(&b).unwrap(), []);
        b.set("train.learning_rate", "0.1").unwrap();
        b.set("head.dropout", "0.5").unwrap();
        let found = a.differences(&b).unwrap();
        let dropout = a.head.dropout.to_string();
        let want = |key: &str, before: Option<String>, after: &str| Difference {
            key: key.to_owned(),
            before,
            after: Some(after.to_owned()),
        };
        assert_eq!(found[0].key, "head.dropout");
        assert_eq!(found[0].before.as_ref().unwrap().parse::<f64>().unwrap().to_string(), dropout);
        assert_eq!(found[1..], [want("train.learning_rate", None, "0.1")]);
    }
}
