//! A service: each of its keys becomes a part of a spec, or is told why not.

use super::parts::{self, Mounted};
use super::yaml::{Key, Node, Place, Wrong};
use super::{Dependency, Fact, Health, Inputs, Ledger, SecretFile, SecretSource, Service, deploy, unsupported};
use crate::grants::{GRACE_MAX, check_values};
use crate::reference::Reference;
use crate::scope::Scope;
use crate::spec::{ContainerSpec, Mount, MountSource, Name, NetworkMode, Signal, User, Variable};

/// Every key of a service that is known here, for telling the nearest.
const KNOWN: &[&str] = &[
    "image",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "ports",
    "volumes",
    "networks",
    "network_mode",
    "depends_on",
    "healthcheck",
    "deploy",
    "restart",
    "profiles",
    "labels",
    "user",
    "working_dir",
    "read_only",
    "tmpfs",
    "ulimits",
    "cap_drop",
    "cap_add",
    "secrets",
    "stop_grace_period",
    "stop_signal",
    "hostname",
    "container_name",
    "mem_limit",
    "cpus",
    "pids_limit",
    "shm_size",
    "expose",
    "pull_policy",
];

/// Keys of the Specification that this program has not, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("build", "images are not built; build it elsewhere, and name it under `image`"),
    ("extends", "write the keys out, or share them by an anchor (`<<: *name`)"),
    ("privileged", "no container is ever privileged"),
    ("devices", "devices are handed over as GPUs alone, under `deploy`"),
    ("security_opt", "the host sets `no-new-privileges` itself"),
    ("pid", "namespaces of the host are not shared"),
    ("ipc", "namespaces of the host are not shared"),
    ("userns_mode", "user namespaces are the policy's to allow; use `run --userns`"),
    ("configs", "hand a file over as a volume or a secret"),
    ("links", "services find one another by their names"),
    ("external_links", "services find one another by their names"),
    ("volumes_from", "write the volumes out"),
    ("scale", "there is one container of a service"),
    ("logging", "the engine's own driver is used"),
    ("init", "the image brings its own first process"),
    ("tty", "services have no terminal"),
    ("stdin_open", "services have no input"),
    ("dns", "names are the engine's to resolve"),
    ("extra_hosts", "names are the engine's to resolve"),
    ("sysctls", "parameters of the kernel are not set"),
    ("runtime", "the OCI runtime is the grant's to name"),
    ("platform", "the image's own platform is used"),
    ("mem_reservation", "reservations have no effect on one machine"),
    ("develop", "this is for running, not for developing"),
    ("group_add", "groups are the image's own"),
    ("domainname", "host names have no domain"),
    ("mac_address", "addresses are the engine's to choose"),
    ("cgroup_parent", "the engine's own is used"),
    ("oom_score_adj", "the engine's own is used"),
    ("blkio_config", "there are no such limits"),
    ("annotations", "labels are what is handed on"),
    ("attach", "services run in the background; `compose logs` shows what they print"),
    ("cpu_shares", "there are no such limits; `cpus` is one"),
    ("cpuset", "there are no such limits; `cpus` is one"),
    ("credential_spec", "there are no such credentials here"),
    ("gpus", "GPUs are handed over under `deploy`"),
    ("isolation", "the engine's own is used"),
    ("label_file", "write the labels out"),
    ("models", "there are no models here"),
    ("oom_kill_disable", "the engine's own is used"),
    ("post_start", "nothing is run in a container beside its command"),
    ("pre_stop", "nothing is run in a container beside its command"),
    ("provider", "services are containers"),
    ("storage_opt", "the engine's own storage is used"),
    ("use_api_socket", "no container gets to see an engine's socket"),
    ("uts", "namespaces of the host are not shared"),
];

/// What the whole file says, for its services.
pub(super) struct Around<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) project: &'a str,
    /// Secrets by name.
    pub(super) secrets: &'a [(String, SecretSource)],
    /// Networks and volumes: key, and the engine's name.
    pub(super) networks: &'a [(String, Name)],
    pub(super) volumes: &'a [(String, Name)],
}

/// A service, and the profiles that bring it.
pub(super) struct Read {
    pub(super) service: Service,
    pub(super) profiles: Vec<String>,
    /// The networks and volumes that it uses, by key.
    pub(super) uses: Vec<String>,
    /// Where it says what it depends on.
    pub(super) depends_at: Place,
}

/// What is being read.
struct Reading<'a> {
    around: &'a Around<'a>,
    spec: ContainerSpec,
    bare: ContainerSpec,
    aliases: Vec<Name>,
    cap_add: Vec<String>,
    health: Option<Health>,
    depends_on: Vec<Dependency>,
    depends_at: Place,
    secrets: Vec<SecretFile>,
    profiles: Vec<String>,
    env_file: Vec<Variable>,
    uses: Vec<String>,
    facts: Vec<Fact>,
    has_network: bool,
}

/// Reads a service; none where it can't be one.
pub(super) fn read(key: &Key, node: &Node, around: &Around<'_>, ledger: &mut Ledger) -> Option<Read> {
    let path = format!("services.{}", key.text);
    let entries = ledger.take(&path, key.at, node.map())?;
    let image = image(&path, key, entries, ledger)?;
    let named =
        format!("{}-{}-1", around.project, key.text).parse().map_err(|error| Wrong::new(key.at, format!("{error}")));
    let name: Name = ledger.refuse(&path, named)?;
    let alias = key.text.parse().map_err(|error| Wrong::new(key.at, format!("{error}")));
    let alias: Name = ledger.refuse(&path, alias)?;
    let bare = ContainerSpec { network: Some(NetworkMode::None), ..ContainerSpec::new(image.1.clone(), name) };
    let mut reading = Reading {
        around,
        spec: ContainerSpec { network: None, ..bare.clone() },
        aliases: vec![alias],
        cap_add: Vec::new(),
        health: None,
        depends_on: Vec::new(),
        depends_at: key.at,
        secrets: Vec::new(),
        profiles: Vec::new(),
        env_file: Vec::new(),
        uses: Vec::new(),
        facts: vec![Fact { key: format!("{path}.image"), at: image.0, is_image: true, spec: bare.clone() }],
        has_network: false,
        bare,
    };
    for (key, node) in entries.iter().filter(|(key, _)| key.text != "image") {
        reading.entry(&format!("{path}.{}", key.text), key, node, ledger);
        reading.part(&format!("{path}.{}", key.text), key);
    }
    let at = key.at;
    let read = reading.finish(&key.text, at);
    judge(&path, at, &read.service, ledger);
    Some(read)
}

fn image(path: &str, key: &Key, entries: &[(Key, Node)], ledger: &mut Ledger) -> Option<(Place, Reference)> {
    let Some((at, node)) = entries.iter().find(|(key, _)| key.text == "image").map(|(key, node)| (key.at, node)) else {
        // A `build` in its place is told of by itself.
        let tell = |(key, _): &&(Key, Node)| key.text == "build";
        match entries.iter().find(tell) {
            Some((build, _)) => {
                ledger.unsupported(&format!("{path}.build"), build.at, not_here("build").unwrap_or_default())
            }
            None => ledger.invalid(path, key.at, "the service names no image"),
        }
        return None;
    };
    Some((at, ledger.take(&format!("{path}.image"), at, node.parsed())?))
}

fn not_here(key: &str) -> Option<&'static str> {
    NOT_HERE.iter().find(|(known, _)| *known == key).map(|(_, why)| *why)
}

impl Reading<'_> {
    fn entry(&mut self, path: &str, key: &Key, node: &Node, ledger: &mut Ledger) {
        let at = key.at;
        match key.text.as_str() {
            "command" => set(&mut self.spec.words, ledger.take(path, at, parts::command(node))),
            "entrypoint" => set(&mut self.spec.entrypoint, ledger.take(path, at, parts::command(node))),
            "environment" => {
                set(&mut self.spec.env, ledger.take(path, at, parts::environment(node, self.around.inputs.variable)));
            }
            "env_file" => {
                let read = self.env_files(node);
                set(&mut self.env_file, ledger.take(path, at, read));
            }
            "ports" => self.ports(path, node, ledger),
            "volumes" => self.volumes(path, node, ledger),
            "networks" => self.networks(path, at, node, ledger),
            "network_mode" => self.network_mode(path, at, node, ledger),
            "depends_on" => {
                self.depends_at = at;
                set(&mut self.depends_on, ledger.take(path, at, parts::depends_on(node)));
            }
            "healthcheck" => set(&mut self.health, ledger.take(path, at, parts::health(node))),
            "deploy" => self.deploy(path, at, node, ledger),
            "profiles" => set(&mut self.profiles, ledger.take(path, at, parts::texts(node))),
            "labels" => set(&mut self.spec.labels, ledger.take(path, at, parts::labels(node))),
            "ulimits" => set(&mut self.spec.ulimits, ledger.take(path, at, parts::ulimits(node))),
            "tmpfs" => self.tmpfs(path, at, node, ledger),
            "cap_drop" => set(&mut self.spec.cap_drop, ledger.take(path, at, parts::texts(node))),
            "cap_add" => set(&mut self.cap_add, ledger.take(path, at, parts::texts(node))),
            "secrets" => self.secrets(path, node, ledger),
            "expose" => drop(ledger.take(path, at, parts::texts(node))),
            "pull_policy" => drop(ledger.take(path, at, pull_policy(node))),
            other if other.starts_with("x-") => ledger.supported(path, at),
            other => self.scalar(other, path, at, node, ledger),
        }
    }

    fn scalar(&mut self, key: &str, path: &str, at: Place, node: &Node, ledger: &mut Ledger) {
        let spec = &mut self.spec;
        match key {
            "restart" => spec.restart = ledger.take(path, at, node.parsed()),
            "user" => spec.user = ledger.take(path, at, node.parsed::<User>()),
            "working_dir" => spec.workdir = ledger.take(path, at, node.parsed()),
            "read_only" => spec.read_only = ledger.take(path, at, node.truth()).unwrap_or_default(),
            "stop_signal" => spec.stop_signal = ledger.take(path, at, node.parsed::<Signal>()),
            "hostname" => spec.hostname = ledger.take(path, at, node.parsed()),
            "mem_limit" => spec.memory = ledger.take(path, at, node.parsed()),
            "shm_size" => spec.shm_size = ledger.take(path, at, node.parsed()),
            "cpus" => spec.cpus = ledger.take(path, at, node.parsed()),
            "pids_limit" => spec.pids = ledger.take(path, at, node.parsed()),
            "container_name" => {
                if let Some(name) = ledger.take(path, at, node.parsed()) {
                    spec.name = name;
                }
            }
            "stop_grace_period" => {
                spec.stop_grace = ledger.take(path, at, parts::duration(node).and_then(|time| grace(node, time)));
            }
            other => match not_here(other) {
                Some(why) => ledger.unsupported(path, at, why),
                None => ledger.unknown(path, at, other, KNOWN),
            },
        }
    }

    fn env_files(&self, node: &Node) -> Result<Vec<Variable>, Wrong> {
        let inputs = self.around.inputs;
        let mut variables = Vec::new();
        for (file, required) in parts::env_files(node)? {
            let path = parts::resolved(inputs.folder, &file);
            let text = match (inputs.env_file)(&path).map_err(|why| node.wrong(why))? {
                Some(text) => text,
                None if required => return Err(node.wrong(format!("{}: there is no such file", path.display()))),
                None => continue,
            };
            let lines = parts::env_lines(&text, inputs.variable);
            variables.extend(lines.map_err(|why| node.wrong(format!("{file}: {why}")))?);
        }
        Ok(variables)
    }

    /// Notes a part that the policy may have a word on.
    fn fact(&mut self, key: &str, at: Place, change: impl FnOnce(&mut ContainerSpec)) {
        let mut spec = self.bare.clone();
        change(&mut spec);
        self.facts.push(Fact { key: key.to_owned(), at, is_image: false, spec });
    }

    /// Notes a key whose value is a part of the spec, for judging it by itself.
    fn part(&mut self, path: &str, key: &Key) {
        let (own, cap_add) = (self.spec.clone(), self.cap_add.clone());
        let take: fn(&mut ContainerSpec, ContainerSpec, Vec<String>) = match key.text.as_str() {
            "command" => |spec, own, _| spec.words = own.words,
            "entrypoint" => |spec, own, _| spec.entrypoint = own.entrypoint,
            "environment" => |spec, own, _| spec.env = own.env,
            "labels" => |spec, own, _| spec.labels = own.labels,
            "ulimits" => |spec, own, _| spec.ulimits = own.ulimits,
            "tmpfs" => |spec, own, _| spec.tmpfs = own.tmpfs,
            "hostname" => |spec, own, _| spec.hostname = own.hostname,
            "working_dir" => |spec, own, _| spec.workdir = own.workdir,
            "user" => |spec, own, _| spec.user = own.user,
            "cap_drop" => |spec, own, _| spec.cap_drop = own.cap_drop,
            "cap_add" => |spec, _, cap_add| spec.cap_add = cap_add,
            _ => return,
        };
        self.fact(path, key.at, |spec| take(spec, own, cap_add));
    }

    fn ports(&mut self, path: &str, node: &Node, ledger: &mut Ledger) {
        for (key, item) in items(path, node, ledger) {
            if let Some(port) = ledger.take(&key, item.at, parts::port(item)) {
                self.fact(&key, item.at, |spec| spec.ports.push(port.clone()));
                self.spec.ports.push(port);
            }
        }
    }

    fn volumes(&mut self, path: &str, node: &Node, ledger: &mut Ledger) {
        for (key, item) in items(path, node, ledger) {
            let mount = parts::mount(item, self.around.inputs.folder).and_then(|mount| self.mounted(item, mount));
            if let Some(Some(mount)) = ledger.take(&key, item.at, mount) {
                self.fact(&key, item.at, |spec| spec.mounts.push(mount.clone()));
                self.spec.mounts.push(mount);
            }
        }
    }

    fn mounted(&mut self, node: &Node, mount: Mounted) -> Result<Option<Mount>, Wrong> {
        match mount {
            Mounted::Bind(mount) => Ok(Some(mount)),
            Mounted::Memory(tmpfs) => {
                self.spec.tmpfs.push(tmpfs);
                Ok(None)
            }
            Mounted::Volume { part, target, read_only } => {
                let named = self.around.volumes.iter().find(|(key, _)| *key == part);
                let (_, name) = named.ok_or_else(|| node.wrong(format!("there is no `{part}` under `volumes`")))?;
                self.uses.push(format!("volumes.{part}"));
                Ok(Some(Mount { source: MountSource::Volume(name.clone()), target, read_only }))
            }
        }
    }

    fn tmpfs(&mut self, path: &str, at: Place, node: &Node, ledger: &mut Ledger) {
        let read = parts::texts(node)
            .and_then(|texts| texts.iter().map(|text| parts::tmpfs(node.at, text)).collect::<Result<Vec<_>, _>>());
        self.spec.tmpfs.extend(ledger.take(path, at, read).into_iter().flatten());
    }

    fn networks(&mut self, path: &str, at: Place, node: &Node, ledger: &mut Ledger) {
        self.has_network = true;
        let read = joined(node).and_then(|joined| self.known(node, joined));
        let Some(Joined { parts, names, aliases }) = ledger.take(path, at, read) else { return };
        parts.iter().zip(names).for_each(|(part, name)| self.join(part, name));
        self.aliases.extend(aliases);
        let (network, further) = (self.spec.network.clone(), self.spec.further_networks.clone());
        self.fact(path, at, |spec| (spec.network, spec.further_networks) = (network, further));
    }

    /// Each network stands under the file's own.
    fn known(&self, node: &Node, (parts, aliases): (Vec<String>, Vec<Name>)) -> Result<Joined, Wrong> {
        let name = |part: &String| {
            let known = self.around.networks.iter().find(|(key, _)| key == part);
            known
                .map(|(_, name)| name.clone())
                .ok_or_else(|| node.wrong(format!("there is no `{part}` under `networks`")))
        };
        let names = parts.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        Ok(Joined { parts, names, aliases })
    }

    fn join(&mut self, part: &str, name: Name) {
        self.uses.push(format!("networks.{part}"));
        match self.spec.network {
            Some(NetworkMode::Named(_)) => self.spec.further_networks.push(name),
            _ => self.spec.network = Some(NetworkMode::Named(name)),
        }
    }

    fn network_mode(&mut self, path: &str, at: Place, node: &Node, ledger: &mut Ledger) {
        self.has_network = true;
        let mode = node.parsed::<NetworkMode>().and_then(|mode| match mode {
            NetworkMode::Named(_) => Err(unsupported(node.at, "a mode is `none`, `bridge` or `host`")),
            mode => Ok(mode),
        });
        if let Some(mode) = ledger.take(path, at, mode) {
            self.fact(path, at, |spec| spec.network = Some(mode.clone()));
            self.spec.network = Some(mode);
        }
    }

    fn deploy(&mut self, path: &str, at: Place, node: &Node, ledger: &mut Ledger) {
        let Some(deploy) = ledger.take(path, at, deploy::read(node)) else { return };
        let gpus = deploy.gpus;
        self.fact(path, at, |spec| spec.gpus = gpus.clone());
        let spec = &mut self.spec;
        spec.gpus = gpus;
        spec.cpus = deploy.cpus.or(spec.cpus);
        spec.memory = deploy.memory.or(spec.memory);
        spec.pids = deploy.pids.or(spec.pids);
    }

    fn secrets(&mut self, path: &str, node: &Node, ledger: &mut Ledger) {
        for (key, item) in items(path, node, ledger) {
            let secret = self.secret(item).and_then(|secret| self.only_once(item, secret));
            self.secrets.extend(ledger.take(&key, item.at, secret));
        }
    }

    fn secret(&self, node: &Node) -> Result<SecretFile, Wrong> {
        let (source, target) = match &node.value {
            super::yaml::Value::Text(source) => (source.clone(), None),
            _ => {
                parts::only(node, &["source", "target"])?;
                let text = |key| parts::get(node, key)?.map(|node| node.text().map(str::to_owned)).transpose();
                let source = text("source")?.ok_or_else(|| node.wrong("the key `source` is missing"))?;
                (source, text("target")?)
            }
        };
        let known = self.around.secrets.iter().find(|(name, _)| *name == source);
        let (_, from) = known.ok_or_else(|| node.wrong(format!("there is no `{source}` under `secrets`")))?;
        let target = target.unwrap_or_else(|| source.clone());
        let target = if target.starts_with('/') { target } else { format!("/run/secrets/{target}") };
        let wrong = |error: crate::spec::SpecError| node.wrong(error.to_string());
        let name = source.parse().map_err(wrong)?;
        Ok(SecretFile { name, target: target.parse().map_err(wrong)?, source: from.clone() })
    }

    fn only_once(&self, node: &Node, secret: SecretFile) -> Result<SecretFile, Wrong> {
        let mut others = self.secrets.iter();
        match others.find(|other| other.name == secret.name || other.target == secret.target) {
            Some(other) => Err(node.wrong(format!("{} stands at {} already", other.name, other.target))),
            None => Ok(secret),
        }
    }

    fn finish(mut self, name: &str, at: Place) -> Read {
        if !self.has_network {
            let default = self.around.networks.iter().find(|(key, _)| key == "default").map(|(_, name)| name.clone());
            if let Some(default) = default {
                self.join("default", default);
                let network = self.spec.network.clone();
                self.fact(&format!("services.{name}"), at, |spec| spec.network = network);
            }
        }
        if !matches!(self.spec.network, Some(NetworkMode::Named(_))) {
            self.aliases.clear();
        }
        let own: Vec<Variable> = std::mem::take(&mut self.spec.env);
        let later = |variable: &Variable| own.iter().any(|known| known.name == variable.name);
        let mut env: Vec<Variable> = Vec::new();
        for variable in self.env_file.into_iter().filter(|variable| !later(variable)) {
            env.retain(|known| known.name != variable.name);
            env.push(variable);
        }
        env.extend(own);
        self.spec.env = env;
        let service = Service {
            name: name.to_owned(),
            spec: self.spec,
            aliases: self.aliases,
            cap_add: self.cap_add,
            health: self.health,
            depends_on: self.depends_on,
            secrets: self.secrets,
            facts: self.facts,
        };
        Read { service, profiles: self.profiles, uses: self.uses, depends_at: self.depends_at }
    }
}

/// Whether a container can be made so: part by part, and then, where each is right, as a whole.
fn judge(path: &str, at: Place, service: &Service, ledger: &mut Ledger) {
    for fact in &service.facts {
        if let Err(why) = makes_sense(&fact.spec) {
            ledger.invalid(&fact.key, fact.at, why);
        }
    }
    if !ledger.is_wrong_below(path)
        && let Err(why) = makes_sense(&service.spec)
    {
        ledger.invalid(path, at, why);
    }
}

fn makes_sense(spec: &ContainerSpec) -> Result<(), String> {
    spec.check().map_err(|error| error.to_string())?;
    let values = Scope::of_create(spec, &[]);
    check_values(values.caller()).map_err(|error| error.to_string())
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn grace(node: &Node, time: std::time::Duration) -> Result<u32, Wrong> {
    let seconds = u32::try_from(time.as_secs()).ok().filter(|seconds| u64::from(*seconds) <= GRACE_MAX);
    seconds.ok_or_else(|| node.wrong(format!("a grace is at most {GRACE_MAX} seconds")))
}

/// The networks of a service: their keys in the file, their names, and the service's other names on each.
struct Joined {
    parts: Vec<String>,
    names: Vec<Name>,
    aliases: Vec<Name>,
}

/// The keys of a service's networks, and its aliases, which are the same on each.
fn joined(node: &Node) -> Result<(Vec<String>, Vec<Name>), Wrong> {
    let each: Vec<(String, Vec<Name>)> = match &node.value {
        super::yaml::Value::List(_) => parts::texts(node)?.into_iter().map(|part| (part, Vec::new())).collect(),
        _ => {
            let one = |(key, node): &(Key, Node)| Ok((key.text.clone(), aliases(node)?));
            node.map()?.iter().map(one).collect::<Result<_, Wrong>>()?
        }
    };
    let Some((_, first)) = each.first().cloned() else {
        return Err(node.wrong("a service is on a network; for none say `network_mode: none`"));
    };
    let as_set = |aliases: &[Name]| aliases.iter().map(Name::to_string).collect::<std::collections::BTreeSet<_>>();
    if each.iter().any(|(_, aliases)| as_set(aliases) != as_set(&first)) {
        return Err(unsupported(node.at, "aliases that are not the same on every network of a service"));
    }
    Ok((each.into_iter().map(|(part, _)| part).collect(), first))
}

fn aliases(node: &Node) -> Result<Vec<Name>, Wrong> {
    parts::only(node, &["aliases"])?;
    let Some(list) = parts::get(node, "aliases")? else { return Ok(Vec::new()) };
    list.list()?.iter().map(Node::parsed).collect()
}

fn pull_policy(node: &Node) -> Result<(), Wrong> {
    match node.text()? {
        "missing" | "if_not_present" => Ok(()),
        other => Err(unsupported(node.at, format!("the policy {other:?}: images are pulled where they are missing"))),
    }
}

/// The items of a list, each with its path.
fn items<'a>(path: &str, node: &'a Node, ledger: &mut Ledger) -> Vec<(String, &'a Node)> {
    let list = ledger.take(path, node.at, node.list()).unwrap_or_default();
    list.iter().enumerate().map(|(at, item)| (format!("{path}[{at}]"), item)).collect()
}
