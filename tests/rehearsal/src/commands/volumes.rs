//! `volume create`, `volume inspect`, `volume ls`, `volume rm`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::arguments::Arguments;
use crate::clock::Moment;
use crate::container::Place;
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::faults::Fault;
use crate::lies;
use crate::spec::Spec;
use crate::state;
use crate::trouble::Trouble;
use crate::verb::Verb;
use crate::volume::Volume;

pub(crate) fn create(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let name = match arguments.operands.as_slice() {
        [] => state::random_id()?,
        [name] => name.clone(),
        _ => return Err(Trouble::Usage("accepts at most 1 arg(s)".to_owned())),
    };
    let driver = arguments.value("driver").unwrap_or("local").to_owned();
    let mut labels = pairs(arguments, "label");
    lies::about_labels(&mut labels, &engine.faults);
    let volume = Volume { name, created: Moment::now(), driver, labels, options: pairs(arguments, "opt") };
    let is_new = engine.faults.has(Fault::Ignore) || volume.make(&engine.state)?;
    if !is_new && engine.dialect == Dialect::Podman {
        return Err(Trouble::VolumeTaken(volume.name));
    }
    engine.console.say(&volume.name);
    Ok(0)
}

pub(super) fn pairs(arguments: &Arguments, flag: &str) -> BTreeMap<String, String> {
    let split = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key.to_owned(), value.to_owned())
    };
    arguments.values(flag).map(split).collect()
}

/// Volumes that a container mounts and that are not there are made, as both engines do it.
pub(super) fn make_missing(engine: &Engine, spec: &Spec) -> Result<(), Trouble> {
    for name in spec.volumes() {
        if engine.faults.has(Fault::SwapVolume) {
            Volume::plain(name).remove(&engine.state)?;
        }
        Volume::plain(name).make(&engine.state)?;
    }
    Ok(())
}

pub(crate) fn inspect(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let (mut documents, mut troubles) = (Vec::new(), Vec::new());
    for operand in &arguments.operands {
        match described(engine, operand) {
            Ok(document) => documents.push(document),
            Err(trouble) => troubles.push(trouble),
        }
    }
    super::print_array(engine, documents);
    let mut status = 0;
    for trouble in troubles {
        let (code, text) = engine.dialect.describe(&trouble, Some(Verb::VolumeInspect));
        engine.console.warn(&text);
        status = code;
    }
    Ok(status)
}

fn described(engine: &Engine, operand: &str) -> Result<Value, Trouble> {
    let volume = Volume::find(&engine.state, engine.dialect, operand)?;
    if engine.faults.has(Fault::Missing) {
        return Err(Trouble::NoSuchVolume(operand.to_owned()));
    }
    let mut document = engine.dialect.volume(&volume);
    lies::about_volume(&mut document, &engine.faults);
    Ok(document)
}

pub(crate) fn list(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let filters = arguments.values("filter").map(label).collect::<Result<Vec<_>, _>>()?;
    let admits = |volume: &Volume| filters.iter().all(|(key, value)| bears(volume, key, value.as_deref()));
    let volumes = Volume::all(&engine.state)?.into_iter().filter(admits).collect::<Vec<_>>();
    let quiet = arguments.is_set("quiet");
    if !quiet && (engine.dialect == Dialect::Docker || !volumes.is_empty()) {
        engine.console.say("DRIVER      VOLUME NAME");
    }
    for volume in volumes {
        let line = if quiet { volume.name } else { format!("{:<12}{}", volume.driver, volume.name) };
        engine.console.say(&line);
    }
    Ok(0)
}

fn bears(volume: &Volume, key: &str, value: Option<&str>) -> bool {
    volume.labels.get(key).is_some_and(|found| value.is_none_or(|value| found == value))
}

pub(super) fn label(filter: &str) -> Result<(String, Option<String>), Trouble> {
    match filter.split_once('=') {
        Some(("label", label)) => {
            let (key, value) = label.split_once('=').map_or((label, None), |(key, value)| (key, Some(value)));
            Ok((key.to_owned(), value.map(str::to_owned)))
        }
        _ => Err(Trouble::Invalid(format!("invalid filter '{filter}'"))),
    }
}

pub(crate) fn remove(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let force = arguments.is_set("force");
    super::each(engine, Verb::VolumeRm, arguments, |engine, operand| {
        match Volume::find(&engine.state, engine.dialect, operand) {
            Err(Trouble::NoSuchVolume(_)) if force && engine.dialect == Dialect::Podman => return Ok(()),
            Err(Trouble::NoSuchVolume(_)) if force => {}
            Ok(_) if engine.faults.has(Fault::Ignore) => {}
            found => remove_one(engine, &found?, force)?,
        }
        engine.console.say(operand);
        Ok(())
    })
}

/// By force Podman removes the containers that use it; Docker never does.
fn remove_one(engine: &Engine, volume: &Volume, force: bool) -> Result<(), Trouble> {
    let users = volume.users(&engine.state)?;
    if force && engine.dialect == Dialect::Podman {
        for id in &users {
            super::lifecycle::remove_one(&Place::of(&engine.state, id), true)?;
        }
    } else if !users.is_empty() {
        return Err(Trouble::VolumeInUse { name: volume.name.clone(), users });
    }
    Ok(volume.remove(&engine.state)?)
}
