//! What the host costs, beside what it hosts: `cargo bench -p portreeve-tests --bench calls [-- WORD…]`.
//!
//! It measures and asserts nothing. Where a time depends on the machine there is another beside it, taken in turns with
//! it in the same run, and their ratio is what counts. Words choose sections: `start guest command preflight run fleet
//! journal output`.
#![allow(clippy::print_stdout, reason = "a table for people")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what can't be measured ends the run")]
#![allow(clippy::indexing_slicing, reason = "the same")]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

mod command;
mod fleet;
mod guest;
mod journal;
mod output;
mod preflight;
mod program;
mod run;
mod table;

use std::process::ExitCode;

use portreeve_tests::berth::Harbour;
use portreeve_tests::engines::Engine;
use portreeve_tests::voyage;

fn main() -> ExitCode {
    if let Some(status) = voyage::main_if_called() {
        return status;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if !words.iter().any(|word| word == "--bench") {
        println!("a benchmark: cargo bench -p portreeve-tests --bench calls");
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|filter| name == *filter);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (name, section) in SECTIONS {
        if chosen(name) {
            println!("\n{name}");
            section(&runtime);
        }
    }
    ExitCode::SUCCESS
}

type Section = fn(&tokio::runtime::Runtime);

const SECTIONS: [(&str, Section); 8] = [
    ("start", program::measure),
    ("guest", guest::measure),
    ("command", command::measure),
    ("preflight", preflight::measure),
    ("run", run::measure),
    ("fleet", fleet::measure),
    ("journal", |runtime| {
        journal::measure();
        journal::measure_calls(runtime);
    }),
    ("output", output::measure),
];

/// A harbour at the rehearsal engine, or at a real one.
fn harbour(runtime: &tokio::runtime::Runtime, engine: Option<Engine>) -> Harbour {
    runtime.block_on(Harbour::open(engine)).unwrap()
}
