//! The variables of the environment in which an operator lets a program run.

use std::fmt;

use super::accept;
use super::error::GrantsError;
use super::reader::Entry;

/// Longer names and values are refused, in bytes.
const LONGEST: usize = 256;

/// A variable that a program gets: the host's own, or one of a constant value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVariable {
    name: String,
    value: Option<String>,
}

impl EnvVariable {
    /// A list of `NAME` and `NAME=VALUE`, each name once.
    pub(super) fn read_all(list: Entry<'_>) -> Result<Vec<Self>, GrantsError> {
        let mut variables = Vec::<Self>::new();
        for entry in list.list()? {
            let variable = Self::read(&entry)?;
            if variables.iter().any(|other| other.name == variable.name) {
                return Err(entry.error(format!("{:?} stands twice in `{}`", variable.name, list.key)));
            }
            variables.push(variable);
        }
        Ok(variables)
    }

    fn read(entry: &Entry<'_>) -> Result<Self, GrantsError> {
        let text = entry.text()?;
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let found = if let Some(value) = value { constant(name, value) } else { inherited(name) };
        found.map_err(|why| entry.error(why))?;
        Ok(Self { name: name.to_owned(), value: value.map(str::to_owned) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value; none where the host's own is handed on, if the host has one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// As it stands in the grants.
impl fmt::Display for EnvVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn inherited(name: &str) -> Result<(), String> {
    if !accept::env_name(name) || name.len() > LONGEST {
        return Err(format!("{name:?} is not the name of a variable; there are no wildcards"));
    }
    if is_the_hosts(name) {
        return Err(format!("`{name}` is never passed on: the host sets PATH and LC_ALL, and nothing sets LD_…"));
    }
    if redirects(name) {
        return Err(format!(
            "`{name}` is never passed on: it sends the client to another engine, or to other files of its own"
        ));
    }
    Ok(())
}

fn constant(name: &str, value: &str) -> Result<(), String> {
    inherited(name)?;
    if name == "HOME" || name.starts_with("XDG_") {
        return Err(format!("`{name}` has no value but the host's own: what the host judges by it would not hold"));
    }
    if value.len() > LONGEST || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("the value of `{name}` is of up to {LONGEST} printable ASCII characters without blanks"));
    }
    Ok(())
}

/// The host sets these itself, or the loader obeys them.
fn is_the_hosts(name: &str) -> bool {
    matches!(name, "PATH" | "LC_ALL") || name.starts_with("LD_")
}

/// Whether a variable names the engine, or the configuration, that a client goes by.
fn redirects(name: &str) -> bool {
    const PREFIXES: &[&str] =
        &["DOCKER_", "CONTAINER_", "CONTAINERS_", "PODMAN_", "BUILDAH_", "REGISTRIES_", "REGISTRY_", "STORAGE_"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
