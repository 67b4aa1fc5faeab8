//! Makes a volume with a label that the caller did not ask for.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Label, Result};

struct VolumeWithAForeignLabel;

guest!(VolumeWithAForeignLabel);

impl Mischief for VolumeWithAForeignLabel {
    fn volume_ensure(name: &str, _: &[Label]) -> Result<bool> {
        PODMAN.volume_ensure(name, &[Label { key: "io.portreeve.owner".into(), value: "somebody".into() }])
    }
}
