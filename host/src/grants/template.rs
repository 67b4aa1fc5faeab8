//! A template: one approved command line with typed slots.

use std::fmt;

use super::slot::{Field, Slot};

/// When an element stands in the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Always.
    Always,
    /// When this slot has a value.
    When(Slot),
    /// Once for each value of this slot.
    Each(Slot),
}

/// A part of a token, as the renderer reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Fixed text.
    Text(String),
    /// The text of a field.
    Hole(Slot, &'static Field),
}

/// One element of the list: a token, or as many as a slot has values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// The token, as it is written in the file.
    pub(super) text: String,
    pub(super) presence: Presence,
    /// Makes one token of all values, with this between them.
    pub(super) join: Option<char>,
    /// The engine reads the token as comma-separated values.
    pub(super) csv: bool,
    /// Braces in the text are braces.
    pub(super) literal: bool,
    /// The text as the renderer reads it; the matcher reads the text for itself.
    pub(super) pieces: Vec<Piece>,
}

impl Element {
    /// Its slots, one for each place.
    pub(super) fn holes(&self) -> impl Iterator<Item = (Slot, &'static Field)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(slot, field) => Some((*slot, *field)),
            Piece::Text(_) => None,
        })
    }

    /// The slot that decides whether and how often it stands, or the slots in it.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let mut slots: Vec<Slot> = match self.presence {
            Presence::Always => self.holes().map(|(slot, _)| slot).collect(),
            Presence::When(slot) | Presence::Each(slot) => vec![slot],
        };
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Its text up to the first slot.
    pub(super) fn fixed_start(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// Its text, where it has no slot.
    pub(super) fn fixed(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// Readable: `[--memory=<memory>]`, `[--label=<label.key>=<label.value>]…`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = self.presence != Presence::Always;
        f.write_str(if optional { "[" } else { "" })?;
        self.pieces.iter().try_for_each(|piece| write_piece(f, piece))?;
        f.write_str(if optional { "]" } else { "" })?;
        let repeats = matches!(self.presence, Presence::Each(_));
        f.write_str(if repeats { "…" } else { "" })
    }
}

fn write_piece(f: &mut fmt::Formatter<'_>, piece: &Piece) -> fmt::Result {
    match piece {
        Piece::Text(text) => f.write_str(text),
        Piece::Hole(slot, field) if field.name().is_empty() => write!(f, "<{slot}>"),
        Piece::Hole(slot, field) => write!(f, "<{slot}.{}>", field.name()),
    }
}

/// One approved command line. Equal templates are equal token for token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(super) elements: Vec<Element>,
}

impl Template {
    /// The program that it runs, by the name that the grants file gives it.
    #[must_use]
    pub fn program(&self) -> &str {
        self.elements.first().map_or("", |element| element.text.as_str())
    }

    /// The slots that it has, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.elements.iter().flat_map(Element::slots)
    }

    /// Whether it has this slot.
    #[must_use]
    pub fn has(&self, slot: Slot) -> bool {
        self.slots().any(|other| other == slot)
    }

    /// Whether it can't be rendered without a value of this slot.
    #[must_use]
    pub fn needs(&self, slot: Slot) -> bool {
        let always = self.elements.iter().filter(|element| element.presence == Presence::Always);
        always.flat_map(Element::holes).any(|(other, _)| other == slot)
    }

    /// Where it first differs from another, counted in elements; nothing when they are equal.
    pub(super) fn first_difference(&self, other: &Self) -> Option<usize> {
        let same = self.elements.iter().zip(&other.elements).take_while(|(one, two)| one == two).count();
        (self != other).then_some(same)
    }
}

/// A command line for people, slots in angle brackets.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, element) in self.elements.iter().enumerate() {
            write!(f, "{}{element}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
