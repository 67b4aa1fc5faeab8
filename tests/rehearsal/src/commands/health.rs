//! `pause`, `unpause`, `healthcheck run`, `top`, `stats`, `events`.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::arguments::Arguments;
use crate::clock::{self, Moment};
use crate::container::{Phase, Place, Status};
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::events::{self, Event, What};
use crate::faults::Fault;
use crate::health;
use crate::trouble::Trouble;
use crate::verb::Verb;

/// How often a follower looks for more.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn pause(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    if engine.mode.rootless && engine.dialect == Dialect::Podman {
        let why =
            "can not pause containers on rootless containers with cgroup V1: this container does not have a cgroup";
        return Err(Trouble::Invalid(why.to_owned()));
    }
    set(engine, arguments, Verb::Pause, true)
}

pub(crate) fn unpause(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    if engine.mode.rootless && engine.dialect == Dialect::Podman {
        return Err(Trouble::Invalid("unpause is not supported for cgroupv1 rootless containers".to_owned()));
    }
    set(engine, arguments, Verb::Unpause, false)
}

fn set(engine: &mut Engine, arguments: &Arguments, verb: Verb, paused: bool) -> Result<u8, Trouble> {
    super::each(engine, verb, arguments, |engine, typed| {
        let state = engine.state.clone();
        let place = Place::find(&state, typed)?;
        if !engine.faults.has(Fault::Ignore) {
            set_one(engine, &place, paused)?;
        }
        engine.console.say(typed);
        Ok(())
    })
}

fn set_one(engine: &Engine, place: &Place<'_>, paused: bool) -> Result<(), Trouble> {
    let _guard = place.guard()?;
    let status = place.status()?;
    let wrong = |podman: &str, docker: &str| match engine.dialect {
        Dialect::Podman => Trouble::Invalid(format!("\"{}\" is {podman}: container state improper", place.id)),
        Dialect::Docker => Trouble::Invalid(format!("Container {} is {docker}", place.id)),
    };
    match (status.phase, status.paused, paused) {
        (Phase::Running, true, true) => return Err(wrong("already paused", "already paused")),
        (Phase::Running, false, true) | (Phase::Running, true, false) => {}
        (_, _, true) => return Err(wrong("not running, can't pause", "not running")),
        (_, _, false) => return Err(wrong("not paused, can't unpause", "not paused")),
    }
    let signal = if paused { Signal::STOP } else { Signal::CONT };
    if let Some(pid) = Pid::from_raw(status.pid) {
        // It may have ended by itself; the supervisor is about to record it.
        let _ = rustix::process::kill_process(pid, signal);
    }
    place.set_status(&Status { paused, ..status })?;
    Event::of(&place.container()?, if paused { What::Pause } else { What::Unpause }).note(&engine.state)?;
    Ok(())
}

/// Podman's alone.
pub(crate) fn run(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let state = engine.state.clone();
    let place = Place::find(&state, arguments.operand()?)?;
    if place.container()?.spec.health.is_none() {
        return Err(Trouble::Invalid(format!("container {} has no defined healthcheck", place.id)));
    }
    if place.status()?.phase != Phase::Running {
        return Err(Trouble::Invalid(format!("container {} is not running", place.id)));
    }
    let well = health::run(&state, &place, engine.dialect)?;
    if !well {
        engine.console.say("unhealthy");
    }
    Ok(u8::from(!well))
}

/// The status of what runs.
fn running(engine: &Engine, typed: &str, podman: &str) -> Result<(String, Status), Trouble> {
    let place = Place::find(&engine.state, typed)?;
    let status = place.status()?;
    match (status.phase, engine.dialect) {
        (Phase::Running, _) => Ok((place.id.clone(), status)),
        (_, Dialect::Podman) => Err(Trouble::Invalid(podman.to_owned())),
        (_, Dialect::Docker) => Err(Trouble::Invalid(format!("Container {} is not running", place.id))),
    }
}

pub(crate) fn top(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let typed = arguments.operands.first().cloned().unwrap_or_default();
    let (_, status) = running(engine, &typed, "top can only be used on running containers")?;
    let command = std::fs::read(format!("/proc/{}/cmdline", status.pid)).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let seconds = clock::since(status.started).as_secs();
    let (pid, user) = match engine.dialect {
        Dialect::Podman => ("HPID", "HUSER"),
        Dialect::Docker => ("PID", "USER"),
    };
    engine.console.say(&format!("{pid:<12}{user:<12}{:<13}COMMAND", "ELAPSED"));
    engine.console.say(&format!("{:<12}{:<12}{:<13}{}", status.pid, "root", format!("{seconds}s"), command.trim()));
    Ok(0)
}

pub(crate) fn stats(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    if engine.mode.rootless && engine.dialect == Dialect::Podman {
        return Err(Trouble::Invalid("stats is not supported in rootless mode without cgroups v2".to_owned()));
    }
    let typed = arguments.operand()?.to_owned();
    let (id, status) = running(engine, &typed, "container is not running: container state improper")?;
    let limit = Place::of(&engine.state, &id).container()?.spec.memory;
    let limit = if limit == 0 { 8 << 30 } else { limit };
    let pages = std::fs::read_to_string(format!("/proc/{}/statm", status.pid)).unwrap_or_default();
    let memory = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(1) * 4096;
    let both = format!("{}KiB / {}MiB", memory / 1024, limit >> 20);
    let known = [
        ("{{.ContainerStats.CPU}}", "0.08819260559758037".to_owned()),
        ("{{.ContainerStats.MemUsage}}", memory.to_string()),
        ("{{.ContainerStats.MemLimit}}", limit.to_string()),
        ("{{.ContainerStats.PIDs}}", "1".to_owned()),
        ("{{.CPUPerc}}", "0.08%".to_owned()),
        ("{{.MemUsage}}", both),
        ("{{.PIDs}}", "1".to_owned()),
    ];
    let mut line = arguments.value("format").unwrap_or_default().to_owned();
    for (hole, value) in known {
        line = line.replace(hole, &value);
    }
    engine.console.say(&line);
    Ok(0)
}

/// Until nobody reads any more, or its parent is gone.
pub(crate) fn follow(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    super::wants_json(arguments)?;
    let wrong = |text: &str| Trouble::Invalid(format!("invalid value for since: {text}"));
    let since = arguments.value("since").map(|text| Moment::parse(text, Moment::now()).ok_or_else(|| wrong(text)));
    let since = since.transpose()?.unwrap_or_else(Moment::now);
    let labels: Vec<(String, String)> = arguments
        .values("filter")
        .filter_map(|filter| filter.strip_prefix("label=")?.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let file = std::fs::OpenOptions::new().append(true).create(true).read(true).open(events::file(&engine.state))?;
    let (mut lines, mut line) = (BufReader::new(file), Vec::new());
    let parent = rustix::process::getppid();
    while rustix::process::getppid() == parent {
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            let event: Event = serde_json::from_slice(&line).map_err(std::io::Error::from)?;
            line.clear();
            if event.time >= since && labels.iter().all(|(key, value)| event.labels.get(key) == Some(value)) {
                engine.console.say(&event.document(engine.dialect).to_string());
            }
        }
        engine.console.flush()?;
        std::thread::sleep(PAUSE);
    }
    Ok(0)
}
