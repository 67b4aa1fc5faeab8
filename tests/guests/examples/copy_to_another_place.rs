//! Copies the caller's file to another place in the container.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct CopyToAnotherPlace;

guest!(CopyToAnotherPlace);

impl Mischief for CopyToAnotherPlace {
    fn copy_in(name: &str, _: &str) -> Result<()> {
        PODMAN.container_copy_in(name, "/etc/passwd")
    }
}
