//! A child process in a group of its own, ended with everything in it when it is dropped.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::oneshot;

use super::environment;
use super::output::Exit;
use super::reaper::{Reaper, has_exited};
use super::terminal::Terminal;
use super::{ExecError, Failure};
use crate::decision::{Input, Permit};

/// Between two looks, where the kernel has no pidfd_open(2) or a filter forbids it.
const LOOK: Duration = Duration::from_millis(10);

/// The host's ends of what a child reads and writes.
pub(super) struct Ends {
    /// Standard output and standard error; of a terminal, what it shows alone.
    pub(super) output: [Option<Receiver>; 2],
    /// Where the caller writes.
    pub(super) input: Option<Sender>,
    /// The terminal, to be resized.
    pub(super) terminal: Option<OwnedFd>,
}

/// The command line of a permit, everything checked that execve(2) would garble or that changed since the decision.
fn prepare(permit: &Permit, terminal: Option<&Terminal>) -> Result<Command, Failure> {
    let program = permit.program();
    program.recheck()?;
    environment::check(permit.environment())?;
    let words = permit.argv().get(1..).unwrap_or_default();
    if let Some(index) = words.iter().position(|word| word.contains('\0')) {
        return Err(Failure::Argument { index: index + 1 });
    }
    let mut command = Command::new(program.exec_path());
    command.arg0(program.path()).args(words);
    command.env_clear().envs(permit.environment().iter().map(|(name, value)| (name, value.expose())));
    connect(&mut command, permit.input(), terminal).map_err(Failure::Io)?;
    // Not the caller's folder: nothing of it may matter, and no mount is kept busy.
    command.current_dir("/").process_group(0);
    Ok(command)
}

fn connect(command: &mut Command, input: Input, terminal: Option<&Terminal>) -> io::Result<()> {
    if let Some(terminal) = terminal {
        command.stdin(terminal.child()?).stdout(terminal.child()?).stderr(terminal.child()?);
        return Ok(());
    }
    let stdin = if input == Input::Pipe { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(())
}

/// A started child. Dropped before its end was collected, its whole group gets TERM, then KILL.
pub(super) struct Running {
    child: Option<Child>,
    watch: Watch,
    reaper: Arc<Reaper>,
}

impl Running {
    /// Starts what the permit says; returns when the program was executed, with the host's ends.
    pub(super) fn spawn(permit: &Permit, reaper: &Arc<Reaper>) -> Result<(Self, Ends), Failure> {
        let is_terminal = matches!(permit.input(), Input::Terminal { .. });
        let terminal = is_terminal.then(Terminal::open).transpose().map_err(Failure::Io)?;
        // The command holds ends of the child's, which are closed on this side with it.
        let child = prepare(permit, terminal.as_ref())?
            .spawn()
            .map_err(|source| Failure::Spawn { program: permit.program().path().to_owned(), source })?;
        let watch = Watch::Look(Pid::from_child(&child));
        // From here on every way out ends the child.
        let mut running = Self { child: Some(child), watch, reaper: Arc::clone(reaper) };
        running.watch().map_err(Failure::Io)?;
        let ends = match terminal {
            Some(terminal) => of_terminal(terminal, permit.input()),
            None => running.pipes(),
        };
        Ok((running, ends.map_err(Failure::Io)?))
    }

    fn watch(&mut self) -> io::Result<()> {
        if let Watch::Look(pid) = self.watch {
            self.watch = Watch::new(pid)?;
        }
        Ok(())
    }

    fn pipes(&mut self) -> io::Result<Ends> {
        let child = self.child.as_mut().ok_or(Errno::CHILD)?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Errno::BADF.into());
        };
        let input = child.stdin.take().map(|stdin| Sender::from_owned_fd(stdin.into())).transpose()?;
        let output = [Receiver::from_owned_fd(stdout.into())?, Receiver::from_owned_fd(stderr.into())?].map(Some);
        Ok(Ends { output, input, terminal: None })
    }

    /// Tells the group that the size of its terminal changed. Not reaped yet, its number is still its own.
    pub(super) fn resized(&self) {
        if let Some(child) = &self.child {
            // One that has ended looks at nothing any more.
            let _gone = kill_process_group(Pid::from_child(child), Signal::WINCH);
        }
    }

    /// Returns when the child has ended; it is not reaped by this. Can be cancelled.
    pub(super) async fn ended(&self) {
        match &self.child {
            Some(_) => self.watch.ended().await,
            None => std::future::ready(()).await,
        }
    }

    /// Reaps a child that has ended. Never blocks.
    pub(super) fn collect(&mut self) -> io::Result<Exit> {
        let Some(child) = self.child.as_mut() else {
            return Err(Errno::CHILD.into());
        };
        let status = child.try_wait()?.ok_or(Errno::AGAIN)?;
        self.child = None;
        Ok(exit_of(status))
    }

    /// Gives the group to the reaper. What comes back is told when it is gone.
    pub(super) fn end(&mut self, pipes: Vec<OwnedFd>) -> Option<oneshot::Receiver<()>> {
        self.child.take().map(|child| self.reaper.end(child, pipes))
    }

    /// How long the reaper may take, with some time for the kernel.
    pub(super) fn patience(&self) -> Duration {
        self.reaper.grace() + Duration::from_secs(1)
    }
}

/// Tokio's pipes do for any descriptor that can be polled.
fn of_terminal(terminal: Terminal, input: Input) -> io::Result<Ends> {
    let host = terminal.into_host();
    let output = Receiver::from_owned_fd_unchecked(host.try_clone()?)?;
    let fed = input == Input::Terminal { fed: true };
    let input = fed.then(|| host.try_clone().and_then(Sender::from_owned_fd_unchecked)).transpose()?;
    Ok(Ends { output: [Some(output), None], input, terminal: Some(host) })
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Vec::new());
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// Tells of a child's end without reaping it.
enum Watch {
    Pidfd(AsyncFd<OwnedFd>),
    Look(Pid),
}

impl Watch {
    fn new(pid: Pid) -> io::Result<Self> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => register(fd).map(Self::Pidfd),
            Err(Errno::NOSYS | Errno::PERM) => Ok(Self::Look(pid)),
            Err(error) => Err(error.into()),
        }
    }

    async fn ended(&self) {
        match self {
            Self::Pidfd(fd) if fd.readable().await.is_ok() => {}
            Self::Pidfd(_) => {}
            Self::Look(pid) => look(*pid).await,
        }
    }
}

/// Tokio deprecates the safe call for types that lie about their descriptor, which an `OwnedFd` can't; its successor
/// is `unsafe`, and there is nothing here that asks for that.
#[allow(deprecated, reason = "sound for an OwnedFd; the successor is unsafe")]
fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

async fn look(pid: Pid) {
    while !has_exited(pid) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Refuses, before anything is started, a caller that has no runtime to read the pipes with.
pub(super) fn require_runtime() -> Result<(), ExecError> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => Ok(()),
        Err(_) => Err(ExecError::NoRuntime),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_pidfd_the_end_is_seen_by_looking() {
        let mut child = Command::new("/bin/sh").args(["-c", "sleep 0.1; exit 5"]).spawn().unwrap();
        Watch::Look(Pid::from_child(&child)).ended().await;
        assert_eq!(exit_of(child.try_wait().unwrap().unwrap()), Exit::Code(5));
    }
}
