//! Which classified pictures are on show, and in which order.

use crate::ui::state::{PredictedPicture, Predictions};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As the pictures came.
    #[default]
    Added,
    /// The least sure first: where a look pays most.
    LeastSure,
    /// The surest first.
    Surest,
    /// By class, the surest of each first.
    Class,
}

impl Order {
    /// All, with their words.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Added, "In the order added"),
        (Self::LeastSure, "Least sure first"),
        (Self::Surest, "Surest first"),
        (Self::Class, "By class"),
    ];
}

/// The highest class and its probability; nothing while a picture waits or where it could not be read.
pub(super) fn top(picture: &PredictedPicture) -> Option<(&str, f32)> {
    match &picture.result {
        Some(Ok(ranked)) => ranked.first().map(|(label, p)| (label.as_str(), *p)),
        _ => None,
    }
}

/// Indices of the pictures whose path or class contains `filter`, in order. Those without a class come last.
pub(super) fn listed(predictions: &Predictions, filter: &str, order: Order) -> Vec<usize> {
    let pictures = &predictions.pictures;
    let wanted = filter.trim().to_lowercase();
    let mut found: Vec<usize> = (0..pictures.len())
        .filter(|&i| {
            let picture = &pictures[i];
            wanted.is_empty()
                || picture.path.to_string_lossy().to_lowercase().contains(&wanted)
                || predictions.decision(picture).is_some_and(|label| label.to_lowercase().contains(&wanted))
        })
        .collect();
    if order == Order::Added {
        return found;
    }
    let falling = |a: f32, b: f32| b.partial_cmp(&a).unwrap_or(Ordering::Equal);
    found.sort_by(|&a, &b| match (top(&pictures[a]), top(&pictures[b])) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some((la, pa)), Some((lb, pb))) => match order {
            Order::LeastSure => falling(pb, pa),
            Order::Class => la.cmp(lb).then(falling(pa, pb)),
            Order::Added | Order::Surest => falling(pa, pb),
        },
    });
    found
}

/// How the pictures stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub classified: usize,
    pub undecided: usize,
    pub waiting: usize,
    pub unreadable: usize,
}

/// Counts them.
pub(super) fn tally(predictions: &Predictions) -> Tally {
    let mut t = Tally::default();
    for picture in &predictions.pictures {
        match &picture.result {
            Some(Ok(_)) if predictions.is_undecided(picture) => t.undecided += 1,
            Some(Ok(_)) => t.classified += 1,
            Some(Err(_)) => t.unreadable += 1,
            None => t.waiting += 1,
        }
    }
    t
}

impl Tally {
    /// "126 classified · 2 could not be read".
    pub(super) fn words(self) -> String {
        let mut parts = vec![format!("{} classified", self.classified)];
        if self.undecided > 0 {
            parts.push(format!("{} undecided", self.undecided));
        }
        if self.waiting > 0 {
            parts.push(format!("{} waiting", self.waiting));
        }
        if self.unreadable > 0 {
            parts.push(format!("{} could not be read", self.unreadable));
        }
        parts.join(" · ")
    }
}

/// How many pictures each class was given, the most frequent first.
pub(super) fn found_classes(predictions: &Predictions) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for label in predictions.pictures.iter().filter_map(|p| predictions.decision(p)) {
        *counts.entry(label).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().map(|(l, n)| (l.to_owned(), n)).collect();
    counts.sort_by_key(|c| std::cmp::Reverse(c.1));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn picture(path: &str, ranked: &[(&str, f32)]) -> PredictedPicture {
        let ranked = ranked.iter().map(|(l, p)| ((*l).to_owned(), *p)).collect();
        PredictedPicture { path: path.into(), result: Some(Ok(ranked)) }
    }

    fn pictures() -> Predictions {
        let mut predictions = Predictions::default();
        predictions.pictures = vec![
            picture("x/one.png", &[("bees", 0.9), ("ants", 0.1)]),
            PredictedPicture { path: "x/broken.png".into(), result: Some(Err(Error::input("no picture"))) },
            picture("x/two.png", &[("ants", 0.6), ("bees", 0.4)]),
            PredictedPicture { path: "x/later.png".into(), result: None },
            picture("y/three.png", &[("bees", 0.99), ("ants", 0.01)]),
        ];
        predictions
    }

    #[test]
    fn orders_put_pictures_without_a_class_last() {
        let p = pictures();
        assert_eq!(listed(&p, "", Order::Added), [0, 1, 2, 3, 4]);
        assert_eq!(listed(&p, "", Order::LeastSure), [2, 0, 4, 1, 3]);
        assert_eq!(listed(&p, "", Order::Surest), [4, 0, 2, 1, 3]);
        assert_eq!(listed(&p, "", Order::Class), [2, 4, 0, 1, 3]);
    }

    #[test]
    fn the_filter_looks_at_paths_and_classes() {
        let p = pictures();
        assert_eq!(listed(&p, " BEES ", Order::Added), [0, 4]);
        assert_eq!(listed(&p, "x/", Order::Surest), [0, 2, 1, 3]);
        assert!(listed(&p, "wasps", Order::Added).is_empty());
    }

    #[test]
    fn counts_leave_nothing_out() {
        let mut p = pictures();
        assert_eq!(found_classes(&p), [("bees".to_owned(), 2), ("ants".to_owned(), 1)]);
        p.decide_from = 0.7;
        let t = tally(&p);
        assert_eq!((t.classified, t.undecided, t.waiting, t.unreadable), (2, 1, 1, 1));
        assert_eq!(t.words(), "2 classified · 1 undecided · 1 waiting · 1 could not be read");
        assert_eq!(found_classes(&p), [("bees".to_owned(), 2), ("undecided".to_owned(), 1)]);
        assert_eq!(listed(&p, "undecided", Order::Added).len(), 1);
        assert!(listed(&p, "ants", Order::Added).is_empty());
    }
}
