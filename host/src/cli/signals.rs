//! What asks us to end: a signal, or the caller's deadline.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::{Failure, Outcome};

const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// From the moment this is made, these signals no longer end the program by themselves.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    deadline: Option<Deadline>,
}

/// When the caller's time is over.
struct Deadline {
    limit: Duration,
    at: tokio::time::Instant,
}

impl Signals {
    /// Begins to listen, and the time to run; within a runtime.
    pub(crate) fn listen(limit: Option<Duration>) -> io::Result<Self> {
        let now = tokio::time::Instant::now();
        // A time that no clock can tell never comes.
        let deadline = limit.and_then(|limit| Some(Deadline { limit, at: now.checked_add(limit)? }));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            deadline,
        })
    }

    /// The next one, as what it ends a command with.
    async fn next(&mut self) -> Failure {
        tokio::select! {
            _ = self.interrupt.recv() => Failure::Interrupted(SIGINT),
            _ = self.terminate.recv() => Failure::Interrupted(SIGTERM),
            _ = self.hangup.recv() => Failure::Interrupted(SIGHUP),
            limit = over(self.deadline.as_ref()) => Failure::Late(limit),
        }
    }

    /// Does some work until a signal comes, or the deadline; then the work is dropped.
    pub(crate) async fn unless<T, E: Into<Failure>>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            done = work => done.map_err(Into::into),
            failure = self.next() => Err(failure),
        }
    }

    /// The same for a whole command.
    pub(crate) async fn guard(&mut self, work: impl Future<Output = Outcome>) -> Outcome {
        self.unless(work).await
    }
}

/// Returns when the time is over, with how long it was; never where there is none.
async fn over(deadline: Option<&Deadline>) -> Duration {
    match deadline {
        Some(deadline) => {
            tokio::time::sleep_until(deadline.at).await;
            deadline.limit
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_dropped_at_the_deadline() {
        let mut signals = Signals::listen(Some(Duration::from_millis(5))).unwrap();
        let work = std::future::pending::<Result<(), Failure>>();
        assert!(matches!(signals.unless(work).await, Err(Failure::Late(limit)) if limit == Duration::from_millis(5)));
    }

    #[tokio::test]
    async fn without_one_there_is_no_end() {
        let mut signals = Signals::listen(None).unwrap();
        let work = async { Ok::<u8, Failure>(7) };
        assert!(matches!(signals.unless(work).await, Ok(7)));
    }
}
