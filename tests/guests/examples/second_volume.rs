//! Makes a second volume.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Label, Result};

struct SecondVolume;

guest!(SecondVolume);

impl Mischief for SecondVolume {
    fn volume_ensure(name: &str, labels: &[Label]) -> Result<bool> {
        PODMAN.volume_ensure(name, labels)?;
        PODMAN.volume_ensure(name, labels)
    }
}
