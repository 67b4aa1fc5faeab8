//! What a backend is and may do, for people and programs that look at it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::backend::{Backend, Standing};
use crate::grants::{Command, Danger, Effect, Grants, Object, ProbeSpec, ProgramGrant, Slot, Wasi};
use crate::sandbox::Component;

/// A backend, looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BackendInfo {
    /// Its name in its grants.
    pub name: String,
    /// By whose word it is there.
    pub standing: Standing,
    /// The file that it came from, or `embedded`.
    pub origin: String,
    /// The digest of its component.
    pub digest: String,
    /// The digest of its grants file; of a component without one, that of its request.
    pub grants: String,
    /// The size of its component in bytes.
    pub bytes: usize,
    /// `none` where it imports none; `inert` where its grant gives it one that does nothing; else `not granted`.
    pub wasi: String,
    /// What its component imports.
    pub imports: Vec<String>,
    /// What its component exports.
    pub exports: Vec<String>,
    /// The programs, sockets and OCI runtimes that its commands reach, with the variables that are handed on to them.
    pub programs: Vec<String>,
    /// The commands whose output the host believes.
    pub evidence: Vec<String>,
    /// Each command that it may ask for, and each that the host alone runs.
    pub commands: Vec<CommandInfo>,
    /// The commands whose output it may hand on as a log.
    pub log_reads: Vec<String>,
    /// The device nodes that it may have looked at.
    pub devices: Vec<String>,
    /// What the host looks at on its behalf, and tells it.
    pub probes: Vec<String>,
    /// What it asked for and does not get, and why.
    pub dropped: Vec<String>,
}

/// A command that a backend may ask for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct CommandInfo {
    /// Its name in the grants.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// `read`, `create`, `change` or `remove`.
    pub effect: String,
    /// What kind of object it is about.
    pub object: String,
    /// How long it may run.
    pub timeout: String,
    /// Its argv, readable, with the slots shown.
    pub line: String,
    /// The host alone runs it, to see for itself.
    pub evidence_only: bool,
    /// Tokens that an operator should think twice about.
    pub dangers: Vec<DangerInfo>,
}

/// A dangerous token of a command.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct DangerInfo {
    /// As the grants file writes it.
    pub token: String,
    /// What it does.
    pub why: String,
    /// The grants file says that it is dangerous.
    pub marked: bool,
}

impl BackendInfo {
    pub(crate) fn of(backend: &Backend) -> Self {
        let (component, grants) = (backend.component(), backend.grants());
        let log_reads = grants.commands().iter().filter(|command| reads_a_log(command));
        Self {
            name: backend.name().to_owned(),
            standing: backend.standing(),
            origin: backend.origin().to_owned(),
            digest: backend.digest_text().to_owned(),
            grants: backend.grants_digest().to_owned(),
            bytes: component.bytes().len(),
            wasi: wasi(component, grants).to_owned(),
            imports: component.imports().to_vec(),
            exports: component.exports().to_vec(),
            programs: programs(grants),
            evidence: grants.evidence().commands().map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect(),
            commands: grants.commands().iter().map(CommandInfo::of).collect(),
            log_reads: log_reads.map(|command| command.name().to_owned()).collect(),
            devices: grants.devices().to_vec(),
            probes: grants.probes().iter().map(ProbeSpec::to_string).collect(),
            dropped: grants.dropped().iter().map(ToString::to_string).collect(),
        }
    }
}

fn programs(grants: &Grants) -> Vec<String> {
    let paths =
        |search: &[PathBuf]| search.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let program = |program: &ProgramGrant| {
        let environment = match program.environment() {
            [] => String::new(),
            variables => format!("; with {}", variables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        let wrapper = if program.wrapper() { "; it may be a script" } else { "" };
        let pin = program.sha256().map(|pin| format!("; sha256 {pin}")).unwrap_or_default();
        format!("{}: {}{environment}{wrapper}{pin}", program.name(), paths(program.search()))
    };
    let sockets = grants.endpoint().map(|endpoint| format!("endpoint: {}", endpoint.sockets().join(", ")));
    let runtimes =
        grants.runtimes().iter().map(|runtime| format!("OCI runtime {}: {}", runtime.name(), paths(runtime.search())));
    grants.programs().iter().map(program).chain(sockets).chain(runtimes).collect()
}

fn wasi(component: &Component, grants: &Grants) -> &'static str {
    match (component.imports().iter().any(|import| import.starts_with("wasi:")), grants.wasi()) {
        (false, _) => "none",
        (true, Wasi::Inert) => "inert",
        (true, Wasi::None) => "not granted",
    }
}

/// It only looks, at a container, and says which part of what that printed.
fn reads_a_log(command: &Command) -> bool {
    let parts = [Slot::Tail, Slot::Since, Slot::Follow, Slot::Timestamps];
    let looks = command.effect() == Effect::Read && command.object() == Object::Container;
    looks && parts.iter().any(|part| command.template().has(*part))
}

impl CommandInfo {
    fn of(command: &Command) -> Self {
        let danger = |danger: &Danger| DangerInfo {
            token: danger.written.clone(),
            why: danger.why.to_owned(),
            marked: command.marks(danger),
        };
        Self {
            name: command.name().to_owned(),
            purpose: command.purpose().to_owned(),
            effect: command.effect().as_str().to_owned(),
            object: command.object().as_str().to_owned(),
            timeout: command.timeout().to_string(),
            line: command.template().to_string(),
            evidence_only: !command.is_for_backends(),
            dangers: command.dangers().iter().map(danger).collect(),
        }
    }
}
