//! From the values of a command that creates a container back to a request, and forth again.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use super::{Bounds, Objection};
use crate::evidence::document::is_id;
use crate::grants::{Binding, Bindings, Command, Origin, SECRETS_FOLDER, Slot};
use crate::reference::Reference;
use crate::scope::{Scope, SecretFile};
use crate::spec::{
    ContainerSpec, Gpus, HealthCheck, Label, Memory, Mount, MountSource, NetworkMode, PodSpec, Port, Secret,
    SecretDelivery, SecretValue, SpecError, Tmpfs, Ulimit, Variable, words,
};

/// Stands for the image, of which the command line has the ID alone.
const SOME_IMAGE: &str = "example.invalid/some/image:1";

/// Whether one well-formed request that the policy lets through has exactly these facts.
pub(super) fn check(command: &Command, found: &Bindings, bounds: &Bounds<'_>) -> Result<(), Objection> {
    let reading = Reading { found, bounds };
    let (spec, files) = reading.request()?;
    spec.check().map_err(|error| Objection { slot: None, value: error.value.clone(), why: error.to_string() })?;
    let refused = |refusal: crate::Refusal| {
        let value = refusal.value.clone().unwrap_or_default();
        let slot = refusal.slot.as_deref().and_then(Slot::by_name);
        Objection { slot, value, why: refusal.to_string() }
    };
    bounds.policy.check_container(&spec).map_err(refused)?;
    check_mounts(&spec, bounds)?;
    check_pod(command, found)?;
    let made = Scope::of_create(&spec, &files);
    let in_a_shell = !found.get(Slot::HealthShell).is_empty();
    let made = if in_a_shell { made.with_health_in_a_shell() } else { made };
    match reading.scalar(Slot::PodName) {
        None => same(found, made.caller()),
        Some(pod) => {
            check_holder(&spec, pod)?;
            same(found, made.holding(pod).caller())
        }
    }
}

/// The host itself makes the container that holds a pod's network.
fn check_holder(spec: &ContainerSpec, pod: &str) -> Result<(), Objection> {
    let name = parse(Slot::PodName, pod)?;
    let holder = PodSpec::holder(&name).map_err(|error| Objection::new(Slot::PodName, pod, error.to_string()))?;
    if spec.name == holder && spec.pod.is_none() {
        return Ok(());
    }
    Err(Objection::new(Slot::PodName, pod, "the host gives this to the holder of the pod alone"))
}

/// What joins a pod is told so by the host, and by its label.
fn check_pod(command: &Command, found: &Bindings) -> Result<(), Objection> {
    let there = |slot| !found.get(slot).is_empty();
    let lacks = |slot| command.template().has(slot) && !there(slot);
    let (joins, holds) = (there(Slot::Pod), there(Slot::PodName));
    match () {
        () if joins && lacks(Slot::PodHolder) => {
            Err(Objection::new(Slot::PodHolder, "", "what joins a pod has the network of its holder"))
        }
        () if (joins || holds) && lacks(Slot::PodId) => {
            Err(Objection::new(Slot::PodId, "", "what joins a pod is in the engine's own"))
        }
        () if there(Slot::PodHolder) && !joins => {
            Err(Objection::new(Slot::PodHolder, "", "no container has the network of another but in a pod"))
        }
        () if there(Slot::PodId) && !joins && !holds => {
            Err(Objection::new(Slot::PodId, "", "no container is in a pod without its label"))
        }
        () => Ok(()),
    }
}

fn check_mounts(spec: &ContainerSpec, bounds: &Bounds<'_>) -> Result<(), Objection> {
    for mount in &spec.mounts {
        let MountSource::Path(path) = &mount.source else { continue };
        bounds
            .policy
            .check_mount_name(path, bounds.protected)
            .map_err(|refusal| Objection::new(Slot::MountBind, path.to_string_lossy(), refusal.why))?;
    }
    Ok(())
}

/// Each fact of the caller's that can be seen is the request's, and none is missing.
fn same(found: &Bindings, made: &Bindings) -> Result<(), Objection> {
    let callers = Slot::ALL.iter().copied().filter(|slot| slot.origin() == Origin::Caller);
    for slot in callers {
        let visible: Vec<Binding> = made.get(slot).iter().map(|value| visible(slot, value)).collect();
        if visible != found.get(slot) {
            let value = found.get(slot).iter().find(|value| !visible.contains(value)).map(text).unwrap_or_default();
            return Err(Objection::new(slot, value, "no request is rendered so"));
        }
    }
    Ok(())
}

fn visible(slot: Slot, value: &Binding) -> Binding {
    let shown = slot.fields().iter().filter(|field| field.is_rendered());
    Binding::fields(shown.map(|field| (field.name(), value.field(field.name()).unwrap_or_default())))
}

fn text(value: &Binding) -> String {
    value.iter().next().map(|(_, text)| text.to_owned()).unwrap_or_default()
}

struct Reading<'a> {
    found: &'a Bindings,
    bounds: &'a Bounds<'a>,
}

type Request = (ContainerSpec, Vec<SecretFile>);

impl Reading<'_> {
    fn request(&self) -> Result<Request, Objection> {
        let image: Reference = SOME_IMAGE.parse().map_err(|_| Objection::new(Slot::ImageId, "", "no image"))?;
        let name = self.one(Slot::ContainerName)?;
        let name = name.ok_or_else(|| Objection::new(Slot::ContainerName, "", "every container has a name"))?;
        let (secrets, files) = self.secrets()?;
        let mut spec = ContainerSpec { secrets, ..ContainerSpec::new(image, name) };
        self.read_lists(&mut spec)?;
        self.read_options(&mut spec)?;
        spec.network = self.network()?;
        Ok((spec, files))
    }

    fn read_lists(&self, spec: &mut ContainerSpec) -> Result<(), Objection> {
        spec.words = self.texts(Slot::Word, "word");
        spec.entrypoint = self.scalar(Slot::Entrypoint).map(str::to_owned).into_iter().collect();
        spec.env = self.each(Slot::EnvPlain, |fact| {
            format!("{}={}", part(fact, "name"), part(fact, "value")).parse::<Variable>()
        })?;
        spec.labels = self.each(Slot::Label, |fact| Label::new(part(fact, "key"), part(fact, "value")))?;
        spec.ports = self.each(Slot::Port, port)?;
        spec.mounts = self.each(Slot::MountBind, |fact| mount(fact, |source| Ok(MountSource::Path(source.into()))))?;
        let volume = |fact: &Binding| mount(fact, |source| source.parse().map(MountSource::Volume));
        let read_only = |fact: &Binding| Ok(Mount { read_only: true, ..volume(fact)? });
        spec.mounts.extend(self.each(Slot::MountVolume, volume)?);
        spec.mounts.extend(self.each(Slot::MountVolumeRo, read_only)?);
        spec.tmpfs = self.each(Slot::Tmpfs, tmpfs)?;
        spec.tmpfs.extend(
            self.each(Slot::TmpfsUnbounded, |fact| Ok(Tmpfs { target: part(fact, "target").parse()?, size: None }))?,
        );
        spec.ulimits = self.each(Slot::Ulimit, |fact| {
            format!("{}={}:{}", part(fact, "name"), part(fact, "soft"), part(fact, "hard")).parse::<Ulimit>()
        })?;
        spec.cap_drop = self.texts(Slot::CapDrop, "name");
        spec.cap_add = self.texts(Slot::CapAdd, "name");
        spec.aliases = self.each(Slot::Alias, |fact| part(fact, "name").parse())?;
        let gpus = self.texts(Slot::Gpu, "id");
        spec.gpus = if gpus.is_empty() { Gpus::None } else { parse(Slot::Gpu, &gpus.join(","))? };
        Ok(())
    }

    fn read_options(&self, spec: &mut ContainerSpec) -> Result<(), Objection> {
        spec.memory = self.one(Slot::Memory)?;
        spec.shm_size = self.one(Slot::ShmSize)?;
        spec.cpus = self.one(Slot::Cpus)?;
        spec.pids = self.number(Slot::Pids)?;
        spec.stop_grace = self.number(Slot::StopGrace)?;
        spec.restart = self.one(Slot::Restart)?;
        spec.hostname = self.one(Slot::Hostname)?;
        spec.pod = self.one(Slot::Pod)?;
        spec.workdir = self.one(Slot::Workdir)?;
        spec.user = self.one(Slot::User)?;
        spec.stop_signal = self.one(Slot::StopSignal)?;
        spec.user_namespace = self.one(Slot::UserNamespace)?;
        spec.platform = self.one(Slot::Platform)?;
        spec.health = self.health()?;
        spec.read_only = self.is_there(Slot::ReadOnly);
        spec.remove = self.is_there(Slot::Remove);
        spec.stdin = self.is_there(Slot::Stdin);
        spec.terminal = self.is_there(Slot::Terminal);
        Ok(())
    }

    /// A health check has all of its parts; the command in one spelling or the other.
    fn health(&self) -> Result<Option<HealthCheck>, Objection> {
        let said = match (self.scalar(Slot::HealthCommand), self.scalar(Slot::HealthShell)) {
            (None, None) => return Ok(None),
            (Some(json), _) => words::from_json(json),
            (None, Some(line)) => words::from_shell(line),
        };
        let words = said.ok_or_else(|| Objection::new(Slot::HealthCommand, "", "no words are said so"))?;
        let interval = self.time(Slot::HealthInterval)?;
        let (timeout, start_period) = (self.time(Slot::HealthTimeout)?, self.time(Slot::HealthStart)?);
        let retries = self.number(Slot::HealthRetries)?.unwrap_or_default();
        Ok(Some(HealthCheck { words, interval, timeout, retries, start_period }))
    }

    fn time(&self, slot: Slot) -> Result<Duration, Objection> {
        let text = self.scalar(slot).unwrap_or_default();
        let read = text.strip_suffix("ms").and_then(|digits| digits.parse().ok()).map(Duration::from_millis);
        read.ok_or_else(|| Objection::new(slot, text, "a health check has all of its times, in milliseconds"))
    }

    /// One mode; of two at once the comparison finds the other.
    fn network(&self) -> Result<Option<NetworkMode>, Objection> {
        let modes = [
            (Slot::NetworkNone, NetworkMode::None),
            (Slot::NetworkBridge, NetworkMode::Bridge),
            (Slot::NetworkHost, NetworkMode::Host),
        ];
        let mode = modes.into_iter().find(|(slot, _)| self.is_there(*slot)).map(|(_, mode)| mode);
        if let Some(id) = self.scalar(Slot::NetworkNamed).filter(|id| mode.is_none() && !is_id(id)) {
            return Err(Objection::new(Slot::NetworkNamed, id, "the host names a network by its ID"));
        }
        mode.map_or_else(|| self.one(Slot::NetworkNamed), |mode| Ok(Some(mode)))
    }

    /// The host's label names all secrets in the order of the request; those that are no variables are files.
    fn secrets(&self) -> Result<(Vec<Secret>, Vec<SecretFile>), Objection> {
        let label = self.scalar(Slot::SecretNames).map(str::to_owned);
        let variables = self.texts(Slot::EnvSecret, "name");
        let names = label.clone().unwrap_or_else(|| variables.join(","));
        let (mut secrets, mut files) = (Vec::new(), Vec::new());
        let (mut variables, mut targets) = (variables.iter().peekable(), self.found.get(Slot::SecretFile).iter());
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let delivery = if variables.next_if(|variable| *variable == name).is_some() {
                SecretDelivery::Environment
            } else {
                let Some(file) = targets.next() else { break };
                files.push(self.file(name, file)?);
                SecretDelivery::File(parse(Slot::SecretFile, part(file, "target"))?)
            };
            let name = parse(Slot::SecretNames, name)?;
            secrets.push(Secret { name, value: SecretValue::new(Vec::new()), delivery });
        }
        let told = secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>().join(",");
        match label {
            Some(label) if label != told => {
                Err(Objection::new(Slot::SecretNames, label, "the label names the secrets that are given, each once"))
            }
            _ => Ok((secrets, files)),
        }
    }

    /// A secret's file lies in the folder of its install and its container, under its own name.
    fn file(&self, name: &str, fact: &Binding) -> Result<SecretFile, Objection> {
        let source = part(fact, "source");
        let (install, container) = (self.scalar(Slot::InstallId), self.scalar(Slot::ContainerName));
        let folder = Path::new(SECRETS_FOLDER).join(install.unwrap_or_default()).join(container.unwrap_or_default());
        let place = source.strip_suffix(folder.join(name).to_str().unwrap_or_default());
        let is_place = |place: &str| self.bounds.keeps_secrets(place.trim_end_matches('/'));
        if install.is_some() && !place.is_some_and(is_place) {
            return Err(Objection::new(Slot::SecretFile, source, "no secret of this container lies there"));
        }
        Ok(SecretFile { name: name.to_owned(), source: source.to_owned() })
    }

    fn is_there(&self, slot: Slot) -> bool {
        !self.found.get(slot).is_empty()
    }

    fn scalar(&self, slot: Slot) -> Option<&str> {
        self.found.get(slot).first().and_then(|value| value.field(""))
    }

    fn texts(&self, slot: Slot, field: &str) -> Vec<String> {
        self.found.get(slot).iter().map(|value| part(value, field).to_owned()).collect()
    }

    fn one<T: FromStr<Err = SpecError>>(&self, slot: Slot) -> Result<Option<T>, Objection> {
        self.scalar(slot).map(|text| parse(slot, text)).transpose()
    }

    fn number<T: FromStr>(&self, slot: Slot) -> Result<Option<T>, Objection> {
        let parsed = |text: &str| text.parse().map_err(|_| Objection::new(slot, text, "no request has such a number"));
        self.scalar(slot).map(parsed).transpose()
    }

    fn each<T>(&self, slot: Slot, read: impl Fn(&Binding) -> Result<T, SpecError>) -> Result<Vec<T>, Objection> {
        let read = |fact| read(fact).map_err(|error| Objection::new(slot, text(fact), error.to_string()));
        self.found.get(slot).iter().map(read).collect()
    }
}

fn parse<T: FromStr<Err = SpecError>>(slot: Slot, text: &str) -> Result<T, Objection> {
    text.parse().map_err(|error: SpecError| Objection::new(slot, text, error.to_string()))
}

fn part<'b>(fact: &'b Binding, name: &str) -> &'b str {
    fact.field(name).unwrap_or_default()
}

fn port(fact: &Binding) -> Result<Port, SpecError> {
    let [address, host, container, protocol] =
        ["address", "host", "container", "protocol"].map(|name| part(fact, name));
    format!("{address}:{host}:{container}/{protocol}").parse()
}

fn mount(fact: &Binding, source: impl Fn(&str) -> Result<MountSource, SpecError>) -> Result<Mount, SpecError> {
    Ok(Mount {
        source: source(part(fact, "source"))?,
        target: part(fact, "target").parse()?,
        read_only: part(fact, "readonly") == "true",
    })
}

fn tmpfs(fact: &Binding) -> Result<Tmpfs, SpecError> {
    let size: Memory = part(fact, "size").parse()?;
    Ok(Tmpfs { target: part(fact, "target").parse()?, size: Some(size) })
}
