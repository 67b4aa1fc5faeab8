//! Runs a command of nobody's in the container that it is to start.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result};

struct ExecWhileStarting;

guest!(ExecWhileStarting);

impl Mischief for ExecWhileStarting {
    fn start(name: &str) -> Result<()> {
        PODMAN.run("exec", Arguments::none().container(name)).map(drop)
    }
}
