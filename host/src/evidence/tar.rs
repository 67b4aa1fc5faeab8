//! Members of a tar archive (POSIX ustar and pax, GNU long names), one after another, in constant memory.
//!
//! Nothing is unpacked. Of extended headers no more is read than a path needs, so that a hostile archive costs no memory.
//! What readers of archives are known to understand differently is refused: names for sparse files, names and sizes for all
//! members at once, two headers of one kind before a member, and a prefix where POSIX has none.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

const BLOCK: u64 = 512;
/// The longest extended header read, in bytes; longer ones are refused.
const EXTENDED_MAX: u64 = 64 << 10;

/// Why an archive can't be read.
#[derive(Debug)]
pub(super) enum TarError {
    /// Its bytes could not be had.
    Read(io::Error),
    /// It is malformed.
    Bad {
        /// Where the header in question begins.
        at: u64,
        /// What is wrong.
        why: &'static str,
    },
}

/// Where an archive's bytes come from.
pub(super) trait Source: Read {
    /// Steps over bytes. One that can step beyond its end may.
    fn skip(&mut self, count: u64) -> io::Result<()>;
}

impl Source for &File {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let count = i64::try_from(count).map_err(io::Error::other)?;
        self.seek(SeekFrom::Current(count)).map(drop)
    }
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file with a content.
    Regular,
    /// A folder.
    Folder,
    /// A symbolic link, with its target as it is written.
    Symlink(String),
    /// Another name for an earlier member.
    Hardlink(String),
    /// A device, or something else that is never read.
    Other,
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path as it is written.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: Kind,
    /// Where its content begins.
    pub(super) at: u64,
    /// How long its content is.
    pub(super) len: u64,
}

/// What extended headers say of the next member.
#[derive(Default)]
struct Extended {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    /// The kinds of headers that said so.
    kinds: Vec<u8>,
}

/// An archive that is read from its beginning to its end.
pub(super) struct Tar<S> {
    source: S,
    /// Where the next byte is.
    at: u64,
    /// Where the header in question begins.
    header_at: u64,
    /// What is left of the current member's content, and what pads it.
    content: u64,
    padding: u64,
    pending: Extended,
}

impl<S: Source> Tar<S> {
    pub(super) fn new(source: S) -> Self {
        Self { source, at: 0, header_at: 0, content: 0, padding: 0, pending: Extended::default() }
    }

    /// Steps over the rest of a member to the next one; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Member>, TarError> {
        loop {
            self.pass()?;
            self.header_at = self.at;
            let Some(header) = self.header()? else { return Ok(None) };
            if header.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            self.check_sum(&header)?;
            let kind = field(&header, 156, 1).first().copied().unwrap_or_default();
            let size = number(field(&header, 124, 12)).ok_or_else(|| self.bad("its size is no number"))?;
            self.once(kind)?;
            match kind {
                b'L' => self.pending.path = Some(text(&self.extended(size)?)),
                b'K' => self.pending.link = Some(text(&self.extended(size)?)),
                b'x' => self.read_pax(size)?,
                b'g' => self.read_global(size)?,
                _ => return self.member(kind, &header, size).map(Some),
            }
        }
    }

    /// Where the next byte is.
    pub(super) const fn position(&self) -> u64 {
        self.at
    }

    /// The content of the current member.
    pub(super) fn content(&mut self) -> Content<'_, S> {
        Content { tar: self }
    }

    /// Before one member, no more than one header of a kind: some readers obey the first, others the last.
    fn once(&mut self, kind: u8) -> Result<(), TarError> {
        if !b"LKx".contains(&kind) {
            return Ok(());
        }
        if self.pending.kinds.contains(&kind) {
            return Err(self.bad("two extended headers of one kind stand before a member"));
        }
        self.pending.kinds.push(kind);
        Ok(())
    }

    fn member(&mut self, kind: u8, header: &[u8], own_size: u64) -> Result<Member, TarError> {
        if !is_posix(header) && field(header, 345, 155).iter().any(|byte| *byte != 0) {
            return Err(self.bad("it has a prefix, and is not of POSIX's format"));
        }
        let extended = std::mem::take(&mut self.pending);
        let path = extended.path.unwrap_or_else(|| header_path(header));
        let link = || extended.link.unwrap_or_else(|| text(field(header, 157, 100)));
        // links have a size in some archives, but never a content
        let len = if matches!(kind, b'1'..=b'6') { 0 } else { extended.size.unwrap_or(own_size) };
        let kind = match kind {
            b'0' | 0 | b'7' => Kind::Regular,
            b'1' => Kind::Hardlink(link()),
            b'2' => Kind::Symlink(link()),
            b'5' => Kind::Folder,
            _ => Kind::Other,
        };
        self.begin(len)?;
        Ok(Member { path, kind, at: self.at, len })
    }

    /// A content of this length, and what pads it, come next.
    fn begin(&mut self, len: u64) -> Result<(), TarError> {
        let padded = len.checked_next_multiple_of(BLOCK).filter(|padded| self.at.checked_add(*padded).is_some());
        let padded = padded.ok_or_else(|| self.bad("its size is too large"))?;
        (self.content, self.padding) = (len, padded - len);
        Ok(())
    }

    fn pass(&mut self) -> Result<(), TarError> {
        let left = self.content.saturating_add(self.padding);
        self.source.skip(left).map_err(|error| self.failed(error))?;
        self.at = self.at.saturating_add(left);
        (self.content, self.padding) = (0, 0);
        Ok(())
    }

    fn header(&mut self) -> Result<Option<[u8; 512]>, TarError> {
        let mut header = [0; 512];
        let mut filled = 0;
        while let Some(rest) = header.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.source.read(rest) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.bad("it is cut short")),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TarError::Read(error)),
            }
        }
        self.at = self.at.saturating_add(BLOCK);
        Ok(Some(header))
    }

    fn check_sum(&self, header: &[u8]) -> Result<(), TarError> {
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(i, byte)| if (148..156).contains(&i) { 32 } else { u64::from(*byte) })
            .sum();
        match number(field(header, 148, 8)) {
            Some(written) if written == sum => Ok(()),
            _ if header.starts_with(&[0x1f, 0x8b]) => Err(self.bad("it is compressed: decompress it first")),
            _ => Err(self.bad("no tar header: the checksum is wrong")),
        }
    }

    fn extended(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > EXTENDED_MAX {
            return Err(self.bad("an extended header is too long"));
        }
        self.begin(size)?;
        let mut bytes = Vec::new();
        let read = self.content().read_to_end(&mut bytes).map_err(|error| self.failed(error))?;
        if read as u64 == size { Ok(bytes) } else { Err(self.bad("an extended header is cut short")) }
    }

    /// What is said of the next member.
    fn read_pax(&mut self, size: u64) -> Result<(), TarError> {
        let bytes = self.extended(size)?;
        for (key, value) in self.pax_records(&bytes)? {
            match key {
                b"path" => self.pending.path = Some(text(value)),
                b"linkpath" => self.pending.link = Some(text(value)),
                b"size" => {
                    self.pending.size = Some(decimal(value).ok_or_else(|| self.bad("its pax size is no number"))?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is said of all members from here on: nothing that would make others of them.
    fn read_global(&mut self, size: u64) -> Result<(), TarError> {
        let bytes = self.extended(size)?;
        let names = |key: &[u8]| [b"path".as_slice(), b"linkpath", b"size"].contains(&key);
        match self.pax_records(&bytes)?.iter().any(|(key, _)| names(key)) {
            true => Err(self.bad("a global header names all members")),
            false => Ok(()),
        }
    }

    /// Records of `length key=value\n`.
    fn pax_records<'b>(&self, mut rest: &'b [u8]) -> Result<Vec<Pax<'b>>, TarError> {
        let mut records = Vec::new();
        while !rest.is_empty() {
            let (key, value, after) = pax_record(rest).ok_or_else(|| self.bad("a pax record is malformed"))?;
            if key.starts_with(b"GNU.sparse.") {
                return Err(self.bad("a sparse file has another name and content for some readers"));
            }
            records.push((key, value));
            rest = after;
        }
        Ok(records)
    }

    fn failed(&self, error: io::Error) -> TarError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.bad("it is cut short"),
            _ => TarError::Read(error),
        }
    }

    const fn bad(&self, why: &'static str) -> TarError {
        TarError::Bad { at: self.header_at, why }
    }
}

/// A key of a pax header, and its value.
type Pax<'b> = (&'b [u8], &'b [u8]);

/// See [`Tar::content`].
pub(super) struct Content<'a, S> {
    tar: &'a mut Tar<S>,
}

impl<S: Source> Read for Content<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.tar.content).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.tar.source.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.tar.content -= read as u64;
        self.tar.at = self.tar.at.saturating_add(read as u64);
        Ok(read)
    }
}

fn pax_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(bytes.get(..space)?)?).ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, bytes.get(length..)?))
}

fn field(header: &[u8], start: usize, len: usize) -> &[u8] {
    header.get(start..start + len).unwrap_or_default()
}

/// The name of a header without extensions: POSIX puts a prefix before it.
fn header_path(header: &[u8]) -> String {
    let name = text(field(header, 0, 100));
    let prefix = if is_posix(header) { text(field(header, 345, 155)) } else { String::new() };
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

fn is_posix(header: &[u8]) -> bool {
    field(header, 257, 6) == b"ustar\0"
}

/// The text up to the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// A number in octal, or in GNU's base 256.
fn number(bytes: &[u8]) -> Option<u64> {
    if let Some((0x80, rest)) = bytes.split_first() {
        let shift = |sum: u64, byte: &u8| sum.checked_mul(256)?.checked_add(u64::from(*byte));
        return rest.iter().try_fold(0, shift).filter(|number| i64::try_from(*number).is_ok());
    }
    let digits = bytes.iter().skip_while(|byte| **byte == b' ').take_while(|byte| !matches!(byte, b' ' | 0));
    let shift = |sum: u64, digit: &u8| sum.checked_mul(8)?.checked_add(u64::from(char::from(*digit).to_digit(8)?));
    digits.copied().collect::<Vec<u8>>().iter().try_fold(0, shift)
}

fn decimal(bytes: &[u8]) -> Option<u64> {
    let is_digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let number: u64 = std::str::from_utf8(bytes).ok().filter(|_| is_digits)?.parse().ok()?;
    i64::try_from(number).ok().map(|_| number)
}
