//! What a caller may ask for: as the policy has it, within the host's limits, and without a secret in a command line.

use super::Inner;
use super::mounts::Checked;
use crate::backend::Backend;
use crate::error::{Error, Refusal, Rule};
use crate::grants::Slot;
use crate::limits::HostLimits;
use crate::redaction::Redactor;
use crate::scope::{Call, Scope};
use crate::spec::{ContainerSpec, Ulimit};

impl Inner {
    /// What the policy lets a caller ask for; its mounts resolved, its secrets known to a redactor.
    pub(super) fn admit(&self, backend: &Backend, spec: &mut ContainerSpec) -> Result<(Vec<Checked>, Redactor), Error> {
        spec.check()?;
        let redactor = self.redactor_of(spec);
        // One that can't be masked is refused as such, where the policy has no other objection.
        redactor.as_ref().map_or(Ok(()), |redactor| self.holds_no_secret(backend, spec, redactor))?;
        let name = spec.name.to_string();
        let admitted = || {
            self.policy.check_container(spec)?;
            Ok((self.check_mounts(spec)?, redactor?))
        };
        admitted().map_err(|error| self.refused_on(Some(backend), Call::Create, &name, error))
    }

    /// None of its secrets stands in what is asked for: it would be in command lines, and in what is told of it, before the
    /// container is made.
    fn holds_no_secret(&self, backend: &Backend, spec: &ContainerSpec, redactor: &Redactor) -> Result<(), Error> {
        let Some((slot, secret)) = secret_in(spec, redactor) else { return Ok(()) };
        let refusal = Refusal::new(Rule::SecretInArgv, format!("the secret {secret} would stand in a command line"))
            .slot(slot.name())
            .remedy("pass it with --secret, and nowhere else");
        Err(self.refused_on(Some(backend), Call::Create, &redactor.text(spec.name.as_str()), refusal.into()))
    }

    /// An engine that takes its limits from ours can't raise them, and fails at the start of a container.
    pub(super) fn check_limits(&self, backend: &Backend, spec: &ContainerSpec) -> Result<(), Error> {
        let limits = HostLimits::read();
        let bounds = [("nofile", Slot::LimitNofile, limits.nofile), ("nproc", Slot::LimitNproc, limits.nproc)];
        let bound = |slot| backend.grants().commands().iter().any(|command| command.template().has(slot));
        let over = bounds.into_iter().filter(|(_, slot, _)| bound(*slot)).find_map(|(name, _, limit)| {
            let asked = spec.ulimits.iter().find(|asked| asked.name == name)?;
            let fits = limit.allows(asked.soft) && limit.allows(asked.hard);
            limit.hard.filter(|_| !fits).map(|hard| (asked, hard))
        });
        over.map_or(Ok(()), |(asked, hard)| {
            Err(self.refused_on(Some(backend), Call::Create, spec.name.as_str(), above(asked, hard).into()))
        })
    }
}

/// The slot that a secret of a spec stands in, and its name.
fn secret_in<'r>(spec: &ContainerSpec, redactor: &'r Redactor) -> Option<(Slot, &'r str)> {
    if spec.secrets.is_empty() {
        return None;
    }
    let find = |text: &str| redactor.find_secret(text.as_bytes());
    let scope = Scope::of_create(spec, &[]);
    let in_facts = Slot::ALL.iter().find_map(|slot| {
        let facts = scope.caller().get(*slot).iter();
        facts.flat_map(|fact| fact.iter().collect::<Vec<_>>()).find_map(|(_, text)| Some((*slot, find(text)?)))
    });
    let network = || spec.named_networks().find_map(|name| Some((Slot::NetworkNamed, find(name.as_str())?)));
    in_facts.or_else(network).or_else(|| Some((Slot::ImageReference, find(&spec.image.to_string())?)))
}

fn above(asked: &Ulimit, hard: u64) -> Refusal {
    let Ulimit { name, soft, hard: wanted } = asked;
    Refusal::new(Rule::Policy, format!("this process limit is above the host's own hard limit, {hard}"))
        .slot(Slot::Ulimit.name())
        .value(&format!("{name}={soft}:{wanted}"))
        .remedy(format!("ask for at most {name}={hard}, or raise the hard limit of the user that runs this host"))
}
