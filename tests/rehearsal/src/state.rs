//! The directory that everything lies in: paths, writes that are there wholly or not at all, locks.
//!
//! Many processes use it at once. What several of them may write is written under a [`Guard`]; what is only read is
//! read without one, since a file is replaced by a rename.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One engine's part of the state directory, and what all engines in it share.
#[derive(Debug, Clone)]
pub(crate) struct State {
    root: PathBuf,
    engine: PathBuf,
}

/// An exclusive lock; it ends with the value.
#[must_use]
pub(crate) struct Guard(#[expect(dead_code, reason = "held, never read")] File);

impl State {
    /// The part of `engine` (`podman` or `docker`) in a state directory.
    pub(crate) fn open(root: &Path, engine: &str) -> io::Result<Self> {
        let state = Self { root: root.to_owned(), engine: root.join(engine) };
        if !state.engine.join("containers").is_dir() {
            create_directory(&state.blobs())?;
            // The one that is asked for comes last: of two processes that begin, neither finds a part of it.
            for part in ["images", "exits", "containers"] {
                create_directory(&state.engine.join(part))?;
            }
        }
        Ok(state)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Content by digest, shared by the engines.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.engine.join("images")
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.engine.join("containers")
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.engine.join("volumes")
    }

    pub(crate) fn networks(&self) -> PathBuf {
        self.engine.join("networks")
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.engine.join("pods")
    }

    /// Exit statuses of containers that are gone already.
    pub(crate) fn exits(&self) -> PathBuf {
        self.engine.join("exits")
    }

    /// What is written in a file of the operator's beside the engines' parts: `mode`, `faults`.
    pub(crate) fn words(&self, file: &str) -> String {
        fs::read_to_string(self.root.join(file)).unwrap_or_default()
    }

    /// Guards names, images and ports.
    pub(crate) fn lock(&self) -> io::Result<Guard> {
        lock(&self.engine.join("lock"))
    }

    /// Keeps one line of a file that the operator made, or nothing where there is none.
    pub(crate) fn note(&self, file: &str, line: &str) -> io::Result<()> {
        match OpenOptions::new().append(true).open(self.root.join(file)) {
            Ok(mut file) => file.write_all(format!("{line}\n").as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn lock(path: &Path) -> io::Result<Guard> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.lock()?;
    Ok(Guard(file))
}

/// Whether a living process holds the lock of a file.
pub(crate) fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A new file that nobody else opens: for what is renamed into its place.
pub(crate) fn temporary(place: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    place.with_file_name(format!(".{}-{count}", std::process::id()))
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    fs::rename(&temporary, path)
}

pub(crate) fn save(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write(path, &serde_json::to_vec(value)?)
}

pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// The names in a directory, hidden ones left out, sorted.
pub(crate) fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries: Result<Vec<_>, _> = fs::read_dir(directory)?.collect();
    let names = entries?.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    Ok(names)
}

/// As many random bytes as a container's ID has, in hexadecimal digits.
pub(crate) fn random_id() -> io::Result<String> {
    let mut bytes = [0; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(hex(&bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_at_once_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::thread::scope(|scope| {
            for number in 0..8_u8 {
                let path = &path;
                scope.spawn(move || (0..50).for_each(|_| write(path, &[b'0' + number; 4096]).unwrap()));
            }
        });
        let content = fs::read(&path).unwrap();
        assert_eq!(content.len(), 4096);
        assert!(content.iter().all(|byte| Some(byte) == content.first()));
        assert_eq!(names(folder.path()).unwrap(), ["file"]);
    }

    #[test]
    fn a_lock_ends_with_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_locked(&path));
        let guard = lock(&path).unwrap();
        assert!(is_locked(&path));
        drop(guard);
        assert!(!is_locked(&path));
    }

    #[test]
    fn notes_go_only_where_there_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path(), "podman").unwrap();
        state.note("calls", "one").unwrap();
        assert_eq!(state.words("calls"), "");
        write(&folder.path().join("calls"), b"").unwrap();
        state.note("calls", "two").unwrap();
        assert_eq!(state.words("calls"), "two\n");
    }
}
