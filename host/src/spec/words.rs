//! Words of a command in one token: as a JSON array, and as a shell reads them.
//!
//! Both spellings are exact, and there is one of each for a list of words: what is read back is what was written.

/// What an engine reads in place of a program, where an array begins with it.
const KEYWORDS: [&str; 3] = ["CMD", "CMD-SHELL", "NONE"];

/// Whether words can be said in both spellings: at least one, no control character, no engine's word as the first.
pub(crate) fn can_be_said(words: &[String]) -> bool {
    let keyword = |first: &String| KEYWORDS.iter().any(|word| first.eq_ignore_ascii_case(word));
    let sound = |word: &String| !word.chars().any(char::is_control);
    words.first().is_some_and(|first| !first.is_empty() && !keyword(first)) && words.iter().all(sound)
}

/// `["a","b c"]`. An engine reads an array of one as a shell's text, so one word alone stands there as such.
pub(crate) fn to_json(words: &[String]) -> String {
    match words {
        [one] => array(&["CMD-SHELL".to_owned(), to_shell(std::slice::from_ref(one))]),
        words => array(words),
    }
}

fn array(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", escaped(word))).collect();
    format!("[{}]", quoted.join(","))
}

fn escaped(word: &str) -> String {
    word.replace('\\', "\\\\").replace('"', "\\\"")
}

/// `'a' 'b c'`: each word in single quotes, within which a shell changes nothing.
pub(crate) fn to_shell(words: &[String]) -> String {
    words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect::<Vec<_>>().join(" ")
}

/// The words that [`to_json`] made this of.
pub(crate) fn from_json(text: &str) -> Option<Vec<String>> {
    let array: Vec<String> = serde_json::from_str(text).ok()?;
    let words = match array.as_slice() {
        [shell, line] if shell == "CMD-SHELL" => from_shell(line)?,
        _ => array,
    };
    (can_be_said(&words) && to_json(&words) == text).then_some(words)
}

/// The words that [`to_shell`] made this of.
pub(crate) fn from_shell(text: &str) -> Option<Vec<String>> {
    let (mut words, mut rest) = (Vec::new(), text);
    loop {
        let (word, behind) = first_word(rest)?;
        words.push(word);
        match behind.strip_prefix(' ') {
            Some(more) => rest = more,
            None if behind.is_empty() => break,
            None => return None,
        }
    }
    (can_be_said(&words) && to_shell(&words) == text).then_some(words)
}

/// The word in single quotes at the beginning, and what stands behind it.
fn first_word(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut word = String::new();
    loop {
        let (part, behind) = rest.split_once('\'')?;
        word.push_str(part);
        match behind.strip_prefix(r"\''") {
            Some(more) => {
                word.push('\'');
                rest = more;
            }
            None => return Some((word, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn both_spellings() {
        let said = words(&["/bin/x", "it's", "a \"b\" \\ c", ""]);
        assert_eq!(to_json(&said), r#"["/bin/x","it's","a \"b\" \\ c",""]"#);
        assert_eq!(to_shell(&said), r#"'/bin/x' 'it'\''s' 'a "b" \ c' ''"#);
        assert_eq!(to_json(&words(&["a b"])), r#"["CMD-SHELL","'a b'"]"#);
    }

    #[test]
    fn what_is_not_written_so_is_not_read() {
        for text in ["", "[]", r#"["CMD","a"]"#, r#"["a", "b"]"#, r#"["a"]"#, r#"["CMD-SHELL","'a' 'b'"]"#, "[1]"] {
            assert_eq!(from_json(text), None, "{text}");
        }
        for text in ["", "a", "'a", "'a'b", "'a'  'b'", "'a' ", "'a';x", "\"a\"", r"'a'\'", "'none'"] {
            assert_eq!(from_shell(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(said in proptest::collection::vec("[ -~é]{0,8}", 1..5)) {
            prop_assume!(can_be_said(&said));
            prop_assert_eq!(from_json(&to_json(&said)), Some(said.clone()));
            prop_assert_eq!(from_shell(&to_shell(&said)), Some(said));
        }

        #[test]
        fn a_json_reader_and_a_shell_agree(said in proptest::collection::vec("[ -~é]{0,8}", 2..5)) {
            prop_assume!(can_be_said(&said));
            let read: Vec<String> = serde_json::from_str(&to_json(&said)).unwrap();
            prop_assert_eq!(&read, &said);
        }
    }
}
