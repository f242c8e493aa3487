//! Learning-rate schedules as pure functions of the step.

/// The shape of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// Unchanged.
    Constant,
    /// A drop every so many epochs.
    Step,
    /// Half a cosine down to zero.
    Cosine,
    /// Up to the rate, then down to almost nothing (1cycle).
    OneCycle,
}

/// How the learning rate moves over a phase of training. The value at a step depends on nothing but the step, so a resumed
/// phase goes on exactly where it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Which curve follows the warm-up.
    pub kind: Curve,
    /// Epochs of linear rise from zero at the start; may be a fraction. One-cycle has its own rise and takes none.
    pub warmup_epochs: f64,
    /// Step: epochs between drops.
    pub step_epochs: usize,
    /// Step: factor of each drop.
    pub step_gamma: f64,
}

/// PyTorch's `OneCycleLR` defaults: share of the rise, and the divisors of the first and the last rate.
const ONE_CYCLE: (f64, f64, f64) = (0.3, 25.0, 1e4);

impl Schedule {
    /// Multiplier of the learning rate at `step` (from 0) of a phase of `steps` steps. Constant, step and cosine are
    /// PyTorch's `LambdaLR(1)`, `StepLR` (by whole epochs) and `CosineAnnealingLR` (by steps, over those after the
    /// warm-up); one-cycle is `OneCycleLR` with its defaults, the rate being its largest.
    pub fn at(&self, step: usize, steps: usize, steps_per_epoch: usize) -> f64 {
        if self.kind == Curve::OneCycle {
            return one_cycle(step, steps);
        }
        let warmup = (self.warmup_epochs * steps_per_epoch as f64).max(0.0);
        // The first step already moves: the rise reaches 1 with the first step behind it.
        let rise = (step + 1) as f64 / (warmup + 1.0);
        if rise < 1.0 {
            return rise;
        }
        match self.kind {
            Curve::Constant | Curve::OneCycle => 1.0,
            Curve::Step => {
                let drops = step / steps_per_epoch.max(1) / self.step_epochs.max(1);
                self.step_gamma.powf(drops as f64)
            }
            Curve::Cosine => {
                let start = warmup.ceil();
                let length = (steps as f64 - start).max(1.0);
                let done = ((step as f64 - start) / length).clamp(0.0, 1.0);
                0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }
}

fn one_cycle(step: usize, steps: usize) -> f64 {
    let (share, first_divisor, last_divisor) = ONE_CYCLE;
    let (first, last) = (1.0 / first_divisor, 1.0 / first_divisor / last_divisor);
    let top = share * steps as f64 - 1.0;
    let step = step as f64;
    let anneal =
        |from: f64, to: f64, done: f64| to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
    if top > 0.0 && step <= top {
        return anneal(first, 1.0, step / top);
    }
    // A phase shorter than its rise begins at the top.
    let top = top.max(0.0);
    anneal(1.0, last, ((step - top) / (steps as f64 - 1.0 - top).max(1.0)).clamp(0.0, 1.0))
}
