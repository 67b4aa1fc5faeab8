//! How fast the redactor is, beside what could be no faster: `cargo bench -p portreeve-tests --bench redaction`.
//!
//! It measures and asserts nothing. Each figure stands beside its ceiling, taken in turns with it in the same run on one
//! thread, and their ratio is what counts: `memchr` for one value, aho-corasick as a forced DFA over the same values for
//! everything, a plain writing of Buildkite's published algorithm for the field.
#![allow(clippy::print_stdout, reason = "a table for people")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what can't be measured ends the run")]
#![allow(clippy::indexing_slicing, reason = "the same")]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

mod buildkite;
mod corpus;
mod memory;
mod speed;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [role, values] = words.as_slice()
        && role == memory::ROLE
    {
        memory::play(values.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    if !words.iter().any(|word| word == "--bench") {
        println!("a benchmark: cargo bench -p portreeve-tests --bench redaction");
        return ExitCode::SUCCESS;
    }
    let chosen = |name: &str| words.iter().all(|word| word.starts_with('-')) || words.iter().any(|word| word == name);
    for (name, section) in SECTIONS {
        if chosen(name) {
            section();
        }
    }
    ExitCode::SUCCESS
}

/// Words choose among them.
const SECTIONS: [(&str, fn()); 3] =
    [("all", speed::everything), ("one", speed::one_value), ("memory", memory::measure)];
