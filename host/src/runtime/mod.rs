//! The façade: the one place that wires the parts, and the calls that a caller makes.

mod admission;
mod archives;
mod builder;
mod canonical;
mod completed;
mod compose;
mod compose_check;
mod condition;
mod containers;
mod copies;
mod create;
mod detect;
mod differs;
mod doings;
mod events;
mod exec;
mod explain_parts;
mod filter;
mod gpus;
mod image_details;
mod images;
mod info;
mod layers;
mod leftovers;
mod lifecycle;
mod listener;
mod logs;
mod mounts;
mod networks;
mod ongoing;
mod order;
mod pause;
mod pods;
mod preflight;
mod probing;
mod prove;
mod raw;
mod retry;
mod secrets;
mod shelf;
mod standard;
mod unit_check;
mod units;
mod usage;
mod volumes;
mod which;

pub use archives::{LoadedImage, SavedImage};
pub use builder::PortreeveBuilder;
pub use completed::Completed;
pub use compose::{DownOptions, PartResult, ProjectState, UpOptions};
pub use condition::Condition;
pub use containers::Removed;
pub use detect::{Detection, EngineIdentity};
pub use events::EventStream;
pub use explain_parts::ExplainedPart;
pub use filter::ListFilter;
pub use image_details::{ImageAdvice, ImageDetails};
pub use images::{ImageInfo, PulledImage};
pub use info::{BackendInfo, CommandInfo, DangerInfo};
pub use layers::{AssembledImage, LayerInfo};
pub use leftovers::{Cleaned, Leftover};
pub use logs::LogStream;
pub use preflight::{Intention, PreflightReport};
pub(crate) use shelf::shelved;
pub use unit_check::UnitCheck;
pub use usage::UsageStream;
pub use which::Ownership;

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::backend::{Backend, HostEnvironment};
use crate::broker::{Broker, Services};
use crate::error::Error;
use crate::event::Level;
use crate::evidence::image::Verifier;
use crate::evidence::proofs::ProofStore;
use crate::journal::{Entry, Head, Journal, Kind, VerifyReport};
use crate::policy::Policy;
use crate::redaction::{Redactor, Tally};
use crate::reference::Reference;
use crate::sandbox::{Guest, Sandbox};
use crate::scope::{Call, Scope};
use crate::state::StateDir;

/// A host for container-runtime backends.
///
/// Cheap to clone; every clone is the same host. Dropping the future of a call cancels it: what it started is ended. What an engine
/// is just creating is waited for, at most 5 s, and taken away: see [`Portreeve::settled`].
///
/// What is denied unless a policy file or a grant says otherwise: every command that stands in no grant, host
/// networking, ports beyond loopback, mounts of system folders and key material, images that were not verified, and
/// every object that this install did not create.
#[derive(Clone)]
pub struct Portreeve {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    state: StateDir,
    services: Arc<Services>,
    sandbox: Sandbox,
    backends: Vec<Arc<Backend>>,
    /// Where one is preferred: the others.
    aside: Option<builder::Aside>,
    policy: Policy,
    redactor: Redactor,
    /// What was masked so far.
    tally: Tally,
    verifier: Verifier,
    proofs: ProofStore,
    environment: HostEnvironment,
    /// How long one engine may take to show that it works.
    patience: std::time::Duration,
    /// How often a pull is tried.
    pulls: u32,
    chosen: OnceCell<(Arc<Backend>, Detection)>,
    /// The volumes that a dry run would have made so far.
    imagined_volumes: std::sync::Mutex<std::collections::BTreeSet<String>>,
    ongoing: ongoing::Ongoing,
    doings: doings::Doings,
}

impl Portreeve {
    /// Starts to configure a host.
    pub fn builder() -> PortreeveBuilder {
        PortreeveBuilder::default()
    }

    /// The policy that holds for callers.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// The folder that holds the install's key, its journal and its caches.
    #[must_use]
    pub fn state_dir(&self) -> &std::path::Path {
        self.inner.state.path()
    }

    /// The loaded backends, the preferred one first.
    #[must_use]
    pub fn backends(&self) -> Vec<BackendInfo> {
        self.inner.backends.iter().map(|backend| BackendInfo::of(backend)).collect()
    }

    /// The journal's head, to be kept elsewhere.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn journal_head(&self) -> Result<Head, Error> {
        self.inner.services.journal.head().map_err(|error| Error::State(error.to_string()))
    }

    /// Verifies the whole journal.
    ///
    /// # Errors
    /// When it can't be read. What is wrong with it stands in the report.
    pub fn verify_journal(&self, kept: Option<Head>) -> Result<VerifyReport, Error> {
        Journal::verify(&self.inner.state, kept).map_err(|error| Error::State(error.to_string()))
    }

    /// How often each secret and each redaction rule was masked so far, by name: in what containers and commands printed, in
    /// events, errors and results.
    #[must_use]
    pub fn redactions(&self) -> std::collections::BTreeMap<String, u64> {
        self.inner.tally.counts()
    }

    /// Waits until every process that is being ended is gone, at most for so long. Blocks; for the end of a program.
    #[must_use]
    pub fn settle(&self, limit: std::time::Duration) -> bool {
        self.inner.services.executor.settle(limit)
    }
}

impl Inner {
    /// The monitor of a call.
    fn broker(&self, backend: &Arc<Backend>, scope: Scope, redactor: &Redactor) -> Result<Arc<Broker>, Error> {
        Broker::new(Arc::clone(backend), Arc::clone(&self.services), scope, redactor.clone()).map(Arc::new)
    }

    /// The monitor of a call without facts: for the host's own looking.
    fn looker(&self, backend: &Arc<Backend>, call: Call) -> Result<Arc<Broker>, Error> {
        self.broker(backend, Scope::new(call), &self.redactor)
    }

    /// A fresh instance, and the monitor that it asks.
    async fn guest(&self, backend: &Arc<Backend>, scope: Scope, redactor: &Redactor) -> Result<Guest, Error> {
        Guest::enter(&self.sandbox, self.broker(backend, scope, redactor)?).await
    }

    /// The backend that calls go to, where that is known by now: the only one, the one that was named, the chosen one.
    fn known_backend(&self) -> Option<&Backend> {
        match self.backends.as_slice() {
            [only] => Some(only),
            _ => self.chosen.get().map(|(backend, _)| &**backend),
        }
    }

    /// A refusal of the policy's stands in the journal like one of a backend's ask.
    fn refused(&self, call: Call, name: &str, error: Error) -> Error {
        self.refused_on(self.known_backend(), call, name, error)
    }

    /// The same on an engine that may be another than the chosen one.
    fn refused_on(&self, backend: Option<&Backend>, call: Call, name: &str, error: Error) -> Error {
        let Error::Refused(refusal) = &error else { return error };
        let value = refusal.value.as_deref().map(|value| self.redactor.text(value));
        let why = format!("{}: {}", call.name(), refusal.why);
        let entry = Entry {
            backend: backend.map(Backend::name),
            plugin: backend.map(Backend::digest_text),
            name: Some(name),
            rule: Some(refusal.rule.as_str()),
            slot: refusal.slot.as_deref(),
            value: value.as_deref(),
            why: Some(&why),
            ..Entry::new(Kind::Refusal)
        };
        match self.services.journal.append(&entry) {
            Ok(_) => error,
            Err(failed) => Error::State(format!("the journal: {failed}")),
        }
    }

    /// Whether an image may be pulled and run; a warning where it may, with a word.
    fn admit_image(&self, call: Call, image: &Reference) -> Result<Option<String>, Error> {
        self.policy.check_image(image).map_err(|refusal| self.refused(call, &image.to_string(), refusal.into()))
    }

    fn say(&self, level: Level, message: impl FnOnce() -> String) {
        self.services.events.say(level, || self.redactor.text(&message()));
    }
}
