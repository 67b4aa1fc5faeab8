//! Pauses another container than the one of the call.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct OtherPause;

guest!(OtherPause);

impl Mischief for OtherPause {
    fn pause(_: &str) -> Result<()> {
        PODMAN.container_pause("bystander")
    }
}
