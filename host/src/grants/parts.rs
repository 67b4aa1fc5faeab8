//! A template taken apart, for whoever shows it to people.

use super::template::{Element, Piece, Presence, Template};

/// A part of a token.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Fixed text.
    Text(String),
    /// What the host fills in: a slot, or a field of one.
    Slot(String),
}

/// One token of a template, or as many as a slot has values.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Token {
    /// What it is made of.
    pub parts: Vec<Part>,
    /// It stands only where the caller asked for what it names.
    pub optional: bool,
    /// It stands once for each value.
    pub repeated: bool,
    /// All of it, slots in angle brackets.
    #[serde(skip)]
    pub text: String,
}

impl Template {
    /// Its tokens, in order.
    pub fn tokens(&self) -> impl Iterator<Item = Token> {
        self.elements.iter().map(token)
    }
}

fn token(element: &Element) -> Token {
    Token {
        parts: element.pieces.iter().map(part).collect(),
        optional: element.presence != Presence::Always,
        repeated: matches!(element.presence, Presence::Each(_)),
        text: element.to_string(),
    }
}

fn part(piece: &Piece) -> Part {
    match piece {
        Piece::Text(text) => Part::Text(text.clone()),
        Piece::Hole(slot, field) if field.name().is_empty() || field.name() == slot.name() => {
            Part::Slot(slot.to_string())
        }
        Piece::Hole(slot, field) => Part::Slot(format!("{slot}.{}", field.name())),
    }
}
