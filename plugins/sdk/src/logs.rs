//! Streams that belong to the caller: a backend opens one and returns it.

#[cfg(target_arch = "wasm32")]
use crate::host;
#[cfg(not(target_arch = "wasm32"))]
use crate::stage as host;
use crate::{Arguments, Result};

/// A running command whose output is the caller's. Dropping it ends the command.
#[derive(Debug)]
pub struct Log(host::Log);

impl Log {
    /// Reads some redacted bytes, both streams mixed: at most `max`, none at the end. A backend seldom needs it.
    ///
    /// # Errors
    /// What the host says: the time is over, the caller went away.
    pub fn read(&self, max: u32) -> Result<Vec<u8>> {
        host::read(&self.0, max)
    }
}

#[cfg(target_arch = "wasm32")]
impl From<Log> for host::Log {
    fn from(log: Log) -> Self {
        log.0
    }
}

/// Starts an approved command whose output is the caller's.
///
/// # Errors
/// What the host says where it did not run the command.
pub fn open(command: &str, arguments: Arguments) -> Result<Log> {
    host::open(command, &arguments.into_vec()).map(Log)
}
