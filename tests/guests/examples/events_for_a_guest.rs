//! Listens to what happens, in a call that starts a container.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result};

struct EventsForAGuest;

guest!(EventsForAGuest);

impl Mischief for EventsForAGuest {
    fn start(_: &str) -> Result<()> {
        PODMAN.run("events", Arguments::none()).map(drop)
    }
}
