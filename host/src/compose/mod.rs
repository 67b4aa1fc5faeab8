//! Compose files: the common subset of the Compose Specification, read into specs of the host's own. Pure.
//!
//! Every key is accounted for: it is supported, or it is told with its line and column why not. A file with anything that
//! is not supported is not brought up.

mod deploy;
mod interpolate;
mod order;
mod parts;
mod service;
mod top;
mod words;
mod yaml;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::spec::{ContainerSpec, InsidePath, Label, Name};
use yaml::{Place, Stray, Wrong};

/// The label that names the project of what was made for it.
pub const PROJECT_LABEL: &str = "portreeve.compose.project";
/// The label that names the service of a container, or the key of a network or volume, in the file.
pub const PART_LABEL: &str = "portreeve.compose.part";

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// It holds.
    Supported,
    /// The policy does not allow it.
    Refused,
    /// The Specification has it, and this program has not.
    Unsupported,
    /// Nobody knows it.
    Unknown,
    /// Its value is not well formed.
    Invalid,
}

impl Verdict {
    /// As it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Refused => "refused",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
        }
    }
}

/// A key of the file, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The key with those above it: `services.web.ports[0]`; nothing where it is the file as a whole.
    pub key: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl From<Wrong> for Finding {
    /// What is wrong with the file as a whole.
    fn from(Wrong { at: Place { line, column }, why, .. }: Wrong) -> Self {
        Self { key: String::new(), line, column, verdict: Verdict::Invalid, why: Some(why) }
    }
}

impl std::fmt::Display for Finding {
    /// `LINE:COLUMN: VERDICT KEY: WHY`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.verdict.as_str())?;
        if !self.key.is_empty() {
            write!(f, " {}", self.key)?;
        }
        self.why.as_deref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}

/// Where a file is read.
pub struct Inputs<'a> {
    /// The folder that relative paths begin at.
    pub folder: &'a Path,
    /// The project's name, where it is not the file's to say.
    pub project: Option<&'a str>,
    /// The value of a variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file of variables; none where there is no such file.
    pub env_file: &'a dyn Fn(&Path) -> Result<Option<String>, String>,
    /// Profiles that are asked for.
    pub profiles: &'a [String],
}

/// A compose file that was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Project {
    /// Its name.
    pub name: String,
    /// The services of the profiles that were asked for, each after all that it depends on.
    pub services: Vec<Service>,
    /// Networks that they join.
    pub networks: Vec<Shared>,
    /// Volumes that they mount.
    pub volumes: Vec<Shared>,
    /// What became of every key, in the order of the file.
    pub findings: Vec<Finding>,
}

/// A service.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Service {
    /// Its name in the file.
    pub name: String,
    /// The container that it is, but for its secrets, and for what stands below.
    pub spec: ContainerSpec,
    /// Other names on its network.
    pub aliases: Vec<Name>,
    /// Capabilities added.
    pub cap_add: Vec<String>,
    /// Its health check.
    pub health: Option<Health>,
    /// What it waits for.
    pub depends_on: Vec<Dependency>,
    /// Secrets that it reads as files.
    pub secrets: Vec<SecretFile>,
    pub(crate) facts: Vec<Fact>,
}

/// A part of a service that the policy may refuse: a spec with that part alone, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) key: String,
    at: Place,
    /// Whether it is the image itself.
    pub(crate) is_image: bool,
    pub(crate) spec: ContainerSpec,
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The command.
    pub words: Vec<String>,
    /// Between two checks.
    pub interval: Option<Duration>,
    /// After which one counts as failed.
    pub timeout: Option<Duration>,
    /// How many must fail in a row.
    pub retries: Option<u32>,
    /// At the start, in which failures don't count.
    pub start_period: Option<Duration>,
}

/// What a service waits for before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dependency {
    /// The other service.
    pub service: String,
    /// How the other has to be.
    pub condition: DependencyCondition,
    /// Whether it has to be there at all.
    pub required: bool,
}

/// How another service has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DependencyCondition {
    /// Started.
    Started,
    /// Well, as its health check says.
    Healthy,
    /// Ended with 0.
    Completed,
}

/// A secret of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretFile {
    /// Its name.
    pub name: crate::spec::EnvName,
    /// Where the container sees it.
    pub target: InsidePath,
    /// Where its value is from.
    pub source: SecretSource,
}

/// Where a secret's value is from. It is read when it is needed, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// A file.
    File(PathBuf),
    /// A variable of the caller's.
    Variable(String),
}

/// A network or volume of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shared {
    /// Its key in the file.
    pub part: String,
    /// The engine's name of it.
    pub name: Name,
    /// It is there already, and is left alone.
    pub external: bool,
    /// Of a network: it has no way out.
    pub internal: bool,
    /// Its labels, those of the project among them.
    pub labels: Vec<Label>,
}

/// The variables of a file, one a line; one without a value has what `look` gives, or is left out.
///
/// # Errors
/// The name that is none; no value is repeated.
pub fn env_lines(text: &str, look: &dyn Fn(&str) -> Option<String>) -> Result<Vec<crate::spec::Variable>, String> {
    parts::env_lines(text, look)
}

impl Project {
    /// Reads a compose file.
    ///
    /// # Errors
    /// Why it can't be read at all, and where. What is wrong with a key stands among the project's findings.
    pub fn read(text: &str, inputs: &Inputs<'_>) -> Result<Self, Finding> {
        let mut root = yaml::read(text).map_err(Finding::from)?;
        let mut ledger = Ledger::default();
        interpolate::all(&mut root, inputs.variable, &mut ledger)?;
        Ok(top::read(&root, inputs, ledger)?)
    }

    /// A project of which the name alone is known: enough to take it down, or to read what its services print.
    ///
    /// # Errors
    /// `Config` where it is no name of a project.
    pub fn of_name(name: &str) -> Result<Self, Error> {
        top::check_name(name).map_err(Error::Config)?;
        let (services, networks, volumes, findings) = Default::default();
        Ok(Self { name: name.to_owned(), services, networks, volumes, findings })
    }

    /// What is not supported, in the order of the file.
    pub fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.verdict != Verdict::Supported)
    }

    /// Notes what the policy says of a part of a service.
    pub(crate) fn refuse(&mut self, fact: &Fact, why: String) {
        let known = self.findings.iter_mut().find(|finding| finding.key == fact.key);
        let refused = (Verdict::Refused, Some(why));
        match known {
            Some(finding) => (finding.verdict, finding.why) = refused,
            None => {
                let Place { line, column } = fact.at;
                let (verdict, why) = refused;
                self.findings.push(Finding { key: fact.key.clone(), line, column, verdict, why });
            }
        }
    }
}

/// What became of the keys so far.
#[derive(Debug, Default)]
struct Ledger {
    findings: Vec<Finding>,
}

impl Ledger {
    fn note(&mut self, key: &str, at: Place, verdict: Verdict, why: Option<String>) {
        self.findings.push(Finding { key: key.to_owned(), line: at.line, column: at.column, verdict, why });
    }

    fn supported(&mut self, key: &str, at: Place) {
        self.note(key, at, Verdict::Supported, None);
    }

    /// What is wrong is told once for each place.
    fn invalid(&mut self, key: &str, at: Place, why: impl Into<String>) {
        let told = |one: &Finding| (one.verdict, one.line, one.column) == (Verdict::Invalid, at.line, at.column);
        if !self.findings.iter().any(told) {
            self.note(key, at, Verdict::Invalid, Some(why.into()));
        }
    }

    /// Whether a key, or something below it, is wrong.
    fn is_wrong_below(&self, key: &str) -> bool {
        let below = |one: &str| one.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.findings.iter().any(|one| one.verdict == Verdict::Invalid && below(&one.key))
    }

    fn unsupported(&mut self, key: &str, at: Place, why: impl Into<String>) {
        self.note(key, at, Verdict::Unsupported, Some(why.into()));
    }

    /// A key that stands nowhere in the Specification, with the nearest that does.
    fn unknown(&mut self, key: &str, at: Place, word: &str, known: &[&str]) {
        let near = crate::grants::nearest_word(word, known.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        self.note(key, at, Verdict::Unknown, Some(format!("there is no such key here{near}")));
    }

    /// A key within a key, which is none of the Specification's or not supported.
    fn stray(&mut self, key: &str, stray: &Stray) {
        let Stray { at, word, known } = stray;
        let below = format!("{key}.{word}");
        if BELOW.contains(&word.as_str()) {
            let can = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            return self.unsupported(&below, *at, format!("it can't stand here; what can is {can}"));
        }
        self.unknown(&below, *at, word, &known.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Notes what became of a key, and gives its value where it has one.
    fn take<T>(&mut self, key: &str, at: Place, value: Result<T, Wrong>) -> Option<T> {
        let value = self.refuse(key, value)?;
        self.supported(key, at);
        Some(value)
    }

    /// Notes what is wrong with a key; a value that is right is given.
    fn refuse<T>(&mut self, key: &str, value: Result<T, Wrong>) -> Option<T> {
        let Wrong { at, why, strays } = match value {
            Ok(value) => return Some(value),
            Err(wrong) => wrong,
        };
        for stray in &strays {
            self.stray(key, stray);
        }
        match why.strip_prefix(UNSUPPORTED) {
            _ if !strays.is_empty() => {}
            Some(why) => self.unsupported(key, at, why),
            None => self.invalid(key, at, why),
        }
        None
    }
}

/// Keys of the Specification that stand below those of a service, a network, a volume or a secret.
#[rustfmt::skip]
const BELOW: &[&str] = &[
    "start_interval", "restart_policy", "placement", "update_config", "rollback_config", "endpoint_mode", "mode", "labels", "options", "generic_resources",
    "propagation", "selinux", "create_host_path", "recursive", "nocopy", "subpath", "consistency", "image", "cluster", "uid", "gid", "ipv4_address", "ipv6_address", "link_local_ips",
    "mac_address", "interface_name", "priority", "gw_priority", "driver_opts", "attachable", "enable_ipv4", "enable_ipv6", "ipam", "restart", "format",
    "content", "template_driver", "size", "condition", "memory", "cpus", "pids", "bind", "volume", "tmpfs",
];

/// Stands before what is well formed and can't be done.
const UNSUPPORTED: &str = "\u{0}";

fn unsupported(at: Place, why: impl AsRef<str>) -> Wrong {
    Wrong::new(at, format!("{UNSUPPORTED}{}", why.as_ref()))
}

#[cfg(test)]
mod tests;
