//! What happened: a line for each event, added by whoever did it, and told again by `events`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::Moment;
use crate::container::Container;
use crate::dialect::Dialect;
use crate::state::State;

/// An event of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) time: Moment,
    what: What,
    id: String,
    name: String,
    image: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Of a death.
    code: Option<i32>,
    /// Of a health check.
    health: Option<String>,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Create,
    Start,
    Die,
    Stop,
    Remove,
    Pause,
    Unpause,
    Health,
}

impl Event {
    pub(crate) fn of(container: &Container, what: What) -> Self {
        Self {
            time: Moment::now(),
            what,
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image_name.clone(),
            labels: container.labels.clone(),
            code: None,
            health: None,
        }
    }

    pub(crate) fn with_code(self, code: i32) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(crate) fn with_health(self, health: &str) -> Self {
        Self { health: Some(health.to_owned()), ..self }
    }

    /// Adds it to what happened; a line is written at once, whole.
    pub(crate) fn note(&self, state: &State) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        OpenOptions::new().append(true).create(true).mode(0o600).open(file(state))?.write_all(&line)
    }

    /// As the engine prints it.
    pub(crate) fn document(&self, dialect: Dialect) -> Value {
        match dialect {
            Dialect::Podman => self.podman(),
            Dialect::Docker => self.docker(),
        }
    }

    fn podman(&self) -> Value {
        let status = match self.what {
            What::Create => "create",
            What::Start => "start",
            What::Die => "died",
            What::Stop => "stop",
            What::Remove => "remove",
            What::Pause => "pause",
            What::Unpause => "unpause",
            What::Health => "health_status",
        };
        let mut event = Map::new();
        event.extend(self.code.map(|code| ("ContainerExitCode".to_owned(), json!(code))));
        event.extend([
            ("ID".to_owned(), json!(self.id)),
            ("Image".to_owned(), json!(self.image)),
            ("Name".to_owned(), json!(self.name)),
            ("Status".to_owned(), json!(status)),
            ("Time".to_owned(), json!(self.time.rfc3339())),
            ("Type".to_owned(), json!("container")),
        ]);
        event.extend(self.health.as_ref().map(|health| ("health_status".to_owned(), json!(health))));
        event.insert("Attributes".to_owned(), json!(self.labels));
        Value::Object(event)
    }

    fn docker(&self) -> Value {
        let action = match (self.what, &self.health) {
            (What::Create, _) => "create".to_owned(),
            (What::Start, _) => "start".to_owned(),
            (What::Die, _) => "die".to_owned(),
            (What::Stop, _) => "stop".to_owned(),
            (What::Remove, _) => "destroy".to_owned(),
            (What::Pause, _) => "pause".to_owned(),
            (What::Unpause, _) => "unpause".to_owned(),
            (What::Health, health) => format!("health_status: {}", health.as_deref().unwrap_or_default()),
        };
        let mut attributes: Map<String, Value> =
            self.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        attributes.extend(self.code.map(|code| ("exitCode".to_owned(), json!(code.to_string()))));
        attributes.extend([("image".to_owned(), json!(self.image)), ("name".to_owned(), json!(self.name))]);
        let nanos = self.time.0;
        json!({
            "status": action, "id": self.id, "from": self.image, "Type": "container", "Action": action,
            "Actor": {"ID": self.id, "Attributes": attributes}, "scope": "local",
            "time": nanos / 1_000_000_000, "timeNano": nanos,
        })
    }
}

/// Where they stand.
pub(crate) fn file(state: &State) -> PathBuf {
    state.exits().with_file_name("events")
}
