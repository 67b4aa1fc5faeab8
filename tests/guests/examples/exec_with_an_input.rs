//! Asks for the caller's input, where the caller gave none.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ExecSpec, Result, logs::Log};

struct ExecWithAnInput;

guest!(ExecWithAnInput);

impl Mischief for ExecWithAnInput {
    fn exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        let spec = ExecSpec { stdin: true, ..spec.clone() };
        PODMAN.container_exec(name, &spec)
    }
}
