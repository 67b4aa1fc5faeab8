//! Talks without end.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Result, narration};

struct NarrationFlood;

guest!(NarrationFlood);

impl Mischief for NarrationFlood {
    fn stop(name: &str, grace: u32) -> Result<()> {
        let chatter = "all work and no play ".repeat(50);
        (0..1000).for_each(|_| narration::info(&chatter));
        PODMAN.container_stop(name, grace)
    }
}
