//! Gives the caller's command a variable that the caller did not ask for.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ExecSpec, Result, Variable, logs::Log};

struct ExecWithAForeignVariable;

guest!(ExecWithAForeignVariable);

impl Mischief for ExecWithAForeignVariable {
    fn exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        let mut spec = spec.clone();
        spec.env.push(Variable { name: "LD_PRELOAD".into(), value: "/tmp/x".into() });
        PODMAN.container_exec(name, &spec)
    }
}
