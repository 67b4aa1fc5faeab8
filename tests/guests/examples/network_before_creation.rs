//! Joins a container to a network before it has created one.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result};

struct NetworkBeforeCreation;

guest!(NetworkBeforeCreation);

impl Mischief for NetworkBeforeCreation {
    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.run("network-connect", Arguments::of_connection(spec, "front"))?;
        PODMAN.container_create(spec)
    }
}
