//! Could any request, in any call, have led to these values of a command's slots?
//!
//! The grammar of a template says what a value may look like; this says whether anybody could ever have had it: whether
//! a call opens the command, whether the caller's facts are those of one well-formed request that a policy lets
//! through, and whether the host's facts are such as the host makes. Pure.

mod request;

use std::path::{Path, PathBuf};

use crate::grants::{Bindings, Command, Effect, Grants, Object, Slot};
use crate::limits::{NOFILE_CEILING, NPROC_CEILING};
use crate::owner::{ObjectKind, OwnerLabel, SpecSeal};
use crate::policy::Policy;
use crate::reference::Reference;
use crate::scope::{Call, LOOKED_AT_TOGETHER, for_engine};
use crate::spec::{EnvName, ExecSpec, Secret, SecretDelivery, SecretValue, Signal, SpecError};
use crate::state::{Area, InstallId, InstallKey, from_hex};

/// Within what a request is looked for.
pub(crate) struct Bounds<'a> {
    /// What callers may ask for.
    pub(crate) policy: &'a Policy,
    /// What no container gets to see here.
    pub(crate) protected: &'a [PathBuf],
    /// The install, where it is known.
    pub(crate) install: Option<&'a str>,
    /// What it has, where that is at hand.
    pub(crate) own: Option<&'a Own>,
    /// Whether a folder may be the one in memory that the host's user has while logged in.
    pub(crate) is_login: &'a dyn Fn(&str) -> bool,
}

/// What an install has of its own.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    /// The key that its labels are made with.
    pub(crate) key: InstallKey,
    /// The state directory.
    pub(crate) folder: PathBuf,
}

impl Bounds<'_> {
    /// Whether a folder may be the state directory; where the install is not known, any but one of the system's.
    fn is_state(&self, folder: &Path) -> bool {
        let system = || NO_STATE.iter().any(|system| folder.starts_with(system)) || folder == Path::new("/");
        self.own.map_or_else(|| !system(), |own| folder == own.folder)
    }

    /// Whether the folder may be the one that secrets lie in as files.
    fn keeps_secrets(&self, folder: &str) -> bool {
        let of_user = folder.strip_prefix("/dev/shm/portreeve-").filter(|user| !user.is_empty());
        (self.is_login)(folder) || of_user.is_some_and(|user| user.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

/// Folders that no state directory lies in.
const NO_STATE: &[&str] = &["/bin", "/boot", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr"];

/// A value that no request leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Objection {
    /// Its slot; none where it is the command as a whole.
    pub(crate) slot: Option<Slot>,
    /// The value.
    pub(crate) value: String,
    /// Why not.
    pub(crate) why: String,
}

impl Objection {
    fn new(slot: Slot, value: impl Into<String>, why: impl Into<String>) -> Self {
        Self { slot: Some(slot), value: value.into(), why: why.into() }
    }
}

/// The values as one reads them from a command line, for one command of the grants.
pub(crate) struct Candidate<'a> {
    pub(crate) grants: &'a Grants,
    pub(crate) command: &'a Command,
    pub(crate) found: &'a Bindings,
}

impl Candidate<'_> {
    /// Whether some request within the bounds leads to these values.
    pub(crate) fn check(&self, bounds: &Bounds<'_>) -> Result<(), Objection> {
        self.check_open()?;
        self.check_host_facts(bounds.install)?;
        self.check_owner(bounds.own)?;
        self.check_queries()?;
        if (self.command.effect(), self.command.object()) == (Effect::Create, Object::Container) {
            return request::check(self.command, self.found, bounds);
        }
        self.check_image(bounds.policy)?;
        self.check_join(bounds.policy)?;
        self.check_exec()?;
        self.check_exchange(bounds)?;
        self.check_signal()
    }

    /// Some call opens the command to a backend, or it is one that the host looks with.
    fn check_open(&self) -> Result<(), Objection> {
        let (effect, object) = (self.command.effect(), self.command.object());
        let in_a_call = Call::ALL.iter().any(|call| call.allowance(effect, object).is_some());
        let as_evidence = self.grants.evidence().commands().any(|name| name == self.command.name());
        if (in_a_call && self.command.is_for_backends()) || as_evidence {
            return Ok(());
        }
        let why = format!("no call opens `{} {}`", effect.as_str(), object.as_str());
        Err(Objection { slot: None, value: String::new(), why })
    }

    fn scalar(&self, slot: Slot) -> Option<&str> {
        self.found.get(slot).first().and_then(|value| value.field(""))
    }

    fn require(&self, slot: Slot, holds: impl Fn(&str) -> bool, why: &str) -> Result<(), Objection> {
        let wrong = self.scalar(slot).filter(|value| !holds(value));
        wrong.map_or(Ok(()), |value| Err(Objection::new(slot, value, why)))
    }

    fn check_host_facts(&self, known: Option<&str>) -> Result<(), Objection> {
        self.require(Slot::InstallId, is_install, "the host calls an install by 16 hexadecimal digits")?;
        let is_known = |install: &str| known.is_none_or(|known| known == install);
        self.require(Slot::InstallId, is_known, "this is another install")?;
        let install = known.or(self.scalar(Slot::InstallId));
        let ours = |label: &OwnerLabel| install.is_none_or(|install| label.install() == install);
        let is_owner = |text: &str| OwnerLabel::parse(text).is_ok_and(|label| ours(&label));
        self.require(Slot::OwnerLabel, is_owner, "the host's label is install:nonce:mac, of this install")?;
        let is_seal = |text: &str| SpecSeal::parse(text).is_some();
        self.require(Slot::SpecSeal, is_seal, "the host's seal is 64 hexadecimal digits, and marks of 12")?;
        self.check_limit(Slot::LimitNofile, "nofile", NOFILE_CEILING)?;
        self.check_limit(Slot::LimitNproc, "nproc", NPROC_CEILING)
    }

    /// The host gives its own limit where the caller asked for none, and nowhere else.
    fn check_limit(&self, slot: Slot, name: &str, most: u64) -> Result<(), Objection> {
        if !self.command.template().has(slot) {
            return Ok(());
        }
        let asked = self.found.get(Slot::Ulimit).iter().any(|limit| limit.field("name") == Some(name));
        match self.scalar(slot) {
            None if asked => Ok(()),
            None => {
                Err(Objection::new(slot, "", format!("the host sets a limit of {name} unless the caller asks for one")))
            }
            Some(value) if asked => Err(Objection::new(slot, value, format!("the caller's own limit of {name} holds"))),
            Some(_) => {
                let within = |value: &str| value.parse::<u64>().is_ok_and(|value| value <= most);
                self.require(slot, within, "the host's own limits lie below this")
            }
        }
    }

    /// The host looks at any number of containers by their IDs, or at those that calls wait to look at; at volumes and
    /// networks by their names; at one of anything else.
    fn check_queries(&self) -> Result<(), Objection> {
        if self.command.template().has(Slot::Query) && self.found.get(Slot::Query).is_empty() {
            return Err(Objection::new(Slot::Query, "", "the host looks at something"));
        }
        if matches!(self.command.object(), Object::Volume | Object::Network) {
            return Ok(());
        }
        let names: Vec<&str> = self.found.get(Slot::Query).iter().filter_map(|query| query.field("name")).collect();
        let Some(odd) = names.iter().find(|name| from_hex::<32>(name.as_bytes()).is_none()) else { return Ok(()) };
        let why = match self.command.object() {
            _ if names.len() < 2 => return Ok(()),
            Object::Container if names.len() > LOOKED_AT_TOGETHER => "the host looks at fewer names at a time",
            Object::Container if names.is_sorted_by(|one, next| one < next) => return Ok(()),
            Object::Container => "the host looks at several names in order, at each once",
            _ => "the host looks at one name at a time",
        };
        Err(Objection::new(Slot::Query, *odd, why))
    }

    fn check_image(&self, policy: &Policy) -> Result<(), Objection> {
        let held = self.grants.evidence().held.as_ref();
        if held.is_some_and(|held| held.command == self.command.name()) {
            let is_id = |text: &str| from_hex::<32>(text.strip_prefix("sha256:").unwrap_or(text).as_bytes()).is_some();
            self.require(Slot::ImageQuery, is_id, "the host looks so at an image by its ID alone")?;
        }
        let Some(text) = self.scalar(Slot::ImageReference) else { return Ok(()) };
        let refused = |why: String| Objection::new(Slot::ImageReference, text, why);
        let image: Reference =
            text.parse().map_err(|error: crate::reference::ReferenceError| refused(error.to_string()))?;
        if for_engine(&image) != text {
            return Err(refused("the host names an image by its digest, or else by its tag".to_owned()));
        }
        // What is held already may be looked at, and removed, wherever it came from.
        if !matches!(self.command.effect(), Effect::Read | Effect::Remove) {
            policy.check_image(&image).map_err(|refusal| refused(refusal.to_string()))?;
        }
        self.check_loopback(&image)
    }

    /// A registry is asked without TLS if it is on this machine, and only then.
    fn check_loopback(&self, image: &Reference) -> Result<(), Objection> {
        let slot = Slot::RegistryLoopback;
        let said = !self.found.get(slot).is_empty();
        if !self.command.template().has(slot) || said == image.is_loopback_registry() {
            return Ok(());
        }
        let why = if said { "the registry is not on this machine" } else { "the registry is on this machine" };
        Err(Objection::new(slot, image.to_string(), why))
    }

    /// A container joins further networks of ours alone.
    fn check_join(&self, policy: &Policy) -> Result<(), Objection> {
        let Some(id) = self.scalar(Slot::NetworkAlso) else { return Ok(()) };
        policy.check_own_network(id).map_err(|refusal| Objection::new(Slot::NetworkAlso, id, refusal.to_string()))
    }

    /// A command in a container has words, and no variable of the host's own.
    fn check_exec(&self) -> Result<(), Objection> {
        if !self.command.template().has(Slot::ExecMark) {
            return Ok(());
        }
        let is_mark = |text: &str| from_hex::<16>(text.as_bytes()).is_some();
        self.require(Slot::ExecMark, is_mark, "the host's mark is 32 hexadecimal digits")?;
        let texts = |slot: Slot, field: &'static str| {
            self.found.get(slot).iter().map(move |value| value.field(field).unwrap_or_default().to_owned())
        };
        let wrong = |slot: Option<Slot>| {
            move |error: SpecError| Objection { slot, value: error.value.clone(), why: error.to_string() }
        };
        let plain = texts(Slot::EnvPlain, "name").zip(texts(Slot::EnvPlain, "value"));
        let env = plain.map(|(name, value)| format!("{name}={value}").parse());
        let env = env.collect::<Result<_, _>>().map_err(wrong(Some(Slot::EnvPlain)))?;
        let names = texts(Slot::EnvSecret, "name").map(|name| name.parse());
        let names = names.collect::<Result<Vec<EnvName>, _>>().map_err(wrong(Some(Slot::EnvSecret)))?;
        let workdir = self.scalar(Slot::Workdir).map(str::parse).transpose().map_err(wrong(Some(Slot::Workdir)))?;
        let secret = |name| Secret { name, value: SecretValue::new(*b""), delivery: SecretDelivery::Environment };
        let secrets = names.into_iter().map(secret).collect();
        let words = texts(Slot::Word, "word").collect();
        let spec = ExecSpec { words, env, secrets, workdir, ..ExecSpec::default() };
        spec.check().map_err(wrong(None))
    }

    /// With the key at hand, the label is one that it made for what is created.
    fn check_owner(&self, own: Option<&Own>) -> Result<(), Objection> {
        let Some(Own { key, .. }) = own else { return Ok(()) };
        // What holds a pod's network bears the label of a pod, of its own name.
        let holds = self.command.object() == Object::Container && self.scalar(Slot::PodName).is_some();
        let container = if holds { ObjectKind::Pod } else { ObjectKind::Container };
        let names = [
            (container, Slot::ContainerName),
            (ObjectKind::Volume, Slot::VolumeName),
            (ObjectKind::Network, Slot::NetworkName),
            (ObjectKind::Pod, Slot::PodName),
        ];
        let is_for = |label: &OwnerLabel, (kind, slot): (ObjectKind, Slot)| {
            self.scalar(slot).is_some_and(|name| label.check(key, &InstallId::of(key), kind, name).is_ok())
        };
        let is_own = |text: &str| OwnerLabel::parse(text).is_ok_and(|label| names.iter().any(|&at| is_for(&label, at)));
        self.require(Slot::OwnerLabel, is_own, "this install made no such label for what is created")
    }

    /// The host makes a folder for each copy, below its state.
    fn check_exchange(&self, bounds: &Bounds<'_>) -> Result<(), Objection> {
        let (is_theirs, why): (fn(&Path) -> Option<&Path>, _) = match self.command.object() {
            Object::Image => {
                (archived_in, "the host gives its own copy of an archive a name of its own, in its state directory")
            }
            Object::Engine => {
                (unit_in, "the host writes units that are judged into a folder of its own, in its state directory")
            }
            _ => (exchanged_in, "the host makes a folder of its own for each copy, in its state directory"),
        };
        let lies = |text: &str| is_theirs(Path::new(text)).is_some_and(|state| bounds.is_state(state));
        self.require(Slot::ExchangeFile, lies, why)?;
        self.require(Slot::ExchangeNew, lies, why)
    }

    fn check_signal(&self) -> Result<(), Objection> {
        let as_the_host_spells = |text: &str| text.parse::<Signal>().is_ok_and(|signal| signal.as_str() == text);
        self.require(Slot::Signal, as_the_host_spells, "the host spells a signal SIG… or as a number")
    }
}

/// The state directory of `…/archives/0123456789abcdef.tar`.
fn archived_in(path: &Path) -> Option<&Path> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".tar")?;
    from_hex::<8>(digits.as_bytes())?;
    path.parent()?.ends_with(Area::Archives.name()).then(|| path.ancestors().nth(2))?
}

/// The state directory of `…/unit-check-0123456789abcdef/NAME`.
fn unit_in(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    let digits = folder.file_name()?.to_str()?.strip_prefix("unit-check-")?;
    from_hex::<8>(digits.as_bytes())?;
    folder.parent()
}

/// The state directory of `…/exchange/0123456789abcdef0123456789abcdef/NAME`.
fn exchanged_in(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    from_hex::<16>(folder.file_name()?.as_encoded_bytes())?;
    folder.parent()?.ends_with(Area::Exchange.name()).then(|| folder.ancestors().nth(2))?
}

fn is_install(text: &str) -> bool {
    from_hex::<{ InstallId::LENGTH / 2 }>(text.as_bytes()).is_some()
}
