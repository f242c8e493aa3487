//! Confusion matrix, precision, recall, F1, accuracy.

use serde::{Deserialize, Serialize};

/// Counts of (true class, predicted class), with their sums: a thousand classes have a million counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<usize>,
    /// Sum of each row.
    rows: Vec<usize>,
    /// Sum of each column.
    columns: Vec<usize>,
    most: usize,
}

/// Quality of one class. An undefined ratio (0 / 0) counts as 0, as in scikit-learn's default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Of those predicted as this class, the share that is.
    pub precision: f64,
    /// Of this class, the share found.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Pictures of this class.
    pub support: usize,
}

impl ConfusionMatrix {
    /// An empty matrix.
    pub fn new(classes: usize) -> Self {
        let (counts, sums) = (vec![0; classes * classes], vec![0; classes]);
        Self { classes, counts, rows: sums.clone(), columns: sums, most: 0 }
    }

    /// Counts one picture.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        if truth < self.classes && predicted < self.classes {
            let count = &mut self.counts[truth * self.classes + predicted];
            *count += 1;
            self.most = self.most.max(*count);
            self.rows[truth] += 1;
            self.columns[predicted] += 1;
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Pictures of class `truth` predicted as `predicted`.
    pub fn count(&self, truth: usize, predicted: usize) -> usize {
        self.counts[truth * self.classes + predicted]
    }

    /// Pictures of class `truth` by the class that they were predicted as.
    pub fn row(&self, truth: usize) -> &[usize] {
        &self.counts[truth * self.classes..(truth + 1) * self.classes]
    }

    /// Pictures of class `truth`.
    pub fn row_total(&self, truth: usize) -> usize {
        self.rows[truth]
    }

    /// Pictures predicted as `predicted`.
    pub fn column_total(&self, predicted: usize) -> usize {
        self.columns[predicted]
    }

    /// All pictures.
    pub fn total(&self) -> usize {
        self.rows.iter().sum()
    }

    /// Pictures in the fullest cell.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Pictures on the diagonal.
    pub fn correct(&self) -> usize {
        (0..self.classes).map(|c| self.count(c, c)).sum()
    }

    /// Share of pictures on the diagonal, in `[0, 1]`; 0 where there are none.
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// Each class's quality.
    pub fn per_class(&self) -> Vec<ClassMetrics> {
        (0..self.classes)
            .map(|c| {
                let hit = self.count(c, c);
                let support = self.row_total(c);
                let predicted = self.column_total(c);
                ClassMetrics {
                    precision: ratio(hit, predicted),
                    recall: ratio(hit, support),
                    f1: ratio(2 * hit, support + predicted),
                    support,
                }
            })
            .collect()
    }

    /// Whether a class occurs, in truth or prediction: without that, nothing can be said of it.
    pub fn occurs(&self, class: usize) -> bool {
        self.row_total(class) + self.column_total(class) > 0
    }

    /// How many classes occur: those that [`Self::macro_f1`] is the mean over.
    pub fn occurring(&self) -> usize {
        (0..self.classes).filter(|&c| self.occurs(c)).count()
    }

    /// Unweighted mean of F1 over the classes that occur (in truth or prediction), as in scikit-learn.
    pub fn macro_f1(&self) -> f64 {
        let classes = self.per_class();
        let seen: Vec<f64> =
            classes.iter().enumerate().filter(|(c, _)| self.occurs(*c)).map(|(_, m)| m.f1).collect();
        if seen.is_empty() { 0.0 } else { seen.iter().sum::<f64>() / seen.len() as f64 }
    }
}

/// The share `part / whole` with 95 % confidence, both ends in `[0, 1]`: the interval of Wilson (1927, "Probable Inference, the Law of
/// Succession, and Statistical Inference"). All of `[0, 1]` where `whole` is 0.
pub fn wilson_interval(part: usize, whole: usize) -> (f64, f64) {
    /// The normal distribution's 97.5 % quantile.
    const Z: f64 = 1.959_963_984_540_054;
    if whole == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (whole as f64, part as f64 / whole as f64);
    let centre = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_scikit_learn() {
        // sklearn.metrics on y = [0,0,0,1,1,2], p = [0,0,1,1,1,0]: accuracy 2/3, macro F1 (2/3 + 4/5 + 0) / 3.
        let mut m = ConfusionMatrix::new(3);
        for (t, p) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 1), (2, 0)] {
            m.add(t, p);
        }
        assert!((m.accuracy() - 4.0 / 6.0).abs() < 1e-12);
        assert!((m.macro_f1() - (2.0 / 3.0 + 0.8) / 3.0).abs() < 1e-12);
        assert_eq!((m.total(), m.most(), m.row_total(1), m.column_total(0)), (6, 2, 2, 3));
        assert_eq!(m.per_class()[2], ClassMetrics { precision: 0.0, recall: 0.0, f1: 0.0, support: 1 });
        assert_eq!(m.occurring(), 3);
        // The same with two more classes that nothing is and one that is only named: sklearn's mean is over four.
        let mut more = ConfusionMatrix::new(6);
        for (t, p) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 4), (2, 0)] {
            more.add(t, p);
        }
        assert_eq!((more.occurring(), more.occurs(3), more.occurs(4)), (4, false, true));
        assert!((more.macro_f1() - (2.0 / 3.0 + 0.5) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn intervals_agree_with_scipy() {
        // scipy.stats.binomtest(k, n).proportion_ci(0.95, "wilson")
        for (k, n, low, high) in [
            (145, 153, 0.900_223_582_672_342, 0.973_269_950_415_886_3),
            (0, 10, 0.0, 0.277_532_799_862_889_26),
            (10, 10, 0.722_467_200_137_111, 1.0),
            (1, 2, 0.094_531_205_734_230_74, 0.905_468_794_265_769_3),
            (990, 1000, 0.981_690_531_129_685_2, 0.994_559_245_554_470_6),
        ] {
            let (l, h) = wilson_interval(k, n);
            assert!((l - low).abs() < 1e-12 && (h - high).abs() < 1e-12, "{k} of {n}: {l} to {h}");
        }
        assert_eq!(wilson_interval(0, 0), (0.0, 1.0));
    }

    #[test]
    fn an_empty_matrix_has_no_accuracy_to_boast_of() {
        assert_eq!((ConfusionMatrix::new(2).accuracy(), ConfusionMatrix::new(2).macro_f1()), (0.0, 0.0));
    }
}
