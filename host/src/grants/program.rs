//! Programs, endpoints and OCI runtimes that an operator grants.

use std::path::PathBuf;

use super::accept;
use super::error::GrantsError;
use super::reader::{Entry, Section};
use super::variable::EnvVariable;

/// A program that commands may begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramGrant {
    name: String,
    search: Vec<PathBuf>,
    environment: Vec<EnvVariable>,
    wrapper: bool,
    sha256: Option<String>,
}

impl ProgramGrant {
    pub(super) const KEYS: [&'static str; 4] = ["search", "environment", "wrapper", "sha256"];

    pub(super) fn read(section: Section<'_>) -> Result<Self, GrantsError> {
        section.only(&Self::KEYS)?;
        Ok(Self {
            name: section.name().to_owned(),
            search: absolute_paths(section.need("search")?)?,
            environment: section.get("environment").map_or(Ok(Vec::new()), EnvVariable::read_all)?,
            wrapper: section.get("wrapper").map_or(Ok(false), |entry| entry.boolean())?,
            sha256: section.get("sha256").map(sha256).transpose()?,
        })
    }

    /// Its name: the first word of a template.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it may lie: absolute paths, the first that is there holds.
    #[must_use]
    pub fn search(&self) -> &[PathBuf] {
        &self.search
    }

    /// The variables that it gets, each name once; all others are cleared.
    #[must_use]
    pub fn environment(&self) -> &[EnvVariable] {
        &self.environment
    }

    /// Whether it may be a script that starts another program.
    #[must_use]
    pub const fn wrapper(&self) -> bool {
        self.wrapper
    }

    /// The SHA-256 that its file must have, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }
}

fn sha256(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    if accept::id(text) {
        Ok(text.to_owned())
    } else {
        Err(entry.error("`sha256` is 64 hexadecimal digits, lower case"))
    }
}

/// One or more absolute paths without `.` and `..`.
fn absolute_paths(entry: Entry<'_>) -> Result<Vec<PathBuf>, GrantsError> {
    let paths = entry.distinct()?.into_iter().map(absolute_path).collect::<Result<Vec<_>, _>>()?;
    if paths.is_empty() { Err(entry.error(format!("`{}` names no path", entry.key))) } else { Ok(paths) }
}

pub(super) fn absolute_path(entry: Entry<'_>) -> Result<PathBuf, GrantsError> {
    let path = entry.text()?;
    if accept::host_path(path) {
        return Ok(PathBuf::from(path));
    }
    Err(entry.error(format!("{path:?} is not an absolute path without empty parts, `.` and `..`")))
}

/// Where an engine's daemon may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointGrant {
    sockets: Vec<String>,
}

impl EndpointGrant {
    /// Variables of the host that may begin a socket's path.
    pub const VARIABLES: [&'static str; 2] = ["XDG_RUNTIME_DIR", "HOME"];

    pub(super) fn read(section: Section<'_>) -> Result<Self, GrantsError> {
        section.only(&["sockets"])?;
        let sockets = section.need("sockets")?.distinct()?.into_iter().map(socket).collect::<Result<_, _>>()?;
        Ok(Self { sockets })
    }

    /// Absolute paths of sockets, the first that is there and safe holds; one may begin with `{XDG_RUNTIME_DIR}` or `{HOME}`.
    #[must_use]
    pub fn sockets(&self) -> &[String] {
        &self.sockets
    }
}

fn socket(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    let variable = |name: &&str| text.strip_prefix(&format!("{{{name}}}"));
    let path = EndpointGrant::VARIABLES.iter().find_map(variable).unwrap_or(text);
    if accept::endpoint(&format!("unix://{path}")) {
        return Ok(text.to_owned());
    }
    let error = entry.error(format!(
        "{text:?} is not the absolute path of a socket; it may begin with {{XDG_RUNTIME_DIR}} or {{HOME}}"
    ));
    match text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((name, _)) => Err(error.near(name, EndpointGrant::VARIABLES)),
        None => Err(error),
    }
}

/// How a machine groups processes (cgroups(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroups {
    /// Version 1 alone.
    V1,
    /// Version 2 alone.
    V2,
    /// Both at once.
    Hybrid,
}

impl Cgroups {
    pub(super) const WORDS: [(&'static str, Self); 3] = [("v1", Self::V1), ("v2", Self::V2), ("hybrid", Self::Hybrid)];
}

/// An OCI runtime that may be named to an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeGrant {
    name: String,
    search: Vec<PathBuf>,
    cgroups: Vec<Cgroups>,
}

impl RuntimeGrant {
    pub(super) const KEYS: [&'static str; 3] = ["name", "search", "cgroups"];

    pub(super) fn read(section: Section<'_>) -> Result<Self, GrantsError> {
        section.only(&Self::KEYS)?;
        let name = section.need("name")?;
        if !accept::runtime(name.text()?) || name.text()?.starts_with('/') {
            return Err(name.error("the name of a runtime is of lower-case letters, digits, `_`, `.` and `-`"));
        }
        Ok(Self {
            name: name.text()?.to_owned(),
            search: absolute_paths(section.need("search")?)?,
            cgroups: section
                .need("cgroups")?
                .distinct()?
                .iter()
                .map(|entry| entry.choice(&Cgroups::WORDS))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it may lie.
    #[must_use]
    pub fn search(&self) -> &[PathBuf] {
        &self.search
    }

    /// The arrangements of cgroups under which it works.
    #[must_use]
    pub fn cgroups(&self) -> &[Cgroups] {
        &self.cgroups
    }
}
