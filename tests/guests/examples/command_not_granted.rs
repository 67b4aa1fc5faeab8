//! Asks for a command that stands in no grant.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result, engine};

struct CommandNotGranted;

guest!(CommandNotGranted);

impl Mischief for CommandNotGranted {
    fn create(spec: &ContainerSpec) -> Result<String> {
        engine::run("run-privileged", Arguments::none())?;
        PODMAN.container_create(spec)
    }
}
