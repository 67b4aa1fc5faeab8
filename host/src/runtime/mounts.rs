//! Resolving mount sources before they are compared, and looking again after the start.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::Inner;
use crate::error::{Error, Refusal, Rule};
use crate::mounted::MountTable;
use crate::policy::{Ancestor, ResolvedMount, SYSTEM, below_home, is_view};
use crate::spec::{ContainerSpec, Mount, MountSource};
use crate::walk::{Step, WalkError, walk};

/// Bits by which someone else could write.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// What a source was when it was checked: its device and inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    target: String,
    inode: (u64, u64),
}

impl Inner {
    /// Resolves each source and checks it against the policy; the resolved path is what is mounted.
    pub(super) fn check_mounts(&self, spec: &mut ContainerSpec) -> Result<Vec<Checked>, Error> {
        let mut checked = Vec::new();
        let has_paths = spec.mounts.iter().any(|mount| matches!(mount.source, MountSource::Path(_)));
        let protected = if has_paths { self.protected() } else { Vec::new() };
        let table = if has_paths { MountTable::read() } else { Ok(MountTable::default()) };
        let table = table.map_err(|source| Error::Io { what: "what is mounted".to_owned(), source })?;
        for mount in &mut spec.mounts {
            if let Some(one) = self.check_mount(mount, &protected, &table)? {
                checked.push(one);
            }
        }
        Ok(checked)
    }

    fn check_mount(
        &self,
        mount: &mut Mount,
        protected: &[Ancestor],
        table: &MountTable,
    ) -> Result<Option<Checked>, Error> {
        // What a volume is, its owner label says, and the engine knows where.
        let MountSource::Path(path) = &mount.source else { return Ok(None) };
        let resolved = resolve(path, table)?;
        self.policy.check_mount(&resolved, protected)?;
        let inode = resolved.inode;
        mount.source = MountSource::Path(resolved.path);
        Ok(Some(Checked { target: mount.target.to_string(), inode }))
    }

    /// Everything that is protected and there, by name and by inode.
    fn protected(&self) -> Vec<Ancestor> {
        let mut paths: BTreeSet<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        if let Some(home) = self.environment.text("HOME").map(Path::new) {
            paths.extend(below_home(home));
        }
        paths.extend(self.environment.text("XDG_RUNTIME_DIR").map(PathBuf::from));
        paths.extend(self.policy.protected.iter().cloned());
        paths.insert(self.state.path().to_path_buf());
        paths.extend(self.secrets_folder().ok());
        paths.into_iter().flat_map(|path| known(&path)).collect()
    }
}

/// A protected path as it is named, and as it resolves.
fn known(path: &Path) -> Vec<Ancestor> {
    let Ok(metadata) = fs::metadata(path) else {
        // What is not there yet is protected by its name.
        return vec![Ancestor { path: path.to_path_buf(), inode: (0, 0) }];
    };
    let inode = (metadata.dev(), metadata.ino());
    let resolved = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    vec![Ancestor { path: path.to_path_buf(), inode }, Ancestor { path: resolved, inode }]
}

#[derive(Debug)]
enum Wrong {
    Walk(WalkError),
    Refused(Refusal),
}

impl From<WalkError> for Wrong {
    fn from(error: WalkError) -> Self {
        Self::Walk(error)
    }
}

/// Walks to a source by descriptors; no folder on the way may be another user's to change.
fn resolve(path: &Path, table: &MountTable) -> Result<ResolvedMount, Error> {
    let mut ancestors = Vec::new();
    let found = walk(path, |step: &Step<'_>| {
        judge(step)?;
        if step.is(FileType::Directory) {
            ancestors.push(Ancestor { path: step.path(), inode: (step.stat.st_dev, step.stat.st_ino) });
        }
        Ok(())
    });
    match found {
        Err(Wrong::Refused(refusal)) => Err(refusal.into()),
        Err(Wrong::Walk(error)) => Err(Refusal::new(Rule::Policy, format!("this can't be mounted: {error}"))
            .slot("mount.bind")
            .value(&path.to_string_lossy())
            .into()),
        Ok(found) if FileType::from_raw_mode(found.stat.st_mode) == FileType::Socket => Err(socket(&found.path).into()),
        Ok(found) => {
            let inode = (found.stat.st_dev, found.stat.st_ino);
            Ok(seen_by(table, ResolvedMount { path: found.path, inode, ancestors, ..ResolvedMount::default() }))
        }
    }
}

/// What listens on a socket acts outside of the container.
fn socket(path: &Path) -> Refusal {
    Refusal::new(
        Rule::Policy,
        "this can't be mounted: it is a socket, and what listens on it is outside of the container",
    )
    .slot("mount.bind")
    .value(&path.to_string_lossy())
    .remedy("mount a folder that holds only what the container needs")
}

/// With what the mounts say of it.
fn seen_by(table: &MountTable, mount: ResolvedMount) -> ResolvedMount {
    let names = table.other_names(&mount.path).into_iter().filter(|name| name.is_part || !is_view(&name.point));
    let other_names = names.map(|name| name.path).collect();
    let kinds = table.kinds_in(&mount.path).map(str::to_owned).collect();
    ResolvedMount { other_names, kinds, ..mount }
}

/// A folder that others can write is passed only where it is sticky and what comes next is root's or ours.
fn judge(step: &Step<'_>) -> Result<(), Wrong> {
    let own = rustix::process::geteuid().as_raw();
    let Some(parent) = step.parent() else { return Ok(()) };
    let trusted = |uid: u32| uid == 0 || uid == own;
    let loose = parent.st_mode & OTHERS_WRITE != 0;
    let sticky = parent.st_mode & STICKY != 0 && trusted(step.stat.st_uid);
    if (!loose || sticky) && trusted(parent.st_uid) {
        return Ok(());
    }
    let path = step.path();
    Err(Wrong::Refused(
        Refusal::new(Rule::Policy, "this can't be mounted: another user could exchange it")
            .slot("mount.bind")
            .value(&path.to_string_lossy())
            .remedy(remedy(path.parent().unwrap_or(&path), trusted(parent.st_uid))),
    ))
}

fn remedy(folder: &Path, ours: bool) -> String {
    match ours {
        true => format!("take the right to write from others: chmod go-w {folder:?}"),
        false => format!("mount from a folder of root's or your own; {folder:?} is another user's"),
    }
}

/// Whether a running container got the very files that were checked. None where it can't be seen any more.
pub(super) fn mounted_as_checked(pid: u32, checked: &[Checked]) -> Option<Result<(), String>> {
    let root = fs::File::open(format!("/proc/{pid}/root")).ok()?;
    for mount in checked {
        let inside = mount.target.trim_start_matches('/');
        let path = if inside.is_empty() { "." } else { inside };
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened =
            openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS).ok()?;
        let stat = fstat(&opened).ok()?;
        if (stat.st_dev, stat.st_ino) != mount.inode {
            return Some(Err(format!("what the container sees at {} is not what was checked", mount.target)));
        }
    }
    Some(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn links_are_followed_to_what_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        fs::create_dir(&real).unwrap();
        symlink(&real, folder.path().join("link")).unwrap();
        let resolved = resolve(&folder.path().join("link"), &MountTable::default()).unwrap();
        assert_eq!(resolved.path, fs::canonicalize(&real).unwrap());
        assert!(resolved.ancestors.iter().any(|ancestor| ancestor.path == Path::new("/")));
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let loose = folder.path().join("loose");
        fs::create_dir_all(loose.join("data")).unwrap();
        fs::set_permissions(&loose, fs::Permissions::from_mode(0o777)).unwrap();
        let error = resolve(&loose.join("data"), &MountTable::default()).unwrap_err().to_string();
        assert!(error.contains("another user") && error.contains("chmod"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(
            resolve(Path::new("/nonesuch/x"), &MountTable::default())
                .unwrap_err()
                .to_string()
                .contains("does not exist")
        );
    }
}
