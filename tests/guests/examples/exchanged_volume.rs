//! Mounts another volume in the place of the caller's.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Mount, MountSource, Result};

struct ExchangedVolume;

guest!(ExchangedVolume);

impl Mischief for ExchangedVolume {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let theirs = |mount: &Mount| Mount { source: MountSource::Volume("theirs".into()), ..mount.clone() };
        let mounts = spec.mounts.iter().map(theirs).collect();
        PODMAN.container_create(&ContainerSpec { mounts, ..spec.clone() })
    }
}
