//! What a caller wants of a container, parsed once and never checked again.
//!
//! A value of one of these types is well formed. Whether the operator allows it is the policy's to say, and whether
//! a backend may name it is the scope's.

pub(crate) mod capability;
mod container;
mod environment;
mod exec;
mod gpu;
mod gpu_profile;
mod health;
mod mount;
mod name;
mod network;
mod pod;
mod port;
mod resources;
pub(crate) mod words;
mod workdir;

pub(crate) use container::NETWORKS_MAX;
pub use container::{ContainerSpec, NetworkMode, RestartPolicy};
pub use environment::{EnvName, Secret, SecretDelivery, SecretValue, Variable};
pub(crate) use exec::MARK;
pub use exec::{ExecSpec, WindowSize};
pub use gpu::{Gpu, Gpus};
pub use gpu_profile::{CudaVersion, GpuProfile};
pub use health::{HealthCheck, Platform, UserNamespace};
pub use mount::{InsidePath, Mount, MountSource, Tmpfs};
pub use name::{Label, Name, Signal, User};
pub use network::{NetworkName, NetworkSpec};
pub(crate) use pod::HOLDER;
pub use pod::PodSpec;
pub use port::{Port, Protocol};
pub use resources::{Cpus, Memory, Ulimit};
pub use workdir::Workdir;

/// A part of a request that is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {why}; expected {expected}")]
#[non_exhaustive]
pub struct SpecError {
    /// The kind of thing: `container name`, `port` …
    pub what: &'static str,
    /// What was given.
    pub value: String,
    /// What is wrong with it.
    pub why: String,
    /// What would be right.
    pub expected: &'static str,
}

impl SpecError {
    /// A path without a last part that is a name.
    pub(crate) fn unnamed(path: &str) -> Self {
        Self::new("path", path, "it has no last part, or one of other characters", "a file or folder by its name")
    }

    /// There is an input, and nothing that takes it.
    pub(crate) fn without_input() -> Self {
        Self::new("input", "", "the command takes no input", "a spec with standard input")
    }

    pub(crate) fn new(what: &'static str, value: &str, why: impl Into<String>, expected: &'static str) -> Self {
        Self { what, value: value.escape_debug().to_string(), why: why.into(), expected }
    }
}

/// Whether every character is one of ASCII letters and digits or of `extra`.
fn is_made_of(text: &str, extra: &[u8]) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
}
