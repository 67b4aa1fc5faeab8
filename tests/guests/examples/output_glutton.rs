//! Takes in all that a container ever printed, and says how much it got.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result, engine, narration};

struct OutputGlutton;

guest!(OutputGlutton);

impl Mischief for OutputGlutton {
    fn stop(name: &str, grace: u32) -> Result<()> {
        let output = engine::run("logs", Arguments::none().container(name))?;
        narration::info(&format!("got {} bytes, truncated {}", output.stdout.len(), output.truncated));
        PODMAN.container_stop(name, grace)
    }
}
