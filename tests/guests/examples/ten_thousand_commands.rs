//! Asks for ten thousand commands in one call.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result, engine};

struct TenThousandCommands;

guest!(TenThousandCommands);

impl Mischief for TenThousandCommands {
    fn stop(name: &str, grace: u32) -> Result<()> {
        for _ in 0..10_000 {
            let _whatever = engine::run("inspect", Arguments::none().container(name));
        }
        PODMAN.container_stop(name, grace)
    }
}
