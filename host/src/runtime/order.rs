//! Asking several engines side by side, and yet in the order of preference.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;

/// How long the next engine waits for the one before it. What answers in this time spares the others the question; what
/// does not has them asked beside it.
pub(super) const HEAD_START: Duration = Duration::from_millis(250);

/// Asks one thing after another has had its head start, or at once when that one was found wanting.
struct Lane<'a, T> {
    asking: Option<Pin<Box<dyn Future<Output = T> + Send + 'a>>>,
    answer: Option<T>,
}

impl<T> Lane<'_, T> {
    fn is_done(&mut self, context: &mut std::task::Context<'_>) -> bool {
        if let Some(asking) = &mut self.asking
            && let Poll::Ready(answer) = asking.as_mut().poll(context)
        {
            (self.answer, self.asking) = (Some(answer), None);
        }
        self.asking.is_none()
    }
}

/// The answers up to the first that will do, in the order of the asked; the last is the one that will do, where there is
/// any. Those after it are dropped, and with them whatever they had started.
pub(super) async fn first_that_will_do<'a, A, T, F>(
    asked: &'a [A],
    ask: impl Fn(&'a A) -> F,
    will_do: impl Fn(&T) -> bool + Copy + Send + 'a,
) -> Vec<T>
where
    A: Sync,
    T: Send,
    F: Future<Output = T> + Send + 'a,
{
    let wanting: Vec<Notify> = asked.iter().map(|_| Notify::new()).collect();
    let mut before: Option<&Notify> = None;
    let mut lanes = Vec::new();
    for ((one, wanting), number) in asked.iter().zip(&wanting).zip(0_u32..) {
        let (asking, waited) = (ask(one), before.replace(wanting));
        lanes.push(Lane {
            asking: Some(Box::pin(async move {
                if let Some(waited) = waited {
                    // Either will do: its time is over, or it was found wanting.
                    let _either = tokio::time::timeout(HEAD_START * number, waited.notified()).await;
                }
                let answer = asking.await;
                if !will_do(&answer) {
                    wanting.notify_one();
                }
                answer
            })),
            answer: None,
        });
    }
    let enough = poll_fn(|context| {
        let done: Vec<bool> = lanes.iter_mut().map(|lane| lane.is_done(context)).collect();
        let count = done.iter().take_while(|done| **done).count();
        let chosen = lanes.iter().take(count).position(|lane| lane.answer.as_ref().is_some_and(will_do));
        match chosen {
            Some(at) => Poll::Ready(at + 1),
            None if count == lanes.len() => Poll::Ready(count),
            None => Poll::Pending,
        }
    })
    .await;
    lanes.into_iter().take(enough).filter_map(|lane| lane.answer).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Milliseconds that an engine takes, and whether it works.
    type Engine = (u64, bool);

    async fn asked(engines: &[Engine]) -> (Vec<Engine>, u32, u128) {
        let (begun, count) = (tokio::time::Instant::now(), AtomicU32::new(0));
        let answers = first_that_will_do(
            engines,
            async |engine: &Engine| {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(engine.0)).await;
                *engine
            },
            |engine| engine.1,
        )
        .await;
        (answers, count.into_inner(), begun.elapsed().as_millis())
    }

    #[tokio::test]
    async fn the_preferred_one_is_asked_alone_where_it_is_quick() {
        let (answers, count, _) = asked(&[(1, true), (1, true)]).await;
        assert_eq!((answers, count), (vec![(1, true)], 1));
    }

    #[tokio::test]
    async fn one_that_does_not_work_makes_room_at_once() {
        let (answers, _, took) = asked(&[(1, false), (1, false), (1, true)]).await;
        assert_eq!(answers, [(1, false), (1, false), (1, true)]);
        assert!(took < HEAD_START.as_millis(), "{took} ms");
    }

    #[tokio::test]
    async fn a_slow_one_is_asked_beside_the_next_and_still_preferred() {
        let (answers, count, took) = asked(&[(600, true), (300, true)]).await;
        assert_eq!((answers, count), (vec![(600, true)], 2));
        assert!(took < 900, "{took} ms");
        let (answers, ..) = asked(&[(600, false), (300, true)]).await;
        assert_eq!(answers, [(600, false), (300, true)]);
    }

    #[tokio::test]
    async fn none_gives_all_answers() {
        assert_eq!(asked(&[]).await.0, []);
        assert_eq!(asked(&[(1, false), (2, false)]).await.0, [(1, false), (2, false)]);
    }
}
