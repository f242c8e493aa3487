//! New pictures and what the model says of them.

use crate::engine::{Ranked, Unlike};
use crate::error::Error;
use crate::session::jobs::ModelRef;
use crate::session::{self, TableRow, UNDECIDED};
use std::collections::{BTreeMap, HashMap};
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
    /// Pictures whose most probable class is less probable than this stay undecided, in `[0, 1]`.
    pub decide_from: f32,
    /// Where each picture stands in the list.
    places: HashMap<PathBuf, usize>,
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
        self.enter(path, None);
    }

    /// Enters an answer, in the place where the picture waits.
    pub fn put(&mut self, path: PathBuf, result: Result<Ranked, Error>) {
        self.enter(path, Some(result));
    }

    fn enter(&mut self, path: PathBuf, result: Option<Result<Ranked, Error>>) {
        let known = self.places.get(&path).and_then(|&place| self.pictures.get_mut(place));
        match known.filter(|p| p.path == path) {
            Some(p) => p.result = result,
            None => {
                self.places.insert(path.clone(), self.pictures.len());
                self.pictures.push(PredictedPicture { path, result });
            }
        }
    }

    pub(super) fn drop_waiting(&mut self) {
        self.pictures.retain(|p| p.result.is_some());
        let places = self.pictures.iter().enumerate();
        self.places = places.map(|(i, p)| (p.path.clone(), i)).collect();
    }

    /// Empties the list.
    pub fn clear(&mut self) {
        self.pictures.clear();
        self.compared.clear();
        self.places.clear();
    }

    /// A picture with all that is known of it.
    fn row<'a>(&'a self, picture: &'a PredictedPicture) -> TableRow<'a> {
        let unlike = self.compared.get(&picture.path);
        TableRow { path: &picture.path, result: picture.result.as_ref(), unlike }
    }

    /// What a picture is said to show, or that it is undecided; nothing without classes.
    pub fn decision<'a>(&self, picture: &'a PredictedPicture) -> Option<&'a str> {
        session::decision(picture.result.as_ref(), self.decide_from)
    }

    /// Whether a picture's classes are too close to each other to decide.
    pub fn is_undecided(&self, picture: &PredictedPicture) -> bool {
        self.decision(picture) == Some(UNDECIDED)
    }

    /// Every classified picture with its decision, for copying.
    pub fn decisions(&self) -> Vec<(PathBuf, String)> {
        self.pictures.iter().filter_map(|p| Some((p.path.clone(), self.decision(p)?.to_owned()))).collect()
    }
}

/// The classified pictures as CSV, with the five most probable classes of each.
///
/// # Errors
/// Only if memory runs out.
pub fn predictions_csv(predictions: &Predictions) -> Result<Vec<u8>, Error> {
    const TOP: usize = 5;
    let rows: Vec<TableRow<'_>> = predictions.pictures.iter().map(|p| predictions.row(p)).collect();
    session::predictions_csv(&rows, TOP, predictions.decide_from)
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
    fn what_is_not_sure_enough_stays_undecided_also_when_it_is_copied() {
        let mut p = Predictions { decide_from: 0.8, ..Predictions::default() };
        p.wait_for("sure.png".into());
        p.wait_for("later.png".into());
        p.put("sure.png".into(), Ok(vec![("ants".into(), 0.8), ("bees".into(), 0.2)]));
        p.put("unsure.png".into(), Ok(vec![("ants".into(), 0.75), ("bees".into(), 0.25)]));
        p.put("broken.png".into(), Err(Error::input("not a picture")));
        assert_eq!(
            p.pictures.iter().map(|x| p.is_undecided(x)).collect::<Vec<_>>(),
            [false, false, true, false]
        );
        let decided = [("sure.png", "ants"), ("unsure.png", "undecided")];
        assert_eq!(p.decisions(), decided.map(|(path, class)| (PathBuf::from(path), class.to_owned())));
        p.drop_waiting();
        p.put("unsure.png".into(), Ok(vec![("bees".into(), 0.9), ("ants".into(), 0.1)]));
        assert_eq!(
            (p.pictures.len(), p.decisions()[1].1.as_str()),
            (3, "bees"),
            "a picture is in the list once"
        );
    }

    #[test]
    fn the_csv_has_a_line_for_each_picture_good_or_bad() {
        let mut p = Predictions::default();
        p.put("a, b.png".into(), Ok(vec![("ants".into(), 0.75), ("bees".into(), 0.25)]));
        p.put("c.png".into(), Err(Error::input("not a picture")));
        let text = String::from_utf8(predictions_csv(&p).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("path,label_1,probability_1,") && lines[0].ends_with(",error"));
        assert!(lines[1].starts_with("\"a, b.png\",ants,0.750000,bees,0.250000,"), "{}", lines[1]);
        assert!(lines[2].ends_with(",not a picture"), "{}", lines[2]);
    }
}
