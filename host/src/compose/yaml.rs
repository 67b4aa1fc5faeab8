//! YAML with places: a tree whose every part knows its line and column, within bounds.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// The most bytes of a file.
pub(super) const SIZE_MAX: usize = 1 << 20;
/// The most parts of a file, with all that its aliases stand for.
const NODES_MAX: usize = 50_000;
/// How deep parts may lie in one another.
const DEPTH_MAX: usize = 32;

/// Where something stands: line and column, in characters, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: Place,
    pub(super) why: String,
    /// Where that is all: the keys of a mapping that have no place in it.
    pub(super) strays: Vec<Stray>,
}

/// A key that has no place in its mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stray {
    pub(super) at: Place,
    pub(super) word: String,
    /// The keys that have one.
    pub(super) known: Vec<String>,
}

impl Wrong {
    pub(super) fn new(at: Place, why: impl Into<String>) -> Self {
        Self { at, why: why.into(), strays: Vec::new() }
    }
}

/// A part of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The key of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) at: Place,
    pub(super) text: String,
}

impl Node {
    /// What it is, for messages.
    fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    pub(super) fn wrong(&self, why: impl Into<String>) -> Wrong {
        Wrong::new(self.at, why)
    }

    fn mistyped<T>(&self, wanted: &str) -> Result<T, Wrong> {
        Err(self.wrong(format!("this should be {wanted}, not {}", self.kind())))
    }

    pub(super) fn text(&self) -> Result<&str, Wrong> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => self.mistyped("a text"),
        }
    }

    pub(super) fn list(&self) -> Result<&[Self], Wrong> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => self.mistyped("a list"),
        }
    }

    /// The entries of a mapping; nothing counts as one without any.
    pub(super) fn map(&self) -> Result<&[(Key, Self)], Wrong> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            Value::Null => Ok(&[]),
            _ => self.mistyped("a mapping"),
        }
    }

    pub(super) fn truth(&self) -> Result<bool, Wrong> {
        match self.text()? {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(self.wrong(format!("{other:?} should be true or false"))),
        }
    }

    /// A value of a type that reads itself.
    pub(super) fn parsed<T>(&self) -> Result<T, Wrong>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.text()?.parse().map_err(|error: T::Err| self.wrong(error.to_string()))
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Null | Value::Text(_) => 0,
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| 1 + node.size()).sum(),
        }
    }
}

/// Reads a file of one document.
pub(super) fn read(text: &str) -> Result<Node, Wrong> {
    if text.len() > SIZE_MAX {
        return Err(Wrong::new(Place { line: 1, column: 1 }, format!("a compose file has at most {SIZE_MAX} bytes")));
    }
    let mut builder = Builder { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), left: NODES_MAX };
    builder.document()
}

struct Builder<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, Node>,
    left: usize,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Wrong> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, place(span))),
            Some(Err(error)) => {
                let marker = error.marker();
                Err(Wrong::new(Place { line: marker.line(), column: marker.col() + 1 }, error.info().to_owned()))
            }
            None => Ok((Event::StreamEnd, Place::default())),
        }
    }

    fn document(&mut self) -> Result<Node, Wrong> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::DocumentStart(_), at) if root.is_some() => {
                    return Err(Wrong::new(at, "a compose file is one document"));
                }
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
                (event, at) => root = Some(self.node(event, at, 0)?),
            }
        }
        root.ok_or_else(|| Wrong::new(Place { line: 1, column: 1 }, "the file is empty"))
    }

    fn spend(&mut self, at: Place, count: usize) -> Result<(), Wrong> {
        let left = self.left.checked_sub(count);
        self.left =
            left.ok_or_else(|| Wrong::new(at, format!("with its aliases the file has more than {NODES_MAX} parts")))?;
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, at: Place, depth: usize) -> Result<Node, Wrong> {
        self.spend(at, 1)?;
        if depth > DEPTH_MAX {
            return Err(Wrong::new(at, format!("parts lie more than {DEPTH_MAX} deep in one another")));
        }
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => {
                check_tag(tag.as_deref(), at)?;
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                (if null { Value::Null } else { Value::Text(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), at)?;
                (self.sequence(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), at)?;
                (self.mapping(depth)?, anchor)
            }
            _ => return Err(Wrong::new(at, "something should stand here")),
        };
        let node = Node { at, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// What an alias stands for counts as if it stood there itself: a few lines can't become a million.
    fn alias(&mut self, anchor: usize, at: Place) -> Result<Node, Wrong> {
        let node = self.anchors.get(&anchor).cloned();
        let node =
            node.ok_or_else(|| Wrong::new(at, "this alias stands for something that holds it, or for nothing"))?;
        self.spend(at, node.size())?;
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Wrong> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Wrong> {
        let (mut entries, mut merged) = (Vec::<(Key, Node)>::new(), Vec::new());
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, at, depth + 1)?;
            let text = key.text().map_err(|_| Wrong::new(at, "a key should be a text"))?.to_owned();
            let (event, value_at) = self.next()?;
            let node = self.node(event, value_at, depth + 1)?;
            if text == "<<" {
                merged.extend(sources(node)?);
            } else if entries.iter().any(|(known, _)| known.text == text) {
                return Err(Wrong::new(at, format!("the key `{text}` stands there twice")));
            } else {
                entries.push((Key { at, text }, node));
            }
        }
        // What stands there itself wins, then what is merged first.
        for (key, node) in merged {
            if !entries.iter().any(|(known, _)| known.text == key.text) {
                entries.push((key, node));
            }
        }
        Ok(Value::Map(entries))
    }
}

/// The entries that a `<<` brings.
fn sources(node: Node) -> Result<Vec<(Key, Node)>, Wrong> {
    match node.value {
        Value::Map(entries) => Ok(entries),
        Value::List(items) => Ok(items.into_iter().map(sources).collect::<Result<Vec<_>, _>>()?.concat()),
        _ => Err(Wrong::new(node.at, "`<<` takes a mapping, or a list of them")),
    }
}

fn check_tag(tag: Option<&saphyr_parser::Tag>, at: Place) -> Result<(), Wrong> {
    match tag.filter(|tag| !tag.is_yaml_core_schema()) {
        None => Ok(()),
        Some(tag) => Err(Wrong::new(at, format!("the tag {tag} is not known here"))),
    }
}

fn place(span: Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrong(text: &str) -> String {
        let Wrong { at, why, .. } = read(text).unwrap_err();
        format!("{}:{}: {why}", at.line, at.column)
    }

    #[test]
    fn every_part_has_its_place() {
        let root = read("a: 1\nb:\n  - x\n  - {c: \"d\"}\n").unwrap();
        let entries = root.map().unwrap();
        assert_eq!((entries[1].0.at, entries[1].0.text.as_str()), (Place { line: 2, column: 1 }, "b"));
        let items = entries[1].1.list().unwrap();
        assert_eq!(items[0].at, Place { line: 3, column: 5 });
        let (key, value) = &items[1].map().unwrap()[0];
        assert_eq!((key.at, value.at), (Place { line: 4, column: 6 }, Place { line: 4, column: 9 }));
    }

    #[test]
    fn aliases_and_merges_stand_for_what_they_name() {
        let root = read("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: *x\n").unwrap();
        let y = root.map().unwrap()[1].1.map().unwrap();
        let shown: Vec<_> = y.iter().map(|(key, node)| (key.text.as_str(), node.text().unwrap())).collect();
        assert_eq!(shown, [("b", "3"), ("a", "1")]);
        assert_eq!(root.map().unwrap()[2].1.map().unwrap().len(), 2);
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for level in 1..9 {
            let below = level - 1;
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{below}"); 9].join(",")));
        }
        assert!(wrong(&bomb).contains("more than 50000 parts"));
        assert!(wrong(&format!("a: {}", "[".repeat(60))).contains("deep"));
        assert!(wrong(&"#".repeat(SIZE_MAX + 1)).contains("at most"));
    }

    #[test]
    fn what_is_no_such_file_is_said_with_its_place() {
        assert_eq!(wrong("a: 1\na: 2\n"), "2:1: the key `a` stands there twice");
        assert!(wrong("a: 1\n---\nb: 2\n").starts_with("2:"));
        assert!(wrong("a: !reset x\n").contains("the tag !reset"));
        assert!(wrong("").contains("empty"));
        assert!(read("a: &a [*a]\n").is_err());
        assert!(read("a: [\n").is_err());
    }

    proptest! {
        #[test]
        fn no_text_brings_it_down(text in "[a-z0-9:&*<>{}\\[\\]\\-!|'\"# \n]{0,200}") {
            let _either = read(&text);
        }
    }
}
