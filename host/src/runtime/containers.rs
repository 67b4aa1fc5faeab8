//! Containers: run, looked at, listed, removed.

use std::sync::Arc;
use std::time::Duration;

use super::create::{Created, Role};
use super::mounts::mounted_as_checked;
use super::volumes::Volumes;
use super::{Inner, LogStream, Portreeve};
use crate::backend::Backend;
use crate::error::{Error, FaultKind, Refusal, Rule};
use crate::event::Level;
use crate::evidence::{ContainerInfo, ContainerState};
use crate::grants::Slot;
use crate::owner::ObjectKind;
use crate::scope::{Call, Scope};
use crate::spec::ContainerSpec;

/// How often, and how far apart, a container that another call removes is looked for.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What a removal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Removed {
    /// It is gone.
    Removed,
    /// It was left, for this is a dry run.
    LeftOut,
    /// There was none, and that was to be no error.
    Absent,
}

impl Portreeve {
    /// Creates a container and does not start it. The same name and spec again gives the one that is there.
    ///
    /// # Errors
    /// `Refused`, `Digest`, `Gpu`, `Conflict` where the name is taken by another spec or something foreign.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<ContainerInfo, Error> {
        let (backend, _) = self.inner.chosen().await?;
        let created = self.inner.create(backend, spec).await?;
        self.inner.kept_created(&created)?;
        Ok(created.container)
    }

    /// Creates a container where it is not there yet, starts it, and looks at it: running, or ended already.
    ///
    /// # Errors
    /// As [`Portreeve::create`]; `Engine` where it can't be started, and then what was created is removed again.
    pub async fn run(&self, spec: &ContainerSpec) -> Result<ContainerInfo, Error> {
        let inner = &self.inner;
        let (backend, _) = inner.chosen().await?;
        let created = inner.create(backend, spec).await?;
        if created.existed && created.container.state.is_alive() {
            inner.kept_created(&created)?;
            return Ok(created.container);
        }
        inner.say(Level::Info, || format!("starting {}", spec.name));
        let started = inner.start_created(backend, &created).await;
        if started.is_err() && !created.existed {
            inner.abandon(backend, spec.name.as_str()).await;
            inner.unmake(backend, &created.volumes).await;
        }
        let started = started?;
        inner.kept_created(&created)?;
        Ok(started)
    }

    /// Creates a container, starts it with its output attached, and gives the stream, which ends when it does.
    ///
    /// With `remove` in the spec the host removes it when the stream has been read to its end.
    ///
    /// # Errors
    /// As [`Portreeve::run`].
    pub async fn run_attached(&self, spec: &ContainerSpec) -> Result<LogStream, Error> {
        let inner = &self.inner;
        let (backend, _) = inner.chosen().await?;
        let created = inner.create_as(backend, spec, Role::Attached, None).await?;
        inner.say(Level::Info, || format!("running {}", spec.name));
        let scope = Scope::of_container(Call::RunToCompletion, spec.name.as_str(), &created.container.id);
        let scope = scope.attached(spec.stdin, spec.terminal);
        let broker = inner.broker(backend, scope, &created.redactor)?;
        inner.doings.note_started(&created.container.id);
        let running = match crate::sandbox::Guest::enter(&inner.sandbox, Arc::clone(&broker)).await {
            Ok(guest) => guest.run_to_completion(spec.name.as_str()).await,
            Err(error) => Err(error),
        };
        match running {
            Ok(running) => {
                // One that is to be removed at its end is nobody's before.
                if spec.remove {
                    inner.kept_volumes(&created)?
                } else {
                    inner.kept_created(&created)?
                }
                Ok(LogStream::attached(Arc::clone(&self.inner), broker, running, created, spec.remove))
            }
            Err(error) => {
                if !created.existed {
                    inner.abandon(backend, spec.name.as_str()).await;
                    inner.unmake(backend, &created.volumes).await;
                }
                Err(error)
            }
        }
    }

    /// The command line that would create a container: decided and rendered like the real one, and not run.
    ///
    /// # Errors
    /// As [`Portreeve::create`]; `Digest` where the image is not held and its manifest can't be had.
    pub async fn explain(&self, spec: &ContainerSpec) -> Result<Vec<String>, Error> {
        let (backend, _) = self.inner.chosen().await?;
        Ok(self.inner.explain(backend, spec).await?.argv)
    }

    /// Starts a container of ours.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours.
    pub async fn start(&self, name: &str) -> Result<ContainerInfo, Error> {
        let (backend, container) = self.inner.find(Call::Start, name).await?;
        let redactor = self.inner.redactor_of_container(&container);
        let (mounts, volumes) = (Vec::new(), Volumes::default());
        let created = Created { container, redactor, mounts, volumes, gpus: None, existed: true };
        let started = self.inner.start_created(&backend, &created).await?;
        self.inner.kept_container(ObjectKind::Container, &started)?;
        Ok(started)
    }

    /// Looks at a container of ours.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours.
    pub async fn inspect(&self, name: &str) -> Result<ContainerInfo, Error> {
        let (backend, container) = self.inner.find(Call::Inspect, name).await?;
        let scope = Scope::of_container(Call::Inspect, name, &container.id);
        let broker = self.inner.broker(&backend, scope, &self.inner.redactor_of_container(&container))?;
        let claimed =
            crate::sandbox::Guest::enter(&self.inner.sandbox, Arc::clone(&broker)).await?.inspect(name).await?;
        if crate::evidence::document::bare_id(&claimed.0) != container.id {
            return Err(broker
                .fault(FaultKind::Untrue, "it speaks of another container than the one that was asked about")
                .into());
        }
        Ok(self.inner.shown(container))
    }

    /// Lists the containers of this install, on every engine that answers.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn list(&self) -> Result<Vec<ContainerInfo>, Error> {
        let (mut all, mut problems, mut answered) = (Vec::<ContainerInfo>::new(), Vec::new(), false);
        for backend in &self.inner.backends {
            match self.inner.list_on(backend).await {
                Ok(containers) => {
                    answered = true;
                    // Two backends may drive one engine.
                    let fresh = |found: &ContainerInfo| !all.iter().any(|known| known.id == found.id);
                    let fresh = containers.into_iter().filter(fresh).collect::<Vec<_>>();
                    all.extend(fresh.into_iter().map(|container| self.inner.shown(container)));
                }
                Err(error @ (Error::State(_) | Error::Refused(_) | Error::Fault(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        if answered { Ok(all) } else { Err(Error::NoEngine(problems)) }
    }

    /// Removes a container of ours, and its unnamed volumes; a running one only by force. Named volumes stay.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours, `InUse` where it runs and is not to be ended.
    pub async fn remove(&self, name: &str, force: bool) -> Result<Removed, Error> {
        let (backend, container) = self.inner.find(Call::Remove, name).await?;
        if container.state.is_alive() && !force {
            let why = format!("{name} is {}; stop it first, or remove it by force (`rm -f`)", container.state.as_str());
            return Err(Error::InUse(why));
        }
        self.inner.remove_container(&backend, &container, force).await?;
        if self.inner.services.dry_run {
            return Ok(Removed::LeftOut);
        }
        let looker = self.inner.looker(&backend, Call::Remove)?;
        if looker.look_at_containers(&[&container.id]).await?.iter().any(|found| found.id == container.id) {
            return Err(looker
                .fault(FaultKind::Untrue, "it says that it removed a container that is still there")
                .into());
        }
        self.inner.remove_secret_files(name);
        Ok(Removed::Removed)
    }
}

/// What a name stands for.
pub(super) enum Found {
    Ours(Arc<Backend>, Box<ContainerInfo>),
    /// What holds the network of a pod of ours: it is the pod's, and no caller's.
    Holder(Arc<Backend>),
    Foreign(Arc<Backend>),
    Nothing,
}

impl Found {
    /// The container where it is ours.
    pub(super) fn ours(self) -> Option<(Arc<Backend>, ContainerInfo)> {
        match self {
            Self::Ours(backend, container) => Some((backend, *container)),
            Self::Holder(_) | Self::Foreign(_) | Self::Nothing => None,
        }
    }
}

fn made_by_others(name: &str) -> Refusal {
    Refusal::new(Rule::NotOurs, "this install did not make the container of this name")
        .slot(Slot::ContainerName.name())
        .value(name)
        .remedy("what others made is left to the engine's own client")
}

fn holds_a_pod(name: &str) -> Refusal {
    Refusal::new(Rule::NotOurs, "the container of this name holds the network of a pod")
        .slot(Slot::ContainerName.name())
        .value(name)
        .remedy("name its pod instead: `pod inspect`, `pod stop`, `pod rm`")
}

impl Inner {
    /// A container of ours by its very name, on the first engine that has one. Asking for what others made is recorded.
    pub(super) async fn find(&self, call: Call, name: &str) -> Result<(Arc<Backend>, ContainerInfo), Error> {
        match self.seek(name).await? {
            Found::Ours(backend, container) => Ok((backend, *container)),
            Found::Nothing => Err(Error::NotFound { kind: "container", name: name.to_owned() }),
            Found::Holder(backend) => Err(self.refused_on(Some(&backend), call, name, holds_a_pod(name).into())),
            Found::Foreign(backend) => Err(self.refused_on(Some(&backend), call, name, made_by_others(name).into())),
        }
    }

    /// What a name stands for, on the first engine that has a container of ours of it.
    pub(super) async fn seek(&self, name: &str) -> Result<Found, Error> {
        let _well_formed: crate::spec::Name = name.parse()?;
        let (mut problems, mut found) = (Vec::new(), None);
        for backend in &self.backends {
            match self.looker(backend, Call::Inspect)?.look_at_container(name).await {
                Ok(Some(seen)) if seen.is_ours(self.state.key(), self.state.install()) => {
                    return Ok(Found::Ours(Arc::clone(backend), Box::new(seen)));
                }
                Ok(Some(seen)) if self.holds(&seen) => found = Some(Found::Holder(Arc::clone(backend))),
                Ok(Some(_)) => found = Some(Found::Foreign(Arc::clone(backend))),
                Ok(None) => found = found.or(Some(Found::Nothing)),
                Err(error @ (Error::State(_) | Error::Refused(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        found.ok_or(Error::NoEngine(problems))
    }

    pub(super) async fn remove_container(
        &self,
        backend: &Arc<Backend>,
        container: &ContainerInfo,
        force: bool,
    ) -> Result<(), Error> {
        let name = container.name.as_str();
        if force && container.state.is_alive() {
            // By force nobody waits for its grace, which not every engine knows; what the removal says counts.
            let _ended = self.send(backend, container, &"KILL".parse()?).await;
        }
        let scope = Scope::of_container(Call::Remove, name, &container.id).with_force(force);
        let removed =
            self.guest(backend, scope, &self.redactor_of_container(container)).await?.remove(name, force).await;
        if let Some(label) = container.owner_label().filter(|_| removed.is_ok() && !self.services.dry_run) {
            self.services.labels.forget(&label, &container.id);
        }
        match removed {
            // An engine may stumble over what it should have taken away with it.
            Err(error @ Error::Engine { .. }) if self.goes(backend, container).await => {
                self.say(Level::Warning, || format!("{name} is gone, and its engine told of a failure: {error}"));
                Ok(())
            }
            // Another call was first.
            Err(Error::NotFound { .. } | Error::InUse(_)) if self.goes(backend, container).await => Ok(()),
            removed => removed,
        }
    }

    /// Whether a container is gone, or goes by itself: as one does that another call removes at this moment.
    async fn goes(&self, backend: &Arc<Backend>, container: &ContainerInfo) -> bool {
        for _ in 0..if self.services.dry_run { 0 } else { LOOKS } {
            match self.look_again(backend, container).await {
                Ok(None) => return true,
                Ok(Some(seen)) if !seen.state.is_alive() => tokio::time::sleep(BETWEEN_LOOKS).await,
                Ok(Some(_)) | Err(_) => return false,
            }
        }
        false
    }

    /// Starts it, and looks: what runs is the image that was proved, with the mounts that were checked.
    pub(super) async fn start_created(
        &self,
        backend: &Arc<Backend>,
        created: &Created,
    ) -> Result<ContainerInfo, Error> {
        let name = created.container.name.as_str();
        let scope = Scope::of_container(Call::Start, name, &created.container.id);
        let broker = self.broker(backend, scope, &created.redactor)?;
        self.doings.note_started(&created.container.id);
        crate::sandbox::Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.start(name).await?;
        if self.services.dry_run {
            return Ok(created.container.clone());
        }
        let seen = broker.look_at_containers(&[&created.container.id]).await?;
        let Some(seen) = seen.into_iter().find(|found| found.id == created.container.id) else {
            // One that the engine removes when it ends may be gone by now.
            return Ok(ContainerInfo { state: ContainerState::Exited, ..created.container.clone() });
        };
        if seen.state == ContainerState::Created {
            return Err(broker
                .fault(FaultKind::Untrue, "it says that it started a container that was never started")
                .into());
        }
        if seen.state == ContainerState::Paused && created.container.state != ContainerState::Paused {
            return Err(broker.fault(FaultKind::Untrue, "it paused a container that it was to start").into());
        }
        self.check_running(&seen, created)?;
        if let Some(gpus) = &created.gpus {
            self.check_exposure(&seen, gpus)?;
        }
        Ok(seen)
    }

    /// A container that got other files than those that were checked is ended.
    pub(super) fn check_running(&self, seen: &ContainerInfo, created: &Created) -> Result<(), Error> {
        let Some(pid) = seen.pid.filter(|_| !created.mounts.is_empty()) else { return Ok(()) };
        match mounted_as_checked(pid, &created.mounts) {
            Some(Err(why)) => Err(Refusal::new(Rule::Policy, why).slot("mount.bind").into()),
            Some(Ok(())) => Ok(()),
            None => {
                self.say(Level::Detail, || format!("the mounts of {} could not be looked at", seen.name));
                Ok(())
            }
        }
    }

    /// What a run that failed half-way left is taken away again, where it is ours.
    pub(super) async fn abandon(&self, backend: &Arc<Backend>, name: &str) {
        if self.services.dry_run {
            return;
        }
        if let Err(error) = self.remove_ours(backend, name, ObjectKind::Container).await {
            self.say(Level::Warning, || format!("{name} could not be removed again: {error}"));
        }
        self.remove_secret_files(name);
    }

    async fn list_on(&self, backend: &Arc<Backend>) -> Result<Vec<ContainerInfo>, Error> {
        backend.checked_endpoint().map_err(|why| Error::Unavailable(why.to_owned()))?;
        let broker = self.looker(backend, Call::List)?;
        let claimed = crate::sandbox::Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.list().await?;
        let ids = broker.look_at_list().await?;
        // Between the two looks one may have come or gone; what the host saw is what the caller gets.
        if claimed.len() != ids.len() {
            self.say(Level::Detail, || {
                format!("{} told of {} containers, and there are {}", backend.name(), claimed.len(), ids.len())
            });
        }
        let queries: Vec<&str> = ids.iter().map(String::as_str).collect();
        let seen = broker.look_at_containers(&queries).await?;
        Ok(seen.into_iter().filter(|found| found.is_ours(self.state.key(), self.state.install())).collect())
    }
}
