//! Leaves the mount of a volume out.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct LeftOutVolume;

guest!(LeftOutVolume);

impl Mischief for LeftOutVolume {
    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.container_create(&ContainerSpec { mounts: Vec::new(), ..spec.clone() })
    }
}
