//! An intent that waits for its outcome. Dropped without one, the call was cancelled, and the journal says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Services;
use crate::error::Error;
use crate::journal::{CallId, Effect, Entry, Kind, Seq};
use crate::output::Output;
use crate::owner::ObjectKind;

pub(super) struct Pending {
    services: Arc<Services>,
    intent: Seq,
    call: CallId,
    effect: Option<Effect>,
    object: Option<ObjectKind>,
    backend: Option<String>,
    command: Option<String>,
    name: Option<String>,
    begun: Instant,
    concluded: bool,
}

impl Pending {
    /// Records the intent; without the record there is no permit to act.
    pub(super) fn begin(services: &Arc<Services>, entry: Entry<'_>, call: CallId) -> Result<Self, Error> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (effect, object) = (entry.effect, entry.object);
        let (backend, command, name) = (text(entry.backend), text(entry.command), text(entry.name));
        let intent = services.journal.intent(entry).map_err(|error| Error::State(format!("the journal: {error}")))?;
        let services = Arc::clone(services);
        let begun = Instant::now();
        Ok(Self { services, intent, call, effect, object, backend, command, name, begun, concluded: false })
    }

    /// Records how it ended; of a command that ran to its end, how long the start of its program took.
    pub(super) fn concluded(mut self, status: i32, spawn: Option<Duration>) -> Result<(), Error> {
        let micros = spawn.map(|spawn| spawn.as_micros().to_string());
        let facts: Vec<(&str, &str)> = micros.iter().map(|micros| ("spawn_us", micros.as_str())).collect();
        self.conclude(Some(status), None, &facts).map_err(Error::State)
    }

    /// A dry run: recorded, and not run.
    pub(super) fn left_out(mut self) -> Output {
        // The intent stands; a record of its outcome that can't be written harms nobody, for nothing ran.
        let _unwritten = self.conclude(None, Some("dry run"), &[]);
        Output::default()
    }

    fn conclude(&mut self, status: Option<i32>, why: Option<&str>, facts: &[(&str, &str)]) -> Result<(), String> {
        self.concluded = true;
        let duration = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let entry = Entry {
            call: Some(self.call),
            effect: self.effect,
            object: self.object,
            backend: self.backend.as_deref(),
            command: self.command.as_deref(),
            name: self.name.as_deref(),
            status,
            duration_us: Some(duration),
            why,
            facts,
            ..Entry::new(Kind::Outcome)
        };
        self.services.journal.outcome(self.intent, entry).map(drop).map_err(|error| format!("the journal: {error}"))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.concluded {
            // Nobody is left to tell; an intent without an outcome says as much.
            let _unwritten = self.conclude(None, Some("not seen to its end"), &[]);
        }
    }
}
