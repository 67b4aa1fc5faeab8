//! Leaves the memory limit out.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct LeftOutLimit;

guest!(LeftOutLimit);

impl Mischief for LeftOutLimit {
    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.container_create(&ContainerSpec { options: Vec::new(), ..spec.clone() })
    }
}
