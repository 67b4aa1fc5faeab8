//! Processes inside a container that an engine's client left behind when it was ended.
//!
//! No engine ends the command of an `exec` when its client goes away. The host knows the command's processes by a random
//! word in their environment, which the template puts there: each process that bears it, in the PID namespace of the
//! container's first process, is ended. A process that clears its environment is not found.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::reaper::{Active, Reaper};

/// The most that is read of a process's environment.
const ENVIRONMENT: u64 = 4 << 20;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long an engine may take to start what its client had asked for before it was ended.
const LATE: Duration = Duration::from_millis(300);

/// The processes of one exec.
#[derive(Debug)]
pub(crate) struct Inside {
    reaper: Arc<Reaper>,
    /// `NAME=word`.
    mark: Vec<u8>,
    /// The PID namespace of the container, by device and inode.
    namespace: Option<(u64, u64)>,
}

impl Inside {
    /// Those that bear the mark, in the namespace of this process.
    pub(super) fn new(reaper: &Arc<Reaper>, name: &str, word: &str, first: Option<u32>) -> Self {
        let namespace = first.and_then(|first| namespace(&first.to_string()));
        Self { reaper: Arc::clone(reaper), mark: format!("{name}={word}").into_bytes(), namespace }
    }

    /// Asks them to end, and ends those that do not within the grace. Returns at once; `settle` waits for it.
    pub(crate) fn end(self) {
        let active = Active::begin(&self.reaper);
        self.signal(Signal::TERM);
        // Without a thread there is no grace, and what is started late is missed.
        let spawned = thread::Builder::new().name("inside".to_owned()).spawn(move || {
            self.finish();
            drop(active);
        });
        drop(spawned);
    }

    fn finish(&self) {
        let begun = Instant::now();
        let mut lived = true;
        while (lived && begun.elapsed() < self.reaper.grace()) || begun.elapsed() < LATE {
            thread::sleep(LOOK);
            lived = self.signal(Signal::TERM);
        }
        self.signal(Signal::KILL);
    }

    /// Sends it to each of them; whether there was one.
    fn signal(&self, signal: Signal) -> bool {
        let found = self.find();
        for process in &found {
            // One that ended meanwhile is what was wanted.
            let _ended = pidfd_send_signal(process, signal);
        }
        !found.is_empty()
    }

    fn find(&self) -> Vec<OwnedFd> {
        let Some(wanted) = self.namespace else { return Vec::new() };
        let names = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = names.filter_map(|entry| entry.file_name().into_string().ok());
        numbers.filter(|number| namespace(number) == Some(wanted)).filter_map(|number| self.marked(&number)).collect()
    }

    /// Held by descriptor before its environment is read: a number that goes to another process is found out by that.
    fn marked(&self, number: &str) -> Option<OwnedFd> {
        let process = pidfd_open(Pid::from_raw(number.parse().ok()?)?, PidfdFlags::empty()).ok()?;
        let mut environment = Vec::new();
        let file = fs::File::open(format!("/proc/{number}/environ")).ok()?;
        file.take(ENVIRONMENT).read_to_end(&mut environment).ok()?;
        environment.split(|byte| *byte == 0).any(|variable| variable == self.mark).then_some(process)
    }
}

fn namespace(number: &str) -> Option<(u64, u64)> {
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let link = fs::metadata(format!("/proc/{number}/ns/pid")).ok()?;
    Some((link.dev(), link.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sleeper(mark: &str, script: &str) -> Child {
        Command::new("/bin/sh").args(["-c", script]).env("PORTREEVE_EXEC", mark).spawn().unwrap()
    }

    fn inside(word: &str) -> (Arc<Reaper>, Inside) {
        let reaper = Reaper::new(Duration::from_millis(200));
        let inside = Inside::new(&reaper, "PORTREEVE_EXEC", word, Some(std::process::id()));
        (reaper, inside)
    }

    #[test]
    fn those_that_bear_the_mark_are_ended_and_no_others() {
        let word = format!("unit-{}", std::process::id());
        let mut ours = [sleeper(&word, "sleep 60"), sleeper(&word, "trap '' TERM; while :; do sleep 1; done")];
        let mut other = sleeper(&format!("{word}0"), "sleep 60");
        thread::sleep(Duration::from_millis(100));
        let (reaper, inside) = inside(&word);
        inside.end();
        assert!(reaper.settle(Duration::from_secs(5)));
        for child in &mut ours {
            assert!(!child.wait().unwrap().success());
        }
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn without_a_first_process_nothing_is_looked_for() {
        let reaper = Reaper::new(Duration::ZERO);
        assert!(Inside::new(&reaper, "A", "b", None).find().is_empty());
    }
}
