//! A store of manifests and configurations by digest, in a directory of the host's own.
//!
//! The name of a file is never trusted: what is read is hashed each time, and a file that is not what its name says
//! is removed and counts as absent. What is written is hashed before it gets its name.

use std::io;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, unlinkat};

use super::chain::{Content, ManifestSource, SourceError};
use super::manifest::MANIFEST_MAX;
use crate::digest::{Digest, Mismatch};
use crate::state::whole;

/// Why a blob was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The bytes are not those of the digest.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// More than [`MANIFEST_MAX`] bytes.
    #[error("the blob has {size} bytes: {MANIFEST_MAX} are allowed")]
    TooLarge {
        /// How many there are.
        size: u64,
    },
    /// The directory could not be written.
    #[error("the blob could not be written: {0}")]
    Io(#[from] io::Error),
}

/// Manifests and configurations by digest, one file each, readable by their owner alone.
///
/// Two processes may use one directory at once. No link in it is ever followed.
#[derive(Debug)]
pub struct BlobStore {
    dir: Dir,
}

impl BlobStore {
    /// A store in `dir`, which belongs to it alone.
    #[must_use]
    pub const fn new(dir: Dir) -> Self {
        Self { dir }
    }

    /// The bytes that hash to `digest`, hashed anew; `None` when they are not here, or were and had changed.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        let name = file_name(digest);
        match whole::get(&self.dir, &name, MANIFEST_MAX) {
            Ok(bytes) if digest.verify(&bytes).is_ok() => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Ok(_) | Err(_) => {
                self.remove(&name);
                None
            }
        }
    }

    /// Keeps `bytes` under `digest`.
    ///
    /// # Errors
    /// [`BlobError`]; nothing is kept then.
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), BlobError> {
        let size = bytes.len() as u64;
        if size > MANIFEST_MAX {
            return Err(BlobError::TooLarge { size });
        }
        digest.verify(bytes)?;
        Ok(whole::put(&self.dir, &file_name(digest), &[bytes])?)
    }

    /// A file that can't be removed does no harm: it is hashed whenever it is read.
    fn remove(&self, name: &str) {
        let _harmless = unlinkat(&self.dir, name, AtFlags::empty());
    }
}

impl ManifestSource for BlobStore {
    fn fetch(&self, digest: &Digest, _: Content) -> Result<Vec<u8>, SourceError> {
        self.get(digest).ok_or_else(|| SourceError::Absent {
            why: "the host has not kept it".to_owned(),
            remedy: "pull the image again".to_owned(),
        })
    }
}

fn file_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm(), digest.hex())
}

/// Unguessable enough that two processes do not meet; `O_EXCL` decides if they do.
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use cap_std::ambient_authority;
    use tempfile::TempDir;

    use super::*;

    fn store() -> (TempDir, BlobStore) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        (folder, BlobStore::new(dir))
    }

    fn names(folder: &TempDir) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        fs::read_dir(folder.path()).unwrap().map(name).collect()
    }

    #[test]
    fn what_is_put_is_got_back_and_is_private() {
        let (folder, store) = store();
        let digest = Digest::sha256(b"{}");
        assert_eq!(store.get(&digest), None);
        store.put(&digest, b"{}").unwrap();
        store.put(&digest, b"{}").unwrap();
        assert_eq!(store.get(&digest).as_deref(), Some(&b"{}"[..]));
        assert_eq!(names(&folder), [file_name(&digest)]);
        let mode = fs::metadata(folder.path().join(file_name(&digest))).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn other_bytes_are_never_kept() {
        let (folder, store) = store();
        let digest = Digest::sha256(b"good");
        assert!(matches!(store.put(&digest, b"bad"), Err(BlobError::Mismatch(_))));
        let large = vec![0; usize::try_from(MANIFEST_MAX).unwrap() + 1];
        assert!(matches!(store.put(&Digest::sha256(&large), &large), Err(BlobError::TooLarge { .. })));
        assert!(names(&folder).is_empty());
    }

    #[test]
    fn a_changed_blob_is_removed() {
        let (folder, store) = store();
        let digest = Digest::sha256(b"good");
        store.put(&digest, b"good").unwrap();
        fs::write(folder.path().join(file_name(&digest)), b"evil").unwrap();
        assert_eq!(store.get(&digest), None);
        assert!(names(&folder).is_empty());
        store.put(&digest, b"good").unwrap();
        assert!(store.get(&digest).is_some());
    }

    #[test]
    fn links_pipes_and_giants_are_not_read() {
        let (folder, store) = store();
        let digest = Digest::sha256(b"good");
        let path = folder.path().join(file_name(&digest));
        let good = folder.path().join("good");
        fs::write(&good, b"good").unwrap();
        symlink(&good, &path).unwrap();
        assert_eq!(store.get(&digest), None);
        assert!(good.exists() && !path.exists());
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        assert_eq!(store.get(&digest), None);
        fs::File::create(&path).unwrap().set_len(MANIFEST_MAX + 1).unwrap();
        assert_eq!(store.get(&digest), None);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_in_the_way_is_an_error_and_leaves_nothing() {
        let (folder, store) = store();
        let digest = Digest::sha256(b"good");
        fs::create_dir(folder.path().join(file_name(&digest))).unwrap();
        assert!(matches!(store.put(&digest, b"good"), Err(BlobError::Io(_))));
        assert_eq!(names(&folder), [file_name(&digest)]);
    }

    #[test]
    fn as_a_source_it_says_what_would_help() {
        let (_folder, store) = store();
        let absent = store.fetch(&Digest::sha256(b""), Content::Manifest);
        assert!(matches!(absent, Err(SourceError::Absent { remedy, .. }) if remedy.contains("pull")));
    }
}
