//! A layout's files in a tar archive.
//!
//! Only where each file lies is kept; contents are read in place. A name that stands twice is refused: extractors would
//! keep the last, streaming readers the first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::super::tar::{Kind, Member, Tar, TarError};
use super::{Files, LayoutError, Stream};

/// How many members an archive may have.
const MEMBERS_MAX: usize = 100_000;

pub(super) struct Archive {
    file: File,
    places: BTreeMap<String, Place>,
}

#[derive(Clone, Copy)]
enum Place {
    Regular {
        at: u64,
        len: u64,
    },
    /// A link or a device, which is never read.
    Other,
}

impl Archive {
    pub(super) fn read(file: File) -> Result<Self, LayoutError> {
        let mut tar = Tar::new(&file);
        let mut places = BTreeMap::new();
        while let Some(member) = tar.next().map_err(refused)? {
            if member.kind != Kind::Folder {
                insert(&mut places, &member)?;
            }
        }
        Ok(Self { file, places })
    }
}

fn refused(error: TarError) -> LayoutError {
    match error {
        TarError::Read(error) => LayoutError::Read { path: "archive".to_owned(), error },
        TarError::Bad { at, why } => LayoutError::Archive { at, why: why.to_owned() },
    }
}

fn insert(places: &mut BTreeMap<String, Place>, member: &Member) -> Result<(), LayoutError> {
    let bad = |why| Err(refused(TarError::Bad { at: member.at, why }));
    if places.len() >= MEMBERS_MAX {
        return bad("it has too many members");
    }
    let name = member.path.trim_start_matches("./");
    if !is_layout_path(name) {
        return Ok(());
    }
    let is_regular = member.kind == Kind::Regular;
    let place = if is_regular { Place::Regular { at: member.at, len: member.len } } else { Place::Other };
    match places.insert(name.to_owned(), place) {
        None => Ok(()),
        Some(_) => bad("a name stands twice"),
    }
}

impl Files for Archive {
    fn open(&self, path: &[&str]) -> io::Result<Option<Stream<'_>>> {
        match self.places.get(&path.join("/")) {
            None => Ok(None),
            Some(Place::Other) => Err(io::Error::other("not a regular file: links are not followed")),
            Some(Place::Regular { at, len }) => {
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

/// Whether a name is one that a layout's reader asks for. Nothing else needs memory.
fn is_layout_path(name: &str) -> bool {
    matches!(name, "oci-layout" | "index.json") || (name.starts_with("blobs/") && name.len() <= 160)
}
