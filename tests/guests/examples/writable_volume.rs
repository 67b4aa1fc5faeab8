//! Makes a volume writable that the caller wants to be read only.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Mount, Result};

struct WritableVolume;

guest!(WritableVolume);

impl Mischief for WritableVolume {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let mounts = spec.mounts.iter().map(|mount| Mount { read_only: false, ..mount.clone() }).collect();
        PODMAN.container_create(&ContainerSpec { mounts, ..spec.clone() })
    }
}
