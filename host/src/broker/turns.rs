//! Turns: so many commands of one engine run at once, and whoever asked first goes first.
//!
//! An engine gets slower, and at last fails, when hundreds of its clients run side by side. What waits for a container by
//! its nature (its end, its grace, its log), or whose output is read as it comes, has a turn for a part of its time alone:
//! from then on it costs the engine little, and would keep others from theirs.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::decision::Permit;
use crate::grants::Timeout;

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

    /// Waits for a turn, first come first served. Dropping the future leaves the queue.
    pub(super) async fn take(&self, backend: &str, permit: &Permit) -> Turn {
        let turn = self.next(backend).await;
        match permit.granted_time() {
            Timeout::After(_) => turn,
            Timeout::Grace => turn.at_most(END),
            Timeout::None => turn.at_most(START),
        }
    }

    /// The same for a command whose output is read as it comes.
    pub(super) async fn take_start(&self, backend: &str) -> Turn {
        self.next(backend).await.at_most(START)
    }

    /// A turn for a command that is over when its program is.
    pub(super) async fn next(&self, backend: &str) -> Turn {
        // A semaphore that is never closed always gives.
        self.of(backend).acquire_owned().await.map_or(Turn::Free, Turn::Whole)
    }

    fn of(&self, backend: &str) -> Arc<Semaphore> {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        let all = || Arc::new(Semaphore::new(self.most.get().min(Semaphore::MAX_PERMITS)));
        Arc::clone(engines.entry(backend.to_owned()).or_insert_with(all))
    }
}

/// A turn, given back when this is dropped, or before that by the task that has it.
#[allow(dead_code, reason = "held until it is dropped")]
pub(crate) enum Turn {
    Free,
    Whole(OwnedSemaphorePermit),
    Part(JoinSet<()>),
}

impl Turn {
    fn at_most(self, time: Duration) -> Self {
        let mut holder = JoinSet::new();
        holder.spawn(async move {
            tokio::time::sleep(time).await;
            drop(self);
        });
        Self::Part(holder)
    }
}

/// An engine's client is up by then.
const START: Duration = Duration::from_millis(300);

/// A container that heeds its signal has ended by then, and its engine has cleaned up after it.
const END: Duration = Duration::from_secs(1);

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

    #[tokio::test]
    async fn a_start_gives_its_turn_back_by_itself_and_when_it_is_dropped() {
        let turns = Turns::new(NonZeroUsize::MIN);
        let _goes_on = turns.take_start("a").await;
        assert!(turns.of("a").try_acquire_owned().is_err());
        let ended = turns.take_start("a").await;
        assert!(turns.of("a").try_acquire_owned().is_err());
        drop(ended);
        tokio::task::yield_now().await;
        assert!(turns.of("a").try_acquire_owned().is_ok());
    }

    #[test]
    fn there_are_at_least_four() {
        assert!(Turns::usual().get() >= 4);
    }
}
