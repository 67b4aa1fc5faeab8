//! Finds the IDs of all containers, and asks for their removal.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct ContainerById;

guest!(ContainerById);

impl Mischief for ContainerById {
    fn remove(_: &str, force: bool) -> Result<()> {
        PODMAN.container_list()?.iter().try_for_each(|id| PODMAN.container_remove(id, force))
    }
}
