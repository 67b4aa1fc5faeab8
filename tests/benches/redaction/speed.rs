//! Bytes a second, in turns with the ceilings.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use portreeve::redaction::{Redactor, RuleSet};

use crate::buildkite::Replacer;
use crate::corpus;

/// How often the piece is gone through: 200 MB in all. Of each chunk the best time counts, so that what else the machine
/// does slows nobody.
const ROUNDS: usize = 20;
/// Bytes that are handed over at once.
const CHUNK: usize = 128 * 1024;

/// One contender: goes through a chunk.
type Pass<'p> = Box<dyn FnMut(&[u8]) + 'p>;

/// 100 values in all encodings, and all rules.
pub(crate) fn everything() {
    let values = &corpus::values(100);
    let log = corpus::log(values);
    let patterns = encodings(values);
    println!("\n100 values in every encoding, all {} rules", RuleSet::builtin().len());
    let automaton = |kind| AhoCorasick::builder().kind(kind).match_kind(MatchKind::Standard).build(&patterns).unwrap();
    let (dfa, nfa) = (automaton(Some(AhoCorasickKind::DFA)), automaton(None));
    let raw: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
    let encoded: Vec<&[u8]> = patterns.iter().map(String::as_bytes).collect();
    let figures = race(
        &log,
        vec![
            redacting(values, RuleSet::builtin()),
            redacting(values, RuleSet::none()),
            counting(&dfa),
            counting(&nfa),
            buildkite(&raw),
            buildkite(&encoded),
        ],
    );
    let [all, known, dfa, nfa, plain, same] = figures.as_slice() else { return };
    line("redactor: values and rules", *all, None);
    line("redactor: values alone", *known, None);
    line(&format!("aho-corasick, a DFA of {} patterns", patterns.len()), *dfa, Some((*all, 0.45)));
    line("aho-corasick, left to choose", *nfa, Some((*all, 0.0)));
    line("Buildkite's algorithm, the values as they are", *plain, Some((*all, 5.0)));
    line(&format!("Buildkite's algorithm, the same {} patterns", patterns.len()), *same, Some((*all, 5.0)));
}

/// One value, no rules.
pub(crate) fn one_value() {
    println!("\n1 value, no rules");
    let values = &corpus::values(1);
    let log = corpus::log(values);
    let memchr: Pass<'_> = Box::new(|chunk| {
        black_box(memchr::memchr(0, chunk));
    });
    let figures = race(&log, vec![redacting(values, RuleSet::none()), memchr]);
    let [redactor, memchr] = figures.as_slice() else { return };
    line("redactor", *redactor, None);
    line("memchr", *memchr, Some((*redactor, 0.2)));
}

/// A line: what, its speed, and for a ceiling the redactor's share of it beside the share that is wanted.
fn line(what: &str, speed: f64, share: Option<(f64, f64)>) {
    let share = share.map_or_else(String::new, |(ours, wanted)| match wanted {
        0.0 => format!("the redactor × {:.3}", ours / speed),
        wanted => format!("the redactor × {:.3} (wanted: {wanted})", ours / speed),
    });
    println!("  {what:<52} {:>9.0} MB/s   {share}", speed / 1e6);
}

fn redacting<'p>(values: &[String], rules: RuleSet) -> Pass<'p> {
    let mut builder = Redactor::builder().rules(rules);
    for (at, value) in values.iter().enumerate() {
        builder = builder.secret(&format!("S{at}"), value.as_bytes()).unwrap();
    }
    let (mut stream, mut out) = (builder.build().stream(), Vec::with_capacity(4 * CHUNK));
    Box::new(move |chunk| {
        out.clear();
        stream.push(chunk, &mut out);
        black_box(&out);
    })
}

fn buildkite<'p>(needles: &'p [&'p [u8]]) -> Pass<'p> {
    let (mut replacer, mut out) = (Replacer::new(needles), Vec::with_capacity(4 * CHUNK));
    Box::new(move |chunk| {
        out.clear();
        replacer.push(chunk, &mut out);
        black_box(&out);
    })
}

fn counting(automaton: &AhoCorasick) -> Pass<'_> {
    Box::new(move |chunk| {
        black_box(automaton.find_overlapping_iter(chunk).count());
    })
}

/// The speed of each, in bytes a second. They take turns.
fn race(piece: &[u8], mut passes: Vec<Pass<'_>>) -> Vec<f64> {
    let chunks: Vec<&[u8]> = piece.chunks(CHUNK).collect();
    let mut best = vec![vec![Duration::MAX; chunks.len()]; passes.len()];
    for _ in 0..ROUNDS {
        for (pass, best) in passes.iter_mut().zip(&mut best) {
            for (chunk, best) in chunks.iter().zip(best) {
                let begun = Instant::now();
                pass(black_box(chunk));
                *best = (*best).min(begun.elapsed());
            }
        }
    }
    best.into_iter().map(|times| piece.len() as f64 / times.iter().sum::<Duration>().as_secs_f64()).collect()
}

/// The values in the encodings that a list of patterns can hold.
fn encodings(values: &[String]) -> Vec<String> {
    let forms = values.iter().flat_map(|value| {
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        let percent = value
            .bytes()
            .map(
                |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") },
            )
            .collect();
        let [first, second, third] = [0, 1, 2].map(|before| base64(value, before));
        [value.clone(), hex.to_uppercase(), hex, percent, first, second, third]
    });
    forms.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The letters of base64 that a value decides when so many bytes stand before it.
fn base64(value: &str, before: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = value.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let skipped = (before * 8).div_ceil(6) * 6 - before * 8;
    let letter = |six: &[u8]| char::from(ALPHABET[usize::from(six.iter().fold(0, |letter, bit| letter << 1 | bit))]);
    bits[skipped..].chunks_exact(6).map(letter).collect()
}
