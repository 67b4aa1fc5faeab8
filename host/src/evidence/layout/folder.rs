//! A layout's files in a directory. No link is followed, within it or out of it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::{Files, Stream};

pub(super) struct Folder {
    dir: Dir,
}

impl Folder {
    pub(super) const fn new(dir: Dir) -> Self {
        Self { dir }
    }
}

impl Files for Folder {
    fn open(&self, path: &[&str]) -> io::Result<Option<Stream<'_>>> {
        let Some(file) = open_below(&self.dir, path)? else { return Ok(None) };
        let len = file.metadata()?.len();
        Ok(Some(Stream { reader: Box::new(file), len }))
    }
}

/// Opens a regular file below a directory; none where there is none.
pub(in crate::evidence) fn open_below(dir: &Dir, path: &[&str]) -> io::Result<Option<File>> {
    let file = match descend(dir, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    if file.metadata()?.is_file() { Ok(Some(file)) } else { Err(io::Error::other("not a regular file")) }
}

/// Opens part by part, so that no part can be a link.
fn descend(dir: &Dir, path: &[&str]) -> io::Result<File> {
    let mut at: Option<OwnedFd> = None;
    let (last, folders) = path.split_last().ok_or(io::ErrorKind::InvalidInput)?;
    for name in folders {
        let next = open(at.as_ref().map_or(dir.as_fd(), AsFd::as_fd), name, OFlags::DIRECTORY)?;
        at = Some(next);
    }
    // a pipe must not make us wait for a writer
    open(at.as_ref().map_or(dir.as_fd(), AsFd::as_fd), last, OFlags::NONBLOCK).map(File::from)
}

fn open(at: impl AsFd, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(at, name, flags, Mode::empty()) {
        Err(Errno::LOOP | Errno::NOTDIR) => Err(io::Error::other("a link, or no directory: links are not followed")),
        opened => Ok(opened?),
    }
}
