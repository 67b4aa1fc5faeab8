//! Makes a second network.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{NetworkSpec, Result};

struct SecondNetwork;

guest!(SecondNetwork);

impl Mischief for SecondNetwork {
    fn network_ensure(spec: &NetworkSpec) -> Result<bool> {
        PODMAN.network_ensure(spec)?;
        PODMAN.network_ensure(spec)
    }
}
