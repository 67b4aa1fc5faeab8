//! A backend for an auditor: what it is, and all that it may ever cause.

use serde::Serialize;

use crate::backend::{Backend, BackendSource};
use crate::digest::Digest;
use crate::error::Error;
use crate::grants::{
    Command, DropReason, Dropped, Effect, Floor, Grants, Limit, Object, ProbeCall, ProbeKind, ProbeSpec, Slot, Timeout,
    Token, Wasi,
};

/// One backend, or why one that should be there is refused.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listed {
    /// It holds.
    Whole(Box<Sheet>),
    /// It does not.
    Refused {
        /// The name that it would have.
        name: String,
        /// Why.
        why: String,
    },
}

/// A backend that holds.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// By whose word it is there: `embedded`, `approved` …
    pub standing: String,
    /// Where its component came from.
    pub origin: String,
    /// The digest of its component.
    pub digest: String,
    /// The digest of its grants file.
    pub grants: String,
    /// The size of its component.
    pub bytes: usize,
    /// What it gets of WASI, in words.
    pub wasi: String,
    /// What its component imports.
    pub imports: Vec<String>,
    /// What its component exports.
    pub exports: Vec<String>,
    /// Every command line that it, or the host on its behalf, could cause.
    pub commands: Vec<CommandSheet>,
    /// The programs that they begin with.
    pub programs: Vec<ProgramSheet>,
    /// The sockets of its daemon that may be used, the first safe one first.
    pub endpoint: Vec<String>,
    /// The OCI runtimes that may be named.
    pub runtimes: Vec<(String, Vec<String>)>,
    /// The commands whose output is handed on as a log.
    pub log_reads: Vec<String>,
    /// The device nodes that it may have looked at.
    pub devices: Vec<String>,
    /// What the host looks at and tells it.
    pub probes: Vec<(String, String)>,
    /// The limits it lives under.
    pub limits: Vec<LimitSheet>,
    /// The host's own client may ask registries for manifests.
    pub registry: bool,
    /// What it asked for or was granted, and what does not hold: the command, and why.
    pub dropped: Vec<(String, String)>,
}

/// A command line that can come to be.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CommandSheet {
    /// Its name in the grants.
    pub name: String,
    /// What it is for, in the words of the grants file.
    pub purpose: String,
    /// `read`, `create`, `change` or `remove`.
    pub effect: &'static str,
    /// What kind of object it is about.
    pub object: &'static str,
    /// How long it may run, in words.
    pub time: String,
    /// The command line.
    pub tokens: Vec<Token>,
    /// The host alone runs it, to see for itself; the backend can't ask for it.
    pub evidence_only: bool,
    /// The host runs it for its own evidence too.
    pub evidence: bool,
    /// Tokens to think twice about, each with what it does.
    pub dangers: Vec<(String, String)>,
}

/// A program that commands begin with.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ProgramSheet {
    /// Its name.
    pub name: String,
    /// Where it may lie.
    pub search: Vec<String>,
    /// The variables that it gets: `NAME` as the host has it, or `NAME=VALUE`.
    pub environment: Vec<String>,
    /// The digest that it is pinned to.
    pub sha256: Option<String>,
    /// It may be a script.
    pub wrapper: bool,
}

/// A limit that holds.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LimitSheet {
    /// Its key.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// What holds where a grants file says nothing.
    pub default: u64,
    /// What it bounds.
    pub what: &'static str,
}

impl Listed {
    /// A backend as it is; what is wrong with it where it does not hold.
    #[must_use]
    pub fn read(name: &str, source: BackendSource) -> Self {
        Sheet::read(source).map_or_else(
            |error| Self::Refused { name: name.to_owned(), why: error.to_string() },
            |sheet| Self::Whole(Box::new(sheet)),
        )
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Whole(sheet) => &sheet.name,
            Self::Refused { name, .. } => name,
        }
    }

    /// The backend, where it holds.
    #[must_use]
    pub fn sheet(&self) -> Option<&Sheet> {
        match self {
            Self::Whole(sheet) => Some(sheet),
            Self::Refused { .. } => None,
        }
    }
}

impl Sheet {
    /// What a backend is and may run: its request within its grant. Nothing is compiled, and no engine is asked.
    ///
    /// # Errors
    /// When its component, its request or its grant is refused.
    pub fn read(source: BackendSource) -> Result<Self, Error> {
        let standing = source.standing.as_str();
        let (origin, grants) = (source.origin.clone(), Digest::sha256(source.grants.as_bytes()).to_string());
        let backend = crate::runtime::shelved(&source)?;
        Ok(Self { standing: standing.to_owned(), origin, grants, ..Self::of(&backend) })
    }

    fn of(backend: &Backend) -> Self {
        let (component, grants) = (backend.component(), backend.grants());
        Self {
            name: backend.name().to_owned(),
            standing: String::new(),
            origin: String::new(),
            digest: backend.digest_text().to_owned(),
            grants: String::new(),
            bytes: component.bytes().len(),
            wasi: wasi(component.imports(), grants.wasi()).to_owned(),
            imports: component.imports().to_vec(),
            exports: component.exports().to_vec(),
            ..Self::granted(grants)
        }
    }

    /// What the host runs for itself, in the same language: the programs that judge units. A test loads its table.
    pub(super) fn host() -> Option<Self> {
        let grants = crate::units::checks().ok()?;
        Some(Self { name: grants.backend().to_owned(), standing: "host".to_owned(), ..Self::granted(&grants) })
    }

    /// All that follows from the grants alone.
    pub(super) fn granted(grants: &Grants) -> Self {
        let logs = grants.commands().iter().filter(|command| reads_a_log(command));
        Self {
            commands: grants.commands().iter().map(|command| CommandSheet::of(command, grants)).collect(),
            programs: grants.programs().iter().map(ProgramSheet::of).collect(),
            endpoint: grants.endpoint().map(|endpoint| endpoint.sockets().to_vec()).unwrap_or_default(),
            runtimes: grants.runtimes().iter().map(|it| (it.name().to_owned(), shown(it.search()))).collect(),
            log_reads: logs.map(|command| command.name().to_owned()).collect(),
            devices: grants.devices().to_vec(),
            probes: grants
                .probes()
                .iter()
                .map(|probe| (probe.name().to_owned(), probed(probe)))
                .chain(floors(grants))
                .collect(),
            limits: Limit::ALL.iter().map(|limit| LimitSheet::of(*limit, grants)).collect(),
            registry: grants.evidence().manifest.registry,
            dropped: grants.dropped().iter().map(dropped).collect(),
            ..Self::default()
        }
    }
}

impl CommandSheet {
    fn of(command: &Command, grants: &Grants) -> Self {
        Self {
            name: command.name().to_owned(),
            purpose: command.purpose().to_owned(),
            effect: command.effect().as_str(),
            object: command.object().as_str(),
            time: time(command.timeout()),
            tokens: command.template().tokens().collect(),
            evidence_only: !command.is_for_backends(),
            evidence: grants.evidence().commands().any(|name| name == command.name()),
            dangers: command.dangers().into_iter().map(|danger| (danger.token, danger.why.to_owned())).collect(),
        }
    }
}

impl ProgramSheet {
    fn of(program: &crate::grants::ProgramGrant) -> Self {
        Self {
            name: program.name().to_owned(),
            search: shown(program.search()),
            environment: program.environment().iter().map(ToString::to_string).collect(),
            sha256: program.sha256().map(str::to_owned),
            wrapper: program.wrapper(),
        }
    }
}

impl LimitSheet {
    fn of(limit: Limit, grants: &Grants) -> Self {
        Self { name: limit.name(), value: grants.limits().value(limit), default: limit.default(), what: limit.doc() }
    }
}

fn shown(paths: &[std::path::PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

fn wasi(imports: &[String], granted: Wasi) -> &'static str {
    match (imports.iter().any(|import| import.starts_with("wasi:")), granted) {
        (false, _) => "none",
        (true, Wasi::Inert) => "inert: no folder, environment, argument or socket",
        (true, Wasi::None) => "asked for, not granted",
    }
}

/// It only looks, at a container, and says which part of what that printed.
fn reads_a_log(command: &Command) -> bool {
    let parts = [Slot::Tail, Slot::Since, Slot::Follow, Slot::Timestamps];
    let looks = command.effect() == Effect::Read && command.object() == Object::Container;
    looks && parts.iter().any(|part| command.template().has(*part))
}

fn time(timeout: Timeout) -> String {
    match timeout {
        Timeout::None => "no time limit".to_owned(),
        Timeout::Grace => "the caller's grace + 30 s".to_owned(),
        Timeout::After(time) => match time.as_millis() {
            ms if ms % 3_600_000 == 0 => format!("at most {} h", ms / 3_600_000),
            ms if ms % 60_000 == 0 => format!("at most {} min", ms / 60_000),
            ms if ms % 1000 == 0 => format!("at most {} s", ms / 1000),
            ms => format!("at most {ms} ms"),
        },
    }
}

fn probed(probe: &ProbeSpec) -> String {
    let what = match probe.kind() {
        ProbeKind::File { path, cap } => format!("the first {cap} bytes of {}", path.display()),
        ProbeKind::Directory { path, cap } => format!("the names in {}, at most {cap} bytes", path.display()),
        ProbeKind::Space { path } => format!("the free space at {}", path.display()),
        ProbeKind::Port { port } => format!("whether port {port} is free"),
        ProbeKind::Path { path } => format!("whether there is something at {}", path.display()),
        ProbeKind::Cgroup => "how the machine groups processes".to_owned(),
        ProbeKind::User => "the user and its subordinate IDs".to_owned(),
        ProbeKind::Runtimes => "which granted OCI runtimes are there".to_owned(),
        ProbeKind::Files { path, cap } => format!("the first {cap} bytes of the files in {}", path.display()),
        ProbeKind::Ports => "whether the ports of the call are free".to_owned(),
        ProbeKind::Mounts => "what stands at the mount sources of the call".to_owned(),
        ProbeKind::Variable { name } => format!("the host's variable {name}"),
        ProbeKind::Command { command } => format!("what the command {command} prints"),
    };
    let call = |call: &ProbeCall| match call {
        ProbeCall::Detect => "detect",
        ProbeCall::Preflight => "preflight",
    };
    format!("{what} (before {})", probe.calls().iter().map(call).collect::<Vec<_>>().join(" and "))
}

fn floors(grants: &Grants) -> impl Iterator<Item = (String, String)> {
    let told = |floor: &Floor| format!("a preflight warns below {}: {}", floor.version(), floor.advisory());
    grants.floors().iter().map(move |floor| (format!("floor {}", floor.name()), told(floor)))
}

fn dropped(dropped: &Dropped) -> (String, String) {
    let why = match dropped.reason {
        DropReason::NotGranted => "asked for, and not granted".to_owned(),
        DropReason::NotRequested => "granted, and not asked for".to_owned(),
        DropReason::Differs(at) => {
            format!("asked for with another command line than the granted one, from token {at} on")
        }
    };
    (dropped.command.clone(), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn podman() -> Sheet {
        let source = BackendSource::embedded().into_iter().find(|source| source.name().unwrap() == "podman");
        Sheet::read(source.unwrap()).unwrap()
    }

    #[test]
    fn all_that_a_backend_may_cause_is_on_its_sheet() {
        let sheet = podman();
        let command = |name: &str| sheet.commands.iter().find(|command| command.name == name).unwrap();
        assert_eq!((sheet.standing.as_str(), sheet.wasi.as_str()), ("embedded", "none"));
        assert_eq!(sheet.log_reads, ["logs"]);
        assert!(command("look").evidence_only && !command("inspect").evidence_only);
        assert!(command("image-inspect").evidence && !command("create").evidence);
        assert!(command("create").dangers.iter().any(|danger| danger.0 == "[--network=host]"));
        assert_eq!(
            (command("stop").time.as_str(), command("pull").time.as_str()),
            ("the caller's grace + 30 s", "at most 2 h")
        );
        let joined = command("create").tokens.iter().map(|token| token.text.clone()).collect::<Vec<_>>().join(" ");
        assert!(
            joined.contains("[--label=<label.key>=<label.value>]…") && joined.ends_with("<image.id> [<word.word>]…"),
            "{joined}"
        );
        assert!(sheet.grants.starts_with("sha256:") && sheet.registry);
        assert!(sheet.programs[0].environment.contains(&"HOME".to_owned()));
    }

    #[test]
    fn what_is_no_backend_is_listed_as_refused() {
        let listed = Listed::read("odd", BackendSource::new("odd", b"nonsense".to_vec(), "backend = \"odd\""));
        assert!(matches!(&listed, Listed::Refused { name, why } if name == "odd" && !why.is_empty()));
        assert!(listed.sheet().is_none());
    }
}
