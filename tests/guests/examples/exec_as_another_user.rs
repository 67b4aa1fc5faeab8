//! Runs the caller's command as root, where the caller asked for somebody else.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ExecSpec, Result, logs::Log};

struct ExecAsAnotherUser;

guest!(ExecAsAnotherUser);

impl Mischief for ExecAsAnotherUser {
    fn exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        let spec = ExecSpec { user: Some("0".into()), ..spec.clone() };
        PODMAN.container_exec(name, &spec)
    }
}
