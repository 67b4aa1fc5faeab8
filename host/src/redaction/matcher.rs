//! Running a rule set over text: keywords first, then the reader of each rule whose keyword was found.

use std::sync::Arc;

use regex_automata::{Anchored, Input};

use super::assign::{self, Assignment};
use super::grams::Grams;
use super::names::{Strength, judge};
use super::rule::{Reader, Rule};
use super::span::{Label, Span};
use super::verdict::is_secret;
use super::{blocks, escaped, headers, inserts, issued, values};

/// A rule set, ready to be run.
pub(crate) struct Matcher {
    rules: Vec<Arc<Rule>>,
    /// Each keyword with the rules that it triggers.
    keywords: Vec<(Vec<u8>, Vec<u32>)>,
    grams: Grams,
}

/// What is carried from one part of a text to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// Private keys whose end was not seen yet, one for each service that prints one.
    pub(crate) blocks: Vec<blocks::Block>,
}

/// How many private keys may be open at once.
const MAX_OPEN: usize = 4;
/// Lines of private keys that may have been found behind a value.
const MAX_KEY_LINES: usize = 128;
/// How far behind its keyword an expression that begins before it may end.
const REACH: usize = 4096;
/// The same, for an expression that is one word.
const TOKEN_REACH: usize = 512;
/// How far from its first word the secret of a command line may begin. Expressions leave it to this bound: one that counts
/// so far has as many states, and a flood of such words is slow.
const COMMAND_REACH: usize = 768;
/// How much of an assignment tells whether its value looks like a secret.
const NEAR: usize = 1024;
impl Matcher {
    pub(crate) fn new(rules: Vec<Arc<Rule>>) -> Self {
        let mut keywords: Vec<(Vec<u8>, Vec<u32>)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (number, rule) in (0u32..).zip(&rules) {
            for keyword in &rule.keywords {
                let keyword = keyword.to_ascii_lowercase().into_bytes();
                let place = *places.entry(keyword.clone()).or_insert_with(|| {
                    keywords.push((keyword, Vec::new()));
                    keywords.len() - 1
                });
                if let Some((_, rules)) = keywords.get_mut(place) {
                    rules.push(number);
                }
            }
        }
        let grams = Grams::of_keywords((0u32..).zip(keywords.iter().map(|(keyword, _)| keyword.as_slice())));
        Self { rules, keywords, grams }
    }

    /// Finds what the rules match from keywords in `text[from..to]`. The text before `from` is context; that after `to`
    /// may be part of a match.
    pub(crate) fn scan(&self, text: &[u8], from: usize, to: usize, carried: &mut Carried, found: &mut Vec<Span>) {
        let mut open: Vec<blocks::Block> = Vec::new();
        open.extend(carried.blocks.drain(..).filter_map(|block| block.go_on(text, from, found)));
        let mut last = (u32::MAX, 0);
        let mut searched = Searched::default();
        self.grams.scan(text, from, |at, keyword| {
            // Of occurrences of a keyword that overlap, as in a flood, the first stands for all.
            let again = last.0 == keyword && at < last.1;
            if at < to && !again && self.stands(text, at, keyword) {
                last = (keyword, at + self.length_of(keyword));
                self.triggered(text, at, keyword, &mut searched, &mut open, found);
            }
        });
        let surplus = open.len().saturating_sub(MAX_OPEN);
        carried.blocks.extend(open.into_iter().skip(surplus));
    }

    fn length_of(&self, keyword: u32) -> usize {
        self.keywords.get(keyword as usize).map_or(1, |(keyword, _)| keyword.len())
    }

    /// Whether a keyword stands at `at` whole.
    fn stands(&self, text: &[u8], at: usize, keyword: u32) -> bool {
        let Some((keyword, _)) = self.keywords.get(keyword as usize) else { return false };
        text.get(at..at + keyword.len()).is_some_and(|window| window.eq_ignore_ascii_case(keyword))
    }

    fn triggered(
        &self,
        text: &[u8],
        at: usize,
        keyword: u32,
        searched: &mut Searched,
        open: &mut Vec<blocks::Block>,
        found: &mut Vec<Span>,
    ) {
        let Some((keyword, rules)) = self.keywords.get(keyword as usize) else { return };
        for &number in rules {
            let Some(rule) = self.rules.get(number as usize) else { continue };
            let label = Label::Rule(number);
            match &rule.reader {
                Reader::Expression { near: 0, whole, keep, .. } => {
                    if keep.is_empty() || !is_within(found, at, label) {
                        anchored(rule, *whole, text, at, label, found);
                    }
                }
                Reader::Expression { near, whole, .. } => {
                    if at >= searched.until(number) {
                        searched.note(number, nearby(rule, *whole, text, at, *near, label, found));
                    }
                }
                Reader::Value { .. } => issued::read(rule, text, (at, at + keyword.len()), label, found),
                Reader::Assignment => {
                    if !self.is_within_value(found, (at, at + keyword.len())) {
                        assignment(text, (at, at + keyword.len()), label, found);
                    }
                }
                Reader::Named => self.named(text, (at, at + keyword.len()), label, found),
                Reader::Userinfo => headers::userinfo(text, at, label, found),
                Reader::Cookie => {
                    if at >= searched.until(number) {
                        searched.note(number, headers::cookie(text, at, at + keyword.len(), label, found));
                    }
                }
                Reader::Insert => {
                    if at >= searched.until(number) {
                        searched.note(number, inserts::read(text, at + keyword.len(), label, found));
                    }
                }
                Reader::PrivateKey => {
                    if !is_within(found, at, label) {
                        open.extend(blocks::read(text, at, label, found));
                    }
                }
            }
        }
    }

    /// Whether a name stands within a value that is masked already. Private keys are none: how many of their lines were seen
    /// at once is chance.
    fn is_within_value(&self, found: &[Span], keyword: (usize, usize)) -> bool {
        let rule = |span: &Span| match span.label {
            Label::Rule(number) => self.rules.get(number as usize),
            Label::Known(_) => None,
        };
        let of_key = |span: &Span| rule(span).is_some_and(|rule| matches!(rule.reader, Reader::PrivateKey));
        let last = found.iter().rev().take(MAX_KEY_LINES).find(|span| !of_key(span));
        last.is_some_and(|span| span.start <= keyword.0 && keyword.1 <= span.end)
    }

    /// The value of a pair whose other half is the name: it is judged by that name, and by the rules of issuers in it.
    fn named(&self, text: &[u8], keyword: (usize, usize), label: Label, found: &mut Vec<Span>) {
        let Some(pair) = assign::read(text, keyword.0, keyword.1) else { return };
        let is_value = |name: &[u8]| name.eq_ignore_ascii_case(b"value") || name.eq_ignore_ascii_case(b"default");
        let is_pair = text.get(pair.name.0..pair.name.1).is_some_and(is_value);
        let name = || assign::name_before(text, pair.name.0).or_else(|| assign::name_behind(text, pair.value.1));
        let Some(name) = is_pair.then(name).flatten() else { return };
        let assignment = Assignment { name, ..pair };
        let strength = judge(text.get(name.0..name.1).unwrap_or_default());
        let value = text.get(pair.value.0..pair.value.1).unwrap_or_default();
        if let Some((label, span)) = self.issued(text, &assignment) {
            found.push(Span { start: span.0, end: span.1, label });
        } else if is_secret(text, strength, &assignment, value) {
            found.push(Span { start: pair.value.0, end: pair.value.1, label });
        }
    }

    /// The first rule for values under a name like this one, and what it masks.
    fn issued(&self, text: &[u8], assignment: &Assignment) -> Option<(Label, (usize, usize))> {
        let name = text.get(assignment.name.0..assignment.name.1)?.to_ascii_lowercase();
        let stands = |keyword: &[u8]| name.windows(keyword.len()).any(|window| window == keyword);
        let mut rules: Vec<u32> =
            self.keywords.iter().filter(|(keyword, _)| stands(keyword)).flat_map(|(_, rules)| rules).copied().collect();
        rules.sort_unstable();
        rules.into_iter().find_map(|number| {
            let rule = self.rules.get(number as usize)?;
            let Reader::Value { .. } = &rule.reader else { return None };
            Some((Label::Rule(number), issued::value_of(rule.regex()?, text, assignment)?))
        })
    }

    /// Where the first name of a secret ends that stands in `text` behind `from`.
    pub(crate) fn name_in(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut first: Option<usize> = None;
        self.grams.scan(text, from, |at, keyword| {
            if at < from || !self.stands(text, at, keyword) {
                return;
            }
            let end = at + self.length_of(keyword);
            let rules = self.keywords.get(keyword as usize).map_or(&[][..], |(_, rules)| rules);
            let rules = rules.iter().filter_map(|&number| self.rules.get(number as usize));
            let name = rules.filter_map(|rule| named_by(rule, text, at, end)).min();
            first = [first, name].into_iter().flatten().min();
        });
        first
    }

    /// Whether a word that a text ends with may be the beginning of what an expression matches.
    pub(crate) fn may_begin_in(&self, word: &[u8]) -> bool {
        let mut hit = false;
        let padded: Vec<u8> = word.iter().copied().chain(*b"aaaa").collect();
        self.grams.scan(&padded, 0, |at, keyword| {
            let rules = self.keywords.get(keyword as usize).map_or(&[][..], |(_, rules)| rules);
            let expression = |&number: &u32| {
                self.rules.get(number as usize).is_some_and(|rule| matches!(rule.reader, Reader::Expression { .. }))
            };
            hit |= self.stands(&padded, at, keyword) && rules.iter().any(expression);
        });
        hit
    }
}

/// Where the name ends that a keyword at `at..end` belongs to, if the rule of that keyword takes what follows the name for
/// a secret.
fn named_by(rule: &Rule, text: &[u8], at: usize, end: usize) -> Option<usize> {
    let around = || assign::name_around(text, at, end);
    let judged = |name: (usize, usize)| text.get(name.0..name.1).is_some_and(|name| judge(name) != Strength::None);
    match &rule.reader {
        Reader::Expression { keep, .. } => (!keep.is_empty()).then_some(end),
        Reader::Value { .. } => (issued::begins_word(text, at) && issued::ends_word(text, end)).then_some(end),
        Reader::Assignment => Some(around()).filter(|name| judged(*name)).map(|name| name.1),
        Reader::Named => assign::name_before(text, around().0).filter(|name| judged(*name)).map(|_| around().1),
        Reader::Userinfo => headers::open_userinfo(text, at),
        Reader::Cookie | Reader::Insert => Some(end),
        Reader::PrivateKey => None,
    }
}

fn anchored(rule: &Rule, whole: bool, text: &[u8], at: usize, label: Label, found: &mut Vec<Span>) {
    if whole && !begins_here(text, at) || is_within_word(text, found, at, label) {
        return;
    }
    if let Some(end) = escaped::end(rule, whole, text, at) {
        return found.push(Span { start: at, end, label });
    }
    let input = |end: usize| Input::new(text).span(at..end).anchored(Anchored::Yes);
    let search = |end: usize| rule.regex().and_then(|regex| regex.search(&input(end)));
    // What begins no match nearby is not read to its end, lest a flood of such keywords is for each of them.
    let reach = if rule.ends_with_secret() { COMMAND_REACH } else { REACH };
    let hit = search(text.len().min(at + reach)).and_then(|_| search(text.len()));
    // No secret of one word goes on in the next line, whatever the expression takes for a blank.
    let line = hit.and_then(|hit| memchr::memchr(b'\n', text.get(hit.range())?).map(|length| hit.start() + length));
    if hit.is_some() {
        matched(rule, whole, text, input(line.unwrap_or(text.len())), label, found);
    }
}

/// Whether a keyword stands in what its own rule masks already, as in a flood of them: no need to read that to its end for
/// each.
fn is_within(found: &[Span], at: usize, label: Label) -> bool {
    found.iter().rev().take(8).any(|span| span.label == label && span.start <= at && at < span.end)
}

/// The same of a match that ends where its word does: one that begins in it can't go on behind.
fn is_within_word(text: &[u8], found: &[Span], at: usize, label: Label) -> bool {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-.~".contains(byte);
    let ended = |span: &Span| !text.get(span.end).is_some_and(in_word);
    found.iter().rev().take(8).any(|span| span.label == label && span.start <= at && at < span.end && ended(span))
}

/// Up to where keywords of a rule need no look: nothing there matches. Without it a flood of keywords is searched through
/// again for each of them.
#[derive(Default)]
struct Searched {
    until: Vec<(u32, usize)>,
}

impl Searched {
    fn until(&self, rule: u32) -> usize {
        self.until.iter().find(|(known, _)| *known == rule).map_or(0, |(_, until)| *until)
    }

    fn note(&mut self, rule: u32, until: usize) {
        match self.until.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, known)) => *known = until,
            None => self.until.push((rule, until)),
        }
    }
}

/// Gives up to where a match around a further keyword would have been found too.
fn nearby(rule: &Rule, whole: bool, text: &[u8], at: usize, near: usize, label: Label, found: &mut Vec<Span>) -> usize {
    let first = at.saturating_sub(near);
    let before = text.get(first..at).unwrap_or_default();
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(first, |line| first + line + 1);
    let reach = if whole { TOKEN_REACH } else { REACH };
    let after = text.get(at..text.len().min(at + reach)).unwrap_or_default();
    let end = at + memchr::memchr(b'\n', after).unwrap_or(after.len());
    if whole {
        // A word of many keywords is not searched through for each of them: only where a word begins can it be one.
        let mut words = (start..=at).filter(|&first| begins_here(text, first));
        let word = |first: usize| Input::new(text).span(first..end).anchored(Anchored::Yes);
        words.any(|first| matched(rule, whole, text, word(first), label, found));
        return 0;
    }
    match matched(rule, whole, text, Input::new(text).span(start..end), label, found) {
        true => 0,
        false => rule.longest().and_then(|longest| end.checked_sub(longest)).unwrap_or_default(),
    }
}

/// Runs a rule's expression and masks what it matched, but for the groups that it keeps. Gives whether it matched at all.
fn matched(rule: &Rule, whole: bool, text: &[u8], input: Input<'_>, label: Label, found: &mut Vec<Span>) -> bool {
    let (Some(regex), Reader::Expression { keep, .. }) = (rule.regex(), &rule.reader) else { return false };
    if keep.is_empty() {
        let Some(hit) = regex.search(&input) else { return false };
        if fits(text, hit.start(), hit.end(), whole)
            && !rule.except.iter().any(|known| text.get(hit.range()) == Some(known.as_bytes()))
        {
            found.push(Span { start: hit.start(), end: hit.end(), label });
        }
        return true;
    }
    let mut captures = regex.create_captures();
    regex.search_captures(&input, &mut captures);
    let Some(hit) = captures.get_match() else { return false };
    if !fits(text, hit.start(), hit.end(), whole) {
        return true;
    }
    let mut kept: Vec<(usize, usize)> =
        keep.iter().filter_map(|name| captures.get_group_by_name(name)).map(|group| (group.start, group.end)).collect();
    kept.sort_unstable();
    let mut start = hit.start();
    for (first, last) in kept.into_iter().chain([(hit.end(), hit.end())]) {
        if start < first && !values::is_placeholder(text.get(start..first).unwrap_or_default()) {
            found.push(Span { start, end: first, label });
        }
        start = last;
    }
    true
}

pub(crate) fn fits(text: &[u8], start: usize, end: usize, whole: bool) -> bool {
    let inner = text.get(end.saturating_sub(1)).is_some_and(u8::is_ascii_alphanumeric)
        && text.get(end).is_some_and(u8::is_ascii_alphanumeric);
    let tail = text.get(end.saturating_sub(end.saturating_sub(start) * 2 / 3)..end).unwrap_or_default();
    let masked = values::holds_mark(text.get(start..end).unwrap_or_default());
    start < end && !masked && !(whole && (inner || !begins_here(text, start))) && !values::has_few_characters(tail)
}

/// Whether a word may begin at `at`: what stands before is no letter or digit, or the tail of an escape or a colour code.
pub(crate) fn begins_here(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(10)..at).unwrap_or_default();
    match before {
        [] => true,
        [.., last] if !last.is_ascii_alphanumeric() => true,
        [.., b'\\', b'n' | b't' | b'r' | b'b' | b'f'] => true,
        // The flag of Java and of Maven that sets what follows it.
        [before @ .., b'-', b'D' | b'P'] if before.last().is_none_or(|byte| !byte.is_ascii_alphanumeric()) => true,
        [.., b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => true,
        [.., b'\\', b'u', _, _, _, _] | [.., b'\\', b'x', _, _] => true,
        [.., b'm'] => {
            let digits = before.iter().rev().skip(1).take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
            before.iter().rev().nth(digits + 1) == Some(&b'[')
        }
        _ => false,
    }
}

fn assignment(text: &[u8], keyword: (usize, usize), label: Label, found: &mut Vec<Span>) {
    let name = assign::name_around(text, keyword.0, keyword.1);
    let (before, written) = (text.get(name.0.saturating_sub(24)..name.0), text.get(name.0..name.1));
    let (before, written) = (before.unwrap_or_default(), written.unwrap_or_default());
    let strength = judge(written);
    if strength == Strength::None || super::names::is_plain(written, before) {
        return;
    }
    // What looks like no secret at its beginning is not read to its end, lest a flood of such names is for each of them.
    let near = text.get(..text.len().min(keyword.1 + NEAR)).unwrap_or_default();
    if secret_of(near, strength, keyword).is_some() {
        let value = secret_of(text, strength, keyword);
        found.extend(value.map(|(start, end)| Span { start, end, label }));
    }
}

/// The value of the assignment whose name holds a keyword, if it is a secret.
fn secret_of(text: &[u8], strength: Strength, keyword: (usize, usize)) -> Option<(usize, usize)> {
    let assignment = assign::read(text, keyword.0, keyword.1)?;
    let value = text.get(assignment.value.0..assignment.value.1)?;
    is_secret(text, strength, &assignment, value).then_some(assignment.value)
}

#[cfg(test)]
mod tests {
    use super::super::{Redactor, RuleSet};

    fn redacted(text: &str) -> String {
        Redactor::builder().rules(RuleSet::builtin()).build().text(text)
    }

    #[test]
    fn errors_sentences_and_places_are_no_secrets() {
        for text in [
            "cat: /run/secrets/db_password: Permission denied",
            "cat: /run/secrets/token: No such file",
            "TOKEN_URL=https://a/oauth/token TOKEN_ISSUER=auth.example.org",
            "Invalid token: JsonWebTokenError",
            "Error: token: Unauthorized",
            "password: BadCredentialsException",
            "New password: BAD PASSWORD: The password is short",
            "Retype new password: Sorry, passwords do not match.",
            "key=orders:2026:03:01:pending",
            "\u{1b}[32mdedup key=alert:HighCPU:prod-web-03:9100\u{1b}[0m",
            "Session-ID: 8F2A9B1C4D5E6F708192A3B4C5D6E7F8",
            "{\"log\":\"password = getpass.getpass(\\\"Password: \\\")\\n\"}",
        ] {
            assert_eq!(redacted(text), text);
        }
        for text in ["password: Hunter user: joe", "password: Hunter", "PASSWORD=Hunter goes on", "token=aBcdEfghiJ"] {
            assert!(redacted(text).contains("[redacted:"), "{text}");
        }
    }

    #[test]
    fn the_name_behind_the_flag_of_java_is_read() {
        let hex = "88268acb850c813fd521dd77cdcf02347c1f59ff";
        let out = redacted(&format!("mvn -Dsonar.login={hex} -Dasana.token=1234567890123456 -Dx=1"));
        assert!(!out.contains(hex) && !out.contains("1234567890123456") && out.ends_with(" -Dx=1"), "{out}");
    }

    #[test]
    fn the_other_half_of_a_pair_may_stand_further_off_or_behind() {
        for text in [
            "{\"name\":\"api_token\",\"type\":\"string\",\"value\":\"q1w2e3r4t5y6\"}",
            "{\"value\":\"q1w2e3r4t5y6\",\"name\":\"api_token\"}",
            "{\\\"value\\\":\\\"q1w2e3r4t5y6\\\",\\\"name\\\":\\\"api_token\\\"}",
        ] {
            let out = redacted(text);
            assert!(out.contains("[redacted:named-value]") && out.contains("api_token"), "{out}");
        }
        for text in [
            "{\"value\":\"q1w2e3r4t5y6\",\"name\":\"trace\"}",
            "[{\"name\":\"a\",\"value\":\"q1w2e3r4t5y6\"},{\"name\":\"api_token\"}]",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn a_long_value_of_a_weak_name_is_masked_to_its_end() {
        let hex = "0f1e2d3c4b5a6978".repeat(600);
        assert_eq!(redacted(&format!("session_id=Q{hex}")), "session_id=[redacted:auth-value]");
        assert_eq!(redacted(&format!("{{\"session_id\":\"Q{hex}\"}}")), "{\"session_id\":\"[redacted:auth-value]\"}");
        let flood = "authorization=".repeat(8000);
        assert_eq!(redacted(&flood), flood);
    }

    #[test]
    fn the_secret_of_rails_is_masked() {
        let hex = "0f1e2d3c4b5a6978".repeat(8);
        assert_eq!(redacted(&format!("SECRET_KEY_BASE={hex}")), "SECRET_KEY_BASE=[redacted:secret-value]");
        let json = redacted(&format!("{{\"secret_key_base\":\"{hex}\"}}"));
        assert_eq!(json, "{\"secret_key_base\":\"[redacted:secret-value]\"}");
    }
}
