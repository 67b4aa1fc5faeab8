//! A store of layers by digest, in a directory of the host's own.
//!
//! A layer gets its name when all of it was received and hashes to its digest. That it bears the name later proves
//! nothing: whoever reads it hashes it again, and removes one that was changed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::manifest::Descriptor;
use crate::digest::{Digest, Mismatch, Verifier};
use crate::state::{random, to_hex, whole};

/// What a name begins with while its layer is being received.
const INCOMING: &str = "new-";
/// How old a file must be that nobody finishes any more, in seconds: a day.
const ABANDONED: i64 = 24 * 60 * 60;

/// A layer that is held.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct HeldLayer {
    /// Its digest, of its bytes as they are stored.
    pub digest: Digest,
    /// How many bytes that is.
    pub size: u64,
}

/// Layers by digest, one file each, readable by their owner alone. Two processes may use one directory at once.
#[derive(Debug)]
pub(crate) struct LayerStore {
    dir: Dir,
}

impl LayerStore {
    /// A store in `dir`, which belongs to it alone.
    pub(crate) const fn new(dir: Dir) -> Self {
        Self { dir }
    }

    /// Whether a layer of this digest and size is here; its bytes are hashed when they are read.
    pub(crate) fn has(&self, layer: &Descriptor) -> bool {
        self.open(&layer.digest).is_ok_and(|file| file.is_some_and(|(_, size)| size == layer.size))
    }

    /// A layer's file and its size.
    pub(crate) fn open(&self, digest: &Digest) -> io::Result<Option<(File, u64)>> {
        match whole::open(&self.dir, &file_name(digest)) {
            Ok((file, stat)) => Ok(Some((file, u64::try_from(stat.st_size).unwrap_or_default()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins to take a layer in.
    pub(crate) fn receive(&self, digest: &Digest) -> io::Result<Incoming<'_>> {
        let name = format!("{INCOMING}{}", to_hex(&random::<8>()?));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(&self.dir, &name, flags, Mode::RUSR | Mode::WUSR)?);
        Ok(Incoming { store: self, file, name, verifier: Verifier::new(*digest), digest: *digest, kept: false })
    }

    /// All that is held.
    pub(crate) fn list(&self) -> io::Result<Vec<HeldLayer>> {
        let mut held = Vec::new();
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            let Some(digest) = name.to_str().and_then(digest_of) else { continue };
            if let Ok(Some((_, size))) = self.open(&digest) {
                held.push(HeldLayer { digest, size });
            }
        }
        held.sort_by_key(|layer| layer.digest.to_string());
        Ok(held)
    }

    /// Removes a layer; whether it was here.
    pub(crate) fn remove(&self, digest: &Digest) -> io::Result<bool> {
        match unlinkat(&self.dir, file_name(digest), AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what processes left that ended in the middle of a layer.
    pub(crate) fn sweep(&self, now: i64) -> io::Result<()> {
        for entry in self.dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let is_incoming = name.to_str().is_some_and(|name| name.starts_with(INCOMING));
            if is_incoming && whole::open(&self.dir, &name.to_string_lossy()).is_ok_and(|(file, _)| is_old(&file, now))
            {
                let _gone = unlinkat(&self.dir, &name, AtFlags::empty());
            }
        }
        Ok(())
    }
}

fn is_old(file: &File, now: i64) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.mtime() < now.saturating_sub(ABANDONED))
}

fn file_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm(), digest.hex())
}

fn digest_of(name: &str) -> Option<Digest> {
    name.replacen('-', ":", 1).parse().ok()
}

/// Why a layer was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    /// It is another one.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// It could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A layer that is being received; it leaves nothing behind unless it is kept.
pub(crate) struct Incoming<'a> {
    store: &'a LayerStore,
    file: File,
    name: String,
    verifier: Verifier,
    digest: Digest,
    kept: bool,
}

impl Incoming<'_> {
    /// Takes the next piece.
    pub(crate) fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.verifier.update(piece);
        self.file.write_all(piece)
    }

    /// Gives it its name, if it is what it is to be.
    pub(crate) fn keep(mut self) -> Result<(), KeepError> {
        std::mem::replace(&mut self.verifier, Verifier::new(self.digest)).finish()?;
        self.file.sync_all()?;
        renameat(&self.store.dir, &self.name, &self.store.dir, file_name(&self.digest)).map_err(io::Error::from)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _gone = unlinkat(&self.store.dir, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Whether a read failed since the bytes are others than they were to be.
pub(crate) fn is_mismatch(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<Mismatch>())
}

/// Hashes what is read through it, and fails at the end where that is another digest.
pub(crate) struct Proving<R> {
    reader: R,
    verifier: Option<Verifier>,
}

impl<R> Proving<R> {
    /// Reads what must hash to `digest`.
    pub(crate) fn new(reader: R, digest: &Digest) -> Self {
        Self { reader, verifier: Some(Verifier::new(*digest)) }
    }
}

impl<R: Read> Read for Proving<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        match (read, &mut self.verifier) {
            (0, verifier) if !buffer.is_empty() => {
                verifier.take().map_or(Ok(()), Verifier::finish).map_err(io::Error::other)?;
            }
            (_, Some(verifier)) => verifier.update(buffer.get(..read).unwrap_or_default()),
            (_, None) => {}
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn store() -> (tempfile::TempDir, LayerStore) {
        let folder = tempfile::tempdir().unwrap();
        let dir = crate::ambient::open_dir(folder.path()).unwrap();
        (folder, LayerStore::new(dir))
    }

    fn descriptor(bytes: &[u8]) -> Descriptor {
        Descriptor { media_type: "x".to_owned(), digest: Digest::sha256(bytes), size: bytes.len() as u64 }
    }

    fn received(store: &LayerStore, digest: &Digest, pieces: &[&[u8]]) -> Result<(), KeepError> {
        let mut incoming = store.receive(digest)?;
        pieces.iter().try_for_each(|piece| incoming.take(piece))?;
        incoming.keep()
    }

    #[test]
    fn a_layer_is_kept_whole_or_not_at_all() {
        let (folder, store) = store();
        let layer = descriptor(b"layer");
        drop(store.receive(&layer.digest).unwrap());
        assert!(matches!(received(&store, &layer.digest, &[b"lay", b"or"]), Err(KeepError::Mismatch(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        received(&store, &layer.digest, &[b"lay", b"", b"er"]).unwrap();
        assert!(store.has(&layer) && !store.has(&Descriptor { size: 4, ..layer.clone() }));
        assert_eq!(store.list().unwrap(), [HeldLayer { digest: layer.digest, size: 5 }]);
        assert!(store.remove(&layer.digest).unwrap() && !store.remove(&layer.digest).unwrap());
        assert!(!store.has(&layer) && store.list().unwrap().is_empty());
    }

    #[test]
    fn what_was_changed_is_found_when_it_is_read() {
        let (folder, store) = store();
        let digest = Digest::sha256(b"layer");
        received(&store, &digest, &[b"layer"]).unwrap();
        let read = |bytes: &mut Vec<u8>| {
            let (file, _) = store.open(&digest).unwrap().unwrap();
            Proving::new(file, &digest).read_to_end(bytes)
        };
        let mut bytes = Vec::new();
        read(&mut bytes).unwrap();
        assert_eq!(bytes, b"layer");
        fs::write(folder.path().join(file_name(&digest)), b"lay3r").unwrap();
        assert!(is_mismatch(&read(&mut Vec::new()).unwrap_err()));
    }

    #[test]
    fn what_nobody_finishes_is_swept_away() {
        let (folder, store) = store();
        let digest = Digest::sha256(b"layer");
        received(&store, &digest, &[b"layer"]).unwrap();
        let incoming = store.receive(&digest).unwrap();
        let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs())
            .unwrap();
        store.sweep(now).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        store.sweep(now + ABANDONED + 9).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(incoming.keep().is_err());
    }

    #[test]
    fn links_and_other_files_are_no_layers() {
        let (folder, store) = store();
        let layer = descriptor(b"layer");
        fs::write(folder.path().join("layer"), b"layer").unwrap();
        std::os::unix::fs::symlink("layer", folder.path().join(file_name(&layer.digest))).unwrap();
        assert!(!store.has(&layer) && store.open(&layer.digest).is_err());
        received(&store, &layer.digest, &[b"layer"]).unwrap();
        assert!(store.has(&layer));
    }
}
