//! What happens to our containers, as it happens.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;

use super::listener::Listener;
use super::{Inner, Portreeve};
use crate::backend::Backend;
use crate::broker::{Broker, Watched};
use crate::error::Error;
use crate::evidence::ContainerEvent;
use crate::scope::Call;

/// How many events wait to be taken; then the engines wait.
const WAITING: usize = 64;

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
        let since = Timestamp::now();
        let (sender, receiver) = channel(WAITING);
        let (mut listening, mut problems) = (JoinSet::new(), Vec::new());
        for backend in &self.inner.backends {
            match self.inner.listen(backend, since).await {
                Ok((broker, watched)) => {
                    let listener = Listener::new(Arc::clone(&self.inner), broker, sender.clone(), since);
                    listening.spawn(listener.hand_on(watched));
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
    /// The next event; none when no engine tells of any more. An error tells why one does not: its stream that ends is asked
    /// for anew, as long as the engine answers. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Result<ContainerEvent, Error>> {
        self.receiver.recv().await
    }
}

impl Inner {
    /// Starts to listen to an engine that answers.
    async fn listen(&self, backend: &Arc<Backend>, since: Timestamp) -> Result<(Arc<Broker>, Watched), Error> {
        backend.checked_endpoint().map_err(|why| Error::Unavailable(why.to_owned()))?;
        let broker = self.looker(backend, Call::Events)?;
        broker.look_at_list().await?;
        let watched = broker.hear_events(&since.to_string())?;
        Ok((broker, watched))
    }

    /// Labels may hold what a caller would rather not show.
    pub(super) fn shown_event(&self, mut event: ContainerEvent) -> ContainerEvent {
        for (key, value) in &mut event.labels {
            *value = self.redactor.labelled(key, value);
        }
        event
    }
}
