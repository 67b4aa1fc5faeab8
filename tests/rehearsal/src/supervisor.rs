//! The process behind a running container: starts the worker, writes the log, records the end, restarts, removes.
//!
//! It is its own session, so it outlives the command that started it, and it holds `alive` locked while it lives.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::clock::Moment;
use crate::container::{Container, Phase, Place, Status};
use crate::dialect::Dialect;
use crate::events::{Event, What};
use crate::health;
use crate::logs::{Stream, Writer};
use crate::state::{self, Guard, State};

/// The word that makes this program a supervisor.
pub(crate) const SUPERVISOR: &str = "rehearsal-supervisor";

/// The word that makes this program a container's process.
pub(crate) const WORKER: &str = "rehearsal-worker";

/// The word that makes this program a command in a container.
pub(crate) const EXEC: &str = "rehearsal-exec";

/// What a supervisor says when the container runs.
const READY: &str = "ready";

/// How often it looks whether the container was taken away under it.
const WATCH: Duration = Duration::from_secs(1);

/// The pause before the first restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Starts a supervisor for a container whose guard the caller holds, and waits until the container runs.
pub(crate) fn launch(root: &Path, dialect: Dialect, place: &Place<'_>) -> io::Result<()> {
    let mut child = this_program(root, &[SUPERVISOR, &place.id, dialect.word()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .current_dir("/")
        .spawn()?;
    let mut said = [0; READY.len()];
    let mut stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    stdout.read_exact(&mut said)
}

pub(crate) fn this_program(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(words).env_clear().env(crate::VARIABLE, root);
    command
}

/// The supervisor's whole life.
pub(crate) fn run(root: &Path, id: &str, dialect: Dialect) -> io::Result<()> {
    rustix::process::setsid()?;
    let state = State::open(root, dialect.word())?;
    let place = Place::of(&state, id);
    let _alive = state::lock(&place.alive())?;
    let container = place.container()?;
    let (mut restarts, mut pause) = (0, FIRST_PAUSE);
    supervise(root, dialect, &place, restarts, None)?;
    while may_restart(&container, &place, restarts)? {
        thread::sleep(pause);
        pause = LONGEST_PAUSE.min(pause * 2);
        restarts += 1;
        let guard = place.guard()?;
        if place.status()?.stopping {
            break;
        }
        supervise(root, dialect, &place, restarts, Some(guard))?;
    }
    if container.spec.remove { place.remove() } else { Ok(()) }
}

/// One run from start to end. The guard is the launching command's at the first run, ours at others.
fn supervise(root: &Path, dialect: Dialect, place: &Place<'_>, restarts: u32, guard: Option<Guard>) -> io::Result<()> {
    let mut worker = this_program(root, &[WORKER, &place.id, dialect.word()])
        .stdin(input(place))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if place.container()?.spec.health.is_some() {
        health::Outcome::begin(place)?;
    }
    begin(place, &worker, restarts)?;
    drop(guard);
    if dialect == Dialect::Docker {
        have_asked(root, dialect, place, Pid::from_child(&worker));
    }
    watch(place.directory.join("container"), Pid::from_child(&worker));
    pump(&mut worker, place, dialect)?;
    rustix::process::waitid(WaitId::Pid(Pid::from_child(&worker)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    end(place, worker)
}

/// What a client feeds it, where there is one that holds the other end; nothing otherwise.
fn input(place: &Place<'_>) -> Stdio {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(place.input(), flags, Mode::empty());
    let blocking = opened.and_then(|pipe| rustix::io::ioctl_fionbio(&pipe, false).map(|()| pipe));
    blocking.map_or_else(|_| Stdio::null(), Stdio::from)
}

fn begin(place: &Place<'_>, worker: &Child, restarts: u32) -> io::Result<()> {
    let number = |pid: u32| i32::try_from(pid).unwrap_or_default();
    let before = place.status()?;
    place.set_status(&Status {
        phase: Phase::Running,
        pid: number(worker.id()),
        supervisor: number(std::process::id()),
        exit_code: 0,
        error: String::new(),
        started: Moment::now(),
        finished: Moment::default(),
        restarts,
        paused: false,
        ..before
    })?;
    place.note(&Event::of(&place.container()?, What::Start))?;
    if restarts == 0 {
        io::stdout().write_all(READY.as_bytes())?;
        io::stdout().flush()?;
    }
    Ok(())
}

/// Ends the worker when the container's directory goes away: a test's folder, usually.
fn watch(record: std::path::PathBuf, worker: Pid) {
    thread::spawn(move || {
        while record.exists() {
            thread::sleep(WATCH);
        }
        // It may have ended by itself.
        let _ = rustix::process::kill_process(worker, Signal::KILL);
    });
}

/// Docker's daemon asks its containers by itself; Podman leaves that to timers of systemd's, of which there are none here.
fn have_asked(root: &Path, dialect: Dialect, place: &Place<'_>, worker: Pid) {
    let Ok(Some(check)) = place.container().map(|container| container.spec.health) else { return };
    let (root, id) = (root.to_owned(), place.id.clone());
    thread::spawn(move || {
        let Ok(state) = State::open(&root, dialect.word()) else { return };
        let place = Place::of(&state, &id);
        loop {
            thread::sleep(Duration::from_nanos(check.interval));
            let Ok(status) = place.status() else { return };
            if status.pid != worker.as_raw_nonzero().get() {
                return;
            }
            // A container that is being removed can't be asked.
            let _ = (!status.paused).then(|| health::run(&state, &place, dialect));
        }
    });
}

/// Brings both streams into the log until both are closed.
fn pump(worker: &mut Child, place: &Place<'_>, dialect: Dialect) -> io::Result<()> {
    let (stdout, stderr) = (worker.stdout.take(), worker.stderr.take());
    let log = place.log();
    thread::scope(|scope| {
        let errors = scope.spawn(|| stderr.map_or(Ok(()), |from| copy(from, &log, dialect, Stream::Stderr)));
        let result = stdout.map_or(Ok(()), |from| copy(from, &log, dialect, Stream::Stdout));
        result.and(errors.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    })
}

fn copy(mut from: impl Read, log: &Path, dialect: Dialect, stream: Stream) -> io::Result<()> {
    let mut writer = Writer::open(log, dialect, stream)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return writer.end(),
            count => writer.write(buffer.get(..count).unwrap_or_default())?,
        }
    }
}

/// Records the end. The worker's number is given back only after that: a signal never reaches a stranger.
fn end(place: &Place<'_>, mut worker: Child) -> io::Result<()> {
    let guard = place.guard()?;
    let exit_code = exit_code(&worker)?;
    let before = place.status()?;
    place.set_status(&Status {
        phase: Phase::Exited,
        pid: 0,
        supervisor: 0,
        exit_code,
        finished: Moment::now(),
        paused: false,
        ..before
    })?;
    // Whoever waits for the end finds it told.
    place.note(&Event::of(&place.container()?, What::Die).with_code(exit_code))?;
    drop(guard);
    worker.wait().map(drop)
}

fn exit_code(worker: &Child) -> io::Result<i32> {
    let pid = WaitId::Pid(Pid::from_child(worker));
    let status = rustix::process::waitid(pid, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let exited = status.as_ref().and_then(rustix::process::WaitIdStatus::exit_status);
    let signal = status.as_ref().and_then(rustix::process::WaitIdStatus::terminating_signal);
    Ok(exited.or(signal.map(|signal| 128 + signal)).unwrap_or(-1))
}

fn may_restart(container: &Container, place: &Place<'_>, restarts: u32) -> io::Result<bool> {
    let status = place.status()?;
    let spec = &container.spec;
    Ok(!status.stopping
        && match spec.restart.as_str() {
            "always" | "unless-stopped" => true,
            "on-failure" => status.exit_code != 0 && (spec.retries == 0 || restarts < spec.retries),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_statuses_are_codes() {
        let code = |words: &[&str]| {
            let mut child = Command::new("/bin/sh").arg("-c").args(words).spawn().unwrap();
            let pid = Pid::from_child(&child);
            rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
            let code = exit_code(&child).unwrap();
            child.wait().unwrap();
            code
        };
        assert_eq!(code(&["exit 7"]), 7);
        assert_eq!(code(&["kill -TERM $$"]), 143);
        assert_eq!(code(&["kill -KILL $$"]), 137);
    }
}
