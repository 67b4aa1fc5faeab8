//! `start`, `stop`, `kill`, `rm`, `wait`.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode};
use rustix::process::{Pid, Signal};

use super::containers::chosen;
use crate::arguments::Arguments;
use crate::container::{Container, Patience, Phase, Place, Status};
use crate::dialect::{Dialect, docker};
use crate::engine::Engine;
use crate::events::{Event, What};
use crate::faults::Fault;
use crate::image;
use crate::logs::{self, Wish};
use crate::signal;
use crate::spec::Port;
use crate::supervisor;
use crate::trouble::{StartTrouble, Trouble};
use crate::verb::Verb;

/// The only program that is played.
const PROGRAM: &str = "deckhand";

/// How long it waits after KILL: the supervisor has to record the end.
const END_OF_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn start(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    if arguments.is_set("attach") {
        return start_attached(engine, arguments.operand()?, arguments.is_set("interactive"));
    }
    super::each(engine, Verb::Start, arguments, |engine, typed| {
        let place = Place::find(&engine.state, typed)?;
        if !engine.faults.has(Fault::Ignore) {
            launch(engine, &place)?;
        }
        engine.console.say(typed);
        Ok(())
    })
}

/// Only what this run prints, and its exit status.
fn start_attached(engine: &mut Engine, typed: &str, feeds: bool) -> Result<u8, Trouble> {
    let state = engine.state.clone();
    let place = Place::find(&state, typed)?;
    let from = std::fs::metadata(place.log()).map_or(0, |metadata| metadata.len());
    // Opened before the start: the container, and its log with it, may be gone soon after.
    let log = std::fs::OpenOptions::new().append(true).create(true).read(true).open(place.log())?;
    let input = feeds.then(|| open_input(&place)).transpose()?;
    launch(engine, &place)?;
    if let Some(input) = input {
        feed(input);
    }
    let wish = Wish { follow: true, from, ..Wish::default() };
    logs::print_open(&place, log, engine.dialect, &wish, &mut engine.console)?;
    Ok(u8::try_from(place.exit_code()? & 0xff).unwrap_or(125))
}

/// Made and held before the container is started, which finds it then.
fn open_input(place: &Place<'_>) -> std::io::Result<File> {
    let path = place.input();
    let _absent = std::fs::remove_file(&path);
    rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // For both: nobody reads yet.
    std::fs::OpenOptions::new().read(true).write(true).open(path)
}

/// Hands on what this process is fed, beside everything else.
fn feed(mut input: File) {
    std::thread::spawn(move || {
        // A container that reads no more has what it wanted.
        let _unread = std::io::copy(&mut std::io::stdin(), &mut input);
    });
}

fn launch(engine: &Engine, place: &Place<'_>) -> Result<(), Trouble> {
    let container = place.container()?;
    let guard = place.guard()?;
    let mut status = place.status()?;
    if status.phase == Phase::Running {
        return Ok(());
    }
    let networked = super::pods::check(engine, &container.spec);
    let checked = networked.and_then(|()| check(engine, &container)).and_then(|()| ports(engine, &container, &status));
    match checked {
        Ok(ports) => status.ports = ports,
        Err(reason) => return Err(not_started(engine, place, &container, status, reason)?),
    }
    status.stopping = false;
    place.set_status(&status)?;
    supervisor::launch(engine.state.root(), engine.dialect, place)?;
    drop(guard);
    Ok(())
}

/// Docker keeps the reason in the container's state.
fn not_started(
    engine: &Engine,
    place: &Place<'_>,
    container: &Container,
    status: Status,
    reason: StartTrouble,
) -> std::io::Result<Trouble> {
    if engine.dialect == Dialect::Docker {
        let exit_code = if matches!(reason, StartTrouble::NoCommand(_)) { 127 } else { 128 };
        place.set_status(&Status {
            exit_code,
            error: docker::start(&container.id, &container.name, &reason),
            ..status
        })?;
    }
    Ok(Trouble::Start { id: container.id.clone(), name: container.name.clone(), reason })
}

fn check(engine: &Engine, container: &Container) -> Result<(), StartTrouble> {
    let path = container.entrypoint.iter().chain(&container.words).next().cloned().unwrap_or_default();
    let user = container.user.split(':').next().unwrap_or_default();
    let is_known = user.is_empty() || user == "root" || user.bytes().all(|byte| byte.is_ascii_digit());
    match container.spec.devices.first() {
        Some(device) if !engine.mode.gpus => Err(StartTrouble::NoDevice(device.clone())),
        _ if path.rsplit('/').next() != Some(PROGRAM) => Err(StartTrouble::NoCommand(path)),
        _ if !is_known => Err(StartTrouble::NoUser(user.to_owned())),
        _ => Ok(()),
    }
}

/// The container's ports on the host, each free.
fn ports(engine: &Engine, container: &Container, status: &Status) -> Result<Vec<Port>, StartTrouble> {
    let wanted = if engine.dialect == Dialect::Podman || status.ports.is_empty() {
        &status.ports
    } else {
        &container.spec.ports
    };
    wanted.iter().map(|port| free(engine, port)).collect()
}

fn free(engine: &Engine, port: &Port) -> Result<Port, StartTrouble> {
    let taken = || StartTrouble::PortTaken { address: port.address.clone(), port: port.host };
    let port = chosen(port).map_err(|_| taken())?;
    // Nobody may listen yet on a port that another container has.
    let others = Place::all(&engine.state).unwrap_or_default().into_iter().filter_map(|(place, _)| place.status().ok());
    let mut running = others.filter(|status| status.phase == Phase::Running);
    let is_same =
        |other: &Port| other.host == port.host && other.protocol == port.protocol && other.address == port.address;
    if running.any(|status| status.ports.iter().any(is_same)) { Err(taken()) } else { Ok(port) }
}

pub(crate) fn stop(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let wrong = |text: &str| Trouble::Usage(format!("invalid argument \"{text}\" for \"-t, --time\" flag"));
    let seconds = arguments.value("time").map(|text| text.parse().map_err(|_| wrong(text))).transpose()?;
    super::each(engine, Verb::Stop, arguments, |engine, typed| {
        let state = engine.state.clone();
        let place = Place::find(&state, typed)?;
        if !engine.faults.has(Fault::Ignore) {
            stop_one(engine, &place, seconds)?;
        }
        engine.console.say(typed);
        Ok(())
    })
}

fn stop_one(engine: &mut Engine, place: &Place<'_>, seconds: Option<u64>) -> Result<(), Trouble> {
    let container = place.container()?;
    let grace = seconds.unwrap_or(container.spec.grace());
    let term = signal::parse(&container.spec.stop_signal).unwrap_or(Signal::TERM);
    if !send(place, term, true)? {
        return Ok(());
    }
    if ended_within(place, Duration::from_secs(grace)) {
        return Ok(place.note(&Event::of(&container, What::Stop))?);
    }
    if engine.dialect == Dialect::Podman {
        let what = format!(
            "StopSignal {} failed to stop container {} in {grace} seconds, resorting to SIGKILL",
            signal::name(term),
            container.name
        );
        let warning = engine.dialect.warning(&what);
        engine.console.warn(&warning);
    }
    end(place)?;
    Ok(place.note(&Event::of(&container, What::Stop))?)
}

/// Kills it, and waits until that is recorded.
fn end(place: &Place<'_>) -> Result<(), Trouble> {
    if send(place, Signal::KILL, true)? && !ended_within(place, END_OF_PATIENCE) {
        return Err(Trouble::Io(std::io::ErrorKind::TimedOut.into()));
    }
    Ok(())
}

/// Sends a signal, if it runs. Under the guard the process's number is still its own.
fn send(place: &Place<'_>, signal: Signal, stopping: bool) -> Result<bool, Trouble> {
    let Some(_guard) = image::optional(place.guard())? else { return Ok(false) };
    let status = place.status()?;
    if stopping && !status.stopping {
        place.set_status(&Status { stopping: true, ..status.clone() })?;
    }
    if status.phase != Phase::Running {
        return Ok(false);
    }
    let ignored = signal == Signal::TERM && place.ignores_term().exists();
    if let (Some(pid), false) = (Pid::from_raw(status.pid), ignored) {
        // It may have ended by itself; the supervisor is about to record it.
        let _ = rustix::process::kill_process(pid, signal);
    }
    Ok(true)
}

fn ended_within(place: &Place<'_>, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    let mut patience = Patience::up_to(Duration::from_millis(20));
    while !place.has_ended() {
        if Instant::now() >= deadline {
            return false;
        }
        patience.pause();
    }
    true
}

pub(crate) fn kill(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let text = arguments.value("signal").unwrap_or("KILL");
    let signal = signal::parse(text).ok_or_else(|| Trouble::Invalid(format!("invalid signal: {text}")))?;
    super::each(engine, Verb::Kill, arguments, |engine, typed| {
        let place = Place::find(&engine.state, typed)?;
        if !engine.faults.has(Fault::Ignore) && !send(&place, signal, false)? {
            let phase = place.status()?.phase.word();
            return Err(Trouble::NotRunning { typed: typed.to_owned(), phase });
        }
        engine.console.say(typed);
        Ok(())
    })
}

pub(crate) fn remove(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let force = arguments.is_set("force");
    super::each(engine, Verb::Rm, arguments, |engine, typed| {
        let state = engine.state.clone();
        match Place::find(&state, typed) {
            Err(Trouble::NoSuchContainer(_)) if force => missing(engine, typed),
            Ok(_) if engine.faults.has(Fault::Ignore) => engine.console.say(typed),
            found => {
                remove_one(&found?, force)?;
                engine.console.say(typed);
            }
        }
        Ok(())
    })
}

/// What is not there is removed by force already; Docker says so.
fn missing(engine: &mut Engine, typed: &str) {
    if engine.dialect == Dialect::Docker {
        engine.console.warn(&format!("Error: No such container: {typed}"));
    }
}

pub(super) fn remove_one(place: &Place<'_>, force: bool) -> Result<(), Trouble> {
    if place.status()?.phase == Phase::Running {
        if !force {
            return Err(Trouble::Running { id: place.id.clone() });
        }
        end(place)?;
    }
    // Its own `--rm`, or another `rm`, may be quicker.
    image::optional(place.remove())?;
    Ok(())
}

pub(crate) fn wait(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    super::each(engine, Verb::Wait, arguments, |engine, typed| {
        let place = Place::find(&engine.state, typed)?;
        while !ended_within(&place, Duration::from_secs(3600)) {}
        let code = place.exit_code()?;
        engine.console.say(&code.to_string());
        Ok(())
    })
}
