//! Start-up and resident memory, each of a process of its own, beside one that redacts nothing.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use portreeve::redaction::{Redactor, RuleSet};

use crate::corpus;

/// The word that makes this program one of those processes.
pub(crate) const ROLE: &str = "redact-so-many-values";
/// How often each is started; the median counts.
const STARTS: usize = 9;
/// Values and, for them, the most milliseconds and mebibytes.
const CASES: [(usize, f64, f64); 3] = [(1, 20.0, 32.0), (10, 20.0, 32.0), (100, 250.0, 128.0)];

pub(crate) fn measure() {
    println!("\nstart-up, and resident memory above a process that redacts nothing");
    let (_, empty) = median(0);
    for (values, time, memory) in CASES {
        let (started, resident) = median(values);
        let above = resident.saturating_sub(empty) as f64 / 1024.0;
        println!(
            "  {:<52} {:>9.1} ms (wanted: {time})   {above:>7.1} MiB (wanted: {memory})",
            format!("{values} values, all rules"),
            started.as_secs_f64() * 1e3
        );
    }
}

fn median(values: usize) -> (Duration, u64) {
    let mut runs: Vec<(Duration, u64)> = (0..STARTS).map(|_| run(values)).collect();
    runs.sort();
    let memory = runs.iter().map(|(_, memory)| *memory).max().unwrap();
    (runs[STARTS / 2].0, memory)
}

/// Runs a process and reads what it says of itself.
fn run(values: usize) -> (Duration, u64) {
    let program = std::env::current_exe().unwrap();
    let said = Command::new(program).args([ROLE, &values.to_string()]).output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    let (micros, memory) = text.trim().split_once(' ').unwrap();
    (Duration::from_micros(micros.parse().unwrap()), memory.parse().unwrap())
}

/// What such a process does: a redactor from nothing, then a log through it. No values: neither.
pub(crate) fn play(count: usize) {
    let values = corpus::values(count);
    let log = corpus::log(&values);
    let begun = Instant::now();
    let mut started = Duration::ZERO;
    if count > 0 {
        let mut builder = Redactor::builder().rules(RuleSet::builtin());
        for (at, value) in values.iter().enumerate() {
            builder = builder.secret(&format!("S{at}"), value.as_bytes()).unwrap();
        }
        let (mut stream, mut out) = (builder.build().stream(), Vec::new());
        stream.push(b"first line\n", &mut out);
        started = begun.elapsed();
        for chunk in log.chunks(128 * 1024) {
            out.clear();
            stream.push(chunk, &mut out);
        }
        black_box(&out);
    }
    black_box(&log);
    println!("{} {}", started.as_micros(), peak());
}

/// The most memory that was ever resident, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
