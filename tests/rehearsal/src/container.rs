//! Containers: what `create` fixed, and what changes afterwards.
//!
//! A container is a directory: `container` (never changed), `status` (replaced under the guard `lock`), `log`, and
//! `alive`, which its supervisor holds locked for as long as it lives.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::events::{Event, What};
use crate::image;
use crate::spec::{Port, Spec};
use crate::state::{self, Guard, State};
use crate::trouble::Trouble;

/// How long the exit status of a removed container is remembered.
const MEMORY: Duration = Duration::from_secs(300);

/// What `create` fixed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Moment,
    /// Hexadecimal digits.
    pub(crate) image: String,
    /// The digest that was pulled first.
    pub(crate) image_digest: String,
    pub(crate) image_name: String,
    /// The image as `create` named it.
    pub(crate) image_typed: String,
    /// The whole command line of `create`.
    pub(crate) command: Vec<String>,
    pub(crate) spec: Spec,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) words: Vec<String>,
    /// Of the image, the engine and the caller.
    pub(crate) env: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) user: String,
    pub(crate) workdir: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    #[default]
    Created,
    Running,
    Exited,
}

impl Phase {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Exited => "exited",
        }
    }
}

/// What changes after `create`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) phase: Phase,
    pub(crate) pid: i32,
    pub(crate) supervisor: i32,
    pub(crate) exit_code: i32,
    pub(crate) error: String,
    pub(crate) started: Moment,
    pub(crate) finished: Moment,
    pub(crate) restarts: u32,
    /// Its process stands still.
    #[serde(default)]
    pub(crate) paused: bool,
    /// It was told to stop: no restart.
    pub(crate) stopping: bool,
    /// With the ports that the engine chose.
    pub(crate) ports: Vec<Port>,
}

impl Status {
    pub(crate) fn word(&self) -> &'static str {
        if self.phase == Phase::Running && self.paused { "paused" } else { self.phase.word() }
    }
}

/// A container's directory, found.
#[derive(Debug, Clone)]
pub(crate) struct Place<'s> {
    pub(crate) state: &'s State,
    pub(crate) id: String,
    pub(crate) directory: PathBuf,
}

impl<'s> Place<'s> {
    /// The container that an operand names: an ID, a name, or the beginning of an ID.
    pub(crate) fn find(state: &'s State, operand: &str) -> Result<Self, Trouble> {
        let missing = || Trouble::NoSuchContainer(operand.to_owned());
        if operand.is_empty() || operand.contains('/') || operand.starts_with('.') {
            return Err(missing());
        }
        let exact = Self::of(state, operand);
        if exact.directory.is_dir() {
            return Ok(exact);
        }
        if let Some(id) = image::optional(std::fs::read_to_string(name_file(state, operand)))? {
            return Ok(Self::of(state, &id));
        }
        let known = if image::is_hex(operand) { state::names(&state.containers())? } else { Vec::new() };
        known.iter().find(|id| id.starts_with(operand)).map(|id| Self::of(state, id)).ok_or_else(missing)
    }

    pub(crate) fn of(state: &'s State, id: &str) -> Self {
        Self { state, id: id.to_owned(), directory: state.containers().join(id) }
    }

    /// All containers, oldest first.
    pub(crate) fn all(state: &'s State) -> io::Result<Vec<(Self, Container)>> {
        let ids = state::names(&state.containers())?;
        let places = ids.iter().map(|id| Self::of(state, id));
        let mut all = places
            .map(|place| Ok(image::optional(place.container())?.map(|container| (place, container))))
            .collect::<io::Result<Vec<_>>>()?;
        all.sort_by_key(|found| found.as_ref().map(|(_, container)| container.created));
        Ok(all.into_iter().flatten().collect())
    }

    /// Makes a new one; its name must be free.
    pub(crate) fn make(state: &'s State, container: &Container, status: &Status) -> Result<Self, Trouble> {
        let place = Self::of(state, &container.id);
        let hidden = state.containers().join(format!(".{}", container.id));
        state::create_directory(&hidden)?;
        state::save(&hidden.join("container"), container)?;
        state::save(&hidden.join("status"), status)?;
        let _guard = state.lock()?;
        let name = name_file(state, &container.name);
        if let Some(id) = image::optional(std::fs::read_to_string(&name))? {
            std::fs::remove_dir_all(&hidden)?;
            return Err(Trouble::NameTaken { name: container.name.clone(), id });
        }
        std::fs::rename(&hidden, &place.directory)?;
        state::create_directory(&state.exits().with_file_name("names"))?;
        state::write(&name, container.id.as_bytes())?;
        Ok(place)
    }

    /// Adds to what happened.
    pub(crate) fn note(&self, event: &Event) -> io::Result<()> {
        event.note(self.state)
    }

    pub(crate) fn container(&self) -> io::Result<Container> {
        state::load(&self.directory.join("container"))
    }

    /// It is on one more network from now on.
    pub(crate) fn join(&self, network: &str) -> io::Result<()> {
        let _guard = self.guard()?;
        let mut container = self.container()?;
        container.spec.networks.push(network.to_owned());
        state::save(&self.directory.join("container"), &container)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    pub(crate) fn alive(&self) -> PathBuf {
        self.directory.join("alive")
    }

    /// A pipe by which a client feeds it.
    pub(crate) fn input(&self) -> PathBuf {
        self.directory.join("input")
    }

    /// Where a worker notes what it listens on: a file for each of the container's ports, with the host's address.
    pub(crate) fn listening(&self) -> PathBuf {
        self.directory.join("listening")
    }

    /// Where a worker notes that TERM does nothing.
    pub(crate) fn ignores_term(&self) -> PathBuf {
        self.directory.join("ignores-term")
    }

    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        crate::volume::Volume::data(self.state, name)
    }

    pub(crate) fn guard(&self) -> io::Result<Guard> {
        state::lock(&self.directory.join("lock"))
    }

    /// The status; one that says `running` is believed only while its supervisor lives.
    pub(crate) fn status(&self) -> io::Result<Status> {
        let status = self.recorded()?;
        if status.phase != Phase::Running || state::is_locked(&self.alive()) {
            return Ok(status);
        }
        // It may have ended properly between the two looks.
        let again = self.recorded()?;
        Ok(if again.phase == Phase::Running { lost(again) } else { again })
    }

    fn recorded(&self) -> io::Result<Status> {
        state::load(&self.directory.join("status"))
    }

    pub(crate) fn set_status(&self, status: &Status) -> io::Result<()> {
        state::save(&self.directory.join("status"), status)
    }

    /// When the status was last replaced; nothing when the container is gone.
    pub(crate) fn status_age(&self) -> Option<(u64, SystemTime)> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(self.directory.join("status")).ok()?;
        Some((metadata.ino(), metadata.modified().ok()?))
    }

    /// Whether it ran and does not any more, or is gone.
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.status(), Ok(status) if status.phase == Phase::Running)
    }

    /// The exit status, also of one that is gone.
    pub(crate) fn exit_code(&self) -> io::Result<i32> {
        if let Some(status) = image::optional(self.status())? {
            return Ok(status.exit_code);
        }
        let text = std::fs::read_to_string(self.state.exits().join(&self.id))?;
        Ok(text.trim().parse().unwrap_or(-1))
    }

    /// Takes it away, with its name and its log; the exit status is remembered for a while.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let (container, status) = (self.container()?, self.recorded()?);
        state::write(&self.state.exits().join(&self.id), status.exit_code.to_string().as_bytes())?;
        let gone = self.state.containers().join(format!(".gone-{}", self.id));
        self.note(&Event::of(&container, What::Remove))?;
        let guard = self.state.lock()?;
        std::fs::remove_file(name_file(self.state, &container.name))?;
        std::fs::rename(&self.directory, &gone)?;
        drop(guard);
        self.forget_exits()?;
        std::fs::remove_dir_all(&gone)
    }

    /// Now and then: it would be too dear at every removal.
    fn forget_exits(&self) -> io::Result<()> {
        if !self.id.starts_with('0') {
            return Ok(());
        }
        for name in state::names(&self.state.exits())? {
            let path = self.state.exits().join(name);
            let age = std::fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .ok()
                .and_then(|then| then.elapsed().ok());
            if age.is_some_and(|age| age > MEMORY) {
                // Another process may have been quicker.
                let _ = std::fs::remove_file(path);
            }
        }
        Ok(())
    }
}

fn name_file(state: &State, name: &str) -> PathBuf {
    state.exits().with_file_name("names").join(name)
}

/// Its supervisor was killed, or the machine went down.
fn lost(status: Status) -> Status {
    Status {
        phase: Phase::Exited,
        paused: false,
        pid: 0,
        supervisor: 0,
        exit_code: 137,
        finished: Moment::now(),
        ..status
    }
}

/// Waits with growing pauses, so that what comes at once is seen at once and what takes long costs little.
pub(crate) struct Patience {
    next: Duration,
    most: Duration,
}

impl Patience {
    pub(crate) fn up_to(most: Duration) -> Self {
        Self { next: Duration::from_millis(1), most }
    }

    pub(crate) fn pause(&mut self) {
        std::thread::sleep(self.next);
        self.next = self.most.min(self.next * 3 / 2);
    }

    pub(crate) fn reset(&mut self) {
        self.next = Duration::from_millis(1);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn container(id: &str, name: &str) -> Container {
        let json = serde_json::json!({"id": id, "name": name, "created": 1, "image": "", "image_digest": "", "image_name": "", "image_typed": "",
            "command": [], "spec": Spec::default(), "entrypoint": [], "words": [], "env": [], "labels": {}, "user": "", "workdir": ""});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn names_and_beginnings_of_ids_find_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path(), "podman").unwrap();
        Place::make(&state, &container("abcdef012345", "web"), &Status::default()).unwrap();
        for operand in ["abcdef012345", "web", "abc"] {
            assert_eq!(Place::find(&state, operand).unwrap().id, "abcdef012345");
        }
        for operand in ["", "we", "..", "../podman", "abd"] {
            assert!(matches!(Place::find(&state, operand), Err(Trouble::NoSuchContainer(_))), "{operand}");
        }
    }

    #[test]
    fn a_name_is_taken_until_its_container_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path(), "podman").unwrap();
        let first = Place::make(&state, &container("aa", "web"), &Status::default()).unwrap();
        let taken = Place::make(&state, &container("bb", "web"), &Status::default());
        assert!(matches!(taken, Err(Trouble::NameTaken { id, .. }) if id == "aa"));
        first.remove().unwrap();
        Place::make(&state, &container("bb", "web"), &Status::default()).unwrap();
        assert_eq!(first.exit_code().unwrap(), 0);
    }

    #[test]
    fn running_without_a_supervisor_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path(), "podman").unwrap();
        let running = Status { phase: Phase::Running, ..Status::default() };
        let place = Place::make(&state, &container("aa", "web"), &running).unwrap();
        assert_eq!(place.status().unwrap().exit_code, 137);
        let _alive = state::lock(&place.alive()).unwrap();
        assert_eq!(place.status().unwrap().phase, Phase::Running);
    }
}
