//! What is mounted where, and so by which other names a path can be reached (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::ambient;

/// The longest table that is read, in bytes.
const MOST: u64 = 16 << 20;

/// The mounts that this process sees.
#[derive(Debug, Default)]
pub(crate) struct MountTable(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    device: Vec<u8>,
    /// What of the file system is mounted.
    root: PathBuf,
    /// Where.
    point: PathBuf,
    kind: String,
}

/// Another name of a path, or of something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtherName {
    /// The name.
    pub(crate) path: PathBuf,
    /// The mount that it leads through.
    pub(crate) point: PathBuf,
    /// Whether it is that of a part of the path.
    pub(crate) is_part: bool,
}

impl MountTable {
    /// Reads the kernel's table.
    pub(crate) fn read() -> io::Result<Self> {
        let mut text = Vec::new();
        ambient::open_named(Path::new("/proc/self/mountinfo"))?.take(MOST + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MOST {
            return Err(io::Error::other("there are too many mounts"));
        }
        Ok(Self::parse(&text))
    }

    fn parse(text: &[u8]) -> Self {
        Self(text.split(|&byte| byte == b'\n').filter_map(entry).collect())
    }

    /// The kinds of the file systems that a recursive bind of a path would show.
    pub(crate) fn kinds_in(&self, path: &Path) -> impl Iterator<Item = &str> {
        self.mount_of(path).into_iter().chain(self.below(path)).map(|entry| entry.kind.as_str())
    }

    /// By which other names a recursive bind of a path could be had: its own, and those of what is mounted below it.
    pub(crate) fn other_names(&self, path: &Path) -> Vec<OtherName> {
        let own = self.mount_of(path).and_then(|entry| Some((entry, path.strip_prefix(&entry.point).ok()?)));
        let below = self.below(path).map(|entry| (entry, Path::new("")));
        own.into_iter()
            .chain(below)
            .flat_map(|(entry, rest)| self.names_of(&entry.device, &plain_join(&entry.root, rest)))
            .filter(|name| !name.path.starts_with(path))
            .collect()
    }

    /// The names of a path within a file system; of what contains a mount, that mount's.
    fn names_of(&self, device: &[u8], inside: &Path) -> Vec<OtherName> {
        let name = |entry: &Entry| {
            let (path, is_part) = match inside.strip_prefix(&entry.root) {
                Ok(rest) => (plain_join(&entry.point, rest), false),
                Err(_) if entry.root.starts_with(inside) => (entry.point.clone(), true),
                Err(_) => return None,
            };
            Some(OtherName { path, point: entry.point.clone(), is_part })
        };
        self.0.iter().filter(|entry| entry.device == device).filter_map(name).collect()
    }

    /// The mount that a path lies in: of those above it the deepest, and of these the last.
    fn mount_of(&self, path: &Path) -> Option<&Entry> {
        let above = self.0.iter().filter(|entry| path.starts_with(&entry.point));
        above.max_by_key(|entry| entry.point.components().count())
    }

    fn below(&self, path: &Path) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.point != path && entry.point.starts_with(path))
    }
}

/// Joined without the slash that an empty rest would leave at the end.
fn plain_join(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { folder.to_path_buf() } else { folder.join(rest) }
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw`
fn entry(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&byte| byte == b' ');
    let device = fields.nth(2)?.to_vec();
    let (root, point) = (path(fields.next()?), path(fields.next()?));
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Entry { device, root, point, kind: String::from_utf8_lossy(kind).into_owned() })
}

/// A path with blanks, tabs, line ends and backslashes in octal.
fn path(field: &[u8]) -> PathBuf {
    let (mut bytes, mut rest) = (Vec::with_capacity(field.len()), field);
    loop {
        rest = match rest {
            [] => return PathBuf::from(OsString::from_vec(bytes)),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                tail
            }
            [byte, tail @ ..] => {
                bytes.push(*byte);
                tail
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw shared:2 - proc proc rw
24 22 8:1 /etc/ssh /srv/a\\040b rw - ext4 /dev/sda1 rw
25 22 8:2 / /data rw - xfs /dev/sdb1 rw
26 22 8:2 /docker /var/lib/docker rw master:7 - xfs /dev/sdb1 rw
27 22 0:21 / /srv/p rw - proc proc rw
";

    fn names(path: &str) -> Vec<String> {
        let table = MountTable::parse(TABLE.as_bytes());
        table.other_names(Path::new(path)).into_iter().map(|name| name.path.display().to_string()).collect()
    }

    #[test]
    fn a_path_has_the_names_of_every_mount_that_shows_it() {
        assert_eq!(names("/srv/a b/x"), ["/etc/ssh/x"]);
        assert_eq!(names("/srv/a b"), ["/etc/ssh"]);
        assert_eq!(names("/etc/ssh"), ["/srv/a b"]);
        assert_eq!(names("/home/me"), [""; 0]);
        assert_eq!(names("/data/docker/x"), ["/var/lib/docker/x"]);
        assert_eq!(names("/data"), ["/var/lib/docker"], "what it contains");
        assert_eq!(names("/data/other"), [""; 0]);
        assert_eq!(names("/srv"), ["/etc/ssh", "/proc"], "what is mounted below");
    }

    #[test]
    fn the_kinds_of_a_path_and_of_what_is_mounted_below() {
        let table = MountTable::parse(TABLE.as_bytes());
        assert_eq!(table.kinds_in(Path::new("/srv/p/1")).collect::<Vec<_>>(), ["proc"]);
        assert_eq!(table.kinds_in(Path::new("/srv")).collect::<Vec<_>>(), ["ext4", "ext4", "proc"]);
    }

    #[test]
    fn the_kernels_own_table_is_read() {
        let table = MountTable::read().unwrap();
        assert!(table.kinds_in(Path::new("/proc/self")).any(|kind| kind == "proc"));
        assert_eq!(MountTable::parse(b"junk\n1 2 3\n\n").0.len(), 0);
    }
}
