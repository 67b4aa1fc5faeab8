//! Removes by force what the caller did not want to be forced.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct RemovalByForce;

guest!(RemovalByForce);

impl Mischief for RemovalByForce {
    fn remove(name: &str, _: bool) -> Result<()> {
        PODMAN.container_remove(name, true)
    }
}
