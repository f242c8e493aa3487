//! How fast epochs pass, by what was measured lately.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Epochs further back than this say nothing about those to come, as long as there are two that do.
const LATELY: Duration = Duration::from_secs(5);

/// The ends of the last epochs of a phase. What lies between two of them is all that an epoch takes: its steps, its judgement, and
/// what is written.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When, and how many pictures had been learned from by then.
    ends: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// A phase that begins now.
    pub(crate) fn beginning(now: Instant) -> Self {
        Self { ends: VecDeque::from([(now, 0)]) }
    }

    /// An epoch of so many pictures has ended.
    pub(crate) fn ended(&mut self, now: Instant, pictures: u64) {
        let before = self.ends.back().map_or(0, |(_, n)| *n);
        self.ends.push_back((now, before + pictures));
        while self.ends.len() > 2 && self.ends.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= LATELY)
        {
            self.ends.pop_front();
        }
    }

    /// Seconds that an epoch takes; none before one has ended.
    pub(crate) fn epoch_s(&self) -> Option<f64> {
        let epochs = self.ends.len().checked_sub(1).filter(|n| *n > 0)?;
        Some(self.seconds() / epochs as f64)
    }

    /// Pictures that are learned from in a second; none where epochs are so long that their steps tell it better.
    pub(crate) fn images_per_s(&self) -> Option<f64> {
        let ((_, first), (_, last)) = (self.ends.front()?, self.ends.back()?);
        (self.ends.len() > 2).then(|| (last - first) as f64 / self.seconds().max(1e-9))
    }

    fn seconds(&self) -> f64 {
        match (self.ends.front(), self.ends.back()) {
            (Some((first, _)), Some((last, _))) => last.duration_since(*first).as_secs_f64(),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Epochs of ten pictures that end after so many milliseconds each.
    fn pace(each: &[u64]) -> Pace {
        let mut now = Instant::now();
        let mut pace = Pace::beginning(now);
        for ms in each {
            now += Duration::from_millis(*ms);
            pace.ended(now, 10);
        }
        pace
    }

    #[test]
    fn short_epochs_are_judged_by_the_last_seconds_and_not_by_the_last_of_them() {
        let mut each = vec![1000; 3];
        each.extend([4; 2000]);
        let steady = pace(&each);
        assert!((steady.epoch_s().unwrap() - 0.004).abs() < 1e-4);
        assert!((steady.images_per_s().unwrap() - 2500.0).abs() < 50.0);
        each.push(40);
        let jumped = pace(&each).epoch_s().unwrap();
        assert!((jumped - 0.004).abs() < 2e-4, "one slow epoch changes little: {jumped}");
    }

    #[test]
    fn long_epochs_are_judged_by_the_last() {
        assert!(pace(&[]).epoch_s().is_none());
        let long = pace(&[90_000, 60_000]);
        assert_eq!((long.epoch_s(), long.images_per_s()), (Some(60.0), None));
    }
}
