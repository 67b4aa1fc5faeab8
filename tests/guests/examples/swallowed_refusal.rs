//! Asks for what is not granted, hides the refusal and goes on as if nothing were.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result, engine};

struct SwallowedRefusal;

guest!(SwallowedRefusal);

impl Mischief for SwallowedRefusal {
    fn stop(name: &str, grace: u32) -> Result<()> {
        let _hidden = engine::run("commit", Arguments::none().container(name));
        PODMAN.container_stop(name, grace)
    }
}
