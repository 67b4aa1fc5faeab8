//! The operator's ceilings on callers. Pure: paths come here resolved.
//!
//! Without a file the `home` profile holds. A file starts from deny-all unless it says `extends = "home"`.

mod file;
mod open;
mod protected;

pub(crate) use open::not_text;
pub use protected::{Ancestor, ResolvedMount};
pub(crate) use protected::{BELOW_HOME, SYSTEM, below_home, is_view};
use protected::{protected_by_name, relation};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use file::Places;

use crate::error::{Refusal, Rule};
use crate::evidence::chain::Level;
use crate::redaction::{RawRule, RuleSet};
use crate::reference::Reference;
use crate::spec::{ContainerSpec, Gpus, Name, NetworkMode, PodSpec, Port, SecretDelivery};

/// How much must be shown of an image before a container is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// The engine's word is enough.
    Claimed,
    /// The host hashed the manifest that names the image.
    Manifest,
    /// The host hashed every layer too, as the engine exports it.
    Content,
}

impl Demand {
    /// As a policy file spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Manifest => "manifest",
            Self::Content => "content",
        }
    }

    /// What a report must reach.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Claimed => Level::Claimed,
            Self::Manifest => Level::Manifest,
            Self::Content => Level::Content,
        }
    }
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

/// The most bytes of one copy, where no policy file says otherwise.
const COPIES: u64 = 1 << 30;

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
    /// Networks: `none`, `bridge`, `host`, names, or `own` for every one of this install.
    pub(crate) networks: Names,
    /// Capabilities that may be added, without `CAP_`.
    pub(crate) capabilities: Names,
    /// User namespaces that may be asked for.
    pub(crate) user_namespaces: Names,
    /// Volumes that may be made and mounted, by name; never but our own.
    pub(crate) volumes: Names,
    /// Secrets that are too short or too common to be masked.
    pub(crate) unmaskable: Stance,
    /// The most bytes that one copy into or out of a container may have.
    pub(crate) copies: u64,
    /// Where each key stands in the file.
    pub(crate) places: Places,
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
            capabilities: Names::none(),
            user_namespaces: names(&["auto", "nomap", "private"]),
            networks: names(&["none", "bridge", "own"]),
            volumes: Names::Any,
            copies: COPIES,
            unmaskable: Stance::Refuse,
            rules: Rules::default(),
            places: Places::default(),
        }
    }

    /// All that any policy file could allow: for asking what none could.
    pub(crate) fn anything() -> Self {
        Self {
            origin: "any policy".to_owned(),
            tags: Stance::Allow,
            demand: Demand::Claimed,
            addresses: Names::Any,
            networks: Names::Any,
            capabilities: Names::Any,
            user_namespaces: Names::Any,
            unmaskable: Stance::Allow,
            copies: u64::MAX,
            ..Self::home()
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
            capabilities: Names::none(),
            user_namespaces: Names::none(),
            volumes: Names::none(),
            copies: 0,
            unmaskable: Stance::Refuse,
            places: Places::default(),
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

    /// The most bytes that one copy into or out of a container may have.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.copies
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
            let refusal = self.refused("images", "registries", &image.name(), "this registry is not allowed");
            return Err(refusal.slot("image.reference"));
        }
        let loose = || format!("{image} is named by a tag, which can move; pin it by its digest");
        match self.tags {
            _ if image.is_pinned() => Ok(None),
            Stance::Allow => Ok(None),
            Stance::Warn => Ok(Some(loose())),
            Stance::Refuse => {
                let refusal = self.refused("images", "tags", &image.to_string(), &loose());
                Err(refusal.slot("image.reference"))
            }
        }
    }

    /// Whether a container may be asked for. Its mounts are checked by [`Policy::check_mount`], resolved.
    ///
    /// # Errors
    /// A refusal that names the line which would allow it.
    pub fn check_container(&self, spec: &ContainerSpec) -> Result<(), Refusal> {
        spec.ports.iter().try_for_each(|port| self.check_port(port))?;
        self.check_network(spec)?;
        self.check_rights(spec)?;
        self.check_secrets(spec)?;
        spec.volumes().try_for_each(|volume| self.check_volume(volume.as_str()))?;
        if spec.gpus != Gpus::None && !self.gpus {
            return Err(self.refused("gpus", "allow", &spec.gpus.to_string(), "GPUs are not allowed").slot("gpu"));
        }
        Ok(())
    }

    fn check_port(&self, port: &Port) -> Result<(), Refusal> {
        let address = port.address.to_string();
        let loopback = port.address.is_loopback() && self.addresses.allow("loopback");
        if loopback || self.addresses.allow(&address) || self.addresses.allow("any") {
            return Ok(());
        }
        let (word, place) = match port.address.is_unspecified() {
            true => ("any", "every address of this machine"),
            false => (address.as_str(), "this address"),
        };
        let refusal = self.refused("ports", "addresses", word, &format!("ports may not be published on {place}"));
        Err(refusal.value(&address).slot("port"))
    }

    /// Whether a pod may be asked for.
    ///
    /// # Errors
    /// A refusal that names the line which would allow it.
    pub fn check_pod(&self, spec: &PodSpec) -> Result<(), Refusal> {
        spec.ports.iter().try_for_each(|port| self.check_port(port))?;
        self.check_mode(spec.network.as_ref())
    }

    /// That of a pod was checked when the pod was made.
    fn check_network(&self, spec: &ContainerSpec) -> Result<(), Refusal> {
        if spec.pod.is_some() {
            return Ok(());
        }
        self.check_mode(spec.network.as_ref())?;
        let further =
            |name: &Name| self.check_own_network(name.as_str()).map_err(|refusal| refusal.slot("network.also"));
        spec.further_networks.iter().try_for_each(further)
    }

    fn check_mode(&self, mode: Option<&NetworkMode>) -> Result<(), Refusal> {
        let Some(mode) = mode else {
            let engines_own = self.networks.allow("bridge");
            return if engines_own {
                Ok(())
            } else {
                Err(self.refused(
                    "networks",
                    "allow",
                    "bridge",
                    "the engine's own network is not allowed; ask for another",
                ))
            };
        };
        if let NetworkMode::Named(name) = mode {
            return self.check_own_network(name.as_str()).map_err(|refusal| refusal.slot("network.named"));
        }
        if self.networks.allow(&mode.to_string()) {
            return Ok(());
        }
        let why = match mode {
            NetworkMode::Host => "the host's network is not allowed",
            _ => "this network is not allowed",
        };
        Err(self.refused("networks", "allow", &mode.to_string(), why).slot(&format!("network.{mode}")))
    }

    /// What would give a container more of the host than a container has.
    fn check_rights(&self, spec: &ContainerSpec) -> Result<(), Refusal> {
        if let Some(name) = spec.cap_add.iter().find(|name| !self.capabilities.allow(name)) {
            let why = "this capability may not be added";
            return Err(self.refused("capabilities", "add", name, why).slot("cap.add"));
        }
        match spec.user_namespace.map(|mode| mode.as_str()).filter(|mode| !self.user_namespaces.allow(mode)) {
            None => Ok(()),
            Some(mode) => {
                let why = "this user namespace is not allowed";
                Err(self.refused("namespaces", "user", mode, why).slot("userns"))
            }
        }
    }

    /// Whether a network of this name may be made and joined. One that is not ours never is, whatever stands here.
    ///
    /// # Errors
    /// A refusal that names the line which would allow it.
    pub fn check_own_network(&self, name: &str) -> Result<(), Refusal> {
        if self.networks.allow("own") || self.networks.allow(name) {
            return Ok(());
        }
        Err(self.refused("networks", "allow", name, "this network is not allowed"))
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
        self.check_root(&mount.path)?;
        mount.check(protected)
    }

    fn check_root(&self, path: &Path) -> Result<(), Refusal> {
        if self.roots.allow_below(&path.to_string_lossy()) {
            return Ok(());
        }
        let why = "this folder lies below none of the allowed roots";
        Err(self.refused("mounts", "roots", &path.to_string_lossy(), why))
    }

    /// What of [`check_mount`](Self::check_mount) can be told from the resolved path alone, without looking.
    pub(crate) fn check_mount_name(&self, path: &Path, protected: &[PathBuf]) -> Result<(), Refusal> {
        self.check_root(path)?;
        let mut protected = self.protected.iter().chain(protected);
        let why = protected_by_name(path).or_else(|| protected.find_map(|one| relation(path, one)));
        why.map_or(Ok(()), |why| Err(Refusal::new(Rule::Policy, format!("this can't be mounted: {why}"))))
    }

    /// Whether a volume of this name may be made and mounted. One that is not ours never is, whatever stands here.
    ///
    /// # Errors
    /// A refusal that names the line which would allow it.
    pub fn check_volume(&self, name: &str) -> Result<(), Refusal> {
        if self.volumes.allow(name) {
            return Ok(());
        }
        Err(self.refused("volumes", "allow", name, "this volume is not allowed").slot("volume.name"))
    }

    /// A refusal with the narrowest change of the file that would allow it, and where that would be.
    fn refused(&self, section: &str, key: &str, value: &str, why: &str) -> Refusal {
        let change = match (section, key) {
            ("gpus", _) => "say allow = true under [gpus]".to_owned(),
            (_, "tags") => "say tags = \"warn\" under [images]".to_owned(),
            _ => format!("add \"{}\" to {key} under [{section}]", value.escape_debug()),
        };
        let file = self
            .places
            .of(section, key)
            .map_or_else(|| "a policy file".to_owned(), |line| format!("{}{line}", self.origin));
        Refusal::new(Rule::Policy, why).value(value).remedy(format!("{file} would {change}"))
    }
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
        insta::assert_snapshot!(refusal, @r#"ports may not be published on every address of this machine [policy: slot port, value 0.0.0.0]; a policy file would add "any" to addresses under [ports]"#);
    }

    #[test]
    fn home_refuses_the_hosts_network_and_says_which_line() {
        let mut web = spec();
        web.network = Some(NetworkMode::Host);
        let refusal = Policy::home().check_container(&web).unwrap_err();
        insta::assert_snapshot!(refusal, @r#"the host's network is not allowed [policy: slot network.host, value host]; a policy file would add "host" to allow under [networks]"#);
    }

    #[test]
    fn capabilities_and_user_namespaces_are_the_policys_to_allow() {
        let mut web = spec();
        web.cap_add = vec!["NET_ADMIN".to_owned()];
        let refusal = Policy::home().check_container(&web).unwrap_err();
        insta::assert_snapshot!(refusal, @r#"this capability may not be added [policy: slot cap.add, value NET_ADMIN]; a policy file would add "NET_ADMIN" to add under [capabilities]"#);
        let file = "extends = \"home\"\n[capabilities]\nadd = [\"NET_ADMIN\"]\n[namespaces]\nuser = [\"host\"]\n";
        let policy = Policy::parse(file, "p.toml").unwrap();
        assert!(policy.check_container(&web).is_ok());
        web.cap_add.push("SYS_ADMIN".to_owned());
        assert!(policy.check_container(&web).is_err());
        let mut web = spec();
        for (mode, home, file) in
            [("auto", true, false), ("private", true, false), ("host", false, true), ("keep-id", false, false)]
        {
            web.user_namespace = Some(mode.parse().unwrap());
            let allows = [Policy::home(), policy.clone()].map(|policy| policy.check_container(&web).is_ok());
            assert_eq!(allows, [home, file], "{mode}");
        }
    }

    #[test]
    fn own_stands_for_every_network_of_this_install() {
        let mut web = spec();
        web.network = Some(NetworkMode::Named("back".parse().unwrap()));
        assert!(Policy::home().check_container(&web).is_ok() && Policy::home().check_own_network("back").is_ok());
        let only =
            |allow: &str| Policy::parse(&format!("extends = \"home\"\n[networks]\nallow = [{allow}]\n"), "p").unwrap();
        assert!(only("\"back\"").check_container(&web).is_ok());
        for other in ["", "\"front\"", "\"bridge\", \"host\""] {
            assert!(only(other).check_container(&web).is_err() && only(other).check_own_network("back").is_err());
        }
        web.network = Some(NetworkMode::Host);
        assert!(only("\"own\"").check_container(&web).is_err());
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
    fn a_refusal_names_the_line_of_the_file() {
        let mut web = spec();
        web.network = Some(NetworkMode::Host);
        let remedy =
            |file: &str| Policy::parse(file, "p.toml").unwrap().check_container(&web).unwrap_err().remedy.unwrap();
        let said = remedy("extends = \"home\"\n\n[networks]\n# ours\nallow = [\"none\"]\n");
        assert_eq!(said, "p.toml:5 would add \"host\" to allow under [networks]");
        let section = remedy("extends = \"home\"\n[networks]\n");
        assert_eq!(section, "p.toml:2 would add \"host\" to allow under [networks]");
        assert_eq!(remedy("extends = \"home\"\n"), "p.toml would add \"host\" to allow under [networks]");
        assert!(
            Policy::home().check_container(&web).unwrap_err().remedy.unwrap().starts_with("a policy file would add")
        );
    }

    #[test]
    fn nothing_is_allowed_unless_said() {
        assert!(Policy::deny_all().check_image(&"example.org/app:1".parse().unwrap()).is_err());
        assert!(Policy::deny_all().check_container(&spec()).is_err());
    }
}
