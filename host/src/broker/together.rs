//! Looks that wait for a turn: whoever has one first looks for all who wait to see the like.
//!
//! A look costs an engine a client's start, and hardly more when it is for thirty containers. It is begun after everyone
//! asked whom it is for, so that none is told what was before.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{Receiver, Sender, channel};

use super::Broker;
use super::turns::Turn;
use crate::scope::LOOKED_AT_TOGETHER;

/// Who waits, by what can be looked at together. What is seen is an `A`.
#[derive(Debug)]
pub(crate) struct Waiters<A> {
    next: AtomicU64,
    waiting: Mutex<HashMap<String, Vec<Waiter<A>>>>,
}

#[derive(Debug)]
struct Waiter<A> {
    number: u64,
    query: String,
    answer: Sender<A>,
}

/// What became of waiting.
pub(crate) enum Joined<A> {
    /// Another looked, and saw this.
    Told(A),
    /// It is one's own turn, to look for these others as well.
    Leads(Turn, Others<A>),
}

/// For whom one looks besides oneself. Who is told nothing looks for itself.
pub(crate) struct Others<A>(Vec<Waiter<A>>);

impl<A> Default for Waiters<A> {
    fn default() -> Self {
        Self { next: AtomicU64::default(), waiting: Mutex::default() }
    }
}

/// A place among those who wait, left when this is dropped.
struct Place<'w, A> {
    waiters: &'w Waiters<A>,
    key: &'w str,
    number: u64,
}

impl<A> Waiters<A> {
    fn join<'w>(&'w self, key: &'w str, query: &str) -> (Place<'w, A>, Receiver<A>) {
        let (number, (answer, told)) = (self.next.fetch_add(1, Ordering::Relaxed), channel());
        let waiter = Waiter { number, query: query.to_owned(), answer };
        self.locked().entry(key.to_owned()).or_default().push(waiter);
        (Place { waiters: self, key, number }, told)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Vec<Waiter<A>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Place<'_, A> {
    /// Takes this one out of the queue, and others who wait; none where somebody looks for this one already.
    fn lead(&self) -> Option<Others<A>> {
        self.leave(LOOKED_AT_TOGETHER - 1)
    }

    fn leave(&self, others: usize) -> Option<Others<A>> {
        let mut waiting = self.waiters.locked();
        let like = waiting.get_mut(self.key)?;
        let own = like.iter().position(|waiter| waiter.number == self.number)?;
        drop(like.remove(own));
        let others = like.drain(..like.len().min(others)).collect();
        if like.is_empty() {
            waiting.remove(self.key);
        }
        Some(Others(others))
    }
}

impl<A> Drop for Place<'_, A> {
    fn drop(&mut self) {
        self.leave(0);
    }
}

impl<A: Clone> Others<A> {
    /// Whether there is nobody else.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they want to see.
    pub(crate) fn queries(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|waiter| waiter.query.as_str())
    }

    /// Tells them what was seen; who has gone meanwhile misses nothing.
    pub(crate) fn tell(self, seen: &A) {
        for waiter in self.0 {
            let _gone = waiter.answer.send(seen.clone());
        }
    }
}

impl Broker {
    /// Waits for a turn to look, or for another's look that serves as well.
    pub(crate) async fn join<A: Clone>(&self, waiters: &Waiters<A>, key: &str, query: &str) -> Joined<A> {
        let (place, mut told) = waiters.join(key, query);
        let turn = tokio::select! {
            biased;
            seen = &mut told => return self.told(seen.ok()).await,
            turn = self.next_turn() => turn,
        };
        if let Some(others) = place.lead() {
            return Joined::Leads(turn, others);
        }
        drop(turn);
        self.told(told.await.ok()).await
    }

    async fn told<A>(&self, seen: Option<A>) -> Joined<A> {
        match seen {
            Some(seen) => Joined::Told(seen),
            None => Joined::Leads(self.next_turn().await, Others(Vec::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_looks_for_all_of_its_like_who_still_wait() {
        let waiters = Waiters::<()>::default();
        let (left, _told) = waiters.join("a", "left");
        let (second, _told) = waiters.join("a", "second");
        let (third, _told) = waiters.join("a", "third");
        let (other, _told) = waiters.join("b", "other");
        drop(left);
        assert!(second.lead().unwrap().queries().eq(["third"]));
        assert!(third.lead().is_none());
        assert!(other.lead().unwrap().is_empty());
        assert!(waiters.locked().is_empty());
    }

    #[test]
    fn a_look_is_for_so_many_at_most_and_the_first_of_them() {
        let waiters = Waiters::<()>::default();
        let joined: Vec<_> = (0..100).map(|number| waiters.join("a", &number.to_string())).collect();
        let taken = joined[99].0.lead().unwrap();
        assert_eq!((taken.queries().count(), taken.queries().next()), (LOOKED_AT_TOGETHER - 1, Some("0")));
        assert!(joined[0].0.lead().is_none());
        assert!(joined[LOOKED_AT_TOGETHER].0.lead().is_some());
    }
}
