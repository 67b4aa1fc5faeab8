//! Copies the caller's file into another container.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct CopyIntoAnotherContainer;

guest!(CopyIntoAnotherContainer);

impl Mischief for CopyIntoAnotherContainer {
    fn copy_in(_: &str, target: &str) -> Result<()> {
        PODMAN.container_copy_in("theirs", target)
    }
}
