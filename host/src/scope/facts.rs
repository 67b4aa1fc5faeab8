//! From a request to the facts of its call.

use super::{Call, Scope};
use crate::grants::{Binding, Bindings, Slot};
use crate::reference::Reference;
use crate::spec::{
    ContainerSpec, Gpus, HealthCheck, Label, Mount, MountSource, NetworkMode, NetworkSpec, Platform, Port,
    SecretDelivery, Tmpfs, words,
};

/// A secret's file in memory: the secret's name, and where the host put it.
pub(crate) struct SecretFile {
    pub(crate) name: String,
    pub(crate) source: String,
}

/// Which part of a log a caller wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on while the container runs.
    pub follow: bool,
    /// The last so many lines only.
    pub tail: Option<u64>,
    /// From this point in time on only: RFC 3339, or seconds since the epoch.
    pub since: Option<String>,
    /// Each line begins with its time.
    pub timestamps: bool,
}

impl Scope {
    /// The facts of an image's call.
    pub(crate) fn of_image(call: Call, reference: &Reference, force: bool) -> Self {
        let mut scope = Self::new(call);
        scope.subject = Some(reference.to_string());
        scope.caller.insert(Slot::ImageReference, Binding::scalar(for_engine(reference)));
        flag(&mut scope.caller, Slot::Force, force);
        flag(&mut scope.host, Slot::RegistryLoopback, reference.is_loopback_registry());
        scope
    }

    /// The facts of a volume's call; labels only where it is to be made.
    pub(crate) fn of_volume(call: Call, name: &str, labels: &[Label]) -> Self {
        let mut scope = Self::new(call);
        scope.subject = Some(name.to_owned());
        scope.caller.insert(Slot::VolumeName, Binding::scalar(name));
        for label in labels {
            scope.caller.insert(Slot::Label, Binding::fields([("key", label.key()), ("value", label.value())]));
        }
        scope
    }

    /// The facts of a network that is to be made.
    pub(crate) fn of_network_ensure(spec: &NetworkSpec) -> Self {
        let mut scope = Self::of_network(Call::NetworkEnsure, spec.name.as_str(), None);
        flag(&mut scope.caller, Slot::Internal, spec.internal);
        for label in &spec.labels {
            scope.caller.insert(Slot::Label, Binding::fields([("key", label.key()), ("value", label.value())]));
        }
        scope
    }

    /// The facts of a call on one network; its ID where the host saw it to be ours.
    pub(crate) fn of_network(call: Call, name: &str, id: Option<&str>) -> Self {
        let mut scope = Self::new(call);
        scope.subject = Some(name.to_owned());
        scope.caller.insert(Slot::NetworkName, Binding::scalar(name));
        scalar(&mut scope.host, Slot::NetworkId, id);
        scope
    }

    /// The facts of a pod's call; labels only where it is to be made.
    pub(crate) fn of_pod(call: Call, name: &str, labels: &[Label]) -> Self {
        let mut scope = Self::new(call);
        scope.subject = Some(name.to_owned());
        scope.caller.insert(Slot::PodName, Binding::scalar(name));
        for label in labels {
            scope.caller.insert(Slot::Label, Binding::fields([("key", label.key()), ("value", label.value())]));
        }
        scope
    }

    /// The removal of an engine's pod that the host saw to be ours.
    pub(crate) fn of_pod_id(name: &str, id: &str) -> Self {
        let mut scope = Self::new(Call::PodRemove);
        scope.subject = Some(name.to_owned());
        scope.host.insert(Slot::PodId, Binding::scalar(id));
        scope
    }

    /// The container holds the network of a pod.
    pub(crate) fn holding(mut self, pod: &str) -> Self {
        self.caller.set(Slot::PodName, Binding::scalar(pod));
        self
    }

    /// The networks that a container joins are those that were looked at: a backend names them, and their IDs are rendered.
    /// The first one is a fact of the creation itself; each further one is joined by a command of its own.
    pub(crate) fn on_networks<'n>(mut self, networks: impl IntoIterator<Item = (&'n str, &'n str)>) -> Self {
        self.networks = networks.into_iter().map(|(name, id)| (name.to_owned(), id.to_owned())).collect();
        if let Some((_, id)) = self.networks.first() {
            self.caller.set(Slot::NetworkNamed, Binding::scalar(id));
        }
        self
    }

    /// The facts of a call on one container that the host saw to be ours.
    pub(crate) fn of_container(call: Call, name: &str, id: &str) -> Self {
        let mut scope = Self::new(call);
        scope.subject = Some(name.to_owned());
        scope.host.insert(Slot::ContainerId, Binding::scalar(id));
        scope
    }

    /// A pull of an image of this platform: the host says it, for a backend is asked for an image alone.
    pub(crate) fn with_platform(mut self, platform: Option<&Platform>) -> Self {
        scalar(&mut self.host, Slot::Platform, platform);
        self
    }

    /// The same facts for an engine that runs health checks by a shell alone.
    pub(crate) fn with_health_in_a_shell(mut self) -> Self {
        let said = self.caller.take(Slot::HealthCommand);
        let words = said.first().and_then(|fact| fact.field("")).and_then(words::from_json);
        scalar(&mut self.caller, Slot::HealthShell, words.map(|words| words::to_shell(&words)));
        self
    }

    /// A stop, with its grace in seconds.
    pub(crate) fn with_grace(mut self, seconds: u32) -> Self {
        self.grace = seconds;
        self.caller.insert(Slot::Seconds, Binding::scalar(seconds.to_string()));
        self
    }

    /// A signal.
    pub(crate) fn with_signal(mut self, signal: &str) -> Self {
        self.caller.insert(Slot::Signal, Binding::scalar(signal));
        self
    }

    /// A removal by force.
    pub(crate) fn with_force(mut self, force: bool) -> Self {
        flag(&mut self.caller, Slot::Force, force);
        self
    }

    /// Which part of a log.
    pub(crate) fn with_log_options(mut self, options: &LogOptions) -> Self {
        flag(&mut self.caller, Slot::Follow, options.follow);
        flag(&mut self.caller, Slot::Timestamps, options.timestamps);
        scalar(&mut self.caller, Slot::Tail, options.tail);
        scalar(&mut self.caller, Slot::Since, options.since.clone());
        self
    }

    /// The caller's facts of a container that is to be created. Paths in it are resolved already.
    pub(crate) fn of_create(spec: &ContainerSpec, files: &[SecretFile]) -> Self {
        let mut scope = Self::new(Call::Create);
        scope.subject = Some(spec.name.to_string());
        let facts = &mut scope.caller;
        facts.insert(Slot::ContainerName, Binding::scalar(spec.name.as_str()));
        for word in spec.entrypoint.iter().skip(1).chain(&spec.words) {
            facts.insert(Slot::Word, Binding::fields([("word", word.as_str())]));
        }
        scalar(facts, Slot::Entrypoint, spec.entrypoint.first());
        repeated(facts, spec);
        options(facts, spec);
        for secret in &spec.secrets {
            match secret.delivery {
                SecretDelivery::Environment => {
                    scope.caller.insert(Slot::EnvSecret, Binding::fields([("name", secret.name.as_str())]));
                    scope.secrets.insert(secret.name.to_string(), secret.value.clone());
                }
                SecretDelivery::File(ref target) => {
                    let source =
                        files.iter().find(|file| file.name == secret.name.as_str()).map(|file| file.source.as_str());
                    let fields = [
                        ("name", secret.name.as_str()),
                        ("source", source.unwrap_or_default()),
                        ("target", target.as_str()),
                    ];
                    scope.caller.insert(Slot::SecretFile, Binding::fields(fields));
                }
            }
        }
        scope
    }
}

/// At how many containers one look is at most, where several calls wait to look at one each.
pub(crate) const LOOKED_AT_TOGETHER: usize = 32;

/// What an engine is asked for: by digest where there is one, for not every engine takes a tag beside it.
pub(crate) fn for_engine(reference: &Reference) -> String {
    let tagged = || format!("{}:{}", reference.name(), reference.tag().unwrap_or(crate::reference::DEFAULT_TAG));
    reference.pinned().unwrap_or_else(tagged)
}

/// What may stand there many times.
fn repeated(facts: &mut Bindings, spec: &ContainerSpec) {
    for label in &spec.labels {
        facts.insert(Slot::Label, Binding::fields([("key", label.key()), ("value", label.value())]));
    }
    for port in &spec.ports {
        facts.insert(Slot::Port, port_fields(port));
    }
    for mount in &spec.mounts {
        let (slot, binding) = mount_fields(mount);
        facts.insert(slot, binding);
    }
    for variable in &spec.env {
        facts.insert(Slot::EnvPlain, Binding::fields([("name", variable.name.as_str()), ("value", &variable.value)]));
    }
    for id in gpu_ids(&spec.gpus) {
        facts.insert(Slot::Gpu, Binding::fields([("id", id.as_str())]));
    }
    for limit in &spec.ulimits {
        let (soft, hard) = (limit.soft.to_string(), limit.hard.to_string());
        facts.insert(Slot::Ulimit, Binding::fields([("name", limit.name.as_str()), ("soft", &soft), ("hard", &hard)]));
    }
    for name in &spec.cap_drop {
        facts.insert(Slot::CapDrop, Binding::fields([("name", name.as_str())]));
    }
    for name in &spec.cap_add {
        facts.insert(Slot::CapAdd, Binding::fields([("name", name.as_str())]));
    }
    for alias in &spec.aliases {
        facts.insert(Slot::Alias, Binding::fields([("name", alias.as_str())]));
    }
    for tmpfs in &spec.tmpfs {
        let (slot, binding) = tmpfs_fields(tmpfs);
        facts.insert(slot, binding);
    }
}

/// What stands there once or not at all.
fn options(facts: &mut Bindings, spec: &ContainerSpec) {
    scalar(facts, Slot::Memory, spec.memory.map(|memory| memory.bytes()));
    scalar(facts, Slot::Cpus, spec.cpus);
    scalar(facts, Slot::Pids, spec.pids);
    scalar(facts, Slot::ShmSize, spec.shm_size.map(|size| size.bytes()));
    scalar(facts, Slot::Restart, spec.restart);
    scalar(facts, Slot::Hostname, spec.hostname.as_ref());
    scalar(facts, Slot::Workdir, spec.workdir.as_ref());
    scalar(facts, Slot::User, spec.user.as_ref().map(|user| user.as_str()));
    scalar(facts, Slot::StopSignal, spec.stop_signal.as_ref().map(|signal| signal.as_str()));
    scalar(facts, Slot::StopGrace, spec.stop_grace);
    scalar(facts, Slot::UserNamespace, spec.user_namespace);
    scalar(facts, Slot::Platform, spec.platform.as_ref());
    if let Some(check) = &spec.health {
        health(facts, check);
    }
    scalar(facts, Slot::Pod, spec.pod.as_ref());
    flag(facts, Slot::ReadOnly, spec.read_only);
    flag(facts, Slot::Remove, spec.remove);
    flag(facts, Slot::Stdin, spec.stdin);
    flag(facts, Slot::Terminal, spec.terminal);
    match &spec.network {
        None => {}
        Some(NetworkMode::None) => flag(facts, Slot::NetworkNone, true),
        Some(NetworkMode::Bridge) => flag(facts, Slot::NetworkBridge, true),
        Some(NetworkMode::Host) => flag(facts, Slot::NetworkHost, true),
        Some(NetworkMode::Named(name)) => scalar(facts, Slot::NetworkNamed, Some(name)),
    }
}

/// A health check: its command as a JSON array, until a template wants it for a shell.
fn health(facts: &mut Bindings, check: &HealthCheck) {
    let milliseconds = |time: std::time::Duration| Some(format!("{}ms", time.as_millis()));
    scalar(facts, Slot::HealthCommand, Some(words::to_json(&check.words)));
    scalar(facts, Slot::HealthInterval, milliseconds(check.interval));
    scalar(facts, Slot::HealthTimeout, milliseconds(check.timeout));
    scalar(facts, Slot::HealthRetries, Some(check.retries));
    scalar(facts, Slot::HealthStart, milliseconds(check.start_period));
}

fn tmpfs_fields(tmpfs: &Tmpfs) -> (Slot, Binding) {
    let target = tmpfs.target.as_str();
    match tmpfs.size {
        None => (Slot::TmpfsUnbounded, Binding::fields([("target", target)])),
        Some(size) => {
            let size = size.bytes().to_string();
            (Slot::Tmpfs, Binding::fields([("target", target), ("size", size.as_str())]))
        }
    }
}

pub(super) fn flag(facts: &mut Bindings, slot: Slot, there: bool) {
    if there {
        facts.insert(slot, Binding::flag());
    }
}

pub(super) fn scalar(facts: &mut Bindings, slot: Slot, value: Option<impl ToString>) {
    if let Some(value) = value {
        facts.insert(slot, Binding::scalar(value.to_string()));
    }
}

/// The fields of a port; the engine chooses where the host's port is empty.
fn port_fields(port: &Port) -> Binding {
    let host = if port.host == 0 { String::new() } else { port.host.to_string() };
    Binding::fields([
        ("address", port.bracketed_address().as_str()),
        ("host", &host),
        ("container", &port.container.to_string()),
        ("protocol", port.protocol.as_str()),
    ])
}

fn mount_fields(mount: &Mount) -> (Slot, Binding) {
    let target = mount.target.as_str();
    match &mount.source {
        MountSource::Path(path) => {
            let (source, readonly) = (path.to_string_lossy(), mount.read_only.to_string());
            let fields = [("source", source.as_ref()), ("target", target), ("readonly", readonly.as_str())];
            (Slot::MountBind, Binding::fields(fields))
        }
        MountSource::Volume(name) => {
            let slot = if mount.read_only { Slot::MountVolumeRo } else { Slot::MountVolume };
            (slot, Binding::fields([("source", name.as_str()), ("target", target)]))
        }
    }
}

/// The names of the GPUs that a mask asks for.
pub(crate) fn gpu_ids(gpus: &Gpus) -> Vec<String> {
    match gpus {
        Gpus::None => Vec::new(),
        Gpus::All => vec!["all".to_owned()],
        Gpus::Mask(mask) => mask.iter().map(ToString::to_string).collect(),
    }
}
