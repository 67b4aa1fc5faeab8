//! Named networks: what `network create` fixed, a file for each.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::container::{Container, Phase, Place};
use crate::image::{is_hex, optional};
use crate::state::{self, State};
use crate::trouble::Trouble;

/// What `network create` fixed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Network {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Moment,
    pub(crate) driver: String,
    pub(crate) internal: bool,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) options: BTreeMap<String, String>,
}

impl Network {
    /// The network that an operand names: a name, an ID, or the beginning of an ID.
    pub(crate) fn find(state: &State, operand: &str) -> Result<Self, Trouble> {
        let missing = || Trouble::NoSuchNetwork(operand.to_owned());
        let all = Self::all(state)?;
        if let Some(network) = all.iter().find(|network| network.name == operand || network.id == operand) {
            return Ok(network.clone());
        }
        let mut beginning = all.into_iter().filter(|network| is_hex(operand) && network.id.starts_with(operand));
        beginning.next().ok_or_else(missing)
    }

    /// All networks, by name.
    pub(crate) fn all(state: &State) -> io::Result<Vec<Self>> {
        let names = optional(state::names(&state.networks()))?.unwrap_or_default();
        let load = |name: &String| optional(state::load(&file(state, name)));
        Ok(names.iter().map(load).collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Makes it; its name must be free.
    pub(crate) fn make(&self, state: &State) -> Result<(), Trouble> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let first = self.name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if !first || !self.name.bytes().all(fits) {
            return Err(Trouble::BadName(self.name.clone()));
        }
        state::create_directory(&state.networks())?;
        let _guard = state.lock()?;
        if file(state, &self.name).exists() {
            return Err(Trouble::NetworkTaken(self.name.clone()));
        }
        Ok(state::save(&file(state, &self.name), self)?)
    }

    /// The containers on it.
    pub(crate) fn users<'s>(&self, state: &'s State) -> io::Result<Vec<(Place<'s>, Container)>> {
        let all = Place::all(state)?.into_iter();
        Ok(all.filter(|(_, container)| container.spec.networks.contains(&self.name)).collect())
    }

    /// Whether a running container is on it.
    pub(crate) fn is_active(&self, state: &State) -> io::Result<bool> {
        let runs = |place: &Place<'_>| place.status().is_ok_and(|status| status.phase == Phase::Running);
        Ok(self.users(state)?.iter().any(|(place, _)| runs(place)))
    }

    /// Takes it away.
    pub(crate) fn remove(&self, state: &State) -> io::Result<()> {
        let _guard = state.lock()?;
        optional(std::fs::remove_file(file(state, &self.name))).map(drop)
    }
}

fn file(state: &State, name: &str) -> PathBuf {
    state.networks().join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_by_its_name_or_the_beginning_of_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path(), "podman").unwrap();
        let network = Network {
            id: "abcd".repeat(16),
            name: "back".to_owned(),
            created: Moment::now(),
            driver: "bridge".to_owned(),
            internal: false,
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
        };
        network.make(&state).unwrap();
        assert!(matches!(network.make(&state), Err(Trouble::NetworkTaken(_))));
        for operand in ["back", "abcd", network.id.as_str()] {
            assert_eq!(Network::find(&state, operand).unwrap().name, "back");
        }
        for operand in ["bac", "bcd", "", "../networks"] {
            assert!(matches!(Network::find(&state, operand), Err(Trouble::NoSuchNetwork(_))), "{operand}");
        }
        network.remove(&state).unwrap();
        assert!(Network::all(&state).unwrap().is_empty());
    }
}
