//! The container as a whole.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::capability;
use super::environment::SecretDelivery;
use super::{
    Cpus, EnvName, GpuProfile, Gpus, HealthCheck, Label, Memory, Mount, MountSource, Name, Platform, Port, Secret,
    Signal, SpecError, Tmpfs, Ulimit, User, UserNamespace, Variable, Workdir,
};
use crate::reference::Reference;

/// What an engine does when the container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Nothing.
    No,
    /// Starts it again, always.
    Always,
    /// Starts it again when it failed, at most so many times.
    OnFailure(Option<u32>),
    /// Starts it again unless somebody stopped it.
    UnlessStopped,
}

impl FromStr for RestartPolicy {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text {
            "no" => return Ok(Self::No),
            "always" => return Ok(Self::Always),
            "unless-stopped" => return Ok(Self::UnlessStopped),
            "on-failure" => return Ok(Self::OnFailure(None)),
            _ => {}
        }
        let times = text.strip_prefix("on-failure:").and_then(|times| times.parse().ok());
        times.map(|times| Self::OnFailure(Some(times))).ok_or_else(|| {
            SpecError::new(
                "restart policy",
                text,
                "there is no such policy",
                "no, always, on-failure[:TIMES] or unless-stopped",
            )
        })
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Always => f.write_str("always"),
            Self::OnFailure(None) => f.write_str("on-failure"),
            Self::OnFailure(Some(times)) => write!(f, "on-failure:{times}"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
        }
    }
}

/// The network that a container is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// None but loopback.
    None,
    /// The engine's bridge, or its rootless stand-in.
    Bridge,
    /// The host's own.
    Host,
    /// A named one.
    Named(Name),
}

impl FromStr for NetworkMode {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text {
            "none" => Ok(Self::None),
            "bridge" => Ok(Self::Bridge),
            "host" => Ok(Self::Host),
            "default" | "private" | "slirp4netns" | "pasta" | "ns" | "container" | "podman" | "docker_gwbridge" => {
                Err(SpecError::new(
                    "network",
                    text,
                    "it is a word or a network of the engines",
                    "none, bridge, host, or the name of a network",
                ))
            }
            name => name.parse().map(Self::Named),
        }
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Bridge => f.write_str("bridge"),
            Self::Host => f.write_str("host"),
            Self::Named(name) => f.write_str(name.as_str()),
        }
    }
}

/// The most networks that a container is on.
pub(crate) const NETWORKS_MAX: usize = 32;

/// A container as the caller wants it.
///
/// ```
/// use portreeve::ContainerSpec;
/// let mut spec = ContainerSpec::new("docker.io/library/alpine:3".parse()?, "hello".parse()?);
/// spec.words = vec!["echo".into(), "hello".into()];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    /// The image; verified before anything is created.
    pub image: Reference,
    /// Its name.
    pub name: Name,
    /// The words of its command, after the image; free text without NUL.
    pub words: Vec<String>,
    /// The program to start instead of the image's; what follows the first goes before `words`.
    pub entrypoint: Vec<String>,
    /// Its working directory; the image's own by default.
    pub workdir: Option<Workdir>,
    /// Its user; the image's own by default.
    pub user: Option<User>,
    /// Its plain environment.
    pub env: Vec<Variable>,
    /// Its secrets.
    pub secrets: Vec<Secret>,
    /// Its mounts.
    pub mounts: Vec<Mount>,
    /// Its published ports.
    pub ports: Vec<Port>,
    /// Its GPUs; none by default.
    pub gpus: Gpus,
    /// What is asked of these GPUs beside their names; judged before anything is created.
    pub gpu_profile: Option<GpuProfile>,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Its memory limit; the engine's default by default, as for what follows.
    pub memory: Option<Memory>,
    /// Its processor limit.
    pub cpus: Option<Cpus>,
    /// The most processes it may have; never 0, which engines read as no limit.
    pub pids: Option<NonZeroU32>,
    /// What happens when it ends.
    pub restart: Option<RestartPolicy>,
    /// Its network.
    pub network: Option<NetworkMode>,
    /// Further named networks that it is on, with the same aliases; `network` is a named one then.
    pub further_networks: Vec<Name>,
    /// Seconds between TERM and KILL when the engine stops it.
    pub stop_grace: Option<u32>,
    /// The signal that asks it to stop.
    pub stop_signal: Option<Signal>,
    /// The engine removes it when it ends.
    pub remove: bool,
    /// Its root file system can't be written.
    pub read_only: bool,
    /// File systems in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// The size of its `/dev/shm`.
    pub shm_size: Option<Memory>,
    /// Its process limits.
    pub ulimits: Vec<Ulimit>,
    /// Capabilities taken away, by their names without `CAP_`; `ALL` for all.
    pub cap_drop: Vec<String>,
    /// Capabilities added, by their names without `CAP_`; the policy has to allow each.
    pub cap_add: Vec<String>,
    /// Its user namespace; the policy has to allow it.
    pub user_namespace: Option<UserNamespace>,
    /// Other names on its network, which must be a named one.
    pub aliases: Vec<Name>,
    /// The platform that its image must be of.
    pub platform: Option<Platform>,
    /// Its health check.
    pub health: Option<HealthCheck>,
    /// The host name inside.
    pub hostname: Option<Name>,
    /// Its standard input stays open, for whoever runs it attached.
    pub stdin: bool,
    /// It gets a terminal.
    pub terminal: bool,
    /// The pod of ours that it joins: its network is the pod's, and its ports are published by the pod.
    pub pod: Option<Name>,
}

impl ContainerSpec {
    /// A container of this image and name, and all else as the image and the engine have it.
    #[must_use]
    pub fn new(image: Reference, name: Name) -> Self {
        Self {
            image,
            name,
            words: Vec::new(),
            entrypoint: Vec::new(),
            workdir: None,
            user: None,
            env: Vec::new(),
            secrets: Vec::new(),
            mounts: Vec::new(),
            ports: Vec::new(),
            gpus: Gpus::None,
            gpu_profile: None,
            labels: Vec::new(),
            memory: None,
            cpus: None,
            pids: None,
            restart: None,
            network: None,
            further_networks: Vec::new(),
            stop_grace: None,
            stop_signal: None,
            remove: false,
            read_only: false,
            tmpfs: Vec::new(),
            shm_size: None,
            ulimits: Vec::new(),
            cap_drop: Vec::new(),
            cap_add: Vec::new(),
            user_namespace: None,
            aliases: Vec::new(),
            platform: None,
            health: None,
            hostname: None,
            stdin: false,
            terminal: false,
            pod: None,
        }
    }

    /// The named networks that it is on: its first one, and the further ones.
    pub fn named_networks(&self) -> impl Iterator<Item = &Name> {
        let first = match &self.network {
            Some(NetworkMode::Named(name)) => Some(name),
            _ => None,
        };
        first.into_iter().chain(&self.further_networks)
    }

    /// The named volumes among its mounts, each once.
    pub fn volumes(&self) -> impl Iterator<Item = &Name> {
        let names = self.mounts.iter().filter_map(|mount| match &mount.source {
            MountSource::Volume(name) => Some(name),
            MountSource::Path(_) => None,
        });
        names.collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    /// Checks what no single part can know: a name twice, a NUL in a word.
    ///
    /// # Errors
    /// Says which.
    pub fn check(&self) -> Result<(), SpecError> {
        self.check_words()?;
        self.check_names()?;
        self.check_targets()?;
        self.check_capabilities()?;
        self.check_networks()?;
        self.check_aliases()?;
        self.check_pod()?;
        self.health.as_ref().map_or(Ok(()), HealthCheck::check)
    }

    fn check_pod(&self) -> Result<(), SpecError> {
        let Some(pod) = &self.pod else { return Ok(()) };
        let own = [
            ("a port", !self.ports.is_empty()),
            ("a network", self.network.is_some()),
            ("a host name", self.hostname.is_some()),
        ];
        match own.into_iter().find(|(_, there)| *there) {
            None => Ok(()),
            Some((what, _)) => {
                let why = format!("a container of a pod has no {} of its own", what.trim_start_matches("a "));
                Err(SpecError::new("pod", pod.as_str(), why, "ports, network and host name as the pod has them"))
            }
        }
    }

    fn check_words(&self) -> Result<(), SpecError> {
        let mut words = self.words.iter().chain(&self.entrypoint);
        match words.find(|word| word.contains('\0')) {
            Some(word) => Err(SpecError::new("word", word, "it holds a NUL", "text without NUL")),
            None => Ok(()),
        }
    }

    fn check_names(&self) -> Result<(), SpecError> {
        let names =
            self.env.iter().map(|variable| &variable.name).chain(self.secrets.iter().map(|secret| &secret.name));
        twice(names.map(EnvName::as_str), "variable", "a name once")?;
        twice(self.ulimits.iter().map(|limit| limit.name.as_str()), "process limit", "a name once")?;
        twice(self.labels.iter().map(Label::key), "label", "a key once")
    }

    fn check_targets(&self) -> Result<(), SpecError> {
        let mounts = self.mounts.iter().map(|mount| mount.target.as_str());
        twice(mounts.chain(self.tmpfs.iter().map(|tmpfs| tmpfs.target.as_str())), "mount target", "a target once")?;
        let mounts = self.mounts.iter().map(|mount| &mount.target);
        let secrets = self.secrets.iter().filter_map(|secret| match &secret.delivery {
            SecretDelivery::File(target) => Some(target),
            SecretDelivery::Environment => None,
        });
        let mut targets = mounts.chain(self.tmpfs.iter().map(|tmpfs| &tmpfs.target)).chain(secrets);
        targets.find(|target| !target.takes_a_mount()).map_or(Ok(()), |target| {
            let why = "a mount there would take the place of the image, or of what the engine makes";
            Err(SpecError::new("mount target", target.as_str(), why, "a folder other than /, /proc, /sys and /dev"))
        })
    }

    fn check_capabilities(&self) -> Result<(), SpecError> {
        if let Some(all) = self.cap_add.iter().find(|name| name.eq_ignore_ascii_case("ALL")) {
            return Err(SpecError::new("capability", all, "they are added one by one", "a name such as NET_ADMIN"));
        }
        twice(
            self.cap_add.iter().chain(&self.cap_drop).map(String::as_str),
            "capability",
            "added or taken away, once",
        )?;
        let cap = |name: &&String| name.is_empty() || !super::is_made_of(name, b"_");
        let unknown = |name: &&String| !capability::is_known(name);
        match self.cap_add.iter().find(unknown).or_else(|| self.cap_add.iter().chain(&self.cap_drop).find(cap)) {
            Some(name) => {
                Err(SpecError::new("capability", name, "it is no name of one", "a name such as NET_RAW, or ALL"))
            }
            None => Ok(()),
        }
    }

    /// None, the host's and the engine's own go together with no other.
    fn check_networks(&self) -> Result<(), SpecError> {
        let Some(further) = self.further_networks.first() else { return Ok(()) };
        let Some(NetworkMode::Named(first)) = &self.network else {
            let why = "it goes together with named networks alone";
            return Err(SpecError::new("network", further.as_str(), why, "--network NAME for each"));
        };
        if self.further_networks.len() >= NETWORKS_MAX {
            let expected = "at most 32 networks";
            return Err(SpecError::new("network", further.as_str(), "there are too many of them", expected));
        }
        let all = std::iter::once(first).chain(&self.further_networks);
        twice(all.map(Name::as_str), "network", "a name once")
    }

    /// Engines know aliases on networks of their own alone.
    fn check_aliases(&self) -> Result<(), SpecError> {
        twice(self.aliases.iter().map(Name::as_str), "network alias", "a name once")?;
        match self.aliases.first() {
            Some(alias) if !matches!(self.network, Some(NetworkMode::Named(_))) => Err(SpecError::new(
                "network alias",
                alias.as_str(),
                "it needs a named network",
                "--network NAME beside it",
            )),
            _ => Ok(()),
        }
    }
}

pub(super) fn twice<'a>(
    names: impl Iterator<Item = &'a str>,
    what: &'static str,
    expected: &'static str,
) -> Result<(), SpecError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(SpecError::new(what, name, "it stands there twice", expected));
        }
    }
    Ok(())
}
