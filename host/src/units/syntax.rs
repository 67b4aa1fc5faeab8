//! The syntax of unit files (systemd.syntax(7), systemd.service(5), systemd.unit(5)): what a text has to become so that
//! systemd reads that very text again.

use std::fmt::Write;

/// A text that no unit file can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} can't stand in a unit file: {why}")]
pub struct SyntaxError {
    /// What was to be written, escaped.
    pub what: String,
    /// Why it can't.
    pub why: &'static str,
}

fn wrong(what: &str, why: &'static str) -> SyntaxError {
    SyntaxError { what: format!("{:?}", what.chars().take(80).collect::<String>()), why }
}

/// A word of a command line: text, and specifiers that systemd replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The credential of this name: `%d/NAME`.
    Credential(String),
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }
}

impl Word {
    /// The same word, with the path of a credential wherever `path` stands.
    #[must_use]
    pub fn with_credential(self, path: &str, name: &str) -> Self {
        let split = |piece: Piece| match piece {
            Piece::Text(text) if !path.is_empty() && text.contains(path) => {
                let mut pieces = Vec::new();
                for (at, part) in text.split(path).enumerate() {
                    if at > 0 {
                        pieces.push(Piece::Credential(name.to_owned()));
                    }
                    pieces.push(Piece::Text(part.to_owned()));
                }
                pieces
            }
            other => vec![other],
        };
        Self(self.0.into_iter().flat_map(split).collect())
    }

    /// As a command line of a service has it: `%` and `$` doubled, quoted where it must be.
    ///
    /// # Errors
    /// Where it holds a NUL.
    pub fn render(&self) -> Result<String, SyntaxError> {
        let (mut text, mut quote) = (String::new(), self.0.iter().all(Piece::is_empty));
        for piece in &self.0 {
            match piece {
                Piece::Credential(name) => text.push_str(&format!("%d/{name}")),
                Piece::Text(plain) => {
                    quote |= !plain.chars().all(is_bare);
                    escape(plain, &mut text)?;
                }
            }
        }
        Ok(if quote { format!("\"{text}\"") } else { text })
    }
}

impl Piece {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }
}

/// Characters that mean themselves anywhere in a command line.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_@+=:,./-%$".contains(c)
}

fn escape(plain: &str, text: &mut String) -> Result<(), SyntaxError> {
    for c in plain.chars() {
        match c {
            '\0' => return Err(wrong(plain, "it holds a NUL")),
            '%' => text.push_str("%%"),
            '$' => text.push_str("$$"),
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c if c.is_ascii_control() => {
                // Writing to a string can't fail.
                let _infallible = write!(text, "\\x{:02x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    Ok(())
}

/// A command line of a service: a program by its absolute path, and its words.
///
/// # Errors
/// Where a word holds a NUL, or the program's path what systemd would read as something else.
pub fn command_line(program: &str, words: &[Word]) -> Result<String, SyntaxError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=:,./-@ ".contains(c);
    if !program.starts_with('/') || !program.chars().all(plain) {
        return Err(wrong(
            program,
            "as the path of a program it has to be absolute, of letters, digits and `_+=:,./-@ `",
        ));
    }
    let mut line = Word::from(program).render()?;
    for word in words {
        line.push(' ');
        line.push_str(&word.render()?);
    }
    Ok(line)
}

/// A list of words, none of which is a program.
///
/// # Errors
/// Where a word holds a NUL.
pub fn words(words: &[Word]) -> Result<String, SyntaxError> {
    Ok(words.iter().map(Word::render).collect::<Result<Vec<_>, _>>()?.join(" "))
}

/// A value that is one text: `%` doubled, nothing quoted.
///
/// # Errors
/// Where it holds a control character, begins or ends with a blank, or ends with a backslash.
pub fn value(text: &str) -> Result<String, SyntaxError> {
    if text.chars().any(char::is_control) {
        return Err(wrong(text, "it holds a control character"));
    }
    if text.trim() != text || text.ends_with('\\') {
        return Err(wrong(text, "it begins or ends with a blank, or ends with a backslash"));
    }
    Ok(text.replace('%', "%%"))
}

/// A unit file: sections, in order, of keys with values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    comments: Vec<String>,
    sections: Vec<(&'static str, Vec<(String, String)>)>,
}

impl File {
    /// Adds a line of comment.
    pub fn comment(&mut self, text: &str) {
        self.comments.push(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
    }

    /// Begins a section.
    pub fn section(&mut self, name: &'static str) {
        self.sections.push((name, Vec::new()));
    }

    /// Adds a key to the last section; the value is as systemd is to read it.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        if let Some((_, entries)) = self.sections.last_mut() {
            entries.push((key.to_owned(), value.into()));
        }
    }

    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text: String =
            self.comments.iter().map(|line| format!("# {}\n", line.trim_end_matches('\\'))).collect();
        for (name, entries) in &self.sections {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("[{name}]\n"));
            entries.iter().for_each(|(key, value)| text.push_str(&format!("{key}={value}\n")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An independent reader, after systemd.service(5) "Command lines": splits, unquotes, unescapes, then replaces
    /// specifiers and variables; a lone `;` would begin another command.
    fn read(line: &str) -> Option<Vec<String>> {
        let mut words = Vec::new();
        let mut rest = line.chars().peekable();
        loop {
            while rest.next_if(|c| c.is_whitespace()).is_some() {}
            let Some(&first) = rest.peek() else { return Some(words) };
            let (mut word, mut quote) = (String::new(), None);
            let bare = first != '"' && first != '\'';
            while let Some(c) = rest.next_if(|c| quote.is_some() || !c.is_whitespace()) {
                match (c, quote) {
                    ('\\', _) => word.push(unescaped(&mut rest)?),
                    (c, Some(open)) if c == open => quote = None,
                    ('"' | '\'', None) => quote = Some(c),
                    (c, _) => word.push(c),
                }
            }
            if quote.is_some() || (bare && word == ";") {
                return None;
            }
            words.push(replaced(&word)?);
        }
    }

    fn unescaped(rest: &mut impl Iterator<Item = char>) -> Option<char> {
        Some(match rest.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            c @ ('"' | '\'' | '\\') => c,
            'x' => {
                let digits: String = rest.take(2).collect();
                char::from(u8::from_str_radix(&digits, 16).ok()?)
            }
            _ => return None,
        })
    }

    fn replaced(word: &str) -> Option<String> {
        let (mut text, mut rest) = (String::new(), word.chars());
        while let Some(c) = rest.next() {
            if matches!(c, '%' | '$') && rest.next()? != c {
                return None;
            }
            text.push(c);
        }
        Some(text)
    }

    fn line(texts: &[&str]) -> String {
        let words: Vec<Word> = texts.iter().map(|text| Word::from(*text)).collect();
        command_line("/usr/bin/engine", &words).unwrap()
    }

    #[test]
    fn what_means_something_to_systemd_is_escaped() {
        insta::assert_snapshot!(
            line(&["a b", "", ";", "50%", "$HOME", "it's", "say \"x\"", "a\\b", "l1\nl2\t\u{1}", "Grüße", "-x", "#c"]),
            @r##"/usr/bin/engine "a b" "" ";" 50%% $$HOME "it's" "say \"x\"" "a\\b" "l1\nl2\t\x01" "Grüße" -x "#c""##
        );
        assert!(command_line("/a", &[Word::from("a\0")]).is_err());
        for program in ["engine", "/a$b", "/a%b", "/a\"b", ""] {
            assert!(command_line(program, &[]).is_err(), "{program}");
        }
    }

    #[test]
    fn a_credential_is_a_specifier_and_all_around_it_is_text() {
        let word = Word::from("--mount=source=/run/x/KEY,target=/100%").with_credential("/run/x/KEY", "KEY");
        assert_eq!(word.render().unwrap(), "--mount=source=%d/KEY,target=/100%%");
    }

    #[test]
    fn a_plain_value_has_one_line() {
        assert_eq!(value("50% of a b").unwrap(), "50%% of a b");
        for bad in ["a\nb", " a", "a ", "a\\", "\u{7f}"] {
            assert!(value(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_comment_can_not_become_a_key() {
        let mut file = File::default();
        file.comment("a\nExecStart=/bin/x\\");
        assert_eq!(file.render(), "# a ExecStart=/bin/x\n");
    }

    proptest! {
        #[test]
        fn systemd_reads_what_was_meant(words in prop::collection::vec("[^\0]{0,12}", 0..6)) {
            let texts: Vec<&str> = words.iter().map(String::as_str).collect();
            let line = line(&texts);
            prop_assert!(!line.contains('\n'));
            let read = read(&line).unwrap();
            prop_assert_eq!(&read[1..], &words[..]);
        }

        #[test]
        fn nothing_in_a_word_becomes_a_specifier(text in "[%$d/ a\\\\\"']{0,16}") {
            let line = line(&[&text]);
            let read = read(&line).unwrap();
            prop_assert_eq!(read.last().unwrap(), &text);
        }
    }
}
