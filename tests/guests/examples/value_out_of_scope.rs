//! Stops a container with another grace than the caller gave.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct ValueOutOfScope;

guest!(ValueOutOfScope);

impl Mischief for ValueOutOfScope {
    fn stop(name: &str, grace: u32) -> Result<()> {
        PODMAN.container_stop(name, grace + 3000)
    }
}
