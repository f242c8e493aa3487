//! How much of training is done, by time: an epoch of half a second counts less than one of half a minute.

use crate::engine::StepProgress;

/// An estimate this many times longer than it was begins anew from what is done.
const ANEW: f64 = 1.25;

/// The share of training that is done. It never falls: where an estimate of the time left grows, it waits, or goes on more slowly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// What is left, in `[0, 1]`.
    left: f64,
    /// What was left when so many seconds were left; none while nobody knows how many.
    from: Option<(f64, f64)>,
    /// Epochs that are done, as a share of all.
    epochs: f64,
}

impl Default for Share {
    fn default() -> Self {
        Self { left: 1.0, from: None, epochs: 0.0 }
    }
}

impl Share {
    /// What is done, in `[0, 1]`.
    pub fn done(&self) -> f32 {
        (1.0 - self.left) as f32
    }

    /// Takes in a step.
    pub(super) fn step(&mut self, s: &StepProgress) {
        let steps = s.steps.max(1) as f64;
        let epochs = (s.epoch.saturating_sub(1) as f64 + s.step as f64 / steps) / s.epochs.max(1) as f64;
        match s.eta_s {
            Some(eta) => self.by_time(eta),
            None => self.from = None,
        }
        if self.from.is_none() {
            self.by_epochs(epochs);
            self.from = s.eta_s.filter(|eta| *eta > 0.0).map(|eta| (self.left, eta));
        }
        self.epochs = epochs;
    }

    fn by_time(&mut self, eta: f64) {
        let Some((left, seconds)) = self.from else { return };
        let now = left * eta / seconds;
        if now > ANEW * self.left {
            self.from = Some((self.left, eta));
        }
        self.left = self.left.min(now).max(0.0);
    }

    /// While nobody knows how long an epoch takes, all that are left count the same.
    fn by_epochs(&mut self, epochs: f64) {
        if epochs > self.epochs && self.epochs < 1.0 {
            self.left *= ((1.0 - epochs) / (1.0 - self.epochs)).clamp(0.0, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done after each step of epochs that take so many seconds, four steps each, with what the program says is left:
    /// nothing before an epoch has shown it, `wrong` times too much of the rest.
    fn run(seconds: &[f64], known_from: usize, wrong: impl Fn(usize, usize) -> f64) -> Vec<f32> {
        let mut share = Share::default();
        let mut done = Vec::new();
        for (epoch, takes) in seconds.iter().enumerate() {
            for step in 1..=4 {
                let later: f64 = seconds[epoch + 1..].iter().sum();
                let left = later + takes * (4 - step) as f64 / 4.0;
                let eta_s = (epoch >= known_from).then(|| left * wrong(epoch, step));
                share.step(&StepProgress {
                    epoch: epoch + 1,
                    epochs: seconds.len(),
                    step,
                    steps: 4,
                    loss: 0.5,
                    images_per_s: 10.0,
                    eta_s,
                });
                done.push(share.done());
            }
        }
        assert!(done.windows(2).all(|w| w[0] <= w[1]), "{done:?}");
        assert!((done[done.len() - 1] - 1.0).abs() < 1e-6, "{done:?}");
        done
    }

    #[test]
    fn short_epochs_count_less_than_long_ones() {
        let seconds = [vec![0.1; 5], vec![30.0; 5]].concat();
        let done = run(&seconds, 1, |_, _| 1.0);
        // The first epoch is one of ten, as far as anybody knows.
        assert!((done[3] - 0.1).abs() < 1e-6);
        assert!(done[19] < done[4] + 0.01, "five fast epochs are next to nothing: {}", done[19]);
        let rest = done[19] + (1.0 - done[19]) * 3.0 / 5.0;
        assert!((done[31] - rest).abs() < 0.01, "three of five long ones: {}", done[31]);
    }

    #[test]
    fn epochs_that_take_the_same_count_the_same() {
        let done = run(&[2.0; 8], 1, |_, _| 1.0);
        for (i, done) in done.iter().enumerate() {
            assert!((done - (i + 1) as f32 / 32.0).abs() < 1e-4, "{i}: {done}");
        }
        assert_eq!(run(&[2.0; 8], 8, |_, _| 1.0).len(), 32, "nobody ever knows");
    }

    #[test]
    fn a_training_that_is_to_end_with_its_epoch_comes_to_the_end() {
        for known_from in [0, 8] {
            let mut share = Share::default();
            let mut done = Vec::new();
            for (epoch, step) in (1..=3).flat_map(|epoch| (1..=4).map(move |step| (epoch, step))) {
                // Asked for after the first step of the third of eight epochs of 4 s, whose end is then all that is left.
                let last = (epoch, step) > (3, 1);
                let later = if last { 0.0 } else { 4.0 * (8 - epoch) as f64 };
                let eta_s = (last || epoch > known_from).then(|| later + (4 - step) as f64);
                let at =
                    StepProgress { epoch, epochs: 8, step, steps: 4, loss: 0.5, images_per_s: 10.0, eta_s };
                share.step(&at);
                done.push(share.done());
            }
            assert!(done[8] < 0.3 && done[9] >= done[8], "{done:?}");
            assert!((done[11] - 1.0).abs() < 1e-6, "nothing is left: {done:?}");
            if known_from == 0 {
                assert!(done[9] > 0.8, "9 of 11 seconds: {done:?}");
            }
        }
    }

    #[test]
    fn estimates_that_sway_or_are_wrong_never_lead_it_back_or_to_the_end_too_soon() {
        let sways =
            run(&[1.0; 40], 1, |epoch, step| 1.0 + 0.1 * f64::from((epoch * 4 + step) as u8 % 3) - 0.1);
        assert!((sways[79] - 0.5).abs() < 0.1, "half of the epochs: {}", sways[79]);
        // Ten times too short for the first half.
        let short = run(&[1.0; 40], 1, |epoch, _| if epoch < 20 { 0.1 } else { 1.0 });
        assert!((short[79] - 0.5).abs() < 0.05 && short[119] < 0.85, "{} {}", short[79], short[119]);
    }
}
