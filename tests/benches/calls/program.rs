//! The program from its start to its end, and the memory that it takes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portreeve_tests::berth::Berth;
use portreeve_tests::voyage;

use crate::table::{alone, beside, in_turns, timed};

pub(crate) fn measure(runtime: &tokio::runtime::Runtime) {
    let Some(program) = built() else {
        alone("the program", "can't be built");
        return;
    };
    let harbour = crate::harbour(runtime, None);
    let folder = harbour.berth().folder().to_owned();
    let list = || {
        let mut command = Command::new(&program);
        command.args(["backend", "list", "--state"]).arg(folder.join("state"));
        command
    };
    // The first one makes the state directory and fills the cache.
    silent(&mut list());
    let once = |command: &mut Command| timed(|| silent(command)).0;
    let (listing, nothing) = in_turns(100, || once(&mut list()), || once(&mut Command::new("/bin/true")));
    beside("`backend list`, start to end", listing, "a program that does nothing", nothing);
    memory(&program, harbour.berth());
}

/// `portreeve ps` as a user would have it: on the engines that are there.
fn memory(program: &Path, berth: &Berth) {
    let mut command = Command::new(program);
    command.arg("ps").arg("--state").arg(berth.state());
    silent(&mut command);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        // Only grows, but is gone with the process: the last look counts.
        peak = peak.max(voyage::peak_of(&status).unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    alone("`ps`, most memory resident (VmHWM)", &format!("{:.1} MiB", peak as f64 / 1024.0));
}

/// Runs a command to its end, whatever that is.
pub(crate) fn silent(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.expect("it can be started");
}

/// The program as the first command of the README builds it.
pub(crate) fn built() -> Option<PathBuf> {
    portreeve_tests::program::built("--package=portreeve").ok()
}
