//! A policy file that nobody else could have written.

use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use super::Policy;
use crate::ambient;
use crate::error::Error;
use crate::walk::{Step, WalkError, walk};

/// Bytes of a policy file at most.
const MOST: u64 = 1 << 20;
const WRITABLE_BY_ANYBODY: u32 = 0o002;
const STICKY: u32 = 0o1000;

impl Policy {
    /// Reads a policy from a file. The file is the caller's own or root's, and nobody else can write it, or exchange it
    /// or a folder above it: whoever could would set the ceilings.
    ///
    /// # Errors
    /// With the path, what is wrong with it, and what would be right; else as [`Policy::parse`].
    pub fn open(file: &Path) -> Result<Self, Error> {
        let shown = file.display().to_string();
        let io = |source| Error::Io { what: shown.clone(), source };
        let path = std::path::absolute(file).map_err(io)?;
        // Parts such as `..` mean what the kernel says they do.
        let folder = path.parent().map(std::fs::canonicalize).transpose().map_err(io)?;
        let path = folder.unwrap_or_default().join(path.file_name().unwrap_or_default());
        let mut bytes = Vec::new();
        checked(&path)?.take(MOST + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > MOST {
            return Err(Error::Config(format!("{shown}: it is over {MOST} bytes; a policy file has at most that")));
        }
        let text = String::from_utf8(bytes).map_err(|error| not_text(&shown, &error))?;
        Self::parse(&text, &shown)
    }
}

/// Where a file is no text.
pub(crate) fn not_text(shown: &str, error: &std::string::FromUtf8Error) -> Error {
    let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Error::Config(format!("{shown}:{line}:{column}: a byte that is not UTF-8; write the file as UTF-8"))
}

/// The file, opened by what was checked.
fn checked(path: &Path) -> Result<std::fs::File, Error> {
    let me = rustix::process::geteuid().as_raw();
    let found = walk(path, |step| judge(step, me)).map_err(Error::from)?;
    if FileType::from_raw_mode(found.stat.st_mode) != FileType::RegularFile {
        return Err(Unsafe::new(&found.path, "is no regular file; name the policy file itself").into());
    }
    let held = PathBuf::from(format!("/proc/self/fd/{}", found.fd.as_raw_fd()));
    ambient::open_named(&held).map_err(|source| Error::Io { what: path.display().to_string(), source })
}

fn judge(step: &Step<'_>, me: u32) -> Result<(), Unsafe> {
    let (stat, is_folder) = (step.stat, step.is(FileType::Directory));
    let writable = |stat: &Stat| stat.st_mode & WRITABLE_BY_ANYBODY != 0;
    let foreign = stat.st_uid != 0 && stat.st_uid != me;
    match () {
        () if step.is(FileType::Symlink) => match step.parent().is_some_and(writable) && foreign {
            true => Err(Unsafe::new(&step.path(), "is a link of another user in a folder that everybody can write")),
            false => Ok(()),
        },
        () if foreign => {
            Err(Unsafe::new(&step.path(), "belongs to another user; a policy is its reader's own, or root's"))
        }
        () if writable(stat) && !(is_folder && stat.st_mode & STICKY != 0) => {
            Err(Unsafe::new(&step.path(), "can be written by everybody; chmod o-w it"))
        }
        () => Ok(()),
    }
}

/// Why a policy file can't be trusted.
struct Unsafe(String);

impl Unsafe {
    fn new(path: &Path, why: &str) -> Self {
        Self(format!("the policy file can't be trusted: {} {why}", path.display()))
    }
}

impl From<WalkError> for Unsafe {
    fn from(error: WalkError) -> Self {
        Self(format!("the policy file: {error}"))
    }
}

impl From<Unsafe> for Error {
    fn from(error: Unsafe) -> Self {
        Self::Config(error.0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_others_can_write_is_not_obeyed() {
        let temp = tempfile::tempdir().unwrap();
        let (folder, linked) = (temp.path().join("folder"), temp.path().join("linked.toml"));
        let file = folder.join("policy.toml");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&file, "extends = \"home\"\n").unwrap();
        symlink(&file, &linked).unwrap();
        assert!(Policy::open(&file).is_ok() && Policy::open(&linked).is_ok());
        assert!(Policy::open(&folder.join("../folder/policy.toml")).is_ok());
        for (path, mode) in [(&file, 0o666), (&folder, 0o777)] {
            let was = path.metadata().unwrap().permissions().mode();
            chmod(path, mode);
            for name in [&file, &linked] {
                let error = Policy::open(name).unwrap_err().to_string();
                assert!(error.contains(&path.display().to_string()) && error.contains("chmod o-w"), "{error}");
            }
            chmod(path, was);
        }
        assert!(Policy::open(&file).is_ok());
    }

    #[test]
    fn what_is_no_text_is_told_with_its_place() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("policy.toml");
        std::fs::write(&file, b"extends = \"home\"\nx\xff").unwrap();
        let error = Policy::open(&file).unwrap_err().to_string();
        assert!(error.contains("policy.toml:2:2: a byte that is not UTF-8"), "{error}");
        assert!(Policy::open(&temp.path().join("absent.toml")).is_err());
        assert!(Policy::open(temp.path()).unwrap_err().to_string().contains("no regular file"));
    }
}
