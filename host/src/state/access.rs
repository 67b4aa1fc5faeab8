//! Who else could change what the state is made of: nobody may.

use std::path::Path;

use cap_std::fs::Dir;
use rustix::fs::Stat;

use super::{StateError, io_error};

/// Bits by which someone else could write.
const OTHERS_WRITE: u32 = 0o022;
const ANYBODY_WRITES: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Checks the handle, not the name: what was opened is what will be used.
pub(super) fn check_dir(dir: &Dir, path: &Path) -> Result<(), StateError> {
    let stat = rustix::fs::fstat(dir).map_err(|error| io_error("look at", path)(error.into()))?;
    check(&stat, path, OTHERS_WRITE, 0o700)
}

/// Whether nobody else could exchange it as a whole: each folder above is ours or root's, and one that everybody can write
/// is sticky.
pub(super) fn check_above(path: &Path) -> Result<(), StateError> {
    let user = rustix::process::geteuid().as_raw();
    for folder in path.ancestors().skip(1) {
        let stat = rustix::fs::stat(folder).map_err(|error| io_error("look at", folder)(error.into()))?;
        let mode = stat.st_mode & 0o7777;
        if stat.st_uid != user && stat.st_uid != 0 {
            return Err(StateError::Owner { path: folder.to_path_buf(), owner: stat.st_uid, user });
        }
        if mode & ANYBODY_WRITES != 0 && mode & STICKY == 0 {
            return Err(StateError::Mode { path: folder.to_path_buf(), mode, should: mode & !ANYBODY_WRITES });
        }
    }
    Ok(())
}

/// A file that nobody else owns or can write.
pub(crate) fn check_file(stat: &Stat, path: &Path) -> Result<(), StateError> {
    check(stat, path, OTHERS_WRITE, 0o600)
}

/// Whether a thing is ours, and nobody else has the forbidden rights to it.
pub(super) fn check(stat: &Stat, path: &Path, forbidden: u32, should: u32) -> Result<(), StateError> {
    let (user, mode) = (rustix::process::geteuid().as_raw(), stat.st_mode & 0o7777);
    if stat.st_uid != user {
        return Err(StateError::Owner { path: path.to_path_buf(), owner: stat.st_uid, user });
    }
    if mode & forbidden != 0 {
        return Err(StateError::Mode { path: path.to_path_buf(), mode, should });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_user_owns_is_refused() {
        let mut stat = rustix::fs::stat("/").unwrap();
        stat.st_uid = rustix::process::geteuid().as_raw() + 1;
        let error = check(&stat, Path::new("/x"), OTHERS_WRITE, 0o700).unwrap_err();
        assert!(matches!(error, StateError::Owner { .. }) && error.to_string().contains("--state"), "{error}");
    }
}
