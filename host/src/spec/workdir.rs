//! The folder that a process in a container begins in.

use std::fmt;
use std::str::FromStr;

use super::{InsidePath, SpecError};

/// An absolute path inside a container that a process may begin in: none below `/proc` or `/sys`, where an engine would
/// follow links of its own process out of the container (`/proc/self/fd/7`: CVE-2024-21626), nor below `/dev`, whose `fd`
/// leads there; but `/dev/shm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workdir(InsidePath);

impl Workdir {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Workdir {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let path: InsidePath = text.parse()?;
        let mut parts = path.as_str().split('/').filter(|part| !part.is_empty());
        let leads_out = match parts.next() {
            Some("proc" | "sys") => true,
            Some("dev") => parts.next() != Some("shm"),
            _ => false,
        };
        if leads_out {
            let why = "what lies there is the engine's own, and may lead out of the container";
            return Err(SpecError::new(
                "working directory",
                text,
                why,
                "a folder other than those below /proc, /sys and /dev",
            ));
        }
        Ok(Self(path))
    }
}

impl fmt::Display for Workdir {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_process_begins_in_what_is_the_engines_own() {
        for wrong in [
            "/dev/fd/8",
            "/dev",
            "//dev/stdin",
            "/dev/./fd",
            "/proc/self/fd/8",
            "//proc",
            "/proc/",
            "/sys/fs/cgroup",
            "proc",
            "/a/../proc",
            "",
        ] {
            assert!(wrong.parse::<Workdir>().is_err(), "{wrong}");
        }
        for right in ["/", "/dev/shm", "/dev/shm/a", "/device", "/srv", "/srv/proc", "/process"] {
            assert_eq!(right.parse::<Workdir>().unwrap().to_string(), right);
        }
    }
}
