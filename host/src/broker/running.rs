//! Commands that run, and whose output is read as it comes.

use super::pending::Pending;
use super::turns::Turn;
use crate::decision::Permit;
use crate::error::Error;
use crate::executor::{CommandInput, ExecError, RawChunk, RawStream};
use crate::grants::{Effect, Object};
use crate::output::RedactedStream;
use crate::spec::WindowSize;

/// A command of the host's own that runs. What it prints is for the host alone. Dropped, it is ended.
pub(crate) struct Watched {
    pub(super) stream: RawStream,
    pub(super) intent: Pending,
}

impl Watched {
    /// The next piece of output; none at the end.
    pub(crate) async fn next(&mut self) -> Option<RawChunk> {
        self.stream.next().await
    }

    /// Waits for the end, records it, and gives the exit status.
    pub(crate) async fn finish(mut self) -> Result<i32, Error> {
        let exit = self.stream.exit().await.map_err(ended)?;
        let status = crate::output::status(exit);
        self.intent.concluded(status, None)?;
        Ok(status)
    }
}

fn ended(error: ExecError) -> Error {
    match error {
        ExecError::TimedOut { .. } => Error::Timeout(error.to_string()),
        other => Error::Unavailable(other.to_string()),
    }
}

/// A command that runs, and its record that waits for the outcome.
pub(crate) struct Running {
    /// None in a dry run.
    pub(super) stream: Option<RedactedStream>,
    pub(super) intent: Option<Pending>,
    /// Until it is under way.
    pub(super) turn: Option<Turn>,
    pub(super) permit: Permit,
}

impl Running {
    /// What was not started.
    pub(super) fn nothing(permit: Permit) -> Self {
        Self { stream: None, intent: None, turn: None, permit }
    }

    /// The next piece of output; none at the end.
    pub(crate) async fn next(&mut self) -> Option<crate::output::LogChunk> {
        let piece = self.stream.as_mut()?.next().await;
        self.turn = None;
        piece
    }

    /// Waits for the end, records it, and gives the exit status.
    pub(crate) async fn finish(&mut self) -> Result<i32, Error> {
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let status = stream.exit().await.map_err(ended)?;
        if let Some(intent) = self.intent.take() {
            intent.concluded(status, None)?;
        }
        Ok(status)
    }

    /// Where the caller writes.
    pub(crate) fn take_input(&mut self) -> Option<CommandInput> {
        self.stream.as_mut()?.take_input()
    }

    /// Sets the size of its terminal.
    pub(crate) fn resize(&self, size: WindowSize) -> Result<(), Error> {
        let Some(stream) = &self.stream else { return Ok(()) };
        stream.resize(size).map_err(|error| Error::io("the size of a terminal", error))
    }

    /// Whether it is one that does something to a container.
    pub(crate) fn changes_a_container(&self) -> bool {
        (self.permit.effect(), self.permit.object()) == (Effect::Change, Object::Container)
    }

    /// The name of the command in the grants.
    pub(crate) fn command(&self) -> &str {
        self.permit.command()
    }
}
