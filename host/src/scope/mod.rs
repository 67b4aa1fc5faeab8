//! The facts of one call: everything that a slot may name while it lasts.
//!
//! Pure. A fact is the caller's (from the spec), or the host's (an owner label, a verified image's ID). A backend names
//! facts of the caller's; it can neither add one nor change one, and what it may leave out the decision says.

mod call;
mod exec;
mod facts;

pub use call::Call;
pub use facts::LogOptions;
pub(crate) use facts::{LOOKED_AT_TOGETHER, SecretFile, for_engine, gpu_ids};

use std::collections::BTreeMap;
use std::time::Duration;

use crate::grants::{Binding, Bindings, Slot};
use crate::spec::{Cpus, SecretValue, words};

/// A value that a guest gave for a slot, free of the types of its interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// A flag that is there.
    Flag,
    /// A number.
    Number(u64),
    /// A text, or the name that stands for an object.
    Text(String),
    /// A record, by its fields.
    Fields(Vec<(&'static str, String)>),
    /// The words of a command.
    Words(Vec<String>),
}

/// A slot by the name that a guest gave, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) slot: String,
    pub(crate) given: Given,
}

/// What a guest asks for: an approved command by its name, and values for its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) command: String,
    pub(crate) arguments: Vec<Argument>,
}

/// The facts of one call.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    call: Call,
    /// The name of the call's object, for messages and the journal.
    subject: Option<String>,
    caller: Bindings,
    host: Bindings,
    secrets: BTreeMap<String, SecretValue>,
    /// Seconds of grace, where the call has one.
    grace: u32,
    /// The time that the caller gave the command.
    limit: Option<Duration>,
    /// The command is one of a terminal.
    terminal: bool,
    /// The networks that a container joins, by their names, and the IDs that are rendered: the first one, and further ones.
    networks: Vec<(String, String)>,
}

impl Scope {
    /// A call without any fact.
    pub(crate) fn new(call: Call) -> Self {
        Self {
            call,
            subject: None,
            caller: Bindings::default(),
            host: Bindings::default(),
            secrets: BTreeMap::new(),
            grace: 0,
            limit: None,
            networks: Vec::new(),
            terminal: false,
        }
    }

    /// The call.
    pub(crate) fn call(&self) -> Call {
        self.call
    }

    /// The same facts in another call: what a plan is decided as.
    pub(crate) fn with_call(mut self, call: Call) -> Self {
        self.call = call;
        self
    }

    /// The name of its object.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Seconds of grace.
    pub(crate) fn grace(&self) -> u32 {
        self.grace
    }

    /// The caller's facts.
    pub(crate) fn caller(&self) -> &Bindings {
        &self.caller
    }

    /// The host's facts.
    pub(crate) fn host(&self) -> &Bindings {
        &self.host
    }

    /// The value of a secret that travels in the environment.
    pub(crate) fn secret(&self, name: &str) -> Option<&SecretValue> {
        self.secrets.get(name)
    }

    /// Adds a fact of the host's.
    pub(crate) fn with_host(mut self, slot: Slot, binding: Binding) -> Self {
        self.host.insert(slot, binding);
        self
    }

    /// The facts that a guest names by this value, or none where it is no fact of the call.
    pub(crate) fn resolve(&self, slot: Slot, given: &Given) -> Option<Vec<Binding>> {
        match (slot, given) {
            (Slot::ContainerId | Slot::NetworkId | Slot::PodId, Given::Text(name)) => (self.subject.as_deref()
                == Some(name))
            .then(|| self.host.get(slot).to_vec())
            .filter(|found| !found.is_empty()),
            (Slot::NetworkNamed, Given::Text(name)) if !self.networks.is_empty() => joined(self.networks.first(), name),
            (Slot::NetworkAlso, Given::Text(name)) => joined(self.networks.iter().skip(1), name),
            (Slot::Word, Given::Words(words)) => self.words(words),
            (Slot::HealthCommand, Given::Words(given)) => self.said(slot, &words::to_json(given)),
            (Slot::HealthShell, Given::Words(given)) => self.said(slot, &words::to_shell(given)),
            _ => self.caller.get(slot).iter().find(|fact| names(slot, fact, given)).map(|fact| vec![fact.clone()]),
        }
    }

    /// Words that stand in one token are given whole and in order, too.
    fn said(&self, slot: Slot, text: &str) -> Option<Vec<Binding>> {
        Some(self.caller.get(slot).to_vec()).filter(|facts| facts.iter().any(|fact| is_text(fact, text)))
    }

    /// Words are given whole and in order, or not at all.
    fn words(&self, words: &[String]) -> Option<Vec<Binding>> {
        let facts = self.caller.get(Slot::Word);
        let same =
            facts.len() == words.len() && facts.iter().zip(words).all(|(fact, word)| fact.field("word") == Some(word));
        same.then(|| facts.to_vec())
    }
}

/// The ID of the network that a name means.
fn joined<'n>(networks: impl IntoIterator<Item = &'n (String, String)>, name: &str) -> Option<Vec<Binding>> {
    let meant = networks.into_iter().find(|(known, _)| known == name);
    meant.map(|(_, id)| vec![Binding::scalar(id)])
}

/// Whether a value names this fact.
fn names(slot: Slot, fact: &Binding, given: &Given) -> bool {
    match given {
        Given::Flag => *fact == Binding::flag(),
        Given::Text(text) => is_text(fact, text),
        Given::Number(number) if slot == Slot::Cpus => {
            Cpus::from_thousandths(*number).is_some_and(|cpus| is_text(fact, &cpus.to_string()))
        }
        Given::Number(number) => is_text(fact, &number.to_string()),
        Given::Fields(fields) => {
            !fields.is_empty() && fields.iter().all(|(name, value)| fact.field(name) == Some(value))
        }
        Given::Words(_) => false,
    }
}

/// A scalar, or a repeated slot of one field.
fn is_text(fact: &Binding, text: &str) -> bool {
    let mut fields = fact.iter();
    fields.next().is_some_and(|(_, value)| value == text) && fields.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ContainerSpec;

    fn scope() -> Scope {
        let mut spec = ContainerSpec::new("example.org/app:1".parse().unwrap(), "web".parse().unwrap());
        spec.words = vec!["a".into(), "-b".into()];
        spec.ports = vec!["8080:80".parse().unwrap()];
        spec.cpus = Some("1.5".parse().unwrap());
        Scope::of_create(&spec, &[])
    }

    #[test]
    fn a_fact_is_named_by_its_fields() {
        let port = |host: &str| {
            Given::Fields(vec![
                ("address", "127.0.0.1".into()),
                ("host", host.into()),
                ("container", "80".into()),
                ("protocol", "tcp".into()),
            ])
        };
        assert!(scope().resolve(Slot::Port, &port("8080")).is_some());
        assert!(scope().resolve(Slot::Port, &port("8081")).is_none());
        assert!(scope().resolve(Slot::Port, &Given::Fields(vec![])).is_none());
    }

    #[test]
    fn words_are_given_whole_and_in_order() {
        let words = |words: &[&str]| Given::Words(words.iter().map(ToString::to_string).collect());
        assert_eq!(scope().resolve(Slot::Word, &words(&["a", "-b"])).unwrap().len(), 2);
        for other in [&["a"][..], &["-b", "a"], &["a", "-b", "c"], &[]] {
            assert!(scope().resolve(Slot::Word, &words(other)).is_none());
        }
    }

    #[test]
    fn cores_are_given_in_thousandths() {
        assert!(scope().resolve(Slot::Cpus, &Given::Number(1500)).is_some());
        assert!(scope().resolve(Slot::Cpus, &Given::Number(15)).is_none());
    }

    #[test]
    fn a_network_is_named_and_its_id_is_meant() {
        let (id, text) = ("a".repeat(64), |text: &str| Given::Text(text.to_owned()));
        let scope = Scope::of_network(Call::NetworkRemove, "backend", Some(&id));
        assert!(scope.resolve(Slot::NetworkId, &text("backend")).is_some());
        assert!(scope.resolve(Slot::NetworkId, &text(&id)).is_none());
        assert!(
            Scope::of_network(Call::NetworkInspect, "backend", None)
                .resolve(Slot::NetworkId, &text("backend"))
                .is_none()
        );
        let other_id = "b".repeat(64);
        let joins = super::tests::scope().on_networks([("backend", id.as_str()), ("front", other_id.as_str())]);
        assert_eq!(joins.resolve(Slot::NetworkNamed, &text("backend")).unwrap(), [Binding::scalar(id.clone())]);
        assert_eq!(joins.resolve(Slot::NetworkAlso, &text("front")).unwrap(), [Binding::scalar(other_id)]);
        for other in ["front", &id, ""] {
            assert!(joins.resolve(Slot::NetworkNamed, &text(other)).is_none(), "{other}");
        }
        for other in ["backend", &id, ""] {
            assert!(joins.resolve(Slot::NetworkAlso, &text(other)).is_none(), "{other}");
        }
    }

    #[test]
    fn only_the_calls_container_has_an_id() {
        let scope = Scope::of_container(Call::Stop, "web", &"a".repeat(64));
        assert!(scope.resolve(Slot::ContainerId, &Given::Text("web".into())).is_some());
        for other in ["app", "we", "web-db", &"a".repeat(64)] {
            assert!(scope.resolve(Slot::ContainerId, &Given::Text(other.into())).is_none(), "{other}");
        }
    }
}
