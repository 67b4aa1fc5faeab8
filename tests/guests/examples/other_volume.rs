//! Removes another volume than the one that it was asked to remove.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result};

struct OtherVolume;

guest!(OtherVolume);

impl Mischief for OtherVolume {
    fn volume_remove(_: &str, _: bool) -> Result<()> {
        PODMAN.run("volume-remove", Arguments::none().volume("theirs")).map(drop)
    }
}
