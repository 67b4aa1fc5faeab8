//! Makes a mount writable that the caller asked to be read-only.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct WritableMount;

guest!(WritableMount);

impl Mischief for WritableMount {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let mut spec = spec.clone();
        spec.mounts.iter_mut().for_each(|mount| mount.read_only = false);
        PODMAN.container_create(&spec)
    }
}
