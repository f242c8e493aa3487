//! What can be said of single pictures and of a whole data set beyond the model's answers: jobs over `engine::explain` and
//! `engine::features`. A run keeps the features in its folder; the worker keeps those that it read last.

use super::jobs::ModelRef;
use super::opened::Opened;
use super::places;
use crate::data::{Dataset, Progress, Split, Verdicts};
use crate::engine::features::Reference;
use crate::engine::features::map::{Plane, principal_plane};
use crate::engine::features::suspects::{ConfidentJoint, Suspect};
use crate::engine::{Classifier, Explanation, Features, Unlike, model_sha256};
use crate::error::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Training pictures that are shown beside one.
const ALIKE: usize = 6;
/// File of a run's folder with the features.
const FEATURES: &str = "features.safetensors";
/// Seed of what is drawn by chance: folds, samples, first directions.
const SEED: u64 = 0;

/// A training picture that is like another.
#[derive(Debug, Clone, PartialEq)]
pub struct AlikePicture {
    /// Path relative to the data folder.
    pub rel: String,
    /// Its class.
    pub class: usize,
    /// Cosine of the angle between both pictures' features, in `[-1, 1]`.
    pub similarity: f32,
}

/// What a model makes of one picture, and what it is like.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The model.
    pub model: ModelRef,
    /// The file.
    pub picture: PathBuf,
    /// The class that was asked about; none for the most probable one.
    pub asked: Option<usize>,
    /// What it looks at.
    pub explanation: Explanation,
    /// The most alike training pictures, without itself; nothing where the run's pictures were not compared.
    pub alike: Option<Vec<AlikePicture>>,
    /// How it compares with those in training, where that is known.
    pub unlike: Option<Unlike>,
}

/// One picture of an [`Analysis`].
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysedPicture {
    /// Path relative to the data folder.
    pub rel: String,
    /// Its class.
    pub class: usize,
    /// The class that the model gives it; none for a test picture, which is judged only when that is asked for, and counted.
    pub predicted: Option<usize>,
    /// Which part it belongs to.
    pub split: Split,
}

/// All pictures of a data set, compared by a run's features.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// The run.
    pub run_dir: PathBuf,
    /// The folder of pictures.
    pub root: PathBuf,
    /// Class names.
    pub classes: Vec<String>,
    /// In the order of the data set.
    pub pictures: Vec<AnalysedPicture>,
    /// What was decided about pictures when they were compared.
    pub verdicts: Verdicts,
    /// Doubtful labels, the most doubtful first; test pictures are not looked at.
    pub suspects: Vec<Suspect>,
    /// How many pictures' labels were looked at.
    pub looked_at: usize,
    /// Those of them that the classifiers behind the doubts, none of which had seen the picture, gave the class that it has.
    pub right: usize,
    /// Where each picture lies.
    pub plane: Plane,
}

/// Classifiers that are right about less than this share of the pictures doubt many labels that are right.
const SURE_ENOUGH: f64 = 0.8;

impl AnalysedPicture {
    /// Whether the model gives it another class than its own.
    pub fn is_mistaken(&self) -> bool {
        self.predicted.is_some_and(|predicted| predicted != self.class)
    }
}

impl Analysis {
    /// Share of the pictures looked at that the classifiers behind the doubts were right about.
    pub fn out_of_fold_accuracy(&self) -> f64 {
        self.right as f64 / self.looked_at.max(1) as f64
    }

    /// Whether so few were right that many of the doubts are unfounded.
    pub fn doubts_too_much(&self) -> bool {
        self.out_of_fold_accuracy() < SURE_ENOUGH
    }
}

/// Whether a run keeps what its pictures were compared by.
pub fn was_compared(run_dir: &Path) -> bool {
    run_dir.join(FEATURES).is_file()
}

/// A run's folder, and when its features and its model were written.
type Written = (PathBuf, [Option<SystemTime>; 2]);

/// What is known of a run's pictures.
pub(super) struct Known {
    pub(super) features: Features,
    /// What new pictures are compared with.
    pub(super) reference: Option<Reference>,
}

/// What was read last; nothing where the features were another model's.
#[derive(Default)]
pub(super) struct OpenFeatures(Opened<Written, Option<Arc<Known>>>);

impl OpenFeatures {
    /// Those of another thread; what both open is in memory once.
    pub(super) fn beside(&self) -> Self {
        Self(self.0.beside())
    }

    /// Lets go of them.
    pub(super) fn close(&mut self) {
        self.0.close();
    }

    /// The features that a run keeps, of its model as it is; nothing where it has none.
    pub(super) fn of(&mut self, model: &ModelRef) -> Result<Option<Arc<Known>>> {
        let ModelRef::Saved(run_dir) = model else { return Ok(None) };
        let written = |name: &str| std::fs::metadata(run_dir.join(name)).ok()?.modified().ok();
        let times = [FEATURES, "model/model.safetensors"].map(written);
        if times.contains(&None) {
            return Ok(None);
        }
        let known = |features: Features| Arc::new(Known { reference: features.reference(), features });
        let open = || Ok(Features::load(run_dir, &model_sha256(run_dir)?)?.map(known));
        self.0.get((run_dir.clone(), times), open).map(|found| Option::clone(&found))
    }
}

/// Says what the model looks at in a picture, and what it is like.
pub(super) fn explain(
    classifier: &Classifier,
    known: Option<&Known>,
    model: ModelRef,
    picture: PathBuf,
    asked: Option<usize>,
) -> Result<Explained> {
    let explanation = classifier.explain(&picture, asked)?;
    let features = &explanation.features;
    let alike = known.map(|Known { features: known, .. }| {
        // The picture itself may be one of those in training.
        let other = |i: usize| known.pictures[i].training && !picture.ends_with(&known.pictures[i].rel);
        let found = known.most_alike(features, ALIKE, other);
        let named = |a: &crate::engine::features::Alike| {
            let picture = &known.pictures[a.picture];
            AlikePicture { rel: picture.rel.clone(), class: picture.class, similarity: a.similarity }
        };
        found.iter().map(named).collect()
    });
    let unlike = known.and_then(|known| known.reference.as_ref()?.unlike(features));
    Ok(Explained { model, picture, asked, explanation, alike, unlike })
}

/// Computes what is missing of the run's features, keeps them, and reads doubtful labels and the map off them.
pub(super) fn analyse(
    classifier: &Classifier,
    before: Option<&Features>,
    run_dir: PathBuf,
    dataset: &Dataset,
    (progress, keep_going, second_part): (Progress<'_>, &(dyn Fn() -> Result<()> + Sync), &dyn Fn()),
) -> Result<Analysis> {
    places::check_outside("the features", &run_dir, &dataset.root)?;
    let digest = model_sha256(&run_dir)?;
    let mut features = Features::compute(classifier, &digest, dataset, before, progress)?;
    second_part();
    features.draw_line(SEED, keep_going)?;
    features.save(&run_dir)?;
    let among: Vec<usize> =
        (0..features.len()).filter(|&i| dataset.samples[i].split != Split::Test).collect();
    let ConfidentJoint { suspects, right, .. } = features.suspects(&among, SEED, progress)?;
    let plane = principal_plane(&features, SEED, keep_going)?;
    let analysed = |(i, sample): (usize, &crate::data::Sample)| AnalysedPicture {
        rel: sample.rel.clone(),
        class: features.pictures[i].class,
        predicted: (sample.split != Split::Test).then_some(features.predicted[i] as usize),
        split: sample.split,
    };
    let pictures = dataset.samples.iter().enumerate().map(analysed).collect();
    let (root, classes, verdicts) =
        (dataset.root.clone(), features.classes.clone(), dataset.verdicts.clone());
    Ok(Analysis {
        run_dir,
        root,
        classes,
        pictures,
        verdicts,
        suspects,
        looked_at: among.len(),
        right,
        plane,
    })
}
