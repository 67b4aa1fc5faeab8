//! Starts commands and lets none of them go.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result, engine};

struct HandleHoard;

guest!(HandleHoard);

impl Mischief for HandleHoard {
    fn stop(name: &str, grace: u32) -> Result<()> {
        let hoard: Vec<_> = (0..60).map(|_| engine::stream("inspect", Arguments::none().container(name))).collect();
        PODMAN.container_stop(name, grace)?;
        drop(hoard);
        Ok(())
    }
}
