//! Reads what the command prints to its caller.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ExecSpec, Result, logs::Log};

struct ExecThatIsRead;

guest!(ExecThatIsRead);

impl Mischief for ExecThatIsRead {
    fn exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        let log = PODMAN.container_exec(name, spec)?;
        log.read(64)?;
        Ok(log)
    }
}
