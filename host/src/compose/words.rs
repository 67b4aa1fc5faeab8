//! A command written as one text, taken apart as a shell would, without a shell.

/// The words of a text; none where a quote is left open.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut rest) = (Vec::new(), None::<String>, text.chars());
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => plain(&mut rest, word.get_or_insert_default())?,
            '"' => quoted(&mut rest, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(rest.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

fn plain(rest: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '\'' => return Some(()),
            c => word.push(c),
        }
    }
}

fn quoted(rest: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '"' => return Some(()),
            '\\' => match rest.next()? {
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_backslashes_hold_words_together() {
        let split = |text| split(text).map(|words| words.join("|"));
        assert_eq!(split("a  'b c' \"d \\\" \\n e\" f\\ g ''").unwrap(), "a|b c|d \" \\n e|f g|");
        assert_eq!((split("'a"), split("\"a"), split("a\\")), (None, None, None));
        assert_eq!(super::split(" \n "), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn what_is_quoted_stays_whole(words in prop::collection::vec("[^']{0,8}", 0..5)) {
            let text = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&text).unwrap(), words);
        }
    }
}
