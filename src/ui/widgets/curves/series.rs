//! What is drawn, worked out from the epochs on record, without drawing anything.

use crate::engine::EpochRecord;
use crate::error::count;

/// Which numbers are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Training and validation loss.
    Loss,
    /// Validation accuracy and macro F1.
    Quality,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is, for people.
    pub name: &'static str,
    /// Drawn dashed, so that the two lines differ by more than colour.
    pub dashed: bool,
    /// `[epoch, value]`; values that are not finite are left out.
    pub points: Vec<[f64; 2]>,
}

/// A plot's content.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveData {
    /// The more important line first.
    pub series: [Series; 2],
    /// `[epoch, value]` of the first line at the best epoch.
    pub best: Option<[f64; 2]>,
    /// Left and right end.
    pub x: [f64; 2],
    /// Lower and upper end.
    pub y: [f64; 2],
    /// Where another part of the network begins to learn, and which.
    pub phases: Vec<(f64, String)>,
}

impl Quantity {
    /// Heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => "Loss",
            Self::Quality => "Quality on validation pictures",
        }
    }

    /// Heading where there is little room.
    pub fn short_title(self) -> &'static str {
        match self {
            Self::Loss => "Loss",
            Self::Quality => "Quality",
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
        }
    }

    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Loss => ["validation", "training"],
            Self::Quality => ["accuracy", "macro F1"],
        }
    }

    fn values(self, e: &EpochRecord) -> [f64; 2] {
        match self {
            Self::Loss => [e.val_loss, e.train_loss],
            Self::Quality => [e.val_accuracy, e.val_macro_f1],
        }
    }
}

/// Works out lines, ends and marks. The right end is the last planned epoch, so that the picture does not jump while it fills.
pub fn prepare(epochs: &[EpochRecord], quantity: Quantity) -> CurveData {
    let names = quantity.names();
    let series: [Series; 2] = std::array::from_fn(|i| Series {
        name: names[i],
        dashed: i == 1,
        points: epochs
            .iter()
            .map(|e| [e.epoch as f64, quantity.values(e)[i]])
            .filter(|p| p[1].is_finite())
            .collect(),
    });
    let best = best(epochs).map(|e| [e.epoch as f64, quantity.values(e)[0]]).filter(|p| p[1].is_finite());
    // By the last: a phase that ended early makes the plan shorter.
    let planned = epochs.last().map_or(1, |e| e.epochs.max(e.epoch)).max(2);
    let values = || series.iter().flat_map(|s| s.points.iter().map(|p| p[1]));
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let y = match quantity {
        Quantity::Loss if high > 0.0 => [0.0, high * 1.08],
        Quantity::Quality if low.is_finite() => [((low - 0.02) * 10.0).floor().max(0.0) / 10.0, 1.01],
        _ => [0.0, 1.01],
    };
    let phases = epochs
        .windows(2)
        .filter(|w| w[0].phase != w[1].phase)
        .map(|w| (w[1].epoch as f64 - 0.5, w[1].phase.clone()))
        .collect();
    CurveData { series, best, x: [0.7, planned as f64 + 0.3], y, phases }
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
    let (names, values) = (quantity.names(), quantity.values(last));
    let mark = best(epochs).map_or(String::new(), |b| format!("; best epoch {}", b.epoch));
    format!(
        "{}: {} of {}, {} {:.3}, {} {:.3}{mark}",
        quantity.title(),
        last.epoch,
        count(last.epochs, "epoch", "epochs"),
        names[0],
        values[0],
        names[1],
        values[1],
    )
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
        }
    }

    #[test]
    fn ends_hold_all_values_and_the_planned_epochs() {
        let epochs = [record(1, 0.9, 0.55, true), record(2, 0.5, 0.81, true), record(3, 0.6, 0.8, false)];
        let loss = prepare(&epochs, Quantity::Loss);
        assert!(loss.y[0] == 0.0 && loss.y[1] > 0.9 * 1.2 && loss.x[1] > 10.0);
        let quality = prepare(&epochs, Quantity::Quality);
        assert!((quality.y[0] - 0.5).abs() < 1e-9 && quality.y[1] > 1.0, "{:?}", quality.y);
        assert_eq!(quality.best, Some([2.0, 0.81]));
        assert_eq!(quality.phases, [(2.5, "everything".to_owned())]);
    }

    #[test]
    fn nothing_and_broken_numbers_still_give_a_plot() {
        let empty = prepare(&[], Quantity::Loss);
        assert!(empty.best.is_none() && empty.y == [0.0, 1.01] && empty.x[1] > empty.x[0]);
        let epochs = [record(1, f64::NAN, 0.5, true), record(2, f64::INFINITY, f64::NAN, false)];
        for q in [Quantity::Loss, Quantity::Quality] {
            let data = prepare(&epochs, q);
            assert!(data.y.iter().chain(&data.x).all(|v| v.is_finite()), "{data:?}");
            assert!(data.series.iter().flat_map(|s| &s.points).all(|p| p[1].is_finite()));
        }
        assert_eq!(prepare(&epochs, Quantity::Loss).best, None);
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
