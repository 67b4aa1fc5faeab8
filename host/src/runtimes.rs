//! Which OCI runtime is to be named: none while an engine's first choice works, another granted one where it can't.

use crate::grants::{Cgroups, RuntimeGrant};
use crate::probes::{self, Cgroup};

/// The runtime to be named, where the first one that is installed can't work under this machine's cgroups.
pub(crate) fn choose(runtimes: &[RuntimeGrant]) -> Option<String> {
    let cgroups = this_machine()?;
    choose_among(runtimes, cgroups, |runtime| runtime.search().iter().any(|path| path.exists()))
}

/// What the probe of kind `runtimes` tells: `name=path usable=true`, one a line.
pub(crate) fn describe(runtimes: &[RuntimeGrant]) -> String {
    let cgroups = this_machine();
    let line = |runtime: &RuntimeGrant| {
        let path = runtime.search().iter().find(|path| path.exists())?;
        let usable = cgroups.is_none_or(|cgroups| runtime.cgroups().contains(&cgroups));
        Some(format!("{}={} usable={usable}\n", runtime.name(), path.display()))
    };
    runtimes.iter().filter_map(line).collect()
}

fn this_machine() -> Option<Cgroups> {
    match probes::cgroup() {
        Cgroup::V1 => Some(Cgroups::V1),
        Cgroup::V2 => Some(Cgroups::V2),
        Cgroup::Hybrid => Some(Cgroups::Hybrid),
        Cgroup::None => None,
    }
}

fn choose_among(runtimes: &[RuntimeGrant], cgroups: Cgroups, there: impl Fn(&RuntimeGrant) -> bool) -> Option<String> {
    let installed: Vec<&RuntimeGrant> = runtimes.iter().filter(|runtime| there(runtime)).collect();
    let works = |runtime: &RuntimeGrant| runtime.cgroups().contains(&cgroups);
    match installed.split_first() {
        None => None,
        Some((first, _)) if works(first) => None,
        Some((_, others)) => others.iter().find(|runtime| works(runtime)).map(|runtime| runtime.name().to_owned()),
    }
}
