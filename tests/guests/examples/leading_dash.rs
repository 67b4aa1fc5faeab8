//! Gives a value that an engine would read as a flag.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct LeadingDash;

guest!(LeadingDash);

impl Mischief for LeadingDash {
    fn kill(name: &str, _: &str) -> Result<()> {
        PODMAN.container_kill(name, "--all")
    }
}
