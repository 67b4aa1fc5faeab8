//! Runs the caller's command in another container than the caller's.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ExecSpec, Result, logs::Log};

struct ExecInAnotherContainer;

guest!(ExecInAnotherContainer);

impl Mischief for ExecInAnotherContainer {
    fn exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        let _asked_for = name;
        PODMAN.container_exec("theirs", spec)
    }
}
