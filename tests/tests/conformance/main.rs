//! One suite of behaviours, run over every engine: the rehearsal engine as Podman, as Docker and as one under the
//! other's name, and the real ones, Podman as root and as an ordinary user, and Docker.
//!
//! This program is each of these, by its first word:
//!
//! - none: the suite. It runs itself once for each engine, side by side, and prints a table of behaviour × engine;
//! - `--ground NAME`: the behaviours on one engine, as that engine's user;
//! - `--doomed …`: a host process that is killed while it runs a container;
//! - called `podman` or `docker`: the rehearsal engine.
//!
//! Further words choose: `cargo test --test conformance -- docker pull` runs what has both in `ENGINE/BEHAVIOUR`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a table for people, and an engine that is left out")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a behaviour fails")]
#![allow(clippy::indexing_slicing, clippy::string_slice, reason = "the same")]

mod archives;
mod behaviours;
mod commands;
mod compose;
mod containers;
mod control;
mod copies;
mod creation;
mod crowd;
mod detection;
mod doomed;
mod ends;
mod events;
mod exec;
mod filters;
mod gpus;
mod ground;
mod health;
mod images;
mod journal;
mod layers;
mod leftovers;
mod liars;
mod logs;
mod made;
mod networks;
mod options;
mod ownership;
mod pods;
mod policy;
mod preflight;
mod program;
mod proofs;
mod rows;
mod secrets;
mod setting;
mod suite;
mod sweep;
mod table;
mod units;
mod volumes;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(status) = portreeve_rehearsal::main_if_called() {
        return status;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("--ground") => behaviours::run(&words[1..]),
        Some("--doomed") => doomed::run(&words[1..]),
        Some("--list") => suite::list(),
        Some("--page") => rows::foretell(),
        _ => suite::run(words.into_iter().filter(|word| !word.starts_with('-')).collect()),
    }
}
