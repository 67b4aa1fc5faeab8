//! Looking: the evidence commands of the grants, run and read by the host.

mod containers;
mod images;

use std::io::{self, Read};
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender};

use super::container::ContainerInfo;
use super::document::{documents, is_id};
use super::export::{Export, ExportError};
use super::network::NetworkInfo;
use super::pod::EnginePod;
use super::tee::Tee;
use super::usage::{Processes, Usage};
use super::volume::VolumeInfo;
use crate::broker::{Broker, Watched};
use crate::digest::Digest;
use crate::error::{Error, Fault, FaultKind};
use crate::executor::{RawOutput, Source};
use crate::grants::{Binding, Bindings, Slot};
use crate::output::status;
use crate::spec::{ContainerSpec, Name};

/// How many pieces of an export wait to be hashed; each is at most 64 KiB.
const PIECES: usize = 8;
/// How much is kept of what an export says on its standard error: the end of it.
const SAID_MAX: usize = 16 << 10;

/// What an export came to.
pub(crate) enum Exported {
    /// All of it was read.
    Whole(Arc<Export>),
    /// None can be had, and why.
    Nothing(String),
}

impl Broker {
    /// The volumes of these names, ours or not; those that are not there are left out. Some engines give a volume whose
    /// name only begins so: such a one is not what was asked for.
    pub(crate) async fn look_at_volumes(&self, names: &[&str]) -> Result<Vec<VolumeInfo>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let grant = self.backend().grants().evidence().volume.as_ref().ok_or_else(|| self.no_evidence("volume"))?;
        let facts = names.iter().map(|name| (Slot::Query, Binding::fields([("name", *name)]))).collect::<Bindings>();
        let raw = self.look(&grant.command, facts).await?;
        self.found(&raw, &grant.missing)?;
        let documents = documents(raw.expose().expose(Source::Stdout)).map_err(Error::Unavailable)?;
        let read = |document| VolumeInfo::read(document, grant, self.backend().name());
        let seen = documents.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(Error::Unavailable)?;
        Ok(seen.into_iter().filter(|volume| names.contains(&volume.name.as_str())).collect())
    }

    /// The volume of this very name, ours or not.
    pub(crate) async fn look_at_volume(&self, name: &str) -> Result<Option<VolumeInfo>, Error> {
        Ok(self.look_at_volumes(&[name]).await?.pop())
    }

    /// The networks of these names, ours or not; those that are not there are left out. Engines also find networks by
    /// the beginning of an ID: such a one is not what was asked for.
    pub(crate) async fn look_at_networks(&self, names: &[&str]) -> Result<Vec<NetworkInfo>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let grant = self.backend().grants().evidence().network.as_ref().ok_or_else(|| self.no_evidence("network"))?;
        let facts = names.iter().map(|name| (Slot::Query, Binding::fields([("name", *name)]))).collect::<Bindings>();
        let raw = self.look(&grant.command, facts).await?;
        self.found(&raw, &grant.missing)?;
        let documents = documents(raw.expose().expose(Source::Stdout)).map_err(Error::Unavailable)?;
        let labels = self.labels();
        let read = |document| {
            NetworkInfo::read(document, grant, self.backend().name()).map(|network| network.known_by(labels))
        };
        let seen = documents.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(Error::Unavailable)?;
        Ok(seen.into_iter().filter(|network| names.contains(&network.name.as_str())).collect())
    }

    /// The network of this very name, ours or not.
    pub(crate) async fn look_at_network(&self, name: &str) -> Result<Option<NetworkInfo>, Error> {
        Ok(self.look_at_networks(&[name]).await?.pop())
    }

    /// The names of the networks that bear this install's label.
    pub(crate) async fn look_at_network_list(&self) -> Result<Vec<String>, Error> {
        let grant = self.backend().grants().evidence().networks.as_ref().ok_or_else(|| self.no_evidence("networks"))?;
        let raw = self.look(&grant.command, Bindings::default()).await?;
        self.found(&raw, &[])?;
        let text = String::from_utf8_lossy(raw.expose().expose(Source::Stdout)).into_owned();
        let names = text.lines().filter_map(|line| line.trim().parse::<Name>().ok());
        Ok(names.map(|name| name.to_string()).collect())
    }

    /// The engine's own pod of this very name, ours or not; none where the engine has no pods.
    pub(crate) async fn look_at_pod(&self, name: &str) -> Result<Option<EnginePod>, Error> {
        let Some(grant) = self.backend().grants().evidence().pod.as_ref() else { return Ok(None) };
        let facts = [(Slot::Query, Binding::fields([("name", name)]))].into_iter().collect::<Bindings>();
        let raw = self.look(&grant.command, facts).await?;
        self.found(&raw, &grant.missing)?;
        let documents = documents(raw.expose().expose(Source::Stdout)).map_err(Error::Unavailable)?;
        let read = |document| EnginePod::read(document, grant);
        let seen = documents.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(Error::Unavailable)?;
        Ok(seen.into_iter().find(|pod| pod.name == name))
    }

    /// The names of the engine's own pods that bear this install's label.
    pub(crate) async fn look_at_pod_list(&self) -> Result<Vec<String>, Error> {
        let Some(grant) = self.backend().grants().evidence().pods.as_ref() else { return Ok(Vec::new()) };
        let raw = self.look(&grant.command, Bindings::default()).await?;
        self.found(&raw, &[])?;
        let text = String::from_utf8_lossy(raw.expose().expose(Source::Stdout)).into_owned();
        let names = text.lines().filter_map(|line| line.trim().parse::<Name>().ok());
        Ok(names.map(|name| name.to_string()).collect())
    }

    /// The names of the volumes that bear this install's label.
    pub(crate) async fn look_at_volume_list(&self) -> Result<Vec<String>, Error> {
        let grant = self.backend().grants().evidence().volumes.as_ref().ok_or_else(|| self.no_evidence("volumes"))?;
        let raw = self.look(&grant.command, Bindings::default()).await?;
        self.found(&raw, &[])?;
        let text = String::from_utf8_lossy(raw.expose().expose(Source::Stdout)).into_owned();
        let names = text.lines().filter_map(|line| line.trim().parse::<Name>().ok());
        Ok(names.map(|name| name.to_string()).collect())
    }

    /// The IDs of the containers that bear this install's label.
    pub(crate) async fn look_at_list(&self) -> Result<Vec<String>, Error> {
        let grant =
            self.backend().grants().evidence().containers.as_ref().ok_or_else(|| self.no_evidence("containers"))?;
        let raw = self.look(&grant.command, Bindings::default()).await?;
        self.found(&raw, &[])?;
        let text = String::from_utf8_lossy(raw.expose().expose(Source::Stdout)).into_owned();
        Ok(text.lines().map(str::trim).filter(|line| is_id(line)).map(str::to_owned).collect())
    }

    /// What the engine printed of a container's processes, when the backend asked it in this call.
    pub(crate) fn seen_processes(&self) -> Result<Processes, Error> {
        let grant = self.backend().grants().evidence().top.as_ref().ok_or_else(|| self.no_evidence("top"))?;
        Processes::read(&self.seen(&grant.command)?).map_err(Error::Unavailable)
    }

    /// What the engine printed of what a container uses, when the backend asked it in this call.
    pub(crate) fn seen_usage(&self) -> Result<Usage, Error> {
        let grant = self.backend().grants().evidence().stats.as_ref().ok_or_else(|| self.no_evidence("stats"))?;
        Usage::read(&self.seen(&grant.command)?, grant).map_err(Error::Unavailable)
    }

    fn seen(&self, command: &str) -> Result<String, Error> {
        let unasked = || self.fault(FaultKind::Untrue, "it answers without having asked the engine").into();
        self.witnessed(command).ok_or_else(unasked)
    }

    /// Starts to listen to what happens to the containers that bear this install's label, from a moment on.
    pub(crate) fn hear_events(&self, since: &str) -> Result<Watched, Error> {
        let grant = self.backend().grants().evidence().events.as_ref().ok_or_else(|| self.no_evidence("events"))?;
        let facts = [(Slot::EventsSince, Binding::scalar(since))].into_iter().collect::<Bindings>();
        self.watch(&grant.command, facts)
    }

    /// Whether a container that was created just now has the settings and the health check that were asked for.
    ///
    /// # Errors
    /// Says in what it differs.
    pub(crate) fn is_as_asked(&self, seen: &ContainerInfo, spec: &ContainerSpec) -> Result<(), String> {
        seen.settings.check(spec)?;
        let grant = self.backend().grants().evidence().container.as_ref();
        match (&spec.health, grant) {
            (Some(asked), Some(grant)) if !seen.checkup.is_of(asked, grant) => {
                Err("the container does not have the health check that was asked for".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// A container's own document, as the engine prints it.
    pub(crate) async fn look_at_document(&self, id: &str) -> Result<Option<serde_json::Value>, Error> {
        let grant =
            self.backend().grants().evidence().container.as_ref().ok_or_else(|| self.no_evidence("container"))?;
        let facts = [(Slot::Query, Binding::fields([("name", id)]))].into_iter().collect::<Bindings>();
        let raw = self.look(&grant.command, facts).await?;
        self.found(&raw, &grant.missing)?;
        let documents = documents(raw.expose().expose(Source::Stdout)).map_err(Error::Unavailable)?;
        let is_it = |document: &serde_json::Value| {
            super::document::text(document, Some(&grant.id)).is_some_and(|found| super::document::bare_id(&found) == id)
        };
        Ok(documents.into_iter().find(is_it))
    }

    /// An image as the engine exports it, hashed as it streams by.
    ///
    /// # Errors
    /// `Digest` when the engine says, or the bytes show, that it is not what was pulled.
    pub(crate) async fn look_at_export(&self, id: &str, diff_ids: &[Digest]) -> Result<Exported, Error> {
        self.save_export(id, diff_ids, io::sink()).await
    }

    /// The same, and what streams by is written.
    ///
    /// # Errors
    /// As [`Broker::look_at_export`]; `Unavailable` where it can't be written.
    pub(crate) async fn save_export(
        &self,
        id: &str,
        diff_ids: &[Digest],
        writer: impl io::Write + Send + 'static,
    ) -> Result<Exported, Error> {
        let Some(grant) = self.backend().grants().evidence().export.as_ref() else {
            return Ok(Exported::Nothing(format!("the grants of {} have no [evidence.export]", self.backend().name())));
        };
        let mut export = self.watch(&grant.command, image_query(id))?;
        let (sender, receiver) = tokio::sync::mpsc::channel(PIECES);
        let diff_ids = diff_ids.to_vec();
        let reading =
            tokio::task::spawn_blocking(move || Export::read(Tee { reader: Pieces::new(receiver), writer }, &diff_ids));
        let said = pump(&mut export, sender).await;
        let read = reading.await.map_err(|error| Error::State(error.to_string()))?;
        // where the reader gave up, the command has nobody to write to
        let Some(said) = said else { return read.map(|_| Exported::Nothing(String::new())).map_err(wrong_export) };
        let status = export.finish().await?;
        if status == 0 {
            return read.map(|read| Exported::Whole(Arc::new(read))).map_err(wrong_export);
        }
        let said = self.redactor().text(&String::from_utf8_lossy(&said));
        let lower = said.to_lowercase();
        let last = said.trim().lines().next_back().unwrap_or_default();
        if grant.damaged.iter().any(|text| lower.contains(text.as_str())) {
            return Err(Error::Digest(format!(
                "a layer was changed in the engine's store: it can't export it: {last}"
            )));
        }
        Ok(Exported::Nothing(format!("the engine could not export it (status {status}): {last}")))
    }

    /// Whether the engine found what it was asked about; any other failure is an error.
    fn found(&self, raw: &RawOutput, missing: &[String]) -> Result<bool, Error> {
        let code = status(raw.exit());
        if code == 0 {
            return Ok(true);
        }
        let stderr = self.said(raw);
        let lower = stderr.to_lowercase();
        if missing.iter().any(|text| lower.contains(text.as_str())) {
            return Ok(false);
        }
        let message = stderr.trim().lines().next_back().unwrap_or_default().to_owned();
        Err(Error::Unavailable(format!("{} can't answer (status {code}): {message}", self.backend().name())))
    }

    /// What a look had on its standard error.
    fn said(&self, raw: &RawOutput) -> String {
        self.redactor().text(&String::from_utf8_lossy(raw.expose().expose(Source::Stderr)))
    }

    fn no_evidence(&self, what: &str) -> Error {
        Error::Unsupported(format!("the grants of {} have no [evidence.{what}]", self.backend().name()))
    }

    /// The backend said what the host saw to be untrue, or broke: recorded, and told.
    pub(crate) fn fault(&self, kind: FaultKind, why: &str) -> Fault {
        self.record_fault(why);
        Fault {
            backend: self.backend().name().to_owned(),
            digest: *self.backend().digest(),
            kind,
            why: self.redactor().text(why),
        }
    }
}

fn image_query(image: &str) -> Bindings {
    [(Slot::ImageQuery, Binding::scalar(image))].into_iter().collect()
}

fn wrong_export(error: ExportError) -> Error {
    match error {
        ExportError::Read(error) => Error::Unavailable(format!("the engine's export: {error}")),
        wrong => Error::Digest(wrong.to_string()),
    }
}

/// Hands standard output on, and keeps the end of standard error; none when nobody reads any more.
async fn pump(export: &mut Watched, sender: Sender<Vec<u8>>) -> Option<Vec<u8>> {
    let mut said = Vec::new();
    while let Some(chunk) = export.next().await {
        match chunk.source() {
            Source::Stdout => sender.send(chunk.into_bytes()).await.ok()?,
            Source::Stderr => {
                said.extend_from_slice(chunk.expose());
                said.drain(..said.len().saturating_sub(SAID_MAX));
            }
        }
    }
    Some(said)
}

/// Pieces from the runtime, read by a thread that may wait.
struct Pieces {
    receiver: Receiver<Vec<u8>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Pieces {
    fn new(receiver: Receiver<Vec<u8>>) -> Self {
        Self { receiver, piece: io::Cursor::default() }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = io::Cursor::new(piece),
                None => return Ok(0),
            }
        }
    }
}
