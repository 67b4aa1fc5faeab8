//! Ending a process group: TERM, a grace, KILL, reaped; never on the thread of who asked.
//!
//! The leader is not reaped before the last signal was sent: until then the kernel keeps its number, and with it the
//! number of the group, from being given to anybody else (waitid(2), `WNOWAIT`).

use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Dir, Mode, OFlags, open, openat};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use tokio::sync::oneshot;

/// How long a group may take to end after TERM, unless told otherwise.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(50);
/// KILL is sent, not done, when kill(2) returns; one that the kernel holds on to is not waited for longer than this.
const DYING: Duration = Duration::from_millis(500);
const STACK: usize = 256 * 1024;
/// Read and dropped at each look, so that a child that is ending never waits for its pipe.
const DRAIN: usize = 64 * 1024;

/// Ends groups in the background, and knows how many are still ending.
#[derive(Debug)]
pub(super) struct Reaper {
    grace: Duration,
    active: Mutex<usize>,
    changed: Condvar,
}

impl Reaper {
    pub(super) fn new(grace: Duration) -> Arc<Self> {
        Arc::new(Self { grace, active: Mutex::new(0), changed: Condvar::new() })
    }

    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    /// Sends TERM at once and sees to the rest in a thread. What comes back is told when the group is gone.
    ///
    /// `pipes` are kept open, and emptied, until then: a child that is told to end may still have words to say, and
    /// would die of SIGPIPE half-way through its cleaning up.
    pub(super) fn end(self: &Arc<Self>, child: Child, pipes: Vec<OwnedFd>) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        let group = Pid::from_child(&child);
        signal(group, Signal::TERM);
        let ending = Ending { group, child, pipes, grace: self.grace };
        let active = Active::begin(self);
        let thread = thread::Builder::new().name("reaper".to_owned()).stack_size(STACK).spawn(move || {
            ending.finish();
            drop(active);
            // Whoever asked may have gone: nothing to tell, then.
            let _ = tell.send(());
        });
        if thread.is_err() {
            // No thread to be had, hence no grace. The leader stays unreaped, so the number is still its own.
            kill(group);
        }
        told
    }

    /// Waits until nothing is ending any more, at most `limit`; whether that came about. Blocks.
    pub(super) fn settle(&self, limit: Duration) -> bool {
        let active = self.active();
        let waited = self.changed.wait_timeout_while(active, limit, |active| *active > 0);
        let (active, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *active == 0
    }

    fn active(&self) -> MutexGuard<'_, usize> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one group that is ending, for as long as it lives.
pub(super) struct Active(Arc<Reaper>);

impl Active {
    pub(super) fn begin(reaper: &Arc<Reaper>) -> Self {
        *reaper.active() += 1;
        Self(Arc::clone(reaper))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        *self.0.active() -= 1;
        self.0.changed.notify_all();
    }
}

struct Ending {
    group: Pid,
    child: Child,
    pipes: Vec<OwnedFd>,
    grace: Duration,
}

impl Ending {
    fn finish(mut self) {
        self.await_group(self.grace);
        kill(self.group);
        self.await_group(DYING);
        self.pipes.clear();
        // An error means that somebody else reaped it: nothing is left to do.
        let _ = self.child.wait();
    }

    fn await_group(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut pause = FIRST_LOOK;
        while self.lives() && Instant::now() < deadline {
            self.drain();
            thread::sleep(pause);
            pause = (pause * 2).min(LAST_LOOK);
        }
    }

    fn lives(&self) -> bool {
        !has_exited(self.group) || group_lives(self.group)
    }

    fn drain(&mut self) {
        let mut sink = vec![0; DRAIN];
        self.pipes.retain(|pipe| !matches!(rustix::io::read(pipe, &mut sink), Ok(0)));
    }
}

fn signal(group: Pid, signal: Signal) {
    // ESRCH: the group is gone already, which is what was wanted.
    let _ = kill_process_group(group, signal);
}

/// The group, and the leader by itself: it may have moved to another group.
fn kill(group: Pid) {
    signal(group, Signal::KILL);
    let _ = kill_process(group, Signal::KILL);
}

/// Whether our child has ended, leaving it to be reaped. A child that is not ours any more has.
pub(super) fn has_exited(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

/// Whether anybody but zombies is in the group. A zombie leader keeps kill(2) with signal 0 from telling.
fn group_lives(group: Pid) -> bool {
    let Ok(processes) = open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else {
        return false;
    };
    let Ok(entries) = Dir::read_from(&processes) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_bytes();
        name.iter().all(u8::is_ascii_digit) && is_in_group(&processes, name, group).unwrap_or_default()
    })
}

/// Looks at one of some hundred processes: with one read, into a buffer on the stack.
fn is_in_group(processes: &OwnedFd, number: &[u8], group: Pid) -> io::Result<bool> {
    let path = [number, b"/stat"].concat();
    let stat = openat(processes, path.as_slice(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut line = [0; STAT];
    let length = rustix::io::read(&stat, &mut line)?;
    Ok(in_group(line.get(..length).unwrap_or_default(), group))
}

/// More than `PID (name) state parent group` can have.
const STAT: usize = 128;

/// Reads `PID (name) state parent group …` (proc_pid_stat(5)); the name may hold anything.
fn in_group(stat: &[u8], group: Pid) -> bool {
    let Some(name_end) = stat.iter().rposition(|&byte| byte == b')') else {
        return false;
    };
    let rest = stat.get(name_end + 2..).unwrap_or_default();
    let mut fields = rest.split(|&byte| byte == b' ');
    let state = fields.next();
    let found = fields.nth(1).and_then(|field| std::str::from_utf8(field).ok()?.parse().ok());
    !matches!(state, None | Some(b"Z" | b"X")) && found == Some(group.as_raw_pid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_group_whatever_the_name() {
        let group = Pid::from_raw(77).unwrap();
        assert!(in_group(b"80 (a) b) S 1 77 77 0 -1", group));
        assert!(!in_group(b"80 (x) Z 1 77 77 0 -1", group));
        assert!(!in_group(b"80 (x) S 77 78 77 0 -1", group));
        assert!(!in_group(b"nonsense", group));
    }

    #[test]
    fn settles_at_once_when_nothing_is_ending() {
        assert!(Reaper::new(GRACE).settle(Duration::ZERO));
    }
}
