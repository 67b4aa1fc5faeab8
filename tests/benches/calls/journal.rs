//! A record in the journal, with the disk waited for and without.

use portreeve::journal::{Durability, Effect, Entry, Journal, JournalOptions, Kind};
use portreeve::state::StateDir;

use crate::table::{beside, in_turns, timed};

pub(crate) fn measure() {
    // Where the build lies is a disk, which a folder of everybody's may not be.
    let folder = tempfile::Builder::new().prefix("journal-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let open = |name: &str, durability| {
        let state = StateDir::open(folder.path().join(name)).unwrap();
        Journal::open(&state, JournalOptions::default().durability(durability)).unwrap()
    };
    let (durable, quick) = (open("durable", Durability::All), open("quick", Durability::None));
    let argv = ["podman", "start", &"f".repeat(64)].map(str::to_owned);
    let entry =
        Entry { command: Some("start"), effect: Some(Effect::Change), argv: Some(&argv), ..Entry::new(Kind::Intent) };
    let append = |journal: &Journal| timed(|| journal.append(&entry).unwrap()).0;
    let (durable, quick) = in_turns(500, || append(&durable), || append(&quick));
    beside("a record that is waited for until it is on the disk", durable, "one that is not", quick);
}
