//! Results: lines, tables and JSON on standard output, safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, StdoutLock, Write};

use jiff::Timestamp;
use serde::Serialize;

use super::exit::Failure;

/// Standard output, buffered; what was written stands there after [`Out::finish`].
pub(crate) struct Out {
    writer: BufWriter<StdoutLock<'static>>,
}

impl Out {
    /// Takes standard output.
    pub(crate) fn open() -> Self {
        Self { writer: BufWriter::new(io::stdout().lock()) }
    }

    /// A line.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.writer, "{text}")?)
    }

    /// Text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.writer.write_all(text.as_bytes())?)
    }

    /// A JSON document on a line of its own.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(Harmless(&mut self.writer), value).map_err(io::Error::from)?;
        Ok(self.writer.write_all(b"\n")?)
    }

    /// A JSON document for people.
    pub(crate) fn pretty(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer_pretty(Harmless(&mut self.writer), value).map_err(io::Error::from)?;
        Ok(self.writer.write_all(b"\n")?)
    }

    /// Hands on what is buffered.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.writer.flush()?)
    }

    /// Hands on what is buffered, for the last time.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }
}

/// A writer of JSON whose strings steer no terminal. Outside of strings stands no such character but the end of a line,
/// and no string has that one as it is.
struct Harmless<W>(W);

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.contains(in_json) => text.chars().try_for_each(|letter| match in_json(letter) {
                true => write!(self.0, "\\u{:04x}", u32::from(letter)),
                false => write!(self.0, "{letter}"),
            })?,
            _ => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn in_json(letter: char) -> bool {
    letter != '\n' && steers(letter)
}

/// One line, written at once.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = Out::open();
    out.line(text)?;
    out.finish()
}

/// One JSON document, written at once.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = Out::open();
    out.json(value)?;
    out.finish()
}

/// Columns under headings.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings and no row yet.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(ToString::to_string).collect()] }
    }

    /// The same, with headings of whatever origin.
    pub(crate) fn of(headings: &[String]) -> Self {
        let mut table = Self { rows: Vec::new() };
        table.add(headings.to_vec());
        table
    }

    /// Adds a row of as many cells as there are.
    pub(crate) fn add(&mut self, cells: Vec<String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { plain(&cell).into_owned() };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// Adds a row; an empty cell is shown as `-`.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.add(cells.into());
    }

    /// The text, each column as wide as its widest cell.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        self.rows.iter().map(|row| aligned(row, &widths)).collect()
    }

    /// Writes it.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        let mut out = Out::open();
        out.text(&self.render())?;
        out.finish()
    }
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        // Writing to a string can't fail.
        let _infallible = write!(line, "{cell:<width$}  ");
    }
    format!("{}\n", line.trim_end())
}

/// Characters that steer a terminal, or that change how others are read; all below U+10000.
fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Text of whatever origin, safe within one line of a terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(shown).collect())
}

/// The same for text that may have several lines.
pub(crate) fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

fn shown(character: char) -> String {
    if steers(character) { character.escape_debug().to_string() } else { character.to_string() }
}

/// A command line as it could be typed; nothing in it can steer a terminal.
pub(crate) fn command_line<S: AsRef<str>>(argv: &[S]) -> String {
    argv.iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let needs_none = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(needs_none) {
        return word.to_owned();
    }
    if word.contains(steers) {
        return format!("$'{}'", word.chars().map(c_escaped).collect::<String>());
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// As bash and the others read it within `$'…'`.
fn c_escaped(character: char) -> String {
    match character {
        '\n' => r"\n".to_owned(),
        '\t' => r"\t".to_owned(),
        '\'' | '\\' => format!("\\{character}"),
        steering if steers(steering) => format!("\\u{:04x}", u32::from(steering)),
        other => other.to_string(),
    }
}

/// The first twelve digits of an ID, as engines show it.
pub(crate) fn short(id: &str) -> String {
    id.rsplit(':').next().unwrap_or(id).chars().take(12).collect()
}

/// An amount of bytes with a unit of powers of 1000.
pub(crate) fn bytes(amount: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if amount < 1000 {
        return format!("{amount} B");
    }
    let (mut tenths, mut unit) = (amount / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS.get(unit).copied().unwrap_or_default())
}

/// A time to the second; as the engine says it where that is no time.
pub(crate) fn created(text: &str) -> String {
    let time = text.parse::<Timestamp>().ok().and_then(|time| Timestamp::from_second(time.as_second()).ok());
    time.map_or_else(|| text.to_owned(), |time| time.to_string())
}

/// `yes` or `no`.
pub(crate) fn yes_no(truth: bool) -> String {
    if truth { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_in_them_steers_a_terminal() {
        let mut table = Table::new(&["NAME", "STATE", "PORTS"]);
        table.row(["web".into(), "running".into(), "127.0.0.1:8080:80/tcp".into()]);
        table.row(["a\u{1b}[2Jb".into(), "exited (7)".into(), String::new()]);
        insta::assert_snapshot!(table.render(), @r"
        NAME         STATE       PORTS
        web          running     127.0.0.1:8080:80/tcp
        a\u{1b}[2Jb  exited (7)  -
        ");
    }

    #[test]
    fn lines_stay_and_other_controls_are_escaped() {
        assert_eq!(plain_lines("a\nb\r\u{202e}c"), "a\nb\\r\\u{202e}c");
        assert!(matches!(plain("Grüße"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_steers_no_terminal_and_says_the_same() {
        let value = serde_json::json!({ "a\u{202e}b": ["\u{1b}[2J\n", "\u{9b}é\u{feff}\u{7f}"] });
        let mut bytes = Vec::new();
        serde_json::to_writer_pretty(Harmless(&mut bytes), &value).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains(in_json) && text.contains('é') && text.lines().count() > 1, "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_command_line_can_be_typed() {
        let argv = ["podman", "create", "--env=A=b c", "it's", "", "a\n\u{1b}b"];
        assert_eq!(command_line(&argv), r"podman create '--env=A=b c' 'it'\''s' '' $'a\n\u001bb'");
    }

    #[test]
    fn amounts_have_units() {
        let shown: Vec<String> = [0, 999, 1000, 123_456_789, 999_949_999, 5_000_000_000].map(bytes).to_vec();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "123.4 MB", "999.9 MB", "5.0 GB"]);
    }

    #[test]
    fn ids_are_shortened_without_their_algorithm() {
        assert_eq!(short("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short("abc"), "abc");
    }
}
