//! What a template must be as a whole: its program, its words, and that no two bindings render equally.
//!
//! **Ambiguity.** Where an element may be left out or repeated, the elements that may stand in its place are the ones
//! after it, up to and with the first that always stands. No two of those may render an equal token. This is decided
//! by reading both tokens side by side: fixed text must agree; a value ends at the mark that follows its slot, so
//! values at the same place are equal, and must then be of kinds that share a text. What can't be told apart so counts
//! as equal. A command line is then read from left to right in one way alone.

use super::grammar::Grammar;
use super::slot::{Field, Slot};
use super::template::{Element, Piece, Presence, Template};

/// What is wrong, and at which element.
type Fault = (usize, String);

pub(super) fn check(template: &Template) -> Result<(), Fault> {
    check_slots(template)?;
    check_words(template)?;
    check_places(template)
}

fn check_slots(template: &Template) -> Result<(), Fault> {
    let mut seen = Vec::new();
    for (index, element) in template.elements.iter().enumerate() {
        for slot in element.slots() {
            if seen.contains(&slot) {
                return Err((index, format!("`{slot}` stands twice in the template")));
            }
            seen.push(slot);
        }
    }
    Ok(())
}

/// Free words come last, right after the operand that ends an engine's own options.
fn check_words(template: &Template) -> Result<(), Fault> {
    let elements = &template.elements;
    let Some(at) = elements.iter().position(|element| element.presence == Presence::Each(Slot::Word)) else {
        return Ok(());
    };
    if elements.get(at).is_some_and(|element| element.text != "{word}") {
        return Err((at, "a word is a token of its own: \"{word}\"".to_owned()));
    }
    let follows_operand = at.checked_sub(1).and_then(|before| elements.get(before)).is_some_and(is_operand);
    if at + 1 != elements.len() || !follows_operand {
        return Err((at, "`word` comes last, right after \"{image.id}\" or \"{container.id}\"".to_owned()));
    }
    Ok(())
}

fn is_operand(element: &Element) -> bool {
    let operand = matches!(element.pieces.as_slice(), [Piece::Hole(Slot::ImageId | Slot::ContainerId, _)]);
    operand && element.presence == Presence::Always
}

fn check_places(template: &Template) -> Result<(), Fault> {
    let elements = template.elements.iter().enumerate();
    for (index, element) in elements.clone().filter(|(_, element)| element.presence != Presence::Always) {
        for (other, rival) in elements.clone().skip(index + 1) {
            if may_be_equal(element, rival) {
                return Err((
                    other,
                    format!("`{}` and `{}` can render the same token at the same place", element.text, rival.text),
                ));
            }
            if rival.presence == Presence::Always {
                break;
            }
        }
    }
    Ok(())
}

fn may_be_equal(one: &Element, other: &Element) -> bool {
    if one.join.is_some() || other.join.is_some() {
        return starts_may_be_equal(one, other) && starts_may_be_equal(other, one);
    }
    SideBySide { one: Side::new(one), other: Side::new(other) }.may_be_equal()
}

/// Of a joined token the fixed start alone counts, and that a value at the start of a token has no `-` there.
fn starts_may_be_equal(one: &Element, other: &Element) -> bool {
    let (a, b) = (one.fixed_start(), other.fixed_start());
    let begins_with_value = b.is_empty() && other.holes().all(|(slot, _)| slot != Slot::Word);
    (a.starts_with(b) || b.starts_with(a)) && !(a.starts_with('-') && begins_with_value)
}

/// One of two tokens, and how far it is read.
#[derive(Clone, Copy)]
struct Side<'a> {
    text: &'a str,
    rest: &'a [Piece],
}

#[derive(Clone, Copy)]
enum Head<'a> {
    Text(&'a str),
    Hole(&'static Field),
    End,
}

impl<'a> Side<'a> {
    fn new(element: &'a Element) -> Self {
        Self { text: "", rest: &element.pieces }
    }

    fn head(&self) -> Head<'a> {
        match (self.text, self.rest.first()) {
            ("", Some(Piece::Text(text))) => Head::Text(text),
            ("", Some(Piece::Hole(_, field))) => Head::Hole(field),
            ("", None) => Head::End,
            (text, _) => Head::Text(text),
        }
    }

    /// Goes on behind the hole at the head.
    fn behind_hole(&self) -> Self {
        Self { text: "", rest: self.rest.get(1..).unwrap_or_default() }
    }

    /// Goes on behind so much of the text at the head.
    fn behind_text(&self, length: usize) -> Self {
        let (text, rest) = match (self.text, self.rest) {
            ("", [Piece::Text(text), rest @ ..]) => (text.as_str(), rest),
            (text, rest) => (text, rest),
        };
        Self { text: text.get(length..).unwrap_or_default(), rest }
    }

    /// The mark that ends the value of the hole at the head; nothing where the token ends it.
    fn mark(&self) -> Option<char> {
        match self.rest.get(1) {
            Some(Piece::Text(text)) => text.chars().next(),
            _ => None,
        }
    }
}

struct SideBySide<'a> {
    one: Side<'a>,
    other: Side<'a>,
}

impl SideBySide<'_> {
    fn may_be_equal(mut self) -> bool {
        loop {
            let step = match (self.one.head(), self.other.head()) {
                (Head::End, Head::End) => return true,
                (Head::Text(a), Head::Text(b)) => self.texts(a, b),
                (Head::Hole(field), Head::Hole(rival)) => self.holes(field.grammar(), rival.grammar()),
                (Head::Hole(field), Head::Text(text)) => self.hole_and_text(field.grammar(), text),
                (Head::Text(_), Head::Hole(..)) => {
                    std::mem::swap(&mut self.one, &mut self.other);
                    Step::On
                }
                (Head::Text(_), Head::End) | (Head::End, Head::Text(_)) => Step::Decided(false),
                (Head::Hole(..), Head::End) | (Head::End, Head::Hole(..)) => Step::Decided(true),
            };
            if let Step::Decided(equal) = step {
                return equal;
            }
        }
    }

    fn texts(&mut self, a: &str, b: &str) -> Step {
        if !(a.starts_with(b) || b.starts_with(a)) {
            return Step::Decided(false);
        }
        let length = a.len().min(b.len());
        (self.one, self.other) = (self.one.behind_text(length), self.other.behind_text(length));
        Step::On
    }

    fn holes(&mut self, kind: Grammar, rival_kind: Grammar) -> Step {
        match (self.one.mark(), self.other.mark()) {
            (Some(mark), None) => Step::Decided(!rival_kind.never_holds(mark)),
            (None, Some(mark)) => Step::Decided(!kind.never_holds(mark)),
            (one, other) if one != other => Step::Decided(true),
            // the brackets of an address close it off from the mark
            _ if kind != rival_kind && (kind == Grammar::Address || rival_kind == Grammar::Address) => {
                Step::Decided(true)
            }
            _ if kind.is_disjoint_from(rival_kind) => Step::Decided(false),
            _ => {
                (self.one, self.other) = (self.one.behind_hole(), self.other.behind_hole());
                Step::On
            }
        }
    }

    /// The hole is the first side's.
    fn hole_and_text(&mut self, kind: Grammar, text: &str) -> Step {
        if kind == Grammar::Address && text.starts_with('[') {
            return Step::Decided(true);
        }
        let whole = self.other.behind_text(text.len());
        let length = match self.one.mark() {
            Some(mark) => text.find(mark),
            None => matches!(whole.head(), Head::End).then_some(text.len()),
        };
        match length.and_then(|length| text.get(..length)) {
            Some(value) if takes(kind, value) => {
                (self.one, self.other) = (self.one.behind_hole(), self.other.behind_text(value.len()));
                Step::On
            }
            Some(_) => Step::Decided(false),
            None => Step::Decided(!text.starts_with('-') || kind.may_begin_with_dash()),
        }
    }
}

fn takes(grammar: Grammar, value: &str) -> bool {
    let dash = value.starts_with('-') && !grammar.may_begin_with_dash();
    !dash && (grammar.row().accepts)(value)
}

enum Step {
    On,
    Decided(bool),
}
