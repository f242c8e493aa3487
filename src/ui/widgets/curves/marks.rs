//! Where the axes of learning curves have their numbers.

use egui_plot::{GridInput, GridMark};

/// Height that a number on the vertical axis and its distance to the next take, in points.
const TICK_ROOM: f32 = 26.0;
/// Distances between numbers on the vertical axis at most; more would say no more.
const MOST_TICKS: f64 = 7.0;
/// Numbers on the vertical axis fade where they come nearer to each other than this, in points.
pub(super) const NEAREST_TICKS: egui::Rangef = egui::Rangef { min: 12.0, max: 16.0 };

/// Marks at whole epochs, at most about ten.
pub(super) fn whole_epochs(input: GridInput) -> Vec<GridMark> {
    let (from, to) = input.bounds;
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]
        .into_iter()
        .find(|s| (to - from) / s <= 12.0)
        .unwrap_or(10_000.0);
    let first = (from / step).ceil() as i64;
    let last = (to / step).floor() as i64;
    (first..=last).map(|i| GridMark { value: i as f64 * step, step_size: step }).collect()
}

/// Marks at round numbers, as many as have room in `height` points and say something, at least two.
pub(super) fn even_steps((from, to): (f64, f64), height: f32) -> Vec<GridMark> {
    let most = (f64::from(height) / f64::from(TICK_ROOM)).floor().clamp(2.0, MOST_TICKS);
    let small = (-8..-2).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    let steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];
    let mut steps = small.chain(steps);
    let step = steps.find(|s| (to - from) / s <= most).unwrap_or((to - from).max(1.0) / 2.0);
    let (first, last) = ((from / step).ceil() as i64, (to / step).floor() as i64);
    (first..=last).map(|i| GridMark { value: i as f64 * step, step_size: step }).collect()
}

/// Marks of a logarithmic axis, whose values are logarithms: 1, 2 and 5 times powers of ten.
pub(super) fn decades((from, to): (f64, f64)) -> Vec<GridMark> {
    let powers = (from.floor() as i32)..=(to.ceil() as i32);
    let marks = powers
        .flat_map(|power| [(1.0f64, 1.0), (2.0, 0.3), (5.0, 0.3)].map(|(digit, size)| (digit, size, power)));
    marks
        .map(|(digit, step_size, power)| GridMark { value: digit.log10() + f64::from(power), step_size })
        .filter(|mark| mark.value >= from && mark.value <= to)
        .collect()
}

/// Two decimals at most, none where they say nothing; small numbers with their power of ten.
pub(super) fn trimmed(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.0095 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_marked_at_whole_numbers() {
        let marks = |to: f64| whole_epochs(GridInput { bounds: (0.7, to), base_step_size: 0.1 });
        assert_eq!(marks(5.3).iter().map(|m| m.value).collect::<Vec<_>>(), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(marks(25.3).len() <= 13 && marks(100_000.0).len() <= 13);
    }

    #[test]
    fn a_plot_of_any_height_has_at_least_two_numbers_on_its_axis() {
        for height in [64.0, 120.0, 240.0, 700.0] {
            for bounds in [(0.0, 0.7), (0.0, 2.9), (0.5, 1.01), (0.9, 1.01), (0.0, 1.01), (0.0, 61.0)] {
                let marks = even_steps(bounds, height);
                assert!(marks.len() >= 2, "{bounds:?} in {height}: {}", marks.len());
                let room = f64::from(height) / (bounds.1 - bounds.0) * marks[0].step_size;
                assert!(room >= f64::from(NEAREST_TICKS.max), "{bounds:?} in {height}: {room}");
            }
        }
        assert!(even_steps((0.0, 1e9), 100.0).len() < 5);
    }

    #[test]
    fn a_logarithmic_axis_is_marked_at_round_numbers() {
        let marks: Vec<f64> = decades((-1.2, 0.5)).iter().map(|m| 10f64.powf(m.value)).collect();
        for (mark, round) in marks.iter().zip([0.1, 0.2, 0.5, 1.0, 2.0]) {
            assert!((mark - round).abs() < 1e-9, "{marks:?}");
        }
        assert_eq!((marks.len(), trimmed(0.002)), (5, "2e-3".to_owned()));
    }

    #[test]
    fn axis_numbers_are_short() {
        assert_eq!(
            (trimmed(0.5), trimmed(1.0), trimmed(0.0), trimmed(0.25)),
            ("0.5".into(), "1".into(), "0".into(), "0.25".into())
        );
    }
}
