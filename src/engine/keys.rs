//! What each random stream of a training job is for: the first word of the generator's key.

/// Order of the training pictures in an epoch: `[ORDER, epoch]`.
pub(crate) const ORDER: u64 = 1;
/// Which cached view of a picture an epoch uses: `[DRAW, picture, round]`.
pub(crate) const DRAW: u64 = 2;
/// A cached view: `[CACHED_VIEW, picture, view]`.
pub(crate) const CACHED_VIEW: u64 = 3;
/// A view made for one epoch: `[FRESH_VIEW, picture, epoch]`.
pub(crate) const FRESH_VIEW: u64 = 4;
/// Dropout: `[DROPOUT, epoch, step]`.
pub(crate) const DROPOUT: u64 = 5;
/// Folds of the logistic regression: `[FOLDS, class]`.
pub(crate) const FOLDS: u64 = 6;
/// How the pictures of a step are mixed: `[MIX, epoch, step]`.
pub(crate) const MIX: u64 = 7;
/// Training pictures that are compared with all others: `[FAMILIAR]`.
pub(crate) const FAMILIAR: u64 = 8;
/// Where the search for the directions of a map begins: `[DIRECTIONS, direction]`.
pub(crate) const DIRECTIONS: u64 = 9;
/// Which pictures are arranged by their neighbours, `[ARRANGED, class]`, and where they begin, `[ARRANGED]`.
pub(crate) const ARRANGED: u64 = 10;
/// Judged pictures that are drawn anew to see how sure a number is: `[RESAMPLE, round]`.
pub(crate) const RESAMPLE: u64 = 11;
