//! Networks: made, looked at, listed, removed, and held ready for a container.
//!
//! What joins a network is told its ID. It is removed by its name where an engine minds its users by that alone, and so
//! its owner label is checked before and after.

use std::sync::Arc;

use super::{Inner, Portreeve, Removed, retry};
use crate::backend::Backend;
use crate::error::{Conflict, Difference, Error, FaultKind, Refusal, Rule};
use crate::event::Level;
use crate::evidence::NetworkInfo;
use crate::grants::{Binding, Slot};
use crate::owner::ObjectKind;
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};
use crate::spec::{ContainerSpec, Name, NetworkSpec};

/// How often a network is made before that has failed: an engine that looks for free addresses stumbles over a bridge
/// that goes away meanwhile.
const TRIES: u32 = 3;

impl Portreeve {
    /// Makes a network of the driver `bridge` where there is none of this name, and gives the one that is there then.
    /// Containers on it find each other by their names.
    ///
    /// # Errors
    /// `Refused` by policy; `Conflict` where something that is not ours bears the name, or where the network of ours is
    /// otherwise than it is asked for.
    pub async fn ensure_network(&self, spec: &NetworkSpec) -> Result<NetworkInfo, Error> {
        let network = self.hold_network(spec).await?;
        // One that is there may be what a call left that never came to its end: it is its caller's now.
        self.inner.kept(ObjectKind::Network, &network.name, network.owner_label())?;
        Ok(network)
    }

    /// The same, and nobody was handed it yet.
    pub(super) async fn hold_network(&self, spec: &NetworkSpec) -> Result<NetworkInfo, Error> {
        spec.check()?;
        let (inner, name) = (&self.inner, spec.name.as_str());
        let allowed = inner.policy.check_own_network(name).map_err(|refusal| refusal.slot("network.name"));
        allowed.map_err(|refusal| inner.refused(Call::NetworkEnsure, name, refusal.into()))?;
        let (backend, _) = inner.chosen().await?;
        let turn = inner.turn(ObjectKind::Network, name).await?;
        let (here, on, spec) = (Arc::clone(inner), Arc::clone(backend), spec.clone());
        let work = async move { here.ensure_network(&on, &spec).await };
        let (here, on) = (Arc::clone(inner), Arc::clone(backend));
        let unwanted = async move |held: Option<(NetworkInfo, bool)>| here.unmake_network(&on, held).await;
        Ok(inner.ongoing.to_its_end(turn, work, unwanted).await?.0)
    }

    /// Whether there is a network of ours of this very name, on any engine.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn network_exists(&self, name: &str) -> Result<bool, Error> {
        Ok(matches!(self.inner.find_network(Call::NetworkInspect, name).await?, Found::Ours(..)))
    }

    /// Lists the networks of this install, on every engine that answers.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn networks(&self) -> Result<Vec<NetworkInfo>, Error> {
        let (mut all, mut problems, mut answered) = (Vec::<NetworkInfo>::new(), Vec::new(), false);
        for backend in &self.inner.backends {
            match self.inner.networks_on(backend).await {
                Ok(networks) => {
                    answered = true;
                    // Two backends may drive one engine.
                    let fresh = |found: &NetworkInfo| !all.iter().any(|known| known.id == found.id);
                    let fresh = networks.into_iter().filter(fresh).collect::<Vec<_>>();
                    all.extend(fresh);
                }
                Err(error @ (Error::State(_) | Error::Refused(_) | Error::Fault(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        if answered { Ok(all) } else { Err(Error::NoEngine(problems)) }
    }

    /// Looks at a network of ours.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours.
    pub async fn inspect_network(&self, name: &str) -> Result<NetworkInfo, Error> {
        Ok(self.inner.own_network(Call::NetworkInspect, name).await?.1)
    }

    /// Removes a network of ours that no container is on. With `force` one that is not there is no error; one that is
    /// in use is, always: nothing is ever cut off from it.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours, `InUse` where a container is on it.
    pub async fn remove_network(&self, name: &str, force: bool) -> Result<Removed, Error> {
        // Between look and removal no other call of this install makes one of this name again.
        let _hold = self.inner.hold().await?;
        match self.inner.own_network(Call::NetworkRemove, name).await {
            Ok((backend, network)) => self.inner.remove_network(&backend, &network).await,
            Err(Error::NotFound { .. }) if force => Ok(Removed::Absent),
            Err(error) => Err(error),
        }
    }
}

/// What a name stands for.
enum Found {
    Ours(Arc<Backend>, Box<NetworkInfo>),
    Foreign(Arc<Backend>),
    Nothing,
}

impl Inner {
    /// The network of a spec: there already, or made now; and whether it was made.
    async fn ensure_network(&self, backend: &Arc<Backend>, spec: &NetworkSpec) -> Result<(NetworkInfo, bool), Error> {
        match self.looker(backend, Call::NetworkEnsure)?.look_at_network(spec.name.as_str()).await? {
            Some(found) => Ok((as_asked(self.our_network(found)?, spec)?, false)),
            None => {
                let tell = |_, _, error: &Error| self.say(Level::Detail, || format!("trying again: {error}"));
                retry::persevere(TRIES, || self.make_network(backend, spec), tell).await
            }
        }
    }

    async fn make_network(&self, backend: &Arc<Backend>, spec: &NetworkSpec) -> Result<(NetworkInfo, bool), Error> {
        let name = spec.name.as_str();
        self.say(Level::Info, || format!("making the network {name}"));
        let label = self.owner_label(ObjectKind::Network, name)?;
        let owner = label.to_string();
        let scope = Scope::of_network_ensure(spec).with_host(Slot::OwnerLabel, Binding::scalar(&owner));
        let broker = self.broker(backend, scope, &self.redactor)?;
        let claimed = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.ensure_network(spec).await;
        if self.services.dry_run {
            return match claimed {
                Err(error @ (Error::Refused(_) | Error::Fault(_))) => Err(error),
                _ => Ok((NetworkInfo::imagined(backend.name(), spec), false)),
            };
        }
        claimed?;
        let seen = broker.look_at_network(name).await?;
        let seen =
            seen.ok_or_else(|| broker.fault(FaultKind::Untrue, "it says that it made a network, and there is none"))?;
        // Somebody may have been quicker: a guest may take a name that is taken for no failure.
        let network = as_asked(self.our_network(seen)?, spec)?;
        let made = network.owner_label() == Some(&owner);
        if made {
            let noted = self.services.labels.note(&label, &network.id);
            noted.map_err(|source| Error::io("the label of a network", source))?;
        }
        Ok((network, made))
    }

    /// A network that was made for nobody is taken away again.
    async fn unmake_network(&self, backend: &Arc<Backend>, held: Option<(NetworkInfo, bool)>) {
        let Some((network, true)) = held else { return };
        if let Err(error) = self.remove_network(backend, &network).await {
            self.say(Level::Warning, || format!("the network {} could not be removed again: {error}", network.name));
        }
    }

    /// A name that something else bears is not touched.
    fn our_network(&self, found: NetworkInfo) -> Result<NetworkInfo, Error> {
        if found.is_ours(self.state.key(), self.state.install()) {
            return Ok(found);
        }
        Err(Error::Conflict(Conflict { kind: "network", name: found.name, differs: Vec::new() }))
    }

    /// A network of ours by its very name, on the first engine that has one.
    async fn own_network(&self, call: Call, name: &str) -> Result<(Arc<Backend>, NetworkInfo), Error> {
        match self.find_network(call, name).await? {
            Found::Ours(backend, network) => Ok((backend, *network)),
            Found::Nothing => Err(Error::NotFound { kind: "network", name: name.to_owned() }),
            Found::Foreign(backend) => {
                let refusal = Refusal::new(Rule::NotOurs, "this install did not make the network of this name");
                let remedy = "what others made is left to the engine's own client";
                let refusal = refusal.slot("network.name").value(name).remedy(remedy);
                Err(self.refused_on(Some(&backend), call, name, refusal.into()))
            }
        }
    }

    async fn find_network(&self, call: Call, name: &str) -> Result<Found, Error> {
        let _well_formed: Name = name.parse()?;
        let (mut problems, mut found) = (Vec::new(), None);
        for backend in &self.backends {
            match self.looker(backend, call)?.look_at_network(name).await {
                Ok(Some(network)) if network.is_ours(self.state.key(), self.state.install()) => {
                    return Ok(Found::Ours(Arc::clone(backend), Box::new(network)));
                }
                Ok(Some(_)) => found = Some(Found::Foreign(Arc::clone(backend))),
                Ok(None) => found = found.or(Some(Found::Nothing)),
                Err(error @ (Error::State(_) | Error::Refused(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        found.ok_or(Error::NoEngine(problems))
    }

    pub(super) async fn networks_on(&self, backend: &Arc<Backend>) -> Result<Vec<NetworkInfo>, Error> {
        backend.checked_endpoint().map_err(|why| Error::Unavailable(why.to_owned()))?;
        let broker = self.looker(backend, Call::NetworkList)?;
        let claimed = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.list_networks().await?;
        let names = broker.look_at_network_list().await?;
        // Between the two looks one may have come or gone; what the host saw is what the caller gets.
        if claimed.len() != names.len() {
            self.say(Level::Detail, || {
                format!("{} told of {} networks, and there are {}", backend.name(), claimed.len(), names.len())
            });
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let seen = broker.look_at_networks(&names).await?;
        Ok(seen.into_iter().filter(|found| found.is_ours(self.state.key(), self.state.install())).collect())
    }

    /// Removes a network that was just seen to be ours, and looks again.
    pub(super) async fn remove_network(&self, backend: &Arc<Backend>, network: &NetworkInfo) -> Result<Removed, Error> {
        self.check_unused(backend, network).await?;
        let name = network.name.as_str();
        let scope = Scope::of_network(Call::NetworkRemove, name, Some(&network.id));
        let broker = self.broker(backend, scope, &self.redactor)?;
        Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.remove_network(name).await?;
        if self.services.dry_run {
            return Ok(Removed::LeftOut);
        }
        match broker.look_at_network(name).await? {
            Some(seen) if seen.is_still(network) => {
                let why = "it says that it removed a network that is still there";
                Err(broker.fault(FaultKind::Untrue, why).into())
            }
            _ => {
                if let Some(label) = network.minted_label() {
                    self.services.labels.forget(&label, &network.id);
                }
                Ok(Removed::Removed)
            }
        }
    }

    /// Some engines take a network away from containers that do not run, and these can never be started again.
    async fn check_unused(&self, backend: &Arc<Backend>, network: &NetworkInfo) -> Result<(), Error> {
        let looker = self.looker(backend, Call::List)?;
        let ids = looker.look_at_list().await?;
        let seen = looker.look_at_containers(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let users = seen.iter().filter(|container| container.networks.contains(&network.name));
        let users = users.map(|container| container.name.as_str()).collect::<Vec<_>>();
        if users.is_empty() {
            return Ok(());
        }
        Err(Error::InUse(format!("the network {} is used by {}", network.name, users.join(", "))))
    }

    /// The named networks that a container is to join, in their order: there, and ours.
    pub(super) async fn joined_networks(
        &self,
        backend: &Arc<Backend>,
        spec: &ContainerSpec,
    ) -> Result<Vec<NetworkInfo>, Error> {
        let names: Vec<&str> = spec.named_networks().map(Name::as_str).collect();
        check_joins(backend, spec)?;
        let mut seen = self.looker(backend, Call::NetworkInspect)?.look_at_networks(&names).await?;
        let mut joined = Vec::new();
        for name in names {
            let found = seen.iter().position(|seen| seen.name == name).map(|at| seen.swap_remove(at));
            joined.push(self.joined_network(backend, name, found)?);
        }
        Ok(joined)
    }

    fn joined_network(&self, backend: &Backend, name: &str, found: Option<NetworkInfo>) -> Result<NetworkInfo, Error> {
        match found {
            Some(found) => self.our_network(found),
            // What a dry run did not make has no ID yet: zeros stand for it.
            None if self.services.dry_run => {
                Ok(NetworkInfo::imagined(backend.name(), &NetworkSpec::new(name.parse()?)))
            }
            None => Err(Error::NotFound { kind: "network", name: name.to_owned() }),
        }
    }

    /// After a container was created: its networks are still those that were checked.
    pub(super) async fn check_networks_again(
        &self,
        backend: &Arc<Backend>,
        networks: &[NetworkInfo],
    ) -> Result<(), Error> {
        let names: Vec<&str> = networks.iter().map(|network| network.name.as_str()).collect();
        let seen = self.looker(backend, Call::Create)?.look_at_networks(&names).await?;
        let is_gone = |network: &&NetworkInfo| !seen.iter().any(|seen| network.is_still(seen));
        let Some(network) = networks.iter().find(is_gone) else { return Ok(()) };
        let why = "the network was exchanged while the container was created";
        let refusal = Refusal::new(Rule::NotOurs, why).slot("network.named").value(&network.name);
        Err(self.refused_on(Some(backend), Call::Create, &network.name, refusal.into()))
    }
}

/// A further network is joined by a command of its own.
fn check_joins(backend: &Backend, spec: &ContainerSpec) -> Result<(), Error> {
    let joins = backend.grants().commands().iter().any(|command| command.joins());
    match spec.further_networks.first() {
        Some(network) if !joins => Err(Error::Unsupported(format!(
            "the grants of {} have no command that joins a container to a further network, and {network} is one",
            backend.name()
        ))),
        _ => Ok(()),
    }
}

/// What is asked of a network must hold of the one that is there.
fn as_asked(network: NetworkInfo, spec: &NetworkSpec) -> Result<NetworkInfo, Error> {
    let label = |label: &crate::spec::Label| {
        let existing = network.labels.get(label.key()).map_or("nothing", String::as_str);
        difference(&format!("label {}", label.key()), existing, label.value())
    };
    let way_out = |internal: bool| if internal { "internal" } else { "with a way out" };
    let reach = difference("reach", way_out(network.internal), way_out(spec.internal));
    let differs: Vec<Difference> = reach.into_iter().chain(spec.labels.iter().filter_map(label)).collect();
    if differs.is_empty() {
        return Ok(network);
    }
    Err(Error::Conflict(Conflict { kind: "network", name: network.name, differs }))
}

fn difference(field: &str, existing: &str, asked: &str) -> Option<Difference> {
    (existing != asked).then(|| Difference {
        field: field.to_owned(),
        existing: existing.to_owned(),
        asked: asked.to_owned(),
    })
}
