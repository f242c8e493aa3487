//! Looking at every picture once before training: what cannot be decoded is reported and left out.

mod findings;
mod gone;
mod shapes;
#[cfg(test)]
mod tests;

pub use gone::Gone;

use super::checks::{Check, Stamp};
use super::decode::{decode_bytes, is_animated, read_picture};
use super::labels;
use super::scan::natural;
use super::similar::{self, Appearance};
use super::{Dataset, Progress, SkipReason, Skipped, Split, Verdicts};
use crate::config::DataConfig;
use crate::error::{Error, Result, part_of};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worth a look.
    Warning,
    /// Stops training until it is answered.
    Error,
}

/// One thing found, in one line, with the files behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// One plain sentence with the number of files and the reason.
    pub title: String,
    /// The files, relative to the data folder.
    pub files: Vec<String>,
    /// How many of the files, in turn, belong together: copies of one picture, a pair. Empty where each stands for itself.
    pub groups: Vec<usize>,
    /// What can be done about all of them at once.
    pub offer: Option<Offer>,
}

impl Finding {
    /// One that is about the whole data set rather than about some files.
    pub fn about_all(severity: Severity, title: impl Into<String>) -> Self {
        Self { severity, title: title.into(), files: Vec::new(), groups: Vec::new(), offer: None }
    }

    /// The files that belong together, where some do.
    pub fn together(&self) -> impl Iterator<Item = &[String]> {
        let mut rest = self.files.as_slice();
        self.groups.iter().map(move |&n| {
            let (group, after) = rest.split_at(n.min(rest.len()));
            rest = after;
            group
        })
    }

    /// Whether it says that mirrored pictures look like pictures of another class.
    pub fn is_of_mirroring(&self) -> bool {
        self.title.ends_with(findings::MIRRORED)
    }
}

/// What can be done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Divide the pictures anew so that sequences stay together.
    KeepGroups,
    /// Divide the pictures anew so that the label file's groups stay together.
    KeepLabelGroups,
}

/// How large a picture and its file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    /// In pixels, upright.
    pub width: u32,
    /// In pixels, upright.
    pub height: u32,
    /// Of the file.
    pub bytes: u64,
}

impl PictureSize {
    /// The longer side over the shorter one, at least 1.
    pub fn elongation(self) -> f64 {
        f64::from(self.width.max(self.height)) / f64::from(self.width.min(self.height).max(1))
    }
}

/// The result of looking at every picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Preflight {
    /// The data set without what cannot be decoded (moved to `skipped`).
    pub dataset: Dataset,
    /// SHA-256 of each picture's file, in the order of the data set.
    pub contents: Vec<[u8; 32]>,
    /// Size of each picture, in the order of the data set.
    pub sizes: Vec<PictureSize>,
    /// What was found, most important first.
    pub findings: Vec<Finding>,
    /// Share of the pictures that could not be decoded.
    pub undecodable_frac: f64,
    /// Those findings that no decision about a picture changes.
    lasting: Vec<Finding>,
    /// Pairs of pictures that look the same, of different content, by path.
    alike: Arc<[[String; 2]]>,
    /// Pictures that look like one of another class in a mirror, each with that one, by path.
    mirrored: Arc<[[String; 2]]>,
    /// What was found before any decision; none where this is it.
    before: Option<Arc<Preflight>>,
}

/// How many of the pictures for `part` are, byte for byte, among those for training too. `contents` is as in [`Preflight`].
pub fn copies_in_training(dataset: &Dataset, contents: &[[u8; 32]], part: Split) -> usize {
    let of = |part: Split| dataset.samples.iter().zip(contents).filter(move |(s, _)| s.split == part);
    let learned: HashSet<&[u8; 32]> = of(Split::Train).map(|(_, content)| content).collect();
    of(part).filter(|(_, content)| learned.contains(content)).count()
}

impl Preflight {
    /// Of a data set at whose pictures nobody has looked.
    pub fn unseen(dataset: Dataset) -> Self {
        Self {
            dataset,
            contents: Vec::new(),
            sizes: Vec::new(),
            findings: Vec::new(),
            undecodable_frac: 0.0,
            lasting: Vec::new(),
            alike: Arc::default(),
            mirrored: Arc::default(),
            before: None,
        }
    }

    /// What was found before any decision.
    pub fn before_decisions(self: &Arc<Self>) -> Arc<Self> {
        Arc::clone(self.before.as_ref().unwrap_or(self))
    }

    /// The data set as it was before any decision.
    pub(super) fn undecided(&self) -> &Dataset {
        self.before.as_ref().map_or(&self.dataset, |before| &before.dataset)
    }

    /// With findings first that come from elsewhere and that no decision changes.
    pub fn telling(self: Arc<Self>, more: impl IntoIterator<Item = Finding>) -> Arc<Self> {
        let more: Vec<Finding> = more.into_iter().collect();
        if more.is_empty() {
            return self;
        }
        let mut told = Self::clone(&self);
        told.lasting.splice(0..0, more);
        Arc::new(told.judged())
    }

    /// What this, found before any decision, is after some. Reads no file.
    ///
    /// # Errors
    /// If a class would be left without training pictures.
    pub fn decided(self: &Arc<Self>, verdicts: &Verdicts) -> Result<Arc<Self>> {
        if verdicts.is_empty() {
            return Ok(Arc::clone(self));
        }
        let mut dataset = self.dataset.clone();
        verdicts.apply(&mut dataset);
        let train = dataset.class_counts(Split::Train);
        if let Some(class) = train.iter().position(|&n| n == 0) {
            let what =
                format!("the class \"{}\" would be left without training pictures", dataset.classes[class]);
            return Err(Error::input(what).with_hint("Keep at least one picture of each class in training"));
        }
        let kept = |rel: &str| verdicts.of(rel).is_none_or(|v| !v.excluded);
        let keep: Vec<bool> = self.dataset.samples.iter().map(|s| kept(&s.rel)).collect();
        let contents = keep.iter().zip(&self.contents).filter(|(keep, _)| **keep).map(|(_, c)| *c).collect();
        let sizes = keep.iter().zip(&self.sizes).filter(|(keep, _)| **keep).map(|(_, s)| *s).collect();
        let decided = Self {
            contents,
            sizes,
            undecodable_frac: self.undecodable_frac,
            lasting: self.lasting.clone(),
            alike: Arc::clone(&self.alike),
            mirrored: Arc::clone(&self.mirrored),
            before: Some(Arc::clone(self)),
            ..Self::unseen(dataset)
        };
        Ok(Arc::new(decided.judged()))
    }

    /// What this, found before any decision, is after some. Where the folder has changed so that they cannot hold, this itself with a
    /// finding that says so.
    pub fn decided_if_possible(self: &Arc<Self>, verdicts: &Verdicts) -> Arc<Self> {
        self.decided(verdicts).unwrap_or_else(|why| {
            let title = format!("what you decided about pictures does not hold any more: {why}");
            let mut told = Self { before: Some(Arc::clone(self)), ..Self::clone(self) };
            told.findings.insert(
                0,
                Finding {
                    severity: Severity::Warning,
                    title,
                    files: Vec::new(),
                    groups: Vec::new(),
                    offer: None,
                },
            );
            Arc::new(told)
        })
    }

    /// With the findings that follow from labels and parts.
    fn judged(mut self) -> Self {
        self.findings = findings::duplicates(&self.dataset, &self.contents);
        self.findings.extend(findings::alike(&self.dataset, &self.alike));
        self.findings.extend(findings::mirrored(&self.dataset, &self.mirrored));
        self.findings.extend(labels::divided_groups(&self.dataset));
        self.findings.extend(shapes::divided_sequences(&self.dataset));
        self.findings.extend(shapes::sizes(&self.dataset, &self.sizes));
        self.findings.extend(self.lasting.iter().cloned());
        self.findings.extend(findings::classes(&self.dataset));
        self.findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
        self
    }

    /// How many pictures could not be decoded, and of how many.
    pub fn undecodable(&self) -> (usize, usize) {
        let lost = |s: &&Skipped| matches!(s.reason, SkipReason::Undecodable(_));
        let bad = self.dataset.skipped.iter().filter(lost).count();
        (bad, bad + self.dataset.samples.len())
    }
}

/// Share of undecodable pictures above which training asks first.
const MANY_UNDECODABLE: f64 = 0.2;

/// Decodes every picture that was not looked at before ([`Dataset::checks`]) or has changed since, all cores busy.
///
/// # Errors
/// If no class is left with pictures, or `progress` stops it. More than a fifth undecodable is not an error here: the
/// caller asks (`undecodable_frac`).
pub fn preflight(dataset: Dataset, config: &DataConfig, progress: Progress<'_>) -> Result<Preflight> {
    let total = dataset.samples.len();
    let done = AtomicUsize::new(0);
    let looks: Vec<Look> = (0..total)
        .into_par_iter()
        .map(|i| {
            let look = Look::at(&dataset, i, config.max_megapixels);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total)?;
            Ok(look)
        })
        .collect::<Result<_>>()?;
    let checks = dataset.samples.iter().zip(&looks);
    let checks = checks.filter_map(|(s, look)| Some((s.rel.clone(), look.check.clone()?))).collect();
    let bad = looks.iter().filter(|l| l.content.is_err()).count();
    let mut lasting = findings::undecodable(&dataset, &looks);
    let undecodable_frac = bad as f64 / total.max(1) as f64;
    if undecodable_frac > MANY_UNDECODABLE {
        let title = format!("{} pictures cannot be decoded: is this the right folder?", part_of(bad, total));
        let files = lasting.iter().flat_map(|f| f.files.iter().cloned()).collect();
        lasting.push(Finding { severity: Severity::Error, title, files, groups: Vec::new(), offer: None });
    }
    lasting.extend(dataset.labels.iter().flat_map(|file| file.findings.iter().cloned()));
    lasting.extend(findings::animated(&dataset, &looks));
    lasting.extend(findings::left_out(&dataset.skipped));
    let contents = looks.iter().filter_map(|l| l.content.as_ref().ok().copied()).collect();
    let sizes = looks.iter().filter_map(|l| l.content.is_ok().then_some(l.size)).collect();
    let (alike, mirrored) = (alike(&dataset, &looks), mirrored(&dataset, &looks));
    let dataset = Dataset { checks, ..without_undecodable(dataset, looks)? };
    Ok(Preflight {
        contents,
        sizes,
        undecodable_frac,
        lasting,
        alike,
        mirrored,
        ..Preflight::unseen(dataset)
    }
    .judged())
}

/// What one look at a picture showed.
pub(super) struct Look {
    /// SHA-256 of the file, or why it cannot be decoded.
    pub(super) content: Result<[u8; 32], String>,
    /// It has more than one frame.
    pub(super) animated: bool,
    /// How large it is; zero where it cannot be decoded.
    size: PictureSize,
    /// What it looks like; none where it cannot be decoded.
    looks: Option<Appearance>,
    /// What can be remembered of it.
    check: Option<Check>,
}

impl Look {
    fn at(dataset: &Dataset, index: usize, max_megapixels: f64) -> Self {
        let path = dataset.path(index);
        // Before reading: a change while reading then shows.
        let stamp = std::fs::metadata(&path).ok().as_ref().and_then(Stamp::of);
        let rel = &dataset.samples[index].rel;
        if let Some(known) = stamp.and_then(|stamp| dataset.checks.get(rel, stamp, max_megapixels)) {
            let (content, animated, looks) = (Ok(known.sha256), known.animated, known.looks());
            let size = known.picture_size();
            return Self { content, animated, size, looks, check: Some(known.clone()) };
        }
        Self::decoding(&path, stamp, max_megapixels).unwrap_or_else(|e| Self {
            content: Err(e.what().to_owned()),
            animated: false,
            size: PictureSize { width: 0, height: 0, bytes: 0 },
            looks: None,
            check: None,
        })
    }

    fn decoding(path: &Path, stamp: Option<Stamp>, max_megapixels: f64) -> Result<Self> {
        let bytes = read_picture(path, max_megapixels)?;
        let image = decode_bytes(&bytes, max_megapixels)?;
        let looks = Appearance::of(&image)?;
        let (sha256, animated) = (Sha256::digest(&bytes).into(), is_animated(&bytes));
        let check = stamp.map(|stamp| Check::new(stamp, sha256, animated, image.dimensions(), looks));
        let (width, height) = image.dimensions();
        let size = PictureSize { width, height, bytes: bytes.len() as u64 };
        Ok(Self { content: Ok(sha256), animated, size, looks: Some(looks), check })
    }
}

/// Pairs of pictures that look the same; copies of one file are no news.
fn alike(dataset: &Dataset, looks: &[Look]) -> Arc<[[String; 2]]> {
    let seen = looks.iter().enumerate().filter_map(|(i, look)| Some((i, look.looks?)));
    let (indices, appearances): (Vec<usize>, Vec<Appearance>) = seen.unzip();
    let pairs = similar::alike(&appearances).into_iter().map(|(a, b)| [indices[a], indices[b]]);
    let differ = |[a, b]: &[usize; 2]| looks[*a].content != looks[*b].content;
    pairs.filter(differ).map(|pair| pair.map(|i| dataset.samples[i].rel.clone())).collect()
}

/// Pictures that look like one of another class in a mirror, each with that one.
fn mirrored(dataset: &Dataset, looks: &[Look]) -> Arc<[[String; 2]]> {
    let sides = |seen: Appearance| [seen.hash, seen.mirrored];
    let seen = looks.iter().enumerate().filter_map(|(i, look)| Some((i, sides(look.looks?))));
    let (indices, hashes): (Vec<usize>, Vec<_>) = seen.unzip();
    let classes: Vec<usize> = indices.iter().map(|&i| dataset.samples[i].class).collect();
    let pairs = similar::mirrored_alike(&hashes, &classes).into_iter();
    pairs.map(|(a, b)| [a, b].map(|i| dataset.samples[indices[i]].rel.clone())).collect()
}

/// Moves what cannot be decoded to `skipped`, and drops classes that have no picture left.
fn without_undecodable(mut dataset: Dataset, looks: Vec<Look>) -> Result<Dataset> {
    let mut kept = Vec::with_capacity(dataset.samples.len());
    let mut first_reason = None;
    for (sample, look) in dataset.samples.into_iter().zip(looks) {
        match look.content {
            Ok(_) => kept.push(sample),
            Err(why) => {
                first_reason.get_or_insert_with(|| format!("{} {why}", sample.rel));
                dataset.skipped.push(Skipped { rel: sample.rel, reason: SkipReason::Undecodable(why) });
            }
        }
    }
    if kept.is_empty() {
        let why = first_reason.unwrap_or_else(|| "there are none".to_owned());
        return Err(Error::input(format!("no picture can be decoded (the first: {why})"))
            .with_path(&dataset.root)
            .with_hint("Give a folder with JPEG, PNG, WebP, GIF, BMP or TIFF pictures"));
    }
    dataset.skipped.sort_by(|a, b| natural(&a.rel, &b.rel));
    dataset.samples = kept;
    drop_empty_classes(&mut dataset);
    if !dataset.layout.has_parts() {
        keep_one_to_train(&mut dataset);
    }
    dataset.check_classes()?;
    Ok(dataset)
}

fn drop_empty_classes(dataset: &mut Dataset) {
    let mut used = vec![false; dataset.classes.len()];
    for s in &dataset.samples {
        used[s.class] = true;
    }
    let number: Vec<usize> = used
        .iter()
        .scan(0, |next, &u| {
            let mine = *next;
            *next += usize::from(u);
            Some(mine)
        })
        .collect();
    for s in &mut dataset.samples {
        s.class = number[s.class];
    }
    let mut keep = used.into_iter();
    dataset.classes.retain(|_| keep.next().unwrap_or(true));
}

/// Where our own split put all decodable pictures of a class into validation, one is moved back.
fn keep_one_to_train(dataset: &mut Dataset) {
    let train = dataset.class_counts(Split::Train);
    for class in (0..train.len()).filter(|&c| train[c] == 0) {
        if let Some(s) = dataset.samples.iter_mut().find(|s| s.class == class && s.split == Split::Val) {
            s.split = Split::Train;
        }
    }
}
