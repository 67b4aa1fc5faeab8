//! Which containers of a list are wanted. Every filter is evaluated here, exactly: no engine's match by a part counts.

use std::str::FromStr;

use super::{Inner, Portreeve};
use crate::error::Error;
use crate::evidence::document::{bare_id, is_id};
use crate::evidence::{ContainerInfo, ContainerState, Health};
use crate::reference::Reference;
use crate::scope::Call;
use crate::spec::{Name, SpecError};

/// How many digits of an ID name a container or an image, as lists show them.
const SHORT: usize = 12;

/// A condition on a container of a list, such as `name=web`. Of several of one kind any has to hold, but of labels all;
/// of different kinds all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListFilter {
    /// `name`: its whole name.
    Name(Name),
    /// `id`: its whole ID, or the first 12 digits.
    Id(String),
    /// `label`: a key it has, and the value, where one is given.
    Label(String, Option<String>),
    /// `state` or `status`.
    State(ContainerState),
    /// `image`: a reference that the engine holds now, or an ID whole or by its first 12 digits.
    Image(String),
    /// `volume`: a named volume that it mounts, or the place where it mounts anything.
    Volume(String),
    /// `health`; none for `none`.
    Health(Option<Health>),
    /// `exited`: the status that it ended with.
    Exited(i32),
    /// `publish`: a port of this machine that is one of its.
    Publish(u16),
    /// `backend`: the backend that drives its engine.
    Backend(String),
}

const EXPECTED: &str =
    "name, id, label, state, status, image, volume, health, exited, publish or backend, `=`, and a value";

impl FromStr for ListFilter {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let wrong = |why: &str| SpecError::new("filter", text, why, EXPECTED);
        let (key, value) = text.split_once('=').ok_or_else(|| wrong("it has no value"))?;
        Ok(match key {
            "name" => Self::Name(value.parse()?),
            "id" => Self::Id(digits(value).ok_or_else(|| wrong("it is no ID"))?),
            "label" => match value.split_once('=') {
                Some((key, value)) => Self::Label(key.to_owned(), Some(value.to_owned())),
                None => Self::Label(value.to_owned(), None),
            },
            "state" | "status" => Self::State(state(value).ok_or_else(|| wrong("there is no such state"))?),
            "image" => image(value).ok_or_else(|| wrong("it is neither a reference nor an ID"))?,
            "volume" if value.starts_with('/') => Self::Volume(value.to_owned()),
            "volume" => Self::Volume(value.parse::<Name>()?.to_string()),
            "health" if value == "none" => Self::Health(None),
            "health" => Self::Health(Some(Health::parse(value).ok_or_else(|| wrong("there is no such health"))?)),
            "exited" => Self::Exited(value.parse().map_err(|_| wrong("it is no exit status"))?),
            "publish" => Self::Publish(value.parse().map_err(|_| wrong("it is no port"))?),
            "backend" => Self::Backend(value.to_owned()),
            _ => return Err(wrong("there is no such filter")),
        })
    }
}

fn image(text: &str) -> Option<ListFilter> {
    let known = digits(bare_id(text)).or_else(|| text.parse::<Reference>().ok().map(|image| image.to_string()));
    known.map(ListFilter::Image)
}

/// An ID whole, or as lists show it.
fn digits(text: &str) -> Option<String> {
    let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (hex && (text.len() == SHORT || is_id(text))).then(|| text.to_owned())
}

fn state(word: &str) -> Option<ContainerState> {
    use ContainerState::{Created, Dead, Exited, Paused, Restarting, Running, Stopping};
    [Created, Running, Paused, Restarting, Stopping, Exited, Dead].into_iter().find(|state| state.as_str() == word)
}

impl ListFilter {
    /// Whether it is about the state: then those that ended count, too.
    #[must_use]
    pub fn is_about_state(&self) -> bool {
        matches!(self, Self::State(_) | Self::Exited(_))
    }

    fn admits(&self, container: &ContainerInfo) -> bool {
        match self {
            Self::Name(name) => container.name == name.as_str(),
            Self::Id(id) | Self::Image(id) if is_short(id) => container.by(self).starts_with(id.as_str()),
            Self::Id(id) | Self::Image(id) => container.by(self) == id,
            Self::Label(key, value) => match (container.labels.get(key), value) {
                (Some(there), Some(value)) => there == value,
                (there, None) => there.is_some(),
                (None, Some(_)) => false,
            },
            Self::State(state) => container.state == *state,
            Self::Volume(text) => container.mounts.iter().any(|mount| {
                (mount.kind == "volume" && mount.source == *text) || (text.starts_with('/') && mount.target == *text)
            }),
            Self::Health(health) => container.health == *health,
            Self::Exited(code) => container.state == ContainerState::Exited && container.exit_code == Some(*code),
            Self::Publish(port) => container.ports.iter().any(|published| published.host == *port),
            Self::Backend(name) => container.backend == *name,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

fn is_short(id: &str) -> bool {
    id.len() == SHORT
}

impl ContainerInfo {
    /// The ID that a filter is about.
    fn by(&self, filter: &ListFilter) -> &str {
        if matches!(filter, ListFilter::Image(_)) { &self.image_id } else { &self.id }
    }
}

/// Whether all kinds of filters let it through.
fn admitted(filters: &[ListFilter], container: &ContainerInfo) -> bool {
    filters.iter().all(|filter| match filter {
        ListFilter::Label(..) => filter.admits(container),
        _ => filters.iter().any(|other| other.is_like(filter) && other.admits(container)),
    })
}

impl Portreeve {
    /// Lists the containers of this install that the filters let through, on every engine that answers.
    ///
    /// # Errors
    /// `NoEngine` where none answers.
    pub async fn list_where(&self, filters: &[ListFilter]) -> Result<Vec<ContainerInfo>, Error> {
        let mut containers = self.list().await?;
        if filters.is_empty() {
            return Ok(containers);
        }
        let filters = self.inner.with_image_ids(filters).await?;
        containers.retain(|container| admitted(&filters, container));
        Ok(containers)
    }
}

impl Inner {
    /// References become the IDs that they stand for now; one that no engine holds lets nothing through.
    async fn with_image_ids(&self, filters: &[ListFilter]) -> Result<Vec<ListFilter>, Error> {
        let mut resolved = Vec::new();
        for filter in filters {
            match filter {
                ListFilter::Image(text) if digits(text).is_none() => {
                    resolved.push(filter.clone());
                    resolved.extend(self.images_of(&text.parse()?).await);
                }
                other => resolved.push(other.clone()),
            }
        }
        Ok(resolved)
    }

    async fn images_of(&self, image: &Reference) -> Vec<ListFilter> {
        let mut found = Vec::new();
        for backend in &self.backends {
            let Ok(looker) = self.looker(backend, Call::ImageInspect) else { continue };
            if let Ok(Some(facts)) = looker.look_at_image(image).await {
                found.push(ListFilter::Image(bare_id(&facts.id).to_owned()));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> ContainerInfo {
        let mut info = ContainerInfo::imagined("podman", "web", &"ab".repeat(32));
        info.id = "cd".repeat(32);
        info.labels.insert("team".to_owned(), "a=b".to_owned());
        info.labels.insert("tier".to_owned(), String::new());
        info.state = ContainerState::Exited;
        info.exit_code = Some(7);
        info.ports = vec!["127.0.0.1:8080:80".parse().unwrap()];
        let kind = |kind: &str, source: &str, target: &str| crate::MountInfo {
            kind: kind.to_owned(),
            source: source.to_owned(),
            target: target.to_owned(),
            read_only: false,
        };
        info.mounts = vec![kind("volume", "data", "/data"), kind("bind", "/srv", "/srv-in")];
        info
    }

    fn admits(texts: &[&str]) -> bool {
        let filters: Vec<ListFilter> = texts.iter().map(|text| text.parse().unwrap()).collect();
        admitted(&filters, &container())
    }

    #[test]
    fn a_filter_is_exact() {
        let (id, image) = (format!("id={}", "cd".repeat(32)), format!("image=sha256:{}", "ab".repeat(32)));
        for yes in [
            "name=web",
            "id=cdcdcdcdcdcd",
            &id,
            "label=team",
            "label=team=a=b",
            "label=tier=",
            "state=exited",
            "status=exited",
            "image=abababababab",
            &image,
            "volume=data",
            "volume=/srv-in",
            "health=none",
            "exited=7",
            "publish=8080",
            "backend=podman",
        ] {
            assert!(admits(&[yes]), "{yes}");
        }
        for no in [
            "name=we",
            "name=web2",
            "id=dcdcdcdcdcdc",
            "label=tea",
            "label=team=a",
            "label=tier=x",
            "state=running",
            "image=cdcdcdcdcdcd",
            "image=example.org/app:1",
            "volume=dat",
            "volume=/srv",
            "health=healthy",
            "exited=0",
            "publish=80",
            "backend=docker",
        ] {
            assert!(!admits(&[no]), "{no}");
        }
    }

    #[test]
    fn of_one_kind_any_of_labels_all_and_of_kinds_all() {
        assert!(admits(&["name=other", "name=web"]) && admits(&[]));
        assert!(!admits(&["name=web", "state=running"]));
        assert!(admits(&["label=team", "label=tier"]) && !admits(&["label=team", "label=nope"]));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for bad in [
            "",
            "name",
            "name=",
            "name=-x",
            "id=cd",
            "id=XY",
            "state=up",
            "exited=x",
            "publish=0x",
            "color=red",
            "image=A b",
            "health=x",
        ] {
            assert!(bad.parse::<ListFilter>().is_err(), "{bad}");
        }
    }
}
