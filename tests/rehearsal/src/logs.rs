//! A container's log: written as the engines' drivers write it (k8s-file, json-file), and read back.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{self, Moment};
use crate::console::Console;
use crate::container::{Patience, Place};
use crate::dialect::Dialect;

/// The longest that a follower sleeps between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// The longest piece of a line that json-file keeps as one entry.
const JSON_LINE: usize = 16 * 1024;

/// How many bytes a reader gathers before it writes them out.
const BATCH: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// One stream's way into the log.
pub(crate) struct Writer {
    file: File,
    dialect: Dialect,
    stream: Stream,
    /// The beginning of a line: json-file waits for its end.
    begun: Vec<u8>,
}

impl Writer {
    pub(crate) fn open(path: &Path, dialect: Dialect, stream: Stream) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Ok(Self { file, dialect, stream, begun: Vec::new() })
    }

    /// Writes what came in one read, as one write: the other stream's entries never get between.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let now = Moment::now();
        let mut entries = Vec::with_capacity(bytes.len() + bytes.len() / 2);
        match self.dialect {
            Dialect::Podman => k8s_lines(&mut entries, now, self.stream, bytes),
            Dialect::Docker => self.json_lines(&mut entries, now, bytes),
        }
        self.file.write_all(&entries)
    }

    fn json_lines(&mut self, entries: &mut Vec<u8>, now: Moment, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend(piece);
            if piece.ends_with(b"\n") || self.begun.len() >= JSON_LINE {
                json(entries, now, self.stream, &std::mem::take(&mut self.begun));
            }
        }
    }

    /// Writes a last line that has no end.
    pub(crate) fn end(mut self) -> io::Result<()> {
        let mut entries = Vec::new();
        if !self.begun.is_empty() {
            json(&mut entries, Moment::now(), self.stream, &self.begun);
        }
        self.file.write_all(&entries)
    }
}

fn k8s_lines(entries: &mut Vec<u8>, now: Moment, stream: Stream, bytes: &[u8]) {
    let prefix = format!("{} {} ", now.padded("+00:00"), word(stream));
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (tag, end): (&[u8], &[u8]) = if line.ends_with(b"\n") { (b"F ", b"") } else { (b"P ", b"\n") };
        [prefix.as_bytes(), tag, line, end].iter().for_each(|part| entries.extend_from_slice(part));
    }
}

fn word(stream: Stream) -> &'static str {
    if stream == Stream::Stdout { "stdout" } else { "stderr" }
}

/// An entry of json-file; the driver replaces what is no UTF-8.
#[derive(Serialize, Deserialize)]
struct Json {
    log: String,
    stream: Stream,
    time: String,
}

fn json(entries: &mut Vec<u8>, now: Moment, stream: Stream, line: &[u8]) {
    let entry = Json { log: String::from_utf8_lossy(line).into_owned(), stream, time: now.padded("Z") };
    entries.extend(serde_json::to_vec(&entry).unwrap_or_default());
    entries.push(b'\n');
}

/// One entry, read back.
struct Entry {
    time: String,
    stream: Stream,
    /// With its line's end, where it has one.
    text: Vec<u8>,
}

impl Entry {
    fn parse(line: &[u8], dialect: Dialect) -> Option<Self> {
        if dialect == Dialect::Docker {
            let Json { log, stream, time } = serde_json::from_slice(line).ok()?;
            return Some(Self { time, stream, text: log.into_bytes() });
        }
        let mut fields = line.splitn(4, |byte| *byte == b' ');
        let mut field = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
        let (time, stream, tag) = (field()?.replace("+00:00", "Z"), field()?, field()?);
        let stream = if stream == "stdout" { Stream::Stdout } else { Stream::Stderr };
        let text = fields.next()?;
        let text = if tag == "P" { text.strip_suffix(b"\n").unwrap_or(text) } else { text };
        Some(Self { time, stream, text: text.to_vec() })
    }
}

/// What `logs` was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) follow: bool,
    pub(crate) timestamps: bool,
    /// So many lines from the end, of both streams together.
    pub(crate) tail: Option<usize>,
    pub(crate) since: Option<Moment>,
    /// Bytes of the log that are passed over.
    pub(crate) from: u64,
}

/// Prints a container's log; with `follow`, until the container has ended.
pub(crate) fn print(place: &Place<'_>, dialect: Dialect, wish: &Wish, console: &mut Console) -> io::Result<()> {
    print_open(place, open(place, wish.follow)?, dialect, wish, console)
}

/// The same, of a log that was opened before.
pub(crate) fn print_open(
    place: &Place<'_>,
    log: File,
    dialect: Dialect,
    wish: &Wish,
    console: &mut Console,
) -> io::Result<()> {
    let lines = BufReader::with_capacity(BATCH, log);
    let mut reader = Reader { lines, dialect, wish, line: Vec::new(), mid_line: false };
    reader.lines.seek(SeekFrom::Start(wish.from))?;
    if let Some(tail) = wish.tail {
        reader.skip_to_tail(tail)?;
    }
    let mut patience = Patience::up_to(LONGEST_PAUSE);
    let mut watch = Watch { place, seen: None, pauses: 0 };
    loop {
        // Looked at before the log is read: what was written before the end is read after it.
        let ended = !wish.follow || watch.has_ended();
        if reader.drain(console)? > 0 {
            patience.reset();
        }
        if ended {
            return Ok(());
        }
        patience.pause();
    }
}

/// A container that was never started has no log: a follower waits for one at an empty file.
fn open(place: &Place<'_>, follow: bool) -> io::Result<File> {
    match File::open(place.log()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && follow => {
            OpenOptions::new().append(true).create(true).read(true).mode(0o600).open(place.log())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open("/dev/null"),
        other => other,
    }
}

/// Tells cheaply whether a container has ended: its record is read again only when it was replaced, and now and then
/// in case its supervisor was killed.
struct Watch<'p> {
    place: &'p Place<'p>,
    seen: Option<(u64, std::time::SystemTime)>,
    pauses: u32,
}

impl Watch<'_> {
    fn has_ended(&mut self) -> bool {
        let age = self.place.status_age();
        self.pauses = (self.pauses + 1) % 64;
        if age.is_some() && age == self.seen && self.pauses != 0 {
            return false;
        }
        self.seen = age;
        self.place.has_ended()
    }
}

struct Reader<'w> {
    lines: BufReader<File>,
    dialect: Dialect,
    wish: &'w Wish,
    /// The beginning of an entry whose end is not written yet.
    line: Vec<u8>,
    mid_line: bool,
}

impl Reader<'_> {
    /// Prints every entry that is whole by now, and returns how many there were.
    fn drain(&mut self, console: &mut Console) -> io::Result<usize> {
        let mut count = 0;
        while self.lines.read_until(b'\n', &mut self.line)? > 0 && self.line.ends_with(b"\n") {
            let line = std::mem::take(&mut self.line);
            if let Some(entry) = Entry::parse(&line, self.dialect) {
                self.print(&entry, console);
            }
            if console.pending() >= BATCH {
                console.flush()?;
            }
            count += 1;
        }
        console.flush()?;
        Ok(count)
    }

    fn print(&mut self, entry: &Entry, console: &mut Console) {
        let old = |since| clock::parse_rfc3339(&entry.time).is_some_and(|time| time < since);
        if self.wish.since.is_some_and(old) {
            return;
        }
        let begins = !std::mem::replace(&mut self.mid_line, !entry.text.ends_with(b"\n"));
        let stamp = if self.wish.timestamps && begins { format!("{} ", entry.time) } else { String::new() };
        let bytes = [stamp.as_bytes(), &entry.text].concat();
        match entry.stream {
            Stream::Stdout => console.out(&bytes),
            Stream::Stderr => console.err(&bytes),
        }
    }

    /// Goes to the last so many lines; what is kept meanwhile is that many offsets.
    fn skip_to_tail(&mut self, tail: usize) -> io::Result<()> {
        let mut starts = VecDeque::new();
        let (mut offset, mut line, mut at_start) = (self.wish.from, Vec::new(), true);
        while self.lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            if at_start {
                starts.push_back(offset);
            }
            if starts.len() > tail {
                starts.pop_front();
            }
            at_start = Entry::parse(&line, self.dialect).is_none_or(|entry| entry.text.ends_with(b"\n"));
            offset += line.len() as u64;
            line.clear();
        }
        self.lines.seek(SeekFrom::Start(starts.front().copied().unwrap_or(offset)))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(dialect: Dialect, reads: &[&[u8]]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut writer = Writer::open(&path, dialect, Stream::Stdout).unwrap();
        reads.iter().for_each(|bytes| writer.write(bytes).unwrap());
        writer.end().unwrap();
        let log = std::fs::read(&path).unwrap();
        log.split_inclusive(|byte| *byte == b'\n').flat_map(|line| Entry::parse(line, dialect).unwrap().text).collect()
    }

    #[test]
    fn what_is_written_comes_back() {
        let reads: [&[u8]; 4] = [b"one\ntw", b"o\n\nthree  ", b" ", b"end"];
        for dialect in [Dialect::Podman, Dialect::Docker] {
            assert_eq!(round_trip(dialect, &reads), reads.concat(), "{dialect:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_survive_in_podman_alone() {
        let bytes: [&[u8]; 1] = [b"a\xff\xc3\n"];
        assert_eq!(round_trip(Dialect::Podman, &bytes), bytes[0]);
        assert_eq!(round_trip(Dialect::Docker, &bytes), "a\u{fffd}\u{fffd}\n".as_bytes());
    }

    #[test]
    fn entries_look_like_the_drivers() {
        let mut entries = Vec::new();
        let time = Moment(1_795_361_765_681_857_357);
        k8s_lines(&mut entries, time, Stream::Stderr, b"hello\n");
        json(&mut entries, time, Stream::Stdout, b"hello\n");
        let expected = "2026-11-22T15:36:05.681857357+00:00 stderr F hello\n\
            {\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T15:36:05.681857357Z\"}\n";
        assert_eq!(String::from_utf8(entries).unwrap(), expected);
    }
}
