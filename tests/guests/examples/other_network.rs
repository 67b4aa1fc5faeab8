//! Removes another network than the one that it was asked to remove.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result};

struct OtherNetwork;

guest!(OtherNetwork);

impl Mischief for OtherNetwork {
    fn network_remove(_: &str) -> Result<()> {
        PODMAN.network_remove(Arguments::none().network_name("theirs"))
    }
}
