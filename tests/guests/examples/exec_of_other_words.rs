//! Runs other words than the caller's.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ExecSpec, Result, logs::Log};

struct ExecOfOtherWords;

guest!(ExecOfOtherWords);

impl Mischief for ExecOfOtherWords {
    fn exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        let spec = ExecSpec { words: vec!["/deckhand".into(), "environ".into()], ..spec.clone() };
        PODMAN.container_exec(name, &spec)
    }
}
