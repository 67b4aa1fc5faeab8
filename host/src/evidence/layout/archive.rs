//! A layout's files in a tar archive (POSIX ustar and pax, GNU long names).
//!
//! Only where each file lies is kept; contents are read in place. Of extended headers no more is read than a path of
//! a layout needs, so that a hostile archive costs no memory. A name that stands twice is refused: extractors would
//! keep the last, streaming readers the first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::{Files, LayoutError, Stream};

const BLOCK: u64 = 512;
/// The longest extended header read, in bytes; longer ones are refused.
const EXTENDED_MAX: u64 = 64 << 10;
/// How many members an archive may have.
const MEMBERS_MAX: usize = 100_000;

pub(super) struct Archive {
    file: File,
    members: BTreeMap<String, Member>,
}

#[derive(Clone, Copy)]
enum Member {
    Regular {
        at: u64,
        len: u64,
    },
    /// A link or a device, which is never read.
    Other,
}

impl Archive {
    pub(super) fn read(file: File) -> Result<Self, LayoutError> {
        let mut scan = Scan { file: &file, at: 0, pending: Extended::default(), members: BTreeMap::new() };
        while scan.step()? {}
        let members = scan.members;
        Ok(Self { file, members })
    }
}

impl Files for Archive {
    fn open(&self, path: &[&str]) -> io::Result<Option<Stream<'_>>> {
        match self.members.get(&path.join("/")) {
            None => Ok(None),
            Some(Member::Other) => Err(io::Error::other("not a regular file: links are not followed")),
            Some(Member::Regular { at, len }) => {
                let reader = Box::new(Slice { file: &self.file, at: *at, end: at.saturating_add(*len) });
                Ok(Some(Stream { reader, len: *len }))
            }
        }
    }
}

/// A part of the file, read in place: several may be read at once.
struct Slice<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.file.read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// What extended headers say of the next member.
#[derive(Default)]
struct Extended {
    path: Option<String>,
    size: Option<u64>,
}

struct Scan<'a> {
    file: &'a File,
    at: u64,
    pending: Extended,
    members: BTreeMap<String, Member>,
}

impl Scan<'_> {
    /// Reads one header and steps over what it heads. `false` at the end.
    fn step(&mut self) -> Result<bool, LayoutError> {
        let Some(header) = self.header()? else { return Ok(false) };
        if header.iter().all(|byte| *byte == 0) {
            return Ok(false);
        }
        self.check_sum(&header)?;
        let kind = field(&header, 156, 1).first().copied().unwrap_or_default();
        let own_size = number(field(&header, 124, 12)).ok_or_else(|| self.bad("its size is no number"))?;
        match kind {
            b'L' => self.pending.path = Some(text(&self.extended(own_size)?)),
            b'x' => self.read_pax(own_size)?,
            b'K' | b'g' => {}
            _ => return self.member(kind, &header, own_size),
        }
        self.skip(own_size).map(|()| true)
    }

    fn member(&mut self, kind: u8, header: &[u8], own_size: u64) -> Result<bool, LayoutError> {
        let extended = std::mem::take(&mut self.pending);
        let path = extended.path.unwrap_or_else(|| header_path(header));
        let is_regular = matches!(kind, b'0' | 0 | b'7');
        let len = extended.size.unwrap_or(own_size);
        let member = if is_regular { Member::Regular { at: self.at + BLOCK, len } } else { Member::Other };
        let is_folder = kind == b'5';
        if !is_folder {
            self.insert(&path, member)?;
        }
        // links have a size in some archives, but never a content
        let has_content = !matches!(kind, b'1'..=b'6');
        self.skip(if has_content { len } else { 0 }).map(|()| true)
    }

    fn insert(&mut self, path: &str, member: Member) -> Result<(), LayoutError> {
        if self.members.len() >= MEMBERS_MAX {
            return Err(self.bad("it has too many members"));
        }
        let name = path.trim_start_matches("./");
        if !is_layout_path(name) {
            return Ok(());
        }
        match self.members.insert(name.to_owned(), member) {
            None => Ok(()),
            Some(_) => Err(self.bad("a name stands twice")),
        }
    }

    fn header(&self) -> Result<Option<[u8; 512]>, LayoutError> {
        let mut header = [0; 512];
        match self.file.read_exact_at(&mut header, self.at) {
            Ok(()) => Ok(Some(header)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(LayoutError::Read { path: "archive".to_owned(), error }),
        }
    }

    fn check_sum(&self, header: &[u8]) -> Result<(), LayoutError> {
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

    fn extended(&self, size: u64) -> Result<Vec<u8>, LayoutError> {
        if size > EXTENDED_MAX {
            return Err(self.bad("an extended header is too long"));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        let read = self.file.read_exact_at(&mut bytes, self.at + BLOCK);
        read.map_err(|_| self.bad("an extended header is cut short"))?;
        Ok(bytes)
    }

    /// Records of `length key=value\n`.
    fn read_pax(&mut self, size: u64) -> Result<(), LayoutError> {
        let bytes = self.extended(size)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (key, value, after) = pax_record(rest).ok_or_else(|| self.bad("a pax record is malformed"))?;
            match key {
                b"path" => self.pending.path = Some(text(value)),
                b"size" => {
                    self.pending.size = Some(decimal(value).ok_or_else(|| self.bad("its pax size is no number"))?)
                }
                _ => {}
            }
            rest = after;
        }
        Ok(())
    }

    fn skip(&mut self, size: u64) -> Result<(), LayoutError> {
        let next =
            size.checked_next_multiple_of(BLOCK).and_then(|blocks| self.at.checked_add(BLOCK)?.checked_add(blocks));
        self.at = next.ok_or_else(|| self.bad("its size is too large"))?;
        Ok(())
    }

    fn bad(&self, why: &str) -> LayoutError {
        LayoutError::Archive { at: self.at, why: why.to_owned() }
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
    let is_posix = field(header, 257, 6) == b"ustar\0";
    let prefix = if is_posix { text(field(header, 345, 155)) } else { String::new() };
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
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

/// Whether a name is one that a layout's reader asks for. Nothing else needs memory.
fn is_layout_path(name: &str) -> bool {
    matches!(name, "oci-layout" | "index.json") || (name.starts_with("blobs/") && name.len() <= 160)
}
