//! What a job opened, for the next ones: a thread keeps what it opened last, and finds what another thread has open, so that the
//! same model is in memory once. What is kept is never changed.

use crate::error::Result;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What is open in all threads, by what it was opened from.
type OpenEverywhere<K, T> = Arc<Mutex<Vec<(K, Weak<T>)>>>;

/// One thread's view of it. `K` says what it was opened from, and in which state that was.
pub(super) struct Opened<K, T> {
    own: Option<(K, Arc<T>)>,
    all: OpenEverywhere<K, T>,
}

impl<K, T> Default for Opened<K, T> {
    fn default() -> Self {
        Self { own: None, all: Arc::default() }
    }
}

impl<K: Clone + PartialEq, T> Opened<K, T> {
    /// Another thread's view.
    pub(super) fn beside(&self) -> Self {
        Self { own: None, all: self.all.clone() }
    }

    /// Lets go of what this thread keeps.
    pub(super) fn close(&mut self) {
        self.own = None;
    }

    /// What belongs to `key`; `open` is asked where no thread has it.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn get(&mut self, key: K, open: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        if let Some((_, kept)) = self.own.as_ref().filter(|(k, _)| *k == key) {
            return Ok(kept.clone());
        }
        // Its memory is free before more is taken.
        self.close();
        let found = match self.elsewhere(&key) {
            Some(found) => found,
            None => {
                let new = Arc::new(open()?);
                let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
                all.push((key.clone(), Arc::downgrade(&new)));
                new
            }
        };
        self.own = Some((key, found.clone()));
        Ok(found)
    }

    fn elsewhere(&self, key: &K) -> Option<Arc<T>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, open)| open.strong_count() > 0);
        all.iter().filter(|(k, _)| k == key).find_map(|(_, open)| open.upgrade())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn two_threads_have_one_copy_and_it_is_gone_when_both_let_go() {
        let mut one = Opened::<&str, u32>::default();
        let mut two = one.beside();
        let first = one.get("a", || Ok(1)).unwrap();
        let same = two.get("a", || Err(Error::internal("it is open already"))).unwrap();
        assert!(Arc::ptr_eq(&first, &same));
        let watched = Arc::downgrade(&first);
        drop((first, same));
        one.close();
        assert_eq!(two.get("a", || Ok(9)).ok().as_deref(), Some(&1), "the other one still has it");
        assert_eq!(two.get("b", || Ok(2)).ok().as_deref(), Some(&2));
        assert!(watched.upgrade().is_none(), "only the last is kept");
        assert!(two.get("c", || Err(Error::internal("no"))).is_err());
        assert_eq!(two.get("a", || Ok(3)).ok().as_deref(), Some(&3), "a failure leaves nothing behind");
    }
}
