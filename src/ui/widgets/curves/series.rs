//! What is drawn, worked out from the epochs on record, without drawing anything.

use crate::engine::EpochRecord;
use crate::error::count;

/// Which numbers are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Quantity {
    /// Training and validation loss.
    Loss,
    /// Validation accuracy and macro F1.
    #[default]
    Quality,
    /// The learning rate.
    Rate,
}

/// One number of each epoch, by which runs are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Measure {
    /// Validation accuracy.
    #[default]
    Accuracy,
    /// Validation macro F1.
    MacroF1,
    /// Validation loss.
    Loss,
    /// Training loss.
    TrainLoss,
    /// Learning rate.
    Rate,
}

/// How it is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Look {
    /// Loss and learning rate on a logarithmic axis.
    pub log: bool,
    /// Share of the mean so far in each point, in `[0, 1)`; 0 draws the numbers as they are.
    pub smoothing: f64,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is, for people.
    pub name: String,
    /// Drawn dashed, so that the two lines differ by more than colour.
    pub dashed: bool,
    /// `[epoch, value]` as drawn; values that are not finite are left out.
    pub points: Vec<[f64; 2]>,
    /// The same before smoothing, where there is any.
    pub raw: Vec<[f64; 2]>,
    /// The last epoch's number.
    pub last: Option<f64>,
}

/// A plot's content. Values are logarithms where the axis is logarithmic.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveData {
    /// The more important line first.
    pub series: Vec<Series>,
    /// `[epoch, value]` of the first line at the best epoch.
    pub best: Option<[f64; 2]>,
    /// Left and right end.
    pub x: [f64; 2],
    /// Lower and upper end.
    pub y: [f64; 2],
    /// Where another part of the network begins to learn, and which.
    pub phases: Vec<(f64, String)>,
    /// Whether the vertical axis is logarithmic.
    pub log: bool,
}

/// What the vertical axis begins and ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// At 0, above the largest.
    FromZero,
    /// Below the smallest, at 1.
    ToOne,
}

impl Quantity {
    /// Heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => "Loss",
            Self::Quality => "Quality on validation pictures",
            Self::Rate => "Learning rate",
        }
    }

    /// Heading where there is little room.
    pub fn short_title(self) -> &'static str {
        match self {
            Self::Quality => "Quality",
            other => other.title(),
        }
    }

    /// What is drawn, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Loss => {
                "How wrong and how sure of it the network is; lower is better. Validation loss rising while training loss \
                 falls means that it learns the training pictures by heart"
            }
            Self::Quality => {
                "Accuracy is the share of validation pictures classified correctly. Macro F1 weighs every class the same, so \
                 it drops where a small class is missed"
            }
            Self::Rate => "How far each step moves the weights, at the last step of each epoch",
        }
    }

    /// What each line is, with its numbers.
    fn lines(self) -> &'static [(&'static str, Measure)] {
        match self {
            Self::Loss => &[("validation", Measure::Loss), ("training", Measure::TrainLoss)],
            Self::Quality => &[("accuracy", Measure::Accuracy), ("macro F1", Measure::MacroF1)],
            Self::Rate => &[("learning rate", Measure::Rate)],
        }
    }

    /// Whether it may be drawn on a logarithmic axis.
    pub fn may_be_log(self) -> bool {
        self != Self::Quality
    }
}

impl Measure {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Accuracy, "Validation accuracy"),
        (Self::MacroF1, "Validation macro F1"),
        (Self::Loss, "Validation loss"),
        (Self::TrainLoss, "Training loss"),
        (Self::Rate, "Learning rate"),
    ];

    /// Name for people.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(m, _)| *m == self).map_or("", |(_, name)| name)
    }

    /// Its number of an epoch.
    pub fn of(self, e: &EpochRecord) -> f64 {
        match self {
            Self::Accuracy => e.val_accuracy,
            Self::MacroF1 => e.val_macro_f1,
            Self::Loss => e.val_loss,
            Self::TrainLoss => e.train_loss,
            Self::Rate => e.learning_rate,
        }
    }

    /// Whether it may be drawn on a logarithmic axis.
    pub fn may_be_log(self) -> bool {
        matches!(self, Self::Loss | Self::TrainLoss | Self::Rate)
    }

    fn ends(self) -> Ends {
        if self.may_be_log() { Ends::FromZero } else { Ends::ToOne }
    }
}

/// Works out lines, ends and marks of one run. The right end is the last planned epoch, so that the picture does not jump while it
/// fills.
pub fn prepare(epochs: &[EpochRecord], quantity: Quantity, look: Look) -> CurveData {
    let look = Look { log: look.log && quantity.may_be_log(), ..look };
    let lines = quantity.lines();
    let series: Vec<Series> = lines
        .iter()
        .enumerate()
        .map(|(i, (name, measure))| line((*name).to_owned(), i == 1, epochs, *measure, look))
        .collect();
    let first = lines.first().map_or(Measure::Loss, |l| l.1);
    let best = best(epochs).and_then(|e| placed(e, first, look));
    let phases = epochs
        .windows(2)
        .filter(|w| w[0].phase != w[1].phase)
        .map(|w| (w[1].epoch as f64 - 0.5, w[1].phase.clone()))
        .collect();
    let y = ends(&series, first.ends(), look.log);
    CurveData { series, best, x: [0.7, planned(epochs) as f64 + 0.3], y, phases, log: look.log }
}

/// The same number of several runs, one line each.
pub fn overlay(runs: &[(String, &[EpochRecord])], measure: Measure, look: Look) -> CurveData {
    let look = Look { log: look.log && measure.may_be_log(), ..look };
    let of = |(name, epochs): &(String, &[EpochRecord])| line(name.clone(), false, epochs, measure, look);
    let series: Vec<Series> = runs.iter().map(of).collect();
    let planned = runs.iter().map(|(_, epochs)| planned(epochs)).max().unwrap_or(2);
    let y = ends(&series, measure.ends(), look.log);
    CurveData { series, best: None, x: [0.7, planned as f64 + 0.3], y, phases: Vec::new(), log: look.log }
}

/// By the last epoch: a phase that ended early makes the plan shorter.
fn planned(epochs: &[EpochRecord]) -> usize {
    epochs.last().map_or(1, |e| e.epochs.max(e.epoch)).max(2)
}

fn line(name: String, dashed: bool, epochs: &[EpochRecord], measure: Measure, look: Look) -> Series {
    let points: Vec<[f64; 2]> = epochs.iter().filter_map(|e| placed(e, measure, look)).collect();
    let last = epochs.iter().rev().map(|e| measure.of(e)).find(|v| v.is_finite());
    if look.smoothing <= 0.0 {
        return Series { name, dashed, points, raw: Vec::new(), last };
    }
    Series { name, dashed, points: smoothed(&points, look.smoothing), raw: points, last }
}

/// Where an epoch's number is drawn; nowhere if it is not finite, or not positive on a logarithmic axis.
fn placed(e: &EpochRecord, measure: Measure, look: Look) -> Option<[f64; 2]> {
    let value = measure.of(e);
    let at = if look.log { value.log10() } else { value };
    at.is_finite().then_some([e.epoch as f64, at])
}

/// Exponential moving mean, of which the first points are not pulled towards 0 (as in Adam, Kingma & Ba 2015).
fn smoothed(points: &[[f64; 2]], share: f64) -> Vec<[f64; 2]> {
    let share = share.clamp(0.0, 0.99);
    let (mut sum, mut weight) = (0.0, 0.0);
    let next = |&[x, y]: &[f64; 2]| {
        sum = share * sum + (1.0 - share) * y;
        weight = share * weight + (1.0 - share);
        [x, sum / weight]
    };
    points.iter().map(next).collect()
}

fn ends(series: &[Series], ends: Ends, log: bool) -> [f64; 2] {
    let values = || series.iter().flat_map(|s| s.points.iter().chain(&s.raw).map(|p| p[1]));
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    if !low.is_finite() {
        return if log { [-2.0, 0.0] } else { [0.0, 1.01] };
    }
    match ends {
        _ if log => {
            let room = ((high - low) * 0.06).max(0.08);
            [low - room, high + room]
        }
        Ends::FromZero if high > 0.0 => [0.0, high * 1.08],
        Ends::FromZero => [0.0, 1.01],
        Ends::ToOne => [((low - 0.02) * 10.0).floor().max(0.0) / 10.0, 1.01],
    }
}

/// The best epoch: the last one that was better than all before it.
pub fn best(epochs: &[EpochRecord]) -> Option<&EpochRecord> {
    epochs.iter().rev().find(|e| e.best)
}

/// The epoch nearest to a position on the horizontal axis.
pub fn nearest(epochs: &[EpochRecord], x: f64) -> Option<&EpochRecord> {
    let distance = |e: &EpochRecord| (e.epoch as f64 - x).abs();
    epochs.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// What the plot shows, for those who do not see it.
pub fn describe(epochs: &[EpochRecord], quantity: Quantity) -> String {
    let Some(last) = epochs.last() else {
        return format!("{}: no epochs yet", quantity.title());
    };
    let mark = best(epochs).map_or(String::new(), |b| format!("; best epoch {}", b.epoch));
    let values: Vec<String> = quantity
        .lines()
        .iter()
        .map(|(name, measure)| format!("{name} {}", number(measure.of(last))))
        .collect();
    format!(
        "{}: {} of {}, {}{mark}",
        quantity.title(),
        last.epoch,
        count(last.epochs, "epoch", "epochs"),
        values.join(", "),
    )
}

/// A number with three decimals, a small one with its power of ten.
pub fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 { format!("{value:.1e}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize, loss: f64, accuracy: f64, best: bool) -> EpochRecord {
        EpochRecord {
            epoch,
            epochs: 10,
            phase: if epoch <= 2 { "head" } else { "everything" }.to_owned(),
            train_loss: loss,
            train_accuracy: accuracy,
            val_loss: loss * 1.2,
            val_accuracy: accuracy,
            val_macro_f1: accuracy - 0.01,
            learning_rate: 0.01,
            images_per_s: 100.0,
            elapsed_s: epoch as f64,
            eta_s: 1.0,
            best,
            batch_size: None,
        }
    }

    #[test]
    fn ends_hold_all_values_and_the_planned_epochs() {
        let epochs = [record(1, 0.9, 0.55, true), record(2, 0.5, 0.81, true), record(3, 0.6, 0.8, false)];
        let loss = prepare(&epochs, Quantity::Loss, Look::default());
        assert!(loss.y[0] == 0.0 && loss.y[1] > 0.9 * 1.2 && loss.x[1] > 10.0);
        let quality = prepare(&epochs, Quantity::Quality, Look::default());
        assert!((quality.y[0] - 0.5).abs() < 1e-9 && quality.y[1] > 1.0, "{:?}", quality.y);
        assert_eq!(quality.best, Some([2.0, 0.81]));
        assert_eq!(quality.phases, [(2.5, "everything".to_owned())]);
    }

    #[test]
    fn nothing_and_broken_numbers_still_give_a_plot() {
        let empty = prepare(&[], Quantity::Loss, Look::default());
        assert!(empty.best.is_none() && empty.y == [0.0, 1.01] && empty.x[1] > empty.x[0]);
        let epochs = [record(1, f64::NAN, 0.5, true), record(2, f64::INFINITY, f64::NAN, false)];
        for q in [Quantity::Loss, Quantity::Quality, Quantity::Rate] {
            let data = prepare(&epochs, q, Look::default());
            assert!(data.y.iter().chain(&data.x).all(|v| v.is_finite()), "{data:?}");
            assert!(data.series.iter().flat_map(|s| &s.points).all(|p| p[1].is_finite()));
        }
        assert_eq!(prepare(&epochs, Quantity::Loss, Look::default()).best, None);
    }

    #[test]
    fn a_logarithmic_axis_holds_logarithms_and_quality_has_none() {
        let epochs = [record(1, 1.0, 0.5, true), record(2, 0.01, 0.8, true), record(3, 0.0, 0.8, false)];
        let look = Look { log: true, smoothing: 0.0 };
        let loss = prepare(&epochs, Quantity::Loss, look);
        let training: Vec<f64> = loss.series[1].points.iter().map(|p| p[1]).collect();
        assert!(loss.log && training.len() == 2, "0 has no logarithm");
        assert!((training[0] - 0.0).abs() < 1e-12 && (training[1] + 2.0).abs() < 1e-12);
        assert!(loss.y[0] < -2.0 && loss.y[1] > 1.2f64.log10());
        assert!(!prepare(&epochs, Quantity::Quality, look).log);
    }

    #[test]
    fn smoothing_is_a_mean_of_what_came_before_and_keeps_the_numbers() {
        let epochs = [record(1, 1.0, 0.5, true), record(2, 0.5, 0.8, true), record(3, 0.5, 0.8, false)];
        let data = prepare(&epochs, Quantity::Loss, Look { log: false, smoothing: 0.5 });
        let line = &data.series[1];
        // Weights 1/2 and 1 of 3/2; then 1/4, 1/2 and 1 of 7/4.
        let expected = [1.0, (0.5 * 1.0 + 0.5) / 1.5, (0.25 + 0.25 + 0.5) / 1.75];
        for (point, value) in line.points.iter().zip(expected) {
            assert!((point[1] - value).abs() < 1e-12, "{point:?} {value}");
        }
        assert_eq!((line.raw[1][1], line.last), (0.5, Some(0.5)));
        assert_eq!(data.best.map(|b| b[1]), Some(0.6), "the best epoch is marked where it is");
    }

    #[test]
    fn runs_lie_over_each_other_on_one_axis() {
        let long: Vec<EpochRecord> = (1..=4).map(|e| record(e, 1.0 / e as f64, 0.5, false)).collect();
        let short = [record(1, 3.0, 0.7, false)];
        let runs = [("run 1".to_owned(), long.as_slice()), ("run 2".to_owned(), short.as_slice())];
        let data = overlay(&runs, Measure::TrainLoss, Look::default());
        assert_eq!(data.series.iter().map(|s| s.points.len()).collect::<Vec<_>>(), [4, 1]);
        assert!(data.y[1] > 3.0 && data.x[1] > 10.0 && data.best.is_none());
    }

    #[test]
    fn the_nearest_epoch_is_found() {
        let epochs = [record(1, 0.9, 0.5, false), record(2, 0.5, 0.8, true)];
        assert_eq!(nearest(&epochs, 1.4).map(|e| e.epoch), Some(1));
        assert_eq!(nearest(&epochs, 9.0).map(|e| e.epoch), Some(2));
        assert!(nearest(&[], 1.0).is_none());
    }

    #[test]
    fn it_can_be_told_in_words() {
        let text = describe(&[record(1, 0.5, 0.8, true)], Quantity::Loss);
        assert_eq!(text, "Loss: 1 of 10 epochs, validation 0.600, training 0.500; best epoch 1");
        assert_eq!(describe(&[], Quantity::Loss), "Loss: no epochs yet");
    }
}
