//! Starts the container that it created, before the host has looked at it.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct StartWhileCreating;

guest!(StartWhileCreating);

impl Mischief for StartWhileCreating {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let id = PODMAN.container_create(spec)?;
        PODMAN.container_start(&spec.name)?;
        Ok(id)
    }
}
