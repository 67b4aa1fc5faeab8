//! Files of an area that are there whole or not at all, and are never reached through a link.

use std::fs::File;
use std::io::{self, Read, Write};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, renameat, unlinkat};

use super::{random, to_hex};

/// Puts a file (0600) in the place of whatever bears the name. `parts` follow one another in it.
pub(crate) fn put(dir: &Dir, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    place(dir, name, parts, |_| Ok(()))
}

/// The same, with its content on the disk before it gets its name; the name itself is [`super::sync_dir`]'s.
pub(crate) fn put_durably(dir: &Dir, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    place(dir, name, parts, File::sync_all)
}

fn place(dir: &Dir, name: &str, parts: &[&[u8]], settle: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    let temporary = format!("new-{}", to_hex(&random::<8>()?));
    let written = write(dir, &temporary, parts).and_then(|file| settle(&file));
    let placed = written.and_then(|()| Ok(renameat(dir, &temporary, dir, name)?));
    if placed.is_err() {
        // The failure to write is the one to tell.
        let _gone = unlinkat(dir, &temporary, AtFlags::empty());
    }
    placed
}

fn write(dir: &Dir, name: &str, parts: &[&[u8]]) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?);
    parts.iter().try_for_each(|part| file.write_all(part))?;
    Ok(file)
}

/// Opens a regular file; what it is was asked of the handle.
pub(crate) fn open(dir: &Dir, name: &str) -> io::Result<(File, Stat)> {
    // NONBLOCK: a FIFO put in its place must not hang us.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = openat(dir, name, flags, Mode::empty())?;
    let stat = fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        Ok((File::from(fd), stat))
    } else {
        Err(io::Error::other("it is no file"))
    }
}

/// What a file holds: of one that is longer than `most` bytes, nothing.
pub(crate) fn read(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(io::Error::other("it is too large")) } else { Ok(bytes) }
}

/// Opens and reads a file.
pub(crate) fn get(dir: &Dir, name: &str, most: u64) -> io::Result<Vec<u8>> {
    open(dir, name).and_then(|(file, _)| read(file, most))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let temp = tempfile::tempdir().unwrap();
        let dir = crate::ambient::open_dir(temp.path()).unwrap();
        for (put, content) in [(put as fn(&Dir, &str, &[&[u8]]) -> io::Result<()>, "one"), (put_durably, "two")] {
            put(&dir, "a", &[content.as_bytes(), b"!"]).unwrap();
            assert_eq!(get(&dir, "a", 4).unwrap(), format!("{content}!").as_bytes());
        }
        let mode = temp.path().join("a").metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, std::fs::read_dir(temp.path()).unwrap().count()), (0o600, 1));
        assert!(get(&dir, "a", 3).is_err());
        assert_eq!(get(&dir, "b", 3).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_can_not_be_placed_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = crate::ambient::open_dir(temp.path()).unwrap();
        std::fs::create_dir(temp.path().join("folder")).unwrap();
        assert!(put(&dir, "folder", &[b"x"]).is_err());
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_are_replaced_and_never_followed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = crate::ambient::open_dir(temp.path()).unwrap();
        std::fs::write(temp.path().join("target"), "kept").unwrap();
        symlink("target", temp.path().join("link")).unwrap();
        assert!(get(&dir, "link", 9).is_err() && get(&dir, ".", 9).is_err());
        put(&dir, "link", &[b"new"]).unwrap();
        assert_eq!(std::fs::read(temp.path().join("target")).unwrap(), b"kept");
        assert_eq!(get(&dir, "link", 9).unwrap(), b"new");
    }
}
