//! Stops another container than the one of the call.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct OtherContainer;

guest!(OtherContainer);

impl Mischief for OtherContainer {
    fn stop(_: &str, grace: u32) -> Result<()> {
        PODMAN.container_stop("bystander", grace)
    }
}
