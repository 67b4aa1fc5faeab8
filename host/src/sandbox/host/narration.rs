//! `narration`: words for the caller.

use super::super::bindings::portreeve::backend::narration::{Host, Level as GuestLevel, Progress};
use super::super::store::State;
use crate::event::Level;

impl Host for State {
    async fn say(&mut self, level: GuestLevel, message: String) -> wasmtime::Result<()> {
        let level = match level {
            GuestLevel::Detail => Level::Detail,
            GuestLevel::Info => Level::Info,
            GuestLevel::Warning => Level::Warning,
        };
        self.broker.narrate(level, &message);
        Ok(())
    }

    async fn report(&mut self, progress: Progress) -> wasmtime::Result<()> {
        self.broker.progress(&progress.item, &progress.status, progress.current, progress.total);
        Ok(())
    }
}
