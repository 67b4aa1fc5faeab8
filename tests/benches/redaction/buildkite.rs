//! The algorithm that Buildkite's agent publishes for its job logs, written plainly: needles by their first byte, and a list of
//! those that are matched in part, advanced with each byte.

/// Removes needles from a stream.
pub(crate) struct Replacer<'n> {
    by_first: Vec<Vec<&'n [u8]>>,
    /// Needles that are matched in part, and how far.
    partial: Vec<(&'n [u8], usize)>,
    held: Vec<u8>,
    /// Parts of what is held that are to be replaced.
    ranges: Vec<(usize, usize)>,
}

impl<'n> Replacer<'n> {
    pub(crate) fn new(needles: &[&'n [u8]]) -> Self {
        let mut by_first = vec![Vec::new(); 256];
        for needle in needles {
            by_first[usize::from(needle[0])].push(*needle);
        }
        Self { by_first, partial: Vec::new(), held: Vec::new(), ranges: Vec::new() }
    }

    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for &byte in chunk {
            self.held.push(byte);
            let end = self.held.len();
            let ranges = &mut self.ranges;
            self.partial.retain_mut(|(needle, matched)| {
                if needle[*matched] != byte {
                    return false;
                }
                *matched += 1;
                if *matched == needle.len() {
                    ranges.push((end - needle.len(), end));
                    return false;
                }
                true
            });
            let begun = self.by_first[usize::from(byte)].iter().map(|needle| (*needle, 1));
            self.partial.extend(begun);
            if self.partial.is_empty() {
                self.flush(out);
            }
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let mut at = 0;
        for (start, end) in self.ranges.drain(..) {
            if start >= at {
                out.extend_from_slice(&self.held[at..start]);
                out.extend_from_slice(b"[REDACTED]");
            }
            at = at.max(end);
        }
        out.extend_from_slice(&self.held[at..]);
        self.held.clear();
    }
}
