//! The nearest word, for messages.

/// The fewest bytes of which a whole word is guessed.
const SHORTEST: usize = 3;

/// The candidate with the fewest changed letters, where they are few; else one that begins as it was written.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    mistyped(written, &candidates).or_else(|| cut_short(written, &candidates))
}

fn mistyped<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    // long words are no typing errors, and the cost grows with the square
    let most = (written.chars().count() / 3 + 1).min(6);
    let scored = candidates.iter().filter(|word| word.len().abs_diff(written.len()) <= most);
    let best = scored.map(|word| (distance(written, word), *word)).min_by_key(|(distance, _)| *distance)?;
    (best.0 <= most).then_some(best.1)
}

/// The shortest word that begins so, as `memory-mib` does for `memory`.
fn cut_short<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let begins_so = candidates.iter().filter(|word| written.len() >= SHORTEST && word.starts_with(written));
    begins_so.min_by_key(|word| word.len()).copied()
}

/// Levenshtein's: letters inserted, left out or replaced.
pub(super) fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        row = next_row(&row, i + 1, a, other);
    }
    row.last().copied().unwrap_or_default()
}

fn next_row(row: &[usize], first: usize, a: char, other: &str) -> Vec<usize> {
    let mut next = vec![first];
    for ((above_left, above), b) in row.iter().zip(row.iter().skip(1)).zip(other.chars()) {
        let left = next.last().copied().unwrap_or_default();
        next.push((above_left + usize::from(a != b)).min(above + 1).min(left + 1));
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_found_and_a_far_one_is_not() {
        let words = ["container.name", "container.id", "image.id"];
        assert_eq!(nearest("container.nane", words), Some("container.name"));
        assert_eq!(nearest("containerid", words), Some("container.id"));
        assert_eq!(nearest("xyz", words), None);
        assert_eq!(nearest("memory", ["memory-mib", "memory-mib-of-all", "stack"]), Some("memory-mib"));
        assert_eq!(nearest("me", ["memory-mib"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
