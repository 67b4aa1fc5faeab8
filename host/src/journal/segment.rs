//! The files of the journal, and their lines, in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::MAX_RECORD;
use super::chain::Slots;

const HEAD_FILE: &str = "head";

/// The file name of a segment.
pub(super) fn file_name(segment: u32) -> String {
    format!("{segment:08}.jsonl")
}

fn number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".jsonl")?.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

/// The numbers of the segments that are there, in order.
pub(super) fn list(dir: &Dir) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in dir.entries()? {
        found.extend(entry?.file_name().to_str().and_then(number));
    }
    found.sort_unstable();
    Ok(found)
}

/// Opens a segment for reading, if it is there.
pub(super) fn open(dir: &Dir, segment: u32) -> io::Result<Option<File>> {
    open_file(dir, &file_name(segment), OFlags::RDONLY)
}

/// Opens a segment for writing, if it is there.
pub(super) fn open_to_write(dir: &Dir, segment: u32) -> io::Result<Option<File>> {
    open_file(dir, &file_name(segment), OFlags::RDWR)
}

/// Opens a segment for writing, and creates it (0600).
pub(super) fn create(dir: &Dir, segment: u32) -> io::Result<File> {
    open_file(dir, &file_name(segment), OFlags::RDWR | OFlags::CREATE)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Opens the head for writing, and creates it (0600).
pub(super) fn create_head(dir: &Dir) -> io::Result<File> {
    open_file(dir, HEAD_FILE, OFlags::RDWR | OFlags::CREATE)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Opens the head for reading, if it is there.
pub(super) fn open_head(dir: &Dir) -> io::Result<Option<File>> {
    open_file(dir, HEAD_FILE, OFlags::RDONLY)
}

fn open_file(dir: &Dir, name: &str, flags: OFlags) -> io::Result<Option<File>> {
    // NONBLOCK: a FIFO put in its place must not hang us.
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => Ok(Some(File::from(fd))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Deletes a segment; one that is gone already is no error.
pub(super) fn delete(dir: &Dir, segment: u32) -> io::Result<()> {
    match dir.remove_file(file_name(segment)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads both slots; what the file doesn't have stays blank.
pub(super) fn read_head(head: &File) -> io::Result<Slots> {
    let mut slots = Slots::BLANK;
    let mut left = slots.bytes_mut();
    let mut offset = 0;
    while !left.is_empty() {
        let got = head.read_at(left, offset)?;
        if got == 0 {
            break;
        }
        offset += got as u64;
        left = left.get_mut(got..).unwrap_or_default();
    }
    Ok(slots)
}

/// What [`Lines::advance`] met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A whole line.
    Line,
    /// A line longer than any record; its text is not kept.
    Overlong,
    /// The last bytes, with no newline behind them.
    Fragment,
    /// Nothing more.
    End,
}

/// The lines of a segment, one at a time.
pub(super) struct Lines {
    input: BufReader<File>,
    line: Vec<u8>,
    /// Where the current piece starts.
    start: u64,
    /// Where the next one starts.
    next: u64,
    /// Where to stop, though the file may go on.
    end: u64,
}

impl Lines {
    /// The lines between two offsets.
    pub(super) fn between(mut file: File, start: u64, end: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { input: BufReader::with_capacity(1 << 16, file), line: Vec::new(), start, next: start, end })
    }

    /// The text of the current piece, without its newline.
    pub(super) fn text(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").unwrap_or(&self.line)
    }

    /// Where the current piece ends.
    pub(super) fn position(&self) -> u64 {
        self.next
    }

    /// The length of the current piece, newline included.
    pub(super) fn bytes(&self) -> u64 {
        self.next - self.start
    }

    pub(super) fn advance(&mut self) -> io::Result<Piece> {
        self.line.clear();
        self.start = self.next;
        let room = self.end.saturating_sub(self.next).min(MAX_RECORD as u64 + 1);
        let got = self.input.by_ref().take(room).read_until(b'\n', &mut self.line)?;
        self.next += got as u64;
        match (self.line.last(), got) {
            (None, _) => Ok(Piece::End),
            (Some(b'\n'), _) => Ok(Piece::Line),
            (_, got) if got > MAX_RECORD => self.skip(),
            _ => Ok(Piece::Fragment),
        }
    }

    /// Goes back to the start of a fragment, that it may be read again when it is whole.
    pub(super) fn retreat(&mut self) -> io::Result<()> {
        self.next = self.start;
        self.input.seek(SeekFrom::Start(self.start)).map(drop)
    }

    fn skip(&mut self) -> io::Result<Piece> {
        self.line.clear();
        loop {
            let room = self.end.saturating_sub(self.next);
            let buffer = self.input.fill_buf()?;
            let seen = buffer.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            let newline = buffer.iter().take(seen).position(|byte| *byte == b'\n');
            let used = newline.map_or(seen, |at| at + 1);
            self.input.consume(used);
            self.next += used as u64;
            if newline.is_some() || used == 0 {
                return Ok(Piece::Overlong);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn pieces(content: &[u8], start: u64, end: u64) -> Vec<(Piece, Vec<u8>, u64)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let mut lines = Lines::between(file, start, end).unwrap();
        let mut found = Vec::new();
        while lines.advance().unwrap() != Piece::End {
            lines.retreat().unwrap();
            let piece = lines.advance().unwrap();
            found.push((piece, lines.text().to_vec(), lines.position()));
        }
        found
    }

    #[test]
    fn lines_fragments_and_bounds() {
        let content = b"one\n\ntwo\nthr";
        let all = pieces(content, 0, u64::MAX);
        let texts: Vec<_> = all.iter().map(|(piece, text, _)| (*piece, text.as_slice())).collect();
        use Piece::{Fragment, Line};
        assert_eq!(texts, [(Line, &b"one"[..]), (Line, b""), (Line, b"two"), (Fragment, b"thr")]);
        assert_eq!(all.last().unwrap().2, content.len() as u64);
        assert_eq!(pieces(content, 5, 9), [(Line, b"two".to_vec(), 9)]);
        assert_eq!(pieces(content, 0, 2), [(Fragment, b"on".to_vec(), 2)]);
    }

    #[test]
    fn a_line_longer_than_any_record_is_not_kept() {
        let mut content = vec![b'x'; 3 * MAX_RECORD];
        content.extend(b"\nnext\n");
        let found = pieces(&content, 0, u64::MAX);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0, found[0].1.len()), (Piece::Overlong, 0));
        assert_eq!((found[1].0, found[1].1.as_slice()), (Piece::Line, &b"next"[..]));
    }

    #[test]
    fn only_our_own_spelling_is_a_segment() {
        assert_eq!(number("00000012.jsonl"), Some(12));
        assert_eq!(number("123456789.jsonl"), Some(123_456_789));
        for other in ["12.jsonl", "00000012.json", "+0000012.jsonl", "head", "00000012.jsonl~"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
