//! A filter over four-byte grams: where in a text could one of many heads stand?
//!
//! Every head is entered under the grams at its first few offsets, so that a text need only be sampled once every few
//! bytes. A sample that is in the bit set is looked up exactly; what is found is a candidate that the
//! caller verifies. Letters are compared without case. The cost does not depend on how many heads there are, and there is
//! no automaton to build.

/// Where one gram occurs in a head.
#[derive(Clone, Copy)]
struct Entry {
    gram: u32,
    offset: u8,
    target: u32,
}

/// The filter: a bit set in front of a sorted table.
pub(crate) struct Grams {
    slots: Slots,
    stride: usize,
    /// First entry of each bucket of hashed grams; one more than there are buckets.
    buckets: Vec<u32>,
    entries: Vec<Entry>,
}

/// The bits that upper and lower case letters differ in, in each of four bytes.
const FOLD: u32 = 0x2020_2020;
const WIDE_FOLD: u64 = 0x2020_2020_2020_2020;
/// Up to so many grams are few: one in sixteen slots is taken then at most.
const FEW: usize = 2048;
/// Up to so many are many: one in sixty-four slots is taken then at most.
const MANY: usize = 8192;
const BUCKET_BITS: u32 = 15;

/// Whether some gram has a hash. Of a fixed number, so that nothing is checked for each byte of a text.
enum Slots {
    /// So small a number stays in the fastest cache.
    Few(Set<{ 1 << 15 }>),
    Many(Set<{ 1 << 19 }>),
    Most(Set<{ 1 << 20 }>),
}

/// A byte for each of `N` hashes, a power of two: with a bit for each eighth of the grams that have this hash. A text is
/// looked through for bytes that are not zero, and what has one must have its bit too: one in eight has it by chance.
struct Set<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Set<N> {
    fn add(&mut self, gram: u32) {
        self.0.get_mut(hash(gram, N.trailing_zeros())).into_iter().for_each(|slot| *slot |= eighth(gram));
    }

    /// Not zero if some gram of this hash was added.
    #[inline(always)]
    fn at(&self, gram: u32) -> u8 {
        self.0.get(hash(gram, N.trailing_zeros())).copied().unwrap_or_default()
    }

    fn may_hold(&self, gram: u32) -> bool {
        self.at(gram) & eighth(gram) != 0
    }
}

/// The bit of a gram among those of its hash.
fn eighth(gram: u32) -> u8 {
    1 << (gram.wrapping_mul(0x85EB_CA6B) >> 29)
}

/// The case-folded form of one byte, as this filter sees it.
pub(crate) const fn fold(byte: u8) -> u8 {
    byte | 0x20
}

#[inline(always)]
fn hash(gram: u32, bits: u32) -> usize {
    (gram.wrapping_mul(0x9E37_79B1) >> (32 - bits)) as usize
}

fn gram_at(bytes: &[u8], at: usize) -> Option<u32> {
    let window: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(window) | FOLD)
}

impl Grams {
    /// Builds the filter over `(target, head)` pairs, the heads of five bytes or more of what is sampled sparsely.
    pub(crate) fn new<'a>(heads: impl Iterator<Item = (u32, &'a [u8])> + Clone) -> Self {
        let shortest = heads.clone().map(|(_, head)| head.len()).min().unwrap_or(4);
        let stride = match shortest.saturating_sub(3) {
            room @ 0..=3 => room.max(1),
            8.. if heads.clone().count() <= FEW / 8 => 8,
            _ => 4,
        };
        let mut entries = Vec::new();
        for (target, head) in heads {
            for offset in 0..stride {
                push_entry(&mut entries, target, head, offset);
            }
        }
        Self::from_entries(entries, stride)
    }

    /// Builds the filter over `(target, keyword)` pairs: each is entered once, under the gram of it that text has least
    /// often, and a text is sampled at every byte. A keyword of three bytes is found before a letter, a digit, or one of
    /// `_-.=+/$`; shorter ones are left out.
    pub(crate) fn of_keywords<'a>(keywords: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let mut entries = Vec::new();
        for (target, keyword) in keywords {
            match keyword {
                &[a, b, c] => {
                    for last in (b'0'..=b'9').chain(b'a'..=b'z').chain(*b"_-.=+/$") {
                        push_entry(&mut entries, target, &[a, b, c, last], 0);
                    }
                }
                _ => push_entry(&mut entries, target, keyword, rarest(keyword)),
            }
        }
        Self::from_entries(entries, 1)
    }

    fn from_entries(mut entries: Vec<Entry>, stride: usize) -> Self {
        let slots = Slots::of(&entries);
        entries.sort_by_key(|entry| (hash(entry.gram, BUCKET_BITS), entry.gram, entry.offset, entry.target));
        entries.dedup_by_key(|entry| (entry.gram, entry.offset, entry.target));
        let mut buckets = vec![0u32; (1 << BUCKET_BITS) + 1];
        for entry in &entries {
            if let Some(count) = buckets.get_mut(hash(entry.gram, BUCKET_BITS) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut buckets {
            sum += *count;
            *count = sum;
        }
        Self { slots, stride, buckets, entries }
    }

    /// Whether nothing can ever be found.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Calls `found(at, target)` for every place from `from` on where the head `target` may begin. The last three bytes
    /// of the text begin nothing.
    pub(crate) fn scan(&self, text: &[u8], from: usize, mut found: impl FnMut(usize, u32)) {
        if self.is_empty() {
            return;
        }
        match &self.slots {
            Slots::Few(slots) => self.scan_with(slots, text, from, &mut found),
            Slots::Many(slots) => self.scan_with(slots, text, from, &mut found),
            Slots::Most(slots) => self.scan_with(slots, text, from, &mut found),
        }
    }

    fn scan_with<const N: usize>(&self, slots: &Set<N>, text: &[u8], from: usize, found: &mut impl FnMut(usize, u32)) {
        match self.stride {
            1 => self.sample::<1, N, _>(slots, text, from, found),
            2 => self.sample::<2, N, _>(slots, text, from, found),
            3 => self.sample::<3, N, _>(slots, text, from, found),
            8 => self.skip::<8, N, _>(slots, text, from, found),
            _ => self.skip::<4, N, _>(slots, text, from, found),
        }
    }

    /// Looks at a text so densely that one window of eight bytes holds several samples.
    fn sample<const STRIDE: usize, const N: usize, F: FnMut(usize, u32)>(
        &self,
        slots: &Set<N>,
        text: &[u8],
        from: usize,
        found: &mut F,
    ) {
        let step = STRIDE * (4 / STRIDE + 1);
        let mut at = from;
        while let Some(window) = text.get(at..at + 8) {
            let Ok(window) = <[u8; 8]>::try_from(window) else { return };
            let wide = u64::from_le_bytes(window) | WIDE_FOLD;
            let mut hits = 0;
            let mut offset = 0;
            while offset < step {
                hits |= slots.at((wide >> (offset * 8)) as u32);
                offset += STRIDE;
            }
            if hits != 0 {
                self.resolve_each::<STRIDE, N, F>(slots, text, (at, at + step), from, found);
            }
            at += step;
        }
        self.resolve_each::<STRIDE, N, F>(slots, text, (at, text.len()), from, found);
    }

    /// Looks at a text so sparsely that each sample is read by itself, eight at a time.
    fn skip<const STRIDE: usize, const N: usize, F: FnMut(usize, u32)>(
        &self,
        slots: &Set<N>,
        text: &[u8],
        from: usize,
        found: &mut F,
    ) {
        let mut at = from;
        while let Some(window) = text.get(at..at + 8 * STRIDE) {
            let mut hits = 0;
            for part in window.chunks_exact(STRIDE) {
                let gram = part.first_chunk().map_or(0, |gram| u32::from_le_bytes(*gram) | FOLD);
                hits |= slots.at(gram);
            }
            if hits != 0 {
                self.resolve_each::<STRIDE, N, F>(slots, text, (at, at + 8 * STRIDE), from, found);
            }
            at += 8 * STRIDE;
        }
        self.resolve_each::<STRIDE, N, F>(slots, text, (at, text.len()), from, found);
    }

    #[inline(never)]
    fn resolve_each<const STRIDE: usize, const N: usize, F: FnMut(usize, u32)>(
        &self,
        slots: &Set<N>,
        text: &[u8],
        range: (usize, usize),
        from: usize,
        found: &mut F,
    ) {
        for at in (range.0..range.1).step_by(STRIDE) {
            let Some(gram) = gram_at(text, at) else { return };
            if slots.may_hold(gram) {
                self.resolve(gram, at, from, found);
            }
        }
    }

    fn resolve(&self, gram: u32, at: usize, from: usize, found: &mut impl FnMut(usize, u32)) {
        let bucket = hash(gram, BUCKET_BITS);
        let (Some(&first), Some(&last)) = (self.buckets.get(bucket), self.buckets.get(bucket + 1)) else { return };
        for entry in self.entries.get(first as usize..last as usize).unwrap_or_default() {
            let start = at.checked_sub(usize::from(entry.offset)).filter(|&start| start >= from);
            if let (true, Some(start)) = (entry.gram == gram, start) {
                found(start, entry.target);
            }
        }
    }
}

impl Slots {
    fn of(entries: &[Entry]) -> Self {
        match entries.len() {
            count if count <= FEW => Self::Few(filled(entries)),
            count if count <= MANY => Self::Many(filled(entries)),
            _ => Self::Most(filled(entries)),
        }
    }
}

/// Made where it stays: a guest's call has a small stack.
fn filled<const N: usize>(entries: &[Entry]) -> Set<N> {
    let zeros = vec![0; N].into_boxed_slice();
    let mut slots = Set(zeros.try_into().unwrap_or_else(|_| Box::new([0; N])));
    entries.iter().for_each(|entry| slots.add(entry.gram));
    slots
}

fn push_entry(entries: &mut Vec<Entry>, target: u32, head: &[u8], at: usize) {
    if let (Some(gram), Ok(offset)) = (gram_at(head, at), u8::try_from(at)) {
        entries.push(Entry { gram, offset, target });
    }
}

/// Letters from the most frequent on, as in English and in logs.
const FREQUENT: &[u8] = b" etaoinsr-=:/\"lcdpmuhgfbywvkxjqz";
/// The rank of everything else: digits, other signs.
const UNFREQUENT: usize = 18;

/// Words that logs are full of: a gram of one tells little.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "user", "password", "program", "telegram", "histogram", "secret", "book", "record", "signature", "generated", "temporary", "create", "login", "role",
    "client", "server", "service", "request", "response", "error", "info", "time", "name", "load", "status", "connect", "http", "https", "www.", ".com", ".org",
    ".io/", "token", "access", "auth", "public", "string", "value", "level", "message", "data", "file", "path", "host", "port", "image", "container", "start",
    "stop", "running", "version", "config", "default", "system", "session", "account", "application", "admin", "with ", "filter", "after", "later",
];

/// Where in a keyword the gram begins that holds the rarest characters, and is none of a common word.
fn rarest(keyword: &[u8]) -> usize {
    let rarity =
        |byte: &u8| FREQUENT.iter().position(|letter| *letter == byte.to_ascii_lowercase()).unwrap_or(UNFREQUENT);
    let common = |gram: &[u8]| COMMON.iter().any(|word| word.as_bytes().windows(4).any(|part| part == gram));
    let score = |gram: &[u8]| if common(gram) { 0 } else { gram.iter().map(rarity).sum::<usize>() };
    let scores = keyword.windows(4).map(score).take(usize::from(u8::MAX)).enumerate();
    scores.max_by_key(|&(at, score)| (score, std::cmp::Reverse(at))).map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(heads: &[&[u8]], text: &[u8], from: usize) -> Vec<(usize, u32)> {
        let list: Vec<(u32, &[u8])> = heads.iter().enumerate().map(|(n, head)| (n as u32, *head)).collect();
        let mut found = Vec::new();
        Grams::new(list.iter().copied()).scan(text, from, |at, target| found.push((at, target)));
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn finds_a_head_at_every_alignment() {
        for head in ["abcd", "abcde", "abcdef", "abcdefg", "abcdefgh", "abcdefghijk", "abcdefghijkl"] {
            for lead in 0..80 {
                let text = format!("{}{head}{}", ".".repeat(lead), ".".repeat(lead % 5));
                assert_eq!(positions(&[head.as_bytes()], text.as_bytes(), 0), [(lead, 0)], "{text}");
            }
        }
    }

    #[test]
    fn ignores_case_and_what_lies_before_the_start() {
        assert_eq!(positions(&[b"token"], b"TOKEN Token", 0), [(0, 0), (6, 0)]);
        assert_eq!(positions(&[b"token"], b"TOKEN Token", 1), [(6, 0)]);
    }

    #[test]
    fn keywords_are_found_by_their_rarest_gram() {
        let keywords: [&[u8]; 3] = [b"with password", b"hf_", b"linear"];
        let grams = Grams::of_keywords((0u32..).zip(keywords));
        let mut found = Vec::new();
        grams.scan(b"hf_a LINEAR with Password hf_", 0, |at, target| found.push((at, target)));
        assert_eq!(found, [(0, 1), (5, 2), (12, 0)]);
    }
}
