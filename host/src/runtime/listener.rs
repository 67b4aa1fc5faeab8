//! One engine's events, for as long as it answers: its client's stream may end before that. Podman's does whenever its file
//! of events is rotated, and a daemon's when it is started anew.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use super::Inner;
use crate::broker::{Broker, Watched};
use crate::error::Error;
use crate::evidence::ContainerEvent;
use crate::evidence::events::{Lines, Reader};
use crate::executor::Source;

/// How much of what an engine says on its standard error is kept: the end of it.
const SAID: usize = 4 << 10;
/// How long to wait before a stream is asked for anew; it doubles with each that told nothing new.
const PAUSE: Duration = Duration::from_millis(100);
/// So many streams in a row may end at once and without anything new, and then the engine is given up.
const PATIENCE: u32 = 5;
/// A stream that lasts so long did not end at once.
const LASTING: Duration = Duration::from_secs(10);

/// Listens to one engine.
pub(super) struct Listener {
    inner: Arc<Inner>,
    broker: Arc<Broker>,
    sender: Sender<Result<ContainerEvent, Error>>,
    told: Told,
}

/// How a stream ended.
enum End {
    /// Nobody listens any more.
    Unheard,
    /// The engine's client did, with what it said.
    Client(Error),
}

impl Listener {
    pub(super) fn new(
        inner: Arc<Inner>,
        broker: Arc<Broker>,
        sender: Sender<Result<ContainerEvent, Error>>,
        since: Timestamp,
    ) -> Self {
        Self { inner, broker, sender, told: Told::new(since) }
    }

    /// Hands on events until the engine does not answer any more, or nobody listens.
    pub(super) async fn hand_on(mut self, mut watched: Watched) {
        let mut idle = 0;
        loop {
            let (begun, before) = (Instant::now(), self.told.count);
            let End::Client(error) = self.hear(watched).await else { return };
            let in_vain = self.told.count == before && begun.elapsed() < LASTING;
            idle = if in_vain { idle + 1 } else { 0 };
            watched = match self.again(idle).await {
                Some(watched) => watched,
                None => break self.give_up(error).await,
            };
        }
    }

    /// Another stream, from a little before the last event on; none where the engine is to be given up.
    async fn again(&self, idle: u32) -> Option<Watched> {
        if idle >= PATIENCE {
            return None;
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(idle)).await;
        self.broker.look_at_list().await.ok()?;
        self.broker.hear_events(&self.told.since().to_string()).ok()
    }

    async fn give_up(&self, error: Error) {
        // Nobody may listen any more.
        let _unheard = self.sender.send(Err(error)).await;
    }

    /// Hands on the events of one stream.
    async fn hear(&mut self, mut watched: Watched) -> End {
        let (mut lines, mut said) = (Lines::default(), Vec::new());
        while let Some(chunk) = watched.next().await {
            if chunk.source() == Source::Stderr {
                said.extend_from_slice(chunk.expose());
                said.drain(..said.len().saturating_sub(SAID));
                continue;
            }
            for line in lines.feed(chunk.expose()) {
                if !self.tell(&line).await {
                    return End::Unheard;
                }
            }
        }
        End::Client(self.ended(&said, watched.finish().await))
    }

    /// Hands on the event of a line, if it is one that was not told before; whether somebody listens still.
    async fn tell(&mut self, line: &[u8]) -> bool {
        match self.read(line).filter(|event| self.told.is_new(event)) {
            Some(event) => self.sender.send(Ok(self.inner.shown_event(event))).await.is_ok(),
            None => true,
        }
    }

    fn read(&self, line: &[u8]) -> Option<ContainerEvent> {
        let grant = self.broker.backend().grants().evidence().events.as_ref()?;
        let (key, install) = (self.inner.state.key(), self.inner.state.install());
        Reader { grant, backend: self.broker.backend().name(), key, install }.read(line)
    }

    fn ended(&self, said: &[u8], finished: Result<i32, Error>) -> Error {
        let last = self.inner.redactor.text(String::from_utf8_lossy(said).trim());
        let last = last.lines().next_back().unwrap_or_default().to_owned();
        let name = self.broker.backend().name();
        match finished {
            Ok(status) => Error::Unavailable(format!("{name} tells of no more events: status {status}: {last}")),
            Err(error) => error,
        }
    }
}

/// What was told, so that nothing is told twice where a stream begins before another ended.
struct Told {
    begun: Timestamp,
    newest: Timestamp,
    /// How many events there were.
    count: u64,
    hasher: RandomState,
    last: VecDeque<u64>,
}

impl Told {
    /// Events are noted by several processes: those of one moment need not stand in their order.
    const OVERLAP: SignedDuration = SignedDuration::from_secs(5);
    /// More than an engine has in that time.
    const KEPT: usize = 4096;

    fn new(since: Timestamp) -> Self {
        Self { begun: since, newest: since, count: 0, hasher: RandomState::new(), last: VecDeque::new() }
    }

    /// Whether an event was not told before; it is, from now on.
    fn is_new(&mut self, event: &ContainerEvent) -> bool {
        let mark = self.hasher.hash_one((&event.id, &event.time, event.happening.as_str()));
        if self.last.contains(&mark) {
            return false;
        }
        self.last.truncate(Self::KEPT - 1);
        self.last.push_front(mark);
        self.count += 1;
        self.newest = event.time.parse().unwrap_or(self.newest).max(self.newest);
        true
    }

    /// From when on to listen again. An engine's clock that was set back is not waited for.
    fn since(&self) -> Timestamp {
        let newest = self.newest.min(Timestamp::now());
        newest.checked_sub(Self::OVERLAP).unwrap_or(newest).max(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Happening;

    fn event(time: &str, happening: Happening) -> ContainerEvent {
        let (id, name, backend) = ("a".repeat(64), "web".to_owned(), "podman".to_owned());
        ContainerEvent { id, name, backend, time: time.to_owned(), happening, labels: [].into() }
    }

    #[test]
    fn nothing_is_told_twice() {
        let mut told = Told::new("2026-11-30T10:00:00Z".parse().unwrap());
        let (early, late) = ("2026-11-30T10:00:07Z", "2026-11-30T10:00:09Z");
        assert_eq!(told.since().to_string(), "2026-11-30T10:00:00Z");
        assert!(told.is_new(&event(late, Happening::Started)));
        assert!(told.is_new(&event(early, Happening::Created)), "another process noted it later");
        assert!(told.is_new(&event(late, Happening::Died { status: Some(0) })));
        assert!(!told.is_new(&event(late, Happening::Started)) && !told.is_new(&event(early, Happening::Created)));
        assert_eq!((told.count, told.since().to_string().as_str()), (3, "2026-11-30T10:00:04Z"));
    }

    #[test]
    fn what_was_before_is_not_told() {
        let mut told = Told::new("2026-11-30T10:00:00Z".parse().unwrap());
        assert!(told.is_new(&event("2026-11-30T10:00:01Z", Happening::Started)));
        assert_eq!(told.since().to_string(), "2026-11-30T10:00:00Z");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut told = Told::new(Timestamp::UNIX_EPOCH);
        for second in 0..5000 {
            assert!(told.is_new(&event(&Timestamp::new(second, 0).unwrap().to_string(), Happening::Started)));
        }
        assert_eq!(told.last.len(), Told::KEPT);
    }

    #[test]
    fn a_clock_that_was_set_back_is_not_waited_for() {
        let mut told = Told::new(Timestamp::UNIX_EPOCH);
        assert!(told.is_new(&event("2999-01-01T00:00:00Z", Happening::Started)));
        assert!(told.since() < Timestamp::now());
    }
}
