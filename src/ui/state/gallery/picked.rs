//! Which pictures of the gallery are selected.

use super::Arrangement;
use crate::data::Dataset;

/// A set of indices. A flag for each: a hundred thousand are selected and looked through within a frame.
#[derive(Debug, Clone, Default)]
struct Indices {
    flags: Vec<bool>,
    len: usize,
}

impl Indices {
    fn contains(&self, index: usize) -> bool {
        self.flags.get(index) == Some(&true)
    }

    /// Whether it was not there before.
    fn insert(&mut self, index: usize) -> bool {
        if self.flags.len() <= index {
            self.flags.resize(index + 1, false);
        }
        let fresh = !std::mem::replace(&mut self.flags[index], true);
        self.len += usize::from(fresh);
        fresh
    }

    /// Whether it was there before.
    fn remove(&mut self, index: usize) -> bool {
        let there = self.flags.get_mut(index).is_some_and(std::mem::take);
        self.len -= usize::from(there);
        there
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.flags.iter().enumerate().filter(|(_, flag)| **flag).map(|(index, _)| index)
    }

    fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        for (index, flag) in self.flags.iter_mut().enumerate() {
            *flag = *flag && keep(index);
        }
        self.len = self.flags.iter().filter(|flag| **flag).count();
    }
}

impl Extend<usize> for Indices {
    fn extend<I: IntoIterator<Item = usize>>(&mut self, indices: I) {
        for index in indices {
            self.insert(index);
        }
    }
}

impl FromIterator<usize> for Indices {
    fn from_iter<I: IntoIterator<Item = usize>>(indices: I) -> Self {
        let mut set = Self::default();
        set.extend(indices);
        set
    }
}

/// Selected pictures, by index into the data set, with a cursor that the arrow keys move.
#[derive(Debug, Clone, Default)]
pub struct Picked {
    set: Indices,
    cursor: Option<usize>,
    /// Where a range begins.
    anchor: Option<usize>,
}

impl Picked {
    /// Whether a picture is selected.
    pub fn contains(&self, index: usize) -> bool {
        self.set.contains(index)
    }

    /// How many are.
    pub fn len(&self) -> usize {
        self.set.len
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.set.len == 0
    }

    /// All of them, in the order of the data set.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.set.iter()
    }

    /// The picture where the cursor is.
    pub fn cursor(&self) -> Option<usize> {
        self.cursor
    }

    /// Only this one; nothing where it was the only one before.
    pub fn click(&mut self, index: usize) {
        if self.len() == 1 && self.contains(index) {
            self.clear();
        } else {
            self.only(index);
        }
    }

    /// Only this one.
    pub fn only(&mut self, index: usize) {
        *self = Self { set: Indices::from_iter([index]), cursor: Some(index), anchor: Some(index) };
    }

    /// This one too, or no longer.
    pub fn toggle(&mut self, index: usize) {
        if !self.set.remove(index) {
            self.set.insert(index);
        }
        (self.cursor, self.anchor) = (Some(index), Some(index));
    }

    /// All from where the range began to this one, as they are shown.
    pub fn extend_to(&mut self, index: usize, shown: &Arrangement) {
        let anchor = self.anchor.filter(|a| shown.place(*a).is_some()).unwrap_or(index);
        let (Some(a), Some(b)) = (shown.place(anchor), shown.place(index)) else { return };
        self.set = shown.order[a.min(b)..=a.max(b)].iter().copied().collect();
        (self.cursor, self.anchor) = (Some(index), Some(anchor));
    }

    /// Every picture on show.
    pub fn all(&mut self, shown: &Arrangement) {
        self.set = shown.order.iter().copied().collect();
        self.cursor = self.cursor.or(shown.order.first().copied());
    }

    /// These, and those of `before`.
    pub fn band(&mut self, touched: impl Iterator<Item = usize>, before: &Self) {
        self.set.clone_from(&before.set);
        self.set.extend(touched);
    }

    /// None. The cursor stays.
    pub fn clear(&mut self) {
        self.set = Indices::default();
        self.anchor = None;
    }

    /// After another filter or order: what is no longer on show is no longer selected, so that nothing happens to a picture that
    /// cannot be seen.
    pub fn keep_shown(&mut self, shown: &Arrangement) {
        self.set.retain(|i| shown.place(i).is_some());
        self.cursor = self.cursor.filter(|&i| shown.place(i).is_some());
        self.anchor = self.anchor.filter(|&i| shown.place(i).is_some());
    }

    /// After a decision or another look at the folder: the selection follows the files. Where all selected ones are gone from
    /// the screen, the one that is now in the first one's place is selected, so that going on needs no pointing.
    pub fn follow(
        &mut self,
        (from, before): (&Dataset, &Arrangement),
        (to, after): (&Dataset, &Arrangement),
    ) {
        let first = self.set.iter().filter_map(|i| before.place(i)).min();
        let new = positions(from, to);
        let moved = |i: usize| new.get(i).copied().flatten();
        self.set = self.set.iter().filter_map(moved).collect();
        self.cursor = self.cursor.and_then(moved);
        self.anchor = self.anchor.and_then(moved);
        self.keep_shown(after);
        if let (true, Some(first)) = (self.is_empty(), first)
            && let Some(&next) = after.order.get(first.min(after.order.len().saturating_sub(1)))
        {
            self.only(next);
        }
    }
}

/// Where each sample of one data set is in another; both are in order of path.
fn positions(from: &Dataset, to: &Dataset) -> Vec<Option<usize>> {
    let mut next = 0;
    let one = |rel: &str| {
        if to.samples.get(next).is_some_and(|s| s.rel == rel) {
            next += 1;
            return Some(next - 1);
        }
        let found = to.position(rel)?;
        next = found + 1;
        Some(found)
    };
    let mut one = one;
    from.samples.iter().map(|s| one(&s.rel)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Filter, Sorting};
    use super::*;
    use crate::data::{Checks, Layout, Preflight, Sample, Split, Verdicts};

    fn data(files: &[(&str, usize)]) -> Dataset {
        let sample =
            |&(rel, class): &(&str, usize)| Sample { rel: rel.to_owned(), class, split: Split::Train };
        Dataset {
            root: "pictures".into(),
            layout: Layout::ClassFolders,
            labels: None,
            classes: vec!["ants".to_owned(), "bees".to_owned()],
            samples: files.iter().map(sample).collect(),
            skipped: Vec::new(),
            excluded: Vec::new(),
            verdicts: Verdicts::default(),
            checks: Checks::default(),
        }
    }

    fn shown(data: &Dataset, class: Option<usize>) -> Arrangement {
        let filter = Filter { class, ..Filter::default() };
        Arrangement::of(&Preflight::unseen(data.clone()), &filter, Sorting::default(), 224)
    }

    fn list(picked: &Picked) -> Vec<usize> {
        picked.iter().collect()
    }

    const FOUR: [(&str, usize); 4] = [("a/1", 0), ("a/2", 1), ("b/3", 0), ("b/4", 1)];

    #[test]
    fn clicks_select_one_more_or_a_range_as_shown() {
        let data = data(&FOUR);
        let shown = shown(&data, None);
        assert_eq!(shown.order, [0, 2, 1, 3]);
        let mut p = Picked::default();
        p.click(0);
        p.extend_to(1, &shown);
        assert_eq!(list(&p), [0, 1, 2], "the three that lie side by side");
        p.extend_to(2, &shown);
        assert_eq!(list(&p), [0, 2], "from the same beginning");
        p.toggle(3);
        p.toggle(0);
        assert_eq!((list(&p), p.cursor()), (vec![2, 3], Some(0)));
        p.click(3);
        assert_eq!(list(&p), [3]);
        p.click(3);
        assert!(p.is_empty());
        p.all(&shown);
        assert_eq!(p.len(), 4);
    }

    #[test]
    fn indices_are_counted_once_and_come_in_order() {
        let mut set: Indices = [7, 2, 7, 4].into_iter().collect();
        assert_eq!((set.iter().collect::<Vec<_>>(), set.len), (vec![2, 4, 7], 3));
        assert!(!set.insert(4) && set.remove(4) && !set.remove(4) && !set.remove(900));
        set.retain(|i| i > 2);
        assert_eq!((set.iter().collect::<Vec<_>>(), set.len, set.contains(2)), (vec![7], 1, false));
    }

    #[test]
    fn what_cannot_be_seen_is_not_selected() {
        let data = data(&FOUR);
        let mut p = Picked::default();
        p.all(&shown(&data, None));
        p.keep_shown(&shown(&data, Some(1)));
        assert_eq!(list(&p), [1, 3]);
    }

    #[test]
    fn the_selection_follows_the_files_and_goes_on_where_all_are_gone() {
        let before = data(&FOUR);
        let fewer = data(&[("a/2", 1), ("b/3", 0), ("b/4", 1)]);
        let mut p = Picked::default();
        p.click(1);
        p.toggle(0);
        p.follow((&before, &shown(&before, None)), (&fewer, &shown(&fewer, None)));
        assert_eq!(list(&p), [0], "a/2 has become the first");

        let mut p = Picked::default();
        p.click(0);
        p.follow((&before, &shown(&before, None)), (&fewer, &shown(&fewer, None)));
        assert_eq!(fewer.samples[list(&p)[0]].rel, "b/3", "the next of the same class");

        let relabelled = data(&[("a/1", 1), ("a/2", 1), ("b/3", 0), ("b/4", 1)]);
        let mut p = Picked::default();
        p.click(0);
        p.follow((&before, &shown(&before, Some(0))), (&relabelled, &shown(&relabelled, Some(0))));
        assert_eq!(relabelled.samples[list(&p)[0]].rel, "b/3");
    }
}
