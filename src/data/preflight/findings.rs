//! What a look at a data set shows, in plain sentences.

use super::{Finding, Look, Severity};
use crate::data::scan::natural;
use crate::data::{Dataset, Sample, SkipReason, Skipped, Split};
use crate::error::{count, thousands};
use std::collections::{BTreeMap, BTreeSet};

/// Fewer training pictures than this are too few to learn a class from.
const FEW: usize = 5;

/// The largest class may have this many times the smallest one's training pictures.
const IMBALANCE: usize = 10;

/// `1 picture`, `2 pictures`.
pub(super) fn pictures(n: usize) -> String {
    count(n, "picture", "pictures")
}

pub(super) fn finding(severity: Severity, title: String, files: Vec<String>) -> Finding {
    Finding { severity, title, files, groups: Vec::new(), offer: None }
}

/// A reason without what its decoder says in brackets, which stands where one picture is looked at.
pub(super) fn plain(reason: &str) -> String {
    match (reason.find(" ("), reason.rfind(')')) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &reason[..from], &reason[to + 1..]),
        _ => reason.to_owned(),
    }
}

/// One finding for each reason that pictures cannot be decoded.
pub(super) fn undecodable(dataset: &Dataset, looks: &[Look]) -> Vec<Finding> {
    let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (sample, look) in dataset.samples.iter().zip(looks) {
        if let Err(why) = &look.content {
            by_reason.entry(plain(why)).or_default().push(sample.rel.clone());
        }
    }
    let one = |(why, files): (String, Vec<String>)| {
        let which = if files.len() == 1 { "it" } else { "each" };
        let title = format!("{} cannot be used: {which} {why}", pictures(files.len()));
        finding(Severity::Warning, title, files)
    };
    by_reason.into_iter().map(one).collect()
}

/// Groups of pictures that are one picture, each group by what is wrong with it.
#[derive(Default)]
struct Copies {
    /// Of more than one class.
    conflicts: Vec<Vec<String>>,
    /// Of one class, in more than one part.
    leaks: Vec<Vec<String>>,
    /// Of one class and part.
    repeats: Vec<Vec<String>>,
}

impl Copies {
    fn of<'a>(groups: impl Iterator<Item = Vec<&'a Sample>>) -> Self {
        let mut copies = Self::default();
        for group in groups {
            let list = if group.iter().any(|s| s.class != group[0].class) {
                &mut copies.conflicts
            } else if group.iter().any(|s| s.split != group[0].split) {
                &mut copies.leaks
            } else {
                &mut copies.repeats
            };
            list.push(group.iter().map(|s| s.rel.clone()).collect());
        }
        copies
    }

    /// A finding for each sort that there is; `subject` says of how many groups and how many files in them.
    fn findings(
        self,
        subject: impl Fn(usize, usize) -> String,
        [leak, conflict, repeat]: [&str; 3],
    ) -> Vec<Finding> {
        let sorts = [
            (Severity::Warning, self.leaks, leak),
            (Severity::Warning, self.conflicts, conflict),
            (Severity::Info, self.repeats, repeat),
        ];
        let there = sorts.into_iter().filter(|(_, groups, _)| !groups.is_empty());
        there
            .map(|(severity, groups, text)| {
                let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
                let title = format!("{} {text}", subject(sizes.len(), sizes.iter().sum()));
                Finding { groups: sizes, ..finding(severity, title, groups.concat()) }
            })
            .collect()
    }
}

/// Files with the same content: worst where validation repeats training, or two classes share one.
pub(super) fn duplicates(dataset: &Dataset, contents: &[[u8; 32]]) -> Vec<Finding> {
    let mut by_content: BTreeMap<[u8; 32], Vec<&Sample>> = BTreeMap::new();
    for (sample, hash) in dataset.samples.iter().zip(contents) {
        by_content.entry(*hash).or_default().push(sample);
    }
    let mut groups: Vec<Vec<&Sample>> = by_content.into_values().filter(|g| g.len() > 1).collect();
    for group in &mut groups {
        group.sort_by(|a, b| natural(&a.rel, &b.rel));
    }
    groups.sort_by(|a, b| natural(&a[0].rel, &b[0].rel));
    Copies::of(groups.into_iter()).findings(
        |n, files| {
            format!("{}, in {} files, {}", pictures(n), thousands(files), if n == 1 { "is" } else { "are" })
        },
        [
            "in training and in validation or test too (exact copies): the score will look better than it is",
            "in more than one class (exact copies): one of the labels is wrong",
            "there more than once (exact copies)",
        ],
    )
}

/// How the title of a finding about mirror images ends.
pub(super) const MIRRORED: &str = "mirrored, like a picture of another class";
/// Fewer mirror images in another class than this may be wrong labels.
const FEWEST_MIRRORED: usize = 3;

/// Pictures whose mirror images look like pictures of another class.
pub(super) fn mirrored(dataset: &Dataset, pairs: &[[String; 2]]) -> Option<Finding> {
    let class = |rel: &String| dataset.position(rel).map(|i| dataset.samples[i].class);
    let differ = |[a, b]: &&[String; 2]| class(a).zip(class(b)).is_some_and(|(a, b)| a != b);
    let files: BTreeSet<&String> = pairs.iter().filter(differ).flatten().collect();
    let title = format!("{} {MIRRORED}", count(files.len(), "picture looks", "pictures look"));
    let files: Vec<String> = files.into_iter().cloned().collect();
    (files.len() >= FEWEST_MIRRORED).then(|| finding(Severity::Info, title, files))
}

/// Pairs of pictures that look the same, though their files differ.
pub(super) fn alike(dataset: &Dataset, pairs: &[[String; 2]]) -> Vec<Finding> {
    let sample = |rel: &String| dataset.position(rel).map(|i| &dataset.samples[i]);
    let there = pairs.iter().filter_map(|[a, b]| Some(vec![sample(a)?, sample(b)?]));
    Copies::of(there).findings(
        |n, _| count(n, "pair of pictures looks", "pairs of pictures look"),
        [
            "the same across training and validation or test (near copies): the score may look better than it is",
            "the same in different classes (near copies): one of the labels may be wrong",
            "the same (near copies)",
        ],
    )
}

/// Pictures of which only the first frame is used.
pub(super) fn animated(dataset: &Dataset, looks: &[Look]) -> Option<Finding> {
    let pairs = dataset.samples.iter().zip(looks);
    let files: Vec<String> = pairs.filter(|(_, l)| l.animated).map(|(s, _)| s.rel.clone()).collect();
    let title = format!("{} animated: only the first frame is used", are(files.len(), "picture"));
    (!files.is_empty()).then(|| finding(Severity::Info, title, files))
}

/// `1 file is`, `2 files are`.
fn are(n: usize, noun: &str) -> String {
    count(n, &format!("{noun} is"), &format!("{noun}s are"))
}

/// Files that the scan left out, one finding for each sort of reason.
pub(super) fn left_out(skipped: &[Skipped]) -> Vec<Finding> {
    let mut groups: BTreeMap<(u8, &str), Vec<String>> = BTreeMap::new();
    for s in skipped {
        let key = match &s.reason {
            SkipReason::Unreadable(why) => (0, why.as_str()),
            SkipReason::BrokenLink => (1, ""),
            SkipReason::Misplaced => (2, ""),
            SkipReason::NotAnImage => (3, ""),
            SkipReason::Hidden => (4, ""),
            SkipReason::Unlabelled => (5, ""),
            SkipReason::NotLearned(class) => (6, class.as_str()),
            SkipReason::Undecodable(_) | SkipReason::ClassUnreadable(..) => continue,
        };
        groups.entry(key).or_default().push(s.rel.clone());
    }
    let one = |((kind, why), files): ((u8, &str), Vec<String>)| {
        let n = files.len();
        let (severity, title) = match kind {
            0 => (Severity::Warning, format!("{} left out: {why}", are(n, "item"))),
            1 if n == 1 => {
                (Severity::Warning, "1 link is broken, or leads back to a folder above it".to_owned())
            }
            1 => (Severity::Warning, format!("{n} links are broken, or lead back to a folder above them")),
            2 => (Severity::Warning, format!("{} left out: no class folder holds it", are(n, "file"))),
            5 => (
                Severity::Warning,
                format!(
                    "{} left out: the label file gives {} no label",
                    are(n, "picture"),
                    if n == 1 { "it" } else { "them" }
                ),
            ),
            6 => (
                Severity::Warning,
                format!(
                    "{} left out: only the test part has the class {why}, so it cannot be learned",
                    are(n, "picture")
                ),
            ),
            3 if n == 1 => (Severity::Info, "1 file is left out: not a picture".to_owned()),
            3 => (Severity::Info, format!("{} files are left out: not pictures", thousands(n))),
            _ => (Severity::Info, format!("{} left out: hidden, or the system's own", are(n, "file"))),
        };
        finding(severity, title, files)
    };
    let locked = skipped.iter().filter_map(|s| match &s.reason {
        SkipReason::ClassUnreadable(class, why) => {
            let title = format!(
                "the folder {} of the class {class} cannot be opened, so none of its pictures are used: {why}",
                s.rel
            );
            Some(finding(Severity::Warning, title, vec![s.rel.clone()]))
        }
        _ => None,
    });
    locked.chain(groups.into_iter().map(one)).collect()
}

/// Classes that are too few, too small or too different in size, with their pictures.
pub(super) fn classes(dataset: &Dataset) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |severity, title: String, classes: &[usize]| {
        let of_these = dataset.samples.iter().filter(|s| classes.contains(&s.class));
        found.push(finding(severity, title, of_these.map(|s| s.rel.clone()).collect()));
    };
    let train = dataset.class_counts(Split::Train);
    let val = dataset.class_counts(Split::Val);
    let those =
        |keep: &dyn Fn(usize) -> bool| -> Vec<usize> { (0..train.len()).filter(|&c| keep(c)).collect() };
    let named =
        |classes: &[usize]| list(&classes.iter().map(|&c| dataset.classes[c].as_str()).collect::<Vec<_>>());
    if let [only] = dataset.classes.as_slice() {
        add(Severity::Error, format!("there is only one class ({only}): nothing to tell apart"), &[]);
    }
    if val.iter().all(|&n| n == 0) {
        let title = "there are no validation pictures: nothing says how good the model is";
        add(Severity::Error, title.into(), &[]);
    } else {
        let missing = those(&|c| val[c] == 0);
        if !missing.is_empty() {
            let title = format!("no validation pictures of {}: its score is not known", named(&missing));
            add(Severity::Warning, title, &missing);
        }
    }
    let test = dataset.class_counts(Split::Test);
    let untested = those(&|c| test[c] == 0);
    if untested.len() < test.len() && !untested.is_empty() {
        let title = format!("no test pictures of {}, though other classes have some", named(&untested));
        add(Severity::Info, title, &untested);
    }
    let single = those(&|c| train[c] + val[c] == 1);
    if !single.is_empty() {
        let title = format!("only one picture of {}: it can be learned but not judged", named(&single));
        add(Severity::Warning, title, &single);
    }
    let few = those(&|c| train[c] < FEW && train[c] + val[c] > 1);
    if !few.is_empty() {
        let title = format!("fewer than {FEW} training pictures of {}: add more if you can", named(&few));
        add(Severity::Warning, title, &few);
    }
    let smallest = (0..train.len()).min_by_key(|&c| train[c]);
    let largest = (0..train.len()).max_by_key(|&c| train[c]);
    if let (Some(s), Some(l)) = (smallest, largest)
        && train[l] > IMBALANCE * train[s]
    {
        let (big, small) = (&dataset.classes[l], &dataset.classes[s]);
        let (n, m) = (thousands(train[l]), thousands(train[s]));
        let advice = "consider train.balance_classes";
        let title =
            format!("the classes are uneven: {big} has {n} training pictures and {small} has {m}; {advice}");
        add(Severity::Warning, title, &[s]);
    }
    found
}

/// A few names, then how many more.
fn list(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
