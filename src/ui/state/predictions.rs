//! New pictures and what the model says of them.

use super::{AppState, FollowUp, JobKind};
use crate::engine::{Ranked, Unlike};
use crate::error::Error;
use crate::session::jobs::ModelRef;
use crate::session::{self, TableRow, UNDECIDED};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most classes that are kept of a picture: a thousand of each of many thousand pictures would fill the memory.
pub const CLASSES: usize = 50;

/// A picture that was classified, or could not be.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedPicture {
    /// The file.
    pub path: PathBuf,
    /// Up to [`CLASSES`] classes by falling probability, or why there are none; nothing while it waits.
    pub result: Option<Result<Ranked, Error>>,
    /// How it compares with those in training, where that is known.
    pub compared: Option<Unlike>,
    /// The path in small letters, to be searched.
    searched: String,
}

impl PredictedPicture {
    fn new(path: PathBuf) -> Self {
        let searched = path.to_string_lossy().to_lowercase();
        Self { path, result: None, compared: None, searched }
    }

    /// Whether its path contains `text`, which is in small letters.
    pub fn is_at(&self, text: &str) -> bool {
        self.searched.contains(text)
    }

    /// How it compares with those in training, where it is unlike all of them.
    pub fn unlike(&self) -> Option<&Unlike> {
        self.compared.as_ref().filter(|u| u.is_unlike())
    }

    fn row(&self) -> TableRow<'_> {
        TableRow { path: &self.path, result: self.result.as_ref(), unlike: self.compared.as_ref() }
    }
}

/// The Predict screen's subject.
#[derive(Debug, Clone, Default)]
pub struct Predictions {
    /// What classifies.
    pub model: Option<ModelRef>,
    /// Pictures whose most probable class is less probable than this stay undecided, in `[0, 1]`.
    pub decide_from: f32,
    /// The model whose training pictures were compared while these were classified: they are to be held against them.
    check_against: Option<ModelRef>,
    /// In the order in which they were asked for.
    pictures: Vec<PredictedPicture>,
    /// Where each picture stands in the list.
    places: HashMap<PathBuf, usize>,
    /// Folders that were asked for: their pictures come into the list with their answers.
    folders: Vec<PathBuf>,
    /// Another one after each change of the list.
    edition: Edition,
}

/// Which state of the list something was read from.
#[derive(Debug, Clone, Default)]
pub struct Edition(Arc<()>);

impl PartialEq for Edition {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Predictions {
    /// All pictures, in the order in which they were asked for.
    pub fn pictures(&self) -> &[PredictedPicture] {
        &self.pictures
    }

    /// One of them.
    pub fn picture(&self, path: &Path) -> Option<&PredictedPicture> {
        self.pictures.get(*self.places.get(path)?)
    }

    /// The state of the list: equal as long as nothing was changed.
    pub fn edition(&self) -> &Edition {
        &self.edition
    }

    /// Enters how a picture compares with those in training.
    pub fn compare(&mut self, path: PathBuf, unlike: Unlike) {
        self.entry(path).compared = Some(unlike);
    }

    /// What was asked for and waits for its answer. Only files stand in the list while they wait, and what stands there already.
    pub fn wait_for(&mut self, path: PathBuf) {
        if path.extension().is_none() && !self.places.contains_key(&path) {
            return self.folders.push(path);
        }
        let picture = self.entry(path);
        (picture.result, picture.compared) = (None, None);
    }

    /// Enters an answer, in the place where the picture waits. Of very many classes the most probable ones are kept.
    pub fn put(&mut self, path: PathBuf, mut result: Result<Ranked, Error>) {
        if let Ok(ranked) = &mut result {
            ranked.truncate(CLASSES);
            ranked.shrink_to_fit();
        }
        self.entry(path).result = Some(result);
    }

    /// Classified pictures that were not held against those in training.
    pub fn unchecked(&self) -> Vec<PathBuf> {
        let unchecked = |p: &&PredictedPicture| matches!(p.result, Some(Ok(_))) && p.compared.is_none();
        self.pictures.iter().filter(unchecked).map(|p| p.path.clone()).collect()
    }

    /// The picture's place in the list, the last one where it has none yet.
    fn entry(&mut self, path: PathBuf) -> &mut PredictedPicture {
        self.edition = Edition::default();
        let place = *self.places.entry(path.clone()).or_insert(self.pictures.len());
        if place == self.pictures.len() {
            self.pictures.push(PredictedPicture::new(path));
        }
        &mut self.pictures[place]
    }

    /// Enters why nothing that waits has an answer. It stays in the list, to be classified by another model.
    pub(super) fn fail_waiting(&mut self, error: &Error) {
        let waits = |p: &&PredictedPicture| p.result.is_none();
        let waiting = self.pictures.iter().filter(waits).map(|p| p.path.clone());
        let waiting: Vec<PathBuf> = waiting.chain(std::mem::take(&mut self.folders)).collect();
        for path in waiting {
            self.put(path, Err(error.clone()));
        }
    }

    pub(super) fn drop_waiting(&mut self) {
        self.folders.clear();
        if self.pictures.iter().all(|p| p.result.is_some()) {
            return;
        }
        self.edition = Edition::default();
        self.pictures.retain(|p| p.result.is_some());
        let places = self.pictures.iter().enumerate();
        self.places = places.map(|(i, p)| (p.path.clone(), i)).collect();
    }

    /// Empties the list.
    pub fn clear(&mut self) {
        self.edition = Edition::default();
        self.pictures.clear();
        self.places.clear();
        self.folders.clear();
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

impl AppState {
    /// A model's training pictures were compared just now.
    pub(super) fn training_compared(&mut self, model: ModelRef) -> Option<FollowUp> {
        self.predictions.check_against = Some(model);
        self.due_check()
    }

    /// Whether pictures that were classified before that are to be held against them now, once for each comparison.
    pub(super) fn due_check(&mut self) -> Option<FollowUp> {
        if self.job_of(&JobKind::Predict).is_some() {
            return None;
        }
        let model = self.predictions.check_against.take()?;
        let due = self.predict_model() == Some(model) && !self.predictions.unchecked().is_empty();
        due.then_some(FollowUp::CheckPictures)
    }

    /// Somebody does not want it, or it does not work: it does not begin by itself.
    pub(super) fn drop_check(&mut self) {
        self.predictions.check_against = None;
    }

    /// Whether new pictures can be held against those that the model learned from: these were compared.
    pub fn checks_pictures(&self) -> bool {
        let compared = self.insight.analysis.as_ref().map(|a| ModelRef::Saved(a.run_dir.clone()));
        compared.is_some() && compared == self.predict_model()
    }

    /// Classified pictures that could be held against those in training and were not.
    pub fn checkable(&self) -> Vec<PathBuf> {
        if self.checks_pictures() { self.predictions.unchecked() } else { Vec::new() }
    }
}

/// The classified pictures as CSV, with the five most probable classes of each.
///
/// # Errors
/// Only if memory runs out.
pub fn predictions_csv(predictions: &Predictions) -> Result<Vec<u8>, Error> {
    const TOP: usize = 5;
    let rows: Vec<TableRow<'_>> = predictions.pictures.iter().map(PredictedPicture::row).collect();
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
        let unlike = |p: &Predictions, path| p.picture(Path::new(path)).unwrap().unlike().is_some();
        assert!(unlike(&p, "a.png") && !unlike(&p, "b.png"));
        p.put("a.png".into(), Ok(vec![("ants".into(), 1.0)]));
        assert!(unlike(&p, "a.png"));
        p.wait_for("a.png".into());
        assert!(!unlike(&p, "a.png"));
    }

    #[test]
    fn every_change_of_the_list_makes_another_edition() {
        let mut p = Predictions::default();
        let mut before = p.edition().clone();
        let ranked = || Ok(vec![("ants".to_owned(), 1.0)]);
        let changes: [fn(&mut Predictions); 4] = [
            |p| p.wait_for("a.png".into()),
            |p| p.compare("a.png".into(), Unlike { similarity: 0.2, familiar: 0.5 }),
            Predictions::drop_waiting,
            Predictions::clear,
        ];
        for change in changes {
            change(&mut p);
            assert!(*p.edition() != before);
            before = p.edition().clone();
        }
        p.put("a.png".into(), ranked());
        let kept = p.edition().clone();
        p.drop_waiting();
        p.decide_from = 0.5;
        assert!(*p.edition() == kept && *p.clone().edition() == kept, "nothing was changed");
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
        p.put("many.png".into(), Ok((0..1000).map(|i| (i.to_string(), 0.001)).collect()));
        assert!(matches!(&p.pictures()[0].result, Some(Ok(ranked)) if ranked.len() == CLASSES));
        p.clear();
        p.put("a, b.png".into(), Ok(vec![("ants".into(), 0.75), ("bees".into(), 0.25)]));
        p.put("c.png".into(), Err(Error::input("not a picture")));
        let text = String::from_utf8(predictions_csv(&p).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("path,label_1,probability_1,") && lines[0].ends_with(",error"));
        assert!(lines[1].starts_with("\"a, b.png\",ants,0.750000,bees,0.250000,"), "{}", lines[1]);
        assert!(lines[2].ends_with(",not a picture"), "{}", lines[2]);
    }
}
