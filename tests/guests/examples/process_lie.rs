//! Leaves a process out.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct ProcessLie;

guest!(ProcessLie);

impl Mischief for ProcessLie {
    fn top(name: &str) -> Result<Vec<String>> {
        let mut lines = PODMAN.container_top(name)?;
        lines.pop();
        Ok(lines)
    }
}
