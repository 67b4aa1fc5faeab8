//! Between the types of the interface and those of the host.

use super::bindings::exports::portreeve::backend::containers::ExecSpec as ExecRecord;
use super::bindings::portreeve::backend::{engine, types as wit};
use crate::error::{Error, Fault, FaultKind};
use crate::grants::Slot;
use crate::output::Output;
use crate::reference::Reference;
use crate::scope::{Argument, Ask, Call, Given, for_engine, gpu_ids};
use crate::spec::{
    ContainerSpec, ExecSpec, Gpus, HealthCheck, Label, Memory, Mount, MountSource, NetworkMode, Port, Protocol,
    RestartPolicy, SecretDelivery, Variable,
};

/// What a guest asks for.
pub(super) fn ask(command: String, arguments: Vec<wit::Argument>) -> Ask {
    Ask { command, arguments: arguments.into_iter().map(argument).collect() }
}

fn argument(argument: wit::Argument) -> Argument {
    Argument { slot: argument.slot, given: given(argument.value) }
}

fn given(value: wit::Value) -> Given {
    use wit::Value;
    match value {
        Value::Container(text)
        | Value::Gpu(text)
        | Value::Volume(text)
        | Value::Pod(text)
        | Value::Network(text)
        | Value::Text(text) => Given::Text(text),
        Value::Image(image) => Given::Text(image.reference),
        Value::Port(port) => port_fields(&port),
        Value::Mount(mount) => mount_fields(mount),
        Value::Env(wit::Env::Plain(variable)) => {
            Given::Fields(vec![("name", variable.name), ("value", variable.value)])
        }
        Value::Env(wit::Env::Secret(name) | wit::Env::SecretFile(name)) => Given::Fields(vec![("name", name)]),
        Value::Label(label) => Given::Fields(vec![("key", label.key), ("value", label.value)]),
        Value::Ulimit(limit) => Given::Fields(vec![
            ("name", limit.name),
            ("soft", limit.soft.to_string()),
            ("hard", limit.hard.to_string()),
        ]),
        Value::Tmpfs(tmpfs) => {
            let size = tmpfs.size.map(|size| ("size", size.to_string()));
            Given::Fields([("target", tmpfs.target)].into_iter().chain(size).collect())
        }
        Value::Flag => Given::Flag,
        Value::Number(number) => Given::Number(number),
        Value::Words(words) => Given::Words(words),
        Value::Extension(extension) => Given::Fields(vec![("extension", extension.name)]),
    }
}

fn port_fields(port: &wit::Port) -> Given {
    let address = if port.address.contains(':') { format!("[{}]", port.address) } else { port.address.clone() };
    let host = if port.host == 0 { String::new() } else { port.host.to_string() };
    let protocol = match port.protocol {
        wit::Protocol::Tcp => "tcp",
        wit::Protocol::Udp => "udp",
        wit::Protocol::Sctp => "sctp",
    };
    Given::Fields(vec![
        ("address", address),
        ("host", host),
        ("container", port.container.to_string()),
        ("protocol", protocol.to_owned()),
    ])
}

fn mount_fields(mount: wit::Mount) -> Given {
    let readonly = mount.read_only.to_string();
    match mount.source {
        wit::MountSource::Path(source) => {
            Given::Fields(vec![("source", source), ("target", mount.target), ("readonly", readonly)])
        }
        // Whether it may be written to, the slot says.
        wit::MountSource::Volume(source) => Given::Fields(vec![("source", source), ("target", mount.target)]),
    }
}

/// What a command printed, and how it ended.
pub(super) fn output(output: &Output) -> engine::Output {
    engine::Output {
        status: output.status(),
        stdout: output.stdout().to_owned(),
        stderr: output.stderr().to_owned(),
        truncated: output.truncated(),
    }
}

/// As much of an error as a guest may know.
pub(super) fn for_guest(error: Error) -> wit::Error {
    match error {
        Error::Refused(refusal) => wit::Error::Refused(wit::Refusal { command: refusal.command, slot: refusal.slot }),
        Error::Timeout(_) => wit::Error::Timeout("the command's time ran out".to_owned()),
        Error::Unavailable(_) => wit::Error::Unavailable("the program can't be run".to_owned()),
        Error::Unsupported(_) => wit::Error::Unsupported("the program is a script, and is not followed".to_owned()),
        Error::Cancelled => wit::Error::Cancelled,
        _ => wit::Error::Unavailable("the host can't do it now".to_owned()),
    }
}

/// What a call is about that makes something, or looks at many.
const ANYTHING: &str = Call::Create.about();

/// What the host knows of a call that failed, whatever the guest says of it.
pub(super) struct Known<'a> {
    /// The kind of object that the call is about.
    pub(super) about: &'static str,
    /// What the caller asked for, where the call has a name: what is not there bears it.
    pub(super) asked: Option<String>,
    /// The command that failed last, and its status.
    pub(super) failed: Option<&'a (String, i32)>,
}

impl Known<'_> {
    /// A failure of the command that ended with this status.
    fn engine(&self, status: i32, message: String) -> Error {
        let command = self.failed.filter(|(_, ended)| *ended == status).map_or("the engine", |(command, _)| command);
        Error::Engine { command: command.to_owned(), status, message }
    }
}

/// A guest's error in the host's words. Texts are a guest's: the caller redacts and bounds them.
pub(super) fn from_guest(
    error: wit::Error,
    known: Known<'_>,
    clean: impl Fn(&str) -> String,
    fault: impl Fn(FaultKind, &str) -> Fault,
) -> Error {
    match error {
        wit::Error::Refused(_) => fault(FaultKind::Untrue, "it speaks of a refusal that the host did not make").into(),
        // What is to be made is not there yet: then it is something else that is missing.
        wit::Error::NotFound(what) if known.about == ANYTHING => {
            known.engine(known.failed.map_or(1, |(_, status)| *status), clean(&what))
        }
        wit::Error::NotFound(what) => {
            Error::NotFound { kind: known.about, name: known.asked.unwrap_or_else(|| clean(&what)) }
        }
        wit::Error::Conflict(what) => Error::InUse(clean(&what)),
        wit::Error::Digest(what) => Error::Digest(clean(&what)),
        wit::Error::Unauthorised(what) => Error::Unauthorised(clean(&what)),
        wit::Error::Unavailable(what) => Error::Unavailable(clean(&what)),
        wit::Error::Engine(failure) => known.engine(failure.status, clean(&failure.message)),
        wit::Error::Unsupported(what) => Error::Unsupported(clean(&what)),
        wit::Error::Invalid(what) => Error::Config(clean(&what)),
        wit::Error::Timeout(what) => Error::Timeout(clean(&what)),
        wit::Error::Cancelled => Error::Cancelled,
        wit::Error::Extension(extension) => extended(&extension.name, clean(&extension.value), &clean),
    }
}

/// Kinds of errors that came after 0.1.0 of the interface.
fn extended(name: &str, what: String, clean: impl Fn(&str) -> String) -> Error {
    match name {
        "port-in-use" => Error::PortInUse(what),
        "no-space" => Error::NoSpace(what),
        "gpu" => Error::Gpu(what),
        _ => Error::Unsupported(format!("an error of a kind that this host does not know, {}: {what}", clean(name))),
    }
}

/// An image as a guest sees it.
pub(super) fn image(reference: &Reference) -> wit::Image {
    wit::Image {
        reference: for_engine(reference),
        name: reference.name(),
        tag: reference.tag().map(str::to_owned),
        digest: reference.digest().map(ToString::to_string),
    }
}

/// A container's spec as a guest sees it: secrets by their names.
pub(super) fn spec(spec: &ContainerSpec, holds: Option<&str>) -> wit::ContainerSpec {
    let holds = holds.map(|pod| extension(Slot::PodName, pod));
    wit::ContainerSpec {
        image: image(&spec.image),
        name: spec.name.to_string(),
        words: spec.words.clone(),
        env: env(spec),
        mounts: spec.mounts.iter().map(mount).collect(),
        ports: spec.ports.iter().map(port).collect(),
        gpus: gpus(&spec.gpus),
        labels: labels(&spec.labels),
        options: options(spec).into_iter().chain(holds).collect(),
    }
}

/// An option that came later than the interface.
fn extension(slot: Slot, value: &str) -> wit::ContainerOption {
    wit::ContainerOption::Extension(wit::Extension { name: slot.name().to_owned(), value: value.to_owned() })
}

/// A command in a container as a guest sees it; its secrets are the host's to fill.
pub(super) fn exec(spec: &ExecSpec) -> ExecRecord {
    let variable =
        |variable: &Variable| wit::Variable { name: variable.name.to_string(), value: variable.value.clone() };
    ExecRecord {
        words: spec.words.clone(),
        env: spec.env.iter().map(variable).collect(),
        workdir: spec.workdir.as_ref().map(ToString::to_string),
        user: spec.user.as_ref().map(|user| user.as_str().to_owned()),
        stdin: spec.stdin,
        terminal: spec.terminal,
    }
}

/// Labels as a guest sees them.
pub(super) fn labels(labels: &[Label]) -> Vec<wit::Label> {
    let shown = |label: &Label| wit::Label { key: label.key().to_owned(), value: label.value().to_owned() };
    labels.iter().map(shown).collect()
}

fn env(spec: &ContainerSpec) -> Vec<wit::Env> {
    let plain = spec.env.iter().map(|variable| {
        wit::Env::Plain(wit::Variable { name: variable.name.to_string(), value: variable.value.clone() })
    });
    let secret = spec.secrets.iter().map(|secret| match secret.delivery {
        SecretDelivery::Environment => wit::Env::Secret(secret.name.to_string()),
        SecretDelivery::File(_) => wit::Env::SecretFile(secret.name.to_string()),
    });
    plain.chain(secret).collect()
}

/// A mount as a guest sees it.
pub(super) fn mount(mount: &Mount) -> wit::Mount {
    let source = match &mount.source {
        MountSource::Path(path) => wit::MountSource::Path(path.to_string_lossy().into_owned()),
        MountSource::Volume(name) => wit::MountSource::Volume(name.to_string()),
    };
    wit::Mount { source, target: mount.target.to_string(), read_only: mount.read_only }
}

/// A port as a guest sees it.
pub(super) fn port(port: &Port) -> wit::Port {
    let protocol = match port.protocol {
        Protocol::Tcp => wit::Protocol::Tcp,
        Protocol::Udp => wit::Protocol::Udp,
        Protocol::Sctp => wit::Protocol::Sctp,
    };
    wit::Port { address: port.address.to_string(), host: port.host, container: port.container, protocol }
}

/// GPUs as a guest sees them.
pub(super) fn gpus(gpus: &Gpus) -> wit::Gpus {
    match gpus {
        Gpus::None => wit::Gpus::None,
        Gpus::All => wit::Gpus::All,
        Gpus::Mask(_) => wit::Gpus::Mask(gpu_ids(gpus)),
    }
}

fn options(spec: &ContainerSpec) -> Vec<wit::ContainerOption> {
    use wit::ContainerOption as Option_;
    let mut options = Vec::new();
    if !spec.entrypoint.is_empty() {
        options.push(Option_::Entrypoint(spec.entrypoint.clone()));
    }
    options.extend(spec.workdir.as_ref().map(|workdir| Option_::Workdir(workdir.to_string())));
    options.extend(spec.user.as_ref().map(|user| Option_::User(user.as_str().to_owned())));
    options.extend(spec.memory.map(|memory| Option_::Memory(memory.bytes())));
    options.extend(spec.cpus.map(|cpus| Option_::Cpus(cpus.thousandths())));
    options.extend(spec.pids.map(|pids| Option_::Pids(pids.get())));
    options.extend(spec.restart.map(|policy| Option_::Restart(restart(policy))));
    options.extend(spec.network.as_ref().map(|mode| Option_::Network(network(mode))));
    options.extend(spec.stop_grace.map(Option_::StopGrace));
    options.extend(spec.remove.then_some(Option_::RemoveWhenEnded));
    options.extend(spec.read_only.then_some(Option_::ReadOnlyRoot));
    options.extend(spec.shm_size.map(|size| Option_::ShmSize(size.bytes())));
    options.extend(spec.hostname.as_ref().map(|name| Option_::Hostname(name.to_string())));
    options.extend(spec.stop_signal.as_ref().map(|signal| Option_::StopSignal(signal.as_str().to_owned())));
    options.extend(spec.stdin.then_some(Option_::Stdin));
    options.extend(spec.terminal.then_some(Option_::Terminal));
    options.extend(spec.pod.as_ref().map(|pod| Option_::Pod(pod.to_string())));
    options.extend(spec.cap_drop.iter().cloned().map(Option_::CapDrop));
    options.extend(spec.cap_add.iter().cloned().map(Option_::CapAdd));
    options.extend(spec.user_namespace.map(|mode| Option_::UserNamespace(mode.to_string())));
    options.extend(spec.aliases.iter().map(|alias| Option_::Alias(alias.to_string())));
    options.extend(spec.further_networks.iter().map(|name| extension(Slot::NetworkAlso, name.as_str())));
    options.extend(spec.platform.as_ref().map(|platform| Option_::Platform(platform.to_string())));
    options.extend(spec.health.as_ref().map(|check| Option_::Health(health(check))));
    options.extend(spec.tmpfs.iter().map(|tmpfs| {
        Option_::Tmpfs(wit::Tmpfs { target: tmpfs.target.to_string(), size: tmpfs.size.map(Memory::bytes) })
    }));
    options.extend(
        spec.ulimits
            .iter()
            .map(|limit| Option_::Ulimit(wit::Ulimit { name: limit.name.clone(), soft: limit.soft, hard: limit.hard })),
    );
    options
}

fn health(check: &HealthCheck) -> wit::HealthCheck {
    let milliseconds = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    wit::HealthCheck {
        words: check.words.clone(),
        interval: milliseconds(check.interval),
        timeout: milliseconds(check.timeout),
        retries: check.retries,
        start_period: milliseconds(check.start_period),
    }
}

fn restart(policy: RestartPolicy) -> wit::RestartPolicy {
    match policy {
        RestartPolicy::No => wit::RestartPolicy::No,
        RestartPolicy::Always => wit::RestartPolicy::Always,
        RestartPolicy::OnFailure(times) => wit::RestartPolicy::OnFailure(times.unwrap_or_default()),
        RestartPolicy::UnlessStopped => wit::RestartPolicy::UnlessStopped,
    }
}

fn network(mode: &NetworkMode) -> wit::NetworkMode {
    match mode {
        NetworkMode::None => wit::NetworkMode::None,
        NetworkMode::Bridge => wit::NetworkMode::Bridge,
        NetworkMode::Host => wit::NetworkMode::Host,
        NetworkMode::Named(name) => wit::NetworkMode::Named(name.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Refusal, Rule};

    #[test]
    fn of_a_refusal_a_guest_learns_the_command_and_the_slot_alone() {
        let refusal = Refusal {
            rule: Rule::Policy,
            command: Some("create".to_owned()),
            slot: Some("mount.bind".to_owned()),
            value: Some("/srv/hidden".to_owned()),
            why: "it lies in /etc/hidden".to_owned(),
            remedy: Some("policy.toml:7 would add hidden".to_owned()),
        };
        let told = for_guest(refusal.into());
        let wit::Error::Refused(ref known) = told else { panic!("{told:?}") };
        // With each field by name: one that is added has to be judged here.
        let wit::Refusal { command, slot } = known;
        assert_eq!((command.as_deref(), slot.as_deref()), (Some("create"), Some("mount.bind")));
        let everything = format!("{told:?}");
        for hidden in ["hidden", "/etc", "policy", "toml"] {
            assert!(!everything.contains(hidden), "{everything}");
        }
    }

    #[test]
    fn a_failure_names_the_command_that_the_host_saw_fail() {
        let failed = ("start".to_owned(), 125);
        let fault = |_, _: &str| unreachable!("nothing is at fault");
        let named = |error, failed| {
            let known = Known { about: ANYTHING, asked: None, failed };
            let Error::Engine { command, status, .. } = from_guest(error, known, str::to_owned, fault) else {
                panic!()
            };
            (command, status)
        };
        let of = |status| wit::Error::Engine(wit::EngineFailure { status, message: String::new() });
        assert_eq!(named(of(125), Some(&failed)), failed);
        assert_eq!(named(of(1), Some(&failed)), ("the engine".to_owned(), 1));
        assert_eq!(named(of(125), None), ("the engine".to_owned(), 125));
        assert_eq!(named(wit::Error::NotFound("its network".to_owned()), Some(&failed)), failed);
    }

    /// All that a guest can be told of an error, whatever the host knows of it.
    #[test]
    fn of_any_other_error_a_guest_learns_a_fixed_text() {
        let hidden = || "/srv/hidden: policy.toml:7".to_owned();
        let errors = [
            Error::NotFound { kind: "container", name: hidden() },
            Error::InUse(hidden()),
            Error::Digest(hidden()),
            Error::Unauthorised(hidden()),
            Error::Unavailable(hidden()),
            Error::NoEngine(vec![hidden()]),
            Error::Gpu(hidden()),
            Error::Engine { command: hidden(), status: 1, message: hidden() },
            Error::Unsupported(hidden()),
            Error::Timeout(hidden()),
            Error::Cancelled,
            Error::Backend { name: hidden(), why: hidden() },
            Error::State(hidden()),
            Error::Config(hidden()),
            Error::Io { what: hidden(), source: std::io::Error::other(hidden()) },
        ];
        let known = [
            "Timeout(\"the command's time ran out\")",
            "Unavailable(\"the program can't be run\")",
            "Unavailable(\"the host can't do it now\")",
            "Unsupported(\"the program is a script, and is not followed\")",
            "Cancelled",
        ];
        for error in errors {
            let (kind, told) = (error.kind(), format!("{:?}", for_guest(error)));
            assert!(known.iter().any(|known| told.contains(known)) && !told.contains("hidden"), "{kind}: {told}");
        }
    }
}
