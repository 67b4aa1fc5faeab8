//! Removes a pod while it creates a container.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result};

struct PodWhileCreating;

guest!(PodWhileCreating);

impl Mischief for PodWhileCreating {
    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.run("pod-remove", Arguments::none().pod_id("ours"))?;
        PODMAN.container_create(spec)
    }
}
