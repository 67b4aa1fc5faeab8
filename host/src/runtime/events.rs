//! What happens to our containers, as it happens.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::{Inner, Portreeve};
use crate::backend::Backend;
use crate::broker::{Broker, Watched};
use crate::error::Error;
use crate::evidence::ContainerEvent;
use crate::evidence::events::{Lines, Reader};
use crate::executor::Source;
use crate::scope::Call;

/// How many events wait to be taken; then the engines wait.
const WAITING: usize = 64;
/// How much of what an engine says on its standard error is kept: the end of it.
const SAID: usize = 4 << 10;

/// Events of the containers of this install, from every engine that answers. Dropping it ends the engines' clients.
pub struct EventStream {
    receiver: Receiver<Result<ContainerEvent, Error>>,
    _listening: JoinSet<()>,
}

impl Portreeve {
    /// Listens to what happens to the containers of this install from now on.
    ///
    /// An engine's own stream is read by the host; what bears no owner label of this install is left out.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn events(&self) -> Result<EventStream, Error> {
        let since = Timestamp::now().to_string();
        let (sender, receiver) = channel(WAITING);
        let (mut listening, mut problems) = (JoinSet::new(), Vec::new());
        for backend in &self.inner.backends {
            match self.inner.listen(backend, &since).await {
                Ok((broker, watched)) => {
                    let (inner, sender) = (Arc::clone(&self.inner), sender.clone());
                    listening.spawn(async move { inner.hand_on(&broker, watched, &sender).await });
                }
                Err(error @ (Error::State(_) | Error::Refused(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        if listening.is_empty() {
            return Err(Error::NoEngine(problems));
        }
        Ok(EventStream { receiver, _listening: listening })
    }
}

impl EventStream {
    /// The next event; none when every engine's stream has ended. An error tells that one has ended badly. Cancelling it
    /// loses nothing.
    pub async fn next(&mut self) -> Option<Result<ContainerEvent, Error>> {
        self.receiver.recv().await
    }
}

impl Inner {
    /// Starts to listen to an engine that answers.
    async fn listen(&self, backend: &Arc<Backend>, since: &str) -> Result<(Arc<Broker>, Watched), Error> {
        backend.checked_endpoint().map_err(|why| Error::Unavailable(why.to_owned()))?;
        let broker = self.looker(backend, Call::Events)?;
        broker.look_at_list().await?;
        let watched = broker.hear_events(since)?;
        Ok((broker, watched))
    }

    /// Hands on events until the engine ends its stream, or nobody listens any more.
    async fn hand_on(&self, broker: &Broker, mut watched: Watched, sender: &Sender<Result<ContainerEvent, Error>>) {
        let Some(grant) = broker.backend().grants().evidence().events.as_ref() else { return };
        let (key, install) = (self.state.key(), self.state.install());
        let reader = Reader { grant, backend: broker.backend().name(), key, install };
        let (mut lines, mut said) = (Lines::default(), Vec::new());
        while let Some(chunk) = watched.next().await {
            if chunk.source() == Source::Stderr {
                said.extend_from_slice(chunk.expose());
                said.drain(..said.len().saturating_sub(SAID));
                continue;
            }
            for event in lines.feed(chunk.expose()).iter().filter_map(|line| reader.read(line)) {
                if sender.send(Ok(self.shown_event(event))).await.is_err() {
                    return;
                }
            }
        }
        let last = self.redactor.text(String::from_utf8_lossy(&said).trim());
        let last = last.lines().next_back().unwrap_or_default().to_owned();
        let ended =
            |why: String| Error::Unavailable(format!("{} tells of no more events: {why}", broker.backend().name()));
        let error = match watched.finish().await {
            Ok(0) => return,
            Ok(status) => ended(format!("status {status}: {last}")),
            Err(error) => error,
        };
        // Nobody may listen any more.
        let _unheard = sender.send(Err(error)).await;
    }

    /// Labels may hold what a caller would rather not show.
    fn shown_event(&self, mut event: ContainerEvent) -> ContainerEvent {
        for (key, value) in &mut event.labels {
            *value = self.redactor.labelled(key, value);
        }
        event
    }
}
