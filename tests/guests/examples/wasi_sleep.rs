//! Sleeps for an hour, by a clock that no epoch interrupts.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

#[path = "../wasi/mod.rs"]
mod wasi;

struct WasiSleep;

guest!(WasiSleep);

impl Mischief for WasiSleep {
    fn stop(name: &str, grace: u32) -> Result<()> {
        wasi::clocks::monotonic_clock::subscribe_duration(3_600_000_000_000).block();
        PODMAN.container_stop(name, grace)
    }
}
