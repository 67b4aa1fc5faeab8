//! `create`, `container inspect`, `logs`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use serde_json::Value;

use crate::arguments::Arguments;
use crate::clock::Moment;
use crate::container::{Container, Place, Status};
use crate::dialect::{Dialect, Sight};
use crate::engine::Engine;
use crate::events::{Event, What};
use crate::faults::Fault;
use crate::health::Outcome;
use crate::image::Image;
use crate::lies;
use crate::logs::{self, Wish};
use crate::spec::{Port, Spec};
use crate::state;
use crate::trouble::Trouble;

/// OCI runtimes that it says it has.
const RUNTIMES: [&str; 2] = ["crun", "runc"];

pub(crate) fn create(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let mut spec = Spec::read(arguments, engine.dialect)?;
    if spec.runtime.is_empty() {
        spec.runtime = engine.runtime.clone().unwrap_or_default();
    }
    lies::about_spec(&mut spec, &engine.faults);
    let Some((typed, words)) = arguments.operands.split_first() else {
        return Err(Trouble::Usage("requires at least 1 arg(s), only received 0".to_owned()));
    };
    let image =
        Image::find(&engine.state, engine.dialect, typed)?.ok_or_else(|| Trouble::NoSuchImage(typed.clone()))?;
    check(engine, &spec)?;
    super::pods::joined(engine, &mut spec)?;
    spec.networks = super::networks::joined(engine, &spec)?;
    let container = compose(engine, spec, &image, typed, words)?;
    super::volumes::make_missing(engine, &container.spec)?;
    let status = Status { ports: first_ports(engine, &container)?, ..Status::default() };
    Place::make(&engine.state, &container, &status)?;
    Event::of(&container, What::Create).note(&engine.state)?;
    engine.console.say(&container.id);
    Ok(0)
}

fn check(engine: &mut Engine, spec: &Spec) -> Result<(), Trouble> {
    if !spec.runtime.is_empty() && !RUNTIMES.contains(&spec.runtime.rsplit('/').next().unwrap_or_default()) {
        return Err(Trouble::NoRuntime(spec.runtime.clone()));
    }
    let mut binds = spec.mounts.iter().filter(|mount| mount.kind == "bind");
    if let Some(mount) = binds.find(|mount| !std::path::Path::new(&mount.source).exists()) {
        return Err(Trouble::NoSource(mount.source.clone()));
    }
    if engine.dialect == Dialect::Podman {
        warn_of_limits(engine, spec);
    }
    Ok(())
}

fn warn_of_limits(engine: &mut Engine, spec: &Spec) {
    if engine.mode.rootless && (spec.memory != 0 || spec.nano_cpus != 0 || spec.pids != 0) {
        let warning =
            engine.dialect.warning("Resource limits are not supported and ignored on cgroups V1 rootless systems");
        engine.console.warn(&warning);
    }
    if !spec.ports.is_empty() && matches!(spec.network.as_str(), "none" | "host") {
        engine.console.warn(
            "Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in use",
        );
    }
}

fn compose(
    engine: &Engine,
    mut spec: Spec,
    image: &Image,
    typed: &str,
    words: &[String],
) -> Result<Container, Trouble> {
    let id = state::random_id()?;
    let name = spec.name.take().unwrap_or_else(|| format!("rehearsal_{}", id.get(..8).unwrap_or_default()));
    // An entrypoint of the caller's makes the image's words void.
    let image_words = if spec.entrypoint.is_none() { image.words("/config/Cmd") } else { Vec::new() };
    let or =
        |given: &str, pointer: &str| if given.is_empty() { image.text(pointer).to_owned() } else { given.to_owned() };
    let workdir = or(&spec.workdir, "/config/WorkingDir");
    Ok(Container {
        created: Moment::now(),
        image: image.id.clone(),
        image_digest: image.digests.first().cloned().unwrap_or_default(),
        image_name: image.tags.first().or(image.pulled.first()).cloned().unwrap_or_default(),
        image_typed: typed.to_owned(),
        command: engine.words.clone(),
        entrypoint: spec.entrypoint.clone().unwrap_or_else(|| image.words("/config/Entrypoint")),
        words: if words.is_empty() { image_words } else { words.to_vec() },
        env: environment(engine.dialect, &spec, image, &id),
        labels: labels(&spec, image),
        user: or(&spec.user, "/config/User"),
        workdir: if workdir.is_empty() { "/".to_owned() } else { workdir },
        spec,
        id,
        name,
    })
}

/// Of the engine, the image, and the caller, each taking the place of one before it.
fn environment(dialect: Dialect, spec: &Spec, image: &Image, id: &str) -> Vec<String> {
    let split = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
    let of_image = image.words("/config/Env");
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    let hostname = if spec.hostname.is_empty() { id.get(..12).unwrap_or_default() } else { &spec.hostname };
    let podmans = ["TERM=xterm".to_owned(), "container=podman".to_owned(), format!("HOSTNAME={hostname}")];
    let of_engine = podmans.iter().filter(|_| dialect == Dialect::Podman);
    let given = spec.env.iter().cloned();
    for (name, value) in of_engine.chain(&of_image).filter_map(|pair| split(pair)).chain(given) {
        all.retain(|(known, _)| *known != name);
        all.push((name, value));
    }
    // A variable that the client does not have: Podman drops it, Docker keeps the bare name.
    let kept = all.into_iter().filter(|(_, value)| value.is_some() || dialect == Dialect::Docker);
    kept.map(|(name, value)| value.map_or(name.clone(), |value| format!("{name}={value}"))).collect()
}

fn labels(spec: &Spec, image: &Image) -> BTreeMap<String, String> {
    let of_image = image.config("/config/Labels").as_object().into_iter().flatten();
    let text = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or_default().to_owned());
    of_image.map(text).chain(spec.labels.clone()).collect()
}

/// Podman chooses host ports at `create` already.
fn first_ports(engine: &Engine, container: &Container) -> Result<Vec<Port>, Trouble> {
    match (engine.dialect, container.spec.network.as_str()) {
        (_, "none" | "host") => Ok(Vec::new()),
        (_, other) if other.starts_with("container:") => Ok(Vec::new()),
        (Dialect::Podman, _) => container
            .spec
            .ports
            .iter()
            .map(|port| if port.host == 0 { chosen(port) } else { Ok(port.clone()) })
            .collect(),
        (Dialect::Docker, _) => Ok(container.spec.ports.clone()),
    }
}

/// The port, with a free one of the host where none was said.
pub(crate) fn chosen(port: &Port) -> Result<Port, Trouble> {
    let address = SocketAddr::new(port.address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port.host);
    let bound = if port.protocol == "udp" {
        UdpSocket::bind(address)?.local_addr()?
    } else {
        TcpListener::bind(address)?.local_addr()?
    };
    Ok(Port { host: bound.port(), ..port.clone() })
}

pub(crate) fn inspect(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    super::wants_json(arguments)?;
    if engine.faults.has(Fault::FailSeveral) && arguments.operands.len() > 1 {
        return Err(Trouble::Invalid("rehearsed failure".to_owned()));
    }
    let (mut documents, mut missing) = (Vec::new(), Vec::new());
    for operand in &arguments.operands {
        match described(engine, operand) {
            Ok(document) => documents.push(document),
            Err(trouble) => missing.push(trouble),
        }
    }
    super::print_array(engine, documents);
    let mut status = 0;
    for trouble in missing {
        let (code, text) = engine.dialect.describe(&trouble, Some(crate::verb::Verb::Inspect));
        engine.console.warn(&text);
        status = code;
    }
    Ok(status)
}

fn described(engine: &Engine, operand: &str) -> Result<Value, Trouble> {
    let place = Place::find(&engine.state, operand)?;
    if engine.faults.has(Fault::Missing) {
        return Err(Trouble::NoSuchContainer(operand.to_owned()));
    }
    let (container, status) = (place.container()?, place.status()?);
    let sight = Sight { container: &container, status: &status, mode: engine.mode, health: Outcome::load(&place)? };
    let mut document = engine.dialect.container(&sight);
    lies::about_container(&mut document, &engine.faults);
    Ok(document)
}

pub(crate) fn logs(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let place = Place::find(&engine.state, arguments.operand()?)?;
    logs::print(&place, engine.dialect, &wish(arguments)?, &mut engine.console)?;
    Ok(0)
}

fn wish(arguments: &Arguments) -> Result<Wish, Trouble> {
    let wrong = |flag: &str, text: &str| Trouble::Usage(format!("invalid argument \"{text}\" for \"--{flag}\" flag"));
    let tail = arguments.value("tail").filter(|tail| *tail != "all" && *tail != "-1");
    let since = arguments.value("since").filter(|since| !since.is_empty());
    Ok(Wish {
        follow: arguments.is_set("follow"),
        timestamps: arguments.is_set("timestamps"),
        tail: tail.map(|tail| tail.parse().map_err(|_| wrong("tail", tail))).transpose()?,
        since: since
            .map(|since| Moment::parse(since, Moment::now()).ok_or_else(|| wrong("since", since)))
            .transpose()?,
        from: 0,
    })
}
