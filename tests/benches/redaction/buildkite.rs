//! The algorithm that Buildkite's agent publishes for its job logs, step by step: needles by their first byte, two lists of
//! those that are matched in part, which take turns with each byte, and a buffer that is put out up to the first of them.

/// Removes needles from a stream.
pub(crate) struct Replacer<'n> {
    by_first: Vec<Vec<&'n [u8]>>,
    held: Vec<u8>,
    partial: Vec<Partial<'n>>,
    next: Vec<Partial<'n>>,
    /// Parts of what is held that are to be replaced.
    complete: Vec<(usize, usize)>,
}

/// How far a needle is matched: by so many bytes of the stream, up to this place in it.
#[derive(Clone, Copy)]
struct Partial<'n> {
    needle: &'n [u8],
    matched: usize,
    at: usize,
}

impl<'n> Replacer<'n> {
    pub(crate) fn new(needles: &[&'n [u8]]) -> Self {
        let mut by_first = vec![Vec::new(); 256];
        for needle in needles {
            by_first[usize::from(needle[0])].push(*needle);
        }
        Self { by_first, held: Vec::new(), partial: Vec::new(), next: Vec::new(), complete: Vec::new() }
    }

    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let before = self.held.len();
        self.held.extend_from_slice(chunk);
        for (at, &byte) in chunk.iter().enumerate() {
            self.step(byte, before + at + 1);
        }
        merge(&mut self.complete);
        let begun = self.partial.iter().map(|partial| self.held.len() - partial.matched);
        let limit = begun.min().unwrap_or(self.held.len());
        self.flush(limit, out);
    }

    /// Goes on with every needle that is matched in part, and begins those that start with this byte.
    fn step(&mut self, byte: u8, end: usize) {
        for at in 0..self.partial.len() {
            let partial = self.partial[at];
            self.go_on(Partial { matched: partial.matched + 1, ..partial }, byte, end);
        }
        for &needle in &self.by_first[usize::from(byte)] {
            match needle.len() {
                1 => self.complete.push((end - 1, end)),
                _ => self.next.push(Partial { needle, matched: 1, at: 1 }),
            }
        }
        std::mem::swap(&mut self.partial, &mut self.next);
        self.next.clear();
    }

    /// A line's end in a needle stands for any white space, and any number of it.
    fn go_on(&mut self, partial: Partial<'n>, byte: u8, end: usize) {
        match partial.needle[partial.at] {
            b'\n' if byte.is_ascii_whitespace() || byte == 0x0b => self.next.push(partial),
            wanted if wanted == byte => {}
            _ => return,
        }
        let partial = Partial { at: partial.at + 1, ..partial };
        match partial.at < partial.needle.len() {
            true => self.next.push(partial),
            false => self.complete.push((end - partial.matched, end)),
        }
    }

    fn flush(&mut self, mut limit: usize, out: &mut Vec<u8>) {
        let (mut at, mut done) = (0, 0);
        for &(start, end) in self.complete.iter().take_while(|range| range.0 < limit) {
            if end > limit {
                limit = start;
                break;
            }
            out.extend_from_slice(&self.held[at..start]);
            out.extend_from_slice(b"[REDACTED]");
            (at, done) = (end, done + 1);
        }
        out.extend_from_slice(&self.held[at..limit]);
        self.held.drain(..limit);
        self.complete.drain(..done);
        self.complete.iter_mut().for_each(|range| *range = (range.0 - limit, range.1 - limit));
    }
}

/// Joins ranges that overlap; they are in the order of their ends.
fn merge(ranges: &mut Vec<(usize, usize)>) {
    let mut merged: Vec<(usize, usize)> = Vec::with_capacity(ranges.len());
    for &(mut start, end) in ranges.iter() {
        while let Some(last) = merged.pop_if(|last| last.1 > start) {
            start = start.min(last.0);
        }
        merged.push((start, end));
    }
    *ranges = merged;
}
