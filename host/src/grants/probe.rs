//! Probes: facts about the machine that the host gathers for `detect` and `preflight`.

use std::path::PathBuf;

use super::command::{Command, Effect, Object};
use super::error::GrantsError;
use super::reader::{Entry, Section};
use super::slot::Origin;
use crate::probes::Place;

/// The most bytes of a file that a probe may hand on.
pub(super) const CAP_MAX: u64 = 65_536;
/// What is handed on where the file does not say.
const CAP_DEFAULT: u64 = 4096;

/// A call before which a probe runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeCall {
    /// `detect`.
    Detect,
    /// `preflight`.
    Preflight,
}

impl ProbeCall {
    pub(super) const WORDS: [(&'static str, Self); 2] = [("detect", Self::Detect), ("preflight", Self::Preflight)];
}

/// What a probe looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeKind {
    /// The beginning of a file.
    File {
        /// Which.
        path: PathBuf,
        /// The most bytes.
        cap: u64,
    },
    /// The names in a folder.
    Directory {
        /// Which.
        path: PathBuf,
        /// The most bytes of names.
        cap: u64,
    },
    /// The free space of the file system that holds a path.
    Space {
        /// Which.
        path: PathBuf,
    },
    /// Whether a loopback port is free.
    Port {
        /// Which.
        port: u16,
    },
    /// Whether there is something at a path, and of what kind.
    Path {
        /// Which.
        path: PathBuf,
    },
    /// The beginnings of the files in a folder.
    Files {
        /// Which.
        path: PathBuf,
        /// The most bytes of them all.
        cap: u64,
    },
    /// Whether the ports of the call can be bound.
    Ports,
    /// What stands at the mount sources of the call.
    Mounts,
    /// A variable of the host's own environment.
    Variable {
        /// Its name.
        name: String,
    },
    /// What a granted command of effect `read` printed that is about the engine alone and takes nothing of a call's.
    Command {
        /// The command.
        command: String,
    },
    /// How the machine groups processes.
    Cgroup,
    /// The user, and its subordinate IDs.
    User,
    /// The granted OCI runtimes that are there.
    Runtimes,
}

#[derive(Clone, Copy)]
pub(super) enum Word {
    File,
    Directory,
    Space,
    Port,
    Path,
    Cgroup,
    User,
    Runtimes,
    Files,
    Ports,
    Mounts,
    Variable,
    Command,
}

impl Word {
    pub(super) const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::File | Self::Directory | Self::Files => &["kind", "calls", "path", "cap"],
            Self::Space | Self::Path => &["kind", "calls", "path"],
            Self::Port => &["kind", "calls", "port"],
            Self::Variable => &["kind", "calls", "name"],
            Self::Command => &["kind", "calls", "command"],
            Self::Cgroup | Self::User | Self::Runtimes | Self::Ports | Self::Mounts => &["kind", "calls"],
        }
    }
}

pub(super) const WORDS: [(&str, Word); 13] = [
    ("file", Word::File),
    ("directory", Word::Directory),
    ("space", Word::Space),
    ("port", Word::Port),
    ("path", Word::Path),
    ("cgroup", Word::Cgroup),
    ("user", Word::User),
    ("runtimes", Word::Runtimes),
    ("files", Word::Files),
    ("ports", Word::Ports),
    ("mounts", Word::Mounts),
    ("variable", Word::Variable),
    ("command", Word::Command),
];

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSpec {
    name: String,
    kind: ProbeKind,
    calls: Vec<ProbeCall>,
}

/// For people: `release: file /etc/os-release`.
impl std::fmt::Display for ProbeSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.kind)?;
        f.write_str(if self.calls.contains(&ProbeCall::Detect) { ", for detect" } else { "" })?;
        f.write_str(if self.calls.contains(&ProbeCall::Preflight) { ", for preflight" } else { "" })
    }
}

impl std::fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, cap } => write!(f, "file {} ({cap} bytes)", path.display()),
            Self::Directory { path, cap } => write!(f, "directory {} ({cap} bytes)", path.display()),
            Self::Space { path } => write!(f, "space {}", path.display()),
            Self::Port { port } => write!(f, "port {port}"),
            Self::Path { path } => write!(f, "path {}", path.display()),
            Self::Cgroup => f.write_str("cgroup"),
            Self::User => f.write_str("user"),
            Self::Runtimes => f.write_str("runtimes"),
            Self::Files { path, cap } => write!(f, "files of {} ({cap} bytes)", path.display()),
            Self::Ports => f.write_str("ports of the call"),
            Self::Mounts => f.write_str("mount sources of the call"),
            Self::Variable { name } => write!(f, "variable {name}"),
            Self::Command { command } => write!(f, "command {command}"),
        }
    }
}

impl ProbeSpec {
    pub(super) fn read(section: Section<'_>, commands: &[Command]) -> Result<Self, GrantsError> {
        let kind = kind(&section, commands)?;
        let entry = section.need("calls")?;
        let calls =
            entry.distinct()?.iter().map(|entry| entry.choice(&ProbeCall::WORDS)).collect::<Result<Vec<_>, _>>()?;
        if calls.is_empty() {
            return Err(entry.error("`calls` is empty: it names detect, preflight or both"));
        }
        Ok(Self { name: section.name().to_owned(), kind, calls })
    }

    /// Its name: under which a backend is told.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it looks at.
    #[must_use]
    pub const fn kind(&self) -> &ProbeKind {
        &self.kind
    }

    /// The calls before which it runs.
    #[must_use]
    pub fn calls(&self) -> &[ProbeCall] {
        &self.calls
    }
}

fn kind(section: &Section<'_>, commands: &[Command]) -> Result<ProbeKind, GrantsError> {
    let word = section.need("kind")?.choice(&WORDS)?;
    section.only(word.keys())?;
    let path = || place(section.need("path")?);
    Ok(match word {
        Word::File => ProbeKind::File { path: path()?, cap: cap(section)? },
        Word::Directory => ProbeKind::Directory { path: path()?, cap: cap(section)? },
        Word::Space => ProbeKind::Space { path: path()? },
        Word::Path => ProbeKind::Path { path: path()? },
        Word::Port => ProbeKind::Port { port: port(section.need("port")?)? },
        Word::Cgroup => ProbeKind::Cgroup,
        Word::User => ProbeKind::User,
        Word::Runtimes => ProbeKind::Runtimes,
        Word::Files => ProbeKind::Files { path: path()?, cap: cap(section)? },
        Word::Ports => ProbeKind::Ports,
        Word::Mounts => ProbeKind::Mounts,
        Word::Variable => ProbeKind::Variable { name: variable(section.need("name")?)? },
        Word::Command => ProbeKind::Command { command: command(section.need("command")?, commands)? },
    })
}

/// An absolute path, in which the operator may leave the user open.
fn place(entry: Entry<'_>) -> Result<PathBuf, GrantsError> {
    let text = entry.text()?;
    Place::parse(text).map(|_| PathBuf::from(text)).map_err(|error| entry.error(error.to_string()))
}

fn variable(entry: Entry<'_>) -> Result<String, GrantsError> {
    let name = entry.text()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(fits) {
        return Ok(name.to_owned());
    }
    Err(entry.error(format!("{name:?} is not a variable's name")))
}

/// A command that only looks at the engine, and that nothing of a call can change.
fn command(entry: Entry<'_>, commands: &[Command]) -> Result<String, GrantsError> {
    let name = entry.text()?;
    let found = commands.iter().find(|command| command.name() == name);
    let names = commands.iter().map(Command::name);
    let found = found.ok_or_else(|| entry.error(format!("there is no command `{name}`")).near(name, names))?;
    if (found.effect(), found.object()) != (Effect::Read, Object::Engine) {
        return Err(entry.error(format!("`{name}` is not of effect read on the engine: a probe only looks")));
    }
    match found.template().slots().find(|slot| slot.origin() != Origin::Host) {
        Some(slot) => Err(entry.error(format!("`{name}` has {{{slot}}}, which no probe can fill"))),
        None => Ok(name.to_owned()),
    }
}

fn cap(section: &Section<'_>) -> Result<u64, GrantsError> {
    let Some(entry) = section.get("cap") else { return Ok(CAP_DEFAULT) };
    let cap = entry.number()?;
    let fits = (1..=CAP_MAX).contains(&cap);
    if fits { Ok(cap) } else { Err(entry.error(format!("`cap` is a number of bytes from 1 to {CAP_MAX}"))) }
}

fn port(entry: Entry<'_>) -> Result<u16, GrantsError> {
    let number = u16::try_from(entry.number()?).ok().filter(|port| *port > 0);
    number.ok_or_else(|| entry.error("`port` is a number from 1 to 65535"))
}
