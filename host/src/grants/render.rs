//! From a template and its values to the command line. Every value is checked again, whoever gave it.

use std::fmt;

use super::binding::{Binding, Bindings};
use super::grammar::Grammar;
use super::slot::{Field, Shape, Slot};
use super::template::{Element, Piece, Presence, Template};

/// The most values that one command line takes.
const VALUES_MAX: usize = 4096;
/// The most bytes that the values of one command line have together; execve(2) takes little more.
const BYTES_MAX: usize = 1 << 20;

/// The rule of the language that a value broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// A slot that always stands has no value.
    Missing,
    /// The command has no such slot.
    Unknown,
    /// A slot that takes one value has several.
    Once,
    /// The value has other fields than the slot.
    Fields,
    /// NUL is refused everywhere.
    Nul,
    /// Control characters stand in words and in the values of variables only.
    Control,
    /// No value but a word begins with `-`.
    Dash,
    /// The value is longer than its kind allows.
    Length,
    /// The value is not of the slot's kind.
    Grammar,
    /// The value holds the mark that ends it in the token.
    Separator,
    /// The value holds `,`, `"`, CR or LF where the engine reads comma-separated values.
    Csv,
    /// There are too many values, or they are too long together.
    Amount,
}

impl Rule {
    /// The rule, in a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "a slot that always stands needs a value",
            Self::Unknown => "a command takes values of its own slots alone",
            Self::Once => "the slot takes one value",
            Self::Fields => "a value has exactly the fields of its slot",
            Self::Nul => "NUL is refused everywhere",
            Self::Control => "control characters are refused but in words and values of variables",
            Self::Dash => "no value but a word begins with `-`",
            Self::Length => "the value is too long",
            Self::Grammar => "the value is not of the slot's kind",
            Self::Separator => "a value does not hold the mark that ends it in the token",
            Self::Csv => "a value in a token of comma-separated values holds no `,`, `\"` or line end",
            Self::Amount => "a command line has at most 4096 values and 1 MiB of them",
        }
    }
}

/// A value that a template does not take. It is the operator's to see, never a backend's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenderError {
    /// The slot.
    pub slot: Slot,
    /// Its field; empty for a scalar's.
    pub field: String,
    /// The value; empty where none was given.
    pub value: String,
    /// The rule that it broke.
    pub rule: Rule,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.field.is_empty() { "" } else { "." };
        let value: String = self.value.chars().take(80).collect();
        write!(f, "slot {}{dot}{} with {value:?}: {}; {}", self.slot, self.field, self.rule.as_str(), self.remedy)
    }
}

impl std::error::Error for RenderError {}

impl RenderError {
    fn new(slot: Slot, rule: Rule, remedy: impl Into<String>) -> Self {
        Self { slot, field: String::new(), value: String::new(), rule, remedy: remedy.into() }
    }

    fn of(slot: Slot, field: &Field, value: &str, rule: Rule, remedy: impl Into<String>) -> Self {
        Self { field: field.name().to_owned(), value: value.to_owned(), ..Self::new(slot, rule, remedy) }
    }
}

impl Template {
    /// Renders the command line: the program's name first, each token as the engine gets it.
    ///
    /// # Errors
    /// The first value that breaks a rule of the language.
    pub fn render(&self, bindings: &Bindings) -> Result<Vec<String>, RenderError> {
        check_amount(bindings)?;
        bindings.iter().try_for_each(|(slot, values)| self.check_slot(slot, values))?;
        let mut argv = Vec::with_capacity(self.elements.len());
        for element in &self.elements {
            render_element(element, bindings, &mut argv)?;
        }
        Ok(argv)
    }

    /// The tokens that some slots alone become: of a whole command line, the part that is theirs.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_part(&self, bindings: &Bindings) -> Result<Vec<String>, RenderError> {
        check_amount(bindings)?;
        bindings.iter().try_for_each(|(slot, values)| self.check_slot(slot, values))?;
        let mut part = Vec::new();
        let theirs = |element: &&Element| match element.presence {
            Presence::Always => false,
            Presence::When(slot) | Presence::Each(slot) => !bindings.get(slot).is_empty(),
        };
        self.elements.iter().filter(theirs).try_for_each(|element| render_element(element, bindings, &mut part))?;
        Ok(part)
    }

    fn check_slot(&self, slot: Slot, values: &[Binding]) -> Result<(), RenderError> {
        if !self.has(slot) {
            return Err(RenderError::new(slot, Rule::Unknown, "use a command that has this slot, or leave it out"));
        }
        if slot.shape() != Shape::Repeated && values.len() > 1 {
            return Err(RenderError::new(slot, Rule::Once, "give it once"));
        }
        values.iter().try_for_each(|value| check_value(slot, value))
    }
}

/// Whether each value by itself is of its slot's kind, whatever the template.
///
/// # Errors
/// The first that is not.
pub(crate) fn check_values(bindings: &Bindings) -> Result<(), RenderError> {
    check_amount(bindings)?;
    bindings.iter().try_for_each(|(slot, values)| values.iter().try_for_each(|value| check_value(slot, value)))
}

fn check_amount(bindings: &Bindings) -> Result<(), RenderError> {
    let (mut values, mut bytes) = (0, 0);
    for (slot, bound) in bindings.iter() {
        values += bound.len();
        bytes += bound.iter().flat_map(Binding::iter).map(|(_, text)| text.len()).sum::<usize>();
        if values > VALUES_MAX || bytes > BYTES_MAX {
            return Err(RenderError::new(slot, Rule::Amount, "give fewer, or shorter ones"));
        }
    }
    Ok(())
}

fn check_value(slot: Slot, value: &Binding) -> Result<(), RenderError> {
    let fields = slot.fields();
    let names = value.iter().map(|(name, _)| name);
    if value.len() != fields.len() || !names.eq(fields.iter().map(Field::name)) {
        return Err(RenderError::new(slot, Rule::Fields, format!("it has: {}", field_names(fields))));
    }
    fields.iter().zip(value.iter()).try_for_each(|(field, (_, text))| check_text(slot, field, text))
}

fn field_names(fields: &[Field]) -> String {
    match fields {
        [] => "nothing but its presence".to_owned(),
        [one] if one.name().is_empty() => "one text".to_owned(),
        more => more.iter().map(Field::name).collect::<Vec<_>>().join(", "),
    }
}

fn check_text(slot: Slot, field: &Field, text: &str) -> Result<(), RenderError> {
    let grammar = field.grammar();
    broken_rule(grammar, text).map_or(Ok(()), |rule| {
        let remedy = format!("right would be {}, at most {} bytes", grammar.doc(), grammar.longest());
        Err(RenderError::of(slot, field, text, rule, remedy))
    })
}

fn broken_rule(grammar: Grammar, text: &str) -> Option<Rule> {
    let rules = [
        (text.contains('\0'), Rule::Nul),
        (!grammar.may_hold_controls() && text.chars().any(char::is_control), Rule::Control),
        (!grammar.may_begin_with_dash() && text.starts_with('-'), Rule::Dash),
        (text.len() > grammar.longest(), Rule::Length),
    ];
    let first = rules.into_iter().find(|(broken, _)| *broken).map(|(_, rule)| rule);
    first.or_else(|| (!(grammar.row().accepts)(text)).then_some(Rule::Grammar))
}

fn render_element(element: &Element, bindings: &Bindings, argv: &mut Vec<String>) -> Result<(), RenderError> {
    match element.presence {
        Presence::Always => argv.push(token(element, &element.pieces, |slot| bindings.get(slot).first())?),
        Presence::When(slot) if bindings.get(slot).is_empty() => {}
        Presence::When(_) => argv.push(token(element, &element.pieces, |slot| bindings.get(slot).first())?),
        Presence::Each(slot) => match element.join {
            Some(mark) => argv.extend(joined(element, mark, bindings.get(slot))?),
            None => {
                for value in bindings.get(slot) {
                    argv.push(token(element, &element.pieces, |_| Some(value))?);
                }
            }
        },
    }
    Ok(())
}

fn token<'b>(
    element: &Element,
    pieces: &[Piece],
    value: impl Fn(Slot) -> Option<&'b Binding>,
) -> Result<String, RenderError> {
    let mut token = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(text) => token.push_str(text),
            Piece::Hole(slot, field) => {
                let text = value(*slot).and_then(|binding| binding.field(field.name()));
                let text = text.ok_or_else(|| RenderError::new(*slot, Rule::Missing, "give it a value"))?;
                check_in_token(element, (*slot, field), text, pieces.get(index + 1))?;
                token.push_str(text);
            }
        }
    }
    Ok(token)
}

/// One token of all values: the fixed text around the slots once, the part from the first to the last slot for each.
fn joined(element: &Element, mark: char, values: &[Binding]) -> Result<Option<String>, RenderError> {
    let is_hole = |piece: &Piece| matches!(piece, Piece::Hole(..));
    let first = element.pieces.iter().position(is_hole).unwrap_or_default();
    let last = element.pieces.iter().rposition(is_hole).unwrap_or_default();
    let (before, rest) = element.pieces.split_at_checked(first).unwrap_or_default();
    let (middle, after) = rest.split_at_checked(last - first + 1).unwrap_or_default();
    let mut parts = Vec::with_capacity(values.len());
    for value in values {
        parts.push(part(element, mark, middle, after.first(), value)?);
    }
    let around = |pieces: &[Piece]| token(element, pieces, |_| None);
    let whole = format!("{}{}{}", around(before)?, parts.join(mark.encode_utf8(&mut [0; 4])), around(after)?);
    Ok((!values.is_empty()).then_some(whole))
}

/// One value of a joined token: its last text is ended by the mark or by what follows the slots.
fn part(
    element: &Element,
    mark: char,
    middle: &[Piece],
    after: Option<&Piece>,
    value: &Binding,
) -> Result<String, RenderError> {
    if let Some(Piece::Hole(slot, field)) = middle.last() {
        let text = value.field(field.name()).unwrap_or_default();
        check_mark(*slot, field, text, mark)?;
        check_in_token(element, (*slot, field), text, after)?;
    }
    token(element, middle, |_| Some(value))
}

fn check_in_token(
    element: &Element,
    (slot, field): (Slot, &Field),
    text: &str,
    next: Option<&Piece>,
) -> Result<(), RenderError> {
    if element.csv && text.contains([',', '"', '\r', '\n']) {
        return Err(RenderError::of(slot, field, text, Rule::Csv, "name it without these characters"));
    }
    let Some(Piece::Text(following)) = next else { return Ok(()) };
    following.chars().next().map_or(Ok(()), |mark| check_mark(slot, field, text, mark))
}

/// The brackets of an IPv6 address close it off from the mark.
fn check_mark(slot: Slot, field: &Field, text: &str, mark: char) -> Result<(), RenderError> {
    let bracketed = field.grammar() == Grammar::Address && text.starts_with('[');
    if !bracketed && text.contains(mark) {
        return Err(RenderError::of(slot, field, text, Rule::Separator, format!("name it without `{mark}`")));
    }
    Ok(())
}
