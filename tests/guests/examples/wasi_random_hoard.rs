//! Wants a gibibyte of random bytes at once.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

#[path = "../wasi/mod.rs"]
mod wasi;

struct WasiRandomHoard;

guest!(WasiRandomHoard);

impl Mischief for WasiRandomHoard {
    fn stop(name: &str, grace: u32) -> Result<()> {
        if wasi::random::random::get_random_bytes(1 << 30).is_empty() {
            return Ok(());
        }
        PODMAN.container_stop(name, grace)
    }
}
