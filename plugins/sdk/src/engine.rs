//! Approved commands of the engine.

#[cfg(target_arch = "wasm32")]
use crate::host;
#[cfg(not(target_arch = "wasm32"))]
use crate::stage as host;
use crate::{Arguments, Result};

#[doc(inline)]
pub use crate::bindings::portreeve::backend::engine::{Line, Output, Source};

/// Runs an approved command to its end, whatever its exit status is.
///
/// # Errors
/// What the host says where it did not run the command.
pub fn run(command: &str, arguments: Arguments) -> Result<Output> {
    host::run(command, &arguments.into_vec())
}

/// Starts an approved command and reads its lines as they come.
///
/// # Errors
/// What the host says where it did not run the command.
pub fn stream(command: &str, arguments: Arguments) -> Result<Lines> {
    host::stream(command, &arguments.into_vec()).map(Lines)
}

/// A command that runs, and its lines as they come. Dropping it ends the command.
#[derive(Debug)]
pub struct Lines(host::Lines);

impl Lines {
    /// Waits for lines: at least one, at most `max`; none at all when the command has ended.
    ///
    /// # Errors
    /// What the host says: the time is over, the caller went away.
    pub fn next(&self, max: u32) -> Result<Vec<Line>> {
        host::next(&self.0, max)
    }

    /// Waits for the end and gives the exit status.
    ///
    /// # Errors
    /// What the host says: the time is over, the caller went away.
    pub fn finish(self) -> Result<i32> {
        host::finish(&self.0)
    }
}
