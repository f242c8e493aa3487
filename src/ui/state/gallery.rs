//! Which pictures the gallery shows and in which order.

mod grid;
mod picked;

pub use grid::{Grid, Move, Row};
pub use picked::Picked;

use crate::data::{Dataset, PictureSize, Preflight, Split};
use std::collections::HashSet;

/// Longer than this many times the shorter side is an odd shape.
const ODD_SHAPE: f64 = 2.0;

/// Which pictures are on show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this class.
    pub class: Option<usize>,
    /// Only this split.
    pub split: Option<Split>,
    /// Only the files of this finding.
    pub finding: Option<usize>,
    /// Only pictures of such a size.
    pub size: SizeFilter,
    /// Only pictures with this text in their path, whatever its case.
    pub name: String,
}

/// Which sizes are on show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SizeFilter {
    /// All.
    #[default]
    Any,
    /// The shorter side has fewer pixels than the network looks at.
    Small,
    /// More than twice as long as wide, or as wide as long.
    OddShape,
}

/// What the order goes by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortBy {
    /// Class by class, each in order of path.
    #[default]
    Class,
    /// The file's name, without its folders.
    Name,
    /// Width times height in pixels.
    Pixels,
    /// Bytes of the file.
    Bytes,
    /// Width over height.
    Aspect,
}

/// The order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sorting {
    /// What it goes by.
    pub by: SortBy,
    /// Largest or last first.
    pub descending: bool,
}

/// Pictures that are shown together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Their class, where the order goes by class.
    pub class: Option<usize>,
    /// Place of the first.
    pub start: usize,
    /// How many; at least one.
    pub len: usize,
}

/// The pictures on show. A *place* counts them in the order in which they are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// Index of the sample at each place.
    pub order: Vec<usize>,
    /// Runs of places.
    pub sections: Vec<Section>,
    /// Place of each sample; `None` where it is not on show.
    places: Vec<Option<u32>>,
}

impl Arrangement {
    /// The pictures of `preflight` that pass `filter`, in the order of `sorting`. `input_px` is the side of the square that the
    /// network looks at.
    pub fn of(preflight: &Preflight, filter: &Filter, sorting: Sorting, input_px: u32) -> Self {
        let data = &preflight.dataset;
        let mut order = chosen(preflight, filter, input_px);
        sort(&mut order, preflight, sorting);
        let sections = match sorting.by {
            SortBy::Class => by_class(&order, data),
            _ if order.is_empty() => Vec::new(),
            _ => vec![Section { class: None, start: 0, len: order.len() }],
        };
        let mut places = vec![None; data.samples.len()];
        for (place, &index) in (0u32..).zip(&order) {
            places[index] = Some(place);
        }
        Self { order, sections, places }
    }

    /// Where a sample is shown, if it is.
    pub fn place(&self, index: usize) -> Option<usize> {
        self.places.get(index).copied().flatten().map(|place| place as usize)
    }
}

fn chosen(preflight: &Preflight, filter: &Filter, input_px: u32) -> Vec<usize> {
    let data = &preflight.dataset;
    let files: Option<HashSet<&str>> = filter
        .finding
        .and_then(|f| preflight.findings.get(f))
        .map(|f| f.files.iter().map(String::as_str).collect());
    let name = filter.name.trim().to_lowercase();
    let size = |i: usize| preflight.sizes.get(i).is_some_and(|s| filter.size.passes(*s, input_px));
    let passes = |i: usize| {
        let s = &data.samples[i];
        filter.class.is_none_or(|c| c == s.class)
            && filter.split.is_none_or(|x| x == s.split)
            && files.as_ref().is_none_or(|f| f.contains(s.rel.as_str()))
            && (filter.size == SizeFilter::Any || size(i))
            && (name.is_empty() || s.rel.to_lowercase().contains(&name))
    };
    (0..data.samples.len()).filter(|&i| passes(i)).collect()
}

impl SizeFilter {
    fn passes(self, size: PictureSize, input_px: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Small => size.width.min(size.height) < input_px,
            Self::OddShape => size.elongation() > ODD_SHAPE,
        }
    }
}

/// Sorts samples, which are in order of path to begin with; those of which nothing is known come last.
fn sort(order: &mut [usize], preflight: &Preflight, sorting: Sorting) {
    let samples = &preflight.dataset.samples;
    let number = |f: fn(&PictureSize) -> f64| {
        move |&i: &usize| preflight.sizes.get(i).map_or(f64::INFINITY, f).to_bits()
    };
    match sorting.by {
        SortBy::Class => order.sort_by_key(|&i| samples[i].class),
        SortBy::Name => order.sort_by_cached_key(|&i| natural_key(&samples[i].rel)),
        // Numbers above zero are in the order of their bits.
        SortBy::Pixels => order.sort_by_cached_key(number(|s| f64::from(s.width) * f64::from(s.height))),
        SortBy::Bytes => order.sort_by_cached_key(number(|s| s.bytes as f64)),
        SortBy::Aspect => {
            order.sort_by_cached_key(number(|s| f64::from(s.width) / f64::from(s.height.max(1))))
        }
    }
    if sorting.descending {
        order.reverse();
    }
}

/// Bytes whose order is that of file names with their numbers read as numbers.
fn natural_key(rel: &str) -> Vec<u8> {
    let name = rel.rsplit('/').next().unwrap_or(rel).as_bytes();
    let mut key = Vec::with_capacity(name.len() + 8);
    let mut rest = name;
    while let Some(&first) = rest.first() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            key.push(first.to_ascii_lowercase());
            rest = &rest[1..];
            continue;
        }
        let (number, after) = rest.split_at(digits);
        let zeros = number.iter().take_while(|b| **b == b'0').count();
        let number = &number[zeros..];
        // A longer number is a larger one: its length goes before it, where single digits would stand.
        key.extend([b'0', u8::try_from(number.len()).unwrap_or(u8::MAX)]);
        key.extend(number);
        rest = after;
    }
    key
}

fn by_class(order: &[usize], data: &Dataset) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (place, &index) in order.iter().enumerate() {
        let class = Some(data.samples[index].class);
        match sections.last_mut().filter(|s| s.class == class) {
            Some(section) => section.len += 1,
            None => sections.push(Section { class, start: place, len: 1 }),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Checks, Layout, Sample, Severity, Verdicts};

    fn preflight() -> Preflight {
        let sample = |rel: &str, class, split| Sample { rel: rel.to_owned(), class, split };
        let dataset = Dataset {
            root: "pictures".into(),
            layout: Layout::ClassFolders,
            labels: None,
            classes: vec!["ants".to_owned(), "bees".to_owned()],
            samples: vec![
                sample("ants/IMG_2.png", 0, Split::Train),
                sample("ants/IMG_10.png", 0, Split::Val),
                sample("bees/a.png", 1, Split::Train),
                sample("bees/img_9.png", 0, Split::Train),
            ],
            skipped: Vec::new(),
            excluded: Vec::new(),
            verdicts: Verdicts::default(),
            checks: Checks::default(),
        };
        let size = |width, height, bytes| PictureSize { width, height, bytes };
        let mut found = Preflight::unseen(dataset);
        found.sizes = vec![size(300, 200, 9), size(640, 480, 5), size(900, 300, 7), size(64, 64, 1)];
        let files = vec!["bees/a.png".to_owned(), "ants/IMG_2.png".to_owned()];
        found.findings = vec![crate::data::Finding {
            severity: Severity::Info,
            title: "same".to_owned(),
            files,
            groups: Vec::new(),
            offer: None,
        }];
        found
    }

    fn order(filter: &Filter, by: SortBy, descending: bool) -> Vec<usize> {
        Arrangement::of(&preflight(), filter, Sorting { by, descending }, 224).order
    }

    #[test]
    fn classes_keep_their_pictures_together_wherever_the_files_lie() {
        let a = Arrangement::of(&preflight(), &Filter::default(), Sorting::default(), 224);
        assert_eq!(a.order, [0, 1, 3, 2]);
        let sections: Vec<_> = a.sections.iter().map(|s| (s.class, s.start, s.len)).collect();
        assert_eq!(sections, [(Some(0), 0, 3), (Some(1), 3, 1)]);
        assert_eq!((0..4).map(|i| a.place(i)).collect::<Vec<_>>(), [Some(0), Some(1), Some(3), Some(2)]);
    }

    #[test]
    fn filters_are_met_all_at_once() {
        let all = Filter::default();
        let of = |filter: Filter| order(&filter, SortBy::Class, false);
        assert_eq!(of(Filter { size: SizeFilter::Small, ..all.clone() }), [0, 3]);
        assert_eq!(of(Filter { size: SizeFilter::OddShape, ..all.clone() }), [2]);
        assert_eq!(of(Filter { name: " img_".to_owned(), ..all.clone() }), [0, 1, 3]);
        assert_eq!(of(Filter { finding: Some(0), ..all.clone() }), [0, 2]);
        assert_eq!(of(Filter { finding: Some(0), class: Some(1), ..all.clone() }), [2]);
        assert_eq!(of(Filter { split: Some(Split::Val), class: Some(1), ..all }), [0; 0]);
    }

    #[test]
    fn sorting_goes_both_ways() {
        let all = Filter::default();
        assert_eq!(order(&all, SortBy::Name, false), [2, 0, 3, 1], "numbers count as numbers");
        assert_eq!(order(&all, SortBy::Pixels, false), [3, 0, 2, 1]);
        assert_eq!(order(&all, SortBy::Bytes, true), [0, 2, 1, 3]);
        assert_eq!(order(&all, SortBy::Aspect, false), [3, 1, 0, 2]);
    }

    #[test]
    fn names_are_in_natural_order() {
        let mut names = ["b1", "a10", "a9", "a09x", "A2", "a", "a1b2", "a1b10"];
        names.sort_by_cached_key(|n| natural_key(n));
        assert_eq!(names, ["a", "a1b2", "a1b10", "A2", "a9", "a09x", "a10", "b1"]);
    }
}
