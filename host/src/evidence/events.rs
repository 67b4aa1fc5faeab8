//! What happened to our containers: read by the host from the engine's own stream of events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::document::{bare_id, is_id, map, text};
use super::health::Health;
use crate::grants::{EventEvidence, Happened};
use crate::owner::{OWNER_LABEL, ObjectKind, OwnerLabel, RESERVED_PREFIX};
use crate::state::{InstallId, InstallKey};

/// The longest line of a stream that is kept, in bytes.
const LINE: usize = 256 << 10;

/// What happened to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
#[non_exhaustive]
pub enum Happening {
    /// It was created.
    Created,
    /// It was started.
    Started,
    /// Its first process ended.
    Died {
        /// With this status, where the engine tells it.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<i32>,
    },
    /// The engine stopped it. Podman does not always say so.
    Stopped,
    /// It was removed.
    Removed,
    /// It was paused. Podman says so of an attempt, too.
    Paused,
    /// Its pause ended.
    Unpaused,
    /// A health check told something of it.
    Health {
        /// How it is now, where the engine tells it.
        #[serde(skip_serializing_if = "Option::is_none")]
        health: Option<Health>,
    },
}

impl Happening {
    /// As people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Started => "started",
            Self::Died { .. } => "died",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
            Self::Paused => "paused",
            Self::Unpaused => "unpaused",
            Self::Health { .. } => "health",
        }
    }
}

/// An event of a container of ours.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ContainerEvent {
    /// The container's ID, in full.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The backend that drives its engine.
    pub backend: String,
    /// When it happened, as the engine tells it: RFC 3339.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub happening: Happening,
    /// Its labels, without the host's own.
    pub labels: BTreeMap<String, String>,
}

/// What reads a stream's lines.
pub(crate) struct Reader<'a> {
    pub(crate) grant: &'a EventEvidence,
    pub(crate) backend: &'a str,
    pub(crate) key: &'a InstallKey,
    pub(crate) install: &'a InstallId,
}

impl Reader<'_> {
    /// The event of a line; none where it is of something that is not ours, or that has no name here.
    pub(crate) fn read(&self, line: &[u8]) -> Option<ContainerEvent> {
        let document: Value = serde_json::from_slice(line).ok()?;
        let text = |pointer: &str| text(&document, Some(pointer));
        let id = text(&self.grant.id).map(|id| bare_id(&id).to_owned()).filter(|id| is_id(id))?;
        let name = text(&self.grant.name)?;
        let labels = map(&document, Some(&self.grant.labels));
        let owner = labels.get(OWNER_LABEL).and_then(|label| OwnerLabel::parse(label).ok())?;
        owner.check(self.key, self.install, ObjectKind::Container, &name).ok()?;
        let happening = self.happening(&text(&self.grant.action)?, &document)?;
        let labels = labels.into_iter().filter(|(key, _)| self.is_a_callers(key)).collect();
        Some(ContainerEvent {
            id,
            name,
            backend: self.backend.to_owned(),
            time: self.time(&document)?,
            happening,
            labels,
        })
    }

    /// Neither the host's own, nor what an engine puts among the labels.
    fn is_a_callers(&self, key: &str) -> bool {
        !key.starts_with(RESERVED_PREFIX) && !self.grant.own.iter().any(|own| own == key)
    }

    fn happening(&self, action: &str, document: &Value) -> Option<Happening> {
        let (word, rest) = action.split_once(": ").unwrap_or((action, ""));
        let happened = self.grant.words.iter().find(|(_, known)| known == word).map(|(happened, _)| *happened)?;
        Some(match happened {
            Happened::Created => Happening::Created,
            Happened::Started => Happening::Started,
            Happened::Died => Happening::Died { status: status(document, self.grant.exit_code.as_deref()) },
            Happened::Stopped => Happening::Stopped,
            Happened::Removed => Happening::Removed,
            Happened::Paused => Happening::Paused,
            Happened::Unpaused => Happening::Unpaused,
            Happened::Health => {
                let told = self.grant.health.as_deref().map_or(Some(rest.to_owned()), |at| text(document, Some(at)));
                Happening::Health { health: told.and_then(|word| Health::parse(word.trim())) }
            }
        })
    }

    fn time(&self, document: &Value) -> Option<String> {
        let time = match document.pointer(&self.grant.time)? {
            Value::String(text) => text.parse::<Timestamp>().ok()?,
            Value::Number(nanos) => Timestamp::from_nanosecond(nanos.as_i64()?.into()).ok()?,
            _ => return None,
        };
        Some(time.to_string())
    }
}

/// A number, or its digits. An engine that tells of statuses may leave out one of 0.
fn status(document: &Value, pointer: Option<&str>) -> Option<i32> {
    let Some(value) = document.pointer(pointer?) else { return Some(0) };
    match value {
        Value::Number(number) => number.as_i64().and_then(|number| i32::try_from(number).ok()),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

/// Lines out of pieces. One that is too long is left out.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    kept: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// The lines that end in this piece.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut parts = piece.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.keep(part);
            if parts.peek().is_some() {
                let line = std::mem::take(&mut self.kept);
                lines.extend((!std::mem::take(&mut self.too_long) && !line.is_empty()).then_some(line));
            }
        }
        lines
    }

    fn keep(&mut self, part: &[u8]) {
        self.too_long |= self.kept.len() + part.len() > LINE;
        if self.too_long {
            self.kept.clear();
        } else {
            self.kept.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Grants;
    use crate::owner::Nonce;
    use proptest::prelude::*;
    use serde_json::json;

    const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");
    const DOCKER: &str = include_str!("../../../plugins/docker/grants.toml");

    fn read(grants: &str, line: &str) -> Option<ContainerEvent> {
        let key = InstallKey::from_bytes([7; 32]);
        let (install, grants) = (InstallId::of(&key), Grants::parse(grants, "x").unwrap());
        let grant = grants.evidence().events.as_ref().unwrap();
        Reader { grant, backend: "x", key: &key, install: &install }.read(line.as_bytes())
    }

    fn label(name: &str) -> String {
        let key = InstallKey::from_bytes([7; 32]);
        let nonce = Nonce::from_bytes([3; 16]);
        OwnerLabel::mint(&key, &InstallId::of(&key), ObjectKind::Container, name, nonce).to_string()
    }

    /// As Podman 4.3.1 prints it.
    fn podman(status: &str, more: &Value) -> String {
        let mut event = json!({
            "ID": "a".repeat(64), "Image": "localhost/a:1", "Name": "web", "Status": status, "Type": "container",
            "Time": "2026-11-28T17:44:57.51716873Z", "Attributes": {"a": "b", OWNER_LABEL: label("web")},
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event.to_string()
    }

    /// As Docker 20.10.24 and its later clients print it.
    fn docker(action: &str, more: &Value) -> String {
        let id = "a".repeat(64);
        let mut attributes = json!({"a": "b", "image": "localhost/a:1", "name": "web", OWNER_LABEL: label("web")});
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({
            "status": action, "id": id, "from": "localhost/a:1", "Type": "container", "Action": action,
            "Actor": {"ID": id, "Attributes": attributes}, "scope": "local", "time": 1_795_887_925, "timeNano": 1_795_887_925_752_072_052_i64,
        })
        .to_string()
    }

    #[test]
    fn both_engines_tell_the_same() {
        let none = json!({});
        let cases = [
            (Happening::Created, podman("create", &none), docker("create", &none)),
            (Happening::Started, podman("start", &none), docker("start", &none)),
            (
                Happening::Died { status: Some(7) },
                podman("died", &json!({"ContainerExitCode": 7})),
                docker("die", &json!({"exitCode": "7"})),
            ),
            (Happening::Died { status: Some(0) }, podman("died", &none), docker("die", &json!({"exitCode": "0"}))),
            (Happening::Stopped, podman("stop", &none), docker("stop", &none)),
            (Happening::Removed, podman("remove", &none), docker("destroy", &none)),
            (Happening::Paused, podman("pause", &none), docker("pause", &none)),
            (Happening::Unpaused, podman("unpause", &none), docker("unpause", &none)),
            (
                Happening::Health { health: Some(Health::Healthy) },
                podman("health_status", &json!({"health_status": "healthy"})),
                docker("health_status: healthy", &none),
            ),
        ];
        for (expected, one, other) in cases {
            for (grants, line) in [(PODMAN, one), (DOCKER, other)] {
                let event = read(grants, &line).unwrap();
                assert_eq!((event.name.as_str(), event.happening), ("web", expected), "{line}");
                assert_eq!(event.labels, [("a".to_owned(), "b".to_owned())].into());
                assert!(event.time.starts_with("2026-11-28T17:4"), "{}", event.time);
            }
        }
    }

    #[test]
    fn what_is_not_ours_or_has_no_name_here_is_left_out() {
        let ours = podman("start", &json!({}));
        for other in [
            ours.replace(&label("web"), &label("other")),
            ours.replace("\"web\"", "\"web2\""),
            ours.replace(OWNER_LABEL, "x"),
            ours.replace("\"start\"", "\"exec_died\""),
            ours.replace(&"a".repeat(64), "abc"),
            ours.replace("2026", "soon"),
            "no".to_owned(),
        ] {
            assert_eq!(read(PODMAN, &other), None, "{other}");
        }
        assert_eq!(read(DOCKER, &docker("exec_create: /bin/sh -c x", &json!({}))), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out() {
        let mut lines = Lines::default();
        assert!(lines.feed(&vec![b'a'; LINE]).is_empty());
        assert_eq!(lines.feed(b"b\nc\n\nd"), [b"c".to_vec()]);
        assert_eq!(lines.feed(b"\n"), [b"d".to_vec()]);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_came(text in "[ab\\n]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..6)) {
            let whole = Lines::default().feed(format!("{text}\n").as_bytes());
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= text.len()).collect();
            cuts.sort_unstable();
            let (mut lines, mut found, mut from) = (Lines::default(), Vec::new(), 0);
            for cut in cuts.into_iter().chain([text.len()]) {
                found.extend(lines.feed(&text.as_bytes()[from..cut]));
                from = cut;
            }
            found.extend(lines.feed(b"\n"));
            prop_assert_eq!(found, whole);
        }

        #[test]
        fn nothing_is_too_odd_to_be_read(text in "\\PC{0,60}") {
            prop_assert_eq!(read(PODMAN, &text), None);
        }
    }
}
