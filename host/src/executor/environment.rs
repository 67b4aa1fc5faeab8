//! What a child inherits: an environment made from nothing, and no descriptor beyond 0–2.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::{fmt, io};

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};

/// The `PATH` of every child. Engines find the programs they need by it, and some of those lie in `sbin`.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The value of one environment variable of a child. It can be neither printed nor serialised.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EnvValue {
    bytes: Vec<u8>,
    secret: bool,
}

impl EnvValue {
    /// A value that may be known.
    pub(crate) fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), secret: false }
    }

    /// A value that only the child may see.
    pub(crate) fn secret(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), secret: true }
    }

    /// The bytes, for the child alone.
    pub(super) fn expose(&self) -> &OsStr {
        OsStr::from_bytes(&self.bytes)
    }
}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret { "secret(…)" } else { "plain(…)" })
    }
}

/// Why an environment is not handed to a child. No value is ever named.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum EnvironmentError {
    /// An empty name, or one with `=` or NUL.
    #[error("`{}` cannot be the name of an environment variable: it must not be empty nor hold `=` or NUL", name.escape_debug())]
    Name {
        /// The name.
        name: String,
    },
    /// A value with NUL.
    #[error("the value of environment variable `{name}` holds a NUL byte")]
    Value {
        /// The name.
        name: String,
    },
    /// Two values for one name.
    #[error("environment variable `{name}` is set twice")]
    Twice {
        /// The name.
        name: String,
    },
}

/// What the host itself sets in every child: plain messages, and a `PATH` with the `sbin` folders.
pub(crate) fn host_defaults() -> [(String, EnvValue); 2] {
    [("LC_ALL".to_owned(), EnvValue::plain("C")), ("PATH".to_owned(), EnvValue::plain(PATH))]
}

/// Checks that execve(2) will hand over exactly these variables.
///
/// # Errors
/// [`EnvironmentError`] for the first variable that it would not.
pub(super) fn check(variables: &[(String, EnvValue)]) -> Result<(), EnvironmentError> {
    let mut seen = HashSet::new();
    for (name, value) in variables {
        let named = || name.clone();
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(EnvironmentError::Name { name: named() });
        }
        if value.bytes.contains(&0) {
            return Err(EnvironmentError::Value { name: named() });
        }
        if !seen.insert(name) {
            return Err(EnvironmentError::Twice { name: named() });
        }
    }
    Ok(())
}

/// Marks every descriptor from 3 up, but for those in `keep`, to be closed in every child; returns how many were not
/// marked yet. What this program opens is marked from the start: this is for what its own parent left open.
/// To be called once, first thing in the program, before there are threads.
///
/// # Errors
/// When `/proc/self/fd` can't be read, or fcntl(2) fails.
pub fn close_inherited(keep: &[RawFd]) -> io::Result<usize> {
    let mut marked = 0;
    for number in open_descriptors()? {
        if number > 2 && !keep.contains(&number) {
            marked += usize::from(close_on_exec(number)?);
        }
    }
    Ok(marked)
}

fn open_descriptors() -> io::Result<Vec<RawFd>> {
    let names: Vec<OsString> = std::fs::read_dir("/proc/self/fd")?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<_>>()?;
    Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
}

#[allow(unsafe_code, reason = "descriptors that were inherited have no owner in this program")]
fn close_on_exec(number: RawFd) -> io::Result<bool> {
    // SAFETY: the borrow ends with this function; it only reads and sets a flag. The number was listed as open a
    // moment ago; were it closed since, fcntl says EBADF, which is handled, and were it reused, the flag is right too.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    match fcntl_getfd(fd) {
        Err(Errno::BADF) => Ok(false),
        Err(error) => Err(error.into()),
        Ok(flags) if flags.contains(FdFlags::CLOEXEC) => Ok(false),
        Ok(flags) => Ok(fcntl_setfd(fd, flags | FdFlags::CLOEXEC).map(|()| true)?),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::sync::Mutex;

    /// Held by tests that leave a descriptor open to children, and by those that look for one.
    pub(in super::super) static DESCRIPTORS: Mutex<()> = Mutex::new(());

    fn one(name: &str, value: &str) -> Vec<(String, EnvValue)> {
        vec![(name.to_owned(), EnvValue::plain(value))]
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?} {:?}", EnvValue::plain("abc"), EnvValue::secret("xyz"));
        assert_eq!(shown, "plain(…) secret(…)");
    }

    #[test]
    fn refuses_what_execve_would_garble() {
        let name = |name: &str| EnvironmentError::Name { name: name.to_owned() };
        assert_eq!(check(&one("", "x")), Err(name("")));
        assert_eq!(check(&one("A=B", "x")), Err(name("A=B")));
        assert_eq!(check(&one("A\0", "x")), Err(name("A\0")));
        assert_eq!(check(&one("A", "x\0y")), Err(EnvironmentError::Value { name: "A".to_owned() }));
        let twice = [one("A", "1"), one("A", "2")].concat();
        assert_eq!(check(&twice), Err(EnvironmentError::Twice { name: "A".to_owned() }));
        assert_eq!(check(&one("discovery.type", "a=b\nc")), Ok(()));
    }

    #[test]
    fn marks_an_inherited_descriptor_and_leaves_the_kept() {
        let _alone = DESCRIPTORS.lock().unwrap();
        let open = || rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), 50).unwrap();
        let (inherited, kept) = (open(), open());
        for fd in [&inherited, &kept] {
            fcntl_setfd(fd, FdFlags::empty()).unwrap();
        }
        assert!(close_inherited(&[kept.as_raw_fd()]).unwrap() >= 1);
        assert!(fcntl_getfd(&inherited).unwrap().contains(FdFlags::CLOEXEC));
        assert!(!fcntl_getfd(&kept).unwrap().contains(FdFlags::CLOEXEC));
    }
}
