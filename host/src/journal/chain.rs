//! What ties one record to the next: hashes, MACs, and the head.

use std::fmt;
use std::io::Write;
use std::str::{self, FromStr};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::state::{InstallId, InstallKey, from_hex, push_hex, to_hex};

/// The SHA-256 of a line's exact bytes, without its newline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LineHash([u8; 32]);

impl LineHash {
    /// What stands for the line before the first: it binds a journal to its install.
    pub(super) fn genesis(install: &InstallId) -> Self {
        Self(Sha256::new().chain_update("portreeve journal 1 ").chain_update(install.as_str()).finalize().into())
    }

    pub(super) fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        from_hex(text.as_bytes()).map(Self)
    }

    pub(super) fn push_to(self, buffer: &mut Vec<u8>) {
        push_hex(buffer, &self.0);
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hashes a line in one go, body and MAC: hashing is most of what an append costs.
#[derive(Clone)]
pub(super) struct Hashing(Sha256);

impl Hashing {
    pub(super) fn body(body: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(body))
    }

    /// The hash of the body alone.
    pub(super) fn so_far(&self) -> LineHash {
        LineHash(self.0.clone().finalize().into())
    }

    /// The hash of the whole line, given the rest of it.
    pub(super) fn finish(self, rest: &[u8]) -> LineHash {
        LineHash(self.0.chain_update(rest).finalize().into())
    }
}

/// How many records there are, and the hash of the last: `count:hash`. Keep one elsewhere, and nothing before it can
/// be changed unnoticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the last record; 0 for an empty journal.
    pub count: u64,
    /// The hash of the last record's line.
    pub hash: LineHash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, self.hash)
    }
}

/// A text that is not a [`Head`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a journal head: it should be a count, a colon, and 64 lower-case hexadecimal digits")]
pub struct HeadParseError;

impl FromStr for Head {
    type Err = HeadParseError;

    fn from_str(text: &str) -> Result<Self, HeadParseError> {
        let (count, hash) = text.split_once(':').ok_or(HeadParseError)?;
        let count = Some(count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let count = count.and_then(|digits| digits.parse().ok()).ok_or(HeadParseError)?;
        Ok(Self { count, hash: LineHash::parse(hash).ok_or(HeadParseError)? })
    }
}

/// The MACs of records and of heads: a key each, so that neither passes for the other.
#[derive(Clone)]
pub(super) struct Seals {
    record: Hmac<Sha256>,
    head: Hmac<Sha256>,
}

impl Seals {
    pub(super) fn of(key: &InstallKey) -> Self {
        Self { record: key.derive("journal").hmac(), head: key.derive("journal-head").hmac() }
    }

    /// The MAC of a record, given the hash of its body.
    pub(super) fn record(&self, body: LineHash) -> [u8; 32] {
        self.record.clone().chain_update(body.0).finalize().into_bytes().into()
    }

    pub(super) fn is_record(&self, body: LineHash, mac: &[u8; 32]) -> bool {
        self.record.clone().chain_update(body.0).verify_slice(mac).is_ok()
    }
}

/// A head, and all that an append needs in order not to read anything again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) head: Head,
    /// The segment that the next record goes to.
    pub(super) segment: u32,
    /// Where in it.
    pub(super) length: u64,
    /// The highest record known to be on the disk.
    pub(super) synced: u64,
    /// The boot in which it was written: within one boot, nothing written gets lost.
    pub(super) boot: u128,
    /// The slot of the head file that holds it.
    pub(super) slot: bool,
}

impl Anchor {
    pub(super) fn genesis(install: &InstallId, boot: u128) -> Self {
        let head = Head { count: 0, hash: LineHash::genesis(install) };
        Self { head, segment: 1, length: 0, synced: 0, boot, slot: false }
    }

    /// The anchor after one more record; a rotation is the last of its segment.
    pub(super) fn after(&self, hash: LineHash, bytes: u64, rotation: bool) -> Self {
        let head = Head { count: self.head.count + 1, hash };
        let (segment, length) = match rotation {
            true => (self.segment + 1, 0),
            false => (self.segment, self.length + bytes),
        };
        Self { head, segment, length, ..*self }
    }

    /// The same, bound for the slot that is not the newest.
    pub(super) fn turned(self) -> Self {
        Self { slot: !self.slot, ..self }
    }

    fn write_text(&self, text: &mut Vec<u8>) {
        let Self { head, segment, length, synced, boot, .. } = self;
        // A vector takes whatever it is given.
        let _ = write!(text, "{:020} {segment:010} {length:020} {synced:020} {boot:032x} ", head.count);
        head.hash.push_to(text);
    }

    fn parse(text: &str, slot: bool) -> Option<Self> {
        let mut fields = text.split(' ');
        let mut field = || fields.next();
        let count = field()?.parse().ok()?;
        let (segment, length, synced) = (field()?.parse().ok()?, field()?.parse().ok()?, field()?.parse().ok()?);
        let boot = u128::from_str_radix(field()?, 16).ok()?;
        let hash = LineHash::parse(field()?)?;
        Some(Self { head: Head { count, hash }, segment, length, synced, boot, slot })
    }
}

/// One slot: text, a MAC, blanks, a newline. A sector each, so that a torn write spoils one of them alone.
const SLOT: usize = 512;
/// Count, segment, length, synced, boot and hash, each but the last with a blank behind it.
const SLOT_TEXT: usize = 21 + 11 + 21 + 21 + 33 + 64;
const SLOT_MAC: usize = 64;

/// The bytes of the head file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Slots([[u8; SLOT]; 2]);

impl Slots {
    pub(super) const BLANK: Self = Self([[0; SLOT]; 2]);

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_flattened_mut()
    }

    /// Puts an anchor into its slot; returns where that stands in the file, and its bytes.
    pub(super) fn put(&mut self, anchor: &Anchor, seals: &Seals) -> (u64, &[u8]) {
        let [first, second] = &mut self.0;
        let (offset, slot) = if anchor.slot { (SLOT as u64, second) } else { (0, first) };
        let mut text = Vec::with_capacity(SLOT);
        anchor.write_text(&mut text);
        let mac = seals.head.clone().chain_update(&text).finalize().into_bytes();
        text.push(b' ');
        push_hex(&mut text, &mac);
        text.resize(SLOT - 1, b' ');
        text.push(b'\n');
        slot.copy_from_slice(&text);
        (offset, slot)
    }

    /// The newest anchor that this install wrote, and what is to be said of the other slot.
    pub(super) fn newest(&self, seals: &Seals) -> (Option<Anchor>, Other) {
        let [first, second] = &self.0;
        match (read_slot(first, false, seals), read_slot(second, true, seals)) {
            // The slots take turns: one never says what the other does, but where nothing was written yet.
            (Some(a), Some(_)) if first == second && a.head.count > 0 => (Some(a), Other::Same),
            (Some(a), Some(b)) => (Some(if b.head.count > a.head.count { b } else { a }), Other::Whole),
            (one, other) => (one.or(other), Other::Spoilt),
        }
    }
}

/// What the slot is like that is not the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Other {
    /// An earlier anchor.
    Whole,
    /// No anchor of this install.
    Spoilt,
    /// The same anchor: it was put over the newest.
    Same,
}

fn read_slot(slot: &[u8; SLOT], number: bool, seals: &Seals) -> Option<Anchor> {
    let (text, rest) = slot.split_at_checked(SLOT_TEXT)?;
    let (mac, blanks) = rest.strip_prefix(b" ")?.split_at_checked(SLOT_MAC)?;
    let blanks = blanks.strip_suffix(b"\n")?;
    let mac: [u8; 32] = from_hex(mac)?;
    seals.head.clone().chain_update(text).verify_slice(&mac).ok()?;
    blanks.iter().all(|byte| *byte == b' ').then_some(())?;
    Anchor::parse(str::from_utf8(text).ok()?, number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seals() -> Seals {
        Seals::of(&InstallKey::from_bytes([3; 32]))
    }

    fn anchor(count: u64, slot: bool) -> Anchor {
        let head = Head { count, hash: LineHash::of(&count.to_be_bytes()) };
        Anchor { head, segment: 7, length: 4096, synced: count / 2, boot: u128::MAX - 1, slot }
    }

    fn both(a: &Anchor, b: &Anchor) -> Slots {
        let mut slots = Slots::BLANK;
        slots.put(a, &seals());
        slots.put(b, &seals());
        slots
    }

    #[test]
    fn the_newest_slot_counts() {
        let (old, new) = (anchor(4, true), anchor(5, false));
        assert_eq!(both(&old, &new).newest(&seals()), (Some(new), Other::Whole));
        let synced = Anchor { synced: 4, ..old.turned() };
        assert_eq!(both(&old, &synced).newest(&seals()), (Some(synced), Other::Whole));
        assert_eq!(Slots::BLANK.newest(&seals()), (None, Other::Spoilt));
    }

    #[test]
    fn a_slot_that_was_put_over_the_other_is_told() {
        let old = anchor(4, true);
        assert_eq!(both(&old, &old.turned()).newest(&seals()), (Some(old.turned()), Other::Same));
        let nothing = anchor(0, true);
        assert_eq!(both(&nothing, &nothing.turned()).newest(&seals()).1, Other::Whole);
    }

    #[test]
    fn a_head_goes_there_and_back() {
        let head = anchor(u64::MAX, false).head;
        assert_eq!(head.to_string().parse(), Ok(head));
        for bad in ["", "1", "1:", ":00", "+1:00", &head.to_string().to_uppercase(), &format!("{head} ")] {
            assert_eq!(bad.parse::<Head>(), Err(HeadParseError), "{bad}");
        }
    }

    #[test]
    fn a_mac_of_a_record_is_none_of_a_head() {
        let seals = seals();
        let hash = LineHash::of(b"x");
        assert_ne!(seals.record(hash)[..], seals.head.clone().chain_update(hash.0).finalize().into_bytes()[..]);
    }

    #[test]
    fn hashing_in_one_go_is_hashing() {
        let hashing = Hashing::body(b"body");
        assert_eq!(hashing.so_far(), LineHash::of(b"body"));
        assert_eq!(hashing.finish(b"rest"), LineHash::of(b"bodyrest"));
    }

    proptest! {
        #[test]
        fn a_changed_byte_spoils_its_slot_alone(at in 0..2 * SLOT, bit in 0u8..8) {
            let (old, new) = (anchor(4, true), anchor(5, false));
            let mut slots = both(&old, &new);
            slots.bytes_mut()[at] ^= 1 << bit;
            let left = if at < SLOT { old } else { new };
            prop_assert_eq!(slots.newest(&seals()), (Some(left), Other::Spoilt));
        }
    }
}
