//! Units of systemd: what would be run is decided here and now, by the broker; the unit only repeats it.

use std::sync::Arc;
use std::time::Duration;

use super::{Inner, Portreeve, PulledImage};
use crate::backend::Backend;
use crate::broker::{Broker, Line};
use crate::error::Error;
use crate::evidence::ContainerInfo;
use crate::grants::{Binding, Slot};
use crate::owner::ObjectKind;
use crate::reference::Reference;
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};
use crate::spec::{ContainerSpec, PodSpec, RestartPolicy, SecretDelivery};
use crate::units::{self, Command, Plan, UnitFile, UnitOptions, UnitSecret};

/// Stands for the ID of a container that each start of the unit makes anew; its name takes the place.
const TO_BE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Between TERM and KILL, where nobody says otherwise.
const GRACE: u32 = 10;

impl Portreeve {
    /// The files of a unit that runs a container of this spec: in the spelling of the engine's own generator where it has
    /// one, a plain service otherwise. The image is brought and proved, and pinned by its digest. Nothing is created, and
    /// no secret's value is in the files, nor asked for: what the spec's secrets hold does not matter.
    ///
    /// # Errors
    /// As [`Portreeve::create`]; `Digest` where the image can't be pinned, `Unsupported` for what a unit can't say.
    pub async fn unit(&self, spec: &ContainerSpec, options: &UnitOptions) -> Result<Vec<UnitFile>, Error> {
        let inner = &self.inner;
        let (backend, _) = inner.chosen().await?;
        let image = inner.ensured(backend, &spec.image, spec.platform.as_ref()).await?;
        let pinned = pinned(&image)?;
        let plan = inner.plan_unit(backend, spec, &pinned, &image, options).await?;
        units::render(&plan, options).map_err(unwritable)
    }

    /// A plain service that starts and stops a container of ours that is there already, by its ID.
    ///
    /// # Errors
    /// `NotFound` where it is not there or not ours, as the word may mean an image; `Unsupported` for what a unit can't say.
    pub async fn unit_of(&self, name: &str, options: &UnitOptions) -> Result<Vec<UnitFile>, Error> {
        let missing = || Error::NotFound { kind: "container", name: name.to_owned() };
        let (backend, container) = self.inner.seek(name).await?.ours().ok_or_else(missing)?;
        let plan = self.inner.plan_unit_of(&backend, &container, None, options).await?;
        units::render(&plan, options).map_err(unwritable)
    }

    /// Plain services for a pod of ours that is there already: one for what holds its network, and one for each container of it,
    /// which starts after that and ends with it.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours; `Unsupported` for what a unit can't say.
    pub async fn unit_of_pod(&self, name: &str, options: &UnitOptions) -> Result<Vec<UnitFile>, Error> {
        let (backend, holder, members) = self.inner.parts_of_pod(name).await?;
        let plan = self.inner.plan_unit_of(&backend, &holder, None, options).await?;
        let mut files = units::render(&plan, options).map_err(unwritable)?;
        for member in members {
            let plan = self.inner.plan_unit_of(&backend, &member, Some(&holder.name), options).await?;
            files.extend(units::render(&plan, options).map_err(unwritable)?);
        }
        Ok(files)
    }
}

impl Inner {
    async fn plan_unit(
        &self,
        backend: &Arc<Backend>,
        spec: &ContainerSpec,
        pinned: &str,
        image: &PulledImage,
        options: &UnitOptions,
    ) -> Result<Plan, Error> {
        let restart = spec.restart;
        let spec = ContainerSpec { image: pinned.parse()?, remove: true, restart: None, ..spec.clone() };
        let (spec, pod, holder) = self.plan_pod(backend, spec, options).await?;
        let grace = spec.stop_grace.unwrap_or(GRACE);
        let create = self.explain(backend, &spec).await?;
        let name = spec.name.as_str();
        let mut volumes = Vec::new();
        for volume in spec.volumes() {
            volumes.push((volume.to_string(), command(&self.plan_volume(backend, volume.as_str()).await?)));
        }
        let lifecycle = self.plan_lifecycle(backend, name, TO_BE, grace, options).await?;
        let [start, stop, reload] = lifecycle.map(|line| line.map(|line| command(&line).named(name)));
        Ok(Plan {
            create: Some(command(&create)),
            own_words: spec.words.len() + spec.entrypoint.len().saturating_sub(1),
            volumes,
            pod,
            holder,
            secrets: self.unit_secrets(&spec)?,
            restart,
            ..self.bare_plan(backend, name, pinned, &image.id, grace, [start, stop, reload])?
        })
    }

    async fn plan_unit_of(
        &self,
        backend: &Arc<Backend>,
        container: &ContainerInfo,
        holder: Option<&str>,
        options: &UnitOptions,
    ) -> Result<Plan, Error> {
        let lines = self.plan_lifecycle(backend, &container.name, &container.id, GRACE, options).await?;
        let image = format!("sha256:{}", container.image_id);
        let lines = lines.map(|line| line.map(|line| command(&line)));
        Ok(Plan {
            restart: Some(RestartPolicy::No),
            holder: holder.map(str::to_owned),
            ..self.bare_plan(backend, &container.name, &image, &container.image_id, GRACE, lines)?
        })
    }

    /// A plan of what every unit has.
    fn bare_plan(
        &self,
        backend: &Backend,
        name: &str,
        image: &str,
        image_id: &str,
        grace: u32,
        [start, stop, reload]: [Option<Command>; 3],
    ) -> Result<Plan, Error> {
        let missing =
            |what: &str| Error::Unsupported(format!("{} has no command to {what} a container", backend.name()));
        Ok(Plan {
            backend: backend.name().to_owned(),
            name: name.to_owned(),
            image: image.to_owned(),
            image_id: image_id.to_owned(),
            create: None,
            own_words: 0,
            start: start.ok_or_else(|| missing("start"))?,
            stop: stop.ok_or_else(|| missing("stop"))?,
            reload,
            volumes: Vec::new(),
            network: None,
            pod: None,
            holder: None,
            secrets: Vec::new(),
            restart: None,
            grace: Duration::from_secs(grace.into()),
            grant: backend.grants().unit().clone(),
        })
    }

    /// What starts a container with its output attached, what stops it, and what sends it a signal.
    async fn plan_lifecycle(
        &self,
        backend: &Arc<Backend>,
        name: &str,
        id: &str,
        grace: u32,
        options: &UnitOptions,
    ) -> Result<[Option<Line>; 3], Error> {
        let of = |call| Scope::of_container(call, name, id);
        let broker = self.planner(backend, of(Call::RunToCompletion))?;
        let running = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.run_to_completion(name).await?;
        drop(running);
        let start = only(&broker)?;
        let broker = self.planner(backend, of(Call::Stop).with_grace(grace))?;
        Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.stop(name, grace).await?;
        let stop = only(&broker)?;
        let mut reload = None;
        if let Some(signal) = &options.reload {
            let broker = self.planner(backend, of(Call::Kill).with_signal(signal.as_str()))?;
            Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.kill(name, signal.as_str()).await?;
            reload = only(&broker)?;
        }
        Ok([start, stop, reload])
    }

    async fn plan_volume(&self, backend: &Arc<Backend>, name: &str) -> Result<Line, Error> {
        let owner = self.owner_label(ObjectKind::Volume, name)?;
        let scope = Scope::of_volume(Call::VolumeEnsure, name, &[])
            .with_host(Slot::OwnerLabel, Binding::scalar(owner.to_string()));
        let broker = self.planner(backend, scope)?;
        let _claimed = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.ensure_volume(name, &[]).await?;
        only(&broker)?.ok_or_else(|| Error::Unsupported(format!("{} has no command to make a volume", backend.name())))
    }

    /// A container that is to be in a pod: where the engine's generator makes pods, in one that it makes with it, with the ports
    /// that the container asks for; elsewhere in the one that is there, which it starts after.
    async fn plan_pod(
        &self,
        backend: &Arc<Backend>,
        spec: ContainerSpec,
        options: &UnitOptions,
    ) -> Result<(ContainerSpec, Option<(String, Command)>, Option<String>), Error> {
        if let Some(network) = spec.further_networks.first() {
            let why = format!("a unit's container is on one network, and {network} is a further one");
            return Err(Error::Unsupported(why));
        }
        let Some(pod) = spec.pod.clone() else { return Ok((spec, None, None)) };
        let quadlet = backend.grants().unit().quadlet.as_ref().filter(|_| !options.plain);
        if quadlet.is_none_or(|quadlet| quadlet.pods.is_none()) {
            let holder = PodSpec::holder(&pod)?.to_string();
            return Ok((spec, None, Some(holder)));
        }
        if spec.network.is_some() {
            let why = "a container of a pod has no network of its own";
            return Err(Error::Unsupported(why.to_owned()));
        }
        let (name, owner) = (pod.as_str(), self.owner_label(ObjectKind::Pod, pod.as_str())?);
        let scope =
            Scope::of_pod(Call::PodEnsure, name, &[]).with_host(Slot::OwnerLabel, Binding::scalar(owner.to_string()));
        let broker = self.planner(backend, scope)?;
        let _claimed = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.ensure_pod(name, &[]).await?;
        let missing = || Error::Unsupported(format!("{} has no command to make a pod", backend.name()));
        let make = only(&broker)?.ok_or_else(missing)?;
        Ok((ContainerSpec { pod: None, ..spec }, Some((pod.to_string(), command(&make))), None))
    }

    fn planner(&self, backend: &Arc<Backend>, scope: Scope) -> Result<Arc<Broker>, Error> {
        let broker = Broker::new(Arc::clone(backend), Arc::clone(&self.services), scope, self.redactor.clone())?;
        Ok(Arc::new(broker.planning()))
    }

    fn unit_secrets(&self, spec: &ContainerSpec) -> Result<Vec<UnitSecret>, Error> {
        let files = self.planned_secret_files(spec)?;
        let secret = |secret: &crate::spec::Secret| {
            let file = files.iter().find(|file| file.name == secret.name.as_str());
            let file = file.filter(|_| matches!(secret.delivery, SecretDelivery::File(_)));
            let file = file.map(|file| file.source.clone());
            UnitSecret { name: secret.name.to_string(), delivery: secret.delivery.clone(), file }
        };
        Ok(spec.secrets.iter().map(secret).collect())
    }
}

/// The one command that a call would run: a unit can't say what comes of several.
fn only(broker: &Broker) -> Result<Option<Line>, Error> {
    let mut planned = broker.planned().into_iter();
    match (planned.next(), planned.next()) {
        (line, None) => Ok(line),
        _ => Err(Error::Unsupported(format!(
            "{} needs several commands for what is one in a unit",
            broker.backend().name()
        ))),
    }
}

/// The program's own path in the place of its word.
fn command(line: &Line) -> Command {
    Command { program: line.program.to_string_lossy().into_owned(), words: line.argv.iter().skip(1).cloned().collect() }
}

impl Command {
    /// With a container's name where the ID of one to be stands.
    fn named(self, name: &str) -> Self {
        let word = |word: String| if word == TO_BE { name.to_owned() } else { word };
        Self { words: self.words.into_iter().map(word).collect(), ..self }
    }
}

fn pinned(image: &PulledImage) -> Result<String, Error> {
    let digest = image.digest.as_deref().ok_or_else(|| {
        Error::Digest(format!("{} has no digest that was proved, and a unit names nothing less", image.image))
    })?;
    let pinned = format!("{}@{digest}", image.image);
    let _well_formed: Reference = pinned.parse()?;
    Ok(pinned)
}

fn unwritable(error: units::UnitError) -> Error {
    Error::Unsupported(error.to_string())
}
