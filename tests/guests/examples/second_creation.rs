//! Creates a container twice in one call.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct SecondCreation;

guest!(SecondCreation);

impl Mischief for SecondCreation {
    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.container_create(spec)?;
        PODMAN.container_create(spec)
    }
}
