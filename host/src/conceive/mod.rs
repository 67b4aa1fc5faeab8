//! Could any request, in any call, have led to these values of a command's slots?
//!
//! The grammar of a template says what a value may look like; this says whether anybody could ever have had it: whether
//! a call opens the command, whether the caller's facts are those of one well-formed request that a policy lets
//! through, and whether the host's facts are such as the host makes. Pure.

mod request;

use std::path::PathBuf;

use crate::grants::{Bindings, Command, Effect, Grants, Object, Slot};
use crate::limits::{NOFILE_CEILING, NPROC_CEILING};
use crate::owner::OwnerLabel;
use crate::policy::Policy;
use crate::reference::Reference;
use crate::scope::{Call, for_engine};
use crate::spec::{EnvName, ExecSpec, Secret, SecretDelivery, SecretValue, Signal, SpecError};
use crate::state::{Area, InstallId, from_hex};

/// Within what a request is looked for.
pub(crate) struct Bounds<'a> {
    /// What callers may ask for.
    pub(crate) policy: &'a Policy,
    /// What no container gets to see here.
    pub(crate) protected: &'a [PathBuf],
    /// The install, where it is known.
    pub(crate) install: Option<&'a str>,
}

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
        self.check_queries()?;
        if (self.command.effect(), self.command.object()) == (Effect::Create, Object::Container) {
            return request::check(self.found, bounds);
        }
        self.check_image(bounds.policy)?;
        self.check_exec()?;
        self.check_exchange()?;
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
        let is_seal = |text: &str| from_hex::<32>(text.as_bytes()).is_some();
        self.require(Slot::SpecSeal, is_seal, "the host's seal is 64 hexadecimal digits")?;
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

    /// The host looks at one name, or at any number of IDs; at volumes and networks by their names.
    fn check_queries(&self) -> Result<(), Objection> {
        if self.command.template().has(Slot::Query) && self.found.get(Slot::Query).is_empty() {
            return Err(Objection::new(Slot::Query, "", "the host looks at something"));
        }
        if matches!(self.command.object(), Object::Volume | Object::Network) {
            return Ok(());
        }
        let names: Vec<&str> = self.found.get(Slot::Query).iter().filter_map(|query| query.field("name")).collect();
        let odd = names.iter().find(|name| from_hex::<32>(name.as_bytes()).is_none()).filter(|_| names.len() > 1);
        odd.map_or(Ok(()), |name| Err(Objection::new(Slot::Query, *name, "the host looks at one name at a time")))
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
        policy.check_image(&image).map_err(|refusal| refused(refusal.to_string()))?;
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
        let plain = texts(Slot::EnvPlain, "name").zip(texts(Slot::EnvPlain, "value"));
        let env = plain.map(|(name, value)| format!("{name}={value}").parse());
        let env = env.collect::<Result<_, _>>().map_err(|error: SpecError| Objection {
            slot: Some(Slot::EnvPlain),
            value: error.value.clone(),
            why: error.to_string(),
        })?;
        let names = texts(Slot::EnvSecret, "name").map(|name| name.parse());
        let names = names.collect::<Result<Vec<EnvName>, _>>().map_err(|error: SpecError| Objection {
            slot: Some(Slot::EnvSecret),
            value: error.value.clone(),
            why: error.to_string(),
        })?;
        let secret = |name| Secret { name, value: SecretValue::new(*b""), delivery: SecretDelivery::Environment };
        let secrets = names.into_iter().map(secret).collect();
        let spec = ExecSpec { words: texts(Slot::Word, "word").collect(), env, secrets, ..ExecSpec::default() };
        spec.check().map_err(|error| Objection { slot: None, value: error.value.clone(), why: error.to_string() })
    }

    /// The host makes a folder for each copy, below its state.
    fn check_exchange(&self) -> Result<(), Objection> {
        let is_exchange = |path: &str| {
            let mut parts = path.rsplit('/').skip(1);
            let folder = parts.next().is_some_and(|name| from_hex::<16>(name.as_bytes()).is_some());
            folder && parts.next() == Some(Area::Exchange.name())
        };
        match self.command.object() {
            Object::Image => {
                let why = "the host gives its own copy of an archive a name of its own";
                return self.require(Slot::ExchangeFile, is_archive, why);
            }
            Object::Engine => {
                let why = "the host writes units that are judged into a folder of its own";
                return self.require(Slot::ExchangeFile, is_unit, why);
            }
            _ => {}
        }
        let why = "the host makes a folder of its own for each copy";
        self.require(Slot::ExchangeFile, is_exchange, why)?;
        self.require(Slot::ExchangeNew, is_exchange, why)
    }

    fn check_signal(&self) -> Result<(), Objection> {
        let as_the_host_spells = |text: &str| text.parse::<Signal>().is_ok_and(|signal| signal.as_str() == text);
        self.require(Slot::Signal, as_the_host_spells, "the host spells a signal SIG… or as a number")
    }
}

/// `…/archives/0123456789abcdef.tar`.
fn is_archive(text: &str) -> bool {
    let name = text.rsplit_once("/archives/").and_then(|(_, name)| name.strip_suffix(".tar"));
    name.is_some_and(|name| from_hex::<8>(name.as_bytes()).is_some())
}

/// `…/unit-check-0123456789abcdef/NAME`.
fn is_unit(text: &str) -> bool {
    let folder = text.rsplit('/').nth(1).and_then(|name| name.strip_prefix("unit-check-"));
    folder.is_some_and(|digits| from_hex::<8>(digits.as_bytes()).is_some())
}

fn is_install(text: &str) -> bool {
    from_hex::<{ InstallId::LENGTH / 2 }>(text.as_bytes()).is_some()
}
