//! A file that is there whole, or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::ambient;
use crate::state::{random, sync_dir, to_hex};

/// Why a file can't be put in its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// Something else stands there.
    #[error("{path} is {what}, and only a regular file is written over: choose another name or move it away")]
    Kind {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The path has no name at its end.
    #[error("{path} names no file: give a file's name such as audit.html")]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("can't {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes a file (0600) beside its place, makes it last, and renames it; a regular file that stands there gives way.
///
/// # Errors
/// [`SaveError`]: when a link, a folder or a device stands in its place, or the system refuses. What stood there stands
/// there still, and nothing is left beside it.
pub fn save(path: &Path, text: &[u8]) -> Result<(), SaveError> {
    let name = path.file_name().ok_or_else(|| SaveError::NoName { path: path.to_path_buf() })?;
    let failed = |doing| move |source: io::Error| SaveError::Io { doing, path: path.to_path_buf(), source };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = ambient::open_dir(parent).map_err(failed("open the folder of"))?;
    let place = Place { folder: &folder, name: Path::new(name), path };
    place.check()?;
    let nonce = random::<8>().map_err(failed("name a temporary file for"))?;
    let draft = PathBuf::from(format!(".portreeve-{}.tmp", to_hex(&nonce)));
    let written = place.write(&draft, text).map_err(failed("write")).and_then(|()| place.check());
    let moved = written.and_then(|()| place.take(&draft).map_err(failed("put in its place")));
    if moved.is_err() {
        // The error that is told of is the first.
        let _gone = rustix::fs::unlinkat(&folder, &draft, AtFlags::empty());
    }
    moved
}

struct Place<'a> {
    folder: &'a Dir,
    name: &'a Path,
    path: &'a Path,
}

impl Place<'_> {
    /// Nothing stands there, or a regular file.
    fn check(&self) -> Result<(), SaveError> {
        let stat = match rustix::fs::statat(self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => {
                return Err(SaveError::Io { doing: "look at", path: self.path.to_path_buf(), source: error.into() });
            }
        };
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return Ok(()),
            FileType::Symlink => "a symbolic link",
            FileType::Directory => "a folder",
            FileType::Fifo => "a pipe",
            FileType::Socket => "a socket",
            _ => "a device",
        };
        Err(SaveError::Kind { path: self.path.to_path_buf(), what })
    }

    fn write(&self, draft: &Path, text: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(self.folder, draft, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(text)?;
        file.sync_all()
    }

    /// A rename replaces a name and follows no link.
    fn take(&self, draft: &Path) -> io::Result<()> {
        rustix::fs::renameat(self.folder, draft, self.folder, self.name)?;
        sync_dir(self.folder)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.html");
        std::fs::write(&path, "old").unwrap();
        let open = File::open(&path).unwrap();
        save(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(io::read_to_string(open).unwrap(), "old", "the old file was not written to");
        assert_eq!(names(folder.path()), ["audit.html"]);
    }

    #[test]
    fn a_link_a_folder_and_a_socket_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("target"), "kept").unwrap();
        symlink("target", at("link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let before = names(folder.path());
        for name in ["link", "dangling", "folder", "socket"] {
            let error = save(&at(name), b"new").unwrap_err();
            assert!(matches!(error, SaveError::Kind { .. }), "{name}: {error}");
        }
        assert_eq!(names(folder.path()), before);
        assert_eq!(std::fs::read(at("target")).unwrap(), b"kept");
        assert!(!at("nowhere").exists());
        assert!(matches!(save(Path::new("/dev/null"), b"x").unwrap_err(), SaveError::Kind { what: "a device", .. }));
        assert!(matches!(save(Path::new("/"), b"x").unwrap_err(), SaveError::NoName { .. }));
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(300));
        assert!(matches!(save(&path, b"new").unwrap_err(), SaveError::Io { .. }));
        assert!(names(folder.path()).is_empty());
        assert!(matches!(save(&folder.path().join("none/a"), b"x").unwrap_err(), SaveError::Io { .. }));
    }
}
