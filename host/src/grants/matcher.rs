//! The independent matcher: from a command line back to the values of a template.
//!
//! It shares no code with the renderer. It reads the elements' text for itself, checks values by the catalogue's
//! patterns instead of the hand-written checks, and finds its way through the elements by search. What the renderer
//! makes it must recognise, with the same values, and nothing else: a test that neither could pass alone.

use std::collections::HashSet;
use std::sync::OnceLock;

use regex_automata::meta::Regex;

use super::binding::{Binding, Bindings};
use super::grammar::Grammar;
use super::slot::Slot;
use super::template::{Element, Presence, Template};

/// More tokens than any command line that is rendered.
const TOKENS_MAX: usize = 8192;

/// The catalogue's patterns, compiled when first needed.
pub(super) struct Patterns;

impl Patterns {
    /// Whether the whole text matches the kind's pattern, within its length.
    pub(super) fn is_match(kind: Grammar, text: &str) -> bool {
        static COMPILED: [OnceLock<Option<Regex>>; Grammar::ALL.len()] =
            [const { OnceLock::new() }; Grammar::ALL.len()];
        let cell = Grammar::ALL.iter().position(|other| *other == kind).and_then(|at| COMPILED.get(at));
        let regex = cell.and_then(|cell| cell.get_or_init(|| Self::compile(kind)).as_ref());
        text.len() <= kind.longest() && regex.is_some_and(|regex| regex.is_match(text))
    }

    /// A pattern that does not compile matches nothing; a test sees that each does.
    fn compile(kind: Grammar) -> Option<Regex> {
        Regex::new(&format!("\\A(?s:{})\\z", kind.pattern())).ok()
    }
}

/// What a command line is, read against a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognition {
    bindings: Bindings,
    /// The element that each token is of.
    elements: Vec<usize>,
}

impl Recognition {
    /// The values. Fields that are not rendered are not among them.
    #[must_use]
    pub const fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// The token that holds the value of this number of a slot; where it has none, the token before which one would stand.
    pub(super) fn token_of(&self, template: &Template, slot: Slot, number: usize) -> usize {
        let Some(element) = template.elements.iter().position(|element| element.slots().contains(&slot)) else {
            return 0;
        };
        let first = self.elements.iter().position(|of| *of >= element).unwrap_or(self.elements.len());
        let mut tokens = self.elements.iter().enumerate().filter(|(_, of)| **of == element).map(|(token, _)| token);
        tokens.nth(number).unwrap_or(first)
    }

    /// Takes the values.
    #[must_use]
    pub fn into_bindings(self) -> Bindings {
        self.bindings
    }
}

/// Where a command line stops being a template's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// The first token that does not fit, counted from 0.
    pub(super) index: usize,
    /// The elements that would fit there; the one behind the last stands for the end.
    pub(super) elements: Vec<usize>,
}

impl Template {
    /// Reads a command line back: the values with which this template renders to it, if there are any.
    #[must_use]
    pub fn recognise(&self, argv: &[String]) -> Option<Recognition> {
        self.search(argv).ok()
    }

    pub(super) fn search(&self, argv: &[String]) -> Result<Recognition, Difference> {
        if argv.len() > TOKENS_MAX {
            return Err(Difference { index: TOKENS_MAX, elements: vec![self.elements.len()] });
        }
        let mut search = Search {
            elements: &self.elements,
            argv,
            seen: HashSet::new(),
            trail: Vec::new(),
            path: Vec::new(),
            furthest: 0,
        };
        if search.run() {
            return Ok(Recognition { bindings: search.trail.into_iter().collect(), elements: search.path });
        }
        let index = search.furthest;
        let at_index = search.seen.iter().filter(|(_, token)| *token == index).map(|(element, _)| *element);
        let mut elements: Vec<usize> = at_index.collect();
        elements.sort_unstable();
        Err(Difference { index, elements })
    }

    /// The elements of these numbers, as people read them.
    pub(super) fn expectation(&self, elements: &[usize]) -> String {
        let word = |at: &usize| {
            self.elements.get(*at).map_or_else(|| "the end of the command line".to_owned(), ToString::to_string)
        };
        elements.iter().map(word).collect::<Vec<_>>().join(" or ")
    }
}

/// A depth-first search over (element, token). No place is visited twice, so it ends after elements × tokens steps.
struct Search<'a> {
    elements: &'a [Element],
    argv: &'a [String],
    seen: HashSet<(usize, usize)>,
    trail: Vec<(Slot, Binding)>,
    /// The element of each token so far.
    path: Vec<usize>,
    furthest: usize,
}

/// A place to go to, and how much of the trail led to it.
type Place = (usize, usize, usize);

impl Search<'_> {
    fn run(&mut self) -> bool {
        let mut places: Vec<Place> = vec![(0, 0, 0)];
        while let Some((element, token, trail)) = places.pop() {
            self.trail.truncate(trail);
            self.path.truncate(token);
            if !self.seen.insert((element, token)) {
                continue;
            }
            self.furthest = self.furthest.max(token);
            if element == self.elements.len() && token == self.argv.len() {
                return true;
            }
            self.step((element, token), &mut places);
        }
        false
    }

    /// Puts the places that follow on the stack; the last one is tried first.
    fn step(&mut self, (at, token): (usize, usize), places: &mut Vec<Place>) {
        let Some(element) = self.elements.get(at) else { return };
        let trail = self.trail.len();
        if element.presence != Presence::Always {
            places.push((at + 1, token, trail));
        }
        let Some(values) = self.argv.get(token).and_then(|text| read_token(element, text)) else { return };
        self.trail.extend(values);
        self.path.push(at);
        let stays = matches!(element.presence, Presence::Each(_)) && element.join.is_none();
        places.push((if stays { at } else { at + 1 }, token + 1, self.trail.len()));
    }
}

/// The values in a token, if it is one of the element's.
fn read_token(element: &Element, token: &str) -> Option<Vec<(Slot, Binding)>> {
    if element.literal {
        return (element.text == token).then(Vec::new);
    }
    match (element.presence, element.join) {
        (Presence::Each(slot), Some(mark)) => read_joined(element, slot, mark, token),
        (Presence::Each(slot), None) => {
            read_fields(element, slot, &element.text, token).map(|value| vec![(slot, value)])
        }
        (Presence::When(slot), _) if slot.fields().is_empty() => {
            (element.text == token).then(|| vec![(slot, Binding::flag())])
        }
        (Presence::Always | Presence::When(_), _) => read_scalars(element, token),
    }
}

fn read_scalars(element: &Element, token: &str) -> Option<Vec<(Slot, Binding)>> {
    let mut values: Vec<(Slot, Binding)> = Vec::new();
    for (name, text) in cut(element, &element.text, token)? {
        let slot = Slot::by_name(name)?;
        let value = (slot, Binding::scalar(checked(slot, "", text)?));
        match values.iter().find(|(other, _)| *other == slot) {
            Some(same) if *same != value => return None,
            Some(_) => {}
            None => values.push(value),
        }
    }
    Some(values)
}

fn read_fields(element: &Element, slot: Slot, form: &str, token: &str) -> Option<Binding> {
    let cuts = cut(element, form, token)?;
    let rendered = slot.fields().iter().filter(|field| field.is_rendered());
    let text_of = |name: &str| cuts.iter().find(|(cut, _)| *cut == name).map(|(_, text)| *text);
    let fields: Option<Vec<_>> =
        rendered.map(|field| Some((field.name(), checked(slot, field.name(), text_of(field.name())?)?))).collect();
    fields.map(Binding::fields)
}

/// `head{a}…{z}tail` with a mark between the values.
fn read_joined(element: &Element, slot: Slot, mark: char, token: &str) -> Option<Vec<(Slot, Binding)>> {
    let (head, rest) = element.text.split_once('{')?;
    let (middle, tail) = rest.rsplit_once('}')?;
    let inner = token.strip_prefix(head)?.strip_suffix(tail)?;
    let form = format!("{{{middle}}}");
    let no_tail = tail.chars().next().is_none_or(|end| !inner.contains(end));
    let values = inner.split(mark).map(|part| Some((slot, read_fields(element, slot, &form, part)?)));
    values.collect::<Option<Vec<_>>>().filter(|_| no_tail)
}

/// Cuts a token along its form into names and texts. A text ends at the first character of what follows its slot.
fn cut<'a>(element: &Element, form: &'a str, token: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut parts = form.split('{');
    let mut rest = token.strip_prefix(parts.next()?)?;
    let mut cuts = Vec::new();
    for part in parts {
        let (name, following) = part.split_once('}')?;
        let length = match following.chars().next() {
            None => rest.len(),
            Some(end) => end_of_value(rest, end)?,
        };
        let (text, behind) = rest.split_at_checked(length)?;
        if element.csv && text.chars().any(|c| matches!(c, ',' | '"' | '\r' | '\n')) {
            return None;
        }
        cuts.push((name, text));
        rest = behind.strip_prefix(following)?;
    }
    rest.is_empty().then_some(cuts)
}

/// An address in brackets is read to its bracket.
fn end_of_value(rest: &str, end: char) -> Option<usize> {
    let bracket = if rest.starts_with('[') { rest.find(']').unwrap_or(0) } else { 0 };
    rest.get(bracket..)?.find(end).map(|at| bracket + at)
}

fn checked(slot: Slot, field: &str, text: &str) -> Option<String> {
    let kind = slot.field(field)?.grammar();
    (Patterns::is_match(kind, text) && !is_excepted(kind, text)).then(|| text.to_owned())
}

/// What the catalogue's words exclude beyond the pattern.
fn is_excepted(kind: Grammar, text: &str) -> bool {
    let dotted = || text.split('/').any(|part| matches!(part, "." | ".."));
    let secrets = || text.split('/').any(|part| part == "portreeve-secrets");
    match kind {
        Grammar::HostPath => dotted() || secrets(),
        Grammar::SecretPath | Grammar::InsidePath | Grammar::Endpoint | Grammar::Runtime => dotted(),
        Grammar::LabelKey => is_read_by_others(text),
        Grammar::NetworkName => is_a_mode(text),
        Grammar::Seconds => text.parse::<u16>().map_or(true, |seconds| seconds > 3600),
        Grammar::Port => text.parse::<u32>().map_or(true, |port| port > 65_535),
        Grammar::HostPort => !text.is_empty() && text.parse::<u32>().map_or(true, |port| port > 65_535),
        Grammar::Address => is_no_address(text),
        _ => false,
    }
}

fn is_read_by_others(key: &str) -> bool {
    let mut parts = key.splitn(3, '.');
    let vendor = parts.next().is_some_and(|first| first.eq_ignore_ascii_case("io"));
    let second = parts.next().unwrap_or_default();
    let theirs = ["portreeve", "containers", "podman"].iter().any(|name| second.eq_ignore_ascii_case(name));
    (vendor && theirs && parts.next().is_some()) || key.eq_ignore_ascii_case("PODMAN_SYSTEMD_UNIT")
}

fn is_a_mode(text: &str) -> bool {
    let modes = "bridge container default docker_gwbridge host ingress nat none ns pasta podman private slirp4netns";
    modes.split(' ').any(|mode| mode.eq_ignore_ascii_case(text))
}

fn is_no_address(text: &str) -> bool {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>()
        .map_or(true, |address| address.to_string() != bare || address.is_ipv6() != text.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for kind in Grammar::ALL {
            assert!(Patterns::compile(*kind).is_some(), "{kind:?}");
        }
    }
}
