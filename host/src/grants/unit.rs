//! How a unit of systemd is written for an engine: whatever a host would otherwise have to know of it.

use super::error::GrantsError;
use super::reader::{Entry, Section};

/// What a unit for this engine needs. Nothing of it is ever run by the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct UnitGrant {
    /// Units that a service starts after: the engine's own daemon.
    pub after: Vec<String>,
    /// How the engine's own generator spells a container, where it has one.
    pub quadlet: Option<QuadletGrant>,
}

/// The words of a generator that makes services of `.container` files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuadletGrant {
    /// The first version of the engine that has the generator.
    pub since: String,
    /// The first version whose generator knows `Secret=`.
    pub secrets: String,
    /// The first version whose generator lets a volume or network have a name of its own.
    pub named: String,
    /// The first version whose generator makes pods, where one does.
    pub pods: Option<String>,
    /// The key that takes options as they are.
    pub rest: String,
    /// Keys for options of the command that creates a container: `publish` → `PublishPort`.
    pub keys: Vec<(String, String)>,
    /// Options that the generator gives by itself, or in whose place it has a way of its own.
    pub implied: Vec<String>,
}

impl UnitGrant {
    pub(super) const KEYS: [&'static str; 2] = ["after", "quadlet"];

    pub(super) fn read(section: Section<'_>) -> Result<Self, GrantsError> {
        section.only(&Self::KEYS)?;
        let after = section.get("after").map_or(Ok(Vec::new()), |entry| entry.distinct())?;
        Ok(Self {
            after: after.into_iter().map(unit).collect::<Result<_, _>>()?,
            quadlet: section.get("quadlet").map(|entry| QuadletGrant::read(entry.section()?)).transpose()?,
        })
    }
}

impl QuadletGrant {
    pub(super) const KEYS: [&'static str; 7] = ["since", "secrets", "named", "pods", "rest", "keys", "implied"];

    fn read(section: Section<'_>) -> Result<Self, GrantsError> {
        section.only(&Self::KEYS)?;
        let keys = section.need("keys")?.section()?.entries();
        Ok(Self {
            since: version(section.need("since")?)?,
            secrets: version(section.need("secrets")?)?,
            named: version(section.need("named")?)?,
            pods: section.get("pods").map(version).transpose()?,
            rest: key(section.need("rest")?)?,
            keys: keys.into_iter().map(|entry| Ok((option(entry)?, key(entry)?))).collect::<Result<_, _>>()?,
            implied: section.texts("implied")?,
        })
    }

    /// The key for an option.
    #[must_use]
    pub fn key(&self, option: &str) -> Option<&str> {
        self.keys.iter().find(|(known, _)| known == option).map(|(_, key)| key.as_str())
    }
}

/// The name of a unit.
fn unit(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.@:-".contains(c);
    if !text.starts_with('.') && text.contains('.') && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err(entry.error(format!("{text:?} is not the name of a unit, such as engine.service")))
}

/// `4.4`.
fn version(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    let number = |part: &str| !part.is_empty() && part.len() < 6 && part.bytes().all(|byte| byte.is_ascii_digit());
    if text.split('.').all(number) {
        return Ok(text.to_owned());
    }
    Err(entry.error(format!("{text:?} is not a version, such as 4.4")))
}

/// The key of a unit file.
fn key(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err(entry.error(format!("{text:?} is not a key of unit files: letters and digits")))
}

/// The name of an option, without its dashes.
fn option(entry: Entry<'_>) -> Result<String, GrantsError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if entry.key.starts_with(|c: char| c.is_ascii_lowercase()) && entry.key.chars().all(fits) {
        return Ok(entry.key.to_owned());
    }
    Err(entry.key_error(format!("`{}` is not the name of an option, without its dashes", entry.key)))
}

#[cfg(test)]
mod tests {
    use super::super::Grants;

    const BASE: &str = "backend = \"e\"\n";

    fn loaded(unit: &str) -> Result<Grants, String> {
        Grants::parse(&format!("{BASE}{unit}"), "e.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_says_how_its_engines_units_are_written() {
        let grants = loaded(
            "[unit]\nafter = [\"e.service\"]\n[unit.quadlet]\nsince = \"4.4\"\nsecrets = \"4.5\"\nnamed = \"4.7\"\nrest = \"EngineArgs\"\n\
             implied = [\"--rm\"]\nkeys = { publish = \"PublishPort\" }\n",
        );
        let grants = grants.unwrap();
        let quadlet = grants.unit().quadlet.as_ref().unwrap();
        assert_eq!((quadlet.key("publish"), quadlet.key("volume")), (Some("PublishPort"), None));
        assert_eq!(grants.unit().after, ["e.service"]);
        assert_eq!(loaded("").unwrap().unit(), &super::UnitGrant::default());
    }

    #[test]
    fn what_would_break_a_unit_file_does_not_load() {
        for (unit, why) in [
            ("after = [\"a\\nb.service\"]", "not the name of a unit"),
            ("befor = []", "unknown key `befor`"),
            ("quadlet = { since = \"x\", secrets = \"1\", named = \"1\", rest = \"A\", keys = {} }", "not a version"),
            ("quadlet = { since = \"1\", secrets = \"1\", named = \"1\", rest = \"A=\", keys = {} }", "not a key"),
            (
                "quadlet = { since = \"1\", secrets = \"1\", named = \"1\", rest = \"A\", keys = { \"-p\" = \"B\" } }",
                "not the name of an option",
            ),
        ] {
            let error = loaded(&format!("[unit]\n{unit}\n")).unwrap_err();
            assert!(error.contains(why) && error.contains("e.toml:3"), "{error}");
        }
    }
}
