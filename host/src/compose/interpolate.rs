//! Variables in values: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`,
//! `${NAME?message}`, `${NAME:+other}`, `${NAME+other}`; `$$` is a `$`.

use super::Ledger;
use super::yaml::{Node, Place, Value, Wrong};

/// The most bytes that all values together may become.
const GROWN_MAX: usize = 4 << 20;
/// How deep a default may hold a default.
const DEPTH_MAX: usize = 8;

/// Replaces the variables of every value; keys stay, and so does a value that is wrong, which is noted.
///
/// # Errors
/// What makes the file too large.
pub(super) fn all(root: &mut Node, look: &dyn Fn(&str) -> Option<String>, ledger: &mut Ledger) -> Result<(), Wrong> {
    let mut left = GROWN_MAX;
    Replacing { look, ledger, left: &mut left }.below("", root)
}

struct Replacing<'a> {
    look: &'a dyn Fn(&str) -> Option<String>,
    ledger: &'a mut Ledger,
    left: &'a mut usize,
}

impl Replacing<'_> {
    fn below(&mut self, path: &str, node: &mut Node) -> Result<(), Wrong> {
        let at = node.at;
        match &mut node.value {
            Value::Null => Ok(()),
            Value::List(items) => {
                items.iter_mut().enumerate().try_for_each(|(at, item)| self.below(&format!("{path}[{at}]"), item))
            }
            Value::Map(entries) => entries.iter_mut().try_for_each(|(key, node)| {
                let dot = if path.is_empty() { "" } else { "." };
                self.below(&format!("{path}{dot}{}", key.text), node)
            }),
            Value::Text(text) => {
                let replaced = text_of(text, self.look, 0).map_err(|why| Wrong::new(at, why));
                self.ledger.refuse(path, replaced).map_or(Ok(()), |replaced| self.put(text, replaced, at))
            }
        }
    }

    fn put(&mut self, text: &mut String, replaced: String, at: Place) -> Result<(), Wrong> {
        let left = self.left.checked_sub(replaced.len());
        *self.left = left.ok_or_else(|| Wrong::new(at, "variables make the file too large"))?;
        *text = replaced;
        Ok(())
    }
}

/// One text with its variables.
pub(super) fn text(text: &str, look: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    text_of(text, look, 0)
}

fn text_of(text: &str, look: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<String, String> {
    if depth > DEPTH_MAX {
        return Err(format!("defaults lie more than {DEPTH_MAX} deep in one another"));
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = match after.chars().next() {
            Some('$') => {
                out.push('$');
                after.strip_prefix('$').unwrap_or_default()
            }
            Some('{') => {
                let (inside, after) = braces(after.strip_prefix('{').unwrap_or_default())
                    .ok_or_else(|| format!("in {text:?} a `}}` is missing"))?;
                out.push_str(&expression(inside, look, depth)?);
                after
            }
            _ => {
                let (name, after) = name(after);
                if name.is_empty() {
                    return Err(format!("in {text:?} a `$` begins no variable; a `$` itself is `$$`"));
                }
                out.push_str(&look(name).unwrap_or_default());
                after
            }
        };
        if out.len() > GROWN_MAX {
            return Err("variables make the file too large".to_owned());
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands up to the `}` that closes, and what follows it.
fn braces(text: &str) -> Option<(&str, &str)> {
    let mut open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

/// The name that a text begins with, and what follows.
fn name(text: &str) -> (&str, &str) {
    let fits = |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    let end = text.char_indices().find(|one| !fits(*one)).map_or(text.len(), |(at, _)| at);
    text.split_at_checked(end).unwrap_or(("", text))
}

fn expression(inside: &str, look: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<String, String> {
    let (name, rest) = name(inside);
    if name.is_empty() {
        return Err(format!("{inside:?} begins with no name of a variable"));
    }
    let value = look(name);
    let (empty_counts, operator) = match rest.strip_prefix(':') {
        Some(operator) => (true, operator),
        None => (false, rest),
    };
    let there = value.filter(|value| !(empty_counts && value.is_empty()));
    let mut operator = operator.chars();
    match (operator.next(), there) {
        (None, there) if !empty_counts => Ok(there.unwrap_or_default()),
        (Some('-' | '?'), Some(value)) => Ok(value),
        (Some('-'), None) | (Some('+'), Some(_)) => text_of(operator.as_str(), look, depth + 1),
        (Some('+'), None) => Ok(String::new()),
        (Some('?'), None) => Err(format!("the variable {name} is needed: {}", operator.as_str())),
        _ => Err(format!("${{{inside}}} is no expression of a variable")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(name: &str) -> Option<String> {
        match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn the_forms_of_the_specification() {
        for (text, expected) in [
            ("x$A-${A}", "x1-1"),
            ("${B:-d}${B-d}${EMPTY:-d}[${EMPTY-d}]", "ddd[]"),
            ("${A:+y}${B+y}[${EMPTY:+y}]${EMPTY+y}", "y[]y"),
            ("$$A $${A}", "$A ${A}"),
            ("${B:-${A}}", "1"),
            ("${A:?no}", "1"),
            ("$B", ""),
        ] {
            assert_eq!(text_of(text, &look, 0).unwrap(), expected, "{text}");
        }
        for bad in ["${", "${}", "$", "$-", "${A!x}", "${B:?gone}", "${1}", "${A:}"] {
            assert!(text_of(bad, &look, 0).is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}x{}", "${B:-".repeat(20), "}".repeat(20));
        assert!(text_of(&deep, &look, 0).is_err());
    }

    proptest! {
        #[test]
        fn without_a_dollar_nothing_changes(text in "[^$]{0,40}") {
            prop_assert_eq!(text_of(&text, &look, 0).unwrap(), text);
        }

        #[test]
        fn a_value_is_never_read_again(value in "[$A-Z{}:-]{0,20}") {
            let look = |_: &str| Some(value.clone());
            prop_assert_eq!(text_of("${X}", &look, 0).unwrap(), value);
        }
    }
}
