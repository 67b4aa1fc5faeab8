//! The known values of a redactor: found in a text in every form, whole or cut off by its end.

use std::fmt;

use super::grams::{Grams, fold};
use super::span::{Label, Span};
use super::variants::{HEAD, Needle, needles};
use super::walker::{Walk, Writing, walk};

/// A head of some needle, with letters folded.
struct Head {
    bytes: Vec<u8>,
    needle: u32,
}

/// A secret by name, and where its needles begin.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every known value, ready to be looked for.
pub(crate) struct Known {
    secrets: Vec<Secret>,
    needles: Vec<(u32, Needle)>,
    /// Sorted by their bytes.
    heads: Vec<Head>,
    grams: Grams,
}

/// A place where a needle began and the text ended before it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) at: usize,
    needle: u32,
}

impl Known {
    pub(crate) fn new(secrets: Vec<Secret>) -> Self {
        let mut all = Vec::new();
        for (number, secret) in (0u32..).zip(&secrets) {
            all.extend(needles(&secret.value).into_iter().map(|needle| (number, needle)));
        }
        let mut heads = Vec::new();
        for (number, (_, needle)) in (0u32..).zip(&mut all) {
            heads.extend(std::mem::take(&mut needle.heads).into_iter().map(|bytes| Head { bytes, needle: number }));
        }
        heads.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        let grams = Grams::new((0u32..).zip(heads.iter().map(|head| head.bytes.as_slice())));
        Self { secrets, needles: all, heads, grams }
    }

    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Whether a value has as many zeros in a row as the header of a frame.
    pub(crate) fn has_zeros(&self) -> bool {
        self.secrets.iter().any(|secret| secret.value.windows(3).any(|three| three == [0; 3]))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Finds every value that begins at `from` or later; what the end of the text cuts off is added to `pending`.
    pub(crate) fn scan(&self, text: &[u8], from: usize, found: &mut Vec<Span>, pending: &mut Vec<Pending>) {
        self.grams.scan(text, from, |at, head| {
            let Some(head) = self.heads.get(head as usize) else { return };
            let window = text.get(at..).unwrap_or_default();
            if head.bytes.iter().zip(window).all(|(&wanted, &byte)| wanted == fold(byte)) {
                self.try_needle(Pending { at, needle: head.needle }, text, found, pending);
            }
        });
    }

    /// Walks once more from places where the text had ended too early.
    pub(crate) fn resume(&self, waiting: &[Pending], text: &[u8], found: &mut Vec<Span>, pending: &mut Vec<Pending>) {
        for &place in waiting {
            self.try_needle(place, text, found, pending);
        }
    }

    fn try_needle(&self, place: Pending, text: &[u8], found: &mut Vec<Span>, pending: &mut Vec<Pending>) {
        let Some((secret, needle)) = self.needles.get(place.needle as usize) else { return };
        match walk(needle.writing, &needle.bytes, text, place.at) {
            Walk::Match(end) => found.push(span(*secret, needle, text, place.at, end)),
            Walk::Partial => pending.push(place),
            Walk::No => {}
        }
    }

    /// The first place in the last few bytes of the text, too short to be scanned, where a head may have begun.
    pub(crate) fn head_at_end(&self, text: &[u8]) -> usize {
        let first = text.len().saturating_sub(HEAD - 1);
        (first..text.len()).find(|&at| self.begins(text.get(at..).unwrap_or_default())).unwrap_or(text.len())
    }

    fn begins(&self, tail: &[u8]) -> bool {
        let folded: Vec<u8> = tail.iter().map(|&byte| fold(byte)).collect();
        let first = self.heads.partition_point(|head| head.bytes < folded);
        self.heads.get(first).is_some_and(|head| head.bytes.starts_with(&folded))
    }

    /// The name of a known value that stands in `text` in any form.
    pub(crate) fn find(&self, text: &[u8]) -> Option<&str> {
        let mut found = Vec::new();
        self.scan(text, 0, &mut found, &mut Vec::new());
        let Label::Known(secret) = found.first()?.label else { return None };
        self.secrets.get(secret as usize).map(|secret| secret.name.as_str())
    }
}

fn span(secret: u32, needle: &Needle, text: &[u8], start: usize, end: usize) -> Span {
    let mut span = Span { start, end, label: Label::Known(secret) };
    if needle.spills && needle.writing == Writing::Base64 {
        span.start -= usize::from(start > 0 && text.get(start - 1).is_some_and(is_base64));
        span.end += usize::from(text.get(end).is_some_and(is_base64));
    }
    span
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(byte)
}

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.secrets).finish()
    }
}
