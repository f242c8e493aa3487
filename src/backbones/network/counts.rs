//! How many values a network has.

/// How many values a network can learn; running statistics are not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamCounts {
    /// Of each stage that is left after the cut.
    pub stages: Vec<usize>,
    /// Of the head.
    pub head: usize,
}

impl ParamCounts {
    /// How many stay frozen and how many learn, where stage `first` is the first that learns.
    pub fn split(&self, first: usize) -> (usize, usize) {
        let (frozen, learning) = self.stages.split_at(first.min(self.stages.len()));
        (frozen.iter().sum(), learning.iter().sum::<usize>() + self.head)
    }
}

/// How many values a network keeps of one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptValues {
    /// Of each stage that is left after the cut.
    pub stages: Vec<KeptByStage>,
    /// Width of the features that the head reads.
    pub features: usize,
}

/// The same of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptByStage {
    /// For the gradient, where the stage learns.
    pub kept: usize,
    /// In its output.
    pub output: usize,
}
