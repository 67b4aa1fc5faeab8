//! The host's memory stays bounded, whatever containers print and however many listen. Each measurement is the growth
//! of `VmHWM`, the most that was ever resident, of a host in a process of its own. No time is asserted.
//!
//! - 200 `logs -f` streams at once, by one host, on the rehearsal engine: less than 128 MiB more, children not counted.
//! - A container that prints a lot, its output attached, and its log read afterwards: less than 32 MiB more. How much
//!   depends on the build: 1 GB where it is optimised, 100 MB where it is not, for redaction is slow there; on one
//!   real engine as on the rehearsal engine.
//! - 100 containers made, started, read, stopped and removed at once by one host: no call is lost, nothing is left, less
//!   than 64 MiB more; on the rehearsal engine and on one real one.
#![allow(clippy::print_stdout, reason = "what was measured, and an engine that is left out")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::process::ExitCode;

use portreeve_tests::berth::Harbour;
use portreeve_tests::engines::Engine;
use portreeve_tests::voyage;
use serde_json::Value;

const STREAMS: &str = "200";
/// Lines that each stream reads, twice.
const LINES: &str = "20";
/// KiB that may come to the host's memory by all streams together.
const STREAMS_BOUND: u64 = 128 << 10;

const FLOOD: &str = if cfg!(debug_assertions) { "100000000" } else { "1000000000" };
/// KiB that may come to it by one container, however much that prints.
const FLOOD_BOUND: u64 = 32 << 10;

/// Containers of a fleet, and how many commands of their engine run at once.
const FLEET: [&str; 2] = ["100", "8"];
/// KiB that may come to the host's memory by a fleet.
const FLEET_BOUND: u64 = 64 << 10;

fn main() -> ExitCode {
    if let Some(status) = voyage::main_if_called() {
        return status;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        println!("many_streams: test\nmuch_output: test\na_fleet: test");
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter));
    if chosen("many_streams") {
        many_streams();
    }
    if chosen("much_output") {
        // One real engine is enough: what is measured is the host.
        for engine in [None].into_iter().chain(Engine::all().into_iter().take(1).map(Some)) {
            much_output(engine);
        }
    }
    if chosen("a_fleet") {
        for engine in [None].into_iter().chain(Engine::all().into_iter().take(1).map(Some)) {
            a_fleet(engine);
        }
    }
    ExitCode::SUCCESS
}

fn a_fleet(engine: Option<Engine>) {
    let (_runtime, harbour) = harbour(engine);
    let name = harbour.container("ship");
    let told = harbour.play(voyage::FLEET, &[&name, FLEET[0], FLEET[1]]);
    let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    let ships = told["ships"].as_array().unwrap();
    let lost: Vec<&Value> = ships.iter().filter(|ship| ship.get("lost").is_some()).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!((ships.len().to_string().as_str(), told["left"].as_u64()), (FLEET[0], Some(0)));
    let grown = told["peak"].as_u64().unwrap() - told["before"].as_u64().unwrap();
    println!("a fleet of {} on {}: {grown} KiB more, {} s", FLEET[0], harbour.berth().name(), told["seconds"]);
    assert!(grown < FLEET_BOUND, "{grown} KiB");
}

fn harbour(engine: Option<Engine>) -> (tokio::runtime::Runtime, Harbour) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let harbour = runtime.block_on(Harbour::open(engine)).unwrap();
    (runtime, harbour)
}

fn many_streams() {
    let (_runtime, harbour) = harbour(None);
    let name = harbour.container("talker");
    // The process that compiles the backend is not the one that is measured.
    let _started = harbour.play(voyage::RUN, &[&name, "lines", "1000000", "50"]);
    let measured: Value = serde_json::from_str(&harbour.play(voyage::FOLLOW, &[&name, STREAMS, LINES])).unwrap();
    let growth = growth(&measured);
    println!("{STREAMS} streams at once: {measured}; {growth} KiB more");
    assert!(measured["at-once"].as_u64().unwrap() >= STREAMS.parse().unwrap(), "they were not there at once");
    assert!(growth < STREAMS_BOUND, "{growth} KiB");
}

fn much_output(engine: Option<Engine>) {
    let (_runtime, harbour) = harbour(engine);
    let (attached, logged) = (harbour.container("attached"), harbour.container("logged"));
    let _started = harbour.play(voyage::RUN, &[&logged, "flood", FLOOD]);
    // Said to the end before its log is read.
    let _ended = harbour.berth().ask(&["wait", &logged]);
    for said in [harbour.play(voyage::ATTACH, &[&attached, "flood", FLOOD]), harbour.play(voyage::READ, &[&logged])] {
        let measured: Value = serde_json::from_str(&said).unwrap();
        let growth = growth(&measured);
        println!("{}: {measured}; {growth} KiB more", harbour.berth().name());
        assert_eq!(measured["bytes"], FLOOD.parse::<u64>().unwrap(), "some of it is missing, or was redacted");
        assert_eq!(measured["status"], 0);
        assert!(growth < FLOOD_BOUND, "{growth} KiB");
    }
}

fn growth(measured: &Value) -> u64 {
    let kib = |name: &str| measured[name].as_u64().unwrap();
    kib("peak") - kib("before")
}
