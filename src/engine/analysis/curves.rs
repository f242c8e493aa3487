//! Precision-recall and ROC curves, one class against the rest (Fawcett 2006, "An introduction to ROC analysis").

use crate::engine::Evaluation;

/// Above this many points a curve is thinned to those that can be told apart when it is drawn.
const MOST_POINTS: usize = 1000;
/// Points of a thinned curve are at least this far apart in precision, recall or false positive rate.
const THINNED_STEP: f64 = 1.0 / 400.0;
/// Steps of the macro mean's grid from 0 to 1.
const GRID: usize = 100;

/// What calling everything positive with a probability of at least `threshold` gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The lowest probability that counts.
    pub threshold: f32,
    /// Positives at or above it.
    pub hits: usize,
    /// Negatives at or above it.
    pub false_alarms: usize,
}

/// The decisions of all thresholds, from the highest down; its last point calls everything positive.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What should be found.
    pub positives: usize,
    /// The rest.
    pub negatives: usize,
    /// One for each distinct probability, thinned where there are very many.
    pub points: Vec<Point>,
    /// Sum over the thresholds of (gain in recall) x precision, without interpolation, as scikit-learn's
    /// `average_precision_score`; none without positives.
    pub average_precision: Option<f64>,
    /// Area under the ROC curve by trapezoids, ties counting half; none without positives or without negatives.
    pub auc: Option<f64>,
}

impl Curve {
    /// One class against the rest: the score is the probability of the class.
    pub fn of_class(evaluation: &Evaluation, class: usize) -> Self {
        let score = |p: &crate::engine::Prediction| p.probabilities.get(class).copied().unwrap_or(0.0);
        Self::new(evaluation.predictions.iter().map(|p| (score(p), p.truth == class)).collect())
    }

    /// Every pair of a picture and a class is one decision, so that frequent classes count more.
    pub fn micro(evaluation: &Evaluation) -> Self {
        let classes = evaluation.classes.len();
        let mut scored = Vec::with_capacity(evaluation.predictions.len() * classes);
        for p in &evaluation.predictions {
            let scores = p.probabilities.iter().copied().chain(std::iter::repeat(0.0)).take(classes);
            scored.extend(scores.enumerate().map(|(class, score)| (score, p.truth == class)));
        }
        Self::new(scored)
    }

    /// Of `(probability, whether it is positive)`. What is no number counts as 0.
    pub fn new(scored: Vec<(f32, bool)>) -> Self {
        // Bits of floats from 0 to 1 are in the order of the floats and leave the top one free: one word to sort.
        let mut packed: Vec<u32> = scored
            .into_iter()
            .map(|(score, positive)| {
                (if score.is_nan() { 0.0 } else { score.clamp(0.0, 1.0) }).to_bits() << 1
                    | u32::from(positive)
            })
            .collect();
        packed.sort_unstable_by(|a, b| b.cmp(a));
        let positives = packed.iter().filter(|&&word| word & 1 == 1).count();
        let negatives = packed.len() - positives;
        let mut curve = Self { positives, negatives, points: Vec::new(), average_precision: None, auc: None };
        let (mut precise, mut area) = (0.0, 0.0);
        let mut last = Point { threshold: f32::INFINITY, hits: 0, false_alarms: 0 };
        for tied in packed.chunk_by(|a, b| a >> 1 == b >> 1) {
            let hits = tied.iter().filter(|&&word| word & 1 == 1).count();
            let threshold = tied.first().map_or(0.0, |word| f32::from_bits(word >> 1));
            let point = Point {
                threshold,
                hits: last.hits + hits,
                false_alarms: last.false_alarms + tied.len() - hits,
            };
            precise += hits as f64 * precision(&point);
            area += (tied.len() - hits) as f64 * (last.hits + point.hits) as f64 / 2.0;
            curve.points.push(point);
            last = point;
        }
        curve.average_precision = (positives > 0).then(|| precise / positives as f64);
        curve.auc = (positives > 0 && negatives > 0).then(|| area / positives as f64 / negatives as f64);
        curve.thin();
        curve
    }

    /// Of what is called positive, the share that is.
    pub fn precision(&self, point: &Point) -> f64 {
        precision(point)
    }

    /// Of the positives, the share found; 0 where there are none.
    pub fn recall(&self, point: &Point) -> f64 {
        share(point.hits, self.positives)
    }

    /// Of the negatives, the share called positive; 0 where there are none.
    pub fn false_positive_rate(&self, point: &Point) -> f64 {
        share(point.false_alarms, self.negatives)
    }

    /// The threshold of the point before, above which everything was called positive already; infinite for the first.
    pub fn threshold_above(&self, point: usize) -> f32 {
        point.checked_sub(1).and_then(|i| self.points.get(i)).map_or(f32::INFINITY, |p| p.threshold)
    }

    fn thin(&mut self) {
        if self.points.len() <= MOST_POINTS {
            return;
        }
        let at = |p: &Point| [self.recall(p), self.false_positive_rate(p), precision(p)];
        let mut kept: Vec<Point> = Vec::new();
        for (i, point) in self.points.iter().enumerate() {
            let far = kept.last().is_none_or(|last| {
                at(last).iter().zip(at(point)).any(|(a, b)| (a - b).abs() >= THINNED_STEP)
            });
            if far || i + 1 == self.points.len() {
                kept.push(*point);
            }
        }
        self.points = kept;
    }
}

fn precision(point: &Point) -> f64 {
    share(point.hits, point.hits + point.false_alarms)
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The mean of the classes' curves, each class counting the same, over those that have positives (and negatives).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MacroCurve {
    /// Mean of the average precisions.
    pub average_precision: Option<f64>,
    /// Mean of the areas.
    pub auc: Option<f64>,
    /// `[recall, mean precision]`, where a class's precision is that of its highest threshold that reaches the recall.
    pub precision_recall: Vec<[f64; 2]>,
    /// `[false positive rate, mean true positive rate]`, linear between the points of a class.
    pub roc: Vec<[f64; 2]>,
}

impl MacroCurve {
    /// Of the curves of all classes.
    pub fn of(classes: &[Curve]) -> Self {
        let found: Vec<&Curve> = classes.iter().filter(|c| c.average_precision.is_some()).collect();
        let both: Vec<&Curve> = classes.iter().filter(|c| c.auc.is_some()).collect();
        let grid = |curves: &[&Curve], at: fn(&Curve, f64) -> f64| -> Vec<[f64; 2]> {
            let xs = (0..=GRID).map(|i| i as f64 / GRID as f64);
            let mean = |x| mean(curves.iter().map(|c| at(c, x)));
            xs.filter_map(|x| Some([x, mean(x)?])).collect()
        };
        Self {
            average_precision: mean(found.iter().filter_map(|c| c.average_precision)),
            auc: mean(both.iter().filter_map(|c| c.auc)),
            precision_recall: grid(&found, precision_at),
            roc: grid(&both, found_at),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// Precision of the highest threshold with at least this recall; 1 for none at all, where nothing need be called.
fn precision_at(curve: &Curve, recall: f64) -> f64 {
    if recall <= 0.0 {
        return 1.0;
    }
    let first = curve.points.partition_point(|p| curve.recall(p) < recall);
    curve.points.get(first).map_or(0.0, precision)
}

/// True positive rate at a false positive rate.
fn found_at(curve: &Curve, rate: f64) -> f64 {
    let next = curve.points.partition_point(|p| curve.false_positive_rate(p) <= rate);
    let at = |i: usize| {
        let point = i.checked_sub(1).and_then(|i| curve.points.get(i));
        point.map_or((0.0, 0.0), |p| (curve.false_positive_rate(p), curve.recall(p)))
    };
    let (low, high) = (at(next), at((next + 1).min(curve.points.len())));
    if high.0 <= low.0 { low.1 } else { low.1 + (high.1 - low.1) * (rate - low.0) / (high.0 - low.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_curve_keeps_its_ends_and_its_shape() {
        let score = |i: usize| (i as f32 * 0.618_034).fract();
        let scored: Vec<(f32, bool)> =
            (0..20_000).map(|i| (score(i), (i * 7 + 3) % 10 < (score(i) * 10.0) as usize)).collect();
        let curve = Curve::new(scored);
        assert!((200..3000).contains(&curve.points.len()), "{}", curve.points.len());
        let last = curve.points.last().unwrap();
        assert_eq!((last.hits, last.false_alarms), (curve.positives, curve.negatives));
        // The area over the kept points is that of all within what thinning may cost.
        let mut area = 0.0;
        let mut before = (0.0, 0.0);
        for p in &curve.points {
            let at = (curve.false_positive_rate(p), curve.recall(p));
            area += (at.0 - before.0) * (at.1 + before.1) / 2.0;
            before = at;
        }
        assert!((area - curve.auc.unwrap()).abs() < 1e-3, "{area} {:?}", curve.auc);
        assert_eq!(curve.threshold_above(0), f32::INFINITY);
        assert_eq!(curve.threshold_above(1), curve.points[0].threshold);
    }

    #[test]
    fn nothing_at_all_has_no_area_to_boast_of() {
        let curve = Curve::new(Vec::new());
        assert_eq!((curve.average_precision, curve.auc, curve.points.len()), (None, None, 0));
        let mean = MacroCurve::of(&[curve]);
        assert!(mean.roc.is_empty() && mean.average_precision.is_none());
        assert_eq!(Curve::new(vec![(f32::NAN, true), (0.5, false)]).points[1].threshold, 0.0);
    }
}
