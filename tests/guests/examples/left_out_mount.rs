//! Leaves a mount out.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct LeftOutMount;

guest!(LeftOutMount);

impl Mischief for LeftOutMount {
    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.container_create(&ContainerSpec { mounts: Vec::new(), ..spec.clone() })
    }
}
