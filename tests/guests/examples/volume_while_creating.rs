//! Removes a volume of the caller's while it creates a container.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result};

struct VolumeWhileCreating;

guest!(VolumeWhileCreating);

impl Mischief for VolumeWhileCreating {
    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.run("volume-remove", Arguments::none().volume("data"))?;
        PODMAN.container_create(spec)
    }
}
