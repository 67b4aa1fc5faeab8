//! Rows of SQL: `INSERT INTO users (name, password) VALUES ('joe', '…')`.

use super::names::{Strength, judge};
use super::span::{Label, Span};
use super::values;

/// Longest way from `insert into` to the list of columns, and longest list of columns.
const MAX_HEAD: usize = 1024;
/// Longest list of rows that is read.
const MAX_ROWS: usize = 16 * 1024;
/// Columns that are looked at.
const MAX_COLUMNS: usize = 64;

/// Masks what stands in columns of secrets, in each row of the statement whose `insert into` ends at `at`. Gives up to
/// where the text was read.
pub(crate) fn read(text: &[u8], at: usize, label: Label, found: &mut Vec<Span>) -> usize {
    let head = text.get(at..text.len().min(at + MAX_HEAD)).unwrap_or_default();
    let Some((columns, length)) = columns(head) else { return at };
    let mut reader = Reader { text, at: at + length, end: text.len().min(at + length + MAX_ROWS) };
    while columns.contains(&true) && reader.row(&columns, label, found).is_some() {}
    reader.at
}

/// Which columns hold secrets, and where the rows begin.
fn columns(head: &[u8]) -> Option<(Vec<bool>, usize)> {
    let open = head.iter().position(|byte| b"(\n;".contains(byte)).filter(|at| head.get(*at) == Some(&b'('))?;
    let names = head.get(open + 1..)?;
    let close = names.iter().position(|byte| b")(\n;".contains(byte)).filter(|at| names.get(*at) == Some(&b')'))?;
    let columns = names.get(..close)?.split(|&byte| byte == b',').take(MAX_COLUMNS).map(is_secret).collect();
    let rest = names.get(close + 1..)?;
    let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let word = rest.get(blanks..blanks + VALUES.len())?;
    word.eq_ignore_ascii_case(VALUES).then_some((columns, open + 1 + close + 1 + blanks + VALUES.len()))
}

const VALUES: &[u8] = b"values";

fn is_secret(column: &[u8]) -> bool {
    let sign = |byte: &u8| byte.is_ascii_whitespace() || b"\"`'\\[]".contains(byte);
    let name: Vec<u8> = column.iter().copied().filter(|byte| !sign(byte)).collect();
    judge(&name) >= Strength::Strong
}

/// Reads rows.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    end: usize,
}

impl Reader<'_> {
    /// Reads one row; none where no further one stands.
    fn row(&mut self, columns: &[bool], label: Label, found: &mut Vec<Span>) -> Option<()> {
        self.skip(|byte| byte == b' ' || byte == b',');
        self.sign(b'(')?;
        for column in columns {
            let (start, end) = self.value();
            let value = self.text.get(start..end).unwrap_or_default();
            if *column && value.len() > 2 && !values::is_placeholder(value) {
                found.push(Span { start, end, label });
            }
            if self.sign(b',').is_none() {
                break;
            }
        }
        self.sign(b')')
    }

    /// The first text in quotes of an expression, without them; empty where there is none. Reads to the expression's end.
    fn value(&mut self) -> (usize, usize) {
        let (mut first, mut depth) = (None, 0u32);
        loop {
            let slashes = self.skip(|byte| byte == b'\\');
            match self.peek() {
                Some(quote @ (b'\'' | b'"')) => {
                    let text = self.quoted(quote, slashes);
                    first = first.or(Some(text));
                    if self.peek() != Some(quote) {
                        break;
                    }
                }
                Some(b'(') => depth += 1,
                Some(b')') if depth > 0 => depth -= 1,
                None | Some(b'\n' | b')') => break,
                Some(b',') if depth == 0 => break,
                Some(_) => {}
            }
            self.at += 1;
        }
        first.unwrap_or((self.at, self.at))
    }

    /// A text in quotes that so many backslashes stand before: up to its end, where the closing quote stands, if one does.
    fn quoted(&mut self, quote: u8, slashes: usize) -> (usize, usize) {
        self.at += 1;
        let start = self.at;
        loop {
            self.skip(|byte| byte != quote && byte != b'\n');
            if self.peek() != Some(quote) {
                return (start, self.at);
            }
            let before = self.text.get(start..self.at).unwrap_or_default();
            let escape = before.iter().rev().take_while(|&&byte| byte == b'\\').count();
            match self.text.get(self.at + 1) {
                Some(next) if *next == quote && slashes == 0 => self.at += 2,
                _ if escape > slashes => self.at += 1,
                _ => return (start, self.at - escape.min(slashes)),
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(..self.end)?.get(self.at).copied()
    }

    fn sign(&mut self, sign: u8) -> Option<()> {
        self.peek().filter(|byte| *byte == sign)?;
        self.at += 1;
        Some(())
    }

    fn skip(&mut self, which: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.get(self.at..self.end).unwrap_or_default();
        let length = rest.iter().take_while(|byte| which(**byte)).count();
        self.at += length;
        length
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Redactor, RuleSet};

    fn redacted(text: &str) -> String {
        Redactor::builder().rules(RuleSet::builtin()).build().text(text)
    }

    #[test]
    fn the_columns_of_secrets_are_masked_in_every_row() {
        for (text, secrets) in [
            ("INSERT INTO users (name, password) VALUES ('joe', 'hunter2')", &["hunter2"][..]),
            ("insert into `u`.`users` (`password`,`id`) values ('a,b)''c', 1), ('q\\'w e', 2);", &["a,b)", "w e"]),
            ("INSERT INTO t (id, api_token, at) VALUES (1, 'q1w2e3', now()), (2, 'r4t5y6', null)", &["q1w2", "r4t5"]),
            ("{\"sql\":\"INSERT INTO t (\\\"password\\\") VALUES ('hunter2')\",\"n\":1}", &["hunter2"]),
            ("{\"sql\":\"INSERT INTO t (password, n) VALUES (\\\"hunter2\\\", \\\"b\\\")\",\"n\":1}", &["hunter2"]),
            (
                "INSERT INTO t (n, password) VALUES (now(), crypt('hunter2', gen_salt('bf'))), (1, 'r4t5')",
                &["hunt", "r4"],
            ),
            ("INSERT INTO t (password) VALUES ('hunter2 and no end", &["hunter2", "no end"]),
        ] {
            let out = redacted(text);
            assert!(secrets.iter().all(|secret| !out.contains(secret)) && out.contains("[redacted:sql-row]"), "{out}");
            assert!(!text.starts_with('{') || serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{out}");
        }
    }

    #[test]
    fn other_columns_and_statements_stay() {
        for text in [
            "INSERT INTO users (name, password) VALUES ($1, $2)",
            "INSERT INTO users (name, password) VALUES (?, ?)",
            "INSERT INTO users (name, password) VALUES ('joe', NULL)",
            "INSERT INTO users (name, password_hash_version) VALUES ('joe', 'v2rounds')",
            "INSERT INTO users SELECT * FROM old",
            "INSERT INTO users (password) VALUES ('\n('hunter2')",
            "INSERT INTO jobs (name, state) VALUES ('nightly', 'waiting')",
            "insert into the slot (password) of the form",
        ] {
            assert_eq!(redacted(text), text);
        }
    }
}
