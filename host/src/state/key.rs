//! The install key, the keys derived from it, and the install's public name.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use cap_std::fs::Dir;
use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{Area, StateError, check, io_error, random, sync_dir, to_hex};

const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
/// Bits by which someone else could do anything with a file.
const OTHERS_ANY: u32 = 0o077;

/// The secret of one install: 32 random bytes that never leave the process but as MACs.
///
/// `Debug` doesn't print it. Nothing uses it as it is; each purpose [derives](Self::derive) a key of its own.
#[derive(Clone)]
pub struct InstallKey([u8; KEY_BYTES]);

impl InstallKey {
    /// A key of known bytes, for whoever keeps keys elsewhere, and for tests.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key for one purpose: HMAC-SHA256 of the purpose's name under this key.
    #[must_use]
    pub fn derive(&self, domain: &'static str) -> DerivedKey {
        DerivedKey(hmac_of(&self.0).chain_update(b"portreeve 1 ").chain_update(domain).finalize().into_bytes().into())
    }

    pub(super) fn load_or_create(dir: &Dir, path: &Path) -> Result<Self, StateError> {
        let path = path.join(KEY_FILE);
        match Self::load(dir, &path)? {
            Some(key) => Ok(key),
            None => Self::create(dir, &path),
        }
    }

    #[cfg(test)]
    pub(super) fn reveal(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn load(dir: &Dir, path: &Path) -> Result<Option<Self>, StateError> {
        // NONBLOCK: a FIFO put in its place must not hang us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(dir, KEY_FILE, flags, Mode::empty()) {
            Ok(fd) => Self::read(fd, path).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP) => Err(not_a_key(path)),
            Err(error) => Err(io_error("open", path)(error.into())),
        }
    }

    fn read(fd: OwnedFd, path: &Path) -> Result<Self, StateError> {
        let stat = rustix::fs::fstat(&fd).map_err(|error| io_error("look at", path)(error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_size != KEY_BYTES as i64 {
            return Err(not_a_key(path));
        }
        check(&stat, path, OTHERS_ANY, 0o600)?;
        let mut bytes = [0; KEY_BYTES];
        File::from(fd).read_exact(&mut bytes).map_err(io_error("read", path))?;
        Ok(Self(bytes))
    }

    fn create(dir: &Dir, path: &Path) -> Result<Self, StateError> {
        if dir.symlink_metadata(Area::Journal.name()).is_ok() {
            // Another process may have made both since we looked: the key always comes first.
            return Self::load(dir, path)?.ok_or_else(|| StateError::KeyLost { path: path.to_path_buf() });
        }
        publish_key(dir).map_err(io_error("create", path))?;
        Self::load(dir, path)?.ok_or_else(|| io_error("create", path)(io::ErrorKind::NotFound.into()))
    }
}

impl fmt::Debug for InstallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallKey(…)")
    }
}

fn not_a_key(path: &Path) -> StateError {
    StateError::Kind { path: path.to_path_buf(), expected: "a key of 32 bytes" }
}

/// Many processes may do this at once: each writes a whole file of its own, the first to link it wins.
fn publish_key(dir: &Dir) -> io::Result<()> {
    let temporary = format!("{KEY_FILE}.{}.new", to_hex(&random::<8>()?));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(dir, &temporary, flags, Mode::RUSR | Mode::WUSR)?);
    let published = write_key(&mut file).and_then(|()| link_key(dir, &temporary));
    rustix::fs::unlinkat(dir, &temporary, AtFlags::empty())?;
    published?;
    sync_dir(dir)
}

fn write_key(file: &mut File) -> io::Result<()> {
    file.write_all(&random::<KEY_BYTES>()?)?;
    file.sync_all()
}

fn link_key(dir: &Dir, temporary: &str) -> io::Result<()> {
    match rustix::fs::linkat(dir, temporary, dir, KEY_FILE, AtFlags::empty()) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A key for one purpose, derived from the install's. `Debug` doesn't print it.
#[derive(Clone)]
pub struct DerivedKey([u8; KEY_BYTES]);

impl DerivedKey {
    #[cfg(test)]
    pub(super) fn reveal(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key itself, for another keyed hash of the same length.
    pub(crate) const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// An HMAC-SHA256 under this key, ready to be fed.
    pub(crate) fn hmac(&self) -> Hmac<Sha256> {
        hmac_of(&self.0)
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey(…)")
    }
}

fn hmac_of(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    // RFC 2104: a short key is filled up with zeros to a block, so this can't fail.
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new(&block)
}

/// The public name of an install: 16 hexadecimal digits that its key gives, and that don't give the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstallId(String);

impl InstallId {
    /// How many characters it has.
    pub const LENGTH: usize = 16;

    /// The name of the install whose key this is.
    #[must_use]
    pub fn of(key: &InstallKey) -> Self {
        let hash = Sha256::digest(key.derive("install-id").0);
        Self(to_hex(&hash).chars().take(Self::LENGTH).collect())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivations_are_those_of_rfc_2104() {
        // Computed with another implementation: HMAC-SHA256(0x07 × 32, "portreeve 1 owner").
        let key = InstallKey::from_bytes([7; 32]);
        assert_eq!(to_hex(&key.derive("owner").0), OWNER_KEY_OF_SEVENS);
    }

    const OWNER_KEY_OF_SEVENS: &str = "749b460da1172559cb426f5402cef795017d700baea5c3a9a3adbd8696a83cf2";
}
