//! Backends that trap again and again on one endpoint are left alone for a while. The tally stands in the state
//! directory, so that it holds over processes.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, unlinkat};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Error;
use crate::state::whole;

/// The first quarantine; each further one is twice as long, up to the longest.
const FIRST: Duration = Duration::from_secs(2 * 60);
const LONGEST: Duration = Duration::from_secs(128 * 60);
/// The most bytes of a tally.
const MOST: u64 = 4096;

/// What is counted by: a component, and where its engine is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patient<'a> {
    pub(crate) backend: &'a str,
    pub(crate) digest: &'a Digest,
    /// The socket of its engine's daemon; none where there is no daemon.
    pub(crate) endpoint: Option<&'a str>,
}

impl Patient<'_> {
    fn file(&self) -> String {
        let words = format!("{}\0{}", self.digest, self.endpoint.unwrap_or_default());
        Digest::sha256(words.as_bytes()).hex()
    }
}

/// How often something trapped in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tally {
    traps: u64,
    /// How often it was quarantined since it last worked.
    times: u32,
    /// Until when, in seconds since the epoch.
    until: u64,
}

impl Tally {
    /// How long it is still left alone. An end that lies further away than a quarantine is long means that the clock was
    /// set back; it counts for nothing.
    fn left(&self, now: u64) -> Option<Duration> {
        let left = Duration::from_secs(self.until.saturating_sub(now));
        (!left.is_zero() && left <= length(self.times)).then_some(left)
    }

    /// It trapped once more; the length of the quarantine, where that is one trap too many.
    fn trapped(&mut self, now: u64, most: u64) -> Option<Duration> {
        if self.left(now).is_some() {
            return None;
        }
        self.traps = self.traps.saturating_add(1);
        if self.traps < most {
            return None;
        }
        self.times = self.times.saturating_add(1);
        self.until = now.saturating_add(length(self.times).as_secs());
        Some(length(self.times))
    }
}

fn length(times: u32) -> Duration {
    let doubled = 1_u32.checked_shl(times.saturating_sub(1)).and_then(|factor| FIRST.checked_mul(factor));
    doubled.map_or(LONGEST, |length| length.min(LONGEST))
}

/// The tallies of one install.
pub(crate) struct Quarantine {
    folder: Dir,
}

impl Quarantine {
    /// Tallies in a folder that is ours alone.
    pub(crate) fn new(folder: Dir) -> Self {
        Self { folder }
    }

    /// Whether a backend may be called now.
    pub(crate) fn check(&self, patient: Patient<'_>) -> Result<(), Error> {
        let tally = self.read(&patient.file());
        let left = tally.and_then(|tally| Some((tally, tally.left(now())?)));
        left.map_or(Ok(()), |(tally, left)| {
            Err(Error::Quarantined {
                backend: patient.backend.to_owned(),
                digest: *patient.digest,
                endpoint: patient.endpoint.map(str::to_owned),
                traps: tally.traps,
                left,
            })
        })
    }

    /// A backend trapped; the length of its quarantine, where it comes into one by that.
    pub(crate) fn trapped(&self, patient: Patient<'_>, most: u64) -> io::Result<Option<Duration>> {
        let name = patient.file();
        let _alone = self.lock()?;
        let mut tally = self.read(&name).unwrap_or_default();
        let length = tally.trapped(now(), most);
        self.write(&name, &tally)?;
        Ok(length)
    }

    /// A backend worked: what was counted is forgotten.
    pub(crate) fn well(&self, patient: Patient<'_>) {
        // There is nothing to forget, mostly; what can't be forgotten now is forgotten the next time.
        let _nothing = unlinkat(&self.folder, patient.file(), AtFlags::empty());
    }

    fn lock(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(&self.folder, "lock", flags, Mode::RUSR | Mode::WUSR)?);
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }

    /// None where nothing was counted, or what stands there is no tally.
    fn read(&self, name: &str) -> Option<Tally> {
        whole::get(&self.folder, name, MOST).ok().and_then(|text| serde_json::from_slice(&text).ok())
    }

    fn write(&self, name: &str, tally: &Tally) -> io::Result<()> {
        whole::put(&self.folder, name, &[&serde_json::to_vec(tally)?])
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Area, StateDir};

    const MINUTE: u64 = 60;

    #[test]
    fn ten_in_a_row_are_too_many_and_then_each_is() {
        let mut tally = Tally::default();
        let mut now = 1_000_000;
        for _ in 0..9 {
            assert_eq!(tally.trapped(now, 10), None);
            assert_eq!(tally.left(now), None);
        }
        for minutes in [2, 4, 8, 16, 32, 64, 128, 128, 128] {
            let length = Duration::from_secs(minutes * MINUTE);
            assert_eq!(tally.trapped(now, 10), Some(length));
            assert_eq!(tally.left(now), Some(length));
            // What is still allowed, and traps, counts for nothing.
            assert_eq!(tally.trapped(now + 1, 10), None);
            assert_eq!(tally.left(now + minutes * MINUTE - 1), Some(Duration::from_secs(1)));
            now += minutes * MINUTE;
            assert_eq!(tally.left(now), None);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_in() {
        let mut tally = Tally { traps: 9, ..Tally::default() };
        tally.trapped(1_000_000, 10);
        assert_eq!(tally.left(1000), None);
        assert!(tally.left(1_000_000).is_some());
    }

    #[test]
    fn lengths_never_overflow() {
        assert_eq!(length(u32::MAX), LONGEST);
        assert_eq!(length(0), FIRST);
    }

    fn fresh() -> (tempfile::TempDir, Quarantine) {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path().join("state")).unwrap();
        let quarantine = Quarantine::new(state.area(Area::Quarantine).unwrap());
        (temp, quarantine)
    }

    #[test]
    fn it_holds_for_one_component_on_one_endpoint_and_over_processes() {
        let (temp, quarantine) = fresh();
        let (one, other) = (Digest::sha256(b"one"), Digest::sha256(b"other"));
        let patient = Patient { backend: "x", digest: &one, endpoint: Some("/run/x") };
        for _ in 0..10 {
            assert!(quarantine.check(patient).is_ok());
            quarantine.trapped(patient, 10).unwrap();
        }
        let again = Quarantine::new(StateDir::open(temp.path().join("state")).unwrap().area(Area::Quarantine).unwrap());
        let error = again.check(patient).unwrap_err();
        assert!(matches!(error, Error::Quarantined { traps: 10, .. }), "{error}");
        for free in [Patient { endpoint: None, ..patient }, Patient { digest: &other, ..patient }] {
            assert!(again.check(free).is_ok(), "{free:?}");
        }
        again.well(patient);
        assert!(quarantine.check(patient).is_ok());
    }

    #[test]
    fn what_is_no_tally_counts_for_nothing() {
        let (temp, quarantine) = fresh();
        let digest = Digest::sha256(b"one");
        let patient = Patient { backend: "x", digest: &digest, endpoint: None };
        for text in ["", "{}", "[]", r#"{"traps":-1,"times":0,"until":0}"#, "\u{0}"] {
            std::fs::write(temp.path().join("state/quarantine").join(patient.file()), text).unwrap();
            assert!(quarantine.check(patient).is_ok());
            assert_eq!(quarantine.trapped(patient, 10).unwrap(), None);
        }
    }
}
