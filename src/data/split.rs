//! Dividing pictures into training, validation and test.

mod divide;
mod grouped;

pub(super) use divide::divide;

use crate::error::{Error, Result};
use crate::nn::rng::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which part a picture belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Learned from.
    Train,
    /// Decides the best epoch.
    Val,
    /// Looked at only when asked.
    Test,
}

/// Version of `splits.json` that this program writes.
const SPLITS_VERSION: u32 = 1;

/// `splits.json`: which picture is where, by path relative to the data folder (with `/`), so that a split stays the same
/// when files are added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSplits {
    /// Schema version, 1.
    pub version: u32,
    /// Path to split.
    pub splits: BTreeMap<String, Split>,
}

impl SavedSplits {
    /// The splits of a scanned data set, to be saved.
    pub fn from_dataset(dataset: &super::Dataset) -> Self {
        let splits = dataset.samples.iter().map(|s| (s.rel.clone(), s.split)).collect();
        Self { version: SPLITS_VERSION, splits }
    }

    /// The content of `splits.json`.
    ///
    /// # Errors
    /// Never in practice: every path is valid text.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|e| Error::internal(format!("could not write splits as JSON ({e})")))
    }

    /// Reads the content of `splits.json`.
    ///
    /// # Errors
    /// If the text is not such a file, or a newer program wrote it.
    pub fn from_json(text: &str) -> Result<Self> {
        let saved: Self = serde_json::from_str(text)
            .map_err(|e| Error::input(format!("the saved splits cannot be read ({e})")))?;
        if (1..=SPLITS_VERSION).contains(&saved.version) {
            Ok(saved)
        } else {
            Err(Error::input(format!("the saved splits have version {}", saved.version))
                .with_hint("A newer Headstart wrote them; use that one"))
        }
    }
}

/// Divides the pictures of one class between training and validation.
///
/// Of `n` pictures `fraction * n` are held out, rounded, and of two or more at least one stays on each side: so each class gives the
/// same share. Every picture has a fixed number drawn from `(seed, class, path)`, and those with the smallest are held out.
/// `earlier` holds what a saved split says; those pictures stay, unless none is left to train on.
fn split_class(
    class: &str,
    rels: &[&str],
    seed: u64,
    fraction: f64,
    earlier: &[Option<Split>],
) -> Vec<Split> {
    let n = rels.len();
    let draws = draws(class, rels, seed);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| draws[a].total_cmp(&draws[b]).then_with(|| rels[a].cmp(rels[b])));

    let mut splits: Vec<Split> = earlier.iter().map(|e| e.unwrap_or(Split::Train)).collect();
    let kept_val = earlier.iter().filter(|e| **e == Some(Split::Val)).count();
    let free: Vec<usize> = order.iter().copied().filter(|&i| earlier[i].is_none()).collect();
    let held_out = held_out_of(n, fraction).saturating_sub(kept_val).min(free.len());
    for &i in &free[..held_out] {
        splits[i] = Split::Val;
    }
    if n > 0 && !splits.contains(&Split::Train) {
        splits[order[n - 1]] = Split::Train;
    }
    splits
}

/// The fixed number in `[0, 1)` of each picture of a class.
fn draws(class: &str, rels: &[&str], seed: u64) -> Vec<f64> {
    let class_key = fnv1a(class);
    rels.iter().map(|rel| Rng::for_key(seed, &[class_key, fnv1a(rel)]).uniform()).collect()
}

/// How many of `n` pictures of a class are held out.
fn held_out_of(n: usize, fraction: f64) -> usize {
    if n < 2 { 0 } else { ((fraction * n as f64).round() as usize).clamp(1, n - 1) }
}

/// FNV-1a, 64 bit: the same on every machine and in every version of the program.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("cat/{i}.jpg")).collect()
    }

    fn split(names: &[String], fraction: f64) -> Vec<Split> {
        let rels: Vec<&str> = names.iter().map(String::as_str).collect();
        split_class("cat", &rels, 3, fraction, &vec![None; rels.len()])
    }

    fn val(splits: &[Split]) -> usize {
        splits.iter().filter(|s| **s == Split::Val).count()
    }

    #[test]
    fn each_class_gives_its_share() {
        for (n, held) in [(2000, 400), (40, 8), (13, 3), (7, 1), (3, 1)] {
            assert_eq!(val(&split(&names(n), 0.2)), held, "of {n}");
        }
    }

    #[test]
    fn both_sides_keep_one_and_a_single_picture_is_trained_on() {
        for fraction in [0.01, 0.5, 0.99] {
            assert_eq!(split(&names(1), fraction), [Split::Train]);
            for n in 2..9 {
                let held = val(&split(&names(n), fraction));
                assert!(held >= 1 && held < n, "{n} pictures at {fraction}: {held}");
            }
        }
    }

    #[test]
    fn added_pictures_move_few_others() {
        let small = split(&names(300), 0.2);
        let large = split(&names(330), 0.2);
        let moved = small.iter().zip(&large).filter(|(a, b)| a != b).count();
        assert!(moved < 10, "{moved} of 300");
    }

    #[test]
    fn an_earlier_split_stays() {
        let names = names(30);
        let rels: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut earlier = vec![None; 30];
        earlier[4] = Some(Split::Val);
        earlier[5] = Some(Split::Train);
        earlier[6] = Some(Split::Test);
        for seed in 0..20 {
            let splits = split_class("cat", &rels, seed, 0.2, &earlier);
            assert_eq!(splits[4..7], [Split::Val, Split::Train, Split::Test]);
        }
    }

    #[test]
    fn json_comes_back_and_a_newer_version_is_refused() {
        let mut s = SavedSplits { version: 1, splits: BTreeMap::new() };
        s.splits.insert("cat/ä.jpg".into(), Split::Val);
        assert_eq!(SavedSplits::from_json(&s.to_json().unwrap()).unwrap(), s);
        s.version = 2;
        let e = SavedSplits::from_json(&s.to_json().unwrap()).unwrap_err().to_string();
        assert!(e.contains("version 2"), "{e}");
    }
}
