//! The looking itself. Blocks.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, accessat, fstatfs, fstatvfs, openat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use super::{
    Cgroup, Fault, MAX_PORTS, PathFact, Place, Port, PortFact, PortState, Probe, ProbeContext, ProbeResult, Protocol,
    Range, UserFact,
};
use crate::walk::{Found, Step, WalkError, walk};

const CGROUP2_MAGIC: u64 = 0x6367_7270;
/// Of the user database; larger ones are not read to their end.
const DATABASE: usize = 1024 * 1024;
/// Ranges of one user that are told.
const MAX_RANGES: usize = 64;
/// Names read of a folder before they are sorted and cut.
const READ_NAMES: usize = 16 * 1024;

/// Why there is nothing to tell.
#[derive(Debug)]
enum Nothing {
    Absent,
    Fault(Fault),
}

impl From<WalkError> for Nothing {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Absent { .. } => Self::Absent,
            WalkError::NotPlain { .. } => Self::Fault(Fault::Invalid),
            WalkError::TooLong { .. } => Self::Fault(Fault::Link),
            WalkError::Io { source, .. } => source.into(),
        }
    }
}

impl From<Errno> for Nothing {
    fn from(error: Errno) -> Self {
        match error {
            Errno::ACCESS | Errno::PERM => Self::Fault(Fault::Denied),
            _ => Self::Fault(Fault::Io),
        }
    }
}

impl From<std::io::Error> for Nothing {
    fn from(error: std::io::Error) -> Self {
        Errno::from_io_error(&error).unwrap_or(Errno::IO).into()
    }
}

pub(super) fn look(probe: &Probe, context: &ProbeContext) -> ProbeResult {
    let result = match probe {
        Probe::File { place, cap } => at(place, context).and_then(|path| text(&path, *cap)),
        Probe::Directory { place, cap } => at(place, context).and_then(|path| names(&path, *cap)),
        Probe::Space { place } => at(place, context).and_then(|path| space(&path)),
        Probe::Path { place } => at(place, context).and_then(|path| fact(&path)),
        Probe::Files { place, cap } => at(place, context).and_then(|path| files(&path, *cap)),
        Probe::Port { fixed } => Ok(ports(*fixed, context)),
        Probe::Cgroup => cgroup(Path::new("/sys/fs/cgroup")).map(|version| ProbeResult::Cgroup { version }),
        Probe::User => Ok(ProbeResult::User(user(context.uid, Path::new("/etc")))),
    };
    match result {
        Ok(result) => result,
        Err(Nothing::Absent) => ProbeResult::Absent,
        Err(Nothing::Fault(why)) => ProbeResult::Failed { why },
    }
}

fn at(place: &Place, context: &ProbeContext) -> Result<PathBuf, Nothing> {
    place.expand(context).ok_or(Nothing::Absent)
}

/// Links of the system (`/var/run`, `/etc/os-release`) are root's; nobody else's leads a probe away from its place.
fn hold(path: &Path) -> Result<Found, Nothing> {
    walk(path, |step: &Step<'_>| match step.is(FileType::Symlink) && step.stat.st_uid != 0 {
        true => Err(Nothing::Fault(Fault::Link)),
        false => Ok(()),
    })
}

fn is(found: &Found, kind: FileType) -> bool {
    FileType::from_raw_mode(found.stat.st_mode) == kind
}

fn proc_path(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn head(path: &Path, cap: usize) -> Result<(String, bool), Nothing> {
    let found = hold(path)?;
    // Only then is it opened: a pipe would hang, a device may act.
    if !is(&found, FileType::RegularFile) {
        return Err(Nothing::Fault(Fault::Kind));
    }
    let file = File::from(openat(CWD, proc_path(&found.fd), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
    let mut bytes = Vec::new();
    file.take(cap as u64 + 1).read_to_end(&mut bytes)?;
    let truncated = bytes.len() > cap;
    bytes.truncate(cap);
    Ok((String::from_utf8_lossy(&bytes).into_owned(), truncated))
}

fn text(path: &Path, cap: usize) -> Result<ProbeResult, Nothing> {
    head(path, cap).map(|(text, truncated)| ProbeResult::Text { text, truncated })
}

fn names(path: &Path, cap: usize) -> Result<ProbeResult, Nothing> {
    let found = hold(path)?;
    if !is(&found, FileType::Directory) {
        return Err(Nothing::Fault(Fault::Kind));
    }
    let folder = openat(&found.fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(folder)?.take(READ_NAMES) {
        let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
        if name != "." && name != ".." {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    let truncated = names.len() > cap;
    names.truncate(cap);
    Ok(ProbeResult::Names { names, truncated })
}

/// Files of a folder that are read.
const MAX_FILES: usize = 32;

/// Each under a line `==> NAME <==`. What is no regular file, or can't be read, is left out.
fn files(path: &Path, cap: usize) -> Result<ProbeResult, Nothing> {
    let ProbeResult::Names { names, mut truncated } = names(path, MAX_FILES)? else { return Err(Nothing::Absent) };
    let mut text = String::new();
    for name in names {
        let Ok((beginning, more)) = head(&path.join(&name), cap.saturating_sub(text.len())) else { continue };
        truncated |= more;
        text.push_str(&format!("==> {name} <==\n{beginning}\n"));
    }
    Ok(ProbeResult::Text { text, truncated })
}

/// Of the nearest folder that exists: an engine's storage may not have been made yet.
fn space(path: &Path) -> Result<ProbeResult, Nothing> {
    let mut nearest = Err(Nothing::Absent);
    for path in path.ancestors() {
        nearest = hold(path);
        if !matches!(nearest, Err(Nothing::Absent)) {
            break;
        }
    }
    let room = fstatvfs(&nearest?.fd)?;
    let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
    Ok(ProbeResult::Space { total: bytes(room.f_blocks), available: bytes(room.f_bavail) })
}

fn fact(path: &Path) -> Result<ProbeResult, Nothing> {
    let found = hold(path)?;
    let may = |access| accessat(CWD, proc_path(&found.fd), access, AtFlags::EACCESS).is_ok();
    Ok(ProbeResult::Path(PathFact {
        kind: kind_of(FileType::from_raw_mode(found.stat.st_mode)),
        owner: found.stat.st_uid,
        group: found.stat.st_gid,
        mode: found.stat.st_mode & 0o7777,
        readable: may(Access::READ_OK),
        writable: may(Access::WRITE_OK),
    }))
}

fn kind_of(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "char-device",
        FileType::BlockDevice => "block-device",
        FileType::Fifo => "fifo",
        FileType::Symlink | FileType::Unknown => "other",
    }
}

fn ports(fixed: Option<Port>, context: &ProbeContext) -> ProbeResult {
    let asked = fixed.map_or_else(|| context.ports.clone(), |port| vec![port]);
    let looked = asked.into_iter().take(MAX_PORTS);
    ProbeResult::Ports { ports: looked.map(|port| PortFact { port, state: state_of(port) }).collect() }
}

fn state_of(port: Port) -> PortState {
    match try_bind(port) {
        Ok(()) => PortState::Free,
        Err(Errno::ADDRINUSE) => PortState::Taken,
        Err(Errno::ACCESS | Errno::PERM) => PortState::Denied,
        Err(_) => PortState::Unusable,
    }
}

/// Binds and lets go, without listening: nobody can connect in between.
fn try_bind(port: Port) -> Result<(), Errno> {
    let family = if port.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, reuse) = match port.protocol {
        // As engines bind, so that a connection that is still closing does not count (socket(7)).
        Protocol::Tcp => (SocketType::STREAM, true),
        Protocol::Udp => (SocketType::DGRAM, false),
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, reuse)?;
    bind(&socket, &SocketAddr::new(port.address, port.port))
}

pub(super) fn cgroup_or_none(root: &Path) -> Cgroup {
    cgroup(root).unwrap_or(Cgroup::None)
}

fn cgroup(root: &Path) -> Result<Cgroup, Nothing> {
    match is_cgroup2(root) {
        Err(Nothing::Absent) => return Ok(Cgroup::None),
        Err(error) => return Err(error),
        Ok(true) => return Ok(Cgroup::V2),
        Ok(false) => {}
    }
    if matches!(is_cgroup2(&root.join("unified")), Ok(true)) {
        return Ok(Cgroup::Hybrid);
    }
    // A mounted controller has this file at its root; an empty folder has none.
    match hold(&root.join("memory/tasks")).or_else(|_| hold(&root.join("pids/tasks"))) {
        Ok(_) => Ok(Cgroup::V1),
        Err(_) => Ok(Cgroup::None),
    }
}

#[allow(clippy::unnecessary_cast, reason = "the field's width differs between architectures")]
fn is_cgroup2(path: &Path) -> Result<bool, Nothing> {
    let status = fstatfs(&hold(path)?.fd)?;
    Ok(status.f_type as u64 == CGROUP2_MAGIC)
}

pub(super) fn user(uid: u32, etc: &Path) -> UserFact {
    let read = |name: &str| head(&etc.join(name), DATABASE).map(|(text, _)| text).unwrap_or_default();
    let name = name_of(uid, &read("passwd"));
    let ranges = |text: &str| ranges_of(uid, name.as_deref(), text);
    let (subuid, subgid) = (ranges(&read("subuid")), ranges(&read("subgid")));
    UserFact { uid, rootless: uid != 0, subuid, subgid, name }
}

fn name_of(uid: u32, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn ranges_of(uid: u32, name: Option<&str>, text: &str) -> Vec<Range> {
    let number = uid.to_string();
    let mine = |owner: &str| owner == number || Some(owner) == name;
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (owner, start, count) = (fields.next()?, fields.next()?, fields.next()?);
        let range = Range { start: start.parse().ok()?, count: count.parse().ok()? };
        mine(owner).then_some(range)
    });
    lines.take(MAX_RANGES).collect()
}
