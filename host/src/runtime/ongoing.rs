//! Creations that go on: an engine makes what it was asked for, also when nobody waits for it any more.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::Portreeve;
use crate::error::Error;
use crate::state::Turn;

/// How long an engine has to answer when nobody waits any more.
const ANSWER: Duration = Duration::from_secs(5);

/// How many go on.
pub(super) struct Ongoing(watch::Sender<usize>);

impl Default for Ongoing {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

/// One of them, until it is dropped.
struct One(watch::Sender<usize>);

impl One {
    fn begin(all: &Ongoing) -> Self {
        all.0.send_modify(|count| *count += 1);
        Self(all.0.clone())
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Ongoing {
    /// Does some work to its end, and keeps its turn until then. Where the caller goes away meanwhile, what was made is
    /// `unwanted`: it is taken away again, and nobody else gets a turn before that. None where the engine took too long.
    pub(super) async fn to_its_end<T, W, U, D>(&self, turn: Option<Turn>, work: W, unwanted: U) -> Result<T, Error>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
        U: FnOnce(Option<T>) -> D + Send + 'static,
        D: Future<Output = ()> + Send,
    {
        let one = One::begin(self);
        let (mut told, awaited) = oneshot::channel();
        tokio::spawn(async move {
            let _until_the_end = (one, turn);
            let done = tokio::select! {
                done = work => Some(done),
                () = left_alone(&mut told) => None,
            };
            match done.map(|done| told.send(done)) {
                // What failed has undone itself.
                Some(Ok(()) | Err(Err(_))) => {}
                Some(Err(Ok(made))) => unwanted(Some(made)).await,
                None => unwanted(None).await,
            }
        });
        awaited.await.unwrap_or(Err(Error::Cancelled))
    }
}

/// Returns when the caller of a create is gone, and the engine had its time to answer even so.
async fn left_alone<T>(told: &mut oneshot::Sender<T>) {
    told.closed().await;
    tokio::time::sleep(ANSWER).await;
}

impl Portreeve {
    /// Waits until nothing is created any more. A call whose caller went away while an engine was creating goes on to its
    /// end, or for 5 s, and takes away what was made: a program that ends should wait for that.
    pub async fn settled(&self) {
        let mut count = self.inner.ongoing.0.subscribe();
        // Its sender lives as long as this host.
        let _none = count.wait_for(|count| *count == 0).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_is_taken_away_when_it_was_made() {
        let (ongoing, gone) = (Ongoing::default(), Arc::new(AtomicUsize::new(0)));
        let (made, taken) = (Arc::clone(&gone), Arc::clone(&gone));
        let work = async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            made.store(1, Ordering::SeqCst);
            Ok(())
        };
        let unwanted = async move |made: Option<()>| {
            assert!(made.is_some());
            taken.store(2, Ordering::SeqCst);
        };
        let call = ongoing.to_its_end(None, work, unwanted);
        assert!(tokio::time::timeout(Duration::from_millis(5), call).await.is_err());
        ongoing.0.subscribe().wait_for(|count| *count == 0).await.unwrap();
        assert_eq!(gone.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_somebody_waits_for_is_handed_over() {
        let ongoing = Ongoing::default();
        let unwanted = async |_: Option<u8>| panic!("it was wanted");
        assert_eq!(ongoing.to_its_end(None, async { Ok(7) }, unwanted).await.unwrap(), 7);
    }
}
