//! What a call that never came to its end left behind, found and taken away.
//!
//! A call that hands what it made to its caller says so in the journal, by the nonce of the owner label. Left over is what
//! bears this install's own label, of which the journal has the intent and no such word, whose process is gone, and
//! which does nothing: a container that was never started, or that has ended and was to be removed then; a pod without its
//! holder; a volume or a network that nobody uses. What runs is somebody's. What the journal does not know (any more) is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Inner, Portreeve, Removed};
use crate::backend::Backend;
use crate::error::Error;
use crate::evidence::{ContainerInfo, ContainerState};
use crate::journal::{Effect, Entry, Filter, Journal, Kind, Record};
use crate::owner::{OWNER_LABEL, ObjectKind, OwnerLabel};
use crate::scope::Call;
use crate::spec::HOLDER;

/// What the journal says of what was handed to a caller.
const KEPT: &str = "handed to the caller";

/// How old a secret's folder must be: it is there before the intent of its container.
const AGE: Duration = Duration::from_secs(60);

/// Something that is left over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Leftover {
    /// `container`, `volume`, `network`, `pod` or `secrets`.
    pub kind: &'static str,
    /// Its name; of secrets that of the container that they were for.
    pub name: String,
    /// The backend that drives its engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// When the call that made it began: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
    /// Why it is left over.
    pub why: &'static str,
    #[serde(skip)]
    label: String,
}

/// What became of something that was left over.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cleaned {
    /// What it is.
    pub leftover: Leftover,
    /// Whether it is gone.
    pub result: Result<Removed, Error>,
}

impl Portreeve {
    /// Finds what calls of this install left that never came to their end, on every engine that answers.
    ///
    /// # Errors
    /// `NoEngine` where none answers, `State` where the journal can't be read.
    pub async fn leftovers(&self) -> Result<Vec<Leftover>, Error> {
        self.inner.leftovers().await
    }

    /// Removes what [`Portreeve::leftovers`] finds, and nothing else; each is looked at again before.
    ///
    /// # Errors
    /// As [`Portreeve::leftovers`]; what becomes of each stands beside it.
    pub async fn cleanup(&self) -> Result<Vec<Cleaned>, Error> {
        let mut cleaned = Vec::new();
        for leftover in self.inner.leftovers().await? {
            let result = self.inner.clean(&leftover).await;
            cleaned.push(Cleaned { leftover, result });
        }
        Ok(cleaned)
    }
}

/// What the journal knows of creations.
#[derive(Default)]
struct Open {
    /// Those that nobody was handed, by their nonces: the time, where the process is gone.
    begun: BTreeMap<String, String>,
    /// The backends that ever created something of a name.
    makers: BTreeMap<String, BTreeSet<String>>,
}

impl Open {
    fn read(records: impl Iterator<Item = Record>) -> Self {
        let (mut open, mut alive) = (Self::default(), BTreeMap::<u32, bool>::new());
        for record in records {
            if let (Some(Effect::Create), Some(name), Some(backend)) = (record.effect, &record.name, &record.backend) {
                open.makers.entry(name.clone()).or_default().insert(backend.clone());
            }
            let Some(nonce) = record.nonce else { continue };
            let gone = !*alive.entry(record.pid).or_insert_with_key(|pid| is_alive(*pid));
            match (record.kind, record.effect) {
                (Kind::Intent, Some(Effect::Create)) if gone => drop(open.begun.insert(nonce, record.time.to_string())),
                (Kind::Note, _) if record.why.as_deref() == Some(KEPT) => drop(open.begun.remove(&nonce)),
                _ => {}
            }
        }
        open
    }

    /// When the creation of what bears a label was begun, if nobody was handed it.
    fn begun(&self, label: Option<&str>) -> Option<String> {
        let nonce = OwnerLabel::parse(label?).ok()?.nonce().to_string();
        self.begun.get(&nonce).cloned()
    }

    /// Whether every backend that made something of this name is one of those that were asked.
    fn is_made_by(&self, name: &str, asked: &[Arc<Backend>]) -> bool {
        let makers = self.makers.get(name).into_iter().flatten();
        makers.into_iter().all(|maker| asked.iter().any(|backend| backend.name() == maker))
    }
}

/// Whether a container was never started, or has ended.
fn does_nothing(container: &ContainerInfo) -> bool {
    matches!(container.state, ContainerState::Created | ContainerState::Exited)
}

/// Whether there is such a process. Another one that has its number by now counts: what is in doubt is left alone.
fn is_alive(pid: u32) -> bool {
    std::path::Path::new("/proc").join(pid.to_string()).exists()
}

impl Inner {
    /// What was made is its caller's from here on.
    pub(super) fn kept(&self, kind: ObjectKind, name: &str, label: Option<&str>) -> Result<(), Error> {
        let nonce = label.and_then(|label| OwnerLabel::parse(label).ok()).map(|label| label.nonce().to_string());
        let Some(nonce) = nonce.filter(|_| !self.services.dry_run) else { return Ok(()) };
        let entry = Entry {
            object: Some(kind),
            name: Some(name),
            nonce: Some(&nonce),
            why: Some(KEPT),
            ..Entry::new(Kind::Note)
        };
        self.services.journal.append(&entry).map(drop).map_err(|error| Error::State(format!("the journal: {error}")))
    }

    /// The same of a container.
    pub(super) fn kept_container(&self, kind: ObjectKind, container: &ContainerInfo) -> Result<(), Error> {
        self.kept(kind, &container.name, container.host_label(OWNER_LABEL))
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>, Error> {
        let failed = |error: crate::journal::JournalError| Error::State(format!("the journal: {error}"));
        let records = Journal::read(&self.state, Filter::default()).map_err(failed)?;
        // A line that is not this install's says nothing.
        let open = Open::read(records.filter_map(Result::ok));
        let (mut found, mut names, mut problems) = (Vec::<Leftover>::new(), BTreeSet::new(), Vec::new());
        for backend in &self.backends {
            match self.leftovers_on(backend, &open, &mut names).await {
                Ok(all) => {
                    let fresh = |one: &Leftover| !found.iter().any(|known| same(known, one));
                    let fresh = all.into_iter().filter(fresh).collect::<Vec<_>>();
                    found.extend(fresh);
                }
                Err(error @ (Error::State(_) | Error::Refused(_) | Error::Fault(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        if problems.len() == self.backends.len() {
            return Err(Error::NoEngine(problems));
        }
        // With an engine that does not answer, or is not asked, nobody knows whose secrets they are.
        if problems.is_empty() {
            let left = self.left_secrets(&names).into_iter();
            found.extend(left.filter(|one| open.is_made_by(&one.name, &self.backends)));
        }
        Ok(found)
    }

    async fn leftovers_on(
        &self,
        backend: &Arc<Backend>,
        open: &Open,
        names: &mut BTreeSet<String>,
    ) -> Result<Vec<Leftover>, Error> {
        backend.checked_endpoint().map_err(|why| Error::Unavailable(why.to_owned()))?;
        let containers = self.every_container(backend).await?;
        names.extend(containers.iter().map(|container| container.name.clone()));
        let mut found = self.left_containers(backend, open, &containers);
        found.extend(self.left_pods(backend, open, &containers).await?);
        let in_use = |name: &str| {
            let mounts =
                |one: &ContainerInfo| one.mounts.iter().any(|mount| mount.kind == "volume" && mount.source == name);
            let leaves =
                |one: &ContainerInfo| found.iter().any(|left| one.host_label(OWNER_LABEL) == Some(&left.label));
            containers.iter().any(|one| (mounts(one) || one.networks.iter().any(|on| on == name)) && !leaves(one))
        };
        let mut unused = self.left_volumes(backend, open).await?;
        unused.extend(self.left_networks(backend, open).await?);
        unused.retain(|left| !in_use(&left.name));
        found.extend(unused);
        Ok(found)
    }

    fn left_containers(&self, backend: &Backend, open: &Open, containers: &[ContainerInfo]) -> Vec<Leftover> {
        let (key, install) = (self.state.key(), self.state.install());
        let left = containers.iter().filter(|one| does_nothing(one)).filter_map(|one| {
            let kind = [ObjectKind::Container, ObjectKind::Pod]
                .into_iter()
                .find(|kind| one.is_ours_as(*kind, key, install))?;
            let label = one.host_label(OWNER_LABEL)?;
            let begun = open.begun(Some(label))?;
            let (kind, why) = match kind {
                ObjectKind::Pod if one.state == ContainerState::Created => {
                    ("pod", "its holder was created and never started")
                }
                ObjectKind::Pod => ("pod", "its holder has ended, and the call that made it never did"),
                _ if one.state == ContainerState::Created => ("container", "it was created and never started"),
                _ => ("container", "it has ended, and the call that was to remove it is gone"),
            };
            let name = if kind == "pod" { one.name.strip_suffix(HOLDER)? } else { &one.name };
            Some(left(kind, name, backend, begun, why, label))
        });
        left.collect()
    }

    async fn left_pods(
        &self,
        backend: &Arc<Backend>,
        open: &Open,
        containers: &[ContainerInfo],
    ) -> Result<Vec<Leftover>, Error> {
        let looker = self.looker(backend, Call::PodList)?;
        let mut found = Vec::new();
        for name in looker.look_at_pod_list().await? {
            let held = containers.iter().any(|one| one.name == format!("{name}{HOLDER}"));
            let pod = looker.look_at_pod(&name).await?.filter(|pod| !held && pod.containers.is_empty());
            let ours = pod.filter(|pod| pod.is_ours(self.state.key(), self.state.install()));
            let label = ours.as_ref().and_then(|pod| pod.owner_label()).unwrap_or_default();
            let begun = open.begun(Some(label));
            found.extend(begun.map(|begun| left("pod", &name, backend, begun, "nothing holds its network", label)));
        }
        Ok(found)
    }

    async fn left_volumes(&self, backend: &Arc<Backend>, open: &Open) -> Result<Vec<Leftover>, Error> {
        if backend.grants().evidence().volumes.is_none() {
            return Ok(Vec::new());
        }
        let looker = self.looker(backend, Call::VolumeList)?;
        let names = looker.look_at_volume_list().await?;
        let seen = looker.look_at_volumes(&names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let ours = seen.iter().filter(|volume| volume.is_ours(self.state.key(), self.state.install()));
        let why = "the call that made it never came to its end";
        let found = ours.filter_map(|volume| {
            let label = volume.owner_label()?;
            Some(left("volume", &volume.name, backend, open.begun(Some(label))?, why, label))
        });
        Ok(found.collect())
    }

    async fn left_networks(&self, backend: &Arc<Backend>, open: &Open) -> Result<Vec<Leftover>, Error> {
        if backend.grants().evidence().networks.is_none() {
            return Ok(Vec::new());
        }
        let looker = self.looker(backend, Call::NetworkList)?;
        let names = looker.look_at_network_list().await?;
        let seen = looker.look_at_networks(&names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let ours = seen.iter().filter(|network| network.is_ours(self.state.key(), self.state.install()));
        let why = "the call that made it never came to its end";
        let found = ours.filter_map(|network| {
            let label = network.owner_label()?;
            Some(left("network", &network.name, backend, open.begun(Some(label))?, why, label))
        });
        Ok(found.collect())
    }

    /// Secrets in memory of containers that are not there.
    fn left_secrets(&self, names: &BTreeSet<String>) -> Vec<Leftover> {
        let Ok(folder) = self.secrets_folder() else { return Vec::new() };
        let entries = std::fs::read_dir(folder.join(self.state.install().as_str())).into_iter().flatten().flatten();
        let old = |entry: &std::fs::DirEntry| {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            modified.is_ok_and(|then| SystemTime::now().duration_since(then).is_ok_and(|age| age > AGE))
        };
        let left = entries.filter(old).filter_map(|entry| entry.file_name().into_string().ok());
        let left = left.filter(|name| !names.contains(name)).map(|name| Leftover {
            kind: "secrets",
            name,
            backend: None,
            begun: None,
            why: "their container is not there",
            label: String::new(),
        });
        left.collect()
    }

    /// Takes one away, if it still is what was found.
    async fn clean(&self, leftover: &Leftover) -> Result<Removed, Error> {
        let (name, label) = (leftover.name.as_str(), leftover.label.as_str());
        if leftover.kind == "secrets" {
            if !self.services.dry_run {
                self.remove_secret_files(name);
            }
            return Ok(if self.services.dry_run { Removed::LeftOut } else { Removed::Removed });
        }
        let backend = self.backends.iter().find(|backend| Some(backend.name()) == leftover.backend.as_deref());
        let backend = backend.ok_or_else(|| Error::NotFound { kind: "backend", name: name.to_owned() })?;
        match leftover.kind {
            "container" => self.clean_container(backend, name, label).await,
            "pod" => self.clean_pod(backend, name, label).await,
            "volume" => self.clean_volume(backend, name, label).await,
            _ => self.clean_network(backend, name, label).await,
        }
    }

    async fn clean_container(&self, backend: &Arc<Backend>, name: &str, label: &str) -> Result<Removed, Error> {
        let seen = self.looker(backend, Call::Remove)?.look_at_container(name).await?;
        let still = |one: &ContainerInfo| one.host_label(OWNER_LABEL) == Some(label) && does_nothing(one);
        let Some(container) = seen.filter(still) else { return Ok(Removed::Absent) };
        // Without force: one that was started just now is refused by the engine.
        self.remove_container(backend, &container, false).await?;
        if self.services.dry_run {
            return Ok(Removed::LeftOut);
        }
        self.remove_secret_files(name);
        Ok(Removed::Removed)
    }

    /// The holder, where it is there; and the engine's own pod.
    async fn clean_pod(&self, backend: &Arc<Backend>, name: &str, label: &str) -> Result<Removed, Error> {
        let holder = self.clean_container(backend, &format!("{name}{HOLDER}"), label).await?;
        let pod = self.looker(backend, Call::PodRemove)?.look_at_pod(name).await?;
        let is_empty = |pod: &crate::evidence::pod::EnginePod| {
            pod.is_ours(self.state.key(), self.state.install()) && pod.containers.is_empty()
        };
        match pod.filter(is_empty) {
            Some(pod) => {
                self.remove_engine_pod(backend, &pod).await?;
                Ok(if self.services.dry_run { Removed::LeftOut } else { Removed::Removed })
            }
            None => Ok(holder),
        }
    }

    async fn clean_volume(&self, backend: &Arc<Backend>, name: &str, label: &str) -> Result<Removed, Error> {
        let _hold = self.hold().await?;
        let seen = self.looker(backend, Call::VolumeRemove)?.look_at_volume(name).await?;
        match seen.filter(|volume| volume.owner_label() == Some(label)) {
            Some(volume) => self.remove_volume(backend, &volume, false).await,
            None => Ok(Removed::Absent),
        }
    }

    async fn clean_network(&self, backend: &Arc<Backend>, name: &str, label: &str) -> Result<Removed, Error> {
        let _hold = self.hold().await?;
        let seen = self.looker(backend, Call::NetworkRemove)?.look_at_network(name).await?;
        match seen.filter(|network| network.owner_label() == Some(label)) {
            Some(network) => self.remove_network(backend, &network).await,
            None => Ok(Removed::Absent),
        }
    }
}

fn left(kind: &'static str, name: &str, backend: &Backend, begun: String, why: &'static str, label: &str) -> Leftover {
    let (name, label, backend) = (name.to_owned(), label.to_owned(), Some(backend.name().to_owned()));
    Leftover { kind, name, backend, begun: Some(begun), why, label }
}

/// Two backends may drive one engine.
fn same(one: &Leftover, other: &Leftover) -> bool {
    (one.kind, &one.name, &one.label) == (other.kind, &other.name, &other.label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::Nonce;
    use crate::state::{InstallId, InstallKey};

    /// No process has a number as high as this.
    const GONE: u32 = u32::MAX - 1;

    fn record(kind: &str, pid: u32, nonce: &str, why: &str) -> Record {
        let record = serde_json::json!({"seq": 1, "time": "2026-01-02T03:04:05Z", "pid": pid, "kind": kind,
            "effect": "create", "nonce": nonce, "why": why});
        serde_json::from_value(record).unwrap()
    }

    fn label(byte: u8) -> (String, String) {
        let key = InstallKey::from_bytes([7; 32]);
        let nonce = Nonce::from_bytes([byte; 16]);
        let label = OwnerLabel::mint(&key, &InstallId::of(&key), ObjectKind::Container, "web", nonce);
        (label.to_string(), nonce.to_string())
    }

    #[test]
    fn left_over_is_what_was_begun_by_who_is_gone_and_handed_to_nobody() {
        let (kept, left, now, unknown) = (label(1), label(2), label(3), label(4));
        let open = Open::read(
            [
                record("intent", GONE, &kept.1, ""),
                record("intent", GONE, &left.1, ""),
                record("intent", std::process::id(), &now.1, ""),
                record("note", GONE, &left.1, "something else"),
                record("note", GONE, &kept.1, KEPT),
            ]
            .into_iter(),
        );
        assert!(open.begun(Some(&left.0)).is_some());
        for label in [kept.0, now.0, unknown.0, "no label".to_owned()] {
            assert_eq!(open.begun(Some(&label)), None);
        }
        assert_eq!(open.begun(None), None);
    }
}
