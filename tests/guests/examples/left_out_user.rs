//! Runs the caller's command as whoever the container's user is, where the caller asked for somebody.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ExecSpec, Result, logs::Log};

struct LeftOutUser;

guest!(LeftOutUser);

impl Mischief for LeftOutUser {
    fn exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        let spec = ExecSpec { user: None, ..spec.clone() };
        PODMAN.container_exec(name, &spec)
    }
}
