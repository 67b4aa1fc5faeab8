//! A record in the journal, and the records of a command, with the disk waited for and without.

use portreeve::Portreeve;
use portreeve::journal::{Durability, Effect, Entry, Journal, JournalOptions, Kind};
use portreeve::state::StateDir;
use portreeve_tests::voyage;
use tokio::runtime::Runtime;

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

/// Decide, record, execute, record: calls that only look and calls that do more, under each durability.
pub(crate) fn measure_calls(runtime: &Runtime) {
    let harbour = crate::harbour(runtime, None);
    let name = harbour.container("counted");
    let _started = harbour.play(voyage::RUN, &[&name, "wait"]);
    let build = |durability| runtime.block_on(harbour.berth().builder().durability(durability).build()).unwrap();
    let [none, effects, all] = Durability::EACH.map(build);
    let inspect = |host: &Portreeve| timed(|| runtime.block_on(host.inspect(&name)).unwrap()).0;
    // WINCH does nothing to it
    let signal = "WINCH".parse().unwrap();
    let kill = |host: &Portreeve| timed(|| runtime.block_on(host.kill(&name, &signal)).unwrap()).0;
    let (waited, quick) = in_turns(200, || inspect(&effects), || inspect(&none));
    beside("a call that looks, durability `effects`", waited, "`none`", quick);
    let (waited, quick) = in_turns(200, || inspect(&all), || inspect(&none));
    beside("a call that looks, durability `all`", waited, "`none`", quick);
    let (waited, quick) = in_turns(200, || kill(&effects), || kill(&none));
    beside("a call that does more, durability `effects`", waited, "`none`", quick);
    let (waited, quick) = in_turns(200, || kill(&all), || kill(&none));
    beside("a call that does more, durability `all`", waited, "`none`", quick);
}
