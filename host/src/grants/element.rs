//! From the file to a template: each element by itself.

use super::error::GrantsError;
use super::reader::{Entry, Section};
use super::slot::{Field, Shape, Slot};
use super::template::{Element, Piece, Presence};

pub(super) const KEYS: [&str; 6] = ["token", "when", "each", "join", "csv", "literal"];

/// Reads one element of an `argv`.
pub(super) fn element(entry: Entry<'_>) -> Result<Element, GrantsError> {
    let element = if entry.is_text() { plain(entry)? } else { table(entry)? };
    check_text(entry, &element.text)?;
    check_pieces(entry, &element)?;
    Ok(element)
}

fn plain(entry: Entry<'_>) -> Result<Element, GrantsError> {
    build(entry, entry, Presence::Always)
}

fn table(entry: Entry<'_>) -> Result<Element, GrantsError> {
    let section = entry.section()?;
    section.only(&KEYS)?;
    if let Some(literal) = section.get("literal") {
        section.only(&["literal"])?;
        return literal_element(literal);
    }
    let mut element = build(entry, section.need("token")?, presence(&section)?)?;
    element.csv = section.get("csv").map_or(Ok(false), |csv| csv.boolean())?;
    element.join = section.get("join").map(|join| separator(join, element.presence)).transpose()?;
    Ok(element)
}

fn literal_element(entry: Entry<'_>) -> Result<Element, GrantsError> {
    let text = entry.text()?.to_owned();
    let pieces = vec![Piece::Text(text.clone())];
    Ok(Element { text, presence: Presence::Always, join: None, csv: false, literal: true, pieces })
}

fn build(entry: Entry<'_>, token: Entry<'_>, presence: Presence) -> Result<Element, GrantsError> {
    let text = token.text()?.to_owned();
    let pieces = pieces(token, &text, presence)?;
    let element = Element { text, presence, join: None, csv: false, literal: false, pieces };
    check_presence(entry, &element)?;
    Ok(element)
}

fn presence(section: &Section<'_>) -> Result<Presence, GrantsError> {
    match (section.get("when"), section.get("each")) {
        (Some(_), Some(each)) => Err(each.key_error("an element has `when` or `each`, not both")),
        (Some(when), None) => slot(when).map(Presence::When),
        (None, Some(each)) => slot(each).and_then(|slot| repeated(each, slot)),
        (None, None) => Ok(Presence::Always),
    }
}

fn repeated(entry: Entry<'_>, slot: Slot) -> Result<Presence, GrantsError> {
    match slot.shape() {
        Shape::Repeated => Ok(Presence::Each(slot)),
        Shape::Scalar | Shape::Flag => {
            Err(entry.error(format!("`{slot}` does not repeat: it goes with `when`, not with `each`")))
        }
    }
}

fn slot(entry: Entry<'_>) -> Result<Slot, GrantsError> {
    let name = entry.text()?;
    Slot::by_name(name).ok_or_else(|| unknown_slot(entry, name))
}

fn unknown_slot(entry: Entry<'_>, name: &str) -> GrantsError {
    entry.error(format!("there is no slot `{name}`")).near(name, Slot::ALL.iter().map(|slot| slot.name()))
}

fn separator(entry: Entry<'_>, presence: Presence) -> Result<char, GrantsError> {
    if !matches!(presence, Presence::Each(_)) {
        return Err(entry.key_error("`join` goes with `each`"));
    }
    let mut characters = entry.text()?.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) if separates(one) => Ok(one),
        _ => Err(entry.error("`join` is one mark such as `,`")),
    }
}

/// Marks that may end a value: no letter, digit, `.`, `-` or `_`, of which names are made.
pub(super) const fn separates(character: char) -> bool {
    character.is_ascii_punctuation() && !matches!(character, '.' | '-' | '_')
}

/// Splits a token at its braces.
fn pieces(entry: Entry<'_>, text: &str, presence: Presence) -> Result<Vec<Piece>, GrantsError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or_else(|| stray_brace(entry, '{'))?;
        push_text(entry, &mut pieces, before)?;
        pieces.push(hole(entry, name, presence)?);
        rest = behind;
    }
    push_text(entry, &mut pieces, rest)?;
    Ok(pieces)
}

fn push_text(entry: Entry<'_>, pieces: &mut Vec<Piece>, text: &str) -> Result<(), GrantsError> {
    if text.contains('}') {
        return Err(stray_brace(entry, '}'));
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
    Ok(())
}

fn stray_brace(entry: Entry<'_>, brace: char) -> GrantsError {
    entry.error(format!("`{brace}` stands alone: braces hold a slot, and `{{ literal = \"…\" }}` takes any text"))
}

fn hole(entry: Entry<'_>, name: &str, presence: Presence) -> Result<Piece, GrantsError> {
    match presence {
        Presence::Each(slot) => field_hole(entry, slot, name),
        Presence::Always | Presence::When(_) => scalar_hole(entry, name),
    }
}

fn field_hole(entry: Entry<'_>, slot: Slot, name: &str) -> Result<Piece, GrantsError> {
    let fields = || slot.fields().iter().filter(|field| field.is_rendered());
    let field = fields().find(|field| field.name() == name);
    field.map(|field| Piece::Hole(slot, field)).ok_or_else(|| {
        let all = fields().map(Field::name).collect::<Vec<_>>().join(", ");
        entry
            .error(format!("`{slot}` has no field `{name}` to render: it has {all}"))
            .near(name, fields().map(Field::name))
    })
}

fn scalar_hole(entry: Entry<'_>, name: &str) -> Result<Piece, GrantsError> {
    let slot = Slot::by_name(name).ok_or_else(|| unknown_slot(entry, name))?;
    match (slot.shape(), slot.fields()) {
        (Shape::Scalar, [field]) => Ok(Piece::Hole(slot, field)),
        (Shape::Flag, _) => {
            Err(entry.error(format!("`{slot}` is a flag and has no value: {{ token = \"…\", when = \"{slot}\" }}")))
        }
        _ => Err(entry.error(format!("`{slot}` repeats: {{ each = \"{slot}\", token = \"…\" }}"))),
    }
}

fn check_presence(entry: Entry<'_>, element: &Element) -> Result<(), GrantsError> {
    match element.presence {
        Presence::Always => Ok(()),
        Presence::When(slot) => check_when(entry, slot, element),
        Presence::Each(slot) => check_each(entry, slot, element),
    }
}

fn check_when(entry: Entry<'_>, slot: Slot, element: &Element) -> Result<(), GrantsError> {
    let holes: Vec<Slot> = element.holes().map(|(slot, _)| slot).collect();
    match slot.shape() {
        Shape::Repeated => Err(entry.error(format!("`{slot}` repeats: it goes with `each`, not with `when`"))),
        Shape::Flag if holes.is_empty() => Ok(()),
        Shape::Flag => Err(entry.error(format!("a token that stands for the flag `{slot}` has no slot in it"))),
        Shape::Scalar if !holes.is_empty() && holes.iter().all(|hole| *hole == slot) => Ok(()),
        Shape::Scalar => Err(entry.error(format!("a token `when = \"{slot}\"` holds {{{slot}}} and no other slot"))),
    }
}

/// Exactness: a value is rendered whole or not at all.
fn check_each(entry: Entry<'_>, slot: Slot, element: &Element) -> Result<(), GrantsError> {
    let missing = |field: &&Field| field.is_rendered() && !element.holes().any(|(_, hole)| hole == *field);
    slot.fields().iter().find(missing).map_or(Ok(()), |field| {
        Err(entry.error(format!("the token leaves out {{{}}}: each value of `{slot}` is rendered whole", field.name())))
    })
}

fn check_text(entry: Entry<'_>, text: &str) -> Result<(), GrantsError> {
    if text.is_empty() {
        return Err(entry.error("a token is never empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(entry.error("a token holds no control character"));
    }
    Ok(())
}

fn check_pieces(entry: Entry<'_>, element: &Element) -> Result<(), GrantsError> {
    check_twice(entry, element)?;
    check_first(entry, element)?;
    element.pieces.windows(2).try_for_each(|pair| check_pair(entry, pair))
}

fn check_twice(entry: Entry<'_>, element: &Element) -> Result<(), GrantsError> {
    let mut seen = Vec::new();
    for (slot, field) in element.holes() {
        if seen.contains(&(slot, field.name())) {
            return Err(entry.error(format!("`{slot}` stands twice in the token")));
        }
        seen.push((slot, field.name()));
    }
    Ok(())
}

/// Only a word may make a token that begins with `-`.
fn check_first(entry: Entry<'_>, element: &Element) -> Result<(), GrantsError> {
    let Some(Piece::Hole(slot, field)) = element.pieces.first() else { return Ok(()) };
    if *slot != Slot::Word && field.grammar().may_begin_with_dash() {
        return Err(entry.error(format!("free text can't begin a token: put fixed text before `{slot}`")));
    }
    Ok(())
}

fn check_pair(entry: Entry<'_>, pair: &[Piece]) -> Result<(), GrantsError> {
    match pair {
        [Piece::Hole(one, _), Piece::Hole(other, _)] => {
            Err(entry.error(format!("nothing stands between `{one}` and `{other}`: their values would run together")))
        }
        [Piece::Hole(slot, _), Piece::Text(text)] if !text.starts_with(separates) => Err(entry
            .error(format!("what follows `{slot}` in the token must begin with a mark such as `:`, `,`, `=` or `/`"))),
        _ => Ok(()),
    }
}
