//! The columns of the list of backbones: what each shows, where there is room for it, and sorting by it.

use crate::backbones::{BackboneSpec, registry};
use crate::ui::AppState;
use crate::ui::state::megabytes;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Parameters,
    File,
    Top1,
    Speed,
    Licence,
    Weights,
}

/// A column's head, what it means, its width in points in wide and in narrow rows, and the narrowest row that has room for it.
pub(super) struct Shape {
    pub(super) column: Column,
    pub(super) name: &'static str,
    pub(super) why: &'static str,
    widths: [f32; 2],
    least_row: f32,
}

impl Shape {
    /// Its width in a row `row` points wide.
    pub(super) fn width(&self, row: f32) -> f32 {
        self.widths[usize::from(row < WIDE)]
    }
}

/// Rows narrower than this have narrow columns.
const WIDE: f32 = 600.0;
/// Rows narrower than this have the names above the columns.
const BESIDE_NAMES: f32 = 760.0;

/// Whether the names stand above the columns in a row `width` points wide.
pub(super) fn stacked(width: f32) -> bool {
    width < BESIDE_NAMES
}

const fn shape(
    column: Column,
    name: &'static str,
    why: &'static str,
    widths: [f32; 2],
    least_row: f32,
) -> Shape {
    Shape { column, name, why, widths, least_row }
}

/// How many columns there are.
pub(super) const COUNT: usize = 6;

static SHAPES: [Shape; COUNT] = [
    shape(
        Column::Parameters,
        "Parameters",
        "Numbers that the network has learned; more need more time and memory",
        [88.0, 74.0],
        300.0,
    ),
    shape(Column::File, "File", "Size of the weight file", [68.0, 58.0], 360.0),
    shape(
        Column::Top1,
        "Top-1",
        "Share of ImageNet's validation pictures named correctly, as published with the weights to download",
        [64.0, 46.0],
        0.0,
    ),
    shape(
        Column::Speed,
        "Speed here",
        "Pictures a second on this computer, measured, forward: the time that a frozen backbone takes",
        [88.0, 70.0],
        430.0,
    ),
    shape(Column::Licence, "Licence", "Licence of the published weights", [104.0, 80.0], 492.0),
    shape(Column::Weights, "Weights", "Whether weights are on this computer", [124.0, 104.0], 0.0),
];

/// The columns that a row `width` points wide has room for; what is left out shows on hovering.
pub(super) fn shown(width: f32) -> impl DoubleEndedIterator<Item = &'static Shape> + Clone {
    SHAPES.iter().filter(move |s| s.least_row <= width)
}

/// Sizes in bytes of the published files.
static FILE_BYTES: LazyLock<BTreeMap<&'static str, u64>> =
    LazyLock::new(|| registry().iter().map(|s| (s.name, s.file_bytes())).collect());

/// Size in bytes of the published file.
pub(super) fn file_bytes(spec: &BackboneSpec) -> u64 {
    FILE_BYTES.get(spec.name).copied().unwrap_or(0)
}

impl Column {
    /// What stands in the column; `None` for the one with the weights, which has parts of its own.
    pub(super) fn text(self, state: &AppState, spec: &BackboneSpec) -> Option<String> {
        let source = spec.sources.first();
        let or_dash = |text: Option<String>| Some(text.unwrap_or_else(|| "–".to_owned()));
        match self {
            Self::Parameters => Some(millions(spec.param_count)),
            Self::File => or_dash(source.map(|_| megabytes(file_bytes(spec)))),
            Self::Top1 => or_dash(source.map(|s| format!("{:.3}", s.top1_frac))),
            Self::Speed => or_dash(state.speed(spec.name).map(|s| rate(s.images_per_s))),
            Self::Licence => or_dash(source.map(|s| s.licence.to_owned())),
            Self::Weights => None,
        }
    }

    /// Whether more is better, so that the first press puts the most on top.
    fn most_first(self) -> bool {
        matches!(self, Self::Top1 | Self::Speed | Self::Weights)
    }

    /// What is sorted by; `None` goes to the end.
    fn value(self, state: &AppState, spec: &BackboneSpec) -> Option<f64> {
        let source = spec.sources.first();
        match self {
            Self::Parameters => Some(spec.param_count as f64),
            Self::File => source.map(|_| file_bytes(spec) as f64),
            Self::Top1 => source.map(|s| s.top1_frac),
            Self::Speed => state.speed(spec.name).map(|s| s.images_per_s),
            Self::Licence => None,
            Self::Weights => source.map(|_| f64::from(u8::from(is_here(state, spec)))),
        }
    }
}

/// Whether weights of the backbone are on this computer.
pub(super) fn is_here(state: &AppState, spec: &BackboneSpec) -> bool {
    state.known_weights.get(spec.name).is_some_and(|files| !files.is_empty())
}

/// By which column the list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: Column,
    pub(super) descending: bool,
}

impl Sort {
    /// A press on a column's head: its order, then the other way round, then the list as it is recommended.
    pub(super) fn pressed(before: Option<Self>, column: Column) -> Option<Self> {
        let first = Self { column, descending: column.most_first() };
        match before {
            Some(sort) if sort == first => Some(Self { descending: !first.descending, ..first }),
            Some(sort) if sort.column == column => None,
            _ => Some(first),
        }
    }
}

/// The backbones in the order to show them.
pub(super) fn sorted(state: &AppState, sort: Option<Sort>) -> Vec<&'static BackboneSpec> {
    let mut specs: Vec<&'static BackboneSpec> = registry().iter().collect();
    if let Some(sort) = sort {
        specs.sort_by(|a, b| in_order(state, sort, a, b));
    }
    specs
}

fn in_order(state: &AppState, sort: Sort, a: &BackboneSpec, b: &BackboneSpec) -> Ordering {
    let turned = |order: Ordering| if sort.descending { order.reverse() } else { order };
    if sort.column == Column::Licence {
        let name = |s: &BackboneSpec| s.sources.first().map(|s| s.licence);
        return match (name(a), name(b)) {
            (Some(a), Some(b)) => turned(a.cmp(b)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
    }
    match (sort.column.value(state, a), sort.column.value(state, b)) {
        (Some(a), Some(b)) => turned(a.total_cmp(&b)),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// `11.7 M`, `0.42 M`.
pub(super) fn millions(count: usize) -> String {
    let m = count as f64 / 1e6;
    if m < 0.95 { format!("{m:.2} M") } else { format!("{m:.1} M") }
}

/// `31.5/s`, `120/s`.
fn rate(images_per_s: f64) -> String {
    if images_per_s < 99.5 { format!("{images_per_s:.1}/s") } else { format!("{images_per_s:.0}/s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeviceChoice;

    #[test]
    fn numbers_read_as_they_are_told() {
        assert_eq!([millions(11_689_512), millions(94_000)], ["11.7 M", "0.09 M"]);
        assert_eq!([rate(31.49), rate(412.3)], ["31.5/s", "412/s"]);
    }

    #[test]
    fn a_press_sorts_a_second_turns_and_a_third_gives_the_recommended_order_back() {
        let press = |sort| Sort::pressed(sort, Column::Top1);
        let first = press(None);
        assert_eq!(first, Some(Sort { column: Column::Top1, descending: true }));
        let second = press(first);
        assert_eq!(second, Some(Sort { column: Column::Top1, descending: false }));
        assert_eq!(press(second), None);
        assert_eq!(Sort::pressed(second, Column::File).map(|s| s.descending), Some(false));
    }

    #[test]
    fn what_has_no_value_is_last_either_way() {
        let mut state = AppState::default();
        state.settings.remember_speed("resnet18", DeviceChoice::Cpu, 0, 30.0);
        state.settings.remember_speed("vgg16", DeviceChoice::Cpu, 0, 3.0);
        let first = |column, descending| {
            let specs = sorted(&state, Some(Sort { column, descending }));
            (specs.first().map(|s| s.name), specs.last().map(|s| s.name))
        };
        assert_eq!(first(Column::Top1, true), (Some("vit_base"), Some("small_cnn")));
        assert_eq!(first(Column::Top1, false), (Some("squeezenet1_1"), Some("small_cnn")));
        assert_eq!(first(Column::Speed, true).0, Some("resnet18"));
        assert_eq!(first(Column::Speed, false).0, Some("vgg16"));
        assert_eq!(first(Column::File, true).0, Some("vgg16_bn"));
        let names = |sort| sorted(&state, sort).iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(names(None), registry().iter().map(|s| s.name).collect::<Vec<_>>());
    }

    #[test]
    fn narrow_rows_keep_accuracy_and_weights() {
        let names = |width| shown(width).map(|s| s.column).collect::<Vec<_>>();
        assert_eq!(names(299.0), [Column::Top1, Column::Weights]);
        for row in [492.0, 600.0, 668.0, 760.0] {
            let columns: f32 = shown(row).map(|s| s.width(row)).sum();
            assert_eq!(names(row).len(), COUNT, "every column can be reached in {row}");
            assert!(columns + 60.0 <= row, "{columns} of {row}");
        }
    }
}
