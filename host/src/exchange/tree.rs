//! Carrying a file or a folder from one place to another, by descriptor, and nothing but files, folders and links that
//! stay inside.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{Dir, FileType, Mode, OFlags, fchmod, fstat, mkdirat, openat, readlinkat, symlinkat};
use rustix::io::Errno;

/// The most files, folders and links of one copy.
const ENTRIES: u32 = 100_000;
/// Folders within folders.
const DEPTH: usize = 64;
/// How much is read at once.
const PIECE: usize = 256 << 10;

/// How much a copy may carry still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    bytes: u64,
    entries: u32,
}

impl Bounds {
    /// So many bytes in all, and [`ENTRIES`] entries.
    pub(crate) fn of_bytes(bytes: u64) -> Self {
        Self { bytes, entries: ENTRIES }
    }

    fn spend_entry(&mut self) -> Result<(), Odd> {
        self.entries = self.entries.checked_sub(1).ok_or(Odd::TooMuch)?;
        Ok(())
    }
}

/// Why something is not carried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Odd {
    /// It is a device, a pipe, a socket.
    #[error("it is neither file nor folder, or a link by itself")]
    Kind,
    /// A link that leads out, or might.
    #[error("the link {0:?} leads out of what is copied")]
    Out(String),
    /// More than the bounds.
    #[error("it is more than may be copied")]
    TooMuch,
    /// The kernel's word.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for Odd {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Carries `from` in one folder to `to` in another, where nothing is yet. Owners are not kept, nor set-user bits.
pub(crate) fn carry(
    source: BorrowedFd<'_>,
    from: &OsStr,
    target: BorrowedFd<'_>,
    to: &OsStr,
    bounds: Bounds,
) -> Result<(), Odd> {
    Carrier { left: bounds, depth: 0 }.entry(source, from, target, to)
}

struct Carrier {
    left: Bounds,
    depth: usize,
}

impl Carrier {
    fn entry(&mut self, source: BorrowedFd<'_>, from: &OsStr, target: BorrowedFd<'_>, to: &OsStr) -> Result<(), Odd> {
        self.left.spend_entry()?;
        // Held before it is looked at; a pipe or a device is not opened by this, a link not followed.
        let held = openat(source, from, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let stat = fstat(&held)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.file(reopen(source, from, &held, OFlags::empty())?, target, to),
            FileType::Directory => self.folder(reopen(source, from, &held, OFlags::DIRECTORY)?, target, to),
            FileType::Symlink if self.depth > 0 => self.link(&held, target, to),
            _ => Err(Odd::Kind),
        }
    }

    fn file(&mut self, source: OwnedFd, target: BorrowedFd<'_>, to: &OsStr) -> Result<(), Odd> {
        let mode = fstat(&source)?.st_mode & 0o777;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut written = File::from(openat(target, to, flags, Mode::RUSR | Mode::WUSR)?);
        // One byte more than there may be tells that there are too many, however the file grows meanwhile.
        let mut bounded = File::from(source).take(self.left.bytes.saturating_add(1));
        let mut piece = vec![0; PIECE];
        loop {
            let count = bounded.read(&mut piece)?;
            if count == 0 {
                break;
            }
            self.left.bytes = self.left.bytes.checked_sub(count as u64).ok_or(Odd::TooMuch)?;
            io::Write::write_all(&mut written, piece.get(..count).unwrap_or_default())?;
        }
        Ok(fchmod(&written, Mode::from_raw_mode(mode))?)
    }

    fn folder(&mut self, source: OwnedFd, target: BorrowedFd<'_>, to: &OsStr) -> Result<(), Odd> {
        if self.depth == DEPTH {
            return Err(Odd::TooMuch);
        }
        mkdirat(target, to, Mode::RWXU)?;
        let made = openat(target, to, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        self.depth += 1;
        for name in names(&source)? {
            self.entry(source.as_fd(), &name, made.as_fd(), &name)?;
        }
        self.depth -= 1;
        // Last: a folder that may not be written to is filled first.
        Ok(fchmod(&made, Mode::from_raw_mode(fstat(&source)?.st_mode & 0o777))?)
    }

    fn link(&self, held: &OwnedFd, target: BorrowedFd<'_>, to: &OsStr) -> Result<(), Odd> {
        let leads = readlinkat(held, "", Vec::new())?;
        let path = Path::new(OsStr::from_bytes(leads.as_bytes()));
        if !stays(path, self.depth) {
            return Err(Odd::Out(path.to_string_lossy().escape_debug().to_string()));
        }
        Ok(symlinkat(path, target, to)?)
    }
}

/// Steps upwards first, and no more than lead to the top of what is carried; nowhere else, for what they would lead up
/// from might itself be a link.
fn stays(path: &Path, depth: usize) -> bool {
    let mut parts = path.components().skip_while(|part| *part == Component::CurDir).peekable();
    let mut up = 0;
    while parts.next_if_eq(&Component::ParentDir).is_some() {
        up += 1;
    }
    // The folder that a link lies in is one below the top when its depth is 1.
    up < depth && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// The same thing once more, to be read: opened by its name, and compared with what was looked at.
fn reopen(folder: BorrowedFd<'_>, name: &OsStr, held: &OwnedFd, more: OFlags) -> Result<OwnedFd, Odd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    let opened = openat(folder, name, flags, Mode::empty())?;
    let (one, other) = (fstat(held)?, fstat(&opened)?);
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino) { Ok(opened) } else { Err(Odd::Kind) }
}

pub(crate) fn names(folder: &OwnedFd) -> Result<Vec<OsString>, Odd> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
        if names.len() > ENTRIES as usize {
            return Err(Odd::TooMuch);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn carried(fill: impl Fn(&Path), bytes: u64) -> (tempfile::TempDir, Result<(), Odd>) {
        let temp = tempfile::tempdir().unwrap();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        fs::create_dir_all(from.join("top")).unwrap();
        fs::create_dir(&to).unwrap();
        fill(&from.join("top"));
        let open = |path: &Path| File::open(path).unwrap();
        let (from, to) = (open(&from), open(&to));
        let name = OsStr::new("top");
        let result = carry(from.as_fd(), name, to.as_fd(), name, Bounds::of_bytes(bytes));
        (temp, result)
    }

    #[test]
    fn files_folders_and_inner_links_are_carried_and_no_owner_or_set_user_bit() {
        let (temp, result) = carried(
            |top| {
                fs::create_dir(top.join("a")).unwrap();
                fs::write(top.join("a/file"), "12345").unwrap();
                fs::set_permissions(top.join("a/file"), fs::Permissions::from_mode(0o4751)).unwrap();
                symlink("../b", top.join("a/link")).unwrap();
                symlink("a/file", top.join("b")).unwrap();
                fs::set_permissions(top.join("a"), fs::Permissions::from_mode(0o500)).unwrap();
            },
            5,
        );
        result.unwrap();
        let to = temp.path().join("to/top");
        assert_eq!(fs::read_to_string(to.join("a/link")).unwrap(), "12345");
        assert_eq!(fs::metadata(to.join("a/file")).unwrap().permissions().mode() & 0o7777, 0o751);
        assert_eq!(fs::metadata(to.join("a")).unwrap().permissions().mode() & 0o7777, 0o500);
        for folder in ["to/top/a", "from/top/a"] {
            fs::set_permissions(temp.path().join(folder), fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        let link = |target: &'static str| carried(move |top| symlink(target, top.join("l")).unwrap(), 9).1;
        for target in ["/etc/passwd", "..", "../x", "a/../../x", "a/..", "./../x"] {
            assert!(matches!(link(target), Err(Odd::Out(_))), "{target}");
        }
        for target in ["x", "./x", "a/b", "."] {
            assert!(link(target).is_ok(), "{target}");
        }
        let fifo = |top: &Path| {
            rustix::fs::mknodat(rustix::fs::CWD, top.join("p"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        };
        assert!(matches!(carried(fifo, 9).1, Err(Odd::Kind)));
        let socket = |top: &Path| drop(std::os::unix::net::UnixListener::bind(top.join("s")).unwrap());
        assert!(matches!(carried(socket, 9).1, Err(Odd::Kind)));
        let large = |top: &Path| fs::write(top.join("f"), "1234567890").unwrap();
        assert!(matches!(carried(large, 9).1, Err(Odd::TooMuch)));
        assert!(carried(large, 10).1.is_ok());
    }

    #[test]
    fn a_link_by_itself_is_refused_and_nothing_is_written_over() {
        let temp = tempfile::tempdir().unwrap();
        symlink("x", temp.path().join("l")).unwrap();
        fs::write(temp.path().join("f"), "old").unwrap();
        fs::write(temp.path().join("x"), "new").unwrap();
        let folder = File::open(temp.path()).unwrap();
        let carry = |from: &str, to: &str| {
            carry(folder.as_fd(), OsStr::new(from), folder.as_fd(), OsStr::new(to), Bounds::of_bytes(9))
        };
        assert!(matches!(carry("l", "m"), Err(Odd::Kind)));
        assert!(matches!(carry("x", "f"), Err(Odd::Io(_))) && matches!(carry("x", "l"), Err(Odd::Io(_))));
        assert_eq!(fs::read_to_string(temp.path().join("f")).unwrap(), "old");
    }
}
