//! Device nodes: whether they are there, what they are, and whether this user could open them. None is ever opened.
//!
//! What may be asked about is a closed grammar: a literal path under `/dev`, where `[0-9]*` stands for one or more
//! digits. The check walks beneath a directory handle and follows no link (openat2(2)).

use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{
    Access, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, accessat, fstat, major, minor, open, openat2,
};
use rustix::io::Errno;

/// The folder that all device paths begin with.
pub(crate) const DEV: &str = "/dev/";

/// The longest path that is looked at, in bytes.
pub(crate) const MAX_PATH: usize = 255;

const DIGITS: &str = "[0-9]*";

/// Why a pattern of a grants file does not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PatternError {
    /// Not under `/dev`.
    #[error("`{pattern}` does not begin with `/dev/`")]
    NotDev {
        /// The pattern.
        pattern: String,
    },
    /// Longer than [`MAX_PATH`].
    #[error("`{pattern}` is longer than {MAX_PATH} bytes")]
    TooLong {
        /// The pattern.
        pattern: String,
    },
    /// An empty part, `.` or `..`.
    #[error("`{pattern}` has an empty, `.` or `..` part: write each folder by its name")]
    Part {
        /// The pattern.
        pattern: String,
    },
    /// A character that is neither literal nor part of `[0-9]*`.
    #[error("`{found}` in `{pattern}`: only letters, digits, `.`, `_`, `-`, `/` and `{DIGITS}` can be said")]
    Character {
        /// The pattern.
        pattern: String,
        /// The character.
        found: char,
    },
    /// Digits right after `[0-9]*`: it would not be clear where one ends.
    #[error("`{DIGITS}` in `{pattern}` must not be followed by another digit")]
    Ambiguous {
        /// The pattern.
        pattern: String,
    },
}

/// Why a device is not looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DeviceError {
    /// No pattern of the grant matches.
    #[error("device `{}` matches no granted pattern", path.escape_debug())]
    NotGranted {
        /// The path that was asked about.
        path: String,
    },
    /// A link, or a way out of the folder.
    #[error("device `{path}` is a link or leads through one; name the node itself")]
    Link {
        /// The path that was asked about.
        path: String,
    },
    /// A pattern of the grant is not in the grammar.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The kernel refused.
    #[error("cannot look at device `{path}`: {source}")]
    Io {
        /// The path, or the folder of devices.
        path: String,
        /// What the kernel said.
        source: Errno,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Digits,
}

/// A granted pattern, such as `/dev/nvidia[0-9]*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DevicePattern {
    text: String,
    pieces: Vec<Piece>,
}

impl DevicePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`PatternError`]: what is not in the grammar.
    pub(crate) fn parse(pattern: &str) -> Result<Self, PatternError> {
        let text = || pattern.to_owned();
        let Some(rest) = pattern.strip_prefix(DEV) else {
            return Err(PatternError::NotDev { pattern: text() });
        };
        if pattern.len() > MAX_PATH {
            return Err(PatternError::TooLong { pattern: text() });
        }
        if !has_plain_parts(rest) {
            return Err(PatternError::Part { pattern: text() });
        }
        let pieces = pieces_of(pattern)?;
        Ok(Self { text: text(), pieces })
    }

    /// Whether the whole of `path` matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let mut rest = path;
        for piece in &self.pieces {
            let after = match piece {
                Piece::Literal(literal) => rest.strip_prefix(literal.as_str()),
                Piece::Digits => without_digits(rest),
            };
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

impl FromStr for DevicePattern {
    type Err = DeviceError;

    fn from_str(pattern: &str) -> Result<Self, DeviceError> {
        Ok(Self::parse(pattern)?)
    }
}

impl fmt::Display for DevicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn has_plain_parts(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn is_literal(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-' | '/')
}

fn pieces_of(pattern: &str) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    for (index, literal) in pattern.split(DIGITS).enumerate() {
        if let Some(found) = literal.chars().find(|character| !is_literal(*character)) {
            return Err(PatternError::Character { pattern: pattern.to_owned(), found });
        }
        if index > 0 {
            // An empty literal here is the end, or two in a row: `split` says which by what follows.
            if literal.starts_with(|c: char| c.is_ascii_digit()) || pieces.last() == Some(&Piece::Digits) {
                return Err(PatternError::Ambiguous { pattern: pattern.to_owned() });
            }
            pieces.push(Piece::Digits);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_owned()));
        }
    }
    Ok(pieces)
}

/// What follows one or more digits, as many as there are.
fn without_digits(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|character: char| character.is_ascii_digit());
    (rest.len() < text.len()).then_some(rest)
}

/// What stands at a device path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceNode {
    /// The path that was asked about.
    pub(crate) path: String,
    /// Whether anything is there; when not, everything below is false or 0.
    pub(crate) exists: bool,
    /// Whether it is a character device.
    pub(crate) char_device: bool,
    /// Major number; 0 for what is no device.
    pub(crate) major: u32,
    /// Minor number; 0 for what is no device.
    pub(crate) minor: u32,
    /// Whether its permissions let this user read it. A device cgroup may still forbid it.
    pub(crate) readable: bool,
    /// Whether its permissions let this user write it. A device cgroup may still forbid it.
    pub(crate) writable: bool,
}

/// Looks at device nodes beneath one folder.
#[derive(Debug)]
pub(crate) struct DeviceChecker {
    folder: OwnedFd,
}

impl DeviceChecker {
    /// Opens the folder that stands for `/dev`; it is `/dev` itself but in tests.
    ///
    /// # Errors
    /// [`DeviceError::Io`] when it can't be opened as a folder.
    pub(crate) fn open(folder: &Path) -> Result<Self, DeviceError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match open(folder, flags, Mode::empty()) {
            Ok(folder) => Ok(Self { folder }),
            Err(source) => Err(DeviceError::Io { path: folder.display().to_string(), source }),
        }
    }

    /// Looks at the node at `path`, which must match one of `patterns`.
    ///
    /// # Errors
    /// [`DeviceError`]. That nothing is there is not an error.
    pub(crate) fn check(&self, patterns: &[DevicePattern], path: &str) -> Result<DeviceNode, DeviceError> {
        let granted = path.len() <= MAX_PATH && patterns.iter().any(|pattern| pattern.matches(path));
        let rest = path.strip_prefix(DEV).filter(|rest| granted && has_plain_parts(rest));
        let Some(rest) = rest else {
            return Err(DeviceError::NotGranted { path: path.to_owned() });
        };
        match self.hold(rest) {
            Ok(node) => look(&node, path).map_err(|source| failed(path, source)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(absent(path)),
            Err(source) => Err(failed(path, source)),
        }
    }

    fn hold(&self, path: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.folder, path, flags, Mode::empty(), resolve)
    }
}

/// Whether anything stands in `/dev` or one folder below it that one of these patterns names. Names alone are looked at.
pub(crate) fn any<'a>(patterns: impl Iterator<Item = &'a DevicePattern>) -> bool {
    let patterns: Vec<&DevicePattern> = patterns.collect();
    let named = |path: &Path| path.to_str().is_some_and(|path| patterns.iter().any(|pattern| pattern.matches(path)));
    let names = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let inside = |path: &PathBuf| path.is_dir() && names(path).any(|path| named(&path));
    names(Path::new(DEV)).any(|path| named(&path) || inside(&path))
}

fn failed(path: &str, source: Errno) -> DeviceError {
    let path = path.to_owned();
    match source {
        Errno::LOOP | Errno::XDEV => DeviceError::Link { path },
        source => DeviceError::Io { path, source },
    }
}

fn absent(path: &str) -> DeviceNode {
    let path = path.to_owned();
    DeviceNode { path, exists: false, char_device: false, major: 0, minor: 0, readable: false, writable: false }
}

fn look(node: &OwnedFd, path: &str) -> Result<DeviceNode, Errno> {
    let stat = fstat(node)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    // With O_PATH and O_NOFOLLOW a link at the very end is opened as itself.
    if kind == FileType::Symlink {
        return Err(Errno::LOOP);
    }
    Ok(DeviceNode {
        path: path.to_owned(),
        exists: true,
        char_device: kind == FileType::CharacterDevice,
        major: major(stat.st_rdev),
        minor: minor(stat.st_rdev),
        readable: may(node, Access::READ_OK),
        writable: may(node, Access::WRITE_OK),
    })
}

/// Asks about the very node that is held (faccessat2(2)); nothing is opened by that.
fn may(node: &OwnedFd, access: Access) -> bool {
    let path = PathBuf::from(format!("/proc/self/fd/{}", node.as_raw_fd()));
    accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}

#[cfg(test)]
mod tests;
