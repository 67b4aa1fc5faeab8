//! Slots and their values.

use crate::{
    Argument, ContainerOption, ContainerSpec, Env, Error, ExecSpec, Gpus, HealthCheck, Image, Label, Mount,
    MountSource, NetworkMode, RestartPolicy, Result, Value,
};

/// The values for the slots of one command.
///
/// A slot that repeats is given many times, in order. Slots of the host (IDs, labels of ownership, limits, endpoint)
/// are never given; the host takes a value only if it is a fact of the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(Vec<Argument>);

/// The slot, and the option, for a further network.
const FURTHER: &str = "network.also";

impl Arguments {
    /// For a command without slots, and to begin with.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Exactly what a `create` template takes for a spec. Further networks are joined when the container is there:
    /// [`further_networks`] names them, and [`Arguments::of_connection`] is for each.
    ///
    /// # Errors
    /// [`Error::Unsupported`] names the first option that the templates have no slot for.
    pub fn of_spec(spec: &ContainerSpec) -> Result<Self> {
        let mut arguments = Self::none()
            .with("container.name", Value::Container(spec.name.clone()))
            .labels(&spec.labels)
            .each("port", &spec.ports, |port| Value::Port(port.clone()));
        for mount in &spec.mounts {
            arguments = arguments.mount(mount);
        }
        for env in &spec.env {
            arguments = arguments.env(env);
        }
        arguments = arguments.gpus(&spec.gpus);
        let mut words = Vec::new();
        for option in &spec.options {
            arguments = arguments.option(option, &mut words)?;
        }
        words.extend(spec.words.iter().cloned());
        Ok(if words.is_empty() { arguments } else { arguments.with("word", Value::Words(words)) })
    }

    /// What joins the container that was created just now to a further network: with all of its aliases.
    #[must_use]
    pub fn of_connection(spec: &ContainerSpec, network: &str) -> Self {
        let aliases = spec.options.iter().filter_map(|option| match option {
            ContainerOption::Alias(name) => Some(name),
            _ => None,
        });
        let begun = Self::none().container(&spec.name).with(FURTHER, Value::Network(network.into()));
        aliases.fold(begun, |arguments, alias| arguments.text("alias", alias))
    }

    /// Exactly what an `exec` template takes: the call's container, and the command that runs in it.
    #[must_use]
    pub fn of_exec(name: &str, spec: &ExecSpec) -> Self {
        let mut arguments =
            Self::none().container(name).flag_if("stdin", spec.stdin).flag_if("terminal", spec.terminal);
        arguments = arguments.each("env.plain", &spec.env, |env| Value::Env(Env::Plain(env.clone())));
        if let Some(folder) = &spec.workdir {
            arguments = arguments.text("workdir", folder);
        }
        if let Some(user) = &spec.user {
            arguments = arguments.text("user", user);
        }
        arguments.with("word", Value::Words(spec.words.clone()))
    }

    /// The call's container, for `container.id`: the host puts in the ID that it verified.
    #[must_use]
    pub fn container(self, name: &str) -> Self {
        self.with("container.id", Value::Container(name.into()))
    }

    /// The call's image, for `image.reference`.
    #[must_use]
    pub fn image(self, image: &Image) -> Self {
        self.with("image.reference", Value::Image(image.clone()))
    }

    /// The call's volume, for `volume.name`.
    #[must_use]
    pub fn volume(self, name: &str) -> Self {
        self.with("volume.name", Value::Volume(name.into()))
    }

    /// The call's network, for `network.name`.
    #[must_use]
    pub fn network_name(self, name: &str) -> Self {
        self.with("network.name", Value::Network(name.into()))
    }

    /// The call's network, for `network.id`: the host puts in the ID that it verified.
    #[must_use]
    pub fn network_id(self, name: &str) -> Self {
        self.with("network.id", Value::Network(name.into()))
    }

    /// The call's pod, for `pod.name`.
    #[must_use]
    pub fn pod_name(self, name: &str) -> Self {
        self.with("pod.name", Value::Pod(name.into()))
    }

    /// The call's pod, for `pod.id`: the host puts in the ID that it verified.
    #[must_use]
    pub fn pod_id(self, name: &str) -> Self {
        self.with("pod.id", Value::Pod(name.into()))
    }

    /// The labels of what is made, for `label`.
    #[must_use]
    pub fn labels(self, labels: &[Label]) -> Self {
        self.each("label", labels, |label| Value::Label(label.clone()))
    }

    /// A number of seconds, for `seconds`.
    #[must_use]
    pub fn seconds(self, seconds: u32) -> Self {
        self.number("seconds", seconds.into())
    }

    /// A flag: a slot without a value.
    #[must_use]
    pub fn flag(self, slot: &str) -> Self {
        self.with(slot, Value::Flag)
    }

    /// A flag, where it is wanted.
    #[must_use]
    pub fn flag_if(self, slot: &str, wanted: bool) -> Self {
        if wanted { self.flag(slot) } else { self }
    }

    /// A number.
    #[must_use]
    pub fn number(self, slot: &str, number: u64) -> Self {
        self.with(slot, Value::Number(number))
    }

    /// A text.
    #[must_use]
    pub fn text(self, slot: &str, text: &str) -> Self {
        self.with(slot, Value::Text(text.into()))
    }

    /// Any value.
    #[must_use]
    pub fn with(mut self, slot: &str, value: Value) -> Self {
        self.0.push(Argument { slot: slot.into(), value });
        self
    }

    /// As the interface has them.
    #[must_use]
    pub fn into_vec(self) -> Vec<Argument> {
        self.0
    }

    fn each<T>(self, slot: &str, items: &[T], value: impl Fn(&T) -> Value) -> Self {
        items.iter().fold(self, |arguments, item| arguments.with(slot, value(item)))
    }

    fn mount(self, mount: &Mount) -> Self {
        let slot = match mount.source {
            MountSource::Path(_) => "mount.bind",
            MountSource::Volume(_) if mount.read_only => "mount.volume.ro",
            MountSource::Volume(_) => "mount.volume",
        };
        self.with(slot, Value::Mount(mount.clone()))
    }

    fn env(self, env: &Env) -> Self {
        let slot = match env {
            Env::Plain(_) => "env.plain",
            Env::Secret(_) => "env.secret",
            Env::SecretFile(_) => "secret.file",
        };
        self.with(slot, Value::Env(env.clone()))
    }

    fn gpus(self, gpus: &Gpus) -> Self {
        match gpus {
            Gpus::None => self,
            Gpus::All => self.with("gpu", Value::Gpu("all".into())),
            Gpus::Mask(ids) => self.each("gpu", ids, |id| Value::Gpu(id.clone())),
        }
    }

    fn option(self, option: &ContainerOption, words: &mut Vec<String>) -> Result<Self> {
        use ContainerOption as Option;
        Ok(match option {
            Option::Entrypoint(entrypoint) => return self.entrypoint(entrypoint, words),
            Option::Workdir(folder) => self.text("workdir", folder),
            Option::User(user) => self.text("user", user),
            Option::Memory(bytes) => self.number("memory", *bytes),
            Option::Cpus(thousandths) => self.number("cpus", *thousandths),
            Option::Pids(count) => self.number("pids", (*count).into()),
            Option::Restart(policy) => self.text("restart", &restart(policy)),
            Option::Network(mode) => self.network(mode),
            Option::StopGrace(seconds) => self.number("stop-grace", (*seconds).into()),
            Option::RemoveWhenEnded => self.flag("remove"),
            Option::Tmpfs(tmpfs) => {
                let slot = if tmpfs.size.is_some() { "tmpfs" } else { "tmpfs.unbounded" };
                self.with(slot, Value::Tmpfs(tmpfs.clone()))
            }
            Option::ReadOnlyRoot => self.flag("read-only"),
            Option::ShmSize(bytes) => self.number("shm-size", *bytes),
            Option::Ulimit(limit) => self.with("ulimit", Value::Ulimit(limit.clone())),
            Option::CapDrop(name) => self.text("cap.drop", name),
            Option::CapAdd(name) => self.text("cap.add", name),
            Option::UserNamespace(mode) => self.text("userns", mode),
            Option::Alias(name) => self.text("alias", name),
            Option::Platform(platform) => self.text("platform", platform),
            Option::Health(check) => self.health(check),
            Option::Hostname(name) => self.text("hostname", name),
            Option::Pod(name) => self.with("pod", Value::Pod(name.clone())),
            Option::Extension(extension) if extension.name == "pod.name" => self.pod_name(&extension.value),
            Option::Extension(extension) if extension.name == FURTHER => self,
            Option::StopSignal(signal) => self.text("stop-signal", signal),
            Option::Stdin => self.flag("stdin"),
            Option::Terminal => self.flag("terminal"),
            other => return Err(Error::Unsupported(format!("`create` has no slot for {}", name(other)))),
        })
    }

    fn health(self, check: &HealthCheck) -> Self {
        let milliseconds = |time: u32| format!("{time}ms");
        self.with("health.command", Value::Words(check.words.clone()))
            .text("health.interval", &milliseconds(check.interval))
            .text("health.timeout", &milliseconds(check.timeout))
            .number("health.retries", check.retries.into())
            .text("health.start-period", &milliseconds(check.start_period))
    }

    /// The same values, those of one slot given for another.
    #[must_use]
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        self.0.iter_mut().filter(|argument| argument.slot == from).for_each(|argument| argument.slot = to.into());
        self
    }

    fn network(self, mode: &NetworkMode) -> Self {
        match mode {
            NetworkMode::None => self.flag("network.none"),
            NetworkMode::Bridge => self.flag("network.bridge"),
            NetworkMode::Host => self.flag("network.host"),
            NetworkMode::Named(name) => self.with("network.named", Value::Network(name.clone())),
        }
    }

    fn entrypoint(self, entrypoint: &[String], words: &mut Vec<String>) -> Result<Self> {
        let Some((program, tail)) = entrypoint.split_first() else {
            return Err(Error::Invalid("an entrypoint has at least one word".into()));
        };
        words.extend(tail.iter().cloned());
        Ok(self.text("entrypoint", program))
    }
}

/// The further networks that a container joins once it is created, by their names.
pub fn further_networks(spec: &ContainerSpec) -> impl Iterator<Item = &str> {
    spec.options.iter().filter_map(|option| match option {
        ContainerOption::Extension(extension) if extension.name == FURTHER => Some(extension.value.as_str()),
        _ => None,
    })
}

/// As both engines spell it.
fn restart(policy: &RestartPolicy) -> String {
    match policy {
        RestartPolicy::No => "no".into(),
        RestartPolicy::Always => "always".into(),
        RestartPolicy::OnFailure(0) => "on-failure".into(),
        RestartPolicy::OnFailure(times) => format!("on-failure:{times}"),
        RestartPolicy::UnlessStopped => "unless-stopped".into(),
    }
}

/// What an option without a slot is called.
fn name(option: &ContainerOption) -> &str {
    match option {
        ContainerOption::CapAdd(_) => "added capabilities",
        ContainerOption::UserNamespace(_) => "a user namespace",
        ContainerOption::Alias(_) => "network aliases",
        ContainerOption::Platform(_) => "a platform",
        ContainerOption::Health(_) => "a health check",
        ContainerOption::Extension(extension) => &extension.name,
        _ => "this option",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Extension, Label, Port, Protocol, Tmpfs, Ulimit, Variable};

    fn spec() -> ContainerSpec {
        ContainerSpec {
            image: Image {
                reference: "r/a@sha256:00".into(),
                name: "r/a".into(),
                tag: None,
                digest: Some("sha256:00".into()),
            },
            name: "web".into(),
            words: vec!["-c".into(), "true".into()],
            env: vec![],
            mounts: vec![],
            ports: vec![],
            gpus: Gpus::None,
            labels: vec![],
            options: vec![],
        }
    }

    fn slots(arguments: &Arguments) -> Vec<&str> {
        arguments.0.iter().map(|argument| argument.slot.as_str()).collect()
    }

    fn value<'a>(arguments: &'a Arguments, slot: &str) -> &'a Value {
        &arguments.0.iter().find(|argument| argument.slot == slot).unwrap().value
    }

    #[test]
    fn a_bare_spec_gives_its_name_and_words() {
        let arguments = Arguments::of_spec(&ContainerSpec { words: vec![], ..spec() }).unwrap();
        assert_eq!(slots(&arguments), ["container.name"]);
        let arguments = Arguments::of_spec(&spec()).unwrap();
        assert_eq!(slots(&arguments), ["container.name", "word"]);
        assert_eq!(value(&arguments, "word"), &Value::Words(vec!["-c".into(), "true".into()]));
    }

    #[test]
    fn an_exec_has_what_was_asked_and_nothing_else() {
        let spec =
            ExecSpec { words: vec!["a".into()], env: vec![], workdir: None, user: None, stdin: false, terminal: false };
        assert_eq!(slots(&Arguments::of_exec("web", &spec)), ["container.id", "word"]);
        let variable = Variable { name: "A".into(), value: "1".into() };
        let (workdir, user) = (Some("/w".into()), Some("1".into()));
        let all = ExecSpec { env: vec![variable], workdir, user, stdin: true, terminal: true, ..spec };
        let expected = ["container.id", "stdin", "terminal", "env.plain", "workdir", "user", "word"];
        assert_eq!(slots(&Arguments::of_exec("web", &all)), expected);
    }

    #[test]
    fn an_entrypoint_leaves_its_tail_before_the_words() {
        let options = vec![ContainerOption::Entrypoint(vec!["sh".into(), "-e".into()])];
        let arguments = Arguments::of_spec(&ContainerSpec { options, ..spec() }).unwrap();
        assert_eq!(value(&arguments, "entrypoint"), &Value::Text("sh".into()));
        assert_eq!(value(&arguments, "word"), &Value::Words(vec!["-e".into(), "-c".into(), "true".into()]));
    }

    #[test]
    fn an_empty_entrypoint_makes_no_sense() {
        let options = vec![ContainerOption::Entrypoint(vec![])];
        let error = Arguments::of_spec(&ContainerSpec { options, ..spec() }).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    }

    #[test]
    fn every_kind_of_thing_has_its_slot_in_order() {
        let port = Port { address: "::1".into(), host: 0, container: 80, protocol: Protocol::Tcp };
        let bind = Mount { source: MountSource::Path("/srv".into()), target: "/a".into(), read_only: true };
        let volume = Mount { source: MountSource::Volume("v".into()), target: "/b".into(), read_only: false };
        let arguments = Arguments::of_spec(&ContainerSpec {
            labels: vec![Label { key: "k".into(), value: "v".into() }],
            ports: vec![port.clone(), port],
            mounts: vec![bind, volume],
            env: vec![
                Env::Plain(Variable { name: "A".into(), value: "1".into() }),
                Env::Secret("TOKEN".into()),
                Env::SecretFile("KEY".into()),
            ],
            gpus: Gpus::Mask(vec!["0".into(), "1:0".into()]),
            ..spec()
        })
        .unwrap();
        let expected =
            "container.name label port port mount.bind mount.volume env.plain env.secret secret.file gpu gpu word";
        assert_eq!(slots(&arguments).join(" "), expected);
    }

    #[test]
    fn every_option_with_a_slot_has_the_value_it_asks_for() {
        let limit = Ulimit { name: "nofile".into(), soft: 1, hard: 2 };
        let tmpfs = Tmpfs { target: "/t".into(), size: Some(1) };
        let unbounded = Tmpfs { target: "/u".into(), size: None };
        let words = vec!["a".into(), "b".into()];
        let check = HealthCheck { words, interval: 1500, timeout: 1000, retries: 3, start_period: 0 };
        let holds = Extension { name: "pod.name".into(), value: "p".into() };
        for (option, slot, expected) in [
            (ContainerOption::Workdir("/w".into()), "workdir", Value::Text("/w".into())),
            (ContainerOption::User("1:2".into()), "user", Value::Text("1:2".into())),
            (ContainerOption::Memory(7), "memory", Value::Number(7)),
            (ContainerOption::Cpus(1500), "cpus", Value::Number(1500)),
            (ContainerOption::Pids(9), "pids", Value::Number(9)),
            (ContainerOption::Restart(RestartPolicy::No), "restart", Value::Text("no".into())),
            (ContainerOption::Restart(RestartPolicy::OnFailure(0)), "restart", Value::Text("on-failure".into())),
            (ContainerOption::Restart(RestartPolicy::OnFailure(3)), "restart", Value::Text("on-failure:3".into())),
            (ContainerOption::Network(NetworkMode::None), "network.none", Value::Flag),
            (ContainerOption::Network(NetworkMode::Bridge), "network.bridge", Value::Flag),
            (ContainerOption::Network(NetworkMode::Host), "network.host", Value::Flag),
            (ContainerOption::Network(NetworkMode::Named("n".into())), "network.named", Value::Network("n".into())),
            (ContainerOption::StopGrace(3), "stop-grace", Value::Number(3)),
            (ContainerOption::RemoveWhenEnded, "remove", Value::Flag),
            (ContainerOption::Tmpfs(tmpfs.clone()), "tmpfs", Value::Tmpfs(tmpfs)),
            (ContainerOption::ReadOnlyRoot, "read-only", Value::Flag),
            (ContainerOption::ShmSize(5), "shm-size", Value::Number(5)),
            (ContainerOption::Ulimit(limit.clone()), "ulimit", Value::Ulimit(limit)),
            (ContainerOption::CapDrop("ALL".into()), "cap.drop", Value::Text("ALL".into())),
            (ContainerOption::CapAdd("NET_ADMIN".into()), "cap.add", Value::Text("NET_ADMIN".into())),
            (ContainerOption::UserNamespace("auto".into()), "userns", Value::Text("auto".into())),
            (ContainerOption::Alias("db".into()), "alias", Value::Text("db".into())),
            (ContainerOption::Platform("linux/amd64".into()), "platform", Value::Text("linux/amd64".into())),
            (ContainerOption::Tmpfs(unbounded.clone()), "tmpfs.unbounded", Value::Tmpfs(unbounded)),
            (ContainerOption::Health(check.clone()), "health.command", Value::Words(vec!["a".into(), "b".into()])),
            (ContainerOption::Health(check), "health.interval", Value::Text("1500ms".into())),
            (ContainerOption::Hostname("h".into()), "hostname", Value::Text("h".into())),
            (ContainerOption::Pod("p".into()), "pod", Value::Pod("p".into())),
            (ContainerOption::Extension(holds), "pod.name", Value::Pod("p".into())),
            (ContainerOption::StopSignal("SIGINT".into()), "stop-signal", Value::Text("SIGINT".into())),
            (ContainerOption::Stdin, "stdin", Value::Flag),
            (ContainerOption::Terminal, "terminal", Value::Flag),
        ] {
            let arguments = Arguments::of_spec(&ContainerSpec { options: vec![option], ..spec() }).unwrap();
            assert_eq!(value(&arguments, slot), &expected);
        }
    }

    #[test]
    fn an_option_without_a_slot_is_named() {
        let other = Extension { name: "other".into(), value: "v".into() };
        let options = vec![ContainerOption::Extension(other)];
        let error = Arguments::of_spec(&ContainerSpec { options, ..spec() }).unwrap_err();
        assert_eq!(error, Error::Unsupported("`create` has no slot for other".into()));
    }
}
