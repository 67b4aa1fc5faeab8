//! What was masked, and how often, at the end of a command.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::json;

use super::show::plain;

/// Tells it on standard error.
pub(crate) fn tell(counts: &BTreeMap<String, u64>, json: bool) {
    let text = if json { json!({ "redactions": counts }).to_string() } else { words(counts) };
    // The results are out already.
    let _unsaid = writeln!(io::stderr().lock(), "{text}");
}

fn words(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|&(name, count)| (std::cmp::Reverse(*count), name));
    let total: u64 = counts.iter().map(|(_, count)| **count).sum();
    let each: Vec<_> = counts.iter().map(|(name, count)| format!("{} {count}", plain(name))).collect();
    match total {
        0 => "portreeve: nothing was redacted".to_owned(),
        _ => format!("portreeve: redacted {total}: {}", each.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_comes_first() {
        let counts = [("jwt".to_owned(), 1), ("password".to_owned(), 12), ("DB".to_owned(), 1)].into();
        assert_eq!(words(&counts), "portreeve: redacted 14: password 12, DB 1, jwt 1");
        assert_eq!(words(&BTreeMap::new()), "portreeve: nothing was redacted");
    }
}
