//! Compose projects: brought up and taken down through the same calls as everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Condition, Portreeve};
use crate::compose::{
    Dependency, DependencyCondition, PART_LABEL, PROJECT_LABEL, Project, SecretSource, Service, Shared,
};
use crate::error::Error;
use crate::event::Level;
use crate::evidence::ContainerInfo;
use crate::owner::ObjectKind;
use crate::spec::{ContainerSpec, HealthCheck, NetworkSpec, Secret, SecretDelivery, SecretValue};

/// Between two looks at a service that has to end.
const BETWEEN: Duration = Duration::from_millis(200);

/// How a project is brought up.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// How long each condition of a dependency is waited for; 2 minutes by default.
    pub patience: Duration,
    /// A service whose container is there with another spec is made anew.
    pub recreate: bool,
}

impl Default for UpOptions {
    fn default() -> Self {
        Self { patience: Duration::from_secs(120), recreate: false }
    }
}

/// How a project is taken down.
#[derive(Debug, Clone)]
pub struct DownOptions {
    /// Its volumes are removed too.
    pub volumes: bool,
    /// Between TERM and KILL; 10 s by default.
    pub grace: Duration,
}

impl Default for DownOptions {
    fn default() -> Self {
        Self { volumes: false, grace: Duration::from_secs(10) }
    }
}

/// What became of a part of a project.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct PartResult {
    /// `container`, `network` or `volume`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What was done: `started`, `present`, `made`, `removed`.
    pub done: &'static str,
}

/// What there was of a project at some moment.
#[derive(Debug, Clone, Default)]
pub struct ProjectState {
    containers: BTreeSet<String>,
    networks: BTreeSet<String>,
    volumes: BTreeSet<String>,
}

/// A network or a volume that no service uses yet.
struct Unused {
    kind: ObjectKind,
    name: String,
    label: Option<String>,
}

impl Unused {
    fn new(kind: ObjectKind, name: &str, label: Option<&str>) -> Self {
        Self { kind, name: name.to_owned(), label: label.map(str::to_owned) }
    }
}

impl Portreeve {
    /// Brings a project up: networks and volumes, then each service after all that it depends on has come to be as it is
    /// wanted. What is there already with the very same spec is left as it is.
    ///
    /// `read` gives the value of a secret; it is asked right before the container is created.
    ///
    /// # Errors
    /// `Unsupported` where the file has a key that is not supported; else as [`Portreeve::run`] and
    /// [`Portreeve::wait_until`]. What was made is taken away again then; what was there before stays.
    pub async fn compose_up(
        &self,
        project: &Project,
        options: &UpOptions,
        read: &(dyn Fn(&SecretSource) -> Result<Vec<u8>, Error> + Sync),
        told: &mut (dyn FnMut(&PartResult) + Send),
    ) -> Result<(), Error> {
        if let Some(problem) = project.problems().next() {
            let why = problem.why.as_deref().unwrap_or_default();
            return Err(Error::Unsupported(format!("{}:{}: {}: {why}", problem.line, problem.column, problem.key)));
        }
        let before = self.compose_state(&project.name).await?;
        let done = self.bring_up(project, options, read, told).await;
        if done.is_err() {
            self.compose_undo(&project.name, &before).await;
        }
        done
    }

    /// What there is of a project now.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn compose_state(&self, project: &str) -> Result<ProjectState, Error> {
        let own = |labels: &BTreeMap<String, String>| is_of(project, labels);
        let containers = self.compose_list(Some(project)).await?.into_iter().map(|container| container.id);
        let networks = self.networks().await?.into_iter().filter(|one| own(&one.labels)).map(|one| one.name);
        let volumes = self.volumes().await?.into_iter().filter(|one| own(&one.labels)).map(|one| one.name);
        Ok(ProjectState { containers: containers.collect(), networks: networks.collect(), volumes: volumes.collect() })
    }

    /// Takes away what there is of a project, was not there before, and was made by this very host: after a bringing up
    /// that was cut short. What can't be removed is told of.
    pub async fn compose_undo(&self, project: &str, before: &ProjectState) {
        if self.inner.services.dry_run {
            return;
        }
        if let Err(error) = self.undo_project(project, before).await {
            self.inner.say(Level::Warning, || format!("of {project} something may have been left behind: {error}"));
        }
    }

    async fn undo_project(&self, project: &str, before: &ProjectState) -> Result<(), Error> {
        let own = |labels: &BTreeMap<String, String>| is_of(project, labels);
        let made = |label: Option<&str>| self.inner.doings.made_under(label);
        let mut first = Ok(());
        let mut note = |done: Result<super::Removed, Error>| match done {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) if first.is_ok() => first = Err(error),
            Err(_) => {}
        };
        for container in self.compose_list(Some(project)).await? {
            if !before.containers.contains(&container.id) && self.made(&container) {
                note(self.remove(&container.name, true).await);
            }
        }
        for network in self.networks().await?.iter().filter(|one| own(&one.labels) && made(one.owner_label())) {
            if !before.networks.contains(&network.name) {
                note(self.remove_network(&network.name, true).await);
            }
        }
        for volume in self.volumes().await?.iter().filter(|one| own(&one.labels) && made(one.owner_label())) {
            if !before.volumes.contains(&volume.name) {
                note(self.remove_volume(&volume.name, true).await);
            }
        }
        first
    }

    async fn bring_up(
        &self,
        project: &Project,
        options: &UpOptions,
        read: &(dyn Fn(&SecretSource) -> Result<Vec<u8>, Error> + Sync),
        told: &mut (dyn FnMut(&PartResult) + Send),
    ) -> Result<(), Error> {
        self.check_project_gpus(project).await?;
        // What nothing used yet is left over when this is cut short.
        let mut unused = Vec::new();
        for network in &project.networks {
            told(&self.up_network(network, &mut unused).await?);
        }
        for volume in &project.volumes {
            told(&self.up_volume(volume, &mut unused).await?);
        }
        for service in &project.services {
            for on in &service.depends_on {
                self.await_dependency(project, on, options).await?;
            }
            let result = self.up_service(service, options, read).await?;
            self.hand_over(&mut unused)?;
            told(&result);
        }
        self.hand_over(&mut unused)
    }

    /// GPUs that are not there end it before anything is made.
    async fn check_project_gpus(&self, project: &Project) -> Result<(), Error> {
        let (backend, _) = self.inner.chosen().await?;
        for ContainerSpec { gpus, gpu_profile, .. } in project.services.iter().map(|service| &service.spec) {
            self.inner.check_gpus(backend, &mut gpus.clone(), gpu_profile.as_ref()).await?;
        }
        Ok(())
    }

    fn hand_over(&self, unused: &mut Vec<Unused>) -> Result<(), Error> {
        unused.drain(..).try_for_each(|one| self.inner.kept(one.kind, &one.name, one.label.as_deref()))
    }

    async fn up_network(&self, network: &Shared, unused: &mut Vec<Unused>) -> Result<PartResult, Error> {
        let name = network.name.as_str();
        let there = self.network_exists(name).await?;
        if network.external {
            return there.then(|| part("network", name, "present")).ok_or_else(|| absent("network", name));
        }
        let mut spec = NetworkSpec::new(name.parse()?);
        spec.internal = network.internal;
        spec.labels.clone_from(&network.labels);
        let held = self.hold_network(&spec).await?;
        unused.push(Unused::new(ObjectKind::Network, name, held.owner_label()));
        Ok(part("network", name, if there || !self.may_have_made(held.owner_label()) { "present" } else { "made" }))
    }

    async fn up_volume(&self, volume: &Shared, unused: &mut Vec<Unused>) -> Result<PartResult, Error> {
        let name = volume.name.as_str();
        let there = self.volume_exists(name).await?;
        if volume.external {
            return there.then(|| part("volume", name, "present")).ok_or_else(|| absent("volume", name));
        }
        let held = self.hold_volume(name, &volume.labels).await?;
        unused.push(Unused::new(ObjectKind::Volume, name, held.owner_label()));
        Ok(part("volume", name, if there || !self.may_have_made(held.owner_label()) { "present" } else { "made" }))
    }

    async fn up_service(
        &self,
        service: &Service,
        options: &UpOptions,
        read: &(dyn Fn(&SecretSource) -> Result<Vec<u8>, Error> + Sync),
    ) -> Result<PartResult, Error> {
        let spec = service.container(read)?;
        let name = spec.name.as_str();
        let before = self.there(name).await?;
        let container = match self.run(&spec).await {
            Err(Error::Conflict(conflict)) if options.recreate && !conflict.differs.is_empty() => {
                self.remove(name, true).await?;
                self.run(&spec).await?
            }
            run => run?,
        };
        let same = before.is_some_and(|before| before.id == container.id && before.state.is_alive());
        let others = !self.inner.services.dry_run && !self.started(&container);
        Ok(part("container", name, if same || others { "present" } else { "started" }))
    }

    /// Of what a dry run would have made, nobody has the label.
    fn may_have_made(&self, label: Option<&str>) -> bool {
        self.inner.services.dry_run || self.inner.doings.made_under(label)
    }

    async fn there(&self, name: &str) -> Result<Option<ContainerInfo>, Error> {
        Ok(self.inner.seek(name).await?.ours().map(|(_, container)| container))
    }

    async fn await_dependency(&self, project: &Project, on: &Dependency, options: &UpOptions) -> Result<(), Error> {
        let Some(service) = project.services.iter().find(|service| service.name == on.service) else { return Ok(()) };
        if self.inner.services.dry_run {
            return Ok(());
        }
        let name = service.spec.name.as_str();
        let waited = match on.condition {
            DependencyCondition::Started => Ok(()),
            DependencyCondition::Healthy => {
                self.wait_until(name, &Condition::Healthy, options.patience).await.map(drop)
            }
            DependencyCondition::Completed => self.completed(name, options.patience).await,
        };
        match waited {
            Err(_) if !on.required => Ok(()),
            waited => waited,
        }
    }

    async fn completed(&self, name: &str, patience: Duration) -> Result<(), Error> {
        let ended = async {
            loop {
                let seen = self.inspect(name).await?;
                if !seen.state.is_alive() && seen.exit_code.is_some() {
                    return Ok::<_, Error>(seen.exit_code);
                }
                tokio::time::sleep(BETWEEN).await;
            }
        };
        let late = |_| Error::Timeout(format!("{name} did not end within {patience:?}"));
        match tokio::time::timeout(patience, ended).await.map_err(late)?? {
            Some(0) => Ok(()),
            status => Err(Error::Engine {
                command: "start".to_owned(),
                status: status.unwrap_or(-1),
                message: format!("{name} should have completed successfully"),
            }),
        }
    }

    /// The containers of a project, by their services' names; of all projects where none is named.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn compose_list(&self, project: Option<&str>) -> Result<Vec<ContainerInfo>, Error> {
        let mut all = self.list().await?;
        all.retain(|container| match (container.labels.get(PROJECT_LABEL), project) {
            (Some(own), Some(project)) => own == project,
            (own, None) => own.is_some(),
            (None, Some(_)) => false,
        });
        all.sort_by(|one, other| one.labels.get(PART_LABEL).cmp(&other.labels.get(PART_LABEL)));
        Ok(all)
    }

    /// Takes a project down: stops and removes its containers, those first that others were started before, or that were
    /// created last where the file does not say, then its networks, and where that is asked for its volumes. What `up` did
    /// not make stays.
    ///
    /// # Errors
    /// Of the first part that could not be removed; the others are removed all the same.
    pub async fn compose_down(
        &self,
        project: &Project,
        options: &DownOptions,
        told: &mut (dyn FnMut(&PartResult) + Send),
    ) -> Result<(), Error> {
        let mut first = Ok(());
        let mut note = |done: Result<PartResult, Error>| match done {
            Ok(result) => told(&result),
            Err(Error::NotFound { .. }) => {}
            Err(error) => {
                if first.is_ok() {
                    first = Err(error);
                }
            }
        };
        let mut containers = self.compose_list(Some(&project.name)).await?;
        let places: BTreeMap<&str, usize> =
            project.services.iter().enumerate().map(|(at, service)| (service.name.as_str(), at)).collect();
        let place = |container: &ContainerInfo| {
            container.labels.get(PART_LABEL).and_then(|part| places.get(part.as_str()).copied()).unwrap_or(usize::MAX)
        };
        containers.sort_by_key(|container| std::cmp::Reverse((place(container), container.created.clone())));
        for container in &containers {
            let own = project.services.iter().find(|service| service.spec.name.as_str() == container.name);
            let grace =
                own.and_then(|service| service.spec.stop_grace).map(|seconds| Duration::from_secs(seconds.into()));
            note(self.take_down(&container.name, grace.unwrap_or(options.grace)).await);
        }
        for network in self.networks().await?.iter().filter(|one| one.labels.get(PROJECT_LABEL) == Some(&project.name))
        {
            note(self.remove_network(&network.name, true).await.map(|_| part("network", &network.name, "removed")));
        }
        if options.volumes {
            for volume in
                self.volumes().await?.iter().filter(|one| one.labels.get(PROJECT_LABEL) == Some(&project.name))
            {
                note(self.remove_volume(&volume.name, true).await.map(|_| part("volume", &volume.name, "removed")));
            }
        }
        first
    }

    async fn take_down(&self, name: &str, grace: Duration) -> Result<PartResult, Error> {
        self.stop(name, grace).await?;
        self.remove(name, true).await?;
        Ok(part("container", name, "removed"))
    }
}

/// Whether an object with these labels is of a project.
fn is_of(project: &str, labels: &BTreeMap<String, String>) -> bool {
    labels.get(PROJECT_LABEL).is_some_and(|own| own == project)
}

fn part(kind: &'static str, name: &str, done: &'static str) -> PartResult {
    PartResult { kind, name: name.to_owned(), done }
}

fn absent(kind: &'static str, name: &str) -> Error {
    Error::NotFound { kind, name: format!("{name}, which the file says is there already") }
}

impl Service {
    /// The container that it is, with its secrets' values.
    fn container(
        &self,
        read: &(dyn Fn(&SecretSource) -> Result<Vec<u8>, Error> + Sync),
    ) -> Result<ContainerSpec, Error> {
        let mut spec = self.spec.clone();
        for secret in &self.secrets {
            spec.secrets.push(Secret {
                name: secret.name.clone(),
                value: SecretValue::new(read(&secret.source)?),
                delivery: SecretDelivery::File(secret.target.clone()),
            });
        }
        spec.cap_add.clone_from(&self.cap_add);
        spec.aliases.clone_from(&self.aliases);
        if let Some(health) = &self.health {
            let mut check = HealthCheck::new(health.words.clone())?;
            check.interval = health.interval.unwrap_or(check.interval);
            check.timeout = health.timeout.unwrap_or(check.timeout);
            check.retries = health.retries.unwrap_or(check.retries);
            check.start_period = health.start_period.unwrap_or(check.start_period);
            spec.health = Some(check);
        }
        Ok(spec)
    }
}
