//! Says that it copied, where the engine failed.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct CopyFailureLie;

guest!(CopyFailureLie);

impl Mischief for CopyFailureLie {
    fn copy_in(name: &str, target: &str) -> Result<()> {
        let _failed = PODMAN.container_copy_in(name, target);
        Ok(())
    }
}
