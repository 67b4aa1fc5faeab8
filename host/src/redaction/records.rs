//! Lines that engines cut into several records: the `P` and `F` records of the CRI log format, and docker's json-file.
//!
//! A secret may lie across the cut, with a time stamp in between. The contents of one line are joined here and looked
//! through as one text; what is found across a cut is masked on both of its sides.

use super::known::Known;
use super::matcher::{Carried, Matcher};
use super::span::{Span, union};
use super::stream::Mode;

/// The content of one record within a buffer.
struct Record {
    stream: usize,
    start: usize,
    end: usize,
    /// Whether the next record of the stream continues the line.
    partial: bool,
}

/// The unfinished line of each of the two streams, as ranges of a buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    /// Up to here lines have been read.
    at: usize,
    lines: [Vec<(usize, usize)>; 2],
}

/// What a joined line is looked through with.
pub(crate) struct Scanners<'r> {
    pub(crate) known: &'r Known,
    pub(crate) rules: Option<&'r Matcher>,
}

/// Bytes of an unfinished line that are kept to be joined with what follows, once all of it was looked through.
const MAX_JOINED: usize = 8 * 1024;
/// Bytes that tell whether a text consists of records.
const FEW: usize = 2 * 1024;
/// How far behind a line the part of an unfinished one may lie that is to be joined with it.
const MAX_DISTANCE: usize = 64 * 1024;

impl Records {
    /// Reads the new lines of `buffer`, also an unfinished one if the input has ended. Adds what is found across records to
    /// `found`, or to `passing` where the line goes on, and gives the offset from which on a secret may go on in the next
    /// record.
    pub(crate) fn scan(
        &mut self,
        buffer: &[u8],
        mode: Mode,
        scanners: &Scanners<'_>,
        found: &mut Vec<Span>,
        passing: &mut Vec<Span>,
    ) -> usize {
        let ended = mode == Mode::Finish;
        let fresh = buffer.get(self.at..).unwrap_or_default();
        let whole = memchr::memrchr(b'\n', fresh).map_or(0, |line| line + 1);
        let fresh = fresh.get(..if ended { fresh.len() } else { whole }).unwrap_or_default();
        if self.lines.iter().all(Vec::is_empty) && !may_hold_partial(fresh) {
            self.at += fresh.len();
            return buffer.len();
        }
        for line in fresh.split_inclusive(|&byte| byte == b'\n') {
            self.give_up(self.at, buffer, scanners, found);
            if let Some(record) = read(line, self.at) {
                self.take(record, buffer, scanners, found);
            }
            self.at += line.len();
        }
        // A line that has no end yet is not counted above.
        self.give_up(buffer.len().saturating_sub(MAX_DISTANCE), buffer, scanners, found);
        let unfinished = self.lines.iter().filter(|line| !line.is_empty());
        unfinished.map(|line| goes_on(line, buffer, mode, scanners, passing)).min().unwrap_or(buffer.len())
    }

    /// Adds a record to the line of its stream, which is looked through when it is whole, and when it gets long.
    fn take(&mut self, record: Record, buffer: &[u8], scanners: &Scanners<'_>, found: &mut Vec<Span>) {
        let Some(line) = self.lines.get_mut(record.stream) else { return };
        line.push((record.start, record.end));
        let length: usize = line.iter().map(|part| part.1 - part.0).sum();
        if line.len() > 1 && (!record.partial || length > MAX_JOINED) {
            Joined::new(line, buffer).search(scanners, found);
        }
        keep(line, if record.partial { MAX_JOINED } else { 0 });
    }

    /// Looks through what lies too far back to be joined with a line at `at`, and forgets it.
    fn give_up(&mut self, at: usize, buffer: &[u8], scanners: &Scanners<'_>, found: &mut Vec<Span>) {
        for line in &mut self.lines {
            if line.first().is_some_and(|part| part.0 + MAX_DISTANCE < at) {
                Joined::new(line, buffer).search(scanners, found);
                line.retain(|part| at <= part.0 + MAX_DISTANCE);
            }
        }
    }

    /// The first byte that is still needed.
    pub(crate) fn needed_from(&self) -> Option<usize> {
        self.lines.iter().filter_map(|line| line.first()).map(|part| part.0).min()
    }

    /// Follows the buffer when its first `cut` bytes are dropped.
    pub(crate) fn shift(&mut self, cut: usize) {
        self.at = self.at.saturating_sub(cut);
        for part in self.lines.iter_mut().flatten() {
            *part = (part.0.saturating_sub(cut), part.1.saturating_sub(cut));
        }
    }
}

/// From where on an unfinished line is held back. How rules read it may depend on all that is to come, as in a line that
/// nobody cut: they have their say when it is whole, when it gets long, or as it stands when input has paused or ended.
fn goes_on(
    line: &[(usize, usize)],
    buffer: &[u8],
    mode: Mode,
    scanners: &Scanners<'_>,
    passing: &mut Vec<Span>,
) -> usize {
    match line.first() {
        Some(first) if mode == Mode::More && scanners.rules.is_some() => first.0,
        _ => Joined::new(line, buffer).search(scanners, passing),
    }
}

/// Keeps the last bytes of a line.
fn keep(line: &mut Vec<(usize, usize)>, most: usize) {
    let mut room = most;
    for part in line.iter_mut().rev() {
        part.0 = part.0.max(part.1.saturating_sub(room));
        room -= part.1 - part.0;
    }
    line.retain(|part| part.0 < part.1);
}

/// Whether some line may be a record that another continues. An engine's log is all records or none: of much text, the
/// beginnings of a few lines tell.
fn may_hold_partial(text: &[u8]) -> bool {
    let few = text.get(..text.len().min(FEW)).unwrap_or_default();
    let brief = text.len() <= FEW;
    let any = |begins: fn(&[u8]) -> bool| brief || few.split(|&byte| byte == b'\n').any(begins);
    (any(|line| cri_content(line).is_some()) && memchr::memmem::find(text, b" P ").is_some())
        || (any(|line| line.starts_with(JSON_FILE)) && (brief || ends_in_part(text)))
}

/// Whether some record of docker's json-file holds no end of a line.
fn ends_in_part(text: &[u8]) -> bool {
    let whole = |&end: &usize| text.get(..end).is_some_and(|content| content.ends_with(b"\\n"));
    memchr::memmem::find_iter(text, b"\",\"stream\":\"").any(|end| !whole(&end))
}

fn read(line: &[u8], at: usize) -> Option<Record> {
    read_cri(line, at).or_else(|| read_json_file(line, at))
}

/// `2026-09-01T10:11:12.5Z stdout P content`
fn read_cri(line: &[u8], at: usize) -> Option<Record> {
    let (stream, start) = cri_content(line)?;
    let partial = line.get(start - 2) == Some(&b'P');
    let end = line.len() - usize::from(line.ends_with(b"\n"));
    (start <= end).then_some(Record { stream, start: at + start, end: at + end, partial })
}

/// The stream of such a line, and where its content begins.
fn cri_content(line: &[u8]) -> Option<(usize, usize)> {
    if line.get(4) != Some(&b'-') || line.get(10) != Some(&b'T') {
        return None;
    }
    let blank = line.iter().take(48).position(|&byte| byte == b' ')?;
    let stream = match line.get(blank + 1..blank + 8)? {
        b"stdout " => 0,
        b"stderr " => 1,
        _ => return None,
    };
    matches!(line.get(blank + 8..blank + 10)?, b"P " | b"F ").then_some((stream, blank + 10))
}

/// What a record of docker's json-file begins with.
const JSON_FILE: &[u8] = b"{\"log\":\"";

/// `{"log":"content\n","stream":"stdout","time":"…"}`
fn read_json_file(line: &[u8], at: usize) -> Option<Record> {
    let content = line.strip_prefix(JSON_FILE)?;
    let end = memchr::memmem::rfind(content, b"\",\"stream\":\"")?;
    let stream = usize::from(content.get(end + 12..)?.starts_with(b"stderr"));
    let partial = !content.get(..end)?.ends_with(b"\\n");
    let start = at + JSON_FILE.len();
    Some(Record { stream, start, end: start + end, partial })
}

/// The contents of several records as one text.
struct Joined<'l> {
    text: Vec<u8>,
    parts: &'l [(usize, usize)],
}

impl<'l> Joined<'l> {
    fn new(parts: &'l [(usize, usize)], buffer: &[u8]) -> Self {
        let text = parts.iter().flat_map(|&(start, end)| buffer.get(start..end).unwrap_or_default()).copied().collect();
        Self { text, parts }
    }

    /// Looks the text through. Gives the place in the buffer from which on a secret may go on.
    fn search(&self, scanners: &Scanners<'_>, found: &mut Vec<Span>) -> usize {
        let (mut spans, mut pending) = (Vec::new(), Vec::new());
        scanners.known.scan(&self.text, 0, &mut spans, &mut pending);
        let mut certain = match scanners.rules {
            Some(rules) => {
                rules.scan(&self.text, 0, self.text.len(), &mut Carried::default(), &mut spans);
                super::unfinished::certain(&self.text, 0, rules)
            }
            None => self.text.len(),
        };
        if !scanners.known.is_empty() {
            let begun = scanners.known.first_of(&pending, &self.text);
            certain = scanners.known.head_at_end(&self.text, certain.min(begun));
        }
        union(&mut spans);
        spans.iter().for_each(|span| self.place(span, found));
        self.offset(certain)
    }

    /// Adds a span that crosses a cut, in as many parts as it has.
    fn place(&self, span: &Span, found: &mut Vec<Span>) {
        let mut at = 0;
        let mut placed = Vec::new();
        for &(start, end) in self.parts {
            let (first, last) = (span.start.max(at), span.end.min(at + end - start));
            if first < last {
                placed.push(Span { start: start + first - at, end: start + last - at, label: span.label });
            }
            at += end - start;
        }
        if placed.len() > 1 {
            found.append(&mut placed);
        }
    }

    fn offset(&self, at: usize) -> usize {
        let mut before = 0;
        for &(start, end) in self.parts {
            if at < before + end - start {
                return start + at - before;
            }
            before += end - start;
        }
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::super::Redactor;

    #[test]
    fn a_password_of_words_is_masked_over_two_records_whenever_they_come() {
        let redactor = Redactor::builder().rules(crate::redaction::RuleSet::builtin()).build();
        let time = "2026-09-01T10:11:12.5Z stdout";
        for quote in ["\"", "\\\"", "\\\\\"", "'"] {
            let first = format!("{time} P x password={quote}correct horse middle\n");
            let second = format!("{time} F battery staple{quote} end\n");
            let (mut out, mut stream) = (Vec::new(), redactor.stream());
            stream.push(first.as_bytes(), &mut out);
            stream.idle(&mut out);
            stream.push(second.as_bytes(), &mut out);
            stream.finish(&mut out);
            let out = String::from_utf8(out).unwrap();
            assert!(!out.contains("horse") && !out.contains("battery") && out.contains(" end"), "{quote}: {out}");
        }
    }

    #[test]
    fn what_a_record_holds_stays_masked_whenever_it_comes() {
        let redactor = Redactor::builder().rules(crate::redaction::RuleSet::builtin()).build();
        let time = "2026-09-01T10:11:12.5Z stdout";
        for text in [
            format!("{time} P x PASSWORD=hun;ter2\nnext\n"),
            format!("{time} P x PASSWORD=hun;ter2\n{time} F 77 end\n"),
            format!(
                "{time} P a\n{time} P B_PASSWORD=hun;ter2\nx=hun\n{time} P p.6_PASSrecMitW\n{time} P _PASSWORD=hun;ter2\n"
            ),
        ] {
            let whole = redactor.text(&text);
            for size in [1, 2, 3, 5, 40, 111] {
                for idle in [false, true] {
                    let (mut out, mut stream) = (Vec::new(), redactor.stream());
                    for chunk in text.as_bytes().chunks(size) {
                        stream.push(chunk, &mut out);
                        if idle {
                            stream.idle(&mut out);
                        }
                    }
                    stream.finish(&mut out);
                    let out = String::from_utf8(out).unwrap();
                    assert!(!out.contains("ter2") && (idle || out == whole), "{size} {idle}: {out}\n{whole}");
                }
            }
        }
    }

    #[test]
    fn a_value_over_two_records_is_masked_however_long_the_first_is() {
        let redactor = Redactor::builder().secret("S", b"qZ7rT2mVx9Lk4WpB").unwrap().build();
        let tail = "\",\"stream\":\"stdout\",\"time\":\"2026-09-01T10:11:12.123456789Z\"}\n";
        for length in [0, 10, 2000, 2048, 5000, 16 * 1024 - 8] {
            let lead = "x".repeat(length);
            let json = format!("{{\"log\":\"{lead}qZ7rT2mV{tail}{{\"log\":\"x9Lk4WpB end\\n{tail}");
            let time = "2026-09-01T10:11:12.5Z";
            let cri = format!("{time} stdout P {lead}qZ7rT2mV\n{time} stdout F x9Lk4WpB end\n");
            for text in [json, cri] {
                let out = redactor.text(&text);
                assert!(!out.contains("qZ7r") && !out.contains("4WpB") && out.contains(" end"), "{length}: {out}");
            }
        }
    }

    #[test]
    fn a_value_is_masked_across_every_cut_of_a_long_line_whenever_the_records_come() {
        let rules = Redactor::builder().rules(crate::redaction::RuleSet::builtin());
        let redactor = rules.secret("S", b"qZ7rT2mVx9Lk4WpB").unwrap().build();
        let time = "2026-09-01T10:11:12.5Z stdout";
        let secrets = [(" qZ7rT2mV", "x9Lk4WpB "), (" DB_PASSWORD=hunt", "er2abc ")];
        for (lead, rest) in [(10, 10), (10, 9000), (9000, 10), (16_000, 16_000)] {
            for (head, tail) in secrets {
                let first = format!("{time} P {}{head}\n", "x".repeat(lead));
                let second = format!("{time} P {tail}{}\n", "y".repeat(rest));
                for idle in [false, true] {
                    let (mut out, mut stream) = (Vec::new(), redactor.stream());
                    for record in [&first, &second, &first, &second, &format!("{time} F end\n")] {
                        stream.push(record.as_bytes(), &mut out);
                        if idle {
                            stream.idle(&mut out);
                        }
                    }
                    stream.finish(&mut out);
                    let out = String::from_utf8(out).unwrap();
                    let shown = [head, tail].into_iter().find(|part| out.contains(part.trim()));
                    assert!(shown.is_none() && out.ends_with(" F end\n"), "{lead} {rest} {idle}: {shown:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_of_records_is_read_as_a_whole_however_it_comes() {
        let redactor = Redactor::builder().rules(crate::redaction::RuleSet::builtin()).build();
        let time = "2026-09-01T10:11:12.5Z stdout";
        let text = format!("{time} P B_PASSWORD=hun;ter2\n{time} P .66 P p\n{time} P .6_PASSWORD=h;ur\n{time} F x\n");
        let (mut out, mut stream) = (Vec::new(), redactor.stream());
        text.as_bytes().chunks(1).for_each(|chunk| stream.push(chunk, &mut out));
        stream.finish(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), redactor.text(&text));
    }
}
