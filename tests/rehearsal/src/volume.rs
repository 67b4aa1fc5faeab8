//! Named volumes.
//!
//! A volume is a directory: `volume`, what `create` fixed, and `_data`, its files.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::container::Place;
use crate::dialect::Dialect;
use crate::image::optional;
use crate::state::{self, State};
use crate::trouble::Trouble;

/// What `create` fixed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) created: Moment,
    pub(crate) driver: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) options: BTreeMap<String, String>,
}

impl Volume {
    /// One that a container's mount makes by the way.
    pub(crate) fn plain(name: &str) -> Self {
        let (labels, options) = (BTreeMap::new(), BTreeMap::new());
        Self { name: name.to_owned(), created: Moment::now(), driver: "local".to_owned(), labels, options }
    }

    /// Where the files of a volume are.
    pub(crate) fn data(state: &State, name: &str) -> PathBuf {
        directory(state, name).join("_data")
    }

    /// The volume that an operand names. Podman takes the beginning of a name too, where it is that of one alone.
    pub(crate) fn find(state: &State, dialect: Dialect, operand: &str) -> Result<Self, Trouble> {
        if let Some(volume) = Self::load(state, operand)? {
            return Ok(volume);
        }
        let all = if dialect == Dialect::Podman { Self::all(state)? } else { Vec::new() };
        let mut beginning = all.into_iter().filter(|volume| !operand.is_empty() && volume.name.starts_with(operand));
        match (beginning.next(), beginning.next()) {
            (Some(volume), None) => Ok(volume),
            (None, _) => Err(Trouble::NoSuchVolume(operand.to_owned())),
            (Some(_), Some(_)) => Err(Trouble::ManyVolumes(operand.to_owned())),
        }
    }

    /// The volume of this very name.
    fn load(state: &State, name: &str) -> io::Result<Option<Self>> {
        if !is_name(name) {
            return Ok(None);
        }
        optional(state::load(&directory(state, name).join("volume")))
    }

    /// All volumes, by name.
    pub(crate) fn all(state: &State) -> io::Result<Vec<Self>> {
        let names = optional(state::names(&state.volumes()))?.unwrap_or_default();
        let all = names.iter().map(|name| Self::load(state, name)).collect::<io::Result<Vec<_>>>()?;
        Ok(all.into_iter().flatten().collect())
    }

    /// Makes it where there is none of its name; whether there was none.
    pub(crate) fn make(&self, state: &State) -> Result<bool, Trouble> {
        if !is_name(&self.name) {
            return Err(Trouble::BadVolumeName(self.name.clone()));
        }
        let hidden = state.volumes().join(format!(".{}", state::random_id()?));
        state::create_directory(&hidden.join("_data"))?;
        state::save(&hidden.join("volume"), self)?;
        let _guard = state.lock()?;
        let place = directory(state, &self.name);
        if place.is_dir() {
            std::fs::remove_dir_all(&hidden)?;
            return Ok(false);
        }
        std::fs::rename(&hidden, &place)?;
        Ok(true)
    }

    /// The IDs of the containers that mount it.
    pub(crate) fn users(&self, state: &State) -> io::Result<Vec<String>> {
        let all = Place::all(state)?.into_iter();
        let uses = all.filter(|(_, container)| container.spec.volumes().any(|name| name == self.name));
        Ok(uses.map(|(place, _)| place.id).collect())
    }

    /// Takes it away, with its files.
    pub(crate) fn remove(&self, state: &State) -> io::Result<()> {
        let gone = state.volumes().join(format!(".gone-{}", state::random_id()?));
        let guard = state.lock()?;
        // Another process may have been quicker.
        let moved = optional(std::fs::rename(directory(state, &self.name), &gone))?;
        drop(guard);
        moved.map_or(Ok(()), |()| std::fs::remove_dir_all(&gone))
    }
}

fn directory(state: &State, name: &str) -> PathBuf {
    state.volumes().join(name)
}

/// As both engines have it: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand() -> (tempfile::TempDir, State) {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path(), "podman").unwrap();
        (folder, state)
    }

    #[test]
    fn podman_takes_the_beginning_of_a_name_and_docker_does_not() {
        let (_folder, state) = stand();
        for name in ["app", "app-db", "other"] {
            assert!(Volume::plain(name).make(&state).unwrap());
        }
        let find = |dialect, operand| Volume::find(&state, dialect, operand).map(|volume| volume.name);
        assert_eq!(find(Dialect::Podman, "app").unwrap(), "app");
        assert_eq!(find(Dialect::Podman, "oth").unwrap(), "other");
        assert!(matches!(find(Dialect::Podman, "ap"), Err(Trouble::ManyVolumes(_))));
        for operand in ["oth", "", "..", "a/b"] {
            assert!(matches!(find(Dialect::Docker, operand), Err(Trouble::NoSuchVolume(_))), "{operand}");
        }
    }

    #[test]
    fn a_name_is_taken_until_its_volume_is_removed() {
        let (_folder, state) = stand();
        let volume = Volume::plain("data");
        assert!(volume.make(&state).unwrap() && !volume.make(&state).unwrap());
        volume.remove(&state).unwrap();
        volume.remove(&state).unwrap();
        assert!(volume.make(&state).unwrap());
        assert!(matches!(Volume::plain("-x").make(&state), Err(Trouble::BadVolumeName(_))));
    }
}
