//! Walking a path from `/` by descriptor, one name at a time.
//!
//! Every part is opened with `O_PATH | O_NOFOLLOW` relative to the part before it, so that what was looked at is
//! what is held, and links are resolved here, by hand, where a visitor can judge each of them (openat(2), symlink(7)).

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;

/// Links followed in one walk, as in the kernel (path_resolution(7)).
pub(crate) const MAX_LINKS: usize = 40;

/// Folders held open at once; deeper paths are refused.
pub(crate) const MAX_DEPTH: usize = 64;

const HOLD: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why a path could not be walked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum WalkError {
    /// The path is relative, or has a `.` or `..` part.
    #[error("`{}` is not a plain absolute path: write it from `/`, without `.` or `..`", path.display())]
    NotPlain {
        /// The path as given.
        path: PathBuf,
    },
    /// Nothing is there.
    #[error("`{}` does not exist", path.display())]
    Absent {
        /// The part that is missing.
        path: PathBuf,
    },
    /// More than [`MAX_LINKS`] links, or more than [`MAX_DEPTH`] folders.
    #[error("`{}` leads through more than {MAX_LINKS} links or {MAX_DEPTH} folders", path.display())]
    TooLong {
        /// The path as given.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error("cannot look at `{}`: {source}", path.display())]
    Io {
        /// The part that could not be opened or read.
        path: PathBuf,
        /// What the kernel said.
        source: Errno,
    },
}

/// One part of the way, as the visitor sees it: a folder, a link, or the end.
pub(crate) struct Step<'a> {
    parents: &'a [Place],
    name: &'a OsStr,
    /// What fstat(2) says of the part itself; of a link, not of what it points to.
    pub(crate) stat: &'a Stat,
}

impl Step<'_> {
    /// The folder that holds this part; none for `/`.
    pub(crate) fn parent(&self) -> Option<&Stat> {
        self.parents.last().map(|place| &place.stat)
    }

    /// The part's path, without links.
    pub(crate) fn path(&self) -> PathBuf {
        join(self.parents).join(self.name)
    }

    /// Whether the part is of this type.
    pub(crate) fn is(&self, kind: FileType) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == kind
    }
}

/// What stands at the end of a walk.
#[derive(Debug)]
pub(crate) struct Found {
    /// An `O_PATH` descriptor: good for fstat and for `/proc/self/fd`, not for reading.
    pub(crate) fd: OwnedFd,
    /// The absolute path without links.
    pub(crate) path: PathBuf,
    /// The status at the time of the walk.
    pub(crate) stat: Stat,
}

struct Place {
    name: OsString,
    fd: OwnedFd,
    stat: Stat,
}

/// Walks `path` from `/`. `visit` sees `/`, every folder, every link and the end, in order, before anything is opened
/// beyond them; its error ends the walk.
///
/// # Errors
/// A [`WalkError`], or what `visit` said.
pub(crate) fn walk<E: From<WalkError>>(path: &Path, visit: impl FnMut(&Step<'_>) -> Result<(), E>) -> Result<Found, E> {
    let pending = plain_parts(path)?;
    let mut walker = Walker { whole: path, places: Vec::new(), pending, links: 0, visit };
    walker.enter(OsString::from("/"))?;
    while let Some(name) = walker.pending.pop() {
        walker.step(name)?;
    }
    Ok(walker.finish()?)
}

/// The parts of a plain absolute path, last first.
fn plain_parts(path: &Path) -> Result<Vec<OsString>, WalkError> {
    let not_plain = || WalkError::NotPlain { path: path.to_owned() };
    let dotted = path.as_os_str().as_encoded_bytes().split(|b| *b == b'/').any(|part| part == b".");
    if !path.is_absolute() || dotted {
        return Err(not_plain());
    }
    let parts = path.components().rev().filter(|part| *part != Component::RootDir);
    parts
        .map(|part| match part {
            Component::Normal(name) => Ok(name.to_owned()),
            _ => Err(not_plain()),
        })
        .collect()
}

fn join(places: &[Place]) -> PathBuf {
    places.iter().map(|place| place.name.as_os_str()).collect()
}

struct Walker<'p, V> {
    whole: &'p Path,
    places: Vec<Place>,
    pending: Vec<OsString>,
    links: usize,
    visit: V,
}

impl<V> Walker<'_, V> {
    fn step<E: From<WalkError>>(&mut self, name: OsString) -> Result<(), E>
    where
        V: FnMut(&Step<'_>) -> Result<(), E>,
    {
        if name != ".." {
            return self.enter(name);
        }
        // Only a link's target can say `..`, and the folder above was judged on the way down.
        if self.places.len() > 1 {
            self.places.pop();
        }
        Ok(())
    }

    fn enter<E: From<WalkError>>(&mut self, name: OsString) -> Result<(), E>
    where
        V: FnMut(&Step<'_>) -> Result<(), E>,
    {
        let (fd, stat) = self.open(&name)?;
        (self.visit)(&Step { parents: &self.places, name: &name, stat: &stat })?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Ok(self.follow(&fd, &name)?);
        }
        self.places.push(Place { name, fd, stat });
        Ok(())
    }

    fn open(&self, name: &OsStr) -> Result<(OwnedFd, Stat), WalkError> {
        if self.places.len() > MAX_DEPTH {
            return Err(self.too_long());
        }
        let opened = match self.places.last() {
            Some(parent) => openat(&parent.fd, name, HOLD, Mode::empty()),
            None => openat(CWD, name, HOLD, Mode::empty()),
        };
        let fd = opened.map_err(|source| self.failed(name, source))?;
        let stat = fstat(&fd).map_err(|source| self.failed(name, source))?;
        Ok((fd, stat))
    }

    fn follow(&mut self, link: &OwnedFd, name: &OsStr) -> Result<(), WalkError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(self.too_long());
        }
        let target = readlinkat(link, "", Vec::new()).map_err(|source| self.failed(name, source))?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            self.places.truncate(1);
        }
        self.pending.extend(target_parts(&target));
        Ok(())
    }

    fn failed(&self, name: &OsStr, source: Errno) -> WalkError {
        let path = join(&self.places).join(name);
        match source {
            Errno::NOENT | Errno::NOTDIR => WalkError::Absent { path },
            source => WalkError::Io { path, source },
        }
    }

    fn too_long(&self) -> WalkError {
        WalkError::TooLong { path: self.whole.to_owned() }
    }

    fn finish(mut self) -> Result<Found, WalkError> {
        let path = join(&self.places);
        match self.places.pop() {
            Some(Place { fd, stat, .. }) => Ok(Found { fd, path, stat }),
            None => Err(WalkError::Absent { path }),
        }
    }
}

/// The parts of a link's target, last first; `..` is kept.
fn target_parts(target: &Path) -> impl Iterator<Item = OsString> {
    let parts = target.components().rev();
    parts
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn look(path: &Path) -> Result<Found, WalkError> {
        walk(path, |_| Ok(()))
    }

    #[test]
    fn resolves_relative_absolute_and_chained_links() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/file"), "x").unwrap();
        symlink("../a/./b", root.join("a/up")).unwrap();
        symlink(root.join("a/up"), root.join("far")).unwrap();
        assert_eq!(look(&root.join("far/file")).unwrap().path, root.join("a/b/file"));
    }

    #[test]
    fn agrees_with_canonicalize_on_this_system() {
        for path in ["/", "/bin/sh", "/proc/self/../self/cwd", "/var/run", "/etc/os-release", "/dev/null"] {
            let path = Path::new(path);
            if let (false, Ok(real)) = (path.starts_with("/proc"), path.canonicalize()) {
                assert_eq!(look(path).unwrap().path, real);
            }
        }
    }

    #[test]
    fn bounds_links_and_depth() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(matches!(look(&dir.path().join("a")), Err(WalkError::TooLong { .. })));
        let deep: PathBuf = std::iter::once("/proc/self").chain(std::iter::repeat_n("task", 200)).collect();
        assert!(look(&deep).is_err());
    }

    #[test]
    fn exactly_forty_links_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("0"), "x").unwrap();
        for n in 1..=41 {
            symlink((n - 1).to_string(), dir.path().join(n.to_string())).unwrap();
        }
        assert!(look(&dir.path().join("40")).is_ok());
        assert!(matches!(look(&dir.path().join("41")), Err(WalkError::TooLong { .. })));
    }

    #[test]
    fn refuses_paths_that_are_not_plain() {
        for path in ["", "etc", "./etc", "/etc/../etc", "/etc/./passwd", "/.."] {
            assert!(matches!(look(Path::new(path)), Err(WalkError::NotPlain { .. })), "{path}");
        }
    }

    #[test]
    fn tells_what_is_missing() {
        let error = look(Path::new("/etc/passwd/x")).unwrap_err();
        assert_eq!(error.to_string(), "`/etc/passwd/x` does not exist");
        assert!(matches!(look(Path::new("/no-such-folder/x")), Err(WalkError::Absent { .. })));
    }

    #[test]
    fn shows_every_part_to_the_visitor() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        symlink("file", root.join("link")).unwrap();
        let mut seen = Vec::new();
        walk(&root.join("link"), |step| {
            seen.push((step.path(), step.is(FileType::Symlink)));
            Ok::<_, WalkError>(())
        })
        .unwrap();
        assert_eq!(seen.first(), Some(&(PathBuf::from("/"), false)));
        assert_eq!(seen[seen.len() - 2..], [(root.join("link"), true), (root.join("file"), false)]);
    }
}
