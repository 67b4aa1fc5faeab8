//! Parts of a text that are to be masked.

/// Why a part of a text is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Label {
    /// A known value, by its number.
    Known(u32),
    /// A rule of the rule set, by its number.
    Rule(u32),
}

/// A part of a text to be masked, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) label: Label,
}

/// Sorts spans and joins those that overlap: what is left neither overlaps nor leaves a head or a tail. A known value
/// names the joined span before a rule does: the one that begins first, so that the name does not depend on how the text was
/// cut. An earlier rule of the set names it before a later one.
pub(crate) fn union(spans: &mut Vec<Span>) {
    spans.sort_unstable_by_key(|span| (span.start, std::cmp::Reverse(span.end), span.label));
    spans.dedup_by(|next, last| {
        let overlaps = next.start < last.end;
        if overlaps {
            last.end = last.end.max(next.end);
            last.label = match (last.label, next.label) {
                (Label::Known(_), _) => last.label,
                (_, label) => last.label.min(label),
            };
        }
        overlaps
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_spans_become_one_and_touching_ones_do_not() {
        let span = |start, end, label| Span { start, end, label };
        let mut spans = vec![
            span(4, 9, Label::Rule(2)),
            span(0, 5, Label::Rule(7)),
            span(9, 12, Label::Known(1)),
            span(20, 21, Label::Rule(0)),
            span(30, 36, Label::Known(2)),
            span(34, 40, Label::Known(0)),
        ];
        union(&mut spans);
        assert_eq!(
            spans,
            [
                span(0, 9, Label::Rule(2)),
                span(9, 12, Label::Known(1)),
                span(20, 21, Label::Rule(0)),
                span(30, 40, Label::Known(2))
            ]
        );
    }
}
