//! What the Evaluate screen shows: which evaluation, which part of it, and the pictures behind which number.

use crate::engine::Evaluation;
use std::path::PathBuf;
use std::sync::Arc;

/// A part of the Evaluate screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum EvaluateTab {
    /// The confusion matrix.
    #[default]
    Matrix,
    /// Recall, precision and F1 of each class as bars.
    Classes,
    /// Pictures whose label is doubtful.
    Suspects,
    /// All pictures on a plane.
    Map,
}

impl EvaluateTab {
    /// All, from left to right.
    pub const ALL: [Self; 4] = [Self::Matrix, Self::Classes, Self::Suspects, Self::Map];

    /// Whether details stand beside it, rather than within it.
    pub fn has_inspector(self) -> bool {
        !matches!(self, Self::Suspects | Self::Map)
    }

    /// The word on its button.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matrix => "Matrix",
            Self::Classes => "Classes",
            Self::Suspects => "Suspects",
            Self::Map => "Map",
        }
    }

    /// What it shows, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Matrix => "Which class was taken for which",
            Self::Classes => "How well each class is found, with how sure that number is",
            Self::Suspects => "Pictures whose label is probably wrong",
            Self::Map => "All pictures on a plane, alike ones near each other",
        }
    }
}

/// An evaluation, and where its pictures lie.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownEvaluation {
    /// Predictions and counts; what is computed from them is remembered by the identity of this one.
    pub evaluation: Arc<Evaluation>,
    /// The folder that [`crate::engine::Prediction::rel`] is relative to.
    pub data_root: PathBuf,
    /// The run it is of, if it is of one.
    pub run_dir: Option<PathBuf>,
    /// What it is of, for example `run 0001 · validation`.
    pub title: String,
}

/// The pictures behind a number of the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// A cell of the matrix.
    Cell {
        /// True class.
        truth: usize,
        /// Predicted class.
        predicted: usize,
    },
    /// All pictures of a class.
    Class(usize),
    /// All pictures predicted as a class.
    PredictedAs(usize),
    /// All pictures of a class and all that were taken for it.
    ClassOrPredictedAs(usize),
    /// All mistakes, the most confident first.
    Mistakes,
}
