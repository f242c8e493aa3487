//! Which classified pictures are on show, and in which order.

use crate::error::thousands;
use crate::session::UNDECIDED;
use crate::ui::state::{Edition, PredictedPicture, Predictions};
use std::cmp::Ordering;
use std::collections::HashMap;

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
    /// Those least like the training pictures first.
    LeastAlike,
}

impl Order {
    /// All, with their words.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Added, "In the order added"),
        (Self::LeastSure, "Least sure first"),
        (Self::Surest, "Surest first"),
        (Self::Class, "By class"),
        (Self::LeastAlike, "Least like training first"),
    ];
}

/// What is looked for among the pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Part of a path or class.
    pub text: String,
    /// Only pictures that are unlike anything in training.
    pub unlike: bool,
}

/// What the list shows, worked out again only where something of it has changed.
#[derive(Debug, Default)]
pub(super) struct Listing {
    of: Option<(Edition, f32)>,
    by: (Filter, Order),
    /// Indices of the pictures on show, in order.
    pub listed: Vec<usize>,
    /// How all pictures stand.
    pub tally: Tally,
    /// How many pictures each class was given, the most frequent first.
    pub classes: Vec<(String, usize)>,
}

impl Listing {
    /// Brings it up to date.
    pub(super) fn update(&mut self, predictions: &Predictions, filter: &Filter, order: Order) {
        let of = (predictions.edition().clone(), predictions.decide_from);
        let same = self.of.as_ref() == Some(&of);
        if !same {
            (self.tally, self.classes) = counts(predictions);
        }
        if !same || self.by.0 != *filter || self.by.1 != order {
            self.listed = listed(predictions, filter, order);
            self.by = (filter.clone(), order);
        }
        self.of = Some(of);
    }
}

/// The highest class and its probability; nothing while a picture waits or where it could not be classified.
pub(super) fn top(picture: &PredictedPicture) -> Option<(&str, f32)> {
    match &picture.result {
        Some(Ok(ranked)) => ranked.first().map(|(label, p)| (label.as_str(), *p)),
        _ => None,
    }
}

/// Indices of the pictures that `filter` lets through, in order. Those without a class, or that were not compared with training
/// pictures where this is the order, come last.
fn listed(predictions: &Predictions, filter: &Filter, order: Order) -> Vec<usize> {
    let pictures = predictions.pictures();
    let wanted = filter.text.trim().to_lowercase();
    let named = |picture: &PredictedPicture| {
        wanted.is_empty()
            || picture.is_at(&wanted)
            || predictions.decision(picture).is_some_and(|label| label.to_lowercase().contains(&wanted))
    };
    let shown = |&i: &usize| (!filter.unlike || pictures[i].unlike().is_some()) && named(&pictures[i]);
    let mut found: Vec<usize> = (0..pictures.len()).filter(shown).collect();
    let falling = |a: f32, b: f32| b.partial_cmp(&a).unwrap_or(Ordering::Equal);
    match order {
        Order::Added => {}
        Order::LeastAlike => {
            let alike = |i: usize| pictures[i].compared.as_ref().map_or(f32::INFINITY, |u| u.similarity);
            found.sort_by(|&a, &b| falling(alike(b), alike(a)));
        }
        Order::LeastSure | Order::Surest | Order::Class => {
            found.sort_by(|&a, &b| match (top(&pictures[a]), top(&pictures[b])) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some((la, pa)), Some((lb, pb))) => match order {
                    Order::LeastSure => falling(pb, pa),
                    Order::Class => la.cmp(lb).then(falling(pa, pb)),
                    _ => falling(pa, pb),
                },
            });
        }
    }
    found
}

/// How the pictures stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub classified: usize,
    pub undecided: usize,
    pub waiting: usize,
    pub unreadable: usize,
    /// Of all that were classified.
    pub unlike: usize,
    /// How many were held against the pictures in training.
    pub compared: usize,
}

/// Counts them, and how many each class was given, the most frequent first.
fn counts(predictions: &Predictions) -> (Tally, Vec<(String, usize)>) {
    let (mut t, mut classes) = (Tally::default(), HashMap::<&str, usize>::new());
    for picture in predictions.pictures() {
        t.unlike += usize::from(picture.unlike().is_some());
        t.compared += usize::from(picture.compared.is_some());
        let decision = predictions.decision(picture);
        if let Some(label) = decision {
            *classes.entry(label).or_default() += 1;
        }
        match &picture.result {
            Some(Ok(_)) if decision == Some(UNDECIDED) => t.undecided += 1,
            Some(Ok(_)) => t.classified += 1,
            Some(Err(_)) => t.unreadable += 1,
            None => t.waiting += 1,
        }
    }
    let mut classes: Vec<(String, usize)> = classes.into_iter().map(|(l, n)| (l.to_owned(), n)).collect();
    classes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    (t, classes)
}

impl Tally {
    /// How many were not held against the pictures in training, where others were.
    pub(super) fn unchecked(self) -> Option<usize> {
        let n = (self.classified + self.undecided).saturating_sub(self.compared);
        (self.compared > 0 && n > 0).then_some(n)
    }

    /// The same with those of folders that wait: they come into the list with their answers.
    pub(super) fn while_classifying(self, progress: Option<(usize, usize)>) -> Self {
        let left = progress.map_or(0, |(done, all)| all.saturating_sub(done));
        Self { waiting: self.waiting.max(left), ..self }
    }

    /// "126 classified · 2 could not be classified".
    pub(super) fn words(self) -> String {
        let mut parts = vec![format!("{} classified", thousands(self.classified))];
        if self.undecided > 0 {
            parts.push(format!("{} undecided", thousands(self.undecided)));
        }
        if self.waiting > 0 {
            parts.push(format!("{} waiting", thousands(self.waiting)));
        }
        if self.unreadable > 0 {
            parts.push(format!("{} could not be classified", thousands(self.unreadable)));
        }
        if self.unlike > 0 {
            parts.push(format!("{} unlike anything in training", thousands(self.unlike)));
        }
        if let Some(n) = self.unchecked() {
            parts.push(format!("{} not compared with training", thousands(n)));
        }
        parts.join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Unlike;
    use crate::error::Error;

    fn pictures() -> Predictions {
        let mut p = Predictions::default();
        let mut put = |path: &str, ranked: [(&str, f32); 2]| {
            p.put(path.into(), Ok(ranked.map(|(l, p)| (l.to_owned(), p)).to_vec()));
        };
        put("x/one.png", [("bees", 0.9), ("ants", 0.1)]);
        put("x/broken.png", [("", 0.0); 2]);
        put("x/two.png", [("ants", 0.6), ("bees", 0.4)]);
        put("x/later.png", [("", 0.0); 2]);
        put("y/three.png", [("bees", 0.99), ("ants", 0.01)]);
        p.put("x/broken.png".into(), Err(Error::input("no picture")));
        p.wait_for("x/later.png".into());
        p.compare("x/one.png".into(), Unlike { similarity: 0.7, familiar: 0.5 });
        p.compare("y/three.png".into(), Unlike { similarity: 0.3, familiar: 0.5 });
        p
    }

    fn by(text: &str) -> Filter {
        Filter { text: text.to_owned(), unlike: false }
    }

    #[test]
    fn orders_put_pictures_without_a_class_last() {
        let p = pictures();
        let all = by("");
        assert_eq!(listed(&p, &all, Order::Added), [0, 1, 2, 3, 4]);
        assert_eq!(listed(&p, &all, Order::LeastSure), [2, 0, 4, 1, 3]);
        assert_eq!(listed(&p, &all, Order::Surest), [4, 0, 2, 1, 3]);
        assert_eq!(listed(&p, &all, Order::Class), [2, 4, 0, 1, 3]);
        assert_eq!(listed(&p, &all, Order::LeastAlike), [4, 0, 1, 2, 3]);
    }

    #[test]
    fn the_filter_looks_at_paths_and_classes_and_for_what_is_unlike_training() {
        let p = pictures();
        assert_eq!(listed(&p, &by(" BEES "), Order::Added), [0, 4]);
        assert_eq!(listed(&p, &by("x/"), Order::Surest), [0, 2, 1, 3]);
        assert!(listed(&p, &by("wasps"), Order::Added).is_empty());
        let unlike = |text: &str| Filter { unlike: true, ..by(text) };
        assert_eq!(listed(&p, &unlike(""), Order::Added), [4]);
        assert!(listed(&p, &unlike("ants"), Order::Added).is_empty());
    }

    #[test]
    fn counts_leave_nothing_out() {
        let mut p = pictures();
        assert_eq!(counts(&p).1, [("bees".to_owned(), 2), ("ants".to_owned(), 1)]);
        p.decide_from = 0.7;
        let (t, classes) = counts(&p);
        assert_eq!((t.classified, t.undecided, t.waiting, t.unreadable, t.unlike), (2, 1, 1, 1, 1));
        assert_eq!(t.while_classifying(Some((1, 1))), t);
        assert_eq!(t.while_classifying(Some((1020, 5000))).waiting, 3980);
        let words = "2 classified · 1 undecided · 1 waiting · 1 could not be classified · 1 unlike anything in training · \
                     1 not compared with training";
        assert_eq!(t.words(), words);
        assert_eq!(classes, [("bees".to_owned(), 2), ("undecided".to_owned(), 1)]);
        assert_eq!(listed(&p, &by("undecided"), Order::Added).len(), 1);
        assert!(listed(&p, &by("ants"), Order::Added).is_empty());
    }

    #[test]
    fn a_listing_follows_every_change_and_nothing_else() {
        let mut p = pictures();
        let (mut listing, all) = (Listing::default(), by(""));
        listing.update(&p, &all, Order::Added);
        assert_eq!((listing.listed.len(), listing.tally.undecided), (5, 0));
        // Marks that stay as long as nothing is worked out again.
        (listing.listed, listing.tally.waiting) = (vec![9], 9);
        listing.update(&p, &all, Order::Added);
        assert_eq!((listing.listed.as_slice(), listing.tally.waiting), (&[9][..], 9));
        listing.update(&p, &by("bees"), Order::Added);
        assert_eq!((listing.listed.as_slice(), listing.tally.waiting), (&[0, 4][..], 9));
        listing.update(&p, &by("bees"), Order::Surest);
        assert_eq!(listing.listed, [4, 0]);
        p.decide_from = 0.95;
        listing.update(&p, &by("bees"), Order::Surest);
        assert_eq!((listing.listed.as_slice(), listing.tally.undecided), (&[4][..], 2));
        p.put("z.png".into(), Ok(vec![("bees".to_owned(), 1.0)]));
        listing.update(&p, &by("bees"), Order::Surest);
        assert_eq!((listing.listed.as_slice(), &listing.classes[0]), (&[5, 4][..], &("bees".to_owned(), 2)));
    }
}
