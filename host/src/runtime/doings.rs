//! What this very host made and started: of two hosts of one install that are asked for the same, one makes it, and the
//! other finds it. Who is cut short takes away its own alone.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Portreeve;
use crate::evidence::ContainerInfo;
use crate::owner::{Nonce, OwnerLabel};

/// How many of each are remembered.
const MOST: usize = 16_384;

/// The last that were made, by the nonces of their labels, and started, by their IDs.
#[derive(Debug, Default)]
pub(super) struct Doings {
    made: Mutex<VecDeque<Nonce>>,
    started: Mutex<VecDeque<String>>,
}

impl Doings {
    /// A label is given to what is about to be made; an object that bears it was made by this host.
    pub(super) fn note_made(&self, label: &OwnerLabel) {
        note(&self.made, label.nonce());
    }

    pub(super) fn note_started(&self, id: &str) {
        note(&self.started, id.to_owned());
    }

    pub(super) fn made(&self, label: &OwnerLabel) -> bool {
        let nonce = label.nonce();
        self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(&nonce)
    }

    /// The same of a label as an engine has it.
    pub(super) fn made_under(&self, label: Option<&str>) -> bool {
        label.and_then(|label| OwnerLabel::parse(label).ok()).is_some_and(|label| self.made(&label))
    }

    fn started(&self, id: &str) -> bool {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|started| started == id)
    }
}

fn note<T>(last: &Mutex<VecDeque<T>>, one: T) {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if last.len() == MOST {
        last.pop_front();
    }
    last.push_back(one);
}

impl Portreeve {
    /// Whether this very host made a container, and no other host of its install: among the last 16,384 that it made.
    #[must_use]
    pub fn made(&self, container: &ContainerInfo) -> bool {
        container.owner_label().is_some_and(|label| self.inner.doings.made(&label))
    }

    /// Whether this very host started a container: among the last 16,384 that it started.
    #[must_use]
    pub fn started(&self, container: &ContainerInfo) -> bool {
        self.inner.doings.started(&container.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_remembered() {
        let doings = Doings::default();
        (0..=MOST).for_each(|number| doings.note_started(&number.to_string()));
        assert!(!doings.started("0") && doings.started("1") && doings.started(&MOST.to_string()));
    }
}
