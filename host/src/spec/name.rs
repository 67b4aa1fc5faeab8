//! Names, labels, users and signals.

use std::fmt;
use std::str::FromStr;

use super::{SpecError, is_made_of};

/// The name of a container, volume, pod or network: `[A-Za-z0-9][A-Za-z0-9_.-]*`, at most 128 bytes.
///
/// Source: `podman-create(1)` and Docker's `restrictedNameChars`, the part that both share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        const EXPECTED: &str = "1 to 128 letters, digits, `_`, `.` or `-`, beginning with a letter or digit";
        let wrong = |why: &str| SpecError::new("name", text, why, EXPECTED);
        match text.bytes().next() {
            None => return Err(wrong("it is empty")),
            Some(first) if !first.is_ascii_alphanumeric() => return Err(wrong("it begins with another character")),
            Some(_) => {}
        }
        if text.len() > 128 {
            return Err(wrong("it is too long"));
        }
        if !is_made_of(text, b"_.-") {
            return Err(wrong("it holds another character"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A label of the caller's. Keys below `io.portreeve.` are the host's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    key: String,
    value: String,
}

impl Label {
    /// Makes a label.
    ///
    /// # Errors
    /// When the key is empty, holds `=` or a control character, begins with `-`, or belongs to the host.
    pub fn new(key: &str, value: &str) -> Result<Self, SpecError> {
        const EXPECTED: &str = "KEY=VALUE, with a key of letters, digits, `.`, `_`, `/` or `-`";
        let wrong = |why: &str| SpecError::new("label", key, why, EXPECTED);
        if key.is_empty() || key.len() > 256 || key.starts_with('-') {
            return Err(wrong("its key is empty, too long or begins with `-`"));
        }
        if !is_made_of(key, b"._/-") {
            return Err(wrong("its key holds another character"));
        }
        if key.to_ascii_lowercase().starts_with("io.portreeve.") {
            return Err(wrong("keys below `io.portreeve.` are the host's own"));
        }
        if is_an_engines(key) {
            return Err(wrong("engines act upon such keys: `io.containers.…`, `io.podman.…`, `PODMAN_SYSTEMD_UNIT`"));
        }
        if value.chars().any(char::is_control) {
            return Err(wrong("its value holds a control character"));
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Whether an engine does something about a label of this key: by `io.containers.autoupdate` it replaces an image that was
/// proved (podman-auto-update(1)).
fn is_an_engines(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("io.containers.") || key.starts_with("io.podman.") || key == "podman_systemd_unit"
}

impl FromStr for Label {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        Self::new(key, value)
    }
}

/// `user[:group]`, each a name or a number, as `--user` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User(String);

impl User {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for User {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let part = |part: &str| !part.is_empty() && !part.starts_with('-') && is_made_of(part, b"_.-");
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        if text.len() <= 128 && part(user) && group.is_none_or(part) {
            return Ok(Self(text.to_owned()));
        }
        Err(SpecError::new("user", text, "it is neither a name nor a number", "user[:group], by name or number"))
    }
}

/// A signal by its name (`TERM`, `SIGKILL`) or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal(String);

impl Signal {
    /// As text, names with `SIG` before.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Signal {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        const NAMES: &[&str] = &[
            "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
            "TERM", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
            "IO", "PWR", "SYS",
        ];
        if text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number)) {
            return Ok(Self(text.to_owned()));
        }
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        if NAMES.contains(&bare) {
            return Ok(Self(format!("SIG{bare}")));
        }
        Err(SpecError::new("signal", text, "there is no such signal", "a name such as TERM, or a number from 1 to 64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_digits_and_three_more() {
        for good in ["a", "web-1", "A.b_c", "0"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "ä", "a\n", "a\0"] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(129).parse::<Name>().is_err());
    }

    #[test]
    fn the_hosts_labels_are_not_the_callers() {
        assert!("io.portreeve.owner=me".parse::<Label>().is_err());
        assert!("IO.Portreeve.owner=me".parse::<Label>().is_err());
        assert_eq!("team=a=b".parse::<Label>().unwrap().value(), "a=b");
    }

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!("term".parse::<Signal>().unwrap().as_str(), "SIGTERM");
        assert_eq!("9".parse::<Signal>().unwrap().as_str(), "9");
        for bad in ["", "0", "65", "NOPE", "-9"] {
            assert!(bad.parse::<Signal>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_user_has_no_option_in_it() {
        assert!("1000:1000".parse::<User>().is_ok());
        for bad in ["", ":", "a:", "-u", "a b", "a:b:c", "a:-g"] {
            assert!(bad.parse::<User>().is_err(), "{bad:?}");
        }
    }
}
