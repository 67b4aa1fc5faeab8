//! `logs`: streams that belong to the caller.

use wasmtime::component::Resource;

use super::super::bindings::portreeve::backend::logs::{Host, HostLog};
use super::super::bindings::portreeve::backend::types::{Argument, Error};
use super::super::convert;
use super::super::store::State;
use crate::broker::Running;
use crate::output::LogChunk;

/// A running command whose output is the caller's.
pub struct LogHandle {
    pub(crate) running: Running,
    /// What a guest was given less of than came.
    left: Vec<u8>,
    /// A guest read from it.
    pub(crate) was_read: bool,
}

impl Host for State {
    async fn open(
        &mut self,
        command: String,
        arguments: Vec<Argument>,
    ) -> wasmtime::Result<Result<Resource<LogHandle>, Error>> {
        let ask = convert::ask(command, arguments);
        match self.broker.open(&ask).await {
            Err(error) => Ok(Err(convert::for_guest(error))),
            Ok(running) => Ok(Ok(self.table.push(LogHandle { running, left: Vec::new(), was_read: false })?)),
        }
    }
}

impl HostLog for State {
    async fn read(&mut self, log: Resource<LogHandle>, max: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let log = self.table.get_mut(&log)?;
        log.was_read = true;
        if log.left.is_empty() {
            log.left = match log.running.next().await {
                Some(LogChunk::Stdout(bytes) | LogChunk::Stderr(bytes)) => bytes,
                None => Vec::new(),
            };
        }
        let count = log.left.len().min(usize::try_from(max.max(1)).unwrap_or(usize::MAX));
        Ok(Ok(log.left.drain(..count).collect()))
    }

    async fn drop(&mut self, log: Resource<LogHandle>) -> wasmtime::Result<()> {
        self.table.delete(log)?;
        Ok(())
    }
}
