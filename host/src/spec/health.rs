//! Health checks, platforms and user namespaces.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{SpecError, words};

/// How an engine asks a container whether it is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The command, run inside the container; well is what ends with 0.
    pub words: Vec<String>,
    /// Between two checks; 30 s by default.
    pub interval: Duration,
    /// After which one counts as failed; 30 s by default, at least 1 s.
    pub timeout: Duration,
    /// How many must fail in a row; 3 by default.
    pub retries: u32,
    /// At the start, in which failures don't count; none by default.
    pub start_period: Duration,
}

/// The longest time of a health check.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl HealthCheck {
    /// A check by these words, and all else as engines have it by default.
    ///
    /// # Errors
    /// Words that can't be said: none, control characters, or `CMD`, `CMD-SHELL` or `NONE` as the first.
    pub fn new(words: Vec<String>) -> Result<Self, SpecError> {
        let (interval, timeout) = (Duration::from_secs(30), Duration::from_secs(30));
        let check = Self { words, interval, timeout, retries: 3, start_period: Duration::ZERO };
        check.check().map(|()| check)
    }

    /// Checks what its fields alone don't say.
    ///
    /// # Errors
    /// Says which.
    pub(super) fn check(&self) -> Result<(), SpecError> {
        let wrong = |value: String, why: &str, expected| Err(SpecError::new("health check", &value, why, expected));
        if !words::can_be_said(&self.words) {
            let expected = "at least one word, without control characters, the first a program's";
            return wrong(self.words.join(" "), "its command can't be said to an engine", expected);
        }
        let bounds = [
            (self.interval, 1, "an interval"),
            (self.timeout, 1000, "a time-out"),
            (self.start_period, 0, "a start period"),
        ];
        for (time, least, what) in bounds {
            if time.as_millis() < least || time > LONGEST {
                let why = format!("{what} of {time:?} is too short or too long");
                return wrong(format!("{time:?}"), &why, "1 ms (a time-out: 1 s) to 24 h");
            }
        }
        if self.retries == 0 {
            return wrong("0".to_owned(), "it must fail at least once", "1 or more retries");
        }
        Ok(())
    }
}

/// An operating system and an architecture: `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform(String);

impl Platform {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether something of this operating system and architecture is of the platform; a variant is not looked at.
    pub(crate) fn is(&self, os: &str, architecture: &str) -> bool {
        let mut parts = self.0.split('/');
        parts.next() == Some(os) && parts.next() == Some(architecture)
    }
}

impl FromStr for Platform {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let part = |part: &str, extra: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || extra.contains(c);
            !part.is_empty() && part.chars().all(fits)
        };
        let parts: Vec<&str> = text.split('/').collect();
        let sound = match parts.as_slice() {
            [os, architecture] => part(os, "_") && part(architecture, "_"),
            [os, architecture, variant] => part(os, "_") && part(architecture, "_") && part(variant, "_."),
            _ => false,
        };
        if sound && text.len() <= 64 {
            return Ok(Self(text.to_owned()));
        }
        Err(SpecError::new("platform", text, "it is no such name", "OS/ARCHITECTURE[/VARIANT], such as linux/amd64"))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The user namespace of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserNamespace {
    /// One of its own, chosen by the engine.
    Auto,
    /// One of its own.
    Private,
    /// One in which nobody is the caller.
    NoMap,
    /// One in which the caller keeps the same numbers.
    KeepId,
    /// The host's, or that of the engine's user.
    Host,
}

impl UserNamespace {
    const ALL: [Self; 5] = [Self::Auto, Self::Private, Self::NoMap, Self::KeepId, Self::Host];

    /// As engines spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Private => "private",
            Self::NoMap => "nomap",
            Self::KeepId => "keep-id",
            Self::Host => "host",
        }
    }
}

impl FromStr for UserNamespace {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
            SpecError::new("user namespace", text, "there is no such mode", "auto, private, nomap, keep-id or host")
        })
    }
}

impl fmt::Display for UserNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_has_two_or_three_parts() {
        for good in ["linux/amd64", "linux/arm/v7", "linux/386"] {
            assert_eq!(good.parse::<Platform>().unwrap().as_str(), good);
        }
        for bad in ["", "linux", "linux/", "Linux/amd64", "linux/amd64/v8/x", "linux/amd64,x", "-linux/a"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
        let arm: Platform = "linux/arm64/v8".parse().unwrap();
        assert!(arm.is("linux", "arm64") && !arm.is("linux", "amd64"));
    }

    #[test]
    fn a_health_check_has_a_command_and_sensible_times() {
        let good = HealthCheck::new(vec!["/bin/x".to_owned()]).unwrap();
        for bad in [
            HealthCheck { words: Vec::new(), ..good.clone() },
            HealthCheck { words: vec!["cmd".to_owned()], ..good.clone() },
            HealthCheck { words: vec!["a\n".to_owned()], ..good.clone() },
            HealthCheck { interval: Duration::ZERO, ..good.clone() },
            HealthCheck { timeout: Duration::from_millis(999), ..good.clone() },
            HealthCheck { start_period: Duration::from_secs(100_000), ..good.clone() },
            HealthCheck { retries: 0, ..good },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
