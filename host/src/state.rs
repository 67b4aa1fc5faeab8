//! The state directory of one install, and the key that makes the install itself.
//!
//! Everything that must outlive a process stands below one directory, 0700: the install key, the journal, compiled
//! code, blobs, secret files. It is opened once, checked once by its handle, and then used only through that handle.

mod access;
mod hex;
mod key;
mod turn;
pub(crate) mod whole;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::ambient;

pub(crate) use self::access::check_file;
use self::access::{check, check_above, check_dir};
pub(crate) use self::hex::{from_hex, push_hex, to_hex};
pub use self::key::{DerivedKey, InstallId, InstallKey};
pub(crate) use self::turn::Turn;

/// Why the state directory can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The system refused an operation on the directory.
    #[error("can't {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another user owns it, and so could change what we trust.
    #[error(
        "{path} belongs to uid {owner}, but this process runs as uid {user}: choose a state directory of your own (--state DIR)"
    )]
    Owner {
        /// The directory or file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Its mode lets others write (a directory), or read (a key).
    #[error("{path} has mode {mode:04o}, which lets others at it: chmod {should:04o} it")]
    Mode {
        /// The directory or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that are right.
        should: u32,
    },
    /// Something stands where a directory or a key belongs.
    #[error("{path} is not {expected}: move it away")]
    Kind {
        /// The path.
        path: PathBuf,
        /// What belongs there.
        expected: &'static str,
    },
    /// There is a journal but no key: a new key would make every record and every owner label foreign.
    #[error(
        "{path} is missing though a journal stands beside it: put the key back, or move the whole state directory away"
    )]
    KeyLost {
        /// Where the key belongs.
        path: PathBuf,
    },
    /// No place for the state directory can be told from the environment.
    #[error("no state directory: set XDG_STATE_HOME or HOME to an absolute path, or pass --state DIR")]
    NoPlace,
}

/// Where the state directory stands when nobody names one.
///
/// Root: `/var/lib/portreeve`. Others: `$XDG_STATE_HOME/portreeve`, else `~/.local/state/portreeve`; as the XDG
/// base directory specification says, a relative path counts as unset.
///
/// # Errors
/// [`StateError::NoPlace`] when neither variable holds an absolute path.
pub fn default_path(xdg_state_home: Option<&OsStr>, home: Option<&OsStr>, root: bool) -> Result<PathBuf, StateError> {
    if root {
        return Ok(PathBuf::from("/var/lib/portreeve"));
    }
    let state = absolute(xdg_state_home).or_else(|| Some(absolute(home)?.join(".local/state")));
    Ok(state.ok_or(StateError::NoPlace)?.join("portreeve"))
}

fn absolute(value: Option<&OsStr>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A part of the state directory, created when it is first needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Area {
    /// Archives of images on their way into an engine.
    Archives,
    /// Approved backends.
    Backends,
    /// Content by digest.
    Blobs,
    /// Compiled components.
    Code,
    /// What is on its way into a container, or out of one.
    Exchange,
    /// The journal.
    Journal,
    /// To which object each owner label was given.
    Labels,
    /// Layers of images, by digest.
    Layers,
    /// Proofs of images' content.
    Proofs,
    /// Which backends trapped how often.
    Quarantine,
    /// Secret files on their way into a container.
    Secrets,
    /// Names that a call of some process is making something of.
    Turns,
}

impl Area {
    /// The directory's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Archives => "archives",
            Self::Backends => "backends",
            Self::Blobs => "blobs",
            Self::Code => "code",
            Self::Exchange => "exchange",
            Self::Journal => "journal",
            Self::Labels => "labels",
            Self::Layers => "layers",
            Self::Proofs => "proofs",
            Self::Quarantine => "quarantine",
            Self::Secrets => "secrets",
            Self::Turns => "turns",
        }
    }
}

/// The opened, checked state directory, with the identity of its install.
#[derive(Debug)]
pub struct StateDir {
    dir: Dir,
    path: PathBuf,
    key: InstallKey,
    install: InstallId,
}

/// The file that says that this install has a journal: it lies beside its folder, so that one that is gone is missed.
const JOURNAL_BEGUN: &str = "journal-begun";

/// Says that there is a journal, from its first record on.
#[derive(Debug)]
pub(crate) struct JournalMark {
    dir: Dir,
    set: bool,
}

impl JournalMark {
    pub(crate) const fn is_set(&self) -> bool {
        self.set
    }

    /// What can't be written now is written with the next record.
    pub(crate) fn set(&mut self) {
        self.set = self.set || whole::put(&self.dir, JOURNAL_BEGUN, &[]).is_ok();
    }
}

/// An exclusive hold on an install: the lock of its directory (flock(2)). It ends with the value.
#[derive(Debug)]
#[must_use]
pub(crate) struct Hold {
    _dir: std::os::fd::OwnedFd,
}

impl StateDir {
    /// Opens the state directory; creates it (0700) and the install's key (0600) at first use.
    ///
    /// # Errors
    /// [`StateError`], when it can't be created or opened, when another user owns it or may write in it, when the key
    /// can be read by others, or is gone though there is a journal.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StateError> {
        // What lies in it is handed to engines by name, whatever folder they run in.
        let path = std::path::absolute(&path).map_err(io_error("find", path.as_ref()))?;
        let dir = open_or_create(&path).map_err(io_error("open", &path))?;
        check_dir(&dir, &path)?;
        let path = std::fs::canonicalize(&path).map_err(io_error("find", &path))?;
        check_above(&path)?;
        let key = InstallKey::load_or_create(&dir, &path)?;
        let install = InstallId::of(&key);
        Ok(Self { dir, path, key, install })
    }

    /// The path it was opened by: for messages, never to be opened again.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key of this install.
    #[must_use]
    pub fn key(&self) -> &InstallKey {
        &self.key
    }

    /// The public name of this install.
    #[must_use]
    pub fn install(&self) -> &InstallId {
        &self.install
    }

    /// An exclusive hold on the install, for what only one of its calls may do at a time; none where another has it.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub(crate) fn try_hold(&self) -> Result<Option<Hold>, StateError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let held = rustix::fs::openat(&self.dir, ".", flags, Mode::empty()).and_then(|dir| {
            match rustix::fs::flock(&dir, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => Ok(None),
                locked => locked.map(|()| Some(Hold { _dir: dir })),
            }
        });
        held.map_err(|error| io_error("lock", &self.path)(error.into()))
    }

    /// The turn to make something of a name; none while a call of this or another process has it.
    ///
    /// # Errors
    /// [`StateError`], as for [`StateDir::area`].
    pub(crate) fn try_turn(&self, kind: &str, name: &str) -> Result<Option<Turn>, StateError> {
        let (area, name) = (self.area(Area::Turns)?, format!("{kind}-{name}"));
        let path = self.path.join(Area::Turns.name()).join(&name);
        Turn::take(area, name).map_err(io_error("lock", &path))
    }

    /// Opens an area, and creates it (0700) where it is missing.
    ///
    /// # Errors
    /// [`StateError`], as for [`StateDir::open`]; a symbolic link in its place is refused.
    pub fn area(&self, area: Area) -> Result<Dir, StateError> {
        let path = self.path.join(area.name());
        match rustix::fs::mkdirat(&self.dir, area.name(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(io_error("create", &path)(error.into())),
        }
        self.open_area(area, &path)
    }

    /// Opens an area only if it is there.
    ///
    /// # Errors
    /// [`StateError`], as for [`StateDir::area`].
    pub fn existing_area(&self, area: Area) -> Result<Option<Dir>, StateError> {
        match self.open_area(area, &self.path.join(area.name())) {
            Err(StateError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Whether this install ever had a journal.
    pub(crate) fn had_journal(&self) -> bool {
        rustix::fs::statat(&self.dir, JOURNAL_BEGUN, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// A handle to say so by.
    pub(crate) fn journal_mark(&self) -> io::Result<JournalMark> {
        Ok(JournalMark { dir: self.dir.try_clone()?, set: self.had_journal() })
    }

    fn open_area(&self, area: Area, path: &Path) -> Result<Dir, StateError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, area.name(), flags, Mode::empty())
            .map_err(|error| io_error("open", path)(error.into()))?;
        let dir = Dir::from_std_file(File::from(fd));
        check_dir(&dir, path)?;
        Ok(dir)
    }
}

fn open_or_create(path: &Path) -> io::Result<Dir> {
    match ambient::open_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            ambient::create_private_dir(path)?;
            ambient::open_dir(path)
        }
        other => other,
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> StateError {
    move |source| StateError::Io { doing, path: path.to_path_buf(), source }
}

/// Random bytes from the kernel (getrandom(2)).
///
/// # Errors
/// What the kernel says; never fewer bytes than asked for.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if got == N { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Makes what was created, renamed or removed in a directory outlast a power cut.
pub(crate) fn sync_dir(dir: &Dir) -> io::Result<()> {
    // A cap-std handle is O_PATH, which can't be synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::fsync(rustix::fs::openat(dir, ".", flags, Mode::empty())?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state/portreeve");
        (temp, path)
    }

    #[test]
    fn the_default_place_follows_the_environment() {
        let place = |xdg: Option<&str>, home: Option<&str>, root| {
            default_path(xdg.map(OsStr::new), home.map(OsStr::new), root).ok().map(|path| path.display().to_string())
        };
        assert_eq!(place(Some("/x"), Some("/h"), false).unwrap(), "/x/portreeve");
        assert_eq!(place(None, Some("/h"), false).unwrap(), "/h/.local/state/portreeve");
        assert_eq!(place(Some("relative"), Some("/h"), false).unwrap(), "/h/.local/state/portreeve");
        assert_eq!(place(Some("/x"), Some("/h"), true).unwrap(), "/var/lib/portreeve");
        assert_eq!(place(Some(""), Some("h"), false), None);
        assert_eq!(place(None, None, false), None);
    }

    #[test]
    fn first_use_makes_a_private_directory_and_key_that_stay() {
        let (_temp, path) = fresh();
        let first = StateDir::open(&path).unwrap();
        assert_eq!((mode(&path), mode(&path.join("key"))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
        let second = StateDir::open(&path).unwrap();
        assert_eq!(first.install(), second.install());
        assert_eq!(first.key().reveal(), second.key().reveal());
        assert_eq!(first.path(), path);
    }

    #[test]
    fn many_at_once_agree_on_one_key() {
        let (_temp, path) = fresh();
        let ids: HashSet<String> = std::thread::scope(|scope| {
            let opened: Vec<_> = (0..16).map(|_| scope.spawn(|| StateDir::open(&path).unwrap())).collect();
            opened.into_iter().map(|thread| thread.join().unwrap().install().to_string()).collect()
        });
        assert_eq!(ids.len(), 1);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_above_that_others_could_exchange_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let loose = temp.path().join("loose");
        std::fs::create_dir(&loose).unwrap();
        StateDir::open(loose.join("state")).unwrap();
        chmod(&loose, 0o777);
        let error = StateDir::open(loose.join("state")).unwrap_err();
        assert!(matches!(error, StateError::Mode { should: 0o775, .. }), "{error}");
        chmod(&loose, 0o1777);
        StateDir::open(loose.join("state")).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        for bits in [0o720, 0o702, 0o777, 0o1777] {
            let (_temp, path) = fresh();
            StateDir::open(&path).unwrap();
            chmod(&path, bits);
            let error = StateDir::open(&path).unwrap_err();
            assert!(matches!(error, StateError::Mode { should: 0o700, .. }), "{error}");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let (_temp, path) = fresh();
        StateDir::open(&path).unwrap();
        chmod(&path.join("key"), 0o640);
        assert!(matches!(StateDir::open(&path).unwrap_err(), StateError::Mode { should: 0o600, .. }));
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let (temp, path) = fresh();
        StateDir::open(&path).unwrap();
        let key = path.join("key");
        let kept = std::fs::read(&key).unwrap();
        std::fs::write(&key, [kept.as_slice(), b"x"].concat()).unwrap();
        assert!(matches!(StateDir::open(&path).unwrap_err(), StateError::Kind { .. }));
        let elsewhere = temp.path().join("elsewhere");
        std::fs::write(&elsewhere, &kept).unwrap();
        chmod(&elsewhere, 0o600);
        std::fs::remove_file(&key).unwrap();
        symlink(&elsewhere, &key).unwrap();
        assert!(matches!(StateDir::open(&path).unwrap_err(), StateError::Kind { .. }));
    }

    #[test]
    fn a_lost_key_is_never_replaced_beside_a_journal() {
        let (_temp, path) = fresh();
        StateDir::open(&path).unwrap().area(Area::Journal).unwrap();
        std::fs::remove_file(path.join("key")).unwrap();
        assert!(matches!(StateDir::open(&path).unwrap_err(), StateError::KeyLost { .. }));
        assert!(!path.join("key").exists());
    }

    #[test]
    fn areas_come_by_need_and_never_through_a_link() {
        let (temp, path) = fresh();
        let state = StateDir::open(&path).unwrap();
        assert!(state.existing_area(Area::Blobs).unwrap().is_none());
        state.area(Area::Blobs).unwrap();
        assert!(state.existing_area(Area::Blobs).unwrap().is_some());
        assert_eq!(mode(&path.join("blobs")), 0o700);
        symlink(temp.path(), path.join("code")).unwrap();
        assert!(state.area(Area::Code).is_err());
        std::fs::create_dir(path.join("secrets")).unwrap();
        chmod(&path.join("secrets"), 0o770);
        assert!(matches!(state.area(Area::Secrets).unwrap_err(), StateError::Mode { .. }));
    }

    #[test]
    fn keys_differ_by_purpose_and_are_never_printed() {
        let key = InstallKey::from_bytes([7; 32]);
        assert_ne!(key.derive("journal").reveal(), key.derive("owner").reveal());
        assert_eq!(format!("{key:?} {:?}", key.derive("owner")), "InstallKey(…) DerivedKey(…)");
        let (_temp, path) = fresh();
        let state = StateDir::open(&path).unwrap();
        let secret = to_hex(state.key().reveal());
        assert!(!format!("{state:?}").contains(&secret));
        assert!(!secret.contains(state.install().as_str()));
    }
}
