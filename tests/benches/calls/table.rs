//! Lines of figures, and the medians that stand in them.

use std::time::{Duration, Instant};

/// The median of some times, in microseconds.
pub(crate) fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// The least of some times, in microseconds.
pub(crate) fn least(times: &[Duration]) -> f64 {
    times.iter().min().map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// How long something takes.
pub(crate) fn timed<T>(action: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let result = action();
    (begun.elapsed(), result)
}

/// Does two things in turns, so that what slows the machine slows both, and gives their medians in microseconds.
pub(crate) fn in_turns(
    rounds: u32,
    mut one: impl FnMut() -> Duration,
    mut other: impl FnMut() -> Duration,
) -> (f64, f64) {
    one();
    other();
    let (ones, others) = (0..rounds).map(|_| (one(), other())).unzip();
    (median(ones), median(others))
}

/// A line: what, a figure, what stands beside it, their ratio.
pub(crate) fn beside(what: &str, figure: f64, other: &str, its: f64) {
    let ratio = figure / its;
    println!("  {what:<58} {:>12}  beside {:>12} of {other:<44} × {ratio:.3}", micros(figure), micros(its));
}

/// A line with a figure alone.
pub(crate) fn alone(what: &str, figure: &str) {
    println!("  {what:<58} {figure:>12}");
}

pub(crate) fn micros(micros: f64) -> String {
    match micros {
        long if long.abs() >= 1e6 => format!("{:.2} s", long / 1e6),
        middling if middling.abs() >= 1e4 => format!("{:.1} ms", middling / 1e3),
        short => format!("{short:.1} µs"),
    }
}
