//! Looking at a running container's `/dev`: it sees the GPUs of its mask, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, major, minor, openat, openat2, statat};
use rustix::io::Errno;

use super::Inner;
use super::detect::AbortOnDrop;
use crate::backend::Backend;
use crate::error::Error;
use crate::event::Level;
use crate::evidence::ContainerInfo;
use crate::scope::Call;
use crate::spec::{Gpu, Gpus};

/// The major number of NVIDIA's nodes (Documentation/admin-guide/devices.txt). Its minor numbers from 254 on are no GPUs.
const NVIDIA: u32 = 195;
const NO_GPU: u32 = 254;
/// Entries of one folder that are looked at.
const MOST: usize = 4096;
/// How often the start of an attached container is looked for, and between two looks.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// The GPUs of this machine: by minor number, in the order of their indices.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Minor numbers of the nodes in `/dev`.
    nodes: BTreeSet<u32>,
    /// What the driver says of each: its minor number and its UUID, in the order of the bus.
    driver: Vec<(u32, String)>,
}

impl Machine {
    /// Looks at the nodes in `/dev`, and at what the driver tells in `/proc`.
    pub(super) fn look() -> Self {
        let nodes = held(CWD, "/dev").ok().and_then(|folder| gpus_in(&folder).ok()).unwrap_or_default();
        let driver = match nodes.is_empty() {
            true => Vec::new(),
            false => driver(Path::new("/proc/driver/nvidia/gpus")),
        };
        Self { nodes: nodes.into_values().collect(), driver }
    }

    /// The minor number that a name of a mask stands for; none where that can't be known.
    fn minor(&self, gpu: &Gpu) -> Option<u32> {
        match gpu {
            Gpu::Index(index) | Gpu::Mig(index, _) if self.driver.is_empty() => Some(*index),
            Gpu::Index(index) | Gpu::Mig(index, _) => {
                self.driver.get(usize::try_from(*index).ok()?).map(|(minor, _)| *minor)
            }
            Gpu::Uuid(uuid) => self.driver.iter().find(|(_, known)| known == uuid).map(|(minor, _)| *minor),
        }
    }

    /// Whether what a container sees is what was asked for.
    fn judge(&self, asked: &Gpus, seen: &BTreeMap<String, u32>) -> Result<(), String> {
        let minors: BTreeSet<u32> = seen.values().copied().collect();
        let (known, unknown) = match asked {
            Gpus::None => (BTreeSet::new(), 0),
            Gpus::All => (self.nodes.clone(), 0),
            Gpus::Mask(mask) => {
                let known: Vec<Option<u32>> = mask.iter().map(|gpu| self.minor(gpu)).collect();
                (known.iter().flatten().copied().collect(), known.iter().filter(|minor| minor.is_none()).count())
            }
        };
        // Instances whose GPU is not known may share one.
        let others = minors.difference(&known).count();
        if known.is_subset(&minors) && others <= unknown && (unknown == 0 || !minors.is_empty()) {
            return Ok(());
        }
        let names: Vec<&str> = seen.keys().map(String::as_str).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(format!("the container was to see exactly the GPUs {}, and of their nodes it sees {names}", told(asked)))
    }
}

fn told(asked: &Gpus) -> String {
    match crate::scope::gpu_ids(asked) {
        ids if ids.is_empty() => "of no mask".to_owned(),
        ids => ids.join(","),
    }
}

/// A folder, held.
fn held(at: impl std::os::fd::AsFd, path: &str) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The minor numbers of the GPU nodes in a folder and in the folders directly below it, by name. A node counts by its
/// number, whatever it is called; links are not followed.
fn gpus_in(folder: &OwnedFd) -> Result<BTreeMap<String, u32>, Errno> {
    let mut found = BTreeMap::new();
    collect(folder, "", &mut found)?;
    Ok(found)
}

fn collect(folder: &OwnedFd, prefix: &str, found: &mut BTreeMap<String, u32>) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)?.take(MOST) {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        // What is gone by now is not there.
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let shown = format!("{prefix}{}", name.to_string_lossy());
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if major(stat.st_rdev) == NVIDIA && minor(stat.st_rdev) < NO_GPU => {
                found.insert(shown, minor(stat.st_rdev));
            }
            FileType::Directory if prefix.is_empty() => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(inner) = openat(folder, name, flags, Mode::empty()) {
                    collect(&inner, &format!("{shown}/"), found)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the driver tells of its GPUs: a folder for each, named by its place on the bus.
fn driver(folder: &Path) -> Vec<(u32, String)> {
    let mut places: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    places.sort();
    places.iter().filter_map(|place| information(&std::fs::read_to_string(place.join("information")).ok()?)).collect()
}

fn information(text: &str) -> Option<(u32, String)> {
    let value = |key: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
    };
    Some((value("Device Minor")?.parse().ok()?, value("GPU UUID").unwrap_or_default().to_owned()))
}

/// The GPU nodes that a process sees in its `/dev`. None where that can't be seen, or not any more, or where the process has
/// no mounts of its own: then it is in no container (the rehearsal engine's are not).
fn seen_by(pid: u32) -> Option<BTreeMap<String, u32>> {
    let mounts = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    if mounts(&pid.to_string())? == mounts("self")? {
        return None;
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, format!("/proc/{pid}/root"), flags, Mode::empty()).ok()?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat2(&root, "dev", flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS) {
        Ok(folder) => gpus_in(&folder).ok(),
        // Without a `/dev` it sees none.
        Err(Errno::NOENT) => Some(BTreeMap::new()),
        Err(_) => None,
    }
}

impl Inner {
    /// A container that sees more, or other, GPUs than those that it was to get is an error; also one that was to get
    /// none.
    pub(super) fn check_exposure(&self, seen: &ContainerInfo, asked: &Gpus) -> Result<(), Error> {
        let machine = Machine::look();
        if machine.nodes.is_empty() && *asked == Gpus::None {
            return Ok(());
        }
        match seen.pid.and_then(seen_by) {
            Some(nodes) => machine.judge(asked, &nodes).map_err(Error::Gpu),
            None => {
                self.say(Level::Detail, || {
                    format!("the GPUs of {} could not be looked at: it has ended, or no /dev of its own", seen.name)
                });
                Ok(())
            }
        }
    }

    /// The same for a container whose output is attached: it is looked for beside its run.
    pub(super) fn watch_exposure(
        self: &Arc<Self>,
        backend: &Arc<Backend>,
        container: &ContainerInfo,
        asked: &Gpus,
    ) -> Option<ExposureWatch> {
        if self.services.dry_run || (*asked == Gpus::None && Machine::look().nodes.is_empty()) {
            return None;
        }
        let wrong = Arc::new(Mutex::new(None));
        let (inner, backend, container, asked) =
            (Arc::clone(self), Arc::clone(backend), container.clone(), asked.clone());
        let found = Arc::clone(&wrong);
        let task = tokio::spawn(async move {
            if let Some(error) = inner.wrong_exposure(&backend, &container, &asked).await {
                *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                inner.abandon(&backend, &container.name).await;
            }
        });
        Some(ExposureWatch { wrong, _task: AbortOnDrop(task) })
    }

    /// Looks until the container runs or has ended.
    async fn wrong_exposure(&self, backend: &Arc<Backend>, container: &ContainerInfo, asked: &Gpus) -> Option<Error> {
        for _ in 0..LOOKS {
            let looker = self.looker(backend, Call::Inspect).ok()?;
            let seen = looker.look_at_containers(&[&container.id]).await.ok()?;
            let seen = seen.into_iter().find(|found| found.id == container.id)?;
            if seen.state.is_alive() && seen.pid.is_some() {
                return self.check_exposure(&seen, asked).err();
            }
            if seen.state != crate::evidence::ContainerState::Created {
                return None;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        None
    }
}

/// Somebody who looks at the GPUs of a container beside its run. Dropped, the looking ends.
pub(super) struct ExposureWatch {
    wrong: Arc<Mutex<Option<Error>>>,
    _task: AbortOnDrop<()>,
}

impl ExposureWatch {
    /// What was found to be wrong; then the container is ended already.
    pub(super) fn wrong(&self) -> Option<Error> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUIDS: [&str; 2] = ["GPU-5f3c1a52-7c5f-4f1a-9d4e-0123456789ab", "GPU-5f3c1a52-7c5f-4f1a-9d4e-0123456789ac"];

    fn machine(driver: bool) -> Machine {
        let driver = if driver { vec![(1, UUIDS[0].to_owned()), (0, UUIDS[1].to_owned())] } else { Vec::new() };
        Machine { nodes: [0, 1].into(), driver }
    }

    fn seen(minors: &[u32]) -> BTreeMap<String, u32> {
        minors.iter().map(|minor| (format!("nvidia{minor}"), *minor)).collect()
    }

    #[test]
    fn exactly_the_mask_is_right() {
        for (asked, right, wrong) in [
            ("1", &[1][..], &[&[][..], &[0], &[0, 1]][..]),
            ("0,1", &[0, 1], &[&[0], &[0, 1, 2]]),
            ("1:0,1:1", &[1], &[&[], &[0]]),
            ("all", &[0, 1], &[&[0], &[0, 1, 2]]),
            ("none", &[], &[&[0]]),
        ] {
            let asked: Gpus = asked.parse().unwrap();
            assert_eq!(machine(false).judge(&asked, &seen(right)), Ok(()), "{asked:?}");
            for wrong in wrong {
                assert!(machine(false).judge(&asked, &seen(wrong)).is_err(), "{asked:?} {wrong:?}");
            }
        }
    }

    #[test]
    fn the_driver_tells_which_node_an_index_and_a_uuid_mean() {
        for asked in ["0", UUIDS[0]] {
            let asked: Gpus = asked.parse().unwrap();
            assert_eq!(machine(true).judge(&asked, &seen(&[1])), Ok(()));
            assert!(machine(true).judge(&asked, &seen(&[0])).is_err());
        }
    }

    #[test]
    fn a_uuid_that_nobody_knows_is_one_node() {
        let asked: Gpus = UUIDS[0].parse().unwrap();
        assert_eq!(machine(false).judge(&asked, &seen(&[0])), Ok(()));
        assert!(machine(false).judge(&asked, &seen(&[])).is_err());
        assert!(machine(false).judge(&asked, &seen(&[0, 1])).is_err());
    }

    #[test]
    fn a_renamed_node_is_named_as_it_is_found() {
        let nodes = [("innocent".to_owned(), 0), ("nvidia1".to_owned(), 1)].into();
        let why = machine(false).judge(&"1".parse().unwrap(), &nodes).unwrap_err();
        assert!(why.contains("GPUs 1,") && why.contains("innocent, nvidia1"), "{why}");
    }

    #[test]
    fn what_the_driver_tells_is_read() {
        let text = "Model: \t\t NVIDIA A100\nGPU UUID: \t GPU-5f3c\nDevice Minor: \t 3\n";
        assert_eq!(information(text), Some((3, "GPU-5f3c".to_owned())));
        assert_eq!(information("Model: x"), None);
    }

    #[test]
    fn a_process_without_mounts_of_its_own_is_in_no_container() {
        assert_eq!(seen_by(std::process::id()), None);
        assert_eq!(seen_by(u32::MAX), None);
    }
}
