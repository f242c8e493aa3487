//! Judging a model on labelled pictures.

use super::forward::{argmax, negative_log};
use super::metrics::ConfusionMatrix;
use super::{Classifier, Control, HardPicture};
use crate::data::{Dataset, Progress, Split};
use crate::error::{Error, Result, thousands};
use std::path::PathBuf;

/// What a model said of one labelled picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Path relative to the data folder.
    pub rel: String,
    /// Its class.
    pub truth: usize,
    /// The class with the highest probability (lowest index on a tie).
    pub predicted: usize,
    /// Probability of each class; they sum to 1.
    pub probabilities: Vec<f32>,
}

impl Prediction {
    /// Probability of the predicted class; 0 where a damaged file has too few.
    pub fn confidence(&self) -> f32 {
        self.probabilities.get(self.predicted).copied().unwrap_or(0.0)
    }

    /// Cross-entropy in nats; finite also where the true class got no probability at all.
    pub fn loss(&self) -> f64 {
        self.loss_of(self.truth)
    }

    /// The same if `class` were the true one.
    pub(crate) fn loss_of(&self, class: usize) -> f64 {
        negative_log(self.probabilities.get(class).copied().unwrap_or(0.0))
    }
}

/// The result of judging a model on one split.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Class names.
    pub classes: Vec<String>,
    /// One a picture, in the data set's order.
    pub predictions: Vec<Prediction>,
    /// Counts.
    pub confusion: ConfusionMatrix,
    /// Mean cross-entropy.
    pub loss: f64,
}

impl Evaluation {
    /// The pictures to whose class the model gives the lowest probability, and so has the largest loss on; the lowest first.
    pub(crate) fn hardest(&self, most: usize) -> Vec<HardPicture> {
        let hard = |p: &Prediction| HardPicture {
            rel: p.rel.clone(),
            truth: p.truth,
            predicted: p.predicted,
            truth_probability: p.probabilities.get(p.truth).copied().unwrap_or(0.0),
        };
        let mut all: Vec<HardPicture> = self.predictions.iter().map(hard).collect();
        all.sort_by(|a, b| a.truth_probability.total_cmp(&b.truth_probability));
        all.truncate(most);
        all
    }

    /// The predictions as a table: path, true class, predicted class, the prediction's probability, then one column a class.
    ///
    /// # Errors
    /// Only if memory runs out.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let failed = |e: csv::Error| Error::internal(format!("could not write the predictions ({e})"));
        let mut out = csv::Writer::from_writer(Vec::new());
        let fixed = ["path", "true", "predicted", "probability"];
        out.write_record(fixed.into_iter().chain(self.classes.iter().map(String::as_str))).map_err(failed)?;
        let name = |class: usize| self.classes.get(class).cloned().unwrap_or_default();
        for p in &self.predictions {
            let fixed = [p.rel.clone(), name(p.truth), name(p.predicted), p.confidence().to_string()];
            out.write_record(fixed.into_iter().chain(p.probabilities.iter().map(f32::to_string)))
                .map_err(failed)?;
        }
        out.into_inner().map_err(|e| Error::internal(format!("could not write the predictions ({e})")))
    }
}

/// Counts and averages the probabilities that a model gave: `(path relative to the data folder, true class, probabilities)`.
pub(crate) fn evaluation(
    classes: Vec<String>,
    rows: impl Iterator<Item = (String, usize, Vec<f32>)>,
) -> Evaluation {
    let mut confusion = ConfusionMatrix::new(classes.len());
    let mut loss = 0.0;
    let predictions: Vec<Prediction> = rows
        .map(|(rel, truth, probabilities)| {
            let predicted = argmax(&probabilities);
            confusion.add(truth, predicted);
            let prediction = Prediction { rel, truth, predicted, probabilities };
            loss += prediction.loss();
            prediction
        })
        .collect();
    loss /= predictions.len().max(1) as f64;
    Evaluation { classes, predictions, confusion, loss }
}

/// Judges a model on the pictures of one split, or on all of them. Classes are matched by name.
///
/// # Errors
/// If the data set has a class that the model does not know, has no pictures in the split, a picture cannot be decoded, or
/// the work is cancelled.
pub fn evaluate(
    classifier: &Classifier,
    dataset: &Dataset,
    split: Option<Split>,
    control: &Control,
    progress: Progress<'_>,
) -> Result<Evaluation> {
    let class_map = class_map(classifier, dataset)?;
    let chosen: Vec<usize> =
        (0..dataset.samples.len()).filter(|&i| split.is_none_or(|s| dataset.samples[i].split == s)).collect();
    if chosen.is_empty() {
        return Err(Error::input("there are no pictures to judge the model on").with_path(&dataset.root));
    }
    let paths: Vec<PathBuf> = chosen.iter().map(|&i| dataset.path(i)).collect();
    let mut answers = Vec::with_capacity(paths.len());
    let step = |done, total| {
        control.checkpoint()?;
        if control.should_finish() {
            return Err(Error::cancelled());
        }
        progress(done, total)
    };
    classifier.probabilities(&paths, &step, &mut |path, p| {
        answers.push(p.map_err(|e| e.with_path(path)));
    })?;
    let answers: Vec<Vec<f32>> = answers.into_iter().collect::<Result<_>>()?;
    let rows = chosen.iter().zip(answers).map(|(&i, p)| {
        let sample = &dataset.samples[i];
        (sample.rel.clone(), class_map[sample.class], p)
    });
    Ok(evaluation(classifier.classes().to_vec(), rows))
}

/// The model's index of each class of the data set, by name.
pub(super) fn class_map(classifier: &Classifier, dataset: &Dataset) -> Result<Vec<usize>> {
    indices_of(&dataset.classes, classifier.classes()).map_err(|e| e.with_path(&dataset.root))
}

/// The index of each name among the `known`; capitals count only where names differ in nothing else.
fn indices_of(names: &[String], known: &[String]) -> Result<Vec<usize>> {
    let index_of = |name: &str| {
        let exact = known.iter().position(|k| k == name);
        let alike = || {
            let folded = name.to_lowercase();
            let mut alike = (0..known.len()).filter(|&k| known[k].to_lowercase() == folded);
            alike.next().filter(|_| alike.next().is_none())
        };
        exact.or_else(alike)
    };
    let found: Vec<Option<usize>> = names.iter().map(|name| index_of(name)).collect();
    let unknown: Vec<&str> =
        names.iter().zip(&found).filter(|(_, f)| f.is_none()).map(|(name, _)| name.as_str()).collect();
    if unknown.is_empty() {
        return Ok(found.into_iter().flatten().collect());
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let classes = if unknown.len() == 1 { "class" } else { "classes" };
    let what = format!("the model does not know the {classes} {}", listed(&unknown));
    Err(Error::input(what).with_hint(format!(
        "It knows {}. Say the pictures' classes in these names, by a table of labels or in a copy of the folder",
        listed(&known)
    )))
}

/// The first of some names, and how many more there are.
fn listed(names: &[&str]) -> String {
    const NAMED: usize = 8;
    let named: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {} more", named.join(", "), thousands(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_found_by_name_and_all_unknown_ones_are_told() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let known = names(&["ants", "bees", "Éclair", "x", "X"]);
        let found = indices_of(&names(&["Bees", "ants", "éclair", "X"]), &known);
        assert_eq!(found.unwrap(), [1, 0, 2, 4]);
        // Which of two is meant is not guessed.
        let both = indices_of(&names(&["y"]), &names(&["Y", "y"])).unwrap();
        assert_eq!(both, [1]);
        assert!(indices_of(&names(&["éCLAIR"]), &names(&["éclair", "Éclair"])).is_err());
        let e = indices_of(&names(&["wasps", "ants", "flies"]), &known).unwrap_err().to_string();
        assert!(e.contains("classes `wasps`, `flies`") && e.contains("It knows `ants`, `bees`"), "{e}");
        let many: Vec<String> = (0..1009).map(|i| format!("c{i}")).collect();
        assert!(indices_of(&names(&["q"]), &many).unwrap_err().to_string().contains("`c7` and 1,001 more"));
    }

    #[test]
    fn names_with_commas_and_quotes_survive_the_table() {
        let rows = [("val/x,\n1.png".to_owned(), 0, vec![0.25, 0.75])];
        let e = evaluation(vec!["a, b".into(), "\"c\"".into()], rows.into_iter());
        assert!((e.loss - 4f64.ln()).abs() < 1e-9 && e.confusion.count(0, 1) == 1);
        let bytes = e.to_csv().unwrap();
        let mut r = csv::Reader::from_reader(bytes.as_slice());
        assert_eq!(r.headers().unwrap(), vec!["path", "true", "predicted", "probability", "a, b", "\"c\""]);
        let row = r.records().next().unwrap().unwrap();
        assert_eq!(row, vec!["val/x,\n1.png", "a, b", "\"c\"", "0.75", "0.25", "0.75"]);
    }
}
