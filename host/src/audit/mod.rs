//! What an auditor asks of one install: what could each backend ever run, what ran, and what was refused.
//!
//! [`Audit::gather`] reads backends, policy and journal; no engine is asked, nothing is compiled or written, and the
//! memory that it takes is bounded, however long the journal is. [`Audit::html`] makes of it one page that needs neither
//! a network nor a script; [`save()`] puts it in its place whole or not at all.

mod event;
mod page;
mod save;
mod sheet;
mod tally;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

pub use event::{Ending, Event, What};
pub use save::{SaveError, save};
pub use sheet::{CommandSheet, LimitSheet, Listed, ProgramSheet, Sheet};
pub use tally::{Counts, Day, Reason, Tally, Times};

use crate::journal::{Filter, Journal, JournalError, VerifyReport};
use crate::policy::Policy;
use crate::state::StateDir;

/// How many events a page shows where nobody says otherwise.
pub const EVENTS: usize = 1000;

/// All that the page tells.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Audit {
    /// The version of this program.
    pub version: &'static str,
    /// When it was made.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// The install; none where nothing was ever done.
    pub install: Option<String>,
    /// Where its state is.
    pub state: String,
    /// The one backend that it is about, where it is not about all.
    pub backend: Option<String>,
    /// The backends.
    pub backends: Vec<Listed>,
    /// What the host runs at its caller's word for no backend; none where the page is about one backend.
    pub host: Option<Sheet>,
    /// What callers may ask for.
    #[serde(serialize_with = "policy_text")]
    pub policy: Policy,
    /// The verification of the journal.
    pub verified: Option<VerifyReport>,
    /// Numbers of the journal.
    pub counts: Counts,
    /// What the journal tells.
    #[serde(rename = "refusals", serialize_with = "refusals")]
    pub tally: Tally,
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// A refusal in JSON.
#[derive(Serialize)]
struct Refused<'a> {
    #[serde(flatten)]
    reason: &'a Reason,
    #[serde(flatten)]
    times: &'a Times,
}

/// The events are the journal's own to print; here stands what was refused and why.
fn refusals<S: serde::Serializer>(tally: &Tally, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tally.reasons.iter().map(|(reason, times)| Refused { reason, times }))
}

fn policy_text<S: serde::Serializer>(policy: &Policy, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&policy.to_toml())
}

impl Audit {
    /// Reads it all: of the journal everything is counted and verified, and the newest events are kept.
    ///
    /// Where a backend is named, backends and events are its alone; the verification is of the whole journal.
    ///
    /// # Errors
    /// When the journal can't be read. One that was changed is no error, but told.
    pub fn gather(
        state: Option<&StateDir>,
        mut backends: Vec<Listed>,
        policy: Policy,
        backend: Option<&str>,
        events: usize,
    ) -> Result<Self, JournalError> {
        let is_asked = |name: &str| backend.is_none_or(|backend| name == backend);
        backends.retain(|listed| is_asked(listed.name()));
        let verified = state.map(|state| Journal::verify(state, None)).transpose()?;
        let tally = Tally::new(events, backend);
        let tally = match state {
            Some(state) => tally.read(Journal::read(state, Filter::default())?)?,
            None => tally,
        };
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            time: Timestamp::now(),
            install: state.map(|state| state.install().to_string()),
            state: state.map(|state| state.path().display().to_string()).unwrap_or_default(),
            backend: backend.map(str::to_owned),
            backends,
            host: Sheet::host().filter(|sheet| is_asked(&sheet.name)),
            policy,
            verified,
            counts: tally.counts,
            tally,
        })
    }

    /// Whether the journal is as it was written.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.verified.as_ref().is_none_or(VerifyReport::is_intact)
    }

    /// How many command lines there are, and how many tokens to think twice about.
    #[must_use]
    pub fn commands(&self) -> (usize, usize) {
        let commands = || self.sheets().flat_map(|sheet| &sheet.commands);
        (commands().count(), commands().map(|command| command.dangers.len()).sum())
    }

    /// The backends that hold.
    pub(crate) fn sheets(&self) -> impl Iterator<Item = &Sheet> {
        self.backends.iter().filter_map(Listed::sheet)
    }

    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        page::page(self).into_string()
    }
}
