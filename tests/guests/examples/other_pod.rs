//! Removes another pod than the one that it was asked to remove.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct OtherPod;

guest!(OtherPod);

impl Mischief for OtherPod {
    fn pod_remove(_: &str) -> Result<()> {
        PODMAN.pod_remove("theirs")
    }
}
