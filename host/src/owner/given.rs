//! To which object each owner label was given: a label can be read by whoever may ask the engine, and be put on another
//! object of the same name.

use std::io::{self, ErrorKind, Write as _};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use sha2::{Digest as _, Sha256};

use super::OwnerLabel;
use crate::state::whole;

/// The longest identity that is kept, in bytes.
const MOST: u64 = 128;

/// Labels whose objects are gone, one behind the other; and those from before, when there were many.
const SPENT: &str = "spent";
const SPENT_BEFORE: &str = "spent-before";
/// How long such a file gets, in bytes: labels of 32,768 objects.
const MOST_SPENT: u64 = 1 << 20;

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

    /// Whether an object that bears a label is not the one that it was given to. Of a label that was never noted nothing
    /// is: what a unit of systemd makes gets it again at each start, and a call may have been killed before it was.
    pub(crate) fn is_for_another(&self, label: &OwnerLabel, identity: &str) -> bool {
        match whole::get(&self.0, &label.nonce().to_string(), MOST) {
            Ok(known) => known != identity.as_bytes(),
            Err(error) => error.kind() != ErrorKind::NotFound || self.is_spent(label, identity),
        }
    }

    /// Keeps little of a label whose object is said to be gone: that no other can be given it.
    pub(crate) fn forget(&self, label: &OwnerLabel, identity: &str) {
        // One that stays names an object that is no more.
        if self.spend(label, identity).is_ok() {
            let _kept = self.0.remove_file(label.nonce().to_string());
        }
    }

    /// Adds a label to those that are spent; when they are many, the older half is let go.
    fn spend(&self, label: &OwnerLabel, identity: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut file = self.0.open_with(SPENT, &options)?;
        // One write, so that those of several processes stand behind one another.
        file.write_all(&spent(label, identity))?;
        // The file of that name, which another process may have exchanged meanwhile.
        if self.0.metadata(SPENT).is_ok_and(|file| file.len() >= MOST_SPENT) {
            self.0.rename(SPENT, &self.0, SPENT_BEFORE)?;
        }
        Ok(())
    }

    /// Whether a label was that of an object which is gone, and which this one is not. Where that can't be read, it is so.
    fn is_spent(&self, label: &OwnerLabel, identity: &str) -> bool {
        let own = spent(label, identity);
        let nonce = label.nonce().bytes();
        let holds = |name| match whole::get(&self.0, name, 2 * MOST_SPENT) {
            // Wherever it stands: what a full disk cut short before it shifts the rest.
            Ok(all) => memchr::memmem::find_iter(&all, &nonce).any(|at| all.get(at..at + own.len()) != Some(&own[..])),
            Err(error) => error.kind() != ErrorKind::NotFound,
        };
        holds(SPENT) || holds(SPENT_BEFORE)
    }
}

/// What is kept of a label and its object: the nonce, and half of a hash of the identity.
fn spent(label: &OwnerLabel, identity: &str) -> [u8; 32] {
    let (nonce, hash) = (label.nonce().bytes(), Sha256::digest(identity));
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(nonce.iter().chain(&hash)).for_each(|(place, byte)| *place = *byte);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::{Nonce, ObjectKind};
    use super::*;
    use crate::state::{Area, StateDir};

    #[test]
    fn the_labels_of_many_objects_that_are_gone_take_little_room() {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path().join("state")).unwrap();
        let given = GivenLabels::new(state.area(Area::Labels).unwrap());
        let label = |number: u128| {
            let nonce = Nonce::from_bytes(number.to_be_bytes());
            OwnerLabel::mint(state.key(), state.install(), ObjectKind::Container, "app", nonce)
        };
        given.forget(&label(1), "bb");
        given.0.write(SPENT, vec![7; MOST_SPENT as usize - 32]).unwrap();
        given.forget(&label(2), "bb");
        given.forget(&label(3), "bb");
        given.0.write(SPENT, [b"cut".as_slice(), &given.0.read(SPENT).unwrap()].concat()).unwrap();
        assert!([2, 3].iter().all(|number| given.is_for_another(&label(*number), "aa")));
        assert_eq!(given.0.metadata(SPENT).unwrap().len(), 35);
        assert_eq!(given.0.metadata(SPENT_BEFORE).unwrap().len(), MOST_SPENT);
    }

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
        given.forget(&label(1), "aa");
        assert!(given.is_for_another(&label(1), "bb"), "a copy");
        assert!(!given.is_for_another(&label(1), "aa"), "it was not gone after all");
        assert!(!given.is_for_another(&label(2), "bb"));
    }
}
