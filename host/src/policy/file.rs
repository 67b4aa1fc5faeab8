//! From a policy file to a policy, and back for reading.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;

use toml::Spanned;

use super::{Demand, Names, Policy, Rules, Stance};
use crate::error::Error;
use crate::grants::nearest_word as nearest;
use crate::redaction::{RawRule, RuleSet};
use crate::reference::Reference;
use crate::spec::{Memory, Name, NetworkMode, SpecError, UserNamespace, capability};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    extends: Option<Base>,
    #[serde(default)]
    images: Images,
    #[serde(default)]
    ports: Ports,
    #[serde(default)]
    mounts: Mounts,
    #[serde(default)]
    gpus: Gpus,
    #[serde(default)]
    networks: Networks,
    #[serde(default)]
    capabilities: Capabilities,
    #[serde(default)]
    namespaces: Namespaces,
    #[serde(default)]
    volumes: Volumes,
    #[serde(default)]
    copies: Copies,
    #[serde(default)]
    secrets: Secrets,
    #[serde(default)]
    redaction: Redaction,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Base {
    Home,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Images {
    registries: Option<BTreeSet<String>>,
    tags: Option<Stance>,
    demand: Option<Demand>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ports {
    addresses: Option<BTreeSet<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mounts {
    roots: Option<BTreeSet<String>>,
    protected: Option<Vec<PathBuf>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gpus {
    allow: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Networks {
    allow: Option<BTreeSet<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Capabilities {
    add: Option<BTreeSet<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Namespaces {
    user: Option<BTreeSet<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Volumes {
    allow: Option<BTreeSet<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Copies {
    largest: Option<Bytes>,
}

/// A number of bytes such as `512m`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Bytes(u64);

impl TryFrom<String> for Bytes {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        if text == "0" {
            return Ok(Self(0));
        }
        text.parse::<Memory>().map(|size| Self(size.bytes()))
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secrets {
    unmaskable: Option<Stance>,
}

/// The lines of a policy file in which its sections and keys stand; none of a policy that is no file.
///
/// They are for messages: two policies that say the same are equal, wherever they say it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Option<BTreeMap<String, usize>>);

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Places {}

impl Places {
    /// Where they stand; a file that is no TOML is refused elsewhere.
    fn read(text: &str) -> Self {
        let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        let mut lines = BTreeMap::new();
        let table = toml::de::DeTable::parse(text);
        for (section, value) in table.iter().flat_map(|table| table.get_ref().iter()) {
            lines.insert(section.get_ref().to_string(), line(section.span().start));
            for (key, _) in value.get_ref().as_table().into_iter().flatten() {
                lines.insert(format!("{}.{}", section.get_ref(), key.get_ref()), line(key.span().start));
            }
        }
        Self(Some(lines))
    }

    /// `:LINE` of a key, or of its section, or nothing where the file has neither; none where there is no file.
    pub(super) fn of(&self, section: &str, key: &str) -> Option<String> {
        let lines = self.0.as_ref()?;
        let line = lines.get(&format!("{section}.{key}")).or_else(|| lines.get(section));
        Some(line.map(|line| format!(":{line}")).unwrap_or_default())
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Redaction {
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
}

impl Redaction {
    /// The rules, if they are well-formed and do what their examples say.
    fn rules(self, text: &str, file: &str) -> Result<Rules, Error> {
        if self.rule.is_empty() {
            return Ok(Rules::default());
        }
        let raw = self.rule.iter().map(|rule| rule.get_ref().clone()).collect();
        let set = RuleSet::from_raw(self.rule, text, file).map_err(|error| Error::Config(error.to_string()))?;
        match set.run_examples().first() {
            None => Ok(Rules { raw, set }),
            Some(failed) => Err(Error::Config(failed.to_string())),
        }
    }
}

/// Words of lists that stand for more than themselves.
const WORDS: &[&str] = &["loopback", "any", "none", "bridge", "host", "own", "auto", "private", "nomap", "keep-id"];

impl Policy {
    /// Reads a policy file. What it does not say is denied, or as `home` has it where it extends that.
    ///
    /// # Errors
    /// With the file, the line and the column of what is wrong.
    pub fn parse(text: &str, file: &str) -> Result<Self, Error> {
        let wrong = |error: toml::de::Error| Error::Config(format!("{file}: {error}{}", suggestion(error.message())));
        let mut read: File = toml::from_str(text).map_err(wrong)?;
        let rules = std::mem::take(&mut read.redaction).rules(text, file)?;
        let base = match read.extends {
            Some(Base::Home) => Self::home(),
            None => Self::deny_all(),
        };
        let policy = Self { places: Places::read(text), rules, ..base.overlaid(read, file) };
        policy.check_file()?;
        Ok(policy)
    }

    fn overlaid(self, file: File, origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            registries: names(file.images.registries, self.registries),
            tags: file.images.tags.unwrap_or(self.tags),
            demand: file.images.demand.unwrap_or(self.demand),
            addresses: names(file.ports.addresses, self.addresses),
            roots: names(file.mounts.roots, self.roots),
            protected: file.mounts.protected.unwrap_or(self.protected),
            gpus: file.gpus.allow.unwrap_or(self.gpus),
            networks: names(file.networks.allow, self.networks),
            capabilities: names(file.capabilities.add, self.capabilities),
            user_namespaces: names(file.namespaces.user, self.user_namespaces),
            volumes: names(file.volumes.allow, self.volumes),
            copies: file.copies.largest.map_or(self.copies, |largest| largest.0),
            unmaskable: file.secrets.unmaskable.unwrap_or(self.unmaskable),
            places: Places::default(),
            rules: self.rules,
        }
    }

    fn check_file(&self) -> Result<(), Error> {
        self.check_words()?;
        let protected = self.protected.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        self.check_paths("roots", &self.roots)?;
        self.check_paths("protected", &Names::Only(protected))
    }

    /// Each path of a list under `[mounts]` is whole and plain.
    fn check_paths(&self, key: &str, paths: &Names) -> Result<(), Error> {
        let Names::Only(paths) = paths else { return Ok(()) };
        let relative = |path: &&String| !path.starts_with('/') || path.split('/').any(|part| part == "..");
        let Some(path) = paths.iter().find(relative) else { return Ok(()) };
        let (file, place) = (&self.origin, self.places.of("mounts", key).unwrap_or_default());
        Err(Error::Config(format!(
            "{file}{place}: {key} under [mounts]: {path:?} is no absolute path without `..`, such as /srv/data"
        )))
    }

    /// Each word of a list is one that could ever allow something.
    fn check_words(&self) -> Result<(), Error> {
        let is_address = |word: &str| ["loopback", "any"].contains(&word) || word.parse::<IpAddr>().is_ok();
        let is_network = |word: &str| ["none", "host", "own"].contains(&word) || word.parse::<NetworkMode>().is_ok();
        let is_namespace = |word: &str| word.parse::<UserNamespace>().is_ok();
        type Check<'a> = &'a dyn Fn(&str) -> bool;
        let is_registry = |word: &str| format!("{word}/image").parse::<Reference>().is_ok();
        let is_volume = |word: &str| word.parse::<Name>().is_ok();
        let lists: [(&str, &str, &Names, Check<'_>, &str); 6] = [
            (
                "images",
                "registries",
                &self.registries,
                &is_registry,
                "a registry, or a part of one, such as example.org/team",
            ),
            ("volumes", "allow", &self.volumes, &is_volume, "the name of a volume"),
            ("ports", "addresses", &self.addresses, &is_address, "`loopback`, `any`, or an IP address"),
            ("networks", "allow", &self.networks, &is_network, "`none`, `bridge`, `host`, `own`, or a network's name"),
            ("capabilities", "add", &self.capabilities, &capability::is_known, "a capability, such as NET_ADMIN"),
            ("namespaces", "user", &self.user_namespaces, &is_namespace, "auto, private, nomap, keep-id or host"),
        ];
        for (section, key, names, holds, expected) in lists {
            let Names::Only(words) = names else { continue };
            if let Some(word) = words.iter().find(|word| !holds(word)) {
                let place = self.places.of(section, key).unwrap_or_default();
                let file = &self.origin;
                let meant = hint(key, word);
                return Err(Error::Config(format!(
                    "{file}{place}: {key} under [{section}]: {word:?} is none of {expected}{meant}"
                )));
            }
        }
        Ok(())
    }

    /// The policy as a file would say it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = format!("# {}\n", self.origin);
        let word = |stance: Stance| match stance {
            Stance::Allow => "allow",
            Stance::Warn => "warn",
            Stance::Refuse => "refuse",
        };
        let demand = self.demand.as_str();
        let protected: BTreeSet<String> =
            self.protected.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let lines = [
            (
                "images",
                format!(
                    "registries = {}\ntags = \"{}\"\ndemand = \"{demand}\"",
                    list(&self.registries),
                    word(self.tags)
                ),
            ),
            ("ports", format!("addresses = {}", list(&self.addresses))),
            ("mounts", format!("roots = {}\nprotected = {}", list(&self.roots), list(&Names::Only(protected)))),
            ("gpus", format!("allow = {}", self.gpus)),
            ("networks", format!("allow = {}", list(&self.networks))),
            ("capabilities", format!("add = {}", list(&self.capabilities))),
            ("namespaces", format!("user = {}", list(&self.user_namespaces))),
            ("volumes", format!("allow = {}", list(&self.volumes))),
            ("copies", format!("largest = \"{}\"", self.copies)),
            ("secrets", format!("unmaskable = \"{}\"", word(self.unmaskable))),
        ];
        for (section, body) in lines {
            // Writing to a string can't fail.
            let _infallible = write!(text, "\n[{section}]\n{body}\n");
        }
        for rule in &self.rules.raw {
            // What was read can be written.
            let body = toml::to_string(rule).unwrap_or_default();
            let _infallible = write!(text, "\n[[redaction.rule]]\n{body}");
        }
        text
    }
}

/// What was meant by a word that is none of those that a list may have.
fn hint(key: &str, word: &str) -> String {
    if key == "add" && word.eq_ignore_ascii_case("ALL") {
        return "; name each one, or write \"*\", which lets a caller add each by its name".to_owned();
    }
    let known = capability::known().chain(WORDS.iter().copied());
    nearest(word, known).map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
}

/// The word that was meant, where one of those that are expected is near.
fn suggestion(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = ["unknown field", "unknown variant"].iter().any(|what| message.starts_with(what));
    let meant = words.next().filter(|_| unknown).and_then(|written| nearest(written, words));
    meant.map_or_else(String::new, |word| format!("did you mean `{word}`?\n"))
}

/// `*` stands for every name.
fn names(said: Option<BTreeSet<String>>, base: Names) -> Names {
    match said {
        None => base,
        Some(names) if names.contains("*") => Names::Any,
        Some(names) => Names::Only(names.into_iter().map(|name| trimmed(&name)).collect()),
    }
}

/// A folder or a registry may be written with a slash at its end.
fn trimmed(name: &str) -> String {
    if name.len() > 1 { name.trim_end_matches('/').to_owned() } else { name.to_owned() }
}

fn list(names: &Names) -> String {
    match names {
        Names::Any => "[\"*\"]".to_owned(),
        Names::Only(names) => format!("[{}]", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")),
    }
}

/// A name as TOML writes it; what Rust escapes, TOML does not read.
fn quoted(name: &str) -> String {
    toml::Value::String(name.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_reads_back_as_it_is_shown() {
        let home = Policy::home();
        let read = Policy::parse(&home.to_toml(), "home").unwrap();
        assert_eq!(read, home);
    }

    #[test]
    fn a_file_starts_from_nothing_or_from_home() {
        assert_eq!(Policy::parse("", "deny-all").unwrap(), Policy::deny_all());
        let policy = Policy::parse("extends = \"home\"\n[networks]\nallow = [\"host\"]\n", "p.toml").unwrap();
        assert_eq!(policy.networks, Names::Only(["host".to_owned()].into()));
        assert_eq!(policy.addresses, Policy::home().addresses);
    }

    #[test]
    fn the_largest_copy_is_a_number_of_bytes() {
        let policy = Policy::parse("[copies]\nlargest = \"2m\"\n", "p.toml").unwrap();
        assert_eq!(policy.copies(), 2 << 20);
        assert_eq!(Policy::parse(&policy.to_toml(), "p.toml").unwrap(), policy);
        assert!(Policy::parse("[copies]\nlargest = \"much\"\n", "p.toml").is_err());
    }

    #[test]
    fn names_of_any_characters_read_back() {
        let text = "[mounts]\nprotected = [\"/\\\"\\\\'\", \"/a\\u001f\\n\", \"/\\u0085\"]\n";
        let policy = Policy::parse(text, "p.toml").unwrap();
        assert_eq!(Policy::parse(&policy.to_toml(), "p.toml").unwrap(), policy);
    }

    #[test]
    fn a_word_that_could_allow_nothing_is_refused_with_its_line() {
        for (section, key, word) in [
            ("ports", "addresses", "1.2.3"),
            ("networks", "allow", "../x"),
            ("capabilities", "add", "SYS_ADMINN"),
            ("namespaces", "user", "hosts"),
            ("images", "registries", "https://example.org"),
            ("images", "registries", ""),
            ("images", "registries", "a*b"),
            ("volumes", "allow", "/etc"),
        ] {
            let text = format!("extends = \"home\"\n[{section}]\n{key} = [\"{word}\"]\n");
            let error = Policy::parse(&text, "p.toml").unwrap_err().to_string();
            assert!(error.contains("p.toml:3:") && error.contains(word) && error.contains(key), "{error}");
        }
        let good = "[ports]\naddresses = [\"loopback\", \"10.0.0.1\", \"::1\"]\n[networks]\nallow = [\"none\", \"host\", \"back\"]\n\
             [capabilities]\nadd = [\"NET_ADMIN\"]\n[namespaces]\nuser = [\"keep-id\"]\n";
        assert!(Policy::parse(good, "p.toml").is_ok());
    }

    #[test]
    fn a_path_that_is_not_whole_is_refused_with_its_line() {
        for (key, path) in [("roots", "srv"), ("roots", "/srv/../etc"), ("protected", "~/.ssh")] {
            let text = format!("[mounts]\n{key} = [{path:?}]\n");
            let error = Policy::parse(&text, "p.toml").unwrap_err().to_string();
            assert!(error.contains(&format!("p.toml:2: {key}")) && error.contains(path), "{error}");
        }
        let all = Policy::parse("[mounts]\nroots = [\"*\"]\nprotected = [\"srv\"]\n", "p.toml");
        assert!(all.unwrap_err().to_string().contains("protected"));
    }

    #[test]
    fn each_demand_reads_back() {
        for demand in [Demand::Claimed, Demand::Manifest, Demand::Content] {
            let text = format!("extends = \"home\"\n[images]\ndemand = \"{}\"\n", demand.as_str());
            let policy = Policy::parse(&text, "p.toml").unwrap();
            assert_eq!(policy.demand(), demand);
            assert_eq!(Policy::parse(&policy.to_toml(), "p.toml").unwrap(), policy);
        }
        let wrong = Policy::parse("[images]\ndemand = \"proved\"\n", "p.toml").unwrap_err().to_string();
        assert!(wrong.contains("line 2") && wrong.contains("content"), "{wrong}");
    }

    #[test]
    fn a_policy_adds_redaction_rules_and_says_them_again() {
        let text = "extends = \"home\"\n\n[[redaction.rule]]\nid = \"acme-key\"\ndescription = \"Key of ours\"\nkeywords = [\"acme_\"]\nexpression = 'acme_[0-9a-f]{12}'\nmatch = [\"acme_0f1e2d3c4b5a\"]\n";
        let policy = Policy::parse(text, "p.toml").unwrap();
        assert_eq!(policy.rules().len(), 1);
        assert_eq!(Policy::parse(&policy.to_toml(), "p.toml").unwrap(), policy);
        let redactor = crate::redaction::Redactor::builder().rules(RuleSet::builtin().merged(policy.rules())).build();
        assert_eq!(redactor.text("x acme_0f1e2d3c4b5a y"), "x [redacted:acme-key] y");
    }

    #[test]
    fn a_bad_redaction_rule_is_named_with_file_and_line() {
        let rule = |body: &str| {
            let text = format!("[ports]\naddresses = []\n[[redaction.rule]]\nid = \"a\"\ndescription = \"b\"\n{body}");
            Policy::parse(&text, "p.toml").unwrap_err().to_string()
        };
        assert!(rule("keywords = [\"abc\"]\nexpression = 'ab('").contains("p.toml:3: the expression does not compile"));
        let failed = rule("keywords = [\"abc\"]\nexpression = 'abc[0-9]{4}'\nmatch = [\"abc12\"]");
        assert!(failed.contains("p.toml:3: the rule a must match"), "{failed}");
        assert!(rule("keyword = []").contains("line 6"));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_place() {
        let error = Policy::parse("[ports]\nadresses = []\n", "p.toml").unwrap_err().to_string();
        assert!(error.contains("p.toml") && error.contains("line 2") && error.contains("mean `addresses`"), "{error}");
        let section = Policy::parse("[image]\n", "p.toml").unwrap_err().to_string();
        assert!(section.contains("did you mean `images`"), "{section}");
        let word = Policy::parse("[capabilities]\nadd = [\"NET_ADMN\"]\n", "p.toml").unwrap_err().to_string();
        assert!(word.contains("did you mean `NET_ADMIN`"), "{word}");
        let all = Policy::parse("[capabilities]\nadd = [\"ALL\"]\n", "p.toml").unwrap_err().to_string();
        assert!(all.contains("name each one, or write \"*\"") && !all.contains("KILL"), "{all}");
    }
}
