//! To which object each owner label was given: a label can be read by whoever may ask the engine, and be put on another
//! object of the same name.

use std::io::{self, ErrorKind};

use cap_std::fs::Dir;

use super::OwnerLabel;
use crate::state::whole;

/// The longest identity that is kept, in bytes.
const MOST: u64 = 128;

/// What this install gave its labels to, by their nonces, in a folder of the state directory.
#[derive(Debug)]
pub(crate) struct GivenLabels(Dir);

impl GivenLabels {
    pub(crate) fn new(folder: Dir) -> Self {
        Self(folder)
    }

    /// Keeps in mind which object a label was given to: an engine's ID, or when it was made.
    pub(crate) fn note(&self, label: &OwnerLabel, identity: &str) -> io::Result<()> {
        whole::put(&self.0, &label.nonce().to_string(), &[identity.as_bytes()])
    }

    /// Whether an object that bears a label is not the one that it was given to. Of a label that is not known nothing is:
    /// what a unit of systemd makes gets it again at each start, and a call may have been killed before it was noted.
    pub(crate) fn is_for_another(&self, label: &OwnerLabel, identity: &str) -> bool {
        match whole::get(&self.0, &label.nonce().to_string(), MOST) {
            Ok(known) => known != identity.as_bytes(),
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }

    /// Lets go of a label whose object is gone.
    pub(crate) fn forget(&self, label: &OwnerLabel) {
        // One that stays names an object that is no more.
        let _kept = self.0.remove_file(label.nonce().to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Nonce, ObjectKind};
    use super::*;
    use crate::state::{Area, StateDir};

    #[test]
    fn a_label_is_for_the_object_that_it_was_given_to() {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path().join("state")).unwrap();
        let given = GivenLabels::new(state.area(Area::Labels).unwrap());
        let label = |byte| {
            let nonce = Nonce::from_bytes([byte; 16]);
            OwnerLabel::mint(state.key(), state.install(), ObjectKind::Container, "app", nonce)
        };
        assert!(!given.is_for_another(&label(1), "aa"));
        given.note(&label(1), "aa").unwrap();
        assert!(!given.is_for_another(&label(1), "aa") && given.is_for_another(&label(1), "bb"));
        assert!(!given.is_for_another(&label(2), "bb"));
        given.forget(&label(1));
        assert!(!given.is_for_another(&label(1), "bb"));
    }
}
