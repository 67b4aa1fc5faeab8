//! The seal of a spec: whether another spec is the same, and in which of its parts it is not.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::state::{InstallKey, from_hex, to_hex};

/// The length of the MAC over the whole.
const WHOLE: usize = 32;
/// The length of a mark: the number of its field, and what is kept of its MAC.
const MARK: usize = 6;
/// How many marks a seal has at most; the spec of more parts has none.
const MOST: usize = 600;

/// A part of a spec, told only to who holds the install's key: a short MAC, with the number of the field that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark([u8; MARK]);

impl Mark {
    /// The number of its field.
    #[must_use]
    pub const fn field(self) -> u8 {
        let [field, ..] = self.0;
        field
    }
}

/// Marks the parts of the spec of one object: two objects' equal parts have different marks.
#[derive(Debug, Clone)]
pub struct Marker(Hmac<Sha256>);

impl Marker {
    /// The marker of an object of this name.
    #[must_use]
    pub fn of(key: &InstallKey, name: &str) -> Self {
        let length = (name.len() as u64).to_be_bytes();
        Self(key.derive("spec-part").hmac().chain_update(length).chain_update(name))
    }

    /// The mark of a part's canonical bytes.
    #[must_use]
    pub fn mark(&self, field: u8, bytes: &[u8]) -> Mark {
        let mac = self.0.clone().chain_update([field]).chain_update(bytes).finalize().into_bytes();
        let mut mark = [field; MARK];
        mark.iter_mut().skip(1).zip(mac).for_each(|(to, from)| *to = from);
        Mark(mark)
    }
}

/// The value of [`SPEC_LABEL`](super::SPEC_LABEL): what an object was made from, told only to who holds the install's key.
///
/// An HMAC of the canonical bytes of a spec *with* its secret values, and the marks of its parts: equal specs give equal
/// seals, of another one it can be told where it differs, and a seal says nothing about a secret, not even to who guesses
/// at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecSeal {
    whole: [u8; WHOLE],
    marks: Vec<Mark>,
}

impl SpecSeal {
    /// Seals the canonical bytes of a spec, with the marks of its parts.
    #[must_use]
    pub fn of(key: &InstallKey, canonical: &[u8], marks: Vec<Mark>) -> Self {
        let whole = key.derive("spec").hmac().chain_update(canonical).finalize().into_bytes().into();
        Self { whole, marks: if marks.len() > MOST { Vec::new() } else { marks } }
    }

    /// The seal that a label's text holds.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        let (whole, marks) = label.split_at_checked(2 * WHOLE)?;
        let mark = |text: &str| from_hex(text.strip_prefix('.')?.as_bytes()).map(Mark);
        let marks = marks.as_bytes().chunks(2 * MARK + 1).map(|text| mark(std::str::from_utf8(text).ok()?));
        Some(Self { whole: from_hex(whole.as_bytes())?, marks: marks.collect::<Option<_>>()? })
    }

    /// Whether both are of the same spec, compared in constant time.
    #[must_use]
    pub fn is_of_the_same(&self, other: &Self) -> bool {
        blake3::Hash::from_bytes(self.whole) == blake3::Hash::from_bytes(other.whole)
    }

    /// The marks of its parts: none where there were too many.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }
}

impl fmt::Display for SpecSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.whole))?;
        self.marks.iter().try_for_each(|mark| write!(f, ".{}", to_hex(&mark.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> InstallKey {
        InstallKey::from_bytes([byte; 32])
    }

    fn seal(canonical: &[u8], parts: &[(u8, &[u8])]) -> SpecSeal {
        let marker = Marker::of(&key(1), "app");
        let marks = parts.iter().map(|(field, bytes)| marker.mark(*field, bytes)).collect();
        SpecSeal::of(&key(1), canonical, marks)
    }

    #[test]
    fn a_seal_knows_its_own_bytes() {
        let ours = seal(b"spec", &[(1, b"a")]);
        assert!(ours.is_of_the_same(&seal(b"spec", &[])));
        assert!(!ours.is_of_the_same(&seal(b"Spec", &[(1, b"a")])));
        assert!(!ours.is_of_the_same(&SpecSeal::of(&key(2), b"spec", Vec::new())));
    }

    #[test]
    fn a_part_is_marked_by_its_field_its_bytes_and_the_name_of_its_object() {
        let marker = Marker::of(&key(1), "app");
        let mark = marker.mark(3, b"a");
        assert_eq!((mark.field(), mark), (3, marker.mark(3, b"a")));
        let others = [marker.mark(4, b"a"), marker.mark(3, b"b"), Marker::of(&key(1), "db").mark(3, b"a")];
        assert!(others.iter().all(|other| *other != mark));
        assert_ne!(Marker::of(&key(2), "app").mark(3, b"a"), mark);
    }

    #[test]
    fn nothing_but_a_whole_seal_is_one() {
        let good = seal(b"spec", &[(1, b"a"), (2, b"b")]).to_string();
        assert_eq!(good.len(), 64 + 2 * 13);
        let short = good.strip_suffix(|_| true).unwrap();
        for bad in ["", "zz", short, &good.to_uppercase(), &format!("{good}."), &good.replace('.', "é")] {
            assert_eq!(SpecSeal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_spec_of_too_many_parts_has_no_marks() {
        let mark = Marker::of(&key(1), "app").mark(1, b"a");
        assert!(SpecSeal::of(&key(1), b"spec", vec![mark; MOST + 1]).marks().is_empty());
        let most = SpecSeal::of(&key(1), b"spec", vec![mark; MOST]);
        assert!(most.to_string().len() <= crate::grants::Grammar::Seal.longest());
    }

    proptest! {
        #[test]
        fn seals_go_there_and_back(canonical in any::<Vec<u8>>(), parts in proptest::collection::vec(any::<(u8, Vec<u8>)>(), 0..9)) {
            let parts: Vec<_> = parts.iter().map(|(field, bytes)| (*field, bytes.as_slice())).collect();
            let made = seal(&canonical, &parts);
            prop_assert_eq!(SpecSeal::parse(&made.to_string()), Some(made));
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            drop(SpecSeal::parse(&text));
        }
    }
}
