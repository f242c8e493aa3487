//! New pictures and what the model says of them.

use crate::engine::{Ranked, Unlike};
use crate::error::Error;
use crate::session::jobs::ModelRef;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A picture that was classified, or could not be.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedPicture {
    /// The file.
    pub path: PathBuf,
    /// Classes by falling probability, or why there are none; nothing while it waits.
    pub result: Option<Result<Ranked, Error>>,
}

/// The Predict screen's subject.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// What classifies.
    pub model: Option<ModelRef>,
    /// In the order in which they were classified.
    pub pictures: Vec<PredictedPicture>,
    /// How pictures compare with those in training, where that is known.
    pub compared: BTreeMap<PathBuf, Unlike>,
}

impl Predictions {
    /// Enters how a picture compares with those in training.
    pub fn compare(&mut self, path: PathBuf, unlike: Unlike) {
        self.compared.insert(path, unlike);
    }

    /// How a picture compares with those in training, where it is unlike all of them.
    pub fn unlike(&self, path: &Path) -> Option<&Unlike> {
        self.compared.get(path).filter(|u| u.is_unlike())
    }

    /// Files that were asked for and wait for their answer.
    pub fn wait_for(&mut self, path: PathBuf) {
        self.compared.remove(&path);
        self.pictures.retain(|p| p.path != path);
        self.pictures.push(PredictedPicture { path, result: None });
    }

    /// Enters an answer, in the place where the picture waits.
    pub fn put(&mut self, path: PathBuf, result: Result<Ranked, Error>) {
        match self.pictures.iter_mut().find(|p| p.path == path) {
            Some(p) => p.result = Some(result),
            None => self.pictures.push(PredictedPicture { path, result: Some(result) }),
        }
    }

    pub(super) fn drop_waiting(&mut self) {
        self.pictures.retain(|p| p.result.is_some());
    }
}

/// The classified pictures as CSV: `path`, then five pairs of `label` and `probability`, then `error`.
///
/// # Errors
/// Only if memory runs out.
pub fn predictions_csv(predictions: &Predictions) -> Result<String, Error> {
    const TOP: usize = 5;
    let failed = |e: &dyn std::fmt::Display| Error::internal(format!("could not write the CSV ({e})"));
    let mut csv = csv::Writer::from_writer(Vec::new());
    let mut head = vec!["path".to_owned()];
    for n in 1..=TOP {
        head.extend([format!("label_{n}"), format!("probability_{n}")]);
    }
    head.push("error".to_owned());
    csv.write_record(&head).map_err(|e| failed(&e))?;
    for picture in &predictions.pictures {
        let mut row = vec![picture.path.display().to_string()];
        let ranked: &[(String, f32)] = match &picture.result {
            Some(Ok(ranked)) => ranked,
            _ => &[],
        };
        for n in 0..TOP {
            row.extend(match ranked.get(n) {
                Some((label, p)) => [label.clone(), format!("{p:.6}")],
                None => [String::new(), String::new()],
            });
        }
        row.push(match &picture.result {
            Some(Err(error)) => error.to_string(),
            _ => String::new(),
        });
        csv.write_record(&row).map_err(|e| failed(&e))?;
    }
    let bytes = csv.into_inner().map_err(|e| failed(&e))?;
    String::from_utf8(bytes).map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_unlike_training_is_forgotten_when_another_model_is_asked() {
        let mut p = Predictions::default();
        p.compare("a.png".into(), Unlike { similarity: 0.2, familiar: 0.5 });
        p.compare("b.png".into(), Unlike { similarity: 0.7, familiar: 0.5 });
        assert!(p.unlike(Path::new("a.png")).is_some() && p.unlike(Path::new("b.png")).is_none());
        p.wait_for("a.png".into());
        assert!(p.unlike(Path::new("a.png")).is_none());
    }

    #[test]
    fn the_csv_has_a_line_for_each_picture_good_or_bad() {
        let mut p = Predictions::default();
        p.put("a, b.png".into(), Ok(vec![("ants".into(), 0.75), ("bees".into(), 0.25)]));
        p.put("c.png".into(), Err(Error::input("not a picture")));
        let text = predictions_csv(&p).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("path,label_1,probability_1,") && lines[0].ends_with(",error"));
        assert!(lines[1].starts_with("\"a, b.png\",ants,0.750000,bees,0.250000,"), "{}", lines[1]);
        assert!(lines[2].ends_with(",not a picture"), "{}", lines[2]);
    }
}
