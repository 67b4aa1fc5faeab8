//! A layout's files in a tar archive.
//!
//! Only where each file lies is kept; contents are read in place. What an extractor would make another folder of than is
//! read here is refused: a name that stands twice (extractors keep the last, streaming readers the first), one that is not
//! written plainly, one that leads through a link, one that takes the place of a layout's folder, and bytes behind the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::super::tar::{Kind, Member, Tar, TarError};
use super::{Files, LayoutError, Stream};

/// How many members an archive may have.
const MEMBERS_MAX: usize = 100_000;

/// The longest name of a member, in bytes: no extractor makes a longer path (`PATH_MAX`).
const NAME_MAX: usize = 4096;

/// How many bytes the names of links may have together: they are kept.
const LINKS_MAX: usize = 4 << 20;

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
        let mut members = Members::default();
        while let Some(member) = tar.next().map_err(refused)? {
            members.insert(&member).map_err(|why| refused(TarError::Bad { at: member.at, why }))?;
        }
        let end = tar.position();
        check_end(&file, end)?;
        Ok(Self { file, places: members.places })
    }
}

/// Behind its end an archive is padded, and nothing else: some readers go on there, and others don't.
fn check_end(file: &File, mut at: u64) -> Result<(), LayoutError> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = file.read_at(&mut bytes, at).map_err(|error| refused(TarError::Read(error)))?;
        match bytes.get(..read).unwrap_or_default() {
            [] => return Ok(()),
            some if some.iter().any(|byte| *byte != 0) => {
                return Err(refused(TarError::Bad { at, why: "bytes follow its end" }));
            }
            _ => at += read as u64,
        }
    }
}

fn refused(error: TarError) -> LayoutError {
    match error {
        TarError::Read(error) => LayoutError::Read { path: "archive".to_owned(), error },
        TarError::Bad { at, why } => LayoutError::Archive { at, why: why.to_owned() },
    }
}

/// The members so far: where a layout's files lie, and which names are links.
#[derive(Default)]
struct Members {
    places: BTreeMap<String, Place>,
    links: BTreeSet<String>,
    /// The bytes of the links' names.
    linked: usize,
}

impl Members {
    fn insert(&mut self, member: &Member) -> Result<(), &'static str> {
        let name = plain(member)?;
        if self.places.len() + self.links.len() >= MEMBERS_MAX {
            return Err("it has too many members");
        }
        if name.match_indices('/').any(|(at, _)| name.get(..at).is_some_and(|folder| self.links.contains(folder))) {
            return Err("a name leads through a link");
        }
        if is_misplaced(name, member.kind == Kind::Folder) {
            return Err("a file stands in the place of a folder, or a folder in that of a file");
        }
        let place = match member.kind {
            Kind::Folder if is_folder_of_layout(name) => return Ok(()),
            Kind::Regular => Place::Regular { at: member.at, len: member.len },
            _ => Place::Other,
        };
        if matches!(member.kind, Kind::Symlink(_) | Kind::Hardlink(_)) {
            self.linked += name.len();
            if self.linked > LINKS_MAX {
                return Err("it has too many links");
            }
            self.links.insert(name.to_owned());
        }
        match is_layout_path(name).then(|| self.places.insert(name.to_owned(), place)) {
            Some(Some(_)) => Err("a name stands twice"),
            _ => Ok(()),
        }
    }
}

/// The member's name, if it is written in the one way that needs no reading: below the archive, part by part.
fn plain(member: &Member) -> Result<&str, &'static str> {
    let mut name = member.path.as_str();
    while let Some(rest) = name.strip_prefix("./") {
        name = rest;
    }
    if member.kind == Kind::Folder {
        name = name.strip_suffix('/').unwrap_or(name);
        if ["", "."].contains(&name) {
            return Ok("");
        }
    }
    if name.len() > NAME_MAX {
        return Err("a name is too long");
    }
    match name.split('/').any(|part| ["", ".", ".."].contains(&part)) {
        true => Err("a name is not written plainly"),
        false => Ok(name),
    }
}

/// What an extractor would put in the place of a layout's own files, whatever stands before it in the archive.
fn is_misplaced(name: &str, folder: bool) -> bool {
    match name.split('/').collect::<Vec<_>>().as_slice() {
        ["blobs"] | ["blobs", "sha256" | "sha384" | "sha512"] => !folder,
        ["blobs", _, _, _, ..] | ["oci-layout" | "index.json", _, ..] => true,
        _ => false,
    }
}

/// A folder of a layout's own: not one in the place of a file.
fn is_folder_of_layout(name: &str) -> bool {
    !is_layout_path(name) || name.matches('/').count() < 2
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
