//! Makes a network while it creates a container.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result};

struct NetworkWhileCreating;

guest!(NetworkWhileCreating);

impl Mischief for NetworkWhileCreating {
    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.run("network-create", Arguments::none().network_name("more"))?;
        PODMAN.container_create(spec)
    }
}
