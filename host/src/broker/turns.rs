//! Turns: so many commands of one engine run at once, and whoever asked first goes first.
//!
//! An engine gets slower, and at last fails, when hundreds of its clients run side by side. What waits for a container by
//! its nature (its end, its grace, its log) takes no turn: it costs the engine little, and would keep others from theirs.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::decision::Permit;

/// The turns of every engine, by its backend's name.
#[derive(Debug)]
pub(crate) struct Turns {
    most: NonZeroUsize,
    engines: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Turns {
    /// At most so many commands of one engine at once.
    pub(crate) fn new(most: NonZeroUsize) -> Self {
        Self { most, engines: Mutex::default() }
    }

    /// Twice as many as there are processors, and at least four: an engine's client waits for half of its time.
    pub(crate) fn usual() -> NonZeroUsize {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        NonZeroUsize::new(processors.saturating_mul(2)).unwrap_or(NonZeroUsize::MIN).max(LEAST)
    }

    /// Waits for a turn, first come first served; none where the command takes none. Dropping it gives it back, and
    /// dropping the future leaves the queue.
    pub(super) async fn take(&self, backend: &str, permit: &Permit) -> Option<OwnedSemaphorePermit> {
        if !permit.is_brief() {
            return None;
        }
        // A semaphore that is never closed always gives.
        self.of(backend).acquire_owned().await.ok()
    }

    fn of(&self, backend: &str) -> Arc<Semaphore> {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        let all = || Arc::new(Semaphore::new(self.most.get().min(Semaphore::MAX_PERMITS)));
        Arc::clone(engines.entry(backend.to_owned()).or_insert_with(all))
    }
}

const LEAST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_has_turns_of_its_own_and_a_dropped_one_comes_back() {
        let turns = Turns::new(NonZeroUsize::MIN);
        let first = turns.of("a").acquire_owned().await.unwrap();
        assert!(turns.of("a").try_acquire_owned().is_err());
        assert!(turns.of("b").try_acquire_owned().is_ok());
        drop(first);
        assert!(turns.of("a").try_acquire_owned().is_ok());
    }

    #[test]
    fn there_are_at_least_four() {
        assert!(Turns::usual().get() >= 4);
    }
}
