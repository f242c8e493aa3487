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
    /// Precision-recall and ROC curves.
    Curves,
    /// Reliability diagram and histogram of the confidence.
    Confidence,
    /// The most confused pairs of classes, and the pictures with the highest loss.
    Worst,
    /// Pictures whose label is doubtful.
    Suspects,
    /// All pictures on a plane.
    Map,
}

impl EvaluateTab {
    /// All, from left to right.
    pub const ALL: [Self; 7] =
        [Self::Matrix, Self::Classes, Self::Curves, Self::Confidence, Self::Worst, Self::Suspects, Self::Map];

    /// Whether details stand beside it, rather than within it.
    pub fn has_inspector(self) -> bool {
        !matches!(self, Self::Suspects | Self::Map)
    }

    /// The word on its button.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matrix => "Matrix",
            Self::Classes => "Classes",
            Self::Curves => "Curves",
            Self::Confidence => "Confidence",
            Self::Worst => "Pairs and losses",
            Self::Suspects => "Suspects",
            Self::Map => "Map",
        }
    }

    /// What it shows, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Matrix => "Which class was taken for which",
            Self::Classes => "How well each class is found, with how sure that number is",
            Self::Curves => "What a stricter or a looser threshold would find, and what it would cost",
            Self::Confidence => "Whether the model is right as often as it says",
            Self::Worst => {
                "Which two classes are taken for each other, and which pictures surprise the model most"
            }
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
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// Pictures whose probability for a class (for any, where none is named) is at least `low` and below `high`.
    Scored {
        /// The class; none for a point of the micro average.
        class: Option<usize>,
        /// Lowest probability that belongs to it.
        low: f32,
        /// Lowest that does not any more; infinite for everything from `low` on.
        high: f32,
    },
    /// Pictures of one bin of the confidence.
    Confidence {
        /// Index of the bin.
        bin: usize,
        /// Only those classified rightly, only the others, or all.
        right: Option<bool>,
    },
    /// Pictures of either class that were taken for the other.
    Pair {
        /// One class.
        a: usize,
        /// The other.
        b: usize,
    },
    /// All pictures, the highest cross-entropy first.
    Losses,
    /// All mistakes, the most confident first.
    Mistakes,
}
