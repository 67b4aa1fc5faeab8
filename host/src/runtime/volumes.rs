//! Volumes: made, looked at, listed, removed, and held ready for a container.
//!
//! A volume has no ID: it is addressed by its name, and its owner label is checked before and after.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::create::Created;
use super::{Inner, Portreeve, Removed};
use crate::backend::Backend;
use crate::error::{Conflict, Difference, Error, FaultKind, Refusal, Rule};
use crate::event::Level;
use crate::evidence::VolumeInfo;
use crate::grants::{Binding, Slot};
use crate::owner::ObjectKind;
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};
use crate::spec::{ContainerSpec, Label, Name};
use crate::state::Hold;

/// How often, and for how long, a hold of another process of this install is waited for.
const TRIES: u32 = 3000;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The volumes of a container that is to be created: there, and ours.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    all: Vec<VolumeInfo>,
    /// Those of them that were made for it.
    made: Vec<VolumeInfo>,
}

impl Portreeve {
    /// Makes a volume of the driver `local` where there is none of this name, and gives the one that is there then.
    ///
    /// # Errors
    /// `Refused` by policy; `Conflict` where something that is not ours bears the name, or where the volume of ours has
    /// not the labels that are asked for.
    pub async fn ensure_volume(&self, name: &str, labels: &[Label]) -> Result<VolumeInfo, Error> {
        let volume = self.hold_volume(name, labels).await?;
        // One that is there may be what a call left that never came to its end: it is its caller's now.
        self.inner.kept(ObjectKind::Volume, &volume.name, volume.owner_label())?;
        Ok(volume)
    }

    /// The same, and nobody was handed it yet.
    pub(super) async fn hold_volume(&self, name: &str, labels: &[Label]) -> Result<VolumeInfo, Error> {
        let name: Name = name.parse()?;
        let inner = &self.inner;
        let allowed = inner.policy.check_volume(name.as_str());
        allowed.map_err(|refusal| inner.refused(Call::VolumeEnsure, name.as_str(), refusal.into()))?;
        let (backend, _) = inner.chosen().await?;
        let turn = inner.turn(ObjectKind::Volume, name.as_str()).await?;
        let (here, on, labels) = (Arc::clone(inner), Arc::clone(backend), labels.to_vec());
        let work = async move { here.ensure_volume(&on, name.as_str(), &labels).await };
        let (here, on) = (Arc::clone(inner), Arc::clone(backend));
        let unwanted = async move |held: Option<(VolumeInfo, bool)>| {
            let made = held.filter(|(_, made)| *made).map(|(volume, _)| volume);
            here.unmake(&on, &Volumes { all: Vec::new(), made: made.into_iter().collect() }).await;
        };
        Ok(inner.ongoing.to_its_end(turn, work, unwanted).await?.0)
    }

    /// Whether there is a volume of ours of this very name, on any engine.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn volume_exists(&self, name: &str) -> Result<bool, Error> {
        Ok(matches!(self.inner.find_volume(Call::VolumeInspect, name).await?, Found::Ours(..)))
    }

    /// Lists the volumes of this install, on every engine that answers.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn volumes(&self) -> Result<Vec<VolumeInfo>, Error> {
        let (mut all, mut problems, mut answered) = (Vec::new(), Vec::new(), false);
        for backend in &self.inner.backends {
            match self.inner.volumes_on(backend).await {
                Ok(volumes) => {
                    answered = true;
                    // Two backends may drive one engine; a label is of one volume alone.
                    let fresh = |found: &VolumeInfo| {
                        !all.iter().any(|known: &VolumeInfo| known.owner_label() == found.owner_label())
                    };
                    let fresh = volumes.into_iter().filter(fresh).collect::<Vec<_>>();
                    all.extend(fresh);
                }
                Err(error @ (Error::State(_) | Error::Refused(_) | Error::Fault(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        if answered { Ok(all) } else { Err(Error::NoEngine(problems)) }
    }

    /// Looks at a volume of ours.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours.
    pub async fn inspect_volume(&self, name: &str) -> Result<VolumeInfo, Error> {
        Ok(self.inner.own_volume(Call::VolumeInspect, name).await?.1)
    }

    /// Removes a volume of ours that no container uses. With `force` one that is not there is no error; one that is in
    /// use is, always: no container is ever removed with it.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours, `InUse` where a container uses it.
    pub async fn remove_volume(&self, name: &str, force: bool) -> Result<Removed, Error> {
        // An engine may take a name for the beginning of another, once its own volume is gone: one at a time.
        let _hold = self.inner.hold().await?;
        match self.inner.own_volume(Call::VolumeRemove, name).await {
            Ok((backend, volume)) => self.inner.remove_volume(&backend, &volume, force).await,
            Err(Error::NotFound { .. }) if force => Ok(Removed::Absent),
            Err(error) => Err(error),
        }
    }
}

/// What a name stands for.
enum Found {
    Ours(Arc<Backend>, Box<VolumeInfo>),
    Foreign(Arc<Backend>),
    Nothing,
}

impl Inner {
    /// The volume of a name: there already, or made now; and whether it was made.
    async fn ensure_volume(
        &self,
        backend: &Arc<Backend>,
        name: &str,
        labels: &[Label],
    ) -> Result<(VolumeInfo, bool), Error> {
        match self.looker(backend, Call::VolumeEnsure)?.look_at_volume(name).await? {
            None if self.is_imagined(name) => Ok((VolumeInfo::imagined(backend.name(), name, BTreeMap::new()), false)),
            Some(found) => Ok((has_labels(self.ours(found)?, labels)?, false)),
            None => self.make_volume(backend, name, labels).await,
        }
    }

    /// Whether an earlier part of this dry run would have made it.
    fn is_imagined(&self, name: &str) -> bool {
        self.imagined_volumes.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    async fn make_volume(
        &self,
        backend: &Arc<Backend>,
        name: &str,
        labels: &[Label],
    ) -> Result<(VolumeInfo, bool), Error> {
        self.say(Level::Info, || format!("making the volume {name}"));
        let owner = self.owner_label(ObjectKind::Volume, name)?.to_string();
        let scope =
            Scope::of_volume(Call::VolumeEnsure, name, labels).with_host(Slot::OwnerLabel, Binding::scalar(&owner));
        let broker = self.broker(backend, scope, &self.redactor)?;
        let claimed = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.ensure_volume(name, labels).await;
        if self.services.dry_run {
            self.imagined_volumes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
            let labels = labels.iter().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
            return match claimed {
                Err(error @ (Error::Refused(_) | Error::Fault(_))) => Err(error),
                _ => Ok((VolumeInfo::imagined(backend.name(), name, labels), false)),
            };
        }
        claimed?;
        let seen = broker.look_at_volume(name).await?;
        let seen =
            seen.ok_or_else(|| broker.fault(FaultKind::Untrue, "it says that it made a volume, and there is none"))?;
        // Somebody may have been quicker: an engine that finds the name taken may say nothing of it.
        let volume = has_labels(self.ours(seen)?, labels)?;
        let made = volume.owner_label() == Some(&owner);
        Ok((volume, made))
    }

    /// A name that something else bears is not touched.
    fn ours(&self, found: VolumeInfo) -> Result<VolumeInfo, Error> {
        if found.is_ours(self.state.key(), self.state.install()) {
            return Ok(found);
        }
        Err(Error::Conflict(Conflict { kind: "volume", name: found.name, differs: Vec::new() }))
    }

    /// A volume of ours by its very name, on the first engine that has one.
    async fn own_volume(&self, call: Call, name: &str) -> Result<(Arc<Backend>, VolumeInfo), Error> {
        match self.find_volume(call, name).await? {
            Found::Ours(backend, volume) => Ok((backend, *volume)),
            Found::Nothing => Err(Error::NotFound { kind: "volume", name: name.to_owned() }),
            Found::Foreign(backend) => {
                let refusal = Refusal::new(Rule::NotOurs, "this install did not make the volume of this name");
                let remedy = "what others made is left to the engine's own client";
                let refusal = refusal.slot("volume.name").value(name).remedy(remedy);
                Err(self.refused_on(Some(&backend), call, name, refusal.into()))
            }
        }
    }

    async fn find_volume(&self, call: Call, name: &str) -> Result<Found, Error> {
        let _well_formed: Name = name.parse()?;
        let (mut problems, mut found) = (Vec::new(), None);
        for backend in &self.backends {
            match self.looker(backend, call)?.look_at_volume(name).await {
                Ok(Some(volume)) if volume.is_ours(self.state.key(), self.state.install()) => {
                    return Ok(Found::Ours(Arc::clone(backend), Box::new(volume)));
                }
                Ok(Some(_)) => found = Some(Found::Foreign(Arc::clone(backend))),
                Ok(None) => found = found.or(Some(Found::Nothing)),
                Err(error @ (Error::State(_) | Error::Refused(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        found.ok_or(Error::NoEngine(problems))
    }

    async fn volumes_on(&self, backend: &Arc<Backend>) -> Result<Vec<VolumeInfo>, Error> {
        backend.checked_endpoint().map_err(|why| Error::Unavailable(why.to_owned()))?;
        let broker = self.looker(backend, Call::VolumeList)?;
        let claimed = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.list_volumes().await?;
        let names = broker.look_at_volume_list().await?;
        // Between the two looks one may have come or gone; what the host saw is what the caller gets.
        if claimed.len() != names.len() {
            self.say(Level::Detail, || {
                format!("{} told of {} volumes, and there are {}", backend.name(), claimed.len(), names.len())
            });
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let seen = broker.look_at_volumes(&names).await?;
        Ok(seen.into_iter().filter(|found| found.is_ours(self.state.key(), self.state.install())).collect())
    }

    /// Removes a volume that was just seen to be ours, and looks again.
    pub(super) async fn remove_volume(
        &self,
        backend: &Arc<Backend>,
        volume: &VolumeInfo,
        force: bool,
    ) -> Result<Removed, Error> {
        let scope = Scope::of_volume(Call::VolumeRemove, &volume.name, &[]);
        let broker = self.broker(backend, scope, &self.redactor)?;
        Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.remove_volume(&volume.name, force).await?;
        if self.services.dry_run {
            return Ok(Removed::LeftOut);
        }
        match broker.look_at_volume(&volume.name).await? {
            Some(seen) if seen.is_still(volume) => {
                let why = "it says that it removed a volume that is still there";
                Err(broker.fault(FaultKind::Untrue, why).into())
            }
            _ => Ok(Removed::Removed),
        }
    }

    /// The volumes of a spec that are there. Those that are not ours end a call before anything is done.
    pub(super) async fn check_volumes(&self, backend: &Arc<Backend>, spec: &ContainerSpec) -> Result<Volumes, Error> {
        let names: Vec<&str> = spec.volumes().map(Name::as_str).collect();
        let seen = self.looker(backend, Call::VolumeInspect)?.look_at_volumes(&names).await?;
        let all = seen.into_iter().map(|found| self.ours(found)).collect::<Result<_, _>>()?;
        Ok(Volumes { all, made: Vec::new() })
    }

    /// The volumes of a container that is to be created; those that are not there are made.
    pub(super) async fn ready_volumes(&self, backend: &Arc<Backend>, spec: &ContainerSpec) -> Result<Volumes, Error> {
        let mut volumes = Volumes::default();
        for name in spec.volumes() {
            match self.ensure_volume(backend, name.as_str(), &[]).await {
                Ok((volume, made)) => volumes.add(volume, made),
                Err(error) => {
                    self.unmake(backend, &volumes).await;
                    return Err(error);
                }
            }
        }
        Ok(volumes)
    }

    /// After a container was created: its volumes are still those that were checked.
    pub(super) async fn check_volumes_again(&self, backend: &Arc<Backend>, volumes: &Volumes) -> Result<(), Error> {
        let names: Vec<&str> = volumes.all.iter().map(|volume| volume.name.as_str()).collect();
        let seen = self.looker(backend, Call::Create)?.look_at_volumes(&names).await?;
        match volumes.all.iter().find(|volume| !seen.iter().any(|seen| volume.is_still(seen))) {
            None => Ok(()),
            Some(volume) => {
                let why = "the volume was exchanged while the container was created";
                let refusal = Refusal::new(Rule::NotOurs, why).slot("mount.volume").value(&volume.name);
                Err(self.refused_on(Some(backend), Call::Create, &volume.name, refusal.into()))
            }
        }
    }

    /// Volumes that were made for a container which did not come to be are taken away again.
    pub(super) async fn unmake(&self, backend: &Arc<Backend>, volumes: &Volumes) {
        for volume in volumes.made.iter().filter(|_| !self.services.dry_run) {
            if let Err(error) = self.unmake_one(backend, volume).await {
                self.say(Level::Warning, || format!("the volume {} could not be removed again: {error}", volume.name));
            }
        }
    }

    async fn unmake_one(&self, backend: &Arc<Backend>, volume: &VolumeInfo) -> Result<(), Error> {
        let _hold = self.hold().await?;
        match self.looker(backend, Call::VolumeRemove)?.look_at_volume(&volume.name).await? {
            Some(seen) if seen.is_still(volume) => self.remove_volume(backend, volume, true).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Waits until no other process of this install holds it.
    pub(super) async fn hold(&self) -> Result<Hold, Error> {
        for _ in 0..TRIES {
            if let Some(hold) = self.state.try_hold()? {
                return Ok(hold);
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Err(Error::Unavailable("another process of this install goes on removing a volume".to_owned()))
    }
}

impl Inner {
    /// A container that is its caller's from here on, and its volumes: also where they are what a call left that never
    /// came to its end.
    pub(super) fn kept_created(&self, created: &Created) -> Result<(), Error> {
        self.kept_volumes(created)?;
        self.kept_container(ObjectKind::Container, &created.container)
    }

    /// The volumes alone: of a container that is removed when it ends.
    pub(super) fn kept_volumes(&self, created: &Created) -> Result<(), Error> {
        let mut all = created.volumes.all.iter();
        all.try_for_each(|volume| self.kept(ObjectKind::Volume, &volume.name, volume.owner_label()))
    }
}

impl Volumes {
    fn add(&mut self, volume: VolumeInfo, made: bool) {
        self.made.extend(made.then(|| volume.clone()));
        self.all.push(volume);
    }
}

/// What is asked of a volume's labels must hold of the one that is there.
fn has_labels(volume: VolumeInfo, labels: &[Label]) -> Result<VolumeInfo, Error> {
    let differs: Vec<Difference> = labels.iter().filter_map(|label| difference(&volume, label)).collect();
    if differs.is_empty() {
        return Ok(volume);
    }
    Err(Error::Conflict(Conflict { kind: "volume", name: volume.name, differs }))
}

fn difference(volume: &VolumeInfo, label: &Label) -> Option<Difference> {
    let existing = volume.labels.get(label.key()).map_or("nothing", String::as_str);
    (volume.labels.get(label.key()).map(String::as_str) != Some(label.value())).then(|| Difference {
        field: format!("label {}", label.key()),
        existing: existing.to_owned(),
        asked: label.value().to_owned(),
    })
}
