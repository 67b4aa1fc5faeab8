//! Pods: containers that share one network, which a container of the host's own holds.
//!
//! The holder is created like any container: of an image that was proved, by the approved `create`, exactly as it was
//! asked for. Its owner label is of the kind `pod`, so that no call on containers takes it for one. Where an engine has
//! pods of its own, holder and members are in such a one too; elsewhere the pod is emulated, and says so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::create::{Joined, Role};
use super::{Inner, Portreeve, PulledImage, Removed};
use crate::backend::Backend;
use crate::error::{Conflict, Error, FaultKind, Refusal, Rule};
use crate::event::Level;
use crate::evidence::pod::EnginePod;
use crate::evidence::{ContainerInfo, ContainerState, PodInfo};
use crate::grants::{Binding, Slot};
use crate::owner::ObjectKind;
use crate::reference::Reference;
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};
use crate::spec::{ContainerSpec, HOLDER, Name, PodSpec};

/// How long a holder is given to end: it has nothing to put in order.
const HOLDER_GRACE: Duration = Duration::from_secs(1);

/// A pod that was found: what holds it, and the engine's own where there is one.
struct Found {
    backend: Arc<Backend>,
    holder: ContainerInfo,
    engines: Option<EnginePod>,
}

impl Portreeve {
    /// Makes a pod where there is none of this name, starts what holds its network, and gives the pod that is there
    /// then. Containers join it by [`ContainerSpec::pod`].
    ///
    /// # Errors
    /// `Refused` by policy; `Conflict` where something that is not ours bears the name or that of its holder, or where
    /// the pod of ours is otherwise than it is asked for.
    pub async fn ensure_pod(&self, spec: &PodSpec) -> Result<PodInfo, Error> {
        let (inner, name) = (&self.inner, spec.name.as_str());
        let allowed = inner.policy.check_pod(spec);
        allowed.map_err(|refusal| inner.refused(Call::PodEnsure, name, refusal.into()))?;
        let (backend, _) = inner.chosen().await?;
        let turn = inner.turn(ObjectKind::Pod, name).await?;
        let (here, on, asked) = (Arc::clone(inner), Arc::clone(backend), spec.clone());
        let work = async move { here.ensure_pod(&on, &asked).await };
        let (here, pod) = (Arc::clone(inner), spec.name.clone());
        let unwanted = async move |held: Option<(Found, bool)>| here.unmake_found(pod.as_str(), held).await;
        let (found, _) = inner.ongoing.to_its_end(turn, work, unwanted).await?;
        inner.told(name, found).await
    }

    /// Whether there is a pod of ours of this very name, on any engine.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn pod_exists(&self, name: &str) -> Result<bool, Error> {
        match self.inner.find_pod(Call::PodInspect, name).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(Error::Refused(refusal)) if refusal.rule == Rule::NotOurs => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Lists the pods of this install, on every engine that answers.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn pods(&self) -> Result<Vec<PodInfo>, Error> {
        let (mut all, mut problems, mut answered) = (Vec::<PodInfo>::new(), Vec::new(), false);
        for backend in &self.inner.backends {
            match self.inner.pods_on(backend).await {
                Ok(pods) => {
                    answered = true;
                    // Two backends may drive one engine.
                    let fresh = |found: &PodInfo| !all.iter().any(|known| known.holder == found.holder);
                    let fresh = pods.into_iter().filter(fresh).collect::<Vec<_>>();
                    all.extend(fresh);
                }
                Err(error @ (Error::State(_) | Error::Refused(_) | Error::Fault(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        if answered { Ok(all) } else { Err(Error::NoEngine(problems)) }
    }

    /// Looks at a pod of ours.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours.
    pub async fn inspect_pod(&self, name: &str) -> Result<PodInfo, Error> {
        let found = self.inner.find_pod(Call::PodInspect, name).await?;
        self.inner.told(name, found).await
    }

    /// Stops the containers of a pod of ours, each with this grace, one after the other; then what holds its network.
    ///
    /// # Errors
    /// As [`Portreeve::inspect_pod`] and [`Portreeve::stop`].
    pub async fn stop_pod(&self, name: &str, grace: Duration) -> Result<PodInfo, Error> {
        let inner = &self.inner;
        let found = inner.find_pod(Call::PodInspect, name).await?;
        for member in inner.members(&found, name).await?.iter().filter(|member| member.state.is_alive()) {
            self.stop(&member.name, grace).await?;
        }
        let Found { backend, holder, engines } = found;
        let holder = if holder.state.is_alive() { inner.end(&backend, holder).await? } else { holder };
        inner.told(name, Found { backend, holder, engines }).await
    }

    /// Removes a pod of ours and its containers, what holds its network last. By force those that run as well. With
    /// `force` one that is not there is no error.
    ///
    /// # Errors
    /// As [`Portreeve::inspect_pod`]; `InUse` where a container of the pod runs and there is no force, or where somebody
    /// else's container is in it.
    pub async fn remove_pod(&self, name: &str, force: bool) -> Result<Removed, Error> {
        match self.inner.find_pod(Call::PodRemove, name).await {
            Ok(found) => self.inner.remove_pod(name, found, force).await,
            Err(Error::NotFound { .. }) if force => Ok(Removed::Absent),
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    /// The pod of a spec: there already, or made now; and whether its holder was.
    async fn ensure_pod(self: &Arc<Self>, backend: &Arc<Backend>, spec: &PodSpec) -> Result<(Found, bool), Error> {
        let (engines, made) = self.ready_engine_pod(backend, spec).await?;
        match self.ensure_holder(backend, spec, engines.as_ref()).await {
            Ok((holder, made)) => {
                if let Some(pod) = &engines {
                    self.kept(ObjectKind::Pod, &pod.name, pod.owner_label())?;
                }
                Ok((Found { backend: Arc::clone(backend), holder, engines }, made))
            }
            Err(error) => {
                if let Some(pod) = engines.filter(|_| made) {
                    self.unmake_pod(backend, &pod).await;
                }
                Err(error)
            }
        }
    }

    /// The engine's own pod, there already or made now, and whether it was made; none where the engine has no pods.
    async fn ready_engine_pod(
        &self,
        backend: &Arc<Backend>,
        spec: &PodSpec,
    ) -> Result<(Option<EnginePod>, bool), Error> {
        if backend.grants().evidence().pod.is_none() {
            return Ok((None, false));
        }
        match self.looker(backend, Call::PodEnsure)?.look_at_pod(spec.name.as_str()).await? {
            Some(found) => Ok((Some(self.our_pod(found)?), false)),
            None => self.make_engine_pod(backend, spec).await,
        }
    }

    async fn make_engine_pod(
        &self,
        backend: &Arc<Backend>,
        spec: &PodSpec,
    ) -> Result<(Option<EnginePod>, bool), Error> {
        let name = spec.name.as_str();
        self.say(Level::Info, || format!("making the pod {name}"));
        let owner = self.owner_label(ObjectKind::Pod, name)?.to_string();
        let scope = Scope::of_pod(Call::PodEnsure, name, &spec.labels);
        let broker =
            self.broker(backend, scope.with_host(Slot::OwnerLabel, Binding::scalar(&owner)), &self.redactor)?;
        let claimed = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.ensure_pod(name, &spec.labels).await;
        if self.services.dry_run {
            return match claimed {
                Err(error @ (Error::Refused(_) | Error::Fault(_))) => Err(error),
                // What a dry run did not make has no ID yet: zeros stand for it.
                _ => Ok((backend.grants().evidence().pod.as_ref().map(|_| EnginePod::imagined(name)), false)),
            };
        }
        claimed?;
        let seen = broker.look_at_pod(name).await?;
        let seen =
            seen.ok_or_else(|| broker.fault(FaultKind::Untrue, "it says that it made a pod, and there is none"))?;
        let pod = self.our_pod(seen)?;
        let made = pod.owner_label() == Some(&owner);
        Ok((Some(pod), made))
    }

    /// A name that something else bears is not touched.
    fn our_pod(&self, found: EnginePod) -> Result<EnginePod, Error> {
        if found.is_ours(self.state.key(), self.state.install()) {
            return Ok(found);
        }
        Err(Error::Conflict(Conflict { kind: "pod", name: found.name, differs: Vec::new() }))
    }

    pub(super) fn holds(&self, container: &ContainerInfo) -> bool {
        container.is_ours_as(ObjectKind::Pod, self.state.key(), self.state.install())
    }

    /// The container that holds a pod's network: there with this very spec, or made now; running, and whether it was made.
    async fn ensure_holder(
        self: &Arc<Self>,
        backend: &Arc<Backend>,
        spec: &PodSpec,
        engines: Option<&EnginePod>,
    ) -> Result<(ContainerInfo, bool), Error> {
        let name = PodSpec::holder(&spec.name)?;
        let existing = self.looker(backend, Call::PodEnsure)?.look_at_container(name.as_str()).await?;
        let held = match (&existing, &spec.image) {
            // Whichever image the host's own was when it was made.
            (Some(holder), None) => Image::There(holder.image_id.clone()),
            (_, Some(image)) => Image::Asked(image.clone()),
            (None, None) => self.built_in(backend).await?,
        };
        let role = Role::Holder { pod: spec.name.clone(), engine_pod: engines.map(|pod| pod.id.clone()) };
        let created = match held {
            Image::Asked(image) => self.create_as(backend, &holder_spec(spec, name, image, &[])?, role, None).await,
            Image::There(id) => {
                let image = built_in_name()?;
                let proved = there(backend, &image, id);
                self.create_as(backend, &holder_spec(spec, name, image, &["wait"])?, role, Some(proved)).await
            }
            Image::Proved(image, proved) => {
                self.create_as(backend, &holder_spec(spec, name, image, &["wait"])?, role, Some(*proved)).await
            }
        };
        let created = created.map_err(|error| as_of_pod(error, spec.name.as_str()))?;
        let made = !created.existed;
        if created.container.state == ContainerState::Running {
            self.kept_container(ObjectKind::Pod, &created.container)?;
            return Ok((created.container, made));
        }
        let started = self.start_created(backend, &created).await;
        if self.services.dry_run {
            return Ok((started?, made));
        }
        if started.is_ok() {
            self.kept_container(ObjectKind::Pod, &created.container)?;
        } else if made {
            // The failure that led here is the one to tell.
            let _kept = self.remove_ours(backend, &created.container.name, ObjectKind::Pod).await;
        }
        Ok((started?, made))
    }

    /// A pod that was made for nobody is taken away again.
    async fn unmake_found(&self, name: &str, held: Option<(Found, bool)>) {
        let Some((found, true)) = held else { return };
        if let Err(error) = self.remove_pod(name, found, true).await {
            self.say(Level::Warning, || format!("the pod {name} could not be removed again: {error}"));
        }
    }

    /// The built-in image, brought into the engine from a registry of the host's own that lives as long as this takes,
    /// and proved as any other.
    #[cfg(feature = "demo")]
    async fn built_in(&self, backend: &Arc<Backend>) -> Result<Image, Error> {
        use crate::demo::{image::BuiltinImage, registry::Registry};
        use crate::evidence::document::bare_id;
        let failed = |source| Error::io("the registry of the built-in image", source);
        let image = BuiltinImage::build(&crate::demo::image::ImageOptions::default()).map_err(failed)?;
        let (looker, config) = (self.looker(backend, Call::PodEnsure)?, image.config());
        if looker.looks_by_id()
            && let Some(held) = looker.look_at_image_by_id(&config.to_string()).await?
            && bare_id(&held.id) == config.hex()
        {
            // Each registry of ours has another port, and would leave another name.
            return Ok(Image::There(held.id));
        }
        let registry = Registry::start().await.map_err(failed)?;
        registry.publish(BUILT_IN, "latest", &image);
        let reference: Reference = registry.reference(BUILT_IN, &image.manifest()).parse()?;
        let proved = self.brought(backend, &reference).await?;
        Ok(Image::Proved(reference, Box::new(proved)))
    }

    #[cfg(not(feature = "demo"))]
    async fn built_in(&self, _: &Arc<Backend>) -> Result<Image, Error> {
        Err(Error::Unsupported("this build has no image of its own: name one for the pod's holder".to_owned()))
    }

    /// What holds a pod of ours, and the containers in it.
    pub(super) async fn parts_of_pod(
        &self,
        name: &str,
    ) -> Result<(Arc<Backend>, ContainerInfo, Vec<ContainerInfo>), Error> {
        let found = self.find_pod(Call::PodInspect, name).await?;
        let members = self.members(&found, name).await?;
        Ok((found.backend, found.holder, members))
    }

    async fn find_pod(&self, call: Call, name: &str) -> Result<Found, Error> {
        let holder_name = PodSpec::holder(&name.parse()?)?;
        let (mut problems, mut answered, mut foreign) = (Vec::new(), false, None);
        for backend in &self.backends {
            match self.look_for_pod(backend, call, name, &holder_name).await {
                Ok((Some(holder), engines)) => return Ok(Found { backend: Arc::clone(backend), holder, engines }),
                Ok((None, engines)) => {
                    answered = true;
                    foreign = engines.map(|_| backend).or(foreign);
                }
                Err(error @ (Error::State(_) | Error::Refused(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        match (answered, foreign) {
            (_, Some(backend)) => {
                let refusal = Refusal::new(Rule::NotOurs, "this install did not make the pod of this name");
                let remedy = "what others made is left to the engine's own client";
                let refusal = refusal.slot("pod.name").value(name).remedy(remedy);
                Err(self.refused_on(Some(backend), call, name, refusal.into()))
            }
            (true, None) => Err(Error::NotFound { kind: "pod", name: name.to_owned() }),
            (false, None) => Err(Error::NoEngine(problems)),
        }
    }

    /// The holder where it is ours; and the engine's own pod where it is ours, or where there is no holder of ours.
    async fn look_for_pod(
        &self,
        backend: &Arc<Backend>,
        call: Call,
        name: &str,
        holder: &Name,
    ) -> Result<(Option<ContainerInfo>, Option<EnginePod>), Error> {
        let looker = self.looker(backend, call)?;
        let holder = looker.look_at_container(holder.as_str()).await?.filter(|found| self.holds(found));
        let engines = looker.look_at_pod(name).await?;
        let is_ours = engines.as_ref().is_some_and(|pod| pod.is_ours(self.state.key(), self.state.install()));
        let engines = engines.filter(|_| holder.is_none() != is_ours);
        Ok((holder, engines))
    }

    async fn pods_on(&self, backend: &Arc<Backend>) -> Result<Vec<PodInfo>, Error> {
        backend.checked_endpoint().map_err(|why| Error::Unavailable(why.to_owned()))?;
        let all = self.every_container(backend).await?;
        let mut pods = Vec::new();
        for holder in all.iter().filter(|container| self.holds(container)) {
            let Some(name) = holder.name.strip_suffix(HOLDER) else { continue };
            let engines = self.looker(backend, Call::PodList)?.look_at_pod(name).await?;
            let engines = engines.filter(|pod| pod.is_ours(self.state.key(), self.state.install()));
            pods.push(PodInfo::of(name, holder.clone(), engines.as_ref(), &self.own(&all)));
        }
        Ok(pods)
    }

    /// Every container that bears this install's label, holders among them.
    pub(super) async fn every_container(&self, backend: &Arc<Backend>) -> Result<Vec<ContainerInfo>, Error> {
        let looker = self.looker(backend, Call::List)?;
        let ids = looker.look_at_list().await?;
        looker.look_at_containers(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    fn own(&self, all: &[ContainerInfo]) -> Vec<ContainerInfo> {
        all.iter().filter(|one| one.is_ours(self.state.key(), self.state.install())).cloned().collect()
    }

    async fn told(&self, name: &str, found: Found) -> Result<PodInfo, Error> {
        let Found { backend, holder, engines } = found;
        let all = if self.services.dry_run { Vec::new() } else { self.every_container(&backend).await? };
        let pod = PodInfo::of(name, holder, engines.as_ref(), &self.own(&all));
        // What a dry run did not make, it can't have seen.
        let emulated = backend.grants().evidence().pod.is_none();
        Ok(PodInfo { emulated, ..pod })
    }

    /// The containers of ours in a pod.
    async fn members(&self, found: &Found, name: &str) -> Result<Vec<ContainerInfo>, Error> {
        let all = self.own(&self.every_container(&found.backend).await?);
        let is_member = |one: &ContainerInfo| one.pod_name() == Some(name) && one.shares_network_of(&found.holder.id);
        Ok(all.into_iter().filter(is_member).collect())
    }

    async fn end(&self, backend: &Arc<Backend>, holder: ContainerInfo) -> Result<ContainerInfo, Error> {
        let asked = self.ask_to_stop(backend, &holder, HOLDER_GRACE).await;
        if self.services.dry_run {
            return asked.map(|()| holder);
        }
        match asked {
            Err(error @ (Error::Refused(_) | Error::Fault(_) | Error::State(_))) => Err(error),
            Ok(()) | Err(_) => self.make_sure(backend, holder).await,
        }
    }

    async fn remove_pod(&self, name: &str, found: Found, force: bool) -> Result<Removed, Error> {
        let members = self.members(&found, name).await?;
        self.check_removable(name, &found, &members, force)?;
        let Found { backend, holder, engines } = found;
        for member in &members {
            self.remove_container(&backend, member, true).await?;
            if !self.services.dry_run {
                self.remove_secret_files(&member.name);
            }
        }
        self.remove_container(&backend, &holder, true).await?;
        if let Some(pod) = &engines {
            self.remove_engine_pod(&backend, pod).await?;
        }
        if self.services.dry_run {
            return Ok(Removed::LeftOut);
        }
        let looker = self.looker(&backend, Call::PodRemove)?;
        let left = looker.look_at_containers(&[&holder.id]).await?;
        if left.iter().any(|one| one.id == holder.id) {
            return Err(looker.fault(FaultKind::Untrue, "it says that it removed a pod that is still there").into());
        }
        Ok(Removed::Removed)
    }

    fn check_removable(&self, name: &str, found: &Found, members: &[ContainerInfo], force: bool) -> Result<(), Error> {
        let ours: BTreeSet<&str> =
            members.iter().map(|member| member.id.as_str()).chain([found.holder.id.as_str()]).collect();
        let inside = found.engines.iter().flat_map(|pod| &pod.containers);
        if let Some(foreign) = inside.into_iter().find(|id| !ours.contains(id.as_str())) {
            return Err(Error::InUse(format!("the pod {name} has a container that is not ours: {foreign}")));
        }
        match members.iter().find(|member| member.state.is_alive() && !force) {
            None => Ok(()),
            Some(member) => {
                let state = member.state.as_str();
                let why =
                    format!("{} of the pod {name} is {state}; stop the pod first, or remove it by force", member.name);
                Err(Error::InUse(why))
            }
        }
    }

    /// Removes an engine's own pod that was just seen to be ours, and to hold nobody else's containers.
    pub(super) async fn remove_engine_pod(&self, backend: &Arc<Backend>, pod: &EnginePod) -> Result<(), Error> {
        let broker = self.broker(backend, Scope::of_pod_id(&pod.name, &pod.id), &self.redactor)?;
        let removed = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.remove_pod(&pod.name).await;
        if self.services.dry_run {
            return removed;
        }
        match (broker.look_at_pod(&pod.name).await?, removed) {
            (Some(seen), Ok(())) if seen.id == pod.id => {
                Err(broker.fault(FaultKind::Untrue, "it says that it removed a pod that is still there").into())
            }
            // Another call was first.
            (None, Err(Error::NotFound { .. } | Error::InUse(_) | Error::Engine { .. })) | (_, Ok(())) => Ok(()),
            (_, removed) => removed,
        }
    }

    async fn unmake_pod(&self, backend: &Arc<Backend>, pod: &EnginePod) {
        if let Err(error) = self.remove_engine_pod(backend, pod).await {
            self.say(Level::Warning, || format!("the pod {} could not be removed again: {error}", pod.name));
        }
    }

    /// The pod that a container is to join: there, ours, and running.
    pub(super) async fn joined_pod(
        &self,
        backend: &Arc<Backend>,
        spec: &ContainerSpec,
    ) -> Result<Option<Joined>, Error> {
        let Some(pod) = &spec.pod else { return Ok(None) };
        let missing = || Error::NotFound { kind: "pod", name: pod.to_string() };
        let (holder, engines) =
            self.look_for_pod(backend, Call::PodInspect, pod.as_str(), &PodSpec::holder(pod)?).await?;
        match holder {
            Some(holder) if holder.state.is_alive() => {
                Ok(Some(Joined { holder: holder.id, engine_pod: engines.map(|pod| pod.id) }))
            }
            Some(_) => Err(Error::InUse(format!("the pod {pod} is stopped: make sure of it first (ensure_pod)"))),
            None if engines.is_some() => {
                Err(Error::Conflict(Conflict { kind: "pod", name: pod.to_string(), differs: Vec::new() }))
            }
            None => Err(missing()),
        }
    }
}

/// The repository of the built-in image in its registry.
const BUILT_IN: &str = "portreeve/holder";

/// The image of a holder.
enum Image {
    /// The caller's.
    Asked(Reference),
    /// That of the holder that is there, by its ID.
    There(String),
    /// The host's own, proved.
    #[cfg_attr(not(feature = "demo"), expect(dead_code, reason = "without an image of its own there is none"))]
    Proved(Reference, Box<PulledImage>),
}

/// Stands for the image of a holder that is there, of which its ID counts.
fn built_in_name() -> Result<Reference, Error> {
    Ok(format!("localhost/{BUILT_IN}:latest").parse()?)
}

fn there(backend: &Backend, image: &Reference, id: String) -> PulledImage {
    PulledImage {
        image: image.name(),
        tag: None,
        digest: None,
        id,
        backend: backend.name().to_owned(),
        verification: None,
        warnings: Vec::new(),
    }
}

/// It needs nothing, and can do nothing.
fn holder_spec(spec: &PodSpec, name: Name, image: Reference, words: &[&str]) -> Result<ContainerSpec, Error> {
    let holder = ContainerSpec {
        words: words.iter().map(ToString::to_string).collect(),
        ports: spec.ports.clone(),
        labels: spec.labels.clone(),
        network: spec.network.clone(),
        cap_drop: vec!["ALL".to_owned()],
        read_only: true,
        ..ContainerSpec::new(image, name)
    };
    holder.check()?;
    Ok(holder)
}

/// What is told of a holder is told of its pod.
fn as_of_pod(error: Error, pod: &str) -> Error {
    match error {
        Error::Conflict(Conflict { differs, .. }) => {
            Error::Conflict(Conflict { kind: "pod", name: pod.to_owned(), differs })
        }
        other => other,
    }
}
