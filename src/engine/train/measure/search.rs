//! The search for a size of steps, by what trials of doubled sizes show.

use crate::engine::memory::CardMemory;
use crate::error::{ErrorKind, Result};

/// Steps twice as large are worth it where they get through so many times as many pictures in a second.
const WORTH: f64 = 1.1;
/// Share of the card's memory that may be in use after a step: judging, keeping the best and other programs need some too.
const MEMORY: f64 = 0.8;

/// What steps of one size showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trial {
    /// Pictures that they learn from in a second.
    pub(super) images_per_s: f64,
    /// Of the card, with everything that such steps need.
    pub(super) memory: Option<CardMemory>,
}

/// Why steps are not larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// Steps twice as large get through hardly more pictures.
    NoFaster,
    /// Steps twice as large need too much of the card's memory.
    Memory,
    /// Larger ones were not tried.
    Size,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Pictures in a step.
    pub(super) size: usize,
    /// Pictures in a second with the first size, and with this.
    pub(super) images_per_s: (f64, f64),
    /// Why not more.
    pub(super) limit: Limit,
}

/// Tries `first`, then twice as many, and so on up to `most`; none where not even the first has room.
///
/// # Errors
/// Those of `trial`, but for a full memory.
pub(super) fn search(
    (first, most): (usize, usize),
    mut trial: impl FnMut(usize) -> Result<Trial>,
) -> Result<Option<Found>> {
    let mut best: Option<Found> = None;
    let mut size = first;
    loop {
        let limit = match trial(size) {
            Err(e) if e.kind() == ErrorKind::OutOfMemory => Limit::Memory,
            Err(e) => return Err(e),
            Ok(t) => {
                let fits = t.memory.is_none_or(|m| m.used as f64 <= MEMORY * m.total as f64);
                let slowest = best.map_or(0.0, |b| b.images_per_s.1 * WORTH);
                if best.is_some() && !fits {
                    Limit::Memory
                } else if t.images_per_s < slowest {
                    Limit::NoFaster
                } else {
                    let first_images_per_s = best.map_or(t.images_per_s, |b| b.images_per_s.0);
                    let limit = if fits { Limit::Size } else { Limit::Memory };
                    best = Some(Found { size, images_per_s: (first_images_per_s, t.images_per_s), limit });
                    if fits && size <= most / 2 {
                        size *= 2;
                        continue;
                    }
                    limit
                }
            }
        };
        return Ok(best.map(|found| Found { limit, ..found }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// Searches from 16 to 256 with these pictures a second and gigabytes of 10 in use for each size in turn; no number is a full memory.
    fn found(trials: &[Option<(f64, u64)>]) -> (Option<(usize, Limit)>, usize) {
        let mut tried = 0;
        let found = search((16, 256), |size| {
            assert_eq!(size, 16 << tried, "each size is twice the one before");
            let (images_per_s, used) = trials[tried]
                .ok_or_else(|| Error::new(ErrorKind::OutOfMemory, "full"))
                .inspect_err(|_| tried += 1)?;
            tried += 1;
            Ok(Trial { images_per_s, memory: Some(CardMemory { used, total: 10 }) })
        });
        (found.unwrap().map(|f| (f.size, f.limit)), tried)
    }

    #[test]
    fn sizes_double_as_long_as_that_is_worth_it() {
        let rising = [100.0, 190.0, 300.0, 320.0].map(|speed| Some((speed, 1)));
        assert_eq!(found(&rising), (Some((64, Limit::NoFaster)), 4));
        let slower = [100.0, 90.0].map(|speed| Some((speed, 1)));
        assert_eq!(found(&slower), (Some((16, Limit::NoFaster)), 2));
        let ever = [1.0, 2.0, 4.0, 8.0, 16.0].map(|speed| Some((speed, 1)));
        assert_eq!(found(&ever), (Some((256, Limit::Size)), 5));
    }

    #[test]
    fn a_card_that_becomes_full_ends_the_search_with_what_had_room() {
        assert_eq!(found(&[Some((100.0, 3)), Some((200.0, 5)), None]), (Some((32, Limit::Memory)), 3));
        // Not quite full, and too full for what comes beside the steps.
        assert_eq!(found(&[Some((100.0, 5)), Some((200.0, 9))]), (Some((16, Limit::Memory)), 2));
        assert_eq!(found(&[Some((100.0, 9))]), (Some((16, Limit::Memory)), 1));
        assert_eq!(found(&[None]), (None, 1));
    }

    #[test]
    fn other_failures_end_the_search() {
        let failed = search((1, 8), |_| Err(Error::internal("other")));
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Internal);
        let speeds = |size: usize| Ok(Trial { images_per_s: size as f64, memory: None });
        assert_eq!(search((3, 13), speeds).unwrap().unwrap().size, 12);
    }
}
