//! Images as files: saved by the engine's own export, and loaded from archives that were proved to be what they say.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::{Inner, Portreeve, PulledImage};
use crate::backend::Backend;
use crate::broker::Broker;
use crate::digest::Digest;
use crate::error::Error;
use crate::event::Level;
use crate::evidence::chain::Level as Proof;
use crate::evidence::document::bare_id;
use crate::evidence::export::{Archive, Export, ExportError};
use crate::evidence::look::Exported;
use crate::evidence::tee::Tee;
use crate::grants::{Binding, Slot};
use crate::reference::{DEFAULT_TAG, Reference};
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};
use crate::state::{Area, random, to_hex};

/// The largest archive that is loaded, in bytes.
const ARCHIVE_MAX: u64 = 64 << 30;

/// An image that was written to a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SavedImage {
    /// The image.
    pub image: String,
    /// The engine's ID.
    pub id: String,
    /// The file: an archive as `docker save` writes it.
    pub file: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The names that it gives the image when it is loaded: the tag that was asked for, where the engine knows the image by it.
    pub names: Vec<String>,
    /// How far the content of the file was proved against the image: `content`, `manifest` or `claimed`.
    pub proved: &'static str,
}

/// An image that an engine took from a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LoadedImage {
    /// The engine's ID: the digest of the configuration, which the host hashed, as it did the layers.
    pub id: String,
    /// The names that the archive gives it.
    pub names: Vec<String>,
    /// The backend that drives the engine.
    pub backend: String,
}

impl Portreeve {
    /// Writes an image that the engine holds to a new file (0600), whose content the host hashes on its way. The file is
    /// there whole, or not at all. A tag that was asked for is in it, where the engine knows the image by that.
    ///
    /// # Errors
    /// `NotFound` where it is not held, `InUse` where the file is there, `Digest` where what the engine exports is not what was
    /// pulled, `Unsupported` where it exports nothing.
    pub async fn save_image(&self, image: &Reference, file: &Path) -> Result<SavedImage, Error> {
        let warning = self.inner.admit_image(Call::ImageInspect, image)?;
        let (backend, _) = self.inner.chosen().await?;
        let held = self.inner.proved(backend, image, warning, super::prove::Before::Counts).await?;
        let partial = Partial::beside(file)?;
        let (mut level, diff_ids) = match &held.verification {
            Some(report) => (report.level(), report.diff_ids.clone()),
            None => (Proof::Claimed, Vec::new()),
        };
        let looker = self.inner.looker(backend, Call::ImageInspect)?;
        let tagged = self.inner.tag_of(&looker, image, &held).await?;
        let asked = tagged.as_deref().unwrap_or(&held.id);
        let export = match looker.save_export(asked, &diff_ids, partial.writer()?).await? {
            Exported::Whole(export) => export,
            Exported::Nothing(why) => return Err(Error::Unsupported(why)),
        };
        let names = if tagged.is_some() { names_of(&export, &held.id)? } else { Vec::new() };
        if let Some(report) = held.verification.as_ref().filter(|report| !report.diff_ids.is_empty()) {
            let mut report = report.clone();
            report.set_layers(export.layers(&report).map_err(|error| Error::Digest(error.to_string()))?);
            level = report.level();
        }
        let size = partial.keep()?;
        let (image, id, file) = (image.to_string(), held.id, file.to_owned());
        Ok(SavedImage { image, id, file, size, names, proved: level.as_str() })
    }

    /// Has the engine take an image from an archive as `docker save` writes it. The host copies it first, proves that its
    /// layers are those of its configuration and that the policy allows the names that it gives, and afterwards looks
    /// whether the engine holds the image of just that configuration.
    ///
    /// # Errors
    /// `Config` where the file is no archive of this form, `Digest` where it is not what it says or the engine made something
    /// else of it; `Refused` by policy.
    pub async fn load_image(&self, file: &Path) -> Result<LoadedImage, Error> {
        let inner = &self.inner;
        let (backend, _) = inner.chosen().await?;
        let taken = inner.take(file).await?;
        let names = inner.admit_names(&taken.archive)?;
        inner.say(Level::Info, || format!("loading {} into {}", taken.archive.config, backend.name()));
        inner.load(backend, &taken).await?;
        let id = taken.archive.config.to_string();
        if !inner.services.dry_run {
            inner.check_loaded(backend, &taken.archive.config).await?;
        }
        Ok(LoadedImage { id, names, backend: backend.name().to_owned() })
    }
}

/// The names in an export that was asked for by a tag, which may have become another image's meanwhile.
fn names_of(export: &Export, id: &str) -> Result<Vec<String>, Error> {
    let archive = export.archive().map_err(|error| Error::Digest(error.to_string()))?;
    if archive.config.hex() != bare_id(id) {
        return Err(Error::Digest(format!("the engine exported another image: {}, expected {id}", archive.config)));
    }
    Ok(archive.names.iter().map(|name| in_full(name).into_owned()).collect())
}

/// A name as archives have it: Docker leaves out its own registry, and `library`.
pub(super) fn in_full(name: &str) -> Cow<'_, str> {
    match name.split_once('/') {
        None => Cow::Owned(format!("docker.io/library/{name}")),
        Some((first, _)) if first == "localhost" || first.contains(['.', ':']) => Cow::Borrowed(name),
        Some(_) => Cow::Owned(format!("docker.io/{name}")),
    }
}

impl Inner {
    /// The tag that an image was asked for by, where the engine knows a proved image by it.
    async fn tag_of(&self, looker: &Broker, image: &Reference, held: &PulledImage) -> Result<Option<String>, Error> {
        let is_proved = held.verification.as_ref().is_some_and(|report| !report.diff_ids.is_empty());
        if !is_proved || !(image.tag_was_written() || image.digest().is_none()) {
            return Ok(None);
        }
        let name = format!("{}:{}", image.name(), image.tag().unwrap_or(DEFAULT_TAG));
        let seen = looker.look_at_image(&name.parse()?).await?;
        Ok(seen.filter(|seen| bare_id(&seen.id) == bare_id(&held.id)).map(|_| name))
    }

    /// Copies an archive into the state directory, where nobody exchanges it, and proves it on the way.
    async fn take(&self, file: &Path) -> Result<Taken, Error> {
        let area = self.state.area(Area::Archives)?;
        let folder = self.state.path().join(Area::Archives.name());
        let (shown, source) = (file.display().to_string(), file.to_owned());
        let taking = tokio::task::spawn_blocking(move || Taken::copy(area, &folder, &source));
        let taken = taking.await.map_err(|error| Error::State(error.to_string()))?;
        taken.map_err(|why| match why {
            TakeError::Io(source) => Error::Io { what: shown, source },
            TakeError::Archive(
                error @ (ExportError::Read(_) | ExportError::Archive { .. } | ExportError::Form { .. }),
            ) => Error::Config(format!("{shown}: {}", of_a_file(&error))),
            TakeError::Archive(error) => Error::Digest(format!("{shown}: {}", of_a_file(&error))),
        })
    }

    /// The names that an archive would give in the engine are such as a caller may pull.
    fn admit_names(&self, archive: &Archive) -> Result<Vec<String>, Error> {
        let names: Vec<String> = archive.names.iter().map(|name| in_full(name).into_owned()).collect();
        for name in &names {
            let image: Reference = name.parse()?;
            if let Some(warning) = self.admit_image(Call::ImageLoad, &image)? {
                self.say(Level::Warning, || warning);
            }
        }
        Ok(names)
    }

    pub(super) async fn load(&self, backend: &Arc<Backend>, taken: &Taken) -> Result<(), Error> {
        let path = taken.path.to_string_lossy().into_owned();
        let scope = Scope::new(Call::ImageLoad).with_host(Slot::ExchangeFile, Binding::scalar(path));
        let broker = self.broker(backend, scope, &self.redactor)?;
        Guest::enter(&self.sandbox, broker).await?.load_image(&taken.name).await
    }

    pub(super) async fn check_loaded(&self, backend: &Arc<Backend>, config: &Digest) -> Result<(), Error> {
        let looker = self.looker(backend, Call::ImageLoad)?;
        let expected = config.to_string();
        let held = looker.look_at_image_by_id(&expected).await?;
        if held.is_some_and(|image| bare_id(&image.id) == bare_id(&expected)) {
            return looker.record_verification(&[("id", &expected), ("proved", "content"), ("from", "an archive")]);
        }
        let why = format!("the engine was to load the image {expected}, and does not hold it");
        looker.record_fault(&why);
        Err(Error::Digest(why))
    }
}

/// A copy of an archive in the state directory; gone when it is dropped.
pub(super) struct Taken {
    area: Dir,
    name: String,
    path: PathBuf,
    pub(super) archive: Archive,
}

pub(super) enum TakeError {
    Io(io::Error),
    Archive(ExportError),
}

impl From<io::Error> for TakeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for TakeError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl Taken {
    fn copy(area: Dir, folder: &Path, source: &Path) -> Result<Self, TakeError> {
        let source = File::open(source)?;
        if !source.metadata()?.is_file() {
            return Err(io::Error::other("it is no file").into());
        }
        let (mut taken, copy) = Self::begin(area, folder)?;
        taken.prove(Tee { reader: source.take(ARCHIVE_MAX), writer: copy })?;
        Ok(taken)
    }

    /// An archive of the host's own, which `write` fills.
    pub(super) fn made(
        area: Dir,
        folder: &Path,
        write: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<Self, TakeError> {
        let (mut taken, file) = Self::begin(area, folder)?;
        write(&file)?;
        taken.prove(File::from(openat(&taken.area, &taken.name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))?;
        Ok(taken)
    }

    fn begin(area: Dir, folder: &Path) -> io::Result<(Self, File)> {
        let name = format!("{}.tar", to_hex(&random::<8>()?));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(&area, &name, flags, Mode::RUSR | Mode::WUSR)?);
        let placeholder = Archive { config: Digest::from_sha256([0; 32]), names: Vec::new() };
        Ok((Self { area, path: folder.join(&name), name, archive: placeholder }, file))
    }

    fn prove(&mut self, content: impl Read) -> Result<(), TakeError> {
        let archive = Export::read(content, &[]).and_then(|export| export.archive());
        self.archive = archive.map_err(TakeError::Archive)?;
        Ok(())
    }
}

/// What is wrong with an archive that no engine wrote just now.
fn of_a_file(error: &ExportError) -> String {
    match error {
        ExportError::Read(error) => format!("it could not be read: {error}"),
        ExportError::Archive { at, why } => format!("no archive as `docker save` writes it: byte {at}: {why}"),
        ExportError::Form { why } => format!("no archive as `docker save` writes it: {why}"),
        ExportError::Count { expected, found } => format!("it has {found} layers, its configuration {expected}"),
        ExportError::Layer { number, mismatch } => format!("layer {number} is not its configuration's: {mismatch}"),
        other @ ExportError::OtherImage { .. } => other.to_string(),
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let _gone = unlinkat(&self.area, self.name.as_str(), AtFlags::empty());
    }
}

/// A file that gets its name when it is whole.
struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Partial {
    fn beside(target: &Path) -> Result<Self, Error> {
        let wrong = |source| Error::io(target.display().to_string(), source);
        let name = target.file_name().ok_or_else(|| wrong(io::ErrorKind::InvalidInput.into()))?;
        if target.symlink_metadata().is_ok() {
            return Err(Error::InUse(format!("{} is there already", target.display())));
        }
        let suffix = to_hex(&random::<4>().map_err(wrong)?);
        let path = target.with_file_name(format!(".{}.{suffix}", name.to_string_lossy()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(wrong)?;
        Ok(Self { file, path, target: target.to_owned(), kept: false })
    }

    fn writer(&self) -> Result<File, Error> {
        self.file.try_clone().map_err(|source| Error::io(self.path.display().to_string(), source))
    }

    /// Gives it its name, which nothing else may have by now; its size.
    fn keep(mut self) -> Result<u64, Error> {
        let wrong = |source: io::Error| Error::io(self.target.display().to_string(), source);
        self.file.sync_all().map_err(wrong)?;
        let size = self.file.metadata().map_err(wrong)?.len();
        match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(Error::InUse(format!("{} is there already", self.target.display()))),
            Err(error) => return Err(wrong(error.into())),
        }
        self.kept = true;
        Ok(size)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            let _gone = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn names_in_archives_are_made_whole() {
        for (name, whole) in [
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("team/tool:1", "docker.io/team/tool:1"),
            ("docker.io/library/alpine:3", "docker.io/library/alpine:3"),
            ("localhost/tool:1", "localhost/tool:1"),
            ("127.0.0.1:5000/tool:1", "127.0.0.1:5000/tool:1"),
            ("registry.example.org/a/b:2", "registry.example.org/a/b:2"),
        ] {
            assert_eq!(in_full(name), whole);
        }
    }

    #[test]
    fn a_file_is_whole_or_not_there_and_never_another_ones() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("image.tar");
        drop(Partial::beside(&target).unwrap());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let partial = Partial::beside(&target).unwrap();
        partial.writer().unwrap().write_all(b"12345").unwrap();
        assert_eq!(partial.keep().unwrap(), 5);
        assert!(matches!(Partial::beside(&target), Err(Error::InUse(_))));
        assert_eq!(std::fs::read(&target).unwrap(), b"12345");
    }
}
