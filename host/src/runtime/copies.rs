//! Files and folders into containers and out of them, each through a folder that the host made for it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, openat, renameat_with, statat};
use rustix::io::Errno;

use super::{Inner, Portreeve};
use crate::backend::Backend;
use crate::broker::Broker;
use crate::error::{Error, FaultKind, Refusal, Rule};
use crate::exchange::{Bounds, Exchange, Odd, carry, names, weight};
use crate::grants::Slot;
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};
use crate::spec::{InsidePath, SpecError};
use crate::state::{random, to_hex};

/// Between two looks at how much an engine has written.
const LOOK: Duration = Duration::from_millis(200);

impl Portreeve {
    /// Copies a file or folder of this machine into a container of ours, running or not: into the folder `target` where
    /// there is one, else under that name; what is in a folder, where `source` ends with `/.`. The host reads it itself, with its own rights; a link by itself, a device, a
    /// pipe, a socket and a link that leads out of the folder are refused, and what is larger than the policy allows.
    ///
    /// # Errors
    /// `NotFound` where the container, or the way to `target` in it, is not there; `Refused`; `Io`.
    pub async fn copy_in(&self, source: &Path, name: &str, target: &InsidePath) -> Result<(), Error> {
        let inner = &self.inner;
        let (backend, container) = inner.find(Call::CopyIn, name).await?;
        let exchange = Exchange::open(&inner.state)?;
        let from = Named::of(source)?;
        let (file, target) = staged_as(source, &from, target)?;
        let refused = |odd| inner.odd(&backend, Call::CopyIn, name, source, odd);
        inner.stage(&from, &exchange, &file).await.map_err(refused)?;
        let path = exchange.path_of(&file).to_string_lossy().into_owned();
        let scope = Scope::of_copy(Call::CopyIn, name, &container.id, &path, &target);
        let broker = inner.broker(&backend, scope, &inner.redactor_of_container(&container))?;
        let guest = Guest::enter(&inner.sandbox, Arc::clone(&broker)).await?;
        guest.copy_in(name, &file, target.as_str()).await?;
        if inner.services.dry_run { Ok(()) } else { has_copied(&broker) }
    }

    /// Copies a file or folder out of a container of ours: into the folder `target` where there is one, else under that
    /// name, whole or not at all; a file that is there is replaced, a folder is not. What the engine wrote is looked at
    /// first: links that lead out, devices, pipes and sockets are refused, and what is larger than the policy allows.
    /// Gives the path that was made.
    ///
    /// # Errors
    /// As [`Portreeve::copy_in`]; `InUse` where a folder is in the way.
    pub async fn copy_out(&self, name: &str, source: &InsidePath, target: &Path) -> Result<PathBuf, Error> {
        let file = last_part(source)?;
        let to = Named::of_target(target, &file)?;
        self.copy_out_to(name, source, target, Delivery::Whole(to)).await
    }

    /// The same of what is in a folder: into the folder `target` where there is one, each under its own name, else as that
    /// folder. Nothing is put there where a folder of one of these names is in the way.
    ///
    /// # Errors
    /// As [`Portreeve::copy_out`].
    pub async fn copy_out_of(&self, name: &str, source: &InsidePath, target: &Path) -> Result<PathBuf, Error> {
        let to = match Folder::of(target)? {
            Some(folder) => Delivery::Each(folder),
            None => Delivery::Whole(Named::of(target)?),
        };
        self.copy_out_to(name, source, target, to).await
    }

    async fn copy_out_to(
        &self,
        name: &str,
        source: &InsidePath,
        target: &Path,
        to: Delivery,
    ) -> Result<PathBuf, Error> {
        let inner = &self.inner;
        let (backend, container) = inner.find(Call::CopyOut, name).await?;
        let file = last_part(source)?;
        let exchange = Exchange::open(&inner.state)?;
        let path = exchange.path_of(&file).to_string_lossy().into_owned();
        let scope = Scope::of_copy(Call::CopyOut, name, &container.id, &path, source);
        let broker = inner.broker(&backend, scope, &inner.redactor_of_container(&container))?;
        let guest = Guest::enter(&inner.sandbox, Arc::clone(&broker)).await?;
        let refused = |odd| inner.odd(&backend, Call::CopyOut, name, target, odd);
        tokio::select! {
            copied = guest.copy_out(name, source.as_str(), &file) => copied?,
            () = grown(&exchange, inner.policy.copies()) => return Err(refused(Odd::TooMuch)),
        }
        if inner.services.dry_run {
            return Ok(to.path().to_owned());
        }
        has_copied(&broker)?;
        match &to {
            Delivery::Whole(to) => inner.deliver(&exchange, &file, to).await.map_err(refused)?,
            Delivery::Each(folder) => inner.deliver_each(&exchange, &file, folder).await.map_err(refused)?,
        }
        Ok(to.path().to_owned())
    }
}

/// How something is put at its place.
enum Delivery {
    /// Under this name.
    Whole(Named),
    /// What is in it, into this folder.
    Each(Folder),
}

impl Delivery {
    fn path(&self) -> &Path {
        match self {
            Self::Whole(named) => &named.path,
            Self::Each(folder) => &folder.path,
        }
    }
}

/// A folder that is held.
struct Folder {
    folder: Arc<OwnedFd>,
    path: PathBuf,
}

impl Folder {
    /// The folder of a path, where there is one; a link to one is none.
    fn of(path: &Path) -> Result<Option<Self>, Error> {
        let failed = |error: Errno| Error::io(path.display().to_string(), error.into());
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(rustix::fs::CWD, path, flags, Mode::empty()) {
            Ok(folder) => Ok(Some(Self { folder: Arc::new(folder), path: path.to_owned() })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The name that something has on its way, and where the engine puts it. What is in a folder goes under the name of the
/// folder that it is to be in, beside that.
fn staged_as(source: &Path, from: &Named, target: &InsidePath) -> Result<(String, InsidePath), Error> {
    if !source.as_os_str().as_encoded_bytes().ends_with(b"/.") {
        return Ok((from.name.to_string_lossy().into_owned(), target.clone()));
    }
    let stat = statat(&from.folder, &from.name, AtFlags::empty());
    if !stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory) {
        return Err(Error::io(source.display().to_string(), std::io::ErrorKind::NotADirectory.into()));
    }
    let path = target.as_str().trim_end_matches('/');
    let parent = path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty()).unwrap_or("/");
    Ok((last_part(target)?, parent.parse()?))
}

/// A name in a folder that is held.
struct Named {
    folder: Arc<OwnedFd>,
    name: OsString,
    path: PathBuf,
}

impl Named {
    /// The last part is a name; what leads to it may have links, as with every program.
    fn of(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::io(path.display().to_string(), error);
        let absolute = std::path::absolute(path).map_err(failed)?;
        let wrong = || Error::from(SpecError::unnamed(&path.to_string_lossy()));
        let name = absolute.file_name().filter(|name| is_plain(name)).ok_or_else(wrong)?.to_owned();
        let parent = absolute.parent().ok_or_else(wrong)?;
        let folder = crate::ambient::open_dir(parent).map_err(failed)?;
        let folder = Arc::new(OwnedFd::from(folder.into_std_file()));
        Ok(Self { folder, name, path: absolute })
    }

    /// Where something is to be put: into a folder that is there, under its own name, or under the name given.
    fn of_target(path: &Path, own: &str) -> Result<Self, Error> {
        let named = Self::of(path)?;
        let there = |error: Errno| Error::io(path.display().to_string(), error.into());
        match statat(&named.folder, &named.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(named),
            Err(error) => return Err(there(error)),
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {}
                FileType::RegularFile => return Ok(named),
                // What is written goes where it was said, not where a link says.
                _ => return Err(there(Errno::LOOP)),
            },
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = Arc::new(openat(&named.folder, &named.name, flags, Mode::empty()).map_err(there)?);
        Ok(Self { folder, name: own.into(), path: named.path.join(own) })
    }
}

/// What stands in a command line has no control characters, and is text.
fn is_plain(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| !name.chars().any(char::is_control))
}

fn last_part(path: &InsidePath) -> Result<String, Error> {
    let last = path.as_str().trim_end_matches('/').rsplit('/').next().filter(|last| !last.is_empty());
    last.map(str::to_owned).ok_or_else(|| SpecError::unnamed(path.as_str()).into())
}

/// Returns when there is more than may be.
async fn grown(exchange: &Exchange, most: u64) {
    loop {
        tokio::time::sleep(LOOK).await;
        let path = exchange.path().to_owned();
        let weight = tokio::task::spawn_blocking(move || weight(&path)).await.unwrap_or_default();
        if weight > most.saturating_add(LEEWAY) {
            return;
        }
    }
}

/// What folders themselves weigh while they grow; the exact count comes after.
const LEEWAY: u64 = 16 << 20;

/// A backend that says that it copied had one command run, which ended well.
fn has_copied(broker: &Broker) -> Result<(), Error> {
    let why = match broker.changes().as_slice() {
        [0] => return Ok(()),
        [] => "it says that it copied, and no command ran",
        _ => "it says that it copied, and the engine failed",
    };
    Err(broker.fault(FaultKind::Untrue, why).into())
}

impl Inner {
    async fn stage(&self, from: &Named, exchange: &Exchange, staged: &str) -> Result<(), Odd> {
        let own = std::fs::canonicalize(self.state.path())?;
        let source = std::fs::canonicalize(&from.path)?;
        if source.starts_with(&own) || own.starts_with(&source) {
            return Err(Odd::Kind);
        }
        let (folder, name, staged) = (Arc::clone(&from.folder), from.name.clone(), OsString::from(staged));
        let (into, bounds) = (exchange.folder().try_clone()?, Bounds::of_bytes(self.policy.copies()));
        blocking(move || carry(folder.as_fd(), &name, into.as_fd(), &staged, bounds)).await
    }

    /// What is in a folder: as a whole under a name of its own first, then each part, once no folder is in its way.
    async fn deliver_each(&self, exchange: &Exchange, file: &str, to: &Folder) -> Result<(), Odd> {
        let bounds = Bounds::of_bytes(self.policy.copies());
        let (from, file, folder) = (exchange.folder().try_clone()?, OsString::from(file), Arc::clone(&to.folder));
        let hidden = OsString::from(format!(".portreeve-{}", to_hex(&random::<8>()?)));
        blocking(move || {
            let carried = carry(from.as_fd(), &file, folder.as_fd(), &hidden, bounds);
            let delivered = carried.and_then(|()| put_each(&folder, &hidden));
            discard(&folder, &hidden);
            delivered
        })
        .await
    }

    /// Under a name of its own first, then under the right one, at once.
    async fn deliver(&self, exchange: &Exchange, file: &str, to: &Named) -> Result<(), Odd> {
        let bounds = Bounds::of_bytes(self.policy.copies());
        let (from, file) = (exchange.folder().try_clone()?, OsString::from(file));
        let (folder, name) = (Arc::clone(&to.folder), to.name.clone());
        let hidden = OsString::from(format!(".portreeve-{}", to_hex(&random::<8>()?)));
        blocking(move || {
            let carried = carry(from.as_fd(), &file, folder.as_fd(), &hidden, bounds);
            let delivered = carried.and_then(|()| Ok(put(&folder, &hidden, &name)?));
            if delivered.is_err() {
                discard(&folder, &hidden);
            }
            delivered
        })
        .await
    }

    /// What was refused for what it is stands in the journal; what failed is told.
    fn odd(&self, backend: &Backend, call: Call, name: &str, path: &Path, odd: Odd) -> Error {
        let shown = path.display().to_string();
        let refusal = |why: String| Refusal::new(Rule::Policy, why).slot(Slot::ExchangeFile.name()).value(&shown);
        match odd {
            Odd::Io(error) if is_in_the_way(&error) => Error::InUse(format!("{shown}: {error}")),
            Odd::Io(error) => Error::io(shown, error),
            Odd::TooMuch => {
                let most = self.policy.copies();
                let why = format!("it is more than may be copied: {most} bytes, and 100000 files");
                let remedy = "a policy file would say more for `largest` under [copies]";
                self.refused_on(Some(backend), call, name, refusal(why).remedy(remedy).into())
            }
            odd => {
                let remedy = "copy files, and folders with links that stay inside";
                self.refused_on(Some(backend), call, name, refusal(odd.to_string()).remedy(remedy).into())
            }
        }
    }
}

fn is_in_the_way(error: &std::io::Error) -> bool {
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        return true;
    }
    [Errno::EXIST, Errno::NOTEMPTY, Errno::ISDIR, Errno::NOTDIR]
        .map(|errno| errno.raw_os_error())
        .contains(&error.raw_os_error().unwrap_or_default())
}

/// A file takes the place of a file, and a folder nobody's.
fn put(folder: &OwnedFd, hidden: &OsStr, name: &OsStr) -> std::io::Result<()> {
    let made = statat(folder, hidden, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_folder = FileType::from_raw_mode(made.st_mode) == FileType::Directory;
    let flags = if is_folder { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
    Ok(renameat_with(folder, hidden, folder, name, flags)?)
}

/// What is in the folder of this name takes its place beside it.
fn put_each(folder: &OwnedFd, hidden: &OsStr) -> Result<(), Odd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let from = openat(folder, hidden, flags, Mode::empty())?;
    let is_folder = |of: &OwnedFd, name: &OsString| {
        let stat = statat(of, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    };
    let names = names(&from)?;
    if let Some(name) = names.iter().find(|name| is_folder(folder, name)) {
        let why = format!("a folder {} is there already", name.to_string_lossy());
        return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, why).into());
    }
    for name in &names {
        let flags = if is_folder(&from, name) { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
        renameat_with(&from, name, folder, name, flags)?;
    }
    Ok(())
}

fn discard(folder: &OwnedFd, hidden: &OsStr) {
    let Ok(folder) = folder.try_clone() else { return };
    let folder = cap_std::fs::Dir::from_std_file(File::from(folder));
    // One of both, if it was made at all.
    let _file = folder.remove_file(hidden);
    let _folder = folder.remove_dir_all(hidden);
}

async fn blocking(work: impl FnOnce() -> Result<(), Odd> + Send + 'static) -> Result<(), Odd> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_of_something_with_a_name() {
        let last = |path: &str| last_part(&path.parse().unwrap()).ok();
        assert_eq!((last("/a/b"), last("/a/b/"), last("/")), (Some("b".into()), Some("b".into()), None));
        assert!(Named::of(Path::new("/")).is_err() && Named::of(Path::new("/tmp/..")).is_err());
    }

    #[test]
    fn a_target_is_a_folder_a_file_or_nothing_yet_and_never_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        std::fs::create_dir(at("folder")).unwrap();
        std::fs::write(at("file"), "x").unwrap();
        std::os::unix::fs::symlink("folder", at("link")).unwrap();
        let target = |name: &str| Named::of_target(&at(name), "own").map(|named| named.path);
        assert_eq!(target("folder").unwrap(), at("folder/own"));
        assert_eq!((target("file").unwrap(), target("new").unwrap()), (at("file"), at("new")));
        assert!(target("link").is_err() && target("nonesuch/new").is_err());
    }

    #[test]
    fn a_file_takes_a_files_place_and_a_folder_none() {
        let temp = tempfile::tempdir().unwrap();
        let folder = OwnedFd::from(File::open(temp.path()).unwrap());
        let put = |hidden: &str, name: &str| put(&folder, OsStr::new(hidden), OsStr::new(name));
        std::fs::write(temp.path().join("new"), "new").unwrap();
        std::fs::write(temp.path().join("old"), "old").unwrap();
        put("new", "old").unwrap();
        assert_eq!(std::fs::read_to_string(temp.path().join("old")).unwrap(), "new");
        for name in ["a", "b"] {
            std::fs::create_dir(temp.path().join(name)).unwrap();
        }
        assert!(is_in_the_way(&put("a", "b").unwrap_err()) && is_in_the_way(&put("old", "b").unwrap_err()));
        discard(&folder, OsStr::new("old"));
        discard(&folder, OsStr::new("a"));
        assert!(!temp.path().join("old").exists() && !temp.path().join("a").exists());
    }
}
