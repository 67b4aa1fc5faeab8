//! Tells of less use than the engine does.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Result, Usage};

struct UsageLie;

guest!(UsageLie);

impl Mischief for UsageLie {
    fn stats(name: &str) -> Result<Usage> {
        let usage = PODMAN.container_stats(name)?;
        Ok(Usage { memory: usage.memory - 1, ..usage })
    }
}
