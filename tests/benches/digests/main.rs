//! What proving costs, beside sha2 alone: `cargo bench -p portreeve-tests --bench digests [-- GIGABYTES]`.
//!
//! It measures and asserts nothing. The stage is what a deep verification does with an engine's export: the archive is
//! taken apart as it streams by, and each layer is hashed. Beside it stands the sha2 crate over the same bytes, in turns
//! with it, and their ratio is what counts. Then a generated export of ten gigabytes (or so many) goes by, and the memory that
//! it took is told.
#![allow(clippy::print_stdout, reason = "a table for people")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what can't be measured ends the run")]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

mod stream;

use std::hint::black_box;
use std::io::Read;
use std::time::{Duration, Instant};

use portreeve::digest::{Algorithm, Digest, Hasher};
use portreeve::evidence::export::Export;
use sha2::Digest as _;

use self::stream::Generated;

/// How much each round hashes.
const ROUND: u64 = 256 << 20;
const ROUNDS: usize = 7;
/// What readers usually ask for at once.
const PIECE: usize = 128 << 10;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if !words.iter().any(|word| word == "--bench") {
        println!("a benchmark: cargo bench -p portreeve-tests --bench digests");
        return;
    }
    println!("\nhashing, {ROUNDS} rounds of {} MiB in turns", ROUND >> 20);
    for algorithm in Algorithm::ALL {
        let alone = || timed(|| sha2_alone(algorithm));
        beside(&format!("{algorithm}: the hasher"), || timed(|| hasher(algorithm)), alone);
    }
    beside("sha256: an export, taken apart", || timed(export), || timed(|| sha2_alone(Algorithm::Sha256)));
    let gigabytes = words.iter().find_map(|word| word.parse::<u64>().ok()).unwrap_or(10);
    endless(gigabytes);
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed()
}

/// Takes turns, so that what slows the machine slows both; the medians are compared.
fn beside(what: &str, stage: impl Fn() -> Duration, alone: impl Fn() -> Duration) {
    let (mut stages, mut alones): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| (stage(), alone())).unzip();
    let (stage, alone) = (median(&mut stages), median(&mut alones));
    let (speed, ceiling) = (megabytes(ROUND, stage), megabytes(ROUND, alone));
    println!("  {what:<34} {speed:>7.0} MB/s  beside {ceiling:>7.0} MB/s of sha2 alone  × {:.3}", speed / ceiling);
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn megabytes(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// The ceiling: the crate over the same bytes, read in the same pieces.
fn sha2_alone(algorithm: Algorithm) -> Vec<u8> {
    match algorithm {
        Algorithm::Sha256 => pieces(sha2::Sha256::new(), |state, piece| state.update(piece)).finalize().to_vec(),
        Algorithm::Sha512 => pieces(sha2::Sha512::new(), |state, piece| state.update(piece)).finalize().to_vec(),
    }
}

fn hasher(algorithm: Algorithm) -> Digest {
    pieces(Hasher::new(algorithm), Hasher::update).finish()
}

fn pieces<S>(mut state: S, update: impl Fn(&mut S, &[u8])) -> S {
    let (mut content, mut buffer) = (Generated::content(ROUND), vec![0; PIECE]);
    loop {
        match content.read(&mut buffer).unwrap() {
            0 => return state,
            read => update(&mut state, buffer.get(..read).unwrap()),
        }
    }
}

fn export() -> Export {
    Export::read(Generated::export(ROUND), &[]).unwrap()
}

/// A stream that would not fit anywhere, and what it left in memory.
fn endless(gigabytes: u64) {
    let bytes = gigabytes * 1_000_000_000;
    let before = resident();
    let time = timed(|| Export::read(Generated::export(bytes), &[]).unwrap());
    let (after, peak) = (resident(), status("VmHWM:"));
    println!("\nmemory over a generated export of {gigabytes} GB");
    println!("  {:.0} MB/s; resident {before} kB before, {after} kB after, {peak} kB at most", megabytes(bytes, time));
}

fn resident() -> u64 {
    status("VmRSS:")
}

/// A figure of /proc/self/status, in kB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
