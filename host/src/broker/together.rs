//! Looks that wait for a turn: whoever has one first looks for all who wait to see the like.
//!
//! A look costs an engine a client's start, and hardly more when it is for thirty containers. It is begun after everyone
//! asked whom it is for, so that none is told what was before.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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

impl<A> Waiters<A> {
    fn join(&self, key: &str, query: &str) -> (u64, Receiver<A>) {
        let (number, (answer, told)) = (self.next.fetch_add(1, Ordering::Relaxed), channel());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let like = waiting.entry(key.to_owned()).or_default();
        like.push(Waiter { number, query: query.to_owned(), answer });
        (number, told)
    }

    /// Takes one who waits, and the others who do, out of the queue; none where somebody looks for this one already.
    fn take(&self, key: &str, number: u64) -> Option<Others<A>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let like = waiting.get_mut(key)?;
        let own = like.iter().position(|waiter| waiter.number == number)?;
        drop(like.remove(own));
        like.retain(|waiter| !waiter.answer.is_closed());
        let others = like.drain(..like.len().min(LOOKED_AT_TOGETHER - 1)).collect();
        if like.is_empty() {
            waiting.remove(key);
        }
        Some(Others(others))
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
        let (number, mut told) = waiters.join(key, query);
        let turn = tokio::select! {
            biased;
            seen = &mut told => return self.told(seen.ok()).await,
            turn = self.next_turn() => turn,
        };
        if let Some(others) = waiters.take(key, number) {
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
        let (_first, _) = waiters.join("a", "left");
        let (second, _told) = waiters.join("a", "second");
        let (third, _told) = waiters.join("a", "third");
        let (other, _told) = waiters.join("b", "other");
        assert!(waiters.take("a", second).unwrap().queries().eq(["third"]));
        assert!(waiters.take("a", third).is_none());
        assert!(waiters.take("b", other).unwrap().is_empty());
        assert!(waiters.waiting.lock().unwrap().is_empty());
    }

    #[test]
    fn a_look_is_for_so_many_at_most_and_the_first_of_them() {
        let waiters = Waiters::<()>::default();
        let joined: Vec<_> = (0..100).map(|number| waiters.join("a", &number.to_string())).collect();
        let last = joined.last().unwrap().0;
        let taken = waiters.take("a", last).unwrap();
        assert_eq!((taken.queries().count(), taken.queries().next()), (LOOKED_AT_TOGETHER - 1, Some("0")));
        assert!(waiters.take("a", joined[0].0).is_none());
        assert!(waiters.take("a", joined[LOOKED_AT_TOGETHER].0).is_some());
    }
}
