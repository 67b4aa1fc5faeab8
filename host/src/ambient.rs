//! The few places where authority is taken from the surroundings instead of being handed in.
//!
//! `ambient_authority()` stands in this file alone: `grep ambient_authority host/src` is the audit.
//! Everything else works below a [`Dir`] that it was given.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};

/// Opens a directory by its path. Symbolic links are followed: the caller checks what was opened, not its name.
///
/// # Errors
/// What `open(2)` says.
pub(crate) fn open_dir(path: &Path) -> io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}

/// Opens what an operator named, to read it: a file, or a directory. A pipe does not make us wait for its writer.
///
/// # Errors
/// What `open(2)` says.
pub(crate) fn open_named(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Creates a directory and its missing parents, each with mode 0700. One that exists is left as it is.
///
/// # Errors
/// What `mkdir(2)` says.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The kernel's identity of this boot (random(4), `/proc/sys/kernel/random/boot_id`), or `None` where `/proc` has none.
pub(crate) fn boot_id() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    u128::from_str_radix(&text.trim().replace('-', ""), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_created_directory_is_private_and_its_parents_too() {
        let temp = tempfile::tempdir().unwrap();
        let deep = temp.path().join("a/b");
        create_private_dir(&deep).unwrap();
        create_private_dir(&deep).unwrap();
        for dir in [temp.path().join("a"), deep] {
            assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn the_boot_id_stays_the_same() {
        assert_eq!(boot_id(), boot_id());
    }
}
