//! What a command prints. It goes out when the command ends, or piece by piece where the real one does so.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// The two streams of this process, gathered until they are flushed.
#[derive(Debug, Default)]
pub(crate) struct Console {
    out: Vec<u8>,
    err: Vec<u8>,
    /// Writes half of the next piece, and dies.
    pub(crate) dies_halfway: bool,
}

impl Console {
    pub(crate) fn say(&mut self, line: &str) {
        self.out.extend(line.as_bytes());
        self.out.push(b'\n');
    }

    pub(crate) fn warn(&mut self, line: &str) {
        self.err.extend(line.as_bytes());
        self.err.push(b'\n');
    }

    pub(crate) fn out(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    pub(crate) fn err(&mut self, bytes: &[u8]) {
        self.err.extend(bytes);
    }

    /// Bytes that wait to be written.
    pub(crate) fn pending(&self) -> usize {
        self.out.len() + self.err.len()
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let (out, err) = (std::mem::take(&mut self.out), std::mem::take(&mut self.err));
        if self.dies_halfway && !(out.is_empty() && err.is_empty()) {
            let half = |bytes: &[u8]| bytes.get(..bytes.len() / 2).map(<[u8]>::to_vec).unwrap_or_default();
            write(io::stdout().as_fd(), &half(&out))?;
            write(io::stderr().as_fd(), &half(&err))?;
            die();
        }
        write(io::stdout().as_fd(), &out)?;
        write(io::stderr().as_fd(), &err)
    }
}

/// Straight to the descriptor: std's own stdout waits for the end of a line.
pub(crate) fn write(stream: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    File::from(stream.try_clone_to_owned()?).write_all(bytes)
}

/// Ends this process as `kill -9` does.
pub(crate) fn die() {
    // There is nobody left to tell when it fails.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
