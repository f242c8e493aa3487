//! What a network makes of every picture of a data set before its head, and what can be read off it: which pictures are alike,
//! which labels are doubtful, what is unlike anything in training, and where each lies on a map.

mod alike;
mod file;
pub mod map;
mod neighbourhood;
mod principal;
pub mod suspects;
mod unlike;

pub use alike::Alike;
pub use neighbourhood::Neighbourhood;
pub use unlike::{Familiar, Reference, Unlike};

use super::Classifier;
use super::forward::argmax;
use crate::data::{Dataset, Progress};
use crate::error::Result;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A picture, and the file it was when its features were computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Path relative to the data folder.
    pub rel: String,
    /// Length of the file in bytes.
    bytes: u64,
    /// When it was last changed, in milliseconds since 1970.
    modified_ms: u64,
    /// It was learned from.
    pub training: bool,
    /// Its class, for showing.
    pub class: usize,
}

/// The features of pictures: what the network's head reads, before any class.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// SHA-256 of the model's weights, in hexadecimal.
    model: String,
    /// Class names, in the order of the model's outputs.
    pub classes: Vec<String>,
    /// In the order of the data set.
    pub pictures: Vec<Known>,
    /// Most probable class of each picture.
    pub predicted: Vec<u32>,
    /// F.
    width: usize,
    /// `[N, F]`, row by row.
    values: Vec<f32>,
    /// 1 / length of each row; 0 for a row of zeros.
    scales: Vec<f32>,
    /// Where the line is to what is unlike training, once it was drawn.
    familiar: Option<Familiar>,
}

impl Features {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// Number of features of a picture.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All features, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Features of one picture.
    pub fn row(&self, picture: usize) -> &[f32] {
        &self.values[picture * self.width..(picture + 1) * self.width]
    }

    /// Puts the parts together; rows are `(most probable class, features)`.
    fn assemble(model: String, classes: Vec<String>, rows: Vec<(Known, (u32, Vec<f32>))>) -> Self {
        let width = rows.first().map_or(0, |(_, (_, row))| row.len());
        let mut values = Vec::with_capacity(rows.len() * width);
        let (mut pictures, mut predicted) = (Vec::new(), Vec::new());
        for (known, (class, row)) in rows {
            values.extend_from_slice(&row);
            predicted.push(class);
            pictures.push(known);
        }
        Self::of_parts(model, classes, pictures, predicted, values)
    }

    fn of_parts(
        model: String,
        classes: Vec<String>,
        pictures: Vec<Known>,
        predicted: Vec<u32>,
        values: Vec<f32>,
    ) -> Self {
        let width = values.len() / pictures.len().max(1);
        let scales = values.par_chunks_exact(width.max(1)).map(alike::scale).collect();
        Self { model, classes, pictures, predicted, width, values, scales, familiar: None }
    }

    /// The features of all pictures of a data set; those that `before` has of the same model and file are taken from there.
    ///
    /// # Errors
    /// If the data set has a class that the model does not know, a picture cannot be decoded, or `progress` stops the work.
    pub fn compute(
        classifier: &Classifier,
        model_sha256: &str,
        dataset: &Dataset,
        before: Option<&Self>,
        progress: Progress<'_>,
    ) -> Result<Self> {
        let class_map = super::evaluate::class_map(classifier, dataset)?;
        let before = before.filter(|b| b.model == model_sha256);
        let rows: HashMap<&str, usize> = before
            .map(|b| b.pictures.iter().enumerate().map(|(i, p)| (p.rel.as_str(), i)).collect())
            .unwrap_or_default();
        let known: Vec<Known> = (0..dataset.samples.len())
            .map(|i| {
                let sample = &dataset.samples[i];
                known(dataset, i, class_map[sample.class])
            })
            .collect();
        let mut found: Vec<Option<(u32, Vec<f32>)>> = known
            .iter()
            .map(|now| {
                let before = before?;
                let i = *rows.get(now.rel.as_str())?;
                let then = &before.pictures[i];
                let same = (then.bytes, then.modified_ms) == (now.bytes, now.modified_ms);
                same.then(|| (before.predicted[i], before.row(i).to_vec()))
            })
            .collect();
        let missing: Vec<usize> = (0..found.len()).filter(|&i| found[i].is_none()).collect();
        let paths: Vec<PathBuf> = missing.iter().map(|&i| dataset.path(i)).collect();
        let mut answers = Vec::with_capacity(paths.len());
        classifier.features(&paths, progress, &mut |path, answer| {
            answers.push(answer.map_err(|e| e.with_path(path)));
        })?;
        for (&i, answer) in missing.iter().zip(answers) {
            let answer = answer?;
            found[i] = Some((argmax(&answer.probabilities) as u32, answer.features));
        }
        let rows = known.into_iter().zip(found).filter_map(|(known, row)| Some((known, row?))).collect();
        Ok(Self::assemble(model_sha256.to_owned(), classifier.classes().to_vec(), rows))
    }

    /// SHA-256, in hexadecimal, of all that the features follow from: the model, and which files in which order.
    pub fn digest(&self) -> String {
        let mut sha = Sha256::new();
        sha.update(self.model.as_bytes());
        for picture in &self.pictures {
            sha.update((picture.rel.len() as u64).to_le_bytes());
            sha.update(picture.rel.as_bytes());
            sha.update(picture.bytes.to_le_bytes());
            sha.update(picture.modified_ms.to_le_bytes());
        }
        sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Numbers of the pictures that were learned from.
    fn training(&self) -> Vec<usize> {
        (0..self.len()).filter(|&i| self.pictures[i].training).collect()
    }
}

fn known(dataset: &Dataset, i: usize, class: usize) -> Known {
    let (bytes, modified_ms) = stamp(&dataset.path(i)).unwrap_or_default();
    let sample = &dataset.samples[i];
    let training = sample.split == crate::data::Split::Train;
    Known { rel: sample.rel.clone(), bytes, modified_ms, training, class }
}

/// Length, and time of the last change; nothing where the system does not tell.
fn stamp(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    let modified = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((meta.len(), u64::try_from(modified.as_millis()).ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Features of pictures `0.png`, `1.png` and so on, of which every fifth was not learned from.
    pub(crate) fn of_rows(rows: &[Vec<f32>], labels: &[usize], classes: usize) -> Features {
        let pictures = labels.iter().enumerate().map(|(i, &class)| Known {
            rel: format!("{i}.png"),
            bytes: 1,
            modified_ms: 1,
            training: i % 5 != 4,
            class,
        });
        let names = (0..classes).map(|c| format!("class {c}")).collect();
        let predicted = labels.iter().map(|&l| l as u32).collect();
        Features::of_parts("digest".to_owned(), names, pictures.collect(), predicted, rows.concat())
    }
}

#[cfg(test)]
mod golden {
    //! Values of `tests/fixtures/engine_features_golden.py`.

    use super::tests::of_rows;
    use super::*;
    use serde_json::Value;

    fn numbers(list: &Value) -> Vec<f32> {
        list.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
    }

    fn golden() -> (Value, Features) {
        let golden: Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/engine_features_golden.json"))
                .unwrap();
        let rows: Vec<Vec<f32>> = golden["features"].as_array().unwrap().iter().map(numbers).collect();
        let labels: Vec<usize> = numbers(&golden["labels"]).into_iter().map(|v| v as usize).collect();
        let features = of_rows(&rows, &labels, 3);
        (golden, features)
    }

    fn close(got: f32, want: f32) {
        assert!((got - want).abs() < 1e-5 * want.abs().max(1.0), "{got} for {want}");
    }

    #[test]
    fn the_nearest_are_those_of_scikit_learn() {
        let (golden, features) = golden();
        let last = features.len() - 1;
        let alike = features.most_alike(features.row(last), 5, |i| features.pictures[i].training);
        let (nearest, similar) =
            (numbers(&golden["nearest_of_last"]), numbers(&golden["similarities_of_last"]));
        for ((got, picture), similarity) in alike.iter().zip(nearest).zip(similar) {
            assert_eq!(got.picture, picture as usize);
            close(got.similarity, similarity);
        }
    }

    #[test]
    fn the_plane_is_that_of_scikit_learns_pca() {
        let (golden, features) = golden();
        let plane = map::principal_plane(&features, 0, &|| Ok(())).unwrap();
        for (got, want) in plane.points.iter().zip(golden["points"].as_array().unwrap()) {
            got.iter().zip(numbers(want)).for_each(|(got, want)| close(*got, want));
        }
        for (got, want) in plane.shares.iter().zip(numbers(&golden["shares"])) {
            close(*got as f32, want);
        }
    }

    /// Compares the pictures that were not learned from, and draws the line before, as `key` of the golden values has it.
    fn checks_the_line(features: &mut Features, golden: &Value, key: &str, roots: bool) {
        assert!(features.reference().is_none(), "no line yet");
        features.draw_line(0, &|| Ok(())).unwrap();
        assert_eq!(features.familiar.map(|f| f.roots), Some(roots));
        let (golden, reference) = (&golden[key], features.reference().unwrap());
        let want = golden["familiar"].as_f64().unwrap() as f32;
        let others = (0..features.len()).filter(|&i| !features.pictures[i].training);
        for (i, similarity) in others.zip(numbers(&golden["unlike_training"])) {
            let unlike = reference.unlike(features.row(i)).unwrap();
            close(unlike.familiar, want);
            close(unlike.similarity, similarity);
            assert_eq!(unlike.is_unlike(), similarity < want);
        }
        assert!(reference.unlike(&[1.0; 3]).is_none(), "features of another width");
    }

    #[test]
    fn the_line_to_what_is_unlike_training_is_numpys_quantile_of_the_fourth_roots_distances() {
        let (golden, mut features) = golden();
        checks_the_line(&mut features, &golden, "roots", true);
        let strange: Vec<f32> = (0..features.width()).map(|i| if i % 2 == 0 { -1.0 } else { 1.0 }).collect();
        assert!(features.reference().unwrap().unlike(&strange).unwrap().is_unlike());
    }

    #[test]
    fn features_of_both_signs_are_compared_as_they_are() {
        let (golden, features) = golden();
        let rows: Vec<Vec<f32>> =
            (0..features.len()).map(|i| features.row(i).iter().map(|v| v - 1.0).collect()).collect();
        let labels: Vec<usize> = features.pictures.iter().map(|p| p.class).collect();
        checks_the_line(&mut of_rows(&rows, &labels, 3), &golden, "less_one", false);
    }
}
