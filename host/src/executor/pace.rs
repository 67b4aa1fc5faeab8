//! How often a pipe is read: what is written little and often is read in gulps.
//!
//! An engine's client writes its log line by line. Woken for each of them, the host would take the processor from the
//! engine that it reads from.

use std::time::{Duration, Instant};

use super::stream::CHUNK;

/// A piece of less is a little one.
const LITTLE: usize = CHUNK / 2;

/// Two pieces that are read within this time follow each other closely: a pause, and as much again.
const CLOSE: Duration = Duration::from_millis(4);

/// So many little pieces that follow closely are a flood: a prompt, or a line now and then, never waits.
const FLOOD: u32 = 16;

/// How long the pipe may fill: short beside what a reader notices, long beside a line.
const PAUSE: Duration = Duration::from_millis(1);

/// The pieces of late.
#[derive(Default)]
pub(super) struct Pace {
    little: u32,
    last: Option<Instant>,
}

impl Pace {
    /// Notes a piece that was read.
    pub(super) fn note(&mut self, bytes: usize, now: Instant) {
        let close = self.last.is_some_and(|last| now.saturating_duration_since(last) < CLOSE);
        self.little = if close && bytes < LITTLE { self.little.saturating_add(1) } else { 0 };
        self.last = Some(now);
    }

    /// How long the next piece is to be left to grow.
    pub(super) fn pause(&self) -> Option<Duration> {
        (self.little >= FLOOD).then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pace after so many pieces of that size, each so long after the one before.
    fn after(pieces: u32, bytes: usize, gap: Duration) -> Pace {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        (0..pieces).for_each(|number| pace.note(bytes, begun + gap * number));
        pace
    }

    #[test]
    fn only_a_flood_of_little_pieces_is_left_to_grow() {
        let (closely, apart) = (Duration::from_micros(20), Duration::from_millis(5));
        assert_eq!(after(FLOOD + 1, 100, closely).pause(), Some(PAUSE));
        assert_eq!(after(FLOOD, 100, closely).pause(), None);
        assert_eq!(after(1000, 100, apart).pause(), None);
        assert_eq!(after(1000, CHUNK, closely).pause(), None);
    }

    #[test]
    fn the_flood_is_over_when_a_piece_is_late_or_large() {
        let mut pace = after(1000, 100, Duration::ZERO);
        let last = pace.last.unwrap();
        pace.note(100, last + CLOSE);
        assert_eq!(pace.pause(), None);
        let mut pace = after(1000, 100, Duration::ZERO);
        pace.note(CHUNK, last);
        assert_eq!(pace.pause(), None);
    }
}
