//! Says that it removed a volume, and did not.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct VolumeRemovalLie;

guest!(VolumeRemovalLie);

impl Mischief for VolumeRemovalLie {
    fn volume_remove(_: &str, _: bool) -> Result<()> {
        Ok(())
    }
}
