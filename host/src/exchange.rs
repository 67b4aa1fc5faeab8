//! Folders by which files come into containers and out of them.
//!
//! An engine reads and writes as whoever runs it, often root, so it is only ever told of a folder that the host made for
//! this one copy, below its own state, where nobody else comes in. What the caller named is read and written by the
//! host itself.

mod tree;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, mkdirat, openat};

pub(crate) use tree::{Bounds, Odd, carry, names};

use crate::error::Error;
use crate::state::{Area, StateDir, random, to_hex};

/// What a host that was killed left behind is removed when it is this old.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// A folder for one copy; gone with everything in it when this is dropped.
pub(crate) struct Exchange {
    area: Dir,
    name: String,
    path: PathBuf,
    folder: OwnedFd,
}

impl Exchange {
    /// A new, empty one, of mode 0700.
    pub(crate) fn open(state: &StateDir) -> Result<Self, Error> {
        let area = state.area(Area::Exchange)?;
        let failed = |error: io::Error| Error::io("an exchange folder", error);
        sweep(&area);
        let name = to_hex(&random::<16>().map_err(failed)?);
        let path = state.path().join(Area::Exchange.name()).join(&name);
        mkdirat(&area, &name, Mode::RWXU).map_err(|error| failed(error.into()))?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat(&area, &name, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        Ok(Self { area, name, path, folder })
    }

    /// Where a file of this name in it lies, as the engine is told.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // What can't be removed now is stale in a day.
        let _left = self.area.remove_dir_all(&self.name);
    }
}

fn sweep(area: &Dir) {
    let is_stale = |entry: &cap_std::fs::DirEntry| {
        let changed = entry.metadata().and_then(|metadata| metadata.modified()).map(|time| time.into_std());
        changed.is_ok_and(|changed| SystemTime::now().duration_since(changed).is_ok_and(|age| age > STALE))
    };
    for entry in area.entries().into_iter().flatten().flatten().filter(is_stale) {
        let _left = area.remove_dir_all(entry.file_name());
    }
}

/// The bytes below a path, as far as they can be seen; links are not followed.
pub(crate) fn weight(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let below = || fs::read_dir(path).into_iter().flatten().flatten().map(|entry| weight(&entry.path())).sum::<u64>();
    if metadata.is_dir() { below() } else { metadata.len() }
}
