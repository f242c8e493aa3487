//! What names and sizes show: sequences that are divided, pictures too small or oddly shaped, sizes that give the class away.

use super::findings::{finding, pictures};
use super::{Finding, Offer, PictureSize, Severity};
use crate::config::Preprocess;
use crate::data::groups::{Numbered, sequences};
use crate::data::{Dataset, Sample};
use crate::error::{part_of, thousands};
use std::collections::{BTreeMap, HashMap};

/// Names of at least so many pictures that differ in a number are taken for a sequence.
const SEQUENCE: usize = 4;
/// Numbers of a sequence leave out at most about as many as they have.
const GAPS: u64 = 2;
/// A shorter side below this share of what networks look at is much smaller.
const MUCH_SMALLER: f64 = 0.5;
/// Longer than this many times the shorter side is an extreme shape: most of the picture is cut off.
const EXTREME: f64 = 3.0;
/// The size gives the class away where it tells that of this share of the pictures, and this much more than guessing does.
const GIVEN_AWAY: f64 = 0.9;
const OVER_GUESSING: f64 = 0.2;

/// Sequences with pictures in more than one part.
pub(super) fn divided_sequences(dataset: &Dataset) -> Option<Finding> {
    let mut groups: BTreeMap<(usize, &str), Vec<(&Sample, u64)>> = BTreeMap::new();
    for (sample, name) in dataset.samples.iter().zip(sequences(&dataset.samples, &dataset.classes)) {
        if let Some(Numbered { class, prefix, number }) = name {
            groups.entry((class, prefix)).or_default().push((sample, number));
        }
    }
    let divided = |group: &&Vec<(&Sample, u64)>| {
        let numbers = || group.iter().map(|(_, n)| *n);
        let span = numbers().max().unwrap_or(0) - numbers().min().unwrap_or(0);
        group.len() >= SEQUENCE
            && span <= GAPS * group.len() as u64
            && group.iter().any(|(s, _)| s.split != group[0].0.split)
    };
    let example = groups.iter().find(|(_, g)| divided(g)).map(|((_, prefix), _)| *prefix)?;
    let divided: Vec<_> = groups.values().filter(divided).collect();
    let files = divided.iter().flat_map(|g| g.iter().map(|(s, _)| s.rel.clone())).collect();
    let n = divided.len();
    let sequences = if n == 1 {
        "1 sequence of pictures is".to_owned()
    } else {
        format!("{} sequences of pictures are", thousands(n))
    };
    let title = format!(
        "{sequences} divided between training and validation or test, by their names ({example}…): the score may look better than \
         it is"
    );
    let offer = (!dataset.layout.has_parts()).then_some(Offer::KeepGroups);
    Some(Finding { offer, ..finding(Severity::Warning, title, files) })
}

/// Pictures that are too small or of an extreme shape, and sizes that tell the class. `sizes` are in the order of the data set.
pub(super) fn sizes(dataset: &Dataset, sizes: &[PictureSize]) -> Vec<Finding> {
    let input = Preprocess::IMAGENET.crop_px as u32;
    let those = |is: &dyn Fn(&PictureSize) -> bool| -> Vec<String> {
        let pairs = dataset.samples.iter().zip(sizes);
        pairs.filter(|(_, size)| is(size)).map(|(s, _)| s.rel.clone()).collect()
    };
    let mut found = Vec::new();
    let least = (f64::from(input) * MUCH_SMALLER) as u32;
    let small = those(&|s| s.width.min(s.height) < least);
    if !small.is_empty() {
        let are = if small.len() == 1 { "is" } else { "are" };
        let title = format!(
            "{} {are} less than {least} pixels wide or high: networks look at {input} pixels and see such pictures enlarged",
            pictures(small.len())
        );
        found.push(finding(Severity::Info, title, small));
    }
    let extreme = those(&|s| s.elongation() > EXTREME);
    if !extreme.is_empty() {
        let are = if extreme.len() == 1 { "is" } else { "are" };
        let title = format!(
            "{} {are} more than {EXTREME} times as long as wide or as wide as long: only the middle is looked at",
            pictures(extreme.len())
        );
        found.push(finding(Severity::Info, title, extreme));
    }
    found.extend(class_by_size(dataset, sizes));
    found
}

/// Whether the class of a picture can be told from the others of its size.
fn class_by_size(dataset: &Dataset, sizes: &[PictureSize]) -> Option<Finding> {
    let mut of_size: HashMap<(u32, u32), HashMap<usize, usize>> = HashMap::new();
    let mut of_class = vec![0usize; dataset.classes.len()];
    for (sample, size) in dataset.samples.iter().zip(sizes) {
        *of_size.entry((size.width, size.height)).or_default().entry(sample.class).or_default() += 1;
        of_class[sample.class] += 1;
    }
    // Each picture is told from the others of its size, without itself: a size that occurs once tells nothing.
    let told = |counts: &HashMap<usize, usize>| -> Option<usize> {
        let mut counts: Vec<(usize, usize)> = counts.iter().map(|(class, n)| (*n, *class)).collect();
        counts.sort_unstable_by_key(|(n, _)| std::cmp::Reverse(*n));
        let ((most, class), next) = (counts[0], counts.get(1).map_or(0, |(n, _)| *n));
        (most > next + 1).then_some(class)
    };
    let tells: HashMap<(u32, u32), usize> =
        of_size.iter().filter_map(|(size, counts)| Some((*size, told(counts)?))).collect();
    let by_size = |(sample, size): &(&Sample, &PictureSize)| {
        tells.get(&(size.width, size.height)) == Some(&sample.class)
    };
    let files: Vec<String> =
        dataset.samples.iter().zip(sizes).filter(by_size).map(|(s, _)| s.rel.clone()).collect();
    let right = files.len();
    let all = sizes.len();
    let guessed = of_class.iter().max().copied().unwrap_or(0);
    let share = |n: usize| n as f64 / all.max(1) as f64;
    let title = format!(
        "the size in pixels alone tells the class of {} pictures: a network may learn that instead of what they show",
        part_of(right, all)
    );
    (share(right) >= GIVEN_AWAY && share(right) >= share(guessed) + OVER_GUESSING)
        .then(|| finding(Severity::Warning, title, files))
}
