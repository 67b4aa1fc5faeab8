//! Floors: versions below which something has a known hole. A preflight warns of them; nothing is refused.

use super::error::GrantsError;
use super::reader::{Entry, Section};

/// The longest advisory, in characters.
const ADVISORY_MAX: usize = 240;

/// The first version of something that does not have a known hole, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    name: String,
    version: String,
    advisory: String,
}

impl Floor {
    /// The keys of a floor; all must be there.
    pub(super) const KEYS: [&'static str; 2] = ["version", "advisory"];

    pub(super) fn read(section: Section<'_>) -> Result<Self, GrantsError> {
        section.only(&Self::KEYS)?;
        let (version, advisory) = (version(section.need("version")?)?, advisory(section.need("advisory")?)?);
        Ok(Self { name: name(&section)?, version, advisory })
    }

    /// What it is about: the engine's name, `runc`, `toolkit` …
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version, as numbers and dots.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What is wrong below it.
    #[must_use]
    pub fn advisory(&self) -> &str {
        &self.advisory
    }
}

/// As a backend is told: `runc 1.2.8 CVE-…`.
impl std::fmt::Display for Floor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.name, self.version, self.advisory)
    }
}

fn name(section: &Section<'_>) -> Result<String, GrantsError> {
    let name = section.name();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.chars().all(fits) {
        return Ok(name.to_owned());
    }
    Err(section.error("a floor's name is of lower-case letters, digits and `-`"))
}

fn version(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    let parts: Vec<&str> = text.split('.').collect();
    let number = |part: &&str| part.parse::<u32>().is_ok() && part.bytes().all(|byte| byte.is_ascii_digit());
    if (2..=3).contains(&parts.len()) && parts.iter().all(number) {
        return Ok(text.to_owned());
    }
    Err(entry.error(format!("{text:?} is not a version such as 1.2 or 1.2.8")))
}

fn advisory(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    let fits = !text.is_empty() && text.chars().count() <= ADVISORY_MAX && !text.contains(char::is_control);
    if fits {
        return Ok(text.to_owned());
    }
    Err(entry.error(format!("`advisory` is a line of at most {ADVISORY_MAX} characters")))
}

#[cfg(test)]
mod tests {
    use crate::grants::Grants;

    fn parsed(floor: &str) -> Result<Grants, crate::grants::GrantsError> {
        Grants::parse(&format!("backend = \"x\"\n[floors.runc]\n{floor}\n"), "x")
    }

    #[test]
    fn a_floor_is_read_and_told() {
        let grants = parsed("version = \"1.2.8\"\nadvisory = \"CVE-2025-31133\"").unwrap();
        assert_eq!(grants.floors()[0].to_string(), "runc 1.2.8 CVE-2025-31133");
    }

    #[test]
    fn what_is_no_floor_is_refused() {
        for bad in [
            "version = \"1\"\nadvisory = \"a\"",
            "version = \"1.+2\"\nadvisory = \"a\"",
            "version = \"1.2.3.4\"\nadvisory = \"a\"",
            "version = \"v1.2\"\nadvisory = \"a\"",
            "version = \"1.2\"\nadvisory = \"\"",
            "version = \"1.2\"\nadvisory = \"a\\nb\"",
            "version = \"1.2\"",
            "version = \"1.2\"\nadvisory = \"a\"\nsevere = true",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
