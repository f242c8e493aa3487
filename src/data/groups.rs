//! Pictures that belong together: frames of one video, pictures of one patient. They must not be divided between training and
//! validation, or the score looks better than it is.

use super::{LabelFile, Layout, Sample};
use crate::config::{DataConfig, GroupBy};
use crate::error::{Error, Result};
use regex::Regex;
use std::collections::HashMap;

/// What cameras and programs call every picture: such names say nothing about what belongs together.
const COMMON: [&str; 18] = [
    "img",
    "image",
    "dsc",
    "dscn",
    "dscf",
    "pict",
    "pic",
    "picture",
    "photo",
    "p",
    "scan",
    "screenshot",
    "frame",
    "sample",
    "file",
    "foto",
    "bild",
    "im",
];

/// A name with this share of its class's pictures, or more, is how the whole class is named.
const WHOLE_CLASS: f64 = 0.9;

/// Group of each sample, `None` where it stands alone.
///
/// # Errors
/// If the pattern is no regular expression, or there is no label file with groups where these are asked for.
pub(super) fn of(
    samples: &[Sample],
    classes: &[String],
    (layout, labels): (Layout, Option<&LabelFile>),
    config: &DataConfig,
) -> Result<Vec<Option<String>>> {
    Ok(match config.group_by {
        GroupBy::Sequence => {
            let name = |s: Option<Numbered<'_>>| s.map(|s| format!("{}/{}", s.class, s.prefix));
            sequences(samples, classes).into_iter().map(name).collect()
        }
        GroupBy::Folder => samples.iter().map(|s| folder(&s.rel, layout)).collect(),
        GroupBy::Pattern => {
            let pattern = config.group_pattern.as_deref().unwrap_or_default();
            let pattern = compiled(pattern)?;
            let capture = |s: &Sample| Some(pattern.captures(&s.rel)?.get(1)?.as_str().to_owned());
            samples.iter().map(capture).collect()
        }
        GroupBy::Csv => {
            let named = labels.filter(|file| file.group_column.is_some()).ok_or_else(|| {
                let what = "data.group_by = \"csv\" needs a label file with a column of groups";
                Error::input(what)
                    .with_hint("Call the column \"group\", or say with data.csv_group which one it is")
            })?;
            samples.iter().map(|s| named.groups.get(&s.rel).cloned()).collect()
        }
    })
}

/// A pattern with one capture, the group.
///
/// # Errors
/// If it is no regular expression, or captures nothing.
pub(super) fn compiled(pattern: &str) -> Result<Regex> {
    let example = "Write a regular expression for the path in the data folder, with the group in brackets, for example \
                   patient(\\d+)";
    let wrong =
        |why: &str| Error::input(format!("data.group_pattern = \"{pattern}\" {why}")).with_hint(example);
    let compiled = Regex::new(pattern).map_err(|e| {
        let why = e.to_string();
        wrong(&format!(
            "is no regular expression ({})",
            why.lines().last().unwrap_or_default().trim().trim_start_matches("error: ")
        ))
    })?;
    if compiled.captures_len() < 2 { Err(wrong("has no group in brackets")) } else { Ok(compiled) }
}

/// The folders between the class folder, where there is one, and the picture. The same name in two classes is the same group.
fn folder(rel: &str, layout: Layout) -> Option<String> {
    let above = match layout {
        Layout::LabelFile | Layout::SplitLabelFile => 0,
        Layout::ClassFolders => 1,
        Layout::SplitFolders => 2,
    };
    let below = rel.splitn(above + 1, '/').nth(above)?;
    below.rsplit_once('/').map(|(folders, _)| folders.to_owned())
}

/// A picture's place in a numbered sequence of its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Numbered<'a> {
    /// Index of the class.
    pub(super) class: usize,
    /// The name before the number.
    pub(super) prefix: &'a str,
    /// The number.
    pub(super) number: u64,
}

/// The sequence of each sample, where its name is one of at least two that differ only in a number at their end. Names that all
/// pictures of a class share, or all cameras use, are none.
pub(super) fn sequences<'a>(samples: &'a [Sample], classes: &[String]) -> Vec<Option<Numbered<'a>>> {
    let names: Vec<Option<Numbered<'a>>> = samples
        .iter()
        .map(|s| {
            let (prefix, number) = numbered(&s.rel)?;
            let class = classes.get(s.class).map_or("", String::as_str);
            (!is_common(prefix, class)).then_some(Numbered { class: s.class, prefix, number })
        })
        .collect();
    let mut sizes: HashMap<(usize, &str), usize> = HashMap::new();
    let mut of_class = vec![0usize; classes.len()];
    for (sample, name) in samples.iter().zip(&names) {
        if let Some(count) = of_class.get_mut(sample.class) {
            *count += 1;
        }
        if let Some(n) = name {
            *sizes.entry((n.class, n.prefix)).or_default() += 1;
        }
    }
    let counts = |n: &Numbered<'_>| {
        let size = sizes.get(&(n.class, n.prefix)).copied().unwrap_or(0);
        let all = of_class.get(n.class).copied().unwrap_or(0);
        size >= 2 && (size as f64) < WHOLE_CLASS * all as f64
    };
    names.into_iter().map(|n| n.filter(counts)).collect()
}

/// `ants/video1_0007.jpg` is number 7 of `video1`.
fn numbered(rel: &str) -> Option<(&str, u64)> {
    let name = rel.rsplit('/').next()?;
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let stem = stem.trim_end_matches(')');
    let before = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = stem[before.len()..].parse().ok()?;
    let prefix = before.trim_end_matches([' ', '_', '-', '.', '(', '#']);
    (!prefix.is_empty()).then_some((prefix, number))
}

fn is_common(prefix: &str, class: &str) -> bool {
    let (prefix, class) = (prefix.to_lowercase(), class.to_lowercase());
    COMMON.contains(&prefix.as_str()) || class.starts_with(&prefix) || prefix == format!("{class}s")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;

    fn samples(rels: &[&str]) -> Vec<Sample> {
        let class = |rel: &str| usize::from(rel.contains("bees/"));
        let one = |rel: &&str| Sample { rel: (*rel).to_owned(), class: class(rel), split: Split::Train };
        rels.iter().map(one).collect()
    }

    fn groups(rels: &[&str], layout: Layout, config: &DataConfig) -> Vec<Option<String>> {
        of(&samples(rels), &["ants".to_owned(), "bees".to_owned()], (layout, None), config).unwrap()
    }

    #[test]
    fn numbers_at_the_end_make_sequences_and_camera_names_do_not() {
        let rels = [
            "ants/nest (1).jpg",
            "ants/nest (2).jpg",
            "ants/hill_07.png",
            "ants/hill_008.png",
            "ants/IMG_0001.jpg",
            "ants/IMG_0002.jpg",
            "ants/ant-1.jpg",
            "ants/ant-2.jpg",
            "ants/0013035.jpg",
            "ants/alone_1.jpg",
            "bees/hive1.jpg",
            "bees/hive2.jpg",
        ];
        let found = groups(&rels, Layout::ClassFolders, &DataConfig::default());
        let found: Vec<&str> = found.iter().map(|g| g.as_deref().unwrap_or("-")).collect();
        let want = ["0/nest", "0/nest", "0/hill", "0/hill", "-", "-", "-", "-", "-", "-", "-", "-"];
        assert_eq!(found, want, "all bees are called hive: that is how the class is named");
    }

    #[test]
    fn folders_below_the_class_are_groups_over_all_classes() {
        let config = DataConfig { group_by: GroupBy::Folder, ..DataConfig::default() };
        let rels = ["ants/p1/a.jpg", "bees/p1/x/b.jpg", "bees/p1/c.jpg", "ants/d.jpg"];
        let want = [Some("p1"), Some("p1/x"), Some("p1"), None].map(|g| g.map(str::to_owned));
        assert_eq!(groups(&rels, Layout::ClassFolders, &config), want);
        let rels = ["train/ants/p1/a.jpg", "train/bees/b.jpg"];
        assert_eq!(groups(&rels, Layout::SplitFolders, &config), [Some("p1".to_owned()), None]);
        let rels = ["p1/a.jpg", "b.jpg"];
        assert_eq!(groups(&rels, Layout::LabelFile, &config), [Some("p1".to_owned()), None]);
    }

    #[test]
    fn a_pattern_captures_the_group_and_a_wrong_one_says_what_is_wrong() {
        let config = DataConfig {
            group_by: GroupBy::Pattern,
            group_pattern: Some(r"patient(\d+)".to_owned()),
            ..DataConfig::default()
        };
        let rels = ["ants/patient7-left.jpg", "bees/x_patient7.jpg", "ants/other.jpg"];
        let want = [Some("7"), Some("7"), None].map(|g| g.map(str::to_owned));
        assert_eq!(groups(&rels, Layout::ClassFolders, &config), want);
        for (pattern, word) in [("patient(", "no regular expression"), ("patient", "no group in brackets")] {
            let e = compiled(pattern).unwrap_err().to_string();
            assert!(e.contains(word) && e.contains(pattern) && e.contains("patient(\\d+)"), "{e}");
        }
    }
}
