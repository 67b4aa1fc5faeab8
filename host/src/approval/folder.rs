//! The folder of approvals: records by name, components and grants by digest; all 0600, all replaced by a rename.

use std::io;
use std::path::PathBuf;

use cap_std::fs::Dir;
use rustix::fs::AtFlags;

use super::digest_text;
use super::record::Record;
use crate::backend::BackendSource;
use crate::error::Error;
use crate::state::{Area, DerivedKey, StateDir, check_file, sync_dir, whole};

/// The most bytes of a component, as the sandbox has it, and of everything else.
const COMPONENT: u64 = 64 << 20;
const TEXT: u64 = 1 << 20;
const RECORD: &str = "approval";

pub(super) struct Folder {
    dir: Dir,
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(dir: Dir, state: &StateDir) -> Self {
        Self { dir, path: state.path().join(Area::Backends.name()) }
    }

    /// The names of the records, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |error| Error::io(self.path.display().to_string(), error);
        let mut names = Vec::new();
        for entry in self.dir.entries().map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(&format!(".{RECORD}")));
            names.extend(stem.map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// The record under a name, where there is one; why it does not hold.
    pub(super) fn record(&self, name: &str, key: &DerivedKey) -> Result<Option<Record>, String> {
        match self.read(&format!("{name}.{RECORD}"), TEXT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("its record can't be read: {error}")),
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| "its record was changed".to_owned())?;
                Record::open(&text, name, key).map(Some)
            }
        }
    }

    /// The bytes of the approved component, hashed.
    pub(super) fn component(&self, record: &Record) -> Result<Vec<u8>, String> {
        self.pinned("component", &record.component, "wasm", COMPONENT)
    }

    /// The text of the approved grant, hashed.
    pub(super) fn grants(&self, record: &Record) -> Result<String, String> {
        let bytes = self.pinned("grant", &record.grants, "toml", TEXT)?;
        String::from_utf8(bytes).map_err(|_| "its grant is no UTF-8".to_owned())
    }

    fn pinned(&self, what: &str, digest: &str, kind: &str, most: u64) -> Result<Vec<u8>, String> {
        let bytes = self
            .read(&blob(digest, kind), most)
            .map_err(|error| format!("its {what} ({digest}) can't be read: {error}"))?;
        let found = digest_text(&bytes);
        if found == digest {
            Ok(bytes)
        } else {
            Err(format!("its {what} has the digest {found}, approved was {digest}"))
        }
    }

    /// Keeps an approval; the record comes last, and then what nothing names any more goes.
    pub(super) fn keep(&self, record: &Record, source: &BackendSource, key: &DerivedKey) -> Result<(), Error> {
        let failed = |error| Error::io(format!("the approval of {}", record.name), error);
        let sealed = record.sealed(key).map_err(|error| Error::State(error.to_string()))?;
        self.write(&blob(&record.component, "wasm"), &source.component).map_err(failed)?;
        self.write(&blob(&record.grants, "toml"), source.grants.as_bytes()).map_err(failed)?;
        self.write(&format!("{}.{RECORD}", record.name), sealed.as_bytes()).map_err(failed)?;
        self.sweep(key).map_err(failed)
    }

    /// Removes a record, and what nothing names any more.
    pub(super) fn remove(&self, name: &str, key: &DerivedKey) -> Result<(), Error> {
        let failed = |error| Error::io(format!("the approval of {name}"), error);
        rustix::fs::unlinkat(&self.dir, format!("{name}.{RECORD}"), AtFlags::empty())
            .map_err(|error| failed(error.into()))?;
        self.sweep(key).map_err(failed)
    }

    /// Removes components and grants that no record names. While a record can't be read, all of them stay.
    fn sweep(&self, key: &DerivedKey) -> io::Result<()> {
        let names = self.names().map_err(io::Error::other)?;
        let records: Result<Vec<_>, _> = names.iter().map(|name| self.record(name, key)).collect();
        if let Ok(records) = records {
            let named: Vec<String> = records
                .into_iter()
                .flatten()
                .flat_map(|record| [blob(&record.component, "wasm"), blob(&record.grants, "toml")])
                .collect();
            for entry in self.dir.entries()? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if (name.ends_with(".wasm") || name.ends_with(".toml")) && !named.contains(&name) {
                    rustix::fs::unlinkat(&self.dir, &name, AtFlags::empty())?;
                }
            }
        }
        sync_dir(&self.dir)
    }

    /// A file of ours alone, and no link.
    fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let (file, stat) = whole::open(&self.dir, name)?;
        check_file(&stat, &self.path.join(name)).map_err(io::Error::other)?;
        whole::read(file, most)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        whole::put_durably(&self.dir, name, &[bytes])
    }
}

/// A digest's file.
fn blob(digest: &str, kind: &str) -> String {
    format!("{}.{kind}", digest.replace(':', "-"))
}
