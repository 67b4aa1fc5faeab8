//! What a caller hears while a call runs. Everything in it is redacted.

use std::fmt;
use std::sync::Arc;

/// How much a word weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever looks closely.
    Detail,
    /// What happens.
    Info,
    /// What the caller should know.
    Warning,
}

/// Something that happened while a call ran.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The host, or a backend, says something.
    Narration {
        /// Who: a backend's name, or `portreeve`.
        from: String,
        /// How much it weighs.
        level: Level,
        /// What.
        message: String,
    },
    /// How far a pull is.
    Progress {
        /// What is worked on.
        item: String,
        /// What happens to it.
        status: String,
        /// Bytes done.
        #[serde(skip_serializing_if = "Option::is_none")]
        current: Option<u64>,
        /// Bytes in all.
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// A command is about to run; with a dry run, it would.
    Command {
        /// The backend that asked, or `portreeve` where the host looks for itself.
        from: String,
        /// The argv.
        argv: Vec<String>,
        /// Whether it is left out, since this is a dry run.
        skipped: bool,
    },
}

/// Whoever hears events.
type Listener = dyn Fn(&Event) + Send + Sync;

/// Where events go.
#[derive(Clone)]
pub(crate) struct Events(Option<Arc<Listener>>);

impl Events {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn to(listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Hands an event over; it is made only where somebody listens.
    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        if let Some(listener) = &self.0 {
            listener(&event());
        }
    }

    /// A word of the host's own.
    pub(crate) fn say(&self, level: Level, message: impl FnOnce() -> String) {
        self.emit(|| Event::Narration { from: "portreeve".to_owned(), level, message: message() });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Events(heard)" } else { "Events(unheard)" })
    }
}
