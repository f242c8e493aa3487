//! Dividing the pictures of a folder that does not say itself which are for validation.

use super::grouped::{self, Unit};
use super::{SavedSplits, Split, draws, fnv1a, split_class};
use crate::config::{DataConfig, SplitKind};
use crate::data::{LabelFile, Layout, Sample, groups};
use crate::error::Result;
use std::collections::BTreeMap;

/// Divides all samples that are not in a test folder, as `config` says; what `saved` says stays, as far as each class keeps a
/// picture to learn from.
///
/// # Errors
/// If the groups' pattern is wrong, or groups of a label file are asked for and there are none.
pub(in crate::data) fn divide(
    samples: &mut [Sample],
    classes: &[String],
    (layout, labels): (Layout, Option<&LabelFile>),
    config: &DataConfig,
    saved: Option<&SavedSplits>,
) -> Result<()> {
    // A test folder is the person's own choice, and chance adds nothing to it.
    let own_test = samples.iter().any(|s| s.split == Split::Test);
    let members: Vec<usize> = (0..samples.len()).filter(|&i| samples[i].split != Split::Test).collect();
    let test = if own_test { 0.0 } else { config.test_fraction };
    let earlier: Vec<Option<Split>> =
        samples.iter().map(|s| saved.and_then(|saved| saved.splits.get(&s.rel).copied())).collect();
    let splits = match config.split {
        SplitKind::Stratified => by_picture(samples, classes, &members, config, test, &earlier),
        SplitKind::Grouped => {
            let groups = groups::of(samples, classes, (layout, labels), config)?;
            by_group(samples, classes.len(), &members, &groups, config, test, &earlier)
        }
    };
    for (i, split) in splits {
        samples[i].split = split;
    }
    Ok(())
}

/// Picture by picture, each class for itself.
fn by_picture(
    samples: &[Sample],
    classes: &[String],
    members: &[usize],
    config: &DataConfig,
    test: f64,
    earlier: &[Option<Split>],
) -> Vec<(usize, Split)> {
    let mut of_class = vec![Vec::new(); classes.len()];
    for &i in members {
        of_class[samples[i].class].push(i);
    }
    let mut splits = Vec::with_capacity(members.len());
    let mut before = 0;
    for (name, mut members) in classes.iter().zip(of_class) {
        let seed = config.split_seed;
        if test > 0.0 {
            let rels: Vec<&str> = members.iter().map(|&i| samples[i].rel.as_str()).collect();
            let held = |split| if split == Split::Test { Split::Val } else { Split::Train };
            let known: Vec<Option<Split>> = members.iter().map(|&i| earlier[i].map(held)).collect();
            // Draws of its own: the test pictures stay whatever is done with the others.
            let parts = split_class(&format!("{name}/test"), &rels, seed, test, &known);
            let in_test = |(_, part): &(usize, Split)| *part == Split::Val;
            let (tested, rest): (Vec<_>, Vec<_>) = members.into_iter().zip(parts).partition(in_test);
            splits.extend(tested.into_iter().map(|(i, _)| (i, Split::Test)));
            members = rest.into_iter().map(|(i, _)| i).collect();
        }
        let rels: Vec<&str> = members.iter().map(|&i| samples[i].rel.as_str()).collect();
        let known: Vec<Option<Split>> = members.iter().map(|&i| earlier[i]).collect();
        let parts = if config.folds > 0 {
            fold_of_class(name, &rels, config, before, &known)
        } else {
            split_class(name, &rels, seed, config.val_fraction, &known)
        };
        before += members.len();
        splits.extend(members.into_iter().zip(parts));
    }
    splits
}

/// One class dealt out to the folds in the order of its draws; `before` pictures were dealt out already.
fn fold_of_class(
    class: &str,
    rels: &[&str],
    config: &DataConfig,
    before: usize,
    earlier: &[Option<Split>],
) -> Vec<Split> {
    let draws = draws(class, rels, config.split_seed);
    let mut order: Vec<usize> = (0..rels.len()).collect();
    order.sort_by(|&a, &b| draws[a].total_cmp(&draws[b]).then_with(|| rels[a].cmp(rels[b])));
    let mut splits = vec![Split::Train; rels.len()];
    for (rank, &i) in order.iter().enumerate() {
        let held = (before + rank) % config.folds + 1 == config.fold;
        splits[i] = earlier[i].unwrap_or(if held { Split::Val } else { Split::Train });
    }
    if let (false, Some(&last)) = (splits.contains(&Split::Train), order.last()) {
        splits[last] = Split::Train;
    }
    splits
}

/// Group by group: first the test pictures, then the others.
fn by_group(
    samples: &[Sample],
    classes: usize,
    members: &[usize],
    groups: &[Option<String>],
    config: &DataConfig,
    test: f64,
    earlier: &[Option<Split>],
) -> Vec<(usize, Split)> {
    let units = units(samples, members, groups);
    let known: Vec<Option<Split>> = units.iter().map(|u| most(u, earlier)).collect();
    let seed = config.split_seed;
    let (tested, rest): (Vec<usize>, Vec<usize>) = if test > 0.0 {
        let fixed: Vec<Option<usize>> =
            known.iter().map(|k| k.map(|s| usize::from(s == Split::Test))).collect();
        let mut parts = grouped::assign(&units, classes, &[1.0 - test, test], &fixed, seed);
        grouped::fill_gaps(&units, &mut parts, classes, None, &fixed);
        (0..units.len()).partition(|&u| parts[u] == 1)
    } else {
        (Vec::new(), (0..units.len()).collect())
    };
    let of = |list: &[usize]| -> Vec<Unit> { list.iter().map(|&u| units[u].clone()).collect() };
    let left = of(&rest);
    let fixed: Vec<Option<usize>> =
        rest.iter().map(|&u| known[u].map(|s| usize::from(s == Split::Val))).collect();
    let mut parts = if config.folds > 0 {
        let shares = vec![1.0 / config.folds as f64; config.folds];
        // Which fold was held out is known of earlier groups, which fold the others were in is not.
        let free = vec![None; left.len()];
        let folds = grouped::assign(&left, classes, &shares, &free, seed);
        let held =
            |(fold, fixed): (usize, &Option<usize>)| fixed.unwrap_or(usize::from(fold + 1 == config.fold));
        folds.into_iter().zip(&fixed).map(held).collect()
    } else {
        grouped::assign(&left, classes, &[1.0 - config.val_fraction, config.val_fraction], &fixed, seed)
    };
    let judged = (config.folds == 0).then_some(1);
    grouped::fill_gaps(&left, &mut parts, classes, judged, &fixed);
    let split = |part: usize| if part == 1 { Split::Val } else { Split::Train };
    let rest = left.iter().zip(parts).flat_map(|(u, part)| u.members.iter().map(move |&i| (i, split(part))));
    let tested = of(&tested).into_iter().flat_map(|u| u.members).map(|i| (i, Split::Test));
    rest.chain(tested).collect()
}

/// What stays together: groups, and pictures that stand alone.
fn units(samples: &[Sample], members: &[usize], groups: &[Option<String>]) -> Vec<Unit> {
    let mut together: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for &i in members {
        let key = groups[i].as_deref().map_or(("", samples[i].rel.as_str()), |g| (g, ""));
        together.entry(key).or_default().push(i);
    }
    let unit = |((group, alone), members): ((&str, &str), Vec<usize>)| {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for &i in &members {
            *counts.entry(samples[i].class).or_default() += 1;
        }
        let key = fnv1a(group) ^ fnv1a(alone).rotate_left(17);
        Unit { members, counts: counts.into_iter().collect(), key }
    };
    together.into_iter().map(unit).collect()
}

/// Where most of a unit's pictures were before, if any was anywhere.
fn most(unit: &Unit, earlier: &[Option<Split>]) -> Option<Split> {
    let mut counts: BTreeMap<Split, usize> = BTreeMap::new();
    for split in unit.members.iter().filter_map(|&i| earlier[i]) {
        *counts.entry(split).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(split, n)| (*n, std::cmp::Reverse(*split))).map(|(split, _)| split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GroupBy;

    /// Two classes, `per` pictures each; every five of a class are one group by their folder.
    fn samples(per: usize) -> Vec<Sample> {
        let one = |i: usize| {
            let (class, n) = (i / per, i % per);
            let rel = format!("{}/s{}-{}/{n}.jpg", ["ants", "bees"][class], class, n / 5);
            Sample { rel, class, split: Split::Train }
        };
        (0..2 * per).map(one).collect()
    }

    fn divided(per: usize, config: &DataConfig, saved: Option<&SavedSplits>) -> Vec<Sample> {
        let mut samples = samples(per);
        let classes = ["ants".to_owned(), "bees".to_owned()];
        divide(&mut samples, &classes, (Layout::ClassFolders, None), config, saved).unwrap();
        samples
    }

    fn count(samples: &[Sample], class: usize, split: Split) -> usize {
        samples.iter().filter(|s| s.class == class && s.split == split).count()
    }

    fn grouped() -> DataConfig {
        DataConfig { split: SplitKind::Grouped, group_by: GroupBy::Folder, ..DataConfig::default() }
    }

    fn whole_groups(samples: &[Sample]) {
        for chunk in samples.chunks(5) {
            assert!(chunk.iter().all(|s| s.split == chunk[0].split), "{chunk:?}");
        }
    }

    #[test]
    fn groups_are_never_divided() {
        for seed in 0..6 {
            for (test_fraction, folds) in [(0.0, 0), (0.2, 0), (0.0, 4), (0.2, 4)] {
                let config = DataConfig { split_seed: seed, test_fraction, folds, ..grouped() };
                let samples = divided(100, &config, None);
                whole_groups(&samples);
                for class in 0..2 {
                    assert!((15..=30).contains(&count(&samples, class, Split::Val)), "{config:?}");
                    let test = count(&samples, class, Split::Test);
                    assert_eq!(test > 0, test_fraction > 0.0);
                    assert!(test <= 25, "{test}");
                }
            }
        }
    }

    #[test]
    fn each_picture_is_held_out_in_exactly_one_fold_and_folds_differ_by_one_at_most() {
        for kind in [SplitKind::Stratified, SplitKind::Grouped] {
            let mut held = vec![0; 2 * 23];
            for fold in 1..=4 {
                let config = DataConfig { split: kind, folds: 4, fold, ..grouped() };
                let samples = divided(23, &config, None);
                for (i, s) in samples.iter().enumerate().filter(|(_, s)| s.split == Split::Val) {
                    held[i] += 1;
                    assert_eq!(s.class, i / 23);
                }
                let n = count(&samples, 0, Split::Val) + count(&samples, 1, Split::Val);
                if kind == SplitKind::Stratified {
                    assert!((11..=12).contains(&n), "{n} of 46");
                    assert!((5..=6).contains(&count(&samples, 0, Split::Val)));
                }
            }
            assert!(held.iter().all(|n| *n == 1), "{kind:?}: {held:?}");
        }
    }

    #[test]
    fn the_test_pictures_stay_whatever_becomes_of_the_others() {
        let tested = |config: &DataConfig| -> Vec<String> {
            let samples = divided(60, config, None);
            samples.into_iter().filter(|s| s.split == Split::Test).map(|s| s.rel).collect()
        };
        for base in [
            DataConfig { test_fraction: 0.2, ..DataConfig::default() },
            DataConfig { test_fraction: 0.2, ..grouped() },
        ] {
            let kept = tested(&base);
            assert!((12..=36).contains(&kept.len()), "{}", kept.len());
            assert_eq!(tested(&DataConfig { val_fraction: 0.4, ..base.clone() }), kept);
            assert_eq!(tested(&DataConfig { folds: 3, fold: 2, ..base }), kept);
        }
    }

    #[test]
    fn without_the_new_settings_the_division_is_the_one_it_always_was() {
        let samples = divided(40, &DataConfig::default(), None);
        let rels: Vec<&str> = samples[..40].iter().map(|s| s.rel.as_str()).collect();
        let want = split_class("ants", &rels, 0, 0.2, &[None; 40]);
        assert!(samples[..40].iter().map(|s| s.split).eq(want));
    }

    #[test]
    fn saved_groups_stay_and_a_picture_added_to_one_goes_with_it() {
        let config = grouped();
        let small = divided(40, &config, None);
        let saved =
            SavedSplits { version: 1, splits: small.iter().map(|s| (s.rel.clone(), s.split)).collect() };
        let large = divided(43, &config, Some(&saved));
        for s in &small {
            assert!(large.iter().any(|l| l.rel == s.rel && l.split == s.split), "{}", s.rel);
        }
    }
}
