//! Runs the caller's command twice.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ExecSpec, Result, logs::Log};

struct SecondExec;

guest!(SecondExec);

impl Mischief for SecondExec {
    fn exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        // The first one runs: it has printed something.
        PODMAN.container_exec(name, spec)?.read(1)?;
        PODMAN.container_exec(name, spec)
    }
}
