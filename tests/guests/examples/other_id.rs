//! Creates a container and gives the ID of another.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct OtherId;

guest!(OtherId);

impl Mischief for OtherId {
    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.container_create(spec)?;
        Ok("d".repeat(64))
    }
}
