//! The operator's ceilings on callers. Pure: paths come here resolved.
//!
//! Without a file the `home` profile holds. A file starts from deny-all unless it says `extends = "home"`.

mod file;
mod protected;

pub use protected::{Ancestor, ResolvedMount};
pub(crate) use protected::{BELOW_HOME, SYSTEM};

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::error::{Refusal, Rule};
use crate::redaction::{RawRule, RuleSet};
use crate::reference::Reference;
use crate::spec::{ContainerSpec, Gpus, MountSource, NetworkMode, Port, SecretDelivery};

/// How much must be shown of an image before a container is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// The engine's word is enough.
    Claimed,
    /// The host hashed the manifest that names the image.
    Manifest,
}

/// What a policy makes of something that it could forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stance {
    /// It is allowed.
    Allow,
    /// It is allowed, and said aloud.
    Warn,
    /// It is refused.
    Refuse,
}

/// A set of names, or all there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// Every name.
    Any,
    /// These.
    Only(BTreeSet<String>),
}

impl Names {
    fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether a name, or one of its parents up to a `/`, is among them.
    fn allow_below(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.iter().any(|known| {
                name.strip_prefix(known.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
        }
    }

    fn allow(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// What callers may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `home`, or the file that it came from.
    pub(crate) origin: String,
    /// Registries, or `registry/repository` prefixes.
    pub(crate) registries: Names,
    /// References without a digest.
    pub(crate) tags: Stance,
    /// What must be shown of an image.
    pub(crate) demand: Demand,
    /// Addresses that ports may be published on; `loopback` stands for all loopback addresses.
    pub(crate) addresses: Names,
    /// Folders below which mount sources may lie.
    pub(crate) roots: Names,
    /// Paths that no mount source may be, lie under or contain, beside those that are always protected.
    pub(crate) protected: Vec<PathBuf>,
    /// Whether GPUs may be asked for.
    pub(crate) gpus: bool,
    /// Networks: `none`, `bridge`, `host`, or names.
    pub(crate) networks: Names,
    /// Secrets that are too short or too common to be masked.
    pub(crate) unmaskable: Stance,
    /// Redaction rules beside the built-in ones.
    pub(crate) rules: Rules,
}

/// Redaction rules, as the file says them and ready to be used.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) raw: Vec<RawRule>,
    pub(crate) set: RuleSet,
}

impl Default for Rules {
    fn default() -> Self {
        Self { raw: Vec::new(), set: RuleSet::none() }
    }
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Rules {}

impl Policy {
    /// What holds where there is no policy file.
    #[must_use]
    pub fn home() -> Self {
        let names = |names: &[&str]| Names::Only(names.iter().map(ToString::to_string).collect());
        Self {
            origin: "home".to_owned(),
            registries: Names::Any,
            tags: Stance::Warn,
            demand: Demand::Manifest,
            addresses: names(&["loopback"]),
            roots: Names::Any,
            protected: Vec::new(),
            gpus: true,
            networks: names(&["none", "bridge"]),
            unmaskable: Stance::Refuse,
            rules: Rules::default(),
        }
    }

    /// Nothing is allowed.
    #[must_use]
    pub fn deny_all() -> Self {
        Self {
            origin: "deny-all".to_owned(),
            registries: Names::none(),
            tags: Stance::Refuse,
            demand: Demand::Manifest,
            addresses: Names::none(),
            roots: Names::none(),
            protected: Vec::new(),
            gpus: false,
            networks: Names::none(),
            unmaskable: Stance::Refuse,
            rules: Rules::default(),
        }
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether secrets that can't be masked are let through, unmasked.
    #[must_use]
    pub fn is_lenient_on_secrets(&self) -> bool {
        self.unmaskable != Stance::Refuse
    }

    /// The operator's own redaction rules; one with the name of a built-in rule takes its place.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    /// What must be shown of an image.
    #[must_use]
    pub fn demand(&self) -> Demand {
        self.demand
    }

    /// Whether an image may be pulled and run; a warning where it may, with a word.
    ///
    /// # Errors
    /// A refusal that names the line which would allow it.
    pub fn check_image(&self, image: &Reference) -> Result<Option<String>, Refusal> {
        if !self.registries.allow_below(&image.name()) {
            return Err(refused("images", "registries", &image.name(), "this registry is not allowed"));
        }
        let loose = || format!("{image} is named by a tag, which can move; pin it by its digest");
        match self.tags {
            _ if image.is_pinned() => Ok(None),
            Stance::Allow => Ok(None),
            Stance::Warn => Ok(Some(loose())),
            Stance::Refuse => Err(refused("images", "tags", &image.to_string(), &loose())),
        }
    }

    /// Whether a container may be asked for. Its mounts are checked by [`Policy::check_mount`], resolved.
    ///
    /// # Errors
    /// A refusal that names the line which would allow it.
    pub fn check_container(&self, spec: &ContainerSpec) -> Result<(), Refusal> {
        spec.ports.iter().try_for_each(|port| self.check_port(port))?;
        self.check_network(spec)?;
        self.check_secrets(spec)?;
        if spec.gpus != Gpus::None && !self.gpus {
            return Err(refused("gpus", "allow", &format!("{:?}", spec.gpus), "GPUs are not allowed"));
        }
        Ok(())
    }

    fn check_port(&self, port: &Port) -> Result<(), Refusal> {
        let loopback = port.address.is_loopback() && self.addresses.allow("loopback");
        let text = if port.address.is_unspecified() { "any".to_owned() } else { port.address.to_string() };
        if loopback || self.addresses.allow(&text) || self.addresses.allow("any") {
            return Ok(());
        }
        let why = if unspecified(port.address) { "every address of this machine" } else { "this address" };
        Err(refused("ports", "addresses", &text, &format!("ports may not be published on {why}")))
    }

    fn check_network(&self, spec: &ContainerSpec) -> Result<(), Refusal> {
        let Some(mode) = &spec.network else {
            let engines_own = self.networks.allow("bridge");
            return if engines_own {
                Ok(())
            } else {
                Err(refused("networks", "allow", "bridge", "the engine's own network is not allowed; ask for another"))
            };
        };
        if self.networks.allow(&mode.to_string()) {
            return Ok(());
        }
        let why = match mode {
            NetworkMode::Host => "the host's network is not allowed",
            _ => "this network is not allowed",
        };
        Err(refused("networks", "allow", &mode.to_string(), why))
    }

    /// A secret can't travel in the client's environment under a name that the client reads.
    fn check_secrets(&self, spec: &ContainerSpec) -> Result<(), Refusal> {
        let reads = |secret: &&crate::spec::Secret| {
            secret.delivery == SecretDelivery::Environment && secret.name.is_read_by_clients()
        };
        match spec.secrets.iter().find(reads) {
            None => Ok(()),
            Some(secret) => Err(Refusal::new(Rule::Secret, "an engine's client reads a variable of this name itself")
                .value(secret.name.as_str())
                .remedy(format!("hand it over as a file: --secret {},as=file", secret.name))),
        }
    }

    /// Whether a folder or file of the host may be mounted.
    ///
    /// # Errors
    /// A refusal that names what protects it, or the line which would allow it.
    pub fn check_mount(&self, mount: &ResolvedMount, protected: &[Ancestor]) -> Result<(), Refusal> {
        if !self.roots.allow_below(&mount.path.to_string_lossy()) {
            let why = "this folder lies below none of the allowed roots";
            return Err(refused("mounts", "roots", &mount.path.to_string_lossy(), why));
        }
        mount.check(protected)
    }

    /// Whether a volume may be mounted.
    ///
    /// # Errors
    /// Never, yet: volumes that are not ours are refused by their owner label.
    pub fn check_source(&self, source: &MountSource) -> Result<(), Refusal> {
        match source {
            MountSource::Path(_) | MountSource::Volume(_) => Ok(()),
        }
    }
}

fn unspecified(address: IpAddr) -> bool {
    address.is_unspecified()
}

fn refused(section: &str, key: &str, value: &str, why: &str) -> Refusal {
    let remedy = match (section, key) {
        ("gpus", _) => "a policy file would say allow = true under [gpus]".to_owned(),
        (_, "tags") => "a policy file would say tags = \"warn\" under [images]".to_owned(),
        _ => format!("a policy file would add \"{}\" to {key} under [{section}]", value.escape_debug()),
    };
    Refusal::new(Rule::Policy, why).value(value).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ContainerSpec {
        ContainerSpec::new("example.org/app:1".parse().unwrap(), "web".parse().unwrap())
    }

    #[test]
    fn home_publishes_on_loopback_alone() {
        let mut web = spec();
        web.ports = vec!["8080:80".parse().unwrap(), "[::1]:8081:80".parse().unwrap()];
        assert!(Policy::home().check_container(&web).is_ok());
        web.ports = vec!["0.0.0.0:8080:80".parse().unwrap()];
        let refusal = Policy::home().check_container(&web).unwrap_err();
        insta::assert_snapshot!(refusal, @r#"ports may not be published on every address of this machine [policy: value any]; a policy file would add "any" to addresses under [ports]"#);
    }

    #[test]
    fn home_refuses_the_hosts_network_and_says_which_line() {
        let mut web = spec();
        web.network = Some(NetworkMode::Host);
        let refusal = Policy::home().check_container(&web).unwrap_err();
        insta::assert_snapshot!(refusal, @r#"the host's network is not allowed [policy: value host]; a policy file would add "host" to allow under [networks]"#);
    }

    #[test]
    fn a_tag_is_warned_of() {
        assert!(Policy::home().check_image(&"example.org/app:1".parse().unwrap()).unwrap().is_some());
    }

    #[test]
    fn a_registry_is_allowed_whole_or_below_a_repository() {
        let mut policy = Policy::home();
        policy.registries = Names::Only(["example.org/team".to_owned()].into());
        assert!(policy.check_image(&"example.org/team/app:1".parse().unwrap()).is_ok());
        for other in ["example.org/team2/app:1", "example.org/app:1", "example.com/team/app:1"] {
            assert!(policy.check_image(&other.parse().unwrap()).is_err(), "{other}");
        }
    }

    #[test]
    fn nothing_is_allowed_unless_said() {
        assert!(Policy::deny_all().check_image(&"example.org/app:1".parse().unwrap()).is_err());
        assert!(Policy::deny_all().check_container(&spec()).is_err());
    }
}
