//! Values behind the name of who issues them: `DATADOG_API_KEY=…`, `using datadog api key …`.

use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

use super::assign::{self, Assignment, Link};
use super::matcher::begins_here;
use super::names::is_reference;
use super::rule::Rule;
use super::span::{Label, Span};
use super::values;
use super::verdict::brings_reference;

/// How much may stand between a keyword and a value, and how much longer than what its rule takes a value is read.
const SLACK: usize = 512;
/// Words that announce a secret between an issuer's name and the value: `the adobe client secret is …`.
#[rustfmt::skip]
const ANNOUNCING: &[&str] = &["key", "token", "secret", "password", "credential", "auth", "login"];
/// How far behind an issuer's name a value may be announced.
const ANNOUNCED: usize = 64;
/// What is written behind an issuer's name without a sign between.
#[rustfmt::skip]
const APPENDED: &[&str] = &["api", "key", "token", "secret", "client", "access", "auth", "pass", "pw", "id", "app", "login", "cred", "user", "bot", "pat", "logic", "sdk", "cloud", "db"];

/// A rule whose keyword stands in the name of an assignment, and whose expression is the value's.
pub(crate) fn read(rule: &Rule, text: &[u8], keyword: (usize, usize), label: Label, found: &mut Vec<Span>) {
    let Some(regex) = rule.regex() else { return };
    if !begins_word(text, keyword.0) || !ends_word(text, keyword.1) {
        return;
    }
    let reach = rule.longest().map_or(text.len(), |longest| text.len().min(keyword.1 + longest + SLACK));
    let assignment = text.get(..reach).and_then(|near| assign::read(near, keyword.0, keyword.1));
    if let Some((start, end)) = assignment.and_then(|assignment| value_of(regex, text, &assignment)) {
        found.push(Span { start, end, label });
    } else if let Some((start, end)) = announced(regex, text, keyword.1) {
        found.push(Span { start, end, label });
    }
}

/// The value of an assignment if the expression matches the whole of it, but for a full stop and its like.
pub(crate) fn value_of(regex: &Regex, text: &[u8], assignment: &Assignment) -> Option<(usize, usize)> {
    let value = text.get(assignment.value.0..assignment.value.1).unwrap_or_default();
    let name = text.get(assignment.name.0..assignment.name.1).unwrap_or_default();
    let hit = regex.search(&Input::new(value).anchored(Anchored::Yes))?;
    let whole = value.get(hit.end()..)?.iter().all(|byte| b".,;:!?".contains(byte));
    let value = value.get(hit.range())?;
    let telling = match assignment.link {
        Link::Sign | Link::Flag => true,
        // A container or a commit is told of beside its project's name, too.
        Link::Comma | Link::Blank if is_identifier(value) && !is_announcing(name) => false,
        Link::Comma => value.iter().any(u8::is_ascii_digit) || (assignment.marked && has_both_cases(value)),
        Link::Blank => values::is_random(value),
    };
    let secret = whole && telling && !is_other(name, assignment, value) && !values::is_placeholder(value);
    secret.then_some((assignment.value.0, assignment.value.0 + hit.end()))
}

fn is_identifier(value: &[u8]) -> bool {
    values::is_digest(value) || values::is_uuid(value)
}

fn is_announcing(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    ANNOUNCING.iter().any(|word| lower.windows(word.len()).any(|part| part == word.as_bytes()))
}

/// Whether a value belongs to a name that points at something: its own, or one that it brings with it as in
/// `token hash=…`.
fn is_other(name: &[u8], assignment: &Assignment, value: &[u8]) -> bool {
    is_reference(name) || (assignment.link != Link::Sign && brings_reference(value))
}

fn has_both_cases(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase)
}

fn announced(regex: &Regex, text: &[u8], from: usize) -> Option<(usize, usize)> {
    let window = text.get(from..text.len().min(from + ANNOUNCED))?;
    let joins = |byte: &&u8| byte.is_ascii_alphanumeric() || b" _.:='\"`([-;\t\x1b".contains(byte);
    let between = window.iter().take_while(joins).count();
    let begins = |at: usize| {
        let first = window.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        first && begins_here(window, at) && assign::escape_tail(window, at, between) == 0
    };
    (1..between).filter(|&at| begins(at)).find_map(|at| {
        let hit = regex.search(&Input::new(text).span(from + at..text.len()).anchored(Anchored::Yes))?;
        let ended = text.get(hit.end()).is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte));
        (ended && is_announced(window.get(..at)?, text.get(hit.range())?)).then_some((hit.start(), hit.end()))
    })
}

/// Whether the words between an issuer's name and a value say that it is a secret.
fn is_announced(words: &[u8], value: &[u8]) -> bool {
    let lower = words.to_ascii_lowercase();
    let told = is_announcing(&lower);
    let random = value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
    let words = lower.trim_ascii_end();
    let signed =
        words.last().is_some_and(|byte| b":=\"'`".contains(byte)) || words.ends_with(b" is") || ends_with_colour(words);
    // What is coloured before the value was the value of something.
    let coloured = words.contains(&0x1b) && !ends_with_colour(words);
    let other = coloured || ends_with_reference(words) || brings_reference(value);
    told && (random || signed) && !other && !values::is_placeholder(value)
}

fn ends_with_colour(words: &[u8]) -> bool {
    let code = words.iter().rposition(|&byte| byte == 0x1b).and_then(|at| words.get(at..)).unwrap_or_default();
    assign::colour(code).is_some_and(|length| length == code.len())
}

/// Whether words end as in `rev = "`, so that what follows has a name of its own.
fn ends_with_reference(words: &[u8]) -> bool {
    let trimmed = words.len() - words.iter().rev().take_while(|byte| b" \t\"'`=:".contains(byte)).count();
    let (before, signs) = words.split_at(trimmed);
    let name = before.rsplit(|byte| !byte.is_ascii_alphanumeric() && !b"_-".contains(byte)).next();
    signs.iter().any(|byte| b"=:".contains(byte)) && name.is_some_and(is_reference)
}

/// Whether an issuer's name ends at `at`, rather than being the beginning of a longer word.
pub(crate) fn ends_word(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..text.len().min(at + 8)).unwrap_or_default();
    let signed =
        at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(|byte| !byte.is_ascii_alphanumeric());
    let appended =
        |word: &&str| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    signed
        || !rest.first().is_some_and(u8::is_ascii_alphabetic)
        || starts_word(text, at)
        || APPENDED.iter().any(appended)
}

/// Whether the letter at `at` is a capital that begins a word: behind a small letter or before one.
fn starts_word(text: &[u8], at: usize) -> bool {
    let [Some(before), Some(letter)] = [at.checked_sub(1), Some(at)].map(|at| at.and_then(|at| text.get(at))) else {
        return false;
    };
    letter.is_ascii_uppercase() && !before.is_ascii_uppercase()
}

/// Whether a word of a name begins at `at`: behind a sign, or at a change of case.
pub(crate) fn begins_word(text: &[u8], at: usize) -> bool {
    let camel = text.get(at).is_some_and(u8::is_ascii_uppercase)
        && text.get(at.wrapping_sub(1)).is_some_and(|byte| !byte.is_ascii_uppercase());
    camel || begins_here(text, at)
}

#[cfg(test)]
mod tests {
    use super::super::{Redactor, RuleSet};

    fn redacted(text: &str) -> String {
        Redactor::builder().rules(RuleSet::builtin()).build().text(text)
    }

    #[test]
    fn a_value_in_backticks_or_colours_is_announced() {
        let (uuid, hex) = ("232e349b-bd6d-49c4-1727-b5a978eea3f5", "e86b3a7bfb64d3fd7c10f4cdf72e9934");
        for (text, secret) in [
            (format!("using heroku api key `{uuid}` for x"), uuid),
            (format!("using hubspot api key `{uuid}`"), uuid),
            (format!("using discord token `{hex}{hex}`!"), hex),
            (format!("datadog api key: `{hex}`"), hex),
            (format!("using adobe api key `{hex}`"), hex),
            ("using linkedin token `dodiqldlhomc6g` for x".to_owned(), "dodiqldlhomc6g"),
            ("using linkedin token \u{1b}[31mdodiqldlhomc6g\u{1b}[0m for x".to_owned(), "dodiqldlhomc6g"),
            ("using sumo token \u{1b}[31msuXhfAynbqZccb\u{1b}[0m for x".to_owned(), "suXhfAynbqZccb"),
            ("using dropbox token \u{1b}[1;31mbv55zykzodzdx2x\u{1b}[0m".to_owned(), "bv55zykzodzdx2x"),
        ] {
            let out = redacted(&text);
            assert!(!out.contains(secret) && out.starts_with(text.get(..12).unwrap()), "{out}");
            assert_eq!(out.contains(" for x"), text.contains(" for x"), "{out}");
        }
    }

    #[test]
    fn a_value_that_has_a_name_of_its_own_is_no_keywords() {
        let hex = "88268acb850c813fd521dd77cdcf02347c1f59ff";
        for text in [
            format!("datadog = {{ git = \"https://github.com/acme/datadog\", rev = \"{hex}\" }}"),
            "netlify trace_id=ea576d4f6db803289e69e2084f925faf".to_owned(),
            format!("token hash={hex}ab12ab12ab12ab12ab12ab12"),
            format!("token fingerprint={hex}"),
            format!("meraki token ok, commit={hex}"),
            format!("meraki token: commit: {hex}"),
            "heroku token \u{1b}[32mvalid\u{1b}[0m for 232e349b-bd6d-49c4-1727-b5a978eea3f5".to_owned(),
            "netlify token, trace_id=ea576d4f6db803289e69e2084f925faf".to_owned(),
        ] {
            assert_eq!(redacted(&text), text);
        }
        assert_eq!(redacted(&format!("meraki token: {hex}")), "meraki token: [redacted:cisco-meraki-api-key]");
    }
}
