//! The one program of the built-in image: see `deckhand.rs` for what it does.
//!
//! Compiled by `host/build.rs` with the standard library alone, linked statically: it has a container's whole
//! file system to itself and needs nothing from it.

#[path = "deckhand.rs"]
mod deckhand;
mod resolver;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::FromRawFd;
use std::path::PathBuf;
use std::time::Duration;

fn main() {
    signals::end_on_request();
    let status = deckhand::run(std::env::args_os().skip(1), &mut Process::new());
    std::process::exit(status);
}

/// The process itself, on unbuffered streams: what was said is out before a signal can end it.
struct Process {
    stdout: ManuallyDrop<File>,
    stderr: ManuallyDrop<File>,
}

impl Process {
    fn new() -> Self {
        // SAFETY: 1 and 2 are open for the whole life of the process, and are never closed by these files.
        unsafe {
            Self { stdout: ManuallyDrop::new(File::from_raw_fd(1)), stderr: ManuallyDrop::new(File::from_raw_fd(2)) }
        }
    }
}

impl deckhand::World for Process {
    fn variables(&self) -> Vec<(OsString, OsString)> {
        std::env::vars_os().collect()
    }

    fn stdout(&mut self) -> &mut dyn Write {
        &mut *self.stdout
    }

    fn stderr(&mut self) -> &mut dyn Write {
        &mut *self.stderr
    }

    fn path(&self, inside: &OsStr) -> PathBuf {
        PathBuf::from(inside)
    }

    fn directory(&self) -> io::Result<PathBuf> {
        std::env::current_dir()
    }

    fn identity(&self) -> io::Result<String> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let numbers = |key| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("").split_whitespace();
        let first = |key| numbers(key).next().unwrap_or("?");
        let groups: Vec<_> = numbers("Groups:").collect();
        Ok(format!("uid={} gid={} groups={}", first("Uid:"), first("Gid:"), groups.join(",")))
    }

    fn sleep(&mut self, time: Duration) -> Option<i32> {
        std::thread::sleep(time);
        None
    }

    fn listen(&mut self, port: u16) -> io::Result<TcpListener> {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
    }

    fn lookup(&self, name: &str) -> io::Result<Option<IpAddr>> {
        resolver::address(name)
    }

    fn reach(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let address = host.parse().ok().map_or_else(|| resolver::address(host), |address| Ok(Some(address)));
        let address = address?.ok_or_else(|| io::Error::other(format!("{host} is not known")))?;
        TcpStream::connect_timeout(&(address, port).into(), Duration::from_secs(5))
    }

    fn ignore_term(&mut self) -> io::Result<()> {
        signals::ignore_term()
    }

    fn crash(&mut self) -> i32 {
        std::process::abort()
    }
}

/// The first process of a container gets only the signals that it handles: the kernel gives it no defaults.
mod signals {
    use std::ffi::c_int;
    use std::io;

    const HANGUP: c_int = 1;
    const INTERRUPT: c_int = 2;
    const QUIT: c_int = 3;
    const TERMINATE: c_int = 15;
    const IGNORE: usize = 1;
    const FAILED: usize = usize::MAX;

    unsafe extern "C" {
        fn signal(number: c_int, handler: usize) -> usize;
        fn _exit(status: c_int) -> !;
    }

    extern "C" fn end(number: c_int) {
        // SAFETY: `_exit` is async-signal-safe; nothing is buffered, so nothing is lost.
        unsafe { _exit(128 + number) }
    }

    pub(super) fn end_on_request() {
        let handler: extern "C" fn(c_int) = end;
        for number in [HANGUP, INTERRUPT, QUIT, TERMINATE] {
            // SAFETY: `end` is a handler of the signature that signal(2) asks for, and lives for ever.
            unsafe { signal(number, handler as usize) };
        }
    }

    pub(super) fn ignore_term() -> io::Result<()> {
        // SAFETY: `IGNORE` is SIG_IGN, which signal(2) takes in place of a handler.
        let before = unsafe { signal(TERMINATE, IGNORE) };
        if before == FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
