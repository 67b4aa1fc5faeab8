//! Grants: the file an auditor reads, and every command line it could ever cause.
//!
//! One TOML file a backend. Its templates are command lines with typed slots of a closed [catalogue](Slot); the
//! [renderer](Template::render) fills them with values that the host has decided on, and an independent
//! [matcher](Template::recognise) reads a command line back, so that [`Grants::explain`] can say whether it could ever
//! have come from here. The language is described in `host/docs/grants.md`.
//!
//! Everything here is pure: no I/O, no clock, no environment.

mod accept;
mod binding;
mod command;
mod compare;
mod danger;
mod element;
mod error;
mod evidence;
mod explain;
mod floor;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod grammar;
mod limits;
mod load;
mod matcher;
mod narrow;
mod nearest;
mod parts;
mod probe;
mod program;
mod reader;
mod render;
mod rules;
mod slot;
mod store;
mod template;
mod unit;
mod variable;

#[cfg(test)]
mod tests;

pub use binding::{Binding, Bindings};
pub use command::{Command, Effect, Object, Stdin, Timeout};
pub use compare::{Change, Verdict};
pub use danger::Danger;
pub use error::GrantsError;
pub use evidence::{
    ContainerEvidence, EventEvidence, EvidenceGrant, ExportEvidence, Happened, ImageEvidence, ListEvidence,
    ManifestEvidence, NetworkEvidence, PodEvidence, UsageEvidence, VolumeEvidence,
};
pub use explain::{Explanation, Variables};
pub use floor::Floor;
pub use grammar::{GRACE_MAX, Grammar, SECRETS_FOLDER};
pub use limits::{Limit, Limits};
pub use matcher::Recognition;
pub use narrow::{DropReason, Dropped};
pub use parts::{Part, Token};
pub use probe::{ProbeCall, ProbeKind, ProbeSpec};
pub use program::{Cgroups, EndpointGrant, ProgramGrant, RuntimeGrant};
pub use render::{RenderError, Rule};
pub use slot::{Field, Origin, Shape, Slot};
pub use store::{FilePattern, StoreGrant};
pub use template::Template;
pub use unit::{QuadletGrant, UnitGrant};
pub use variable::EnvVariable;

pub(crate) use nearest::nearest as nearest_word;
pub(crate) use render::check_values;

use std::collections::BTreeMap;

/// Whether a backend may import WASI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wasi {
    /// It may not.
    #[default]
    None,
    /// It gets one that does nothing: no folder, no environment, no argument, no socket.
    Inert,
}

/// What an operator approved for one backend, or what a backend asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    file: String,
    backend: String,
    wasi: Wasi,
    programs: Vec<ProgramGrant>,
    endpoint: Option<EndpointGrant>,
    runtimes: Vec<RuntimeGrant>,
    commands: Vec<Command>,
    evidence: EvidenceGrant,
    devices: Vec<String>,
    probes: Vec<ProbeSpec>,
    floors: Vec<Floor>,
    limits: Limits,
    unit: UnitGrant,
    examples: Vec<Example>,
    /// The line of each command.
    lines: BTreeMap<String, usize>,
    dropped: Vec<Dropped>,
}

/// A command line that must, or must not, be reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Example {
    /// The command line.
    pub argv: Vec<String>,
    /// Whether it must be reachable, or must not.
    pub reachable: bool,
}

impl Grants {
    /// Reads a grants file and runs its examples.
    ///
    /// # Errors
    /// The first thing that is wrong: an unknown key, slot or command, a duplicate, a template that breaks a rule of
    /// the language, an example that does not hold; with file, line, column and the nearest valid word.
    pub fn parse(text: &str, file: &str) -> Result<Self, GrantsError> {
        load::load(text, file)
    }

    /// The name of the backend.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// Whether it may import WASI.
    #[must_use]
    pub const fn wasi(&self) -> Wasi {
        self.wasi
    }

    /// The programs that commands begin with.
    #[must_use]
    pub fn programs(&self) -> &[ProgramGrant] {
        &self.programs
    }

    /// The program of this name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&ProgramGrant> {
        self.programs.iter().find(|program| program.name() == name)
    }

    /// Where the engine's daemon may listen; nothing for an engine without one.
    #[must_use]
    pub const fn endpoint(&self) -> Option<&EndpointGrant> {
        self.endpoint.as_ref()
    }

    /// The OCI runtimes that may be named, the preferred first.
    #[must_use]
    pub fn runtimes(&self) -> &[RuntimeGrant] {
        &self.runtimes
    }

    /// The commands, in the order of the file.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// The command of this name.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<&Command> {
        self.commands.iter().find(|command| command.name() == name)
    }

    /// Where a command stands, `FILE:LINE`; of one that is not there the file alone.
    #[must_use]
    pub fn place(&self, command: &str) -> String {
        self.lines.get(command).map_or_else(|| self.file.clone(), |line| format!("{}:{line}", self.file))
    }

    /// Where the host looks for itself.
    #[must_use]
    pub const fn evidence(&self) -> &EvidenceGrant {
        &self.evidence
    }

    /// Patterns of the device nodes that may be asked about.
    #[must_use]
    pub fn devices(&self) -> &[String] {
        &self.devices
    }

    /// Facts that the host gathers for `detect` and `preflight`.
    #[must_use]
    pub fn probes(&self) -> &[ProbeSpec] {
        &self.probes
    }

    /// Versions below which a preflight warns.
    #[must_use]
    pub fn floors(&self) -> &[Floor] {
        &self.floors
    }

    /// The limits that the backend lives under.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How units of systemd are written for its engine.
    #[must_use]
    pub const fn unit(&self) -> &UnitGrant {
        &self.unit
    }

    /// What the file says must be reachable, or must not.
    #[must_use]
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// What [`narrow`](Self::narrow) left out, and why.
    #[must_use]
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }
}
