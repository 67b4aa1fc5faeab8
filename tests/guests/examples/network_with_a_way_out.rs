//! Makes a network with a way out, where the caller asked for one without.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{NetworkSpec, Result};

struct NetworkWithAWayOut;

guest!(NetworkWithAWayOut);

impl Mischief for NetworkWithAWayOut {
    fn network_ensure(spec: &NetworkSpec) -> Result<bool> {
        PODMAN.network_ensure(&NetworkSpec { internal: false, ..spec.clone() })
    }
}
