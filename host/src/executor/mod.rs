//! The only place that starts programs.
//!
//! It knows no policy: it takes a [`Permit`], which only the decision can make, and does what it says. The program is
//! the file that was checked, executed by its descriptor; the environment is the permit's and nothing else; there is no
//! standard input but where the permit says so, no shell, and no way to keep a process of the group alive beyond its time.

mod child;
mod environment;
mod input;
mod inside;
mod output;
mod pace;
mod program;
mod reaper;
mod stream;
mod terminal;

pub use environment::close_inherited;
pub(crate) use environment::{EnvValue, EnvironmentError, host_defaults};
pub use input::CommandInput;
pub(crate) use inside::Inside;
pub(crate) use output::{Captured, Exit, RawChunk, RawOutput, Source};
pub(crate) use program::{CheckedProgram, ProgramError, ProgramGrant};
pub(crate) use reaper::GRACE;
pub(crate) use stream::RawStream;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::decision::Permit;
use child::Running;
use reaper::Reaper;
use stream::Clock;

/// Why a command did not run to its end. No argument, value or output is ever in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ExecError {
    /// Nothing was started, or its pipes or status could not be read.
    #[error("command `{command}`: {source}")]
    Failed {
        /// The command's name in the grant.
        command: String,
        /// What failed.
        source: Failure,
    },
    /// The command was ended after its time, with its whole process group.
    #[error("command `{command}` did not end within {} ms and was stopped", after.as_millis())]
    TimedOut {
        /// The command's name in the grant.
        command: String,
        /// The time it had.
        after: Duration,
        /// What was read until then; of a stream, nothing: its caller has it.
        partial: Box<Captured>,
    },
    /// The caller is outside a tokio runtime.
    #[error("commands can only be run within a tokio runtime")]
    NoRuntime,
}

/// What failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The program changed since it was checked.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A variable that can't be handed over.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// An argument that can't be handed over.
    #[error("argument {index} holds a NUL byte")]
    Argument {
        /// Its place in argv.
        index: usize,
    },
    /// The kernel did not execute the program.
    #[error("cannot execute `{}`: {source}", program.display())]
    Spawn {
        /// The checked file.
        program: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A pipe or the child's status could not be read.
    #[error("cannot follow the process: {0}")]
    Io(io::Error),
}

impl Failure {
    fn of(self, command: &str) -> ExecError {
        ExecError::Failed { command: command.to_owned(), source: self }
    }
}

/// Starts programs, and ends what it started.
#[derive(Debug)]
pub(crate) struct Executor {
    reaper: Arc<Reaper>,
}

impl Default for Executor {
    fn default() -> Self {
        Self::with_grace(GRACE)
    }
}

impl Executor {
    /// `grace`: between TERM and KILL. Default: [`GRACE`].
    pub(crate) fn with_grace(grace: Duration) -> Self {
        Self { reaper: Reaper::new(grace) }
    }

    /// Runs a command to its end. Of what it prints, the permit's cap is kept of each stream; the rest is read, counted
    /// and dropped. Dropping the future ends the command with its whole process group.
    ///
    /// # Errors
    /// [`ExecError`]. A command that ends with another status than 0 is not an error here.
    pub(crate) async fn run(&self, permit: &Permit) -> Result<RawOutput, ExecError> {
        let mut stream = self.stream(permit)?;
        let mut captured = Captured::with_cap(permit.output_cap());
        while let Some(chunk) = stream.next().await {
            captured.keep(&chunk);
        }
        match stream.exit().await {
            Ok(exit) => Ok(RawOutput { captured, exit, timing: stream.timing() }),
            Err(error) => Err(error.with_partial(captured)),
        }
    }

    /// Starts a command; its output is read as it comes. Dropping the stream ends the command with its whole process
    /// group.
    ///
    /// # Errors
    /// [`ExecError::Failed`], [`ExecError::NoRuntime`]: nothing runs then.
    pub(crate) fn stream(&self, permit: &Permit) -> Result<RawStream, ExecError> {
        let begun = Instant::now();
        let command = permit.command();
        child::require_runtime()?;
        let (running, ends) = Running::spawn(permit, &self.reaper).map_err(|failure| failure.of(command))?;
        Ok(RawStream::new(command, running, ends, Clock::start(begun, permit.timeout())))
    }

    /// The processes that a command had started in a container, to be ended when it is: those that bear this variable,
    /// in the PID namespace of the container's first process.
    pub(crate) fn inside(&self, name: &str, word: &str, first: Option<u32>) -> Inside {
        Inside::new(&self.reaper, name, word, first)
    }

    /// Waits until every group that is being ended is gone, at most `limit`; whether that came about. Blocks: for the
    /// end of the program, whose own end would also end the waiting for stubborn children.
    pub(crate) fn settle(&self, limit: Duration) -> bool {
        self.reaper.settle(limit)
    }
}

impl ExecError {
    fn with_partial(self, captured: Captured) -> Self {
        match self {
            Self::TimedOut { command, after, .. } => Self::TimedOut { command, after, partial: Box::new(captured) },
            other => other,
        }
    }
}

#[cfg(test)]
mod ending_tests;
#[cfg(test)]
mod tests;
