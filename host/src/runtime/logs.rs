//! Output of containers, redacted, as it comes.

use std::sync::Arc;

use super::create::Created;
use super::exec::Executed;
use super::gpus::ExposureWatch;
use super::{Inner, Portreeve};
use crate::broker::{Broker, Running};
use crate::error::Error;
use crate::evidence::ContainerState;
use crate::executor::CommandInput;
use crate::output::LogChunk;
use crate::sandbox::Guest;
use crate::scope::{Call, LogOptions, Scope};
use crate::spec::WindowSize;

/// The output of a container: its log, or what it prints while it runs. Dropping it ends the reading.
///
/// Nothing is read ahead: whoever reads slowly makes the container wait, and memory stays bounded.
pub struct LogStream {
    inner: Arc<Inner>,
    broker: Arc<Broker>,
    running: Running,
    /// The container's.
    id: String,
    /// Of a run with its output attached: what is to be looked at when it ends.
    attached: Option<Attached>,
    /// Of a command in a container: what is to be ended when nobody waits for it any more.
    executed: Option<Executed>,
    /// Standard error's end, or a terminal's: what the engine says where it could not start.
    last_words: Vec<u8>,
    /// Standard output's end, of a command in a container: some engines say there that they could not start it.
    last_output: Vec<u8>,
}

struct Attached {
    created: Created,
    remove: bool,
    /// Looks at the GPUs that it sees.
    exposure: Option<ExposureWatch>,
}

impl Portreeve {
    /// Opens the log of a container of ours.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours.
    pub async fn logs(&self, name: &str, options: &LogOptions) -> Result<LogStream, Error> {
        let (backend, container) = self.inner.find(Call::Logs, name).await?;
        let redactor = self.inner.redactor_of_container(&container);
        let scope = Scope::of_container(Call::Logs, name, &container.id).with_log_options(options);
        let broker = self.inner.broker(&backend, scope, &redactor)?;
        let running = Guest::enter(&self.inner.sandbox, Arc::clone(&broker)).await?.logs(name, options).await?;
        Ok(LogStream::new(Arc::clone(&self.inner), broker, running, container.id))
    }
}

impl LogStream {
    pub(super) fn attached(
        inner: Arc<Inner>,
        broker: Arc<Broker>,
        running: Running,
        created: Created,
        remove: bool,
    ) -> Self {
        let asked = created.gpus.as_ref();
        let exposure = asked.and_then(|gpus| inner.watch_exposure(broker.backend(), &created.container, gpus));
        let id = created.container.id.clone();
        Self { attached: Some(Attached { created, remove, exposure }), ..Self::new(inner, broker, running, id) }
    }

    pub(super) fn executed(
        inner: Arc<Inner>,
        broker: Arc<Broker>,
        running: Running,
        id: String,
        executed: Executed,
    ) -> Self {
        Self { executed: Some(executed), ..Self::new(inner, broker, running, id) }
    }

    fn new(inner: Arc<Inner>, broker: Arc<Broker>, running: Running, id: String) -> Self {
        Self {
            inner,
            broker,
            running,
            id,
            attached: None,
            executed: None,
            last_words: Vec::new(),
            last_output: Vec::new(),
        }
    }

    /// Where the caller writes to what takes an input; once. Whoever does not take it should not have asked for an
    /// input: the command waits for one until the stream is finished or dropped.
    pub fn take_input(&mut self) -> Option<CommandInput> {
        self.running.take_input()
    }

    /// Sets the size of its terminal; of what has none, nothing.
    ///
    /// # Errors
    /// `Io` where the kernel does not.
    pub fn resize(&self, size: WindowSize) -> Result<(), Error> {
        self.running.resize(size)
    }

    /// Whether this is a dry run, in which nothing runs.
    pub(super) fn is_left_out(&self) -> bool {
        self.inner.services.dry_run
    }

    /// The next piece; none at the end. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<LogChunk> {
        let chunk = self.running.next().await?;
        match &chunk {
            LogChunk::Stderr(bytes) => keep_end(&mut self.last_words, bytes),
            // A terminal has one stream.
            LogChunk::Stdout(bytes) if self.executed.as_ref().is_some_and(Executed::is_terminal) => {
                keep_end(&mut self.last_words, bytes);
            }
            LogChunk::Stdout(bytes) if self.executed.is_some() => keep_end(&mut self.last_output, bytes),
            LogChunk::Stdout(_) => {}
        }
        Some(chunk)
    }

    /// Waits for the end and gives the exit status: the container's own for a run, the command's own for an exec, else 0.
    ///
    /// # Errors
    /// `Engine` where the engine failed; for a run, what was created is removed again then.
    pub async fn finish(mut self) -> Result<i32, Error> {
        while self.next().await.is_some() {}
        let ended = self.running.finish().await;
        if self.attached.is_none() && ended.as_ref().is_ok_and(|status| *status != 0) {
            // A client that loses its daemon ends with a status of its own, some without a word.
            self.broker.look_at_containers(&[&self.id]).await?;
        }
        if let Some(executed) = &mut self.executed {
            return executed.conclude(self.running.command(), ended, &self.last_words, &self.last_output);
        }
        let status = ended?;
        match self.attached.take() {
            Some(attached) => self.conclude(status, attached).await,
            None if status == 0 => Ok(0),
            None => Err(Error::Engine {
                command: self.running.command().to_owned(),
                status,
                message: "the log ended early".to_owned(),
            }),
        }
    }

    /// The container's own status, from the host's evidence; then it is removed where that was asked.
    async fn conclude(&self, status: i32, attached: Attached) -> Result<i32, Error> {
        let Attached { created, remove, exposure } = attached;
        let backend = self.broker.backend();
        if let Some(wrong) = exposure.and_then(|exposure| exposure.wrong()) {
            self.inner.abandon(backend, &created.container.name).await;
            self.inner.unmake(backend, &created.volumes).await;
            return Err(wrong);
        }
        if self.inner.services.dry_run {
            if remove {
                self.inner.remove_container(backend, &created.container, true).await?;
            }
            return Ok(0);
        }
        let seen = self.inner.look_again(backend, &created.container).await?;
        let ended = seen.as_ref().is_none_or(|seen| seen.state != ContainerState::Created);
        if remove || !ended {
            self.inner.abandon(backend, &created.container.name).await;
        }
        if !ended {
            self.inner.unmake(backend, &created.volumes).await;
            let message = self.broker.redactor().text(String::from_utf8_lossy(&self.last_words).trim());
            return Err(unstarted(self.running.command(), status, message));
        }
        Ok(seen.and_then(|seen| seen.exit_code).unwrap_or(status))
    }

    /// Ends what a run began: the container is removed. For a caller that goes away.
    pub async fn abandon(self) {
        if let Some(attached) = &self.attached {
            self.inner.abandon(self.broker.backend(), &attached.created.container.name).await;
        }
    }
}

/// Why a container did not start, by what its engine said on the caller's own output: no backend has read that.
fn unstarted(command: &str, status: i32, message: String) -> Error {
    match ["address already in use", "port is already allocated"].iter().any(|phrase| message.contains(phrase)) {
        true => Error::PortInUse(message),
        false => Error::Engine { command: command.to_owned(), status, message },
    }
}

/// Keeps the end of what was said.
fn keep_end(said: &mut Vec<u8>, bytes: &[u8]) {
    const KEPT: usize = 4096;
    let end = bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default();
    said.extend_from_slice(end);
    let excess = said.len().saturating_sub(KEPT);
    said.drain(..excess);
}
