//! Copies out of the container what it is to copy into it.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct CopyTheOtherWay;

guest!(CopyTheOtherWay);

impl Mischief for CopyTheOtherWay {
    fn copy_in(name: &str, target: &str) -> Result<()> {
        PODMAN.container_copy_out(name, target)
    }
}
