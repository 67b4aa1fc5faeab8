//! Podman's pods, without containers of their own: what `pod create` fixed, a file for each.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::container::{Container, Place};
use crate::image::{is_hex, optional};
use crate::state::{self, State};
use crate::trouble::Trouble;

/// What `pod create` fixed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pod {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Moment,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Pod {
    /// The pod that an operand names: a name, an ID, or the beginning of an ID.
    pub(crate) fn find(state: &State, operand: &str) -> Result<Self, Trouble> {
        let all = Self::all(state)?;
        let exact = all.iter().find(|pod| pod.name == operand || pod.id == operand);
        let found = exact.or_else(|| all.iter().find(|pod| is_hex(operand) && pod.id.starts_with(operand)));
        found.cloned().ok_or_else(|| Trouble::NoSuchPod(operand.to_owned()))
    }

    /// All pods, by name.
    pub(crate) fn all(state: &State) -> io::Result<Vec<Self>> {
        let names = optional(state::names(&state.pods()))?.unwrap_or_default();
        let load = |name: &String| optional(state::load(&file(state, name)));
        Ok(names.iter().map(load).collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Makes it; its name must be free.
    pub(crate) fn make(&self, state: &State) -> Result<(), Trouble> {
        state::create_directory(&state.pods())?;
        let _guard = state.lock()?;
        if file(state, &self.name).exists() {
            return Err(Trouble::PodTaken(self.name.clone()));
        }
        Ok(state::save(&file(state, &self.name), self)?)
    }

    /// The containers in it.
    pub(crate) fn containers<'s>(&self, state: &'s State) -> io::Result<Vec<(Place<'s>, Container)>> {
        Ok(Place::all(state)?.into_iter().filter(|(_, container)| container.spec.pod == self.id).collect())
    }

    /// Takes it away.
    pub(crate) fn remove(&self, state: &State) -> io::Result<()> {
        let _guard = state.lock()?;
        optional(std::fs::remove_file(file(state, &self.name))).map(drop)
    }
}

fn file(state: &State, name: &str) -> PathBuf {
    state.pods().join(name)
}
