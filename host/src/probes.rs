//! Facts of the machine that a backend may be told before it judges whether it can work: `[probes.NAME]` of a grant.
//!
//! A probe looks at one fixed place and is bounded in size and in time. The results are raw: they are redacted before
//! anybody sees them.

mod look;
mod place;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub(crate) use place::{Place, PlaceError};

/// Bytes of a file, unless the probe says otherwise.
pub(crate) const DEFAULT_BYTES: usize = 4 * 1024;
/// Bytes of a file, at most.
pub(crate) const MAX_BYTES: usize = 64 * 1024;
/// Names of a folder, unless the probe says otherwise.
pub(crate) const DEFAULT_NAMES: usize = 64;
/// Names of a folder, at most.
pub(crate) const MAX_NAMES: usize = 1024;
/// Ports of a call that are looked at.
pub(crate) const MAX_PORTS: usize = 64;
/// How long a probe may take: a network file system may hang.
pub(crate) const TIME: Duration = Duration::from_secs(2);

/// One `[probes.NAME]` as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ProbeSpec {
    /// What is looked at.
    pub(crate) kind: ProbeKind,
    /// Where: of `file`, `directory`, `space` and `path`. May begin with `{HOME}` or `{XDG_RUNTIME_DIR}`, and hold `{UID}`.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// At most so many bytes (`file`, default 4096) or names (`directory`, default 64).
    #[serde(default)]
    pub(crate) cap: Option<usize>,
    /// Of `port`: a loopback or unspecified address. With `port`; without both, the ports of the call are looked at.
    #[serde(default)]
    pub(crate) address: Option<IpAddr>,
    /// Of `port`: the port.
    #[serde(default)]
    pub(crate) port: Option<u16>,
    /// Of `port`: default `tcp`.
    #[serde(default)]
    pub(crate) protocol: Option<Protocol>,
}

/// What a probe looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProbeKind {
    /// The text of a file.
    File,
    /// The names in a folder.
    Directory,
    /// The room on a file system.
    Space,
    /// Whether ports can be bound.
    Port,
    /// Type, owner and permissions.
    Path,
    /// The beginnings of the files in a folder.
    Files,
    /// The version of control groups.
    Cgroup,
    /// The user and its subordinate ranges.
    User,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// Where a port would be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Port {
    /// The address.
    pub(crate) address: IpAddr,
    /// The port; never 0.
    pub(crate) port: u16,
    /// The protocol.
    pub(crate) protocol: Protocol,
}

/// A probe that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Text of a file, at most `cap` bytes.
    File { place: Place, cap: usize },
    /// Names in a folder, at most `cap`.
    Directory { place: Place, cap: usize },
    /// Room on the file system of the place, or of the nearest folder above that exists.
    Space { place: Place },
    /// The given port, or those of the call.
    Port { fixed: Option<Port> },
    /// What stands at the place.
    Path { place: Place },
    /// The beginnings of the regular files in a folder, at most `cap` bytes of all of them.
    Files { place: Place, cap: usize },
    /// Control groups.
    Cgroup,
    /// The user.
    User,
}

/// Why a probe of a grants file does not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProbeError {
    /// A key that this kind needs.
    #[error("a probe of this kind needs `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key that this kind does not know.
    #[error("a probe of this kind has no `{key}`")]
    Unused {
        /// The key.
        key: &'static str,
    },
    /// A cap beyond the most.
    #[error("`cap` must be from 1 to {most}")]
    Cap {
        /// The most.
        most: usize,
    },
    /// An address of another machine or a public one.
    #[error("`address` must be a loopback address, `0.0.0.0` or `::`")]
    Address,
    /// Port 0.
    #[error("`port` must be from 1 to 65535")]
    Port,
    /// Not a fixed place.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

impl ProbeSpec {
    /// The probe that this says.
    ///
    /// # Errors
    /// [`ProbeError`] when a key is missing, does not belong to the kind, or is out of bounds.
    pub(crate) fn parse(&self) -> Result<Probe, ProbeError> {
        self.refuse_unused()?;
        Ok(match self.kind {
            ProbeKind::File => Probe::File { place: self.place()?, cap: self.cap(DEFAULT_BYTES, MAX_BYTES)? },
            ProbeKind::Directory => Probe::Directory { place: self.place()?, cap: self.cap(DEFAULT_NAMES, MAX_NAMES)? },
            ProbeKind::Space => Probe::Space { place: self.place()? },
            ProbeKind::Files => Probe::Files { place: self.place()?, cap: self.cap(DEFAULT_BYTES, MAX_BYTES)? },
            ProbeKind::Path => Probe::Path { place: self.place()? },
            ProbeKind::Port => Probe::Port { fixed: self.port()? },
            ProbeKind::Cgroup => Probe::Cgroup,
            ProbeKind::User => Probe::User,
        })
    }

    fn refuse_unused(&self) -> Result<(), ProbeError> {
        use ProbeKind::{Directory, File, Files, Path, Port, Space};
        let has_path = matches!(self.kind, File | Files | Directory | Space | Path);
        let has_port = self.kind == Port;
        let keys = [
            ("path", self.path.is_some(), has_path),
            ("cap", self.cap.is_some(), matches!(self.kind, File | Files | Directory)),
            ("address", self.address.is_some(), has_port),
            ("port", self.port.is_some(), has_port),
            ("protocol", self.protocol.is_some(), has_port && self.port.is_some()),
        ];
        match keys.into_iter().find(|(_, given, known)| *given && !known) {
            Some((key, ..)) => Err(ProbeError::Unused { key }),
            None => Ok(()),
        }
    }

    fn place(&self) -> Result<Place, ProbeError> {
        let path = self.path.as_deref().ok_or(ProbeError::Missing { key: "path" })?;
        Ok(Place::parse(path)?)
    }

    fn cap(&self, default: usize, most: usize) -> Result<usize, ProbeError> {
        match self.cap.unwrap_or(default) {
            cap if (1..=most).contains(&cap) => Ok(cap),
            _ => Err(ProbeError::Cap { most }),
        }
    }

    fn port(&self) -> Result<Option<Port>, ProbeError> {
        let (address, port) = match (self.address, self.port) {
            (None, None) => return Ok(None),
            (None, _) => return Err(ProbeError::Missing { key: "address" }),
            (_, None) => return Err(ProbeError::Missing { key: "port" }),
            (Some(address), Some(port)) => (address, port),
        };
        if !address.is_loopback() && !address.is_unspecified() {
            return Err(ProbeError::Address);
        }
        let protocol = self.protocol.unwrap_or_default();
        if port == 0 { Err(ProbeError::Port) } else { Ok(Some(Port { address, port, protocol })) }
    }
}

/// What fills the placeholders, and the ports that the call asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProbeContext {
    /// For `{HOME}`.
    pub(crate) home: Option<PathBuf>,
    /// For `{XDG_RUNTIME_DIR}`.
    pub(crate) runtime_dir: Option<PathBuf>,
    /// For `{UID}`, and the user of [`Probe::User`].
    pub(crate) uid: u32,
    /// The host ports of the call; those beyond [`MAX_PORTS`] are not looked at.
    pub(crate) ports: Vec<Port>,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub(crate) enum ProbeResult {
    /// Of `file`.
    Text {
        /// The text; what is not UTF-8 is replaced.
        text: String,
        /// Whether there was more.
        truncated: bool,
    },
    /// Of `directory`, sorted.
    Names {
        /// The names; what is not UTF-8 is replaced.
        names: Vec<String>,
        /// Whether there were more.
        truncated: bool,
    },
    /// Of `space`, in bytes.
    Space {
        /// The size of the file system.
        total: u64,
        /// What this user may still use.
        available: u64,
    },
    /// Of `port`.
    Ports {
        /// Each port, and whether it can be bound.
        ports: Vec<PortFact>,
    },
    /// Of `path`.
    Path(PathFact),
    /// Of `cgroup`.
    Cgroup {
        /// What is mounted.
        version: Cgroup,
    },
    /// Of `user`.
    User(UserFact),
    /// Nothing is there, or its placeholder has no value.
    Absent,
    /// It could not be looked at.
    Failed {
        /// Why.
        why: Fault,
    },
}

/// Why something could not be looked at. No path is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// The probe itself, or the value of a placeholder, is not valid.
    Invalid,
    /// A link on the way that is not root's.
    Link,
    /// Not a file or folder, as the probe expects.
    Kind,
    /// No permission.
    Denied,
    /// It took longer than [`TIME`].
    TimedOut,
    /// Anything else.
    Io,
}

/// Whether a port can be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PortFact {
    /// Which.
    #[serde(flatten)]
    pub(crate) port: Port,
    /// Its state.
    pub(crate) state: PortState,
}

/// What came of binding a port, without listening on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PortState {
    /// It can be bound.
    Free,
    /// Somebody has it.
    Taken,
    /// This user may not bind it.
    Denied,
    /// The machine has no such address, or another error.
    Unusable,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PathFact {
    /// `file`, `directory`, `socket`, `char-device`, `block-device`, `fifo` or `other`.
    pub(crate) kind: &'static str,
    /// User ID of the owner.
    pub(crate) owner: u32,
    /// Group ID.
    pub(crate) group: u32,
    /// The permission bits.
    pub(crate) mode: u32,
    /// Whether its permissions let this user read it.
    pub(crate) readable: bool,
    /// Whether its permissions let this user write it.
    pub(crate) writable: bool,
}

/// Which control groups are mounted (cgroups(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cgroup {
    /// Version 1 alone.
    V1,
    /// Version 2 alone.
    V2,
    /// Version 1, and version 2 beside it at `unified`.
    Hybrid,
    /// None.
    None,
}

/// The user that the host runs as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UserFact {
    /// User ID.
    pub(crate) uid: u32,
    /// Name, where `/etc/passwd` has one.
    pub(crate) name: Option<String>,
    /// Whether the user is not root, so that engines run rootless.
    pub(crate) rootless: bool,
    /// Ranges of `/etc/subuid` (subuid(5)).
    pub(crate) subuid: Vec<Range>,
    /// Ranges of `/etc/subgid` (subgid(5)).
    pub(crate) subgid: Vec<Range>,
}

/// Subordinate IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Range {
    /// The first.
    pub(crate) start: u32,
    /// How many.
    pub(crate) count: u32,
}

/// Runs a probe. Never fails: what went wrong is a result too.
pub(crate) async fn run(spec: &ProbeSpec, context: &ProbeContext) -> ProbeResult {
    match spec.parse() {
        Ok(probe) => run_parsed(probe, context.clone()).await,
        Err(_) => ProbeResult::Failed { why: Fault::Invalid },
    }
}

/// Which control groups this machine has mounted.
pub(crate) fn cgroup() -> Cgroup {
    look::cgroup_or_none(std::path::Path::new("/sys/fs/cgroup"))
}

/// Looks in a thread of its own: one that hangs in the kernel is left behind, and nobody waits for it.
async fn run_parsed(probe: Probe, context: ProbeContext) -> ProbeResult {
    let (tell, told) = oneshot::channel();
    let looker = thread::Builder::new().name("probe".to_owned());
    let started = looker.spawn(move || {
        // Nobody may be waiting any more.
        let _ = tell.send(look::look(&probe, &context));
    });
    if started.is_err() {
        return ProbeResult::Failed { why: Fault::Io };
    }
    match tokio::time::timeout(TIME, told).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => ProbeResult::Failed { why: Fault::Io },
        Err(_) => ProbeResult::Failed { why: Fault::TimedOut },
    }
}
