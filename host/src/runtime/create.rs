//! Creating a container: exactly what was asked for, of an image that was proved, or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::canonical::Canonical;
use super::differs::{Asked, differences};
use super::mounts::Checked;
use super::volumes::Volumes;
use super::{Inner, PulledImage};
use crate::backend::Backend;
use crate::broker::Line;
use crate::error::{Conflict, Difference, Error, FaultKind, Refusal, Rule};
use crate::evidence::{ContainerInfo, MountInfo, NetworkInfo};
use crate::grants::{Binding, Effect, Slot};
use crate::limits::HostLimits;
use crate::owner::{Marker, Nonce, ObjectKind, OwnerLabel, SPEC_LABEL, SpecSeal};
use crate::redaction::Redactor;
use crate::scope::{Call, Scope, SecretFile};
use crate::spec::{ContainerSpec, Gpus, Mount, MountSource, Name, Workdir};
use crate::state::{InstallKey, Turn, random};

/// How long to wait before it is looked again whether a name is free.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A container that was asked for, and how it came to be.
pub(super) struct Created {
    pub(super) container: ContainerInfo,
    pub(super) redactor: Redactor,
    pub(super) mounts: Vec<Checked>,
    pub(super) volumes: Volumes,
    /// The GPUs that it was to get; none where that is not known.
    pub(super) gpus: Option<Gpus>,
    /// It was there already, with this very spec.
    pub(super) existed: bool,
}

/// What a container is made for.
#[derive(Debug, Clone)]
pub(super) enum Role {
    /// Itself.
    Own,
    /// To be run in the foreground: where it is to be removed at its end, the host does that.
    Attached,
    /// To hold the network of a pod, in the engine's own one of this ID where there is one.
    Holder { pod: Name, engine_pod: Option<String> },
}

impl Role {
    fn kind(&self) -> ObjectKind {
        match self {
            Self::Own | Self::Attached => ObjectKind::Container,
            Self::Holder { .. } => ObjectKind::Pod,
        }
    }

    fn pod(&self) -> Option<&str> {
        match self {
            Self::Own | Self::Attached => None,
            Self::Holder { pod, .. } => Some(pod.as_str()),
        }
    }
}

/// The pod that a container joins, by what the engine calls it.
#[derive(Debug, Clone)]
pub(super) struct Joined {
    pub(super) holder: String,
    pub(super) engine_pod: Option<String>,
}

/// What a spec became on its way to a container.
struct Prepared {
    spec: ContainerSpec,
    mounts: Vec<Checked>,
    redactor: Redactor,
    image: PulledImage,
    canonical: Canonical,
    networks: Vec<NetworkInfo>,
    joined: Option<Joined>,
    role: Role,
}

impl Prepared {
    /// The engine's own pod that it is in.
    fn engine_pod(&self) -> Option<&str> {
        match &self.role {
            Role::Holder { engine_pod, .. } => engine_pod.as_deref(),
            Role::Own | Role::Attached => self.joined.as_ref().and_then(|pod| pod.engine_pod.as_deref()),
        }
    }

    fn asked<'a>(&'a self, key: &InstallKey, joined: bool, redactor: &'a Redactor) -> Asked<'a> {
        let marker = Marker::of(key, self.spec.name.as_str());
        let (spec, image_id, canonical) = (&self.spec, self.image.id.as_str(), &self.canonical);
        Asked { spec, image_id, canonical, marker, joined, redactor }
    }

    /// A container is on the named networks that it was to be on, and on no other.
    fn check_networks(&self, seen: &ContainerInfo) -> Result<(), String> {
        let asked: BTreeSet<_> = self.networks.iter().map(|network| network.name.as_str()).collect();
        let there: BTreeSet<_> = seen.networks.iter().map(String::as_str).collect();
        if asked.is_empty() || asked == there {
            return Ok(());
        }
        let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
        Err(format!("the container is on the networks [{}], and was asked for on [{}]", list(there), list(asked)))
    }

    /// Whether a container is in the pods that it was to be in, and in no other.
    fn is_in_its_pod(&self, seen: &ContainerInfo) -> bool {
        let shares = self.joined.as_ref().is_none_or(|pod| seen.shares_network_of(&pod.holder));
        shares && seen.engine_pod.as_deref() == self.engine_pod()
    }
}

impl Inner {
    /// The container of a spec: the one that is there with this very spec, or a new one.
    pub(super) async fn create(
        self: &Arc<Self>,
        backend: &Arc<Backend>,
        spec: &ContainerSpec,
    ) -> Result<Created, Error> {
        self.create_as(backend, spec, Role::Own, None).await
    }

    /// The same for what a container is made for, of the spec's image or one that was proved already.
    pub(super) async fn create_as(
        self: &Arc<Self>,
        backend: &Arc<Backend>,
        spec: &ContainerSpec,
        role: Role,
        proved: Option<PulledImage>,
    ) -> Result<Created, Error> {
        let mut spec = spec.clone();
        let (mounts, redactor) = self.admit(backend, &mut spec)?;
        // Of several calls for one name the first makes the container, and the others find it.
        let turn = self.turn(ObjectKind::Container, spec.name.as_str()).await?;
        let existing = self.looker(backend, Call::Create)?.look_at_container(spec.name.as_str()).await?;
        let existing = existing.map(|found| self.ours_or_conflict(found, role.kind())).transpose()?;
        self.check_limits(backend, &spec)?;
        let volumes = self.check_volumes(backend, &spec).await?;
        let networks = self.joined_networks(backend, &spec).await?;
        self.check_gpus(backend, &mut spec.gpus, spec.gpu_profile.as_ref()).await?;
        let joined = self.joined_pod(backend, &spec).await?;
        let image = match proved {
            Some(image) => image,
            None => self.ensured(backend, &spec.image, spec.platform.as_ref()).await?,
        };
        self.check_platform(backend, &spec).await?;
        let canonical = Canonical::of(&spec, &image.id);
        spec.remove &= !matches!(role, Role::Attached);
        let prepared = Prepared { spec, mounts, redactor, image, canonical, networks, joined, role };
        match existing {
            Some(container) => self.same_or_conflict(container, prepared, volumes),
            None => self.create_whole(backend, prepared, turn).await,
        }
    }

    /// Creates it to the end, also when the caller goes away meanwhile: an engine makes what it was asked for all the same.
    /// Then it is taken away again, and nobody else gets a turn before that.
    async fn create_whole(
        self: &Arc<Self>,
        backend: &Arc<Backend>,
        prepared: Prepared,
        turn: Option<Turn>,
    ) -> Result<Created, Error> {
        let (inner, backend) = (Arc::clone(self), Arc::clone(backend));
        let (name, kind) = (prepared.spec.name.clone(), prepared.role.kind());
        let work = {
            let (inner, backend) = (Arc::clone(&inner), Arc::clone(&backend));
            async move { inner.create_anew(&backend, prepared).await }
        };
        let unwanted = async move |created: Option<Created>| {
            let volumes = created.map(|created| created.volumes).unwrap_or_default();
            inner.withdraw(&backend, name.as_str(), kind, &volumes).await;
        };
        self.ongoing.to_its_end(turn, work, unwanted).await
    }

    /// Waits until no other call, in whatever process of this install, makes something of this name.
    pub(super) async fn turn(&self, kind: ObjectKind, name: &str) -> Result<Option<Turn>, Error> {
        if self.services.dry_run {
            return Ok(None);
        }
        loop {
            if let Some(turn) = self.state.try_turn(kind.as_str(), name)? {
                return Ok(Some(turn));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// The command line that would create a container, as its backend plans it. Nothing is run but what looks.
    pub(super) async fn explain(&self, backend: &Arc<Backend>, spec: &ContainerSpec) -> Result<Line, Error> {
        let mut spec = spec.clone();
        let (mounts, redactor) = self.admit(backend, &mut spec)?;
        self.check_limits(backend, &spec)?;
        self.check_volumes(backend, &spec).await?;
        let networks = self.joined_networks(backend, &spec).await?;
        let joined = self.joined_pod(backend, &spec).await?;
        let image = self.held_or_foretold(backend, &spec.image).await?;
        self.check_platform(backend, &spec).await?;
        let canonical = Canonical::of(&spec, &image.id);
        let files = self.planned_secret_files(&spec)?;
        let prepared = Prepared { spec, mounts, redactor, image, canonical, networks, joined, role: Role::Own };
        let scope = self.create_scope(backend, &prepared, &files)?.with_call(Call::Explain);
        let broker = self.broker(backend, scope, &prepared.redactor)?;
        let plan =
            crate::sandbox::Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.explain(&prepared.spec).await?;
        broker.explain(&plan, Call::Create)
    }

    /// A name that something else bears is not touched.
    fn ours_or_conflict(&self, found: ContainerInfo, kind: ObjectKind) -> Result<ContainerInfo, Error> {
        if found.is_ours_as(kind, self.state.key(), self.state.install()) {
            return Ok(found);
        }
        Err(Error::Conflict(Conflict { kind: "container", name: found.name, differs: Vec::new() }))
    }

    fn same_or_conflict(
        &self,
        container: ContainerInfo,
        prepared: Prepared,
        volumes: Volumes,
    ) -> Result<Created, Error> {
        let seal = container.host_label(SPEC_LABEL).and_then(SpecSeal::parse);
        let joined = prepared.is_in_its_pod(&container);
        let sealed = seal.as_ref().is_some_and(|seal| seal.is_of_the_same(&self.seal_of(&prepared)));
        let agrees = container.settings.check(&prepared.spec).and_then(|()| prepared.check_networks(&container));
        if let Err(why) = agrees
            && sealed
        {
            return Err(disagrees(container, why));
        }
        if joined && sealed {
            let (redactor, mounts, gpus) = (prepared.redactor, prepared.mounts, Some(prepared.spec.gpus));
            return Ok(Created { container, redactor, mounts, volumes, gpus, existed: true });
        }
        let redactor = self.redactor_of_both(&container, &prepared.spec);
        let differs = differences(&container, seal.as_ref(), &prepared.asked(self.state.key(), joined, &redactor));
        Err(Error::Conflict(Conflict { kind: "container", name: container.name, differs }))
    }

    fn seal_of(&self, prepared: &Prepared) -> SpecSeal {
        prepared.canonical.seal(self.state.key(), prepared.spec.name.as_str())
    }

    async fn create_anew(&self, backend: &Arc<Backend>, prepared: Prepared) -> Result<Created, Error> {
        let volumes = self.ready_volumes(backend, &prepared.spec).await?;
        let created = self.create_with(backend, &prepared, &volumes).await;
        if created.is_err() {
            self.withdraw(backend, prepared.spec.name.as_str(), prepared.role.kind(), &volumes).await;
        }
        let container = created?;
        let (redactor, mounts, gpus) = (prepared.redactor, prepared.mounts, Some(prepared.spec.gpus));
        Ok(Created { container, redactor, mounts, volumes, gpus, existed: false })
    }

    async fn create_with(
        &self,
        backend: &Arc<Backend>,
        prepared: &Prepared,
        volumes: &Volumes,
    ) -> Result<ContainerInfo, Error> {
        let files = self.write_secret_files(&prepared.spec)?;
        let scope = self.create_scope(backend, prepared, &files)?;
        let broker = self.broker(backend, scope, &prepared.redactor)?;
        let guest = crate::sandbox::Guest::enter(&self.sandbox, Arc::clone(&broker)).await?;
        let claimed = guest.create(&prepared.spec, prepared.role.pod()).await;
        if self.services.dry_run {
            // Of what was left out, a guest can make nothing.
            return match claimed {
                Err(error @ (Error::Refused(_) | Error::Fault(_))) => Err(error),
                _ => Ok(imagined(backend, prepared)),
            };
        }
        let claimed = claimed?;
        let seen = broker.look_at_container(prepared.spec.name.as_str()).await?;
        let untrue = |why: &str| Error::from(broker.fault(FaultKind::Untrue, why));
        let seen = seen.ok_or_else(|| untrue("it says that it created a container, and there is none"))?;
        self.check_created(&seen, &claimed, prepared).map_err(|why| untrue(&why))?;
        let asked = broker.is_as_asked(&seen, &prepared.spec);
        asked.map_err(|why| untrue(&why))?;
        // The engine itself removes one that is to be gone with its end, and nobody would let go of its label.
        if let Some(label) = seen.owner_label().filter(|_| !prepared.spec.remove) {
            let noted = self.services.labels.note(&label, &seen.id);
            noted.map_err(|source| Error::io("the label of a container", source))?;
        }
        begins_inside(&seen)
            .map_err(|refusal| self.refused_on(Some(backend), Call::Create, &seen.name, refusal.into()))?;
        self.check_volumes_again(backend, volumes).await?;
        self.check_networks_again(backend, &prepared.networks).await?;
        Ok(seen)
    }

    fn create_scope(&self, backend: &Backend, prepared: &Prepared, files: &[SecretFile]) -> Result<Scope, Error> {
        let owner = self.owner_label(prepared.role.kind(), prepared.spec.name.as_str())?;
        let names = prepared.spec.secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>().join(",");
        let mut scope = Scope::of_create(&prepared.spec, files)
            .with_host(Slot::ImageId, Binding::scalar(prepared.image.id.as_str()))
            .with_host(Slot::OwnerLabel, Binding::scalar(owner.to_string()))
            .with_host(Slot::SpecSeal, Binding::scalar(self.seal_of(prepared).to_string()))
            .with_host(Slot::SecretNames, Binding::scalar(names));
        let networks = prepared.networks.iter().map(|network| (network.name.as_str(), network.id.as_str()));
        scope = scope.on_networks(networks);
        if let Some(pod) = prepared.role.pod() {
            scope = scope.holding(pod);
        }
        if let Some(pod) = &prepared.joined {
            scope = scope.with_host(Slot::PodHolder, Binding::scalar(&pod.holder));
        }
        if let Some(id) = prepared.engine_pod() {
            scope = scope.with_host(Slot::PodId, Binding::scalar(id));
        }
        if let Some(runtime) = backend.runtime() {
            scope = scope.with_host(Slot::Runtime, Binding::scalar(runtime));
        }
        Ok(with_limits(with_health(scope, backend), &prepared.spec))
    }

    /// An image of another platform than the one that was asked for is not used, whatever it is called.
    async fn check_platform(&self, backend: &Arc<Backend>, spec: &ContainerSpec) -> Result<(), Error> {
        let Some(platform) = &spec.platform else { return Ok(()) };
        let facts = self.looker(backend, Call::ImageInspect)?.look_at_image(&spec.image).await?;
        match facts.and_then(|facts| facts.platform) {
            Some(there) if platform.is(there.os(), there.architecture()) => Ok(()),
            Some(there) => Err(Error::Unsupported(format!(
                "{} is held for {there}, and was asked for on {platform}; remove it, or pull the manifest of {platform}",
                spec.image
            ))),
            // A dry run may have none.
            None if self.services.dry_run => Ok(()),
            None => Err(Error::Unsupported(format!("{} does not tell the platform of {}", backend.name(), spec.image))),
        }
    }

    /// The label of an object that is about to be created.
    pub(super) fn owner_label(&self, kind: ObjectKind, name: &str) -> Result<OwnerLabel, Error> {
        let nonce =
            random().map(Nonce::from_bytes).map_err(|source| Error::io("randomness for an owner label", source))?;
        let label = OwnerLabel::mint(self.state.key(), self.state.install(), kind, name, nonce);
        self.doings.note_made(&label);
        Ok(label)
    }

    /// What the engine has is what was asked for; what the backend said of it is true.
    fn check_created(&self, seen: &ContainerInfo, claimed: &str, prepared: &Prepared) -> Result<(), String> {
        if !seen.is_ours_as(prepared.role.kind(), self.state.key(), self.state.install()) {
            return Err("the container that it created does not bear the owner label".to_owned());
        }
        if claimed.trim() != seen.id {
            return Err("it says that it created another container than the one that is there".to_owned());
        }
        let bare = crate::evidence::document::bare_id(&prepared.image.id);
        if seen.image_id != bare {
            return Err("the container is of another image than the one that was verified".to_owned());
        }
        let volume = prepared.spec.mounts.iter().find(|mount| is_volume(mount) && !is_mounted(seen, mount));
        if let Some(mount) = volume {
            return Err(format!("the container does not have the volume that was asked for at {}", mount.target));
        }
        let asked = crate::scope::gpu_ids(&prepared.spec.gpus);
        if matches!(prepared.spec.gpus, Gpus::Mask(_)) && seen.gpus.as_ref().is_some_and(|gpus| *gpus != asked) {
            return Err("the engine's own document has other GPUs than those that were asked for".to_owned());
        }
        prepared.check_networks(seen)?;
        if !prepared.is_in_its_pod(seen) {
            return Err("the container does not share the network of its pod, or is in another".to_owned());
        }
        let labels = prepared.spec.labels.iter();
        match labels.into_iter().find(|label| seen.labels.get(label.key()).map(String::as_str) != Some(label.value())) {
            Some(label) => Err(format!("the container does not have the label {}", label.key())),
            None => Ok(()),
        }
    }

    /// What a create that failed half-way left is taken away again, where it is ours.
    async fn withdraw(&self, backend: &Arc<Backend>, name: &str, kind: ObjectKind, volumes: &Volumes) {
        if !self.services.dry_run {
            // The failure that led here is the one to tell.
            let _kept = self.remove_ours(backend, name, kind).await;
        }
        self.remove_secret_files(name);
        self.unmake(backend, volumes).await;
    }

    /// Removes a container of ours by force; whether there was one.
    pub(super) async fn remove_ours(
        &self,
        backend: &Arc<Backend>,
        name: &str,
        kind: ObjectKind,
    ) -> Result<bool, Error> {
        let found = self.looker(backend, Call::Remove)?.look_at_container(name).await?;
        let Some(container) = found.filter(|found| found.is_ours_as(kind, self.state.key(), self.state.install()))
        else {
            return Ok(false);
        };
        self.remove_container(backend, &container, true).await?;
        Ok(true)
    }
}

/// A container whose seal is that of the very spec, and of which the engine tells otherwise.
fn disagrees(container: ContainerInfo, why: String) -> Error {
    let (field, asked) = ("what the engine tells of it".to_owned(), "what its label seals".to_owned());
    let differs = vec![Difference { field, existing: why, asked }];
    Error::Conflict(Conflict { kind: "container", name: container.name, differs })
}

/// Where no folder was asked for, a process begins in the one that its image names.
fn begins_inside(seen: &ContainerInfo) -> Result<(), Refusal> {
    let Some(folder) = seen.workdir.as_deref().filter(|folder| !folder.is_empty()) else { return Ok(()) };
    let Err(error) = folder.parse::<Workdir>() else { return Ok(()) };
    Err(Refusal::new(Rule::Policy, format!("the image's own {error}"))
        .slot(Slot::Workdir.name())
        .value(folder)
        .remedy("give a working directory of your own"))
}

/// A health check as the backend's own template says it.
fn with_health(scope: Scope, backend: &Backend) -> Scope {
    let mut creating = backend.grants().commands().iter().filter(|command| command.effect() == Effect::Create);
    let in_a_shell = creating.any(|command| command.template().has(Slot::HealthShell));
    if in_a_shell { scope.with_health_in_a_shell() } else { scope }
}

/// Process limits within the host's own, where an engine's defaults would lie beyond them.
fn with_limits(mut scope: Scope, spec: &ContainerSpec) -> Scope {
    let asked = |name: &str| spec.ulimits.iter().any(|limit| limit.name == name);
    let limits = HostLimits::read();
    let facts = [
        ("nofile", Slot::LimitNofile, limits.container_nofile()),
        ("nproc", Slot::LimitNproc, limits.container_nproc()),
    ];
    for (name, slot, limit) in facts {
        if !asked(name) {
            scope = scope.with_host(slot, Binding::scalar(limit.to_string()));
        }
    }
    scope
}

/// What a dry run would have made.
fn imagined(backend: &Backend, prepared: &Prepared) -> ContainerInfo {
    ContainerInfo::imagined(backend.name(), prepared.spec.name.as_str(), &prepared.image.id)
}

fn is_volume(mount: &Mount) -> bool {
    matches!(mount.source, MountSource::Volume(_))
}

/// Whether the engine's own document has the volume of a mount, where it was asked for and as it was.
fn is_mounted(seen: &ContainerInfo, mount: &Mount) -> bool {
    let MountSource::Volume(name) = &mount.source else { return false };
    let is_it = |one: &MountInfo| one.source == name.as_str() && one.target == mount.target.as_str();
    seen.mounts.iter().any(|one| one.kind == "volume" && is_it(one) && one.read_only == mount.read_only)
}
