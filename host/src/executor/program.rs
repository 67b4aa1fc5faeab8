//! A program that was checked, and is executed by the descriptor that was checked.
//!
//! A writable program is any program: so the file and every folder above it must be out of other users' reach, and
//! what is executed is the descriptor that was looked at, never a name a second time.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, Stat, accessat, fstat, openat, stat};
use rustix::io::Errno;
use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};

use crate::walk::{Found, Step, WalkError, walk};

const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;
const ELF: &[u8] = b"\x7fELF";
/// The kernel reads no more of a script's first line (`BINPRM_BUF_SIZE`, execve(2)).
const FIRST_BYTES: u64 = 256;
/// How much more of a script is looked at for what it starts.
const SCRIPT_BYTES: u64 = 8192;

/// What the operator granted: where a program may be.
#[derive(Clone, Debug)]
pub(crate) struct ProgramGrant {
    /// The program's word in templates, such as `engine`.
    pub(crate) name: String,
    /// Absolute paths, tried in order.
    pub(crate) search: Vec<PathBuf>,
    /// Whether a script is accepted. Default of a grants file: no.
    pub(crate) wrapper: bool,
    /// The digest that the file must have: 64 hex digits, with or without `sha256:` before them.
    pub(crate) sha256: Option<String>,
}

/// Why a program is not executed. The operator reads these; a guest must not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProgramError {
    /// None of the granted files exists.
    #[error("program `{name}` is not installed; looked for {}", list(searched))]
    NotFound {
        /// The program's word.
        name: String,
        /// Every path that was tried.
        searched: Vec<PathBuf>,
    },
    /// A path that can't be walked.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// Somebody else could change the file.
    #[error("`{}` can be written by others (mode {mode:04o}); it must be writable by its owner alone", path.display())]
    WritableFile {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else could put another file in its place.
    #[error("folder `{}` can be written by others (mode {mode:04o}); it must be writable by its owner alone", path.display())]
    WritableFolder {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file, a folder above it, or a part within a sticky folder belongs to another user.
    #[error("`{}` belongs to user {owner}; it must belong to root or to the user who runs this program", path.display())]
    ForeignOwner {
        /// The file or folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// A folder, device, socket or pipe.
    #[error("`{}` is not a regular file", path.display())]
    NotRegular {
        /// The path without links.
        path: PathBuf,
    },
    /// No execute permission, or a mount with `noexec`.
    #[error("`{}` is not executable by this user", path.display())]
    NotExecutable {
        /// The path without links.
        path: PathBuf,
    },
    /// A script where the grant expects a program.
    #[error("`{}` is a script for `{interpreter}`{}; grant the program behind it, or say `wrapper = true`", path.display(), behind(starts.as_deref()))]
    Script {
        /// The path without links.
        path: PathBuf,
        /// What its first line names.
        interpreter: String,
        /// The program that it hands over to, where it says so plainly.
        starts: Option<String>,
    },
    /// The interpreter of a granted wrapper failed the same checks.
    #[error("the interpreter of `{}` is refused: {source}", path.display())]
    Interpreter {
        /// The script.
        path: PathBuf,
        /// Why.
        source: Box<ProgramError>,
    },
    /// Neither an ELF file nor a script.
    #[error("`{}` is neither a program (ELF) nor a script", path.display())]
    UnknownFormat {
        /// The path without links.
        path: PathBuf,
    },
    /// The pin in the grant is not a digest.
    #[error("the sha256 pin `{pin}` of program `{name}` is not 64 hex digits")]
    BadPin {
        /// The program's word.
        name: String,
        /// The pin as written.
        pin: String,
    },
    /// Other bytes than those that were pinned.
    #[error("`{}` has sha256 {found}, the grant pins {pinned}", path.display())]
    PinMismatch {
        /// The path without links.
        path: PathBuf,
        /// The digest that the grant asks for, in hex.
        pinned: String,
        /// The digest of the bytes that are there, in hex.
        found: String,
    },
    /// The file is not what was checked any more.
    #[error("`{}` was changed or replaced since it was checked; check it again", path.display())]
    Changed {
        /// The path without links.
        path: PathBuf,
    },
    /// The file can't be read, so it can't be judged.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The path without links.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

fn behind(starts: Option<&str>) -> String {
    starts.map(|program| format!(" that starts `{program}`: use the backend of that program")).unwrap_or_default()
}

fn list(paths: &[PathBuf]) -> String {
    let shown: Vec<_> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    shown.join(", ")
}

/// A file that passed every check, held by descriptor.
#[derive(Debug)]
pub(crate) struct CheckedProgram {
    path: PathBuf,
    fd: OwnedFd,
    stamp: Stamp,
    interpreter: Option<PathBuf>,
}

impl CheckedProgram {
    /// Takes the first path of the grant that exists, and checks it and every folder on the way to it.
    ///
    /// # Errors
    /// [`ProgramError`]: what is wrong, and with which file or folder. A file that exists and is refused is an error,
    /// even when a later path would pass.
    pub(crate) fn resolve(grant: &ProgramGrant) -> Result<Self, ProgramError> {
        let pin = grant.sha256.as_deref().map(|pin| parse_pin(&grant.name, pin)).transpose()?;
        for path in &grant.search {
            match locate(path, geteuid().as_raw()) {
                Err(ProgramError::Walk(WalkError::Absent { .. })) => {}
                Err(error) => return Err(error),
                Ok(found) => return Self::check(grant, pin.as_deref(), found),
            }
        }
        Err(ProgramError::NotFound { name: grant.name.clone(), searched: grant.search.clone() })
    }

    fn check(grant: &ProgramGrant, pin: Option<&str>, found: Found) -> Result<Self, ProgramError> {
        let stamp = Stamp::of(&found.stat);
        let mut file = reopen(&found)?;
        let first = first_bytes(&mut file, &found.path)?;
        let interpreter = match format_of(&first, &found.path)? {
            Format::Elf => None,
            Format::Script(line) if grant.wrapper => Some(check_interpreter(&line, &found.path)?),
            Format::Script(interpreter) => {
                return Err(ProgramError::Script { starts: starts(&first, file), path: found.path, interpreter });
            }
        };
        if let Some(pinned) = pin {
            compare_pin(file, pinned, &first, &found.path)?;
        }
        let program = Self { path: found.path, fd: found.fd, stamp, interpreter };
        program.recheck()?;
        Ok(program)
    }

    /// The absolute path, without links, of the file that was checked.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode of the file that was checked.
    #[cfg(test)]
    pub(crate) fn inode(&self) -> (u64, u64) {
        (self.stamp.dev, self.stamp.ino)
    }

    /// The checked interpreter, when the program is a granted wrapper script.
    #[cfg(test)]
    pub(crate) fn interpreter(&self) -> Option<&Path> {
        self.interpreter.as_deref()
    }

    /// What is handed to execve(2): the descriptor that was checked.
    ///
    /// A script goes by its absolute path instead: its interpreter opens the file by the name it is given, and the
    /// descriptor is closed by then. Nobody but root and the user can change a folder on that path.
    pub(super) fn exec_path(&self) -> PathBuf {
        match self.interpreter {
            Some(_) => self.path.clone(),
            None => proc_path(&self.fd),
        }
    }

    /// Whether the file is still the one that was checked: one fstat(2), and for a script one stat(2) of its name.
    ///
    /// # Errors
    /// [`ProgramError::Changed`], also when the file was replaced under its name, as by an upgrade.
    pub(crate) fn recheck(&self) -> Result<(), ProgramError> {
        let now = if self.interpreter.is_some() { stat(&self.path) } else { fstat(&self.fd) };
        match now {
            Ok(now) if Stamp::of(&now) == self.stamp => Ok(()),
            _ => Err(ProgramError::Changed { path: self.path.clone() }),
        }
    }
}

/// What identifies a file's state. `ctime` can't be set by hand and moves with content, mode, owner, name and links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    dev: u64,
    ino: u64,
    mode: u32,
    owner: (u32, u32),
    size: i64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Stamp {
    #[allow(clippy::unnecessary_cast, reason = "the fields' widths differ between architectures")]
    fn of(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            mode: stat.st_mode,
            owner: (stat.st_uid, stat.st_gid),
            size: stat.st_size as i64,
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        }
    }
}

/// Walks to the file. What is wrong on the way counts only when the file is there.
fn locate(path: &Path, me: u32) -> Result<Found, ProgramError> {
    let mut wrong = None;
    let found = walk(path, |step| {
        if wrong.is_none() {
            wrong = judge(step, me).err();
        }
        Ok::<_, WalkError>(())
    })?;
    match wrong {
        Some(error) => Err(error),
        None => judge_file(found, me),
    }
}

fn judge(step: &Step<'_>, me: u32) -> Result<(), ProgramError> {
    if step.parent().is_some_and(writable_by_others) {
        owned(step.stat, me, || step.path())?;
    }
    if !step.is(FileType::Directory) {
        return Ok(());
    }
    owned(step.stat, me, || step.path())?;
    let mode = step.stat.st_mode & 0o7777;
    if writable_by_others(step.stat) && mode & STICKY == 0 {
        return Err(ProgramError::WritableFolder { path: step.path(), mode });
    }
    Ok(())
}

fn judge_file(found: Found, me: u32) -> Result<Found, ProgramError> {
    let path = || found.path.clone();
    if FileType::from_raw_mode(found.stat.st_mode) != FileType::RegularFile {
        return Err(ProgramError::NotRegular { path: path() });
    }
    owned(&found.stat, me, path)?;
    if writable_by_others(&found.stat) {
        return Err(ProgramError::WritableFile { path: path(), mode: found.stat.st_mode & 0o7777 });
    }
    match accessat(CWD, proc_path(&found.fd), Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => Ok(found),
        Err(_) => Err(ProgramError::NotExecutable { path: path() }),
    }
}

/// Any group's write bit counts: with an access control list those bits are its mask, and hide users in it (acl(5)).
fn writable_by_others(stat: &Stat) -> bool {
    stat.st_mode & WRITABLE_BY_OTHERS != 0
}

fn owned(stat: &Stat, me: u32, path: impl Fn() -> PathBuf) -> Result<(), ProgramError> {
    if stat.st_uid == 0 || stat.st_uid == me {
        return Ok(());
    }
    Err(ProgramError::ForeignOwner { path: path(), owner: stat.st_uid })
}

fn proc_path(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// Opens the very inode that was judged, for reading.
fn reopen(found: &Found) -> Result<File, ProgramError> {
    let opened = openat(CWD, proc_path(&found.fd), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    opened.map(File::from).map_err(|source: Errno| unreadable(&found.path, source.into()))
}

fn unreadable(path: &Path, source: std::io::Error) -> ProgramError {
    ProgramError::Unreadable { path: path.to_owned(), source }
}

fn first_bytes(file: &mut File, path: &Path) -> Result<Vec<u8>, ProgramError> {
    let mut first = Vec::new();
    file.take(FIRST_BYTES).read_to_end(&mut first).map_err(|source| unreadable(path, source))?;
    Ok(first)
}

enum Format {
    Elf,
    Script(String),
}

/// Anything else is refused: execvp(3) would hand it to a shell.
fn format_of(first: &[u8], path: &Path) -> Result<Format, ProgramError> {
    if first.starts_with(ELF) {
        return Ok(Format::Elf);
    }
    match first.strip_prefix(b"#!") {
        Some(rest) => Ok(Format::Script(interpreter_of(rest))),
        None => Err(ProgramError::UnknownFormat { path: path.to_owned() }),
    }
}

fn interpreter_of(line: &[u8]) -> String {
    let words = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\n' | 0));
    let first = words.into_iter().find(|word| !word.is_empty()).unwrap_or_default();
    String::from_utf8_lossy(first).into_owned()
}

/// What a wrapper such as `exec /usr/bin/other "$@"` hands over to: told, never followed.
fn starts(first: &[u8], rest: File) -> Option<String> {
    let mut text = first.to_vec();
    // What can't be read can't be told; the script is refused all the same.
    let _unread = rest.take(SCRIPT_BYTES).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let handed = |line: &str| Some(line.trim().strip_prefix("exec ")?.split_whitespace().next()?.to_owned());
    let program = text.lines().rev().find_map(handed)?;
    let program = program.trim_matches(['"', '\'']);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_.+-".contains(c);
    let plain = !program.is_empty() && !program.starts_with('-') && program.chars().all(is_plain);
    plain.then(|| program.to_owned())
}

fn check_interpreter(interpreter: &str, script: &Path) -> Result<PathBuf, ProgramError> {
    let refused = |source| ProgramError::Interpreter { path: script.to_owned(), source: Box::new(source) };
    let found = locate(Path::new(interpreter), geteuid().as_raw()).map_err(refused)?;
    let mut file = reopen(&found).map_err(refused)?;
    let first = first_bytes(&mut file, &found.path).map_err(refused)?;
    match format_of(&first, &found.path).map_err(refused)? {
        Format::Elf => Ok(found.path),
        Format::Script(interpreter) => {
            Err(refused(ProgramError::Script { path: found.path, interpreter, starts: None }))
        }
    }
}

fn parse_pin(name: &str, pin: &str) -> Result<String, ProgramError> {
    let hex = pin.strip_prefix("sha256:").unwrap_or(pin);
    if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(hex.to_ascii_lowercase());
    }
    Err(ProgramError::BadPin { name: name.to_owned(), pin: pin.to_owned() })
}

fn compare_pin(mut rest: File, pinned: &str, first: &[u8], path: &Path) -> Result<(), ProgramError> {
    let mut hasher = Sha256::new_with_prefix(first);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = rest.read(&mut buffer).map_err(|source| unreadable(path, source))?;
        match buffer.get(..count) {
            None | Some([]) => break,
            Some(bytes) => hasher.update(bytes),
        }
    }
    let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == pinned {
        return Ok(());
    }
    Err(ProgramError::PinMismatch { path: path.to_owned(), pinned: pinned.to_owned(), found })
}

impl ProgramError {
    /// Whether the program is simply not there, as against being refused.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
