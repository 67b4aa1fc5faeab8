//! What can go wrong, in the words of an operator, and which part of it a guest may know.

mod advice;

use std::fmt;

use crate::digest::Digest;
use crate::reference::ReferenceError;
use crate::spec::SpecError;

/// Everything that a call can end with other than its result.
///
/// `Display` is for people and holds no secret; match on the variant to decide.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Policy, grants or scope did not allow it. Nothing was done.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// A part of the request is not well formed.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An image reference is not well formed.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// There is no such thing, or it is not ours.
    #[error("no such {kind}: {name}")]
    NotFound {
        /// `container`, `image` …
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The name is taken by something else.
    #[error("conflict: {0}")]
    Conflict(Conflict),
    /// An object is in use, or is not in the state that the call needs.
    #[error("conflict: {0}")]
    InUse(String),
    /// A host port that was to be published is taken. Nothing was started.
    #[error("port in use: {0}")]
    PortInUse(String),
    /// The engine's storage, or ours, is full.
    #[error("no space: {0}")]
    NoSpace(String),
    /// An image is not what its digest says, or that can't be shown.
    #[error("digest: {0}")]
    Digest(String),
    /// The registry or the engine wants other credentials.
    #[error("unauthorised: {0}")]
    Unauthorised(String),
    /// Something can't answer now; the same call may succeed later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// No engine works here.
    #[error("no engine works here:\n{}", bullets(.0))]
    NoEngine(Vec<String>),
    /// GPUs were asked for that are not there. Nothing was created.
    #[error("GPU: {0}")]
    Gpu(String),
    /// The engine ended with a failure.
    #[error("{command} failed with status {status}: {message}")]
    Engine {
        /// The approved command.
        command: String,
        /// The exit status; 128 + signal when it was killed.
        status: i32,
        /// The last of its standard error, redacted.
        message: String,
    },
    /// The backend, the engine or this platform has no such ability.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// The time for a command ran out.
    #[error("time-out: {0}")]
    Timeout(String),
    /// The caller cancelled the call.
    #[error("cancelled")]
    Cancelled,
    /// The backend broke: it trapped, ran out of its limits, or said what the host saw to be untrue.
    #[error("backend fault: {0}")]
    Fault(#[from] Fault),
    /// The backend trapped so often in a row that it is left alone for a while. What ends or removes is still allowed.
    #[error("{}", quarantine_text(.backend, .digest, .endpoint.as_deref(), *.traps, *.left))]
    Quarantined {
        /// Its name.
        backend: String,
        /// The digest of its component.
        digest: Digest,
        /// Where its engine's daemon is, where it has one.
        endpoint: Option<String>,
        /// How often it trapped in a row.
        traps: u64,
        /// How long it is still left alone.
        left: std::time::Duration,
    },
    /// A backend can't be loaded.
    #[error("backend {name}: {why}")]
    Backend {
        /// Its name, or the file.
        name: String,
        /// Why.
        why: String,
    },
    /// The state directory or the journal can't be used; without a record nothing is done.
    #[error("state: {0}")]
    State(String),
    /// A configuration file is wrong.
    #[error("{0}")]
    Config(String),
    /// The operating system failed us.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// How it failed.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// A short, stable word for the kind of error, as `--json` has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Spec(_) | Self::Reference(_) | Self::Config(_) => "invalid",
            Self::NotFound { .. } => "not-found",
            Self::Conflict(_) | Self::InUse(_) => "conflict",
            Self::PortInUse(_) => "port-in-use",
            Self::NoSpace(_) => "no-space",
            Self::Digest(_) => "digest",
            Self::Unauthorised(_) => "unauthorised",
            Self::Unavailable(_) => "unavailable",
            Self::NoEngine(_) => "no-engine",
            Self::Gpu(_) => "gpu",
            Self::Engine { .. } => "engine",
            Self::Unsupported(_) => "unsupported",
            Self::Timeout(_) => "timeout",
            Self::Cancelled => "cancelled",
            Self::Fault(_) => "backend-fault",
            Self::Quarantined { .. } => "quarantined",
            Self::Backend { .. } => "backend",
            Self::State(_) => "state",
            Self::Io { .. } => "io",
        }
    }
}

fn quarantine_text(
    backend: &str,
    digest: &Digest,
    endpoint: Option<&str>,
    traps: u64,
    left: std::time::Duration,
) -> String {
    let place = endpoint.map(|endpoint| format!(" on {endpoint}")).unwrap_or_default();
    let seconds = left.as_secs();
    format!(
        "quarantine: the backend {backend} ({digest}) trapped {traps} times in a row{place} and is not called for \
         another {} min {} s; stop, kill and remove still work",
        seconds / 60,
        seconds % 60
    )
}

fn bullets(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  - {line}")).collect::<Vec<_>>().join("\n")
}

/// The rule that a refusal rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// The grants have no such command.
    CommandNotGranted,
    /// The call does not open the command's effect on this kind of object.
    EffectNotOpen,
    /// The call opens the effect fewer times.
    CountExceeded,
    /// The template has no such slot, or it is the host's to fill.
    SlotNotGranted,
    /// The value is no fact of the call.
    OutOfScope,
    /// The value breaks the grammar of its slot.
    Grammar,
    /// A fact of the caller's was left out or can't be said by the template.
    NotExact,
    /// The image was not verified by the host.
    ImageNotVerified,
    /// The object does not bear this install's owner label.
    NotOurs,
    /// A secret would stand in a command line.
    SecretInArgv,
    /// A secret can't be masked, or can't travel so.
    Secret,
    /// The policy does not allow it.
    Policy,
    /// The device is outside the granted patterns.
    Device,
    /// A budget of the call is spent.
    Budget,
    /// The program is not there, or not to be trusted.
    Program,
    /// The component asks for what its grant does not give: WASI.
    Import,
    /// An operator did not approve this, or not all of it.
    Approval,
}

impl Rule {
    /// As `--json` and the journal have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CommandNotGranted => "command-not-granted",
            Self::EffectNotOpen => "effect-not-open",
            Self::CountExceeded => "count-exceeded",
            Self::SlotNotGranted => "slot-not-granted",
            Self::OutOfScope => "out-of-scope",
            Self::Grammar => "grammar",
            Self::NotExact => "not-exact",
            Self::ImageNotVerified => "image-not-verified",
            Self::NotOurs => "not-ours",
            Self::SecretInArgv => "secret-in-argv",
            Self::Secret => "secret",
            Self::Policy => "policy",
            Self::Device => "device",
            Self::Budget => "budget",
            Self::Program => "program",
            Self::Import => "import",
            Self::Approval => "approval",
        }
    }
}

/// A refusal, whole: for the operator. A guest learns the command and the slot alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule it rests on.
    pub rule: Rule,
    /// The command that was asked for, where there was one.
    pub command: Option<String>,
    /// The slot whose value was not allowed.
    pub slot: Option<String>,
    /// That value, escaped.
    pub value: Option<String>,
    /// What was wrong.
    pub why: String,
    /// The narrowest change that would allow it, where there is one.
    pub remedy: Option<String>,
}

impl Refusal {
    pub(crate) fn new(rule: Rule, why: impl Into<String>) -> Self {
        Self { rule, command: None, slot: None, value: None, why: why.into(), remedy: None }
    }

    /// The operator was asked, and did not say yes.
    #[must_use]
    pub fn not_approved(backend: &str) -> Self {
        Self::new(Rule::Approval, "the operator did not approve it; nothing was changed").value(backend)
    }

    pub(crate) fn command(mut self, command: &str) -> Self {
        self.command = Some(bounded(command));
        self
    }

    pub(crate) fn slot(mut self, slot: &str) -> Self {
        self.slot = Some(bounded(slot));
        self
    }

    pub(crate) fn value(mut self, value: &str) -> Self {
        self.value = Some(bounded(value));
        self
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// Text of a guest's, escaped and cut at 200 characters.
fn bounded(text: &str) -> String {
    let mut escaped = text.chars().take(200).flat_map(char::escape_debug).collect::<String>();
    if text.chars().nth(200).is_some() {
        escaped.push('…');
    }
    escaped
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        let parts = [("command", &self.command), ("slot", &self.slot), ("value", &self.value)];
        let known: Vec<String> =
            parts.iter().filter_map(|(what, part)| Some(format!("{what} {}", part.as_ref()?))).collect();
        write!(f, " [{}", self.rule.as_str())?;
        if !known.is_empty() {
            write!(f, ": {}", known.join(", "))?;
        }
        f.write_str("]")?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// A name that is taken, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// `container`, `volume` …
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// What differs from what was asked; empty where the object is not ours.
    pub differs: Vec<Difference>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.differs.is_empty() {
            let Self { kind, name, .. } = self;
            return write!(f, "the name {name} is taken by a {kind} that is not ours; choose another name");
        }
        write!(f, "{} exists with another spec:", self.name)?;
        self.differs.iter().try_for_each(|difference| write!(f, "\n  - {difference}"))
    }
}

/// One field in which an existing object differs from what was asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The field.
    pub field: String,
    /// What is there, from the host's own evidence; of secrets never a value.
    pub existing: String,
    /// What was asked for.
    pub asked: String,
}

/// The longest text of a difference that people read, in characters; a document has all of it.
const MAX_DIFFERENCE: usize = 200;

fn on_one_line(text: &str) -> String {
    let letters = text.chars().take(MAX_DIFFERENCE);
    let mut shown: String = letters.map(|letter| if letter == '\n' { ' ' } else { letter }).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} is there, {} was asked for",
            self.field,
            on_one_line(&self.existing),
            on_one_line(&self.asked)
        )
    }
}

/// A backend that broke. The call ended; the next one starts clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The backend's name.
    pub backend: String,
    /// The digest of its component.
    pub digest: Digest,
    /// What it did.
    pub kind: FaultKind,
    /// More about it.
    pub why: String,
}

/// How a backend broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FaultKind {
    /// It trapped: a panic, an overflow of its stack, an illegal access.
    Trap,
    /// It used its time up.
    Deadline,
    /// It used its memory up, or passed a value larger than it may.
    Memory,
    /// It said what the host saw to be untrue.
    Untrue,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.backend, self.digest, self.why)
    }
}

impl std::error::Error for Fault {}

impl From<crate::state::StateError> for Error {
    fn from(error: crate::state::StateError) -> Self {
        Self::State(error.to_string())
    }
}
