//! Standards: what an operator declares of a host, and whether it holds. Pure.

mod judge;
mod read;

pub use judge::{Checklist, Facts, Item, SmokeRun};
pub use read::{StandardError, nearest_builtin};

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::spec::{Gpus, Name};

/// The examples that are built in: name and text.
pub const BUILTIN: [(&str, &str); 3] = [
    ("server", include_str!("../../standards/server.toml")),
    ("workstation", include_str!("../../standards/workstation.toml")),
    ("gpu-host", include_str!("../../standards/gpu-host.toml")),
];

/// Whether something has to be, may be, or must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demand {
    /// It has to be.
    Required,
    /// It may be.
    #[default]
    Allowed,
    /// It must not be.
    Forbidden,
}

impl Demand {
    const WORDS: [(&'static str, Self); 3] =
        [("required", Self::Required), ("allowed", Self::Allowed), ("forbidden", Self::Forbidden)];

    /// As files spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
        }
    }

    /// Whether it holds where the thing is there, or is not.
    const fn holds(self, there: bool) -> bool {
        match self {
            Self::Required => there,
            Self::Allowed => true,
            Self::Forbidden => !there,
        }
    }
}

/// What is declared of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standard {
    /// Its name.
    pub name: String,
    /// One line about it.
    pub about: Option<String>,
    /// The class of host that it is for, where nobody says otherwise.
    pub class: Option<String>,
    /// The backend of each class of host; `any` where it does not matter.
    pub runtimes: BTreeMap<String, String>,
    /// Programs that may be another engine's under this name.
    pub aliases: BTreeMap<String, Demand>,
    /// An engine's daemon that answers.
    pub daemon: Demand,
    /// The engine in use runs without root.
    pub rootless: Demand,
    /// Where the engine in use keeps its images.
    pub graph_root: Option<PathBuf>,
    /// Registries, or `registry/repository` prefixes, that every image held is from; none where it does not matter.
    pub registries: Option<Vec<String>>,
    /// A container of the built-in image runs.
    pub smoke: bool,
    /// The GPUs that such a container is given.
    pub smoke_gpus: Gpus,
    /// Containers of this install that run.
    pub services: Vec<Name>,
    /// A memory limit of every container of this install that runs.
    pub memory_limits: Demand,
}

impl Standard {
    /// The class of host that is judged: as the caller says, or the file.
    ///
    /// # Errors
    /// Where neither does, or the file knows no such class.
    pub fn class_of<'a>(&'a self, asked: Option<&'a str>) -> Result<&'a str, String> {
        let only = || self.runtimes.keys().next().filter(|_| self.runtimes.len() == 1).map(String::as_str);
        let class = asked.or(self.class.as_deref()).or_else(only);
        let known = self.runtimes.keys().cloned().collect::<Vec<_>>().join(", ");
        match class {
            None => Err(format!("the standard {} is for several classes of hosts; say which: {known}", self.name)),
            Some(class) if self.runtimes.contains_key(class) => Ok(class),
            Some(class) => Err(format!("the standard {} knows no class {class:?}; it has {known}", self.name)),
        }
    }
}
