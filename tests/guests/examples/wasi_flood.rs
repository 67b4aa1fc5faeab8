//! Prints without end.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

#[path = "../wasi/mod.rs"]
mod wasi;

struct WasiFlood;

guest!(WasiFlood);

impl Mischief for WasiFlood {
    fn stop(name: &str, grace: u32) -> Result<()> {
        let stdout = wasi::cli::stdout::get_stdout();
        let line = "all work and no play\n".repeat(100);
        for _ in 0..10_000 {
            let _whatever = stdout.blocking_write_and_flush(line.as_bytes());
        }
        PODMAN.container_stop(name, grace)
    }
}
