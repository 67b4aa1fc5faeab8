//! Mounts, and paths inside a container.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Memory, Name, SpecError};

/// An absolute path inside a container, without `.` or `..` parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InsidePath(String);

impl InsidePath {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Folders that the engine itself fills, which a mount over them would take away: what is in them, or they themselves.
const FILLED: [&str; 2] = ["proc", "sys"];

impl InsidePath {
    /// Whether something may be mounted there: not in the place of the image itself, nor over what the engine makes.
    pub(super) fn takes_a_mount(&self) -> bool {
        let parts: Vec<&str> = self.0.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            [] | ["dev"] => false,
            [first, ..] => !FILLED.contains(first),
        }
    }
}

impl FromStr for InsidePath {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let wrong = |why: &str| Err(SpecError::new("path inside", text, why, "an absolute path without `.` and `..`"));
        if !text.starts_with('/') || text.len() > 4096 {
            return wrong("it is not absolute, or too long");
        }
        if text.chars().any(char::is_control) {
            return wrong("it holds a control character");
        }
        if text.split('/').any(|part| part == "." || part == "..") {
            return wrong("it holds `.` or `..`");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for InsidePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a mount comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MountSource {
    /// A file or folder of the host. The policy resolves it; the resolved path is what is mounted.
    Path(PathBuf),
    /// A named volume.
    Volume(Name),
}

/// A file system made visible in the container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mount {
    /// Where it comes from.
    pub source: MountSource,
    /// Where it is seen.
    pub target: InsidePath,
    /// Whether the container may only read it.
    pub read_only: bool,
}

impl FromStr for Mount {
    type Err = SpecError;

    /// Parses docker's `SOURCE:TARGET[:ro|rw]`; a source with a `/` is a path, relative ones are left to the caller.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        const EXPECTED: &str = "/PATH:/TARGET[:ro|rw], or VOLUME:/TARGET[:ro|rw]";
        let wrong = |why: &str| SpecError::new("mount", text, why, EXPECTED);
        let mut parts = text.split(':');
        let source = parts.next().filter(|part| !part.is_empty()).ok_or_else(|| wrong("it has no source"))?;
        let target = parts.next().ok_or_else(|| wrong("it has no target"))?;
        let read_only = match parts.next() {
            None | Some("rw") => false,
            Some("ro") => true,
            Some(_) => return Err(wrong("its last part is neither `ro` nor `rw`")),
        };
        if parts.next().is_some() {
            return Err(wrong("it has too many parts"));
        }
        Ok(Self { source: parse_source(source)?, target: target.parse()?, read_only })
    }
}

fn parse_source(text: &str) -> Result<MountSource, SpecError> {
    if text.chars().any(char::is_control) {
        return Err(SpecError::new("mount source", text, "it holds a control character", "another path"));
    }
    if Path::new(text).is_absolute() {
        return Ok(MountSource::Path(PathBuf::from(text)));
    }
    if text.contains('/') || text.starts_with('.') || text.starts_with('~') {
        return Err(SpecError::new(
            "mount source",
            text,
            "it is relative",
            "an absolute path, or the name of a volume",
        ));
    }
    text.parse().map(MountSource::Volume)
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Where it is seen.
    pub target: InsidePath,
    /// Its size; none leaves the bound to the engine.
    pub size: Option<Memory>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_volumes_are_told_apart() {
        let mount: Mount = "/srv/data:/data:ro".parse().unwrap();
        assert_eq!(mount.source, MountSource::Path("/srv/data".into()));
        assert!(mount.read_only);
        let mount: Mount = "models:/models".parse().unwrap();
        assert!(matches!(mount.source, MountSource::Volume(_)));
    }

    #[test]
    fn neither_the_image_nor_what_the_engine_makes_is_mounted_over() {
        let takes = |path: &str| path.parse::<InsidePath>().unwrap().takes_a_mount();
        for path in
            ["/", "//", "/proc", "/proc/", "/proc/sys/kernel", "//proc", "/sys", "/sys/fs/cgroup", "/dev", "/dev/"]
        {
            assert!(!takes(path), "{path}");
        }
        for path in ["/data", "/dev/shm", "/procs", "/system", "/etc/passwd", "/home/proc"] {
            assert!(takes(path), "{path}");
        }
    }

    #[test]
    fn what_is_no_mount_is_refused() {
        for bad in
            ["", "/a", "a/b:/c", "./a:/b", "~/a:/b", "/a:b", "/a:/b:z", "/a:/b:ro:x", "/a:/b/../c", ":/b", "-v:/b"]
        {
            assert!(bad.parse::<Mount>().is_err(), "{bad:?}");
        }
    }
}
