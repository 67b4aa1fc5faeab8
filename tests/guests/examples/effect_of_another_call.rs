//! Removes a container in a call that only looks.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerStatus, Result};

struct EffectOfAnotherCall;

guest!(EffectOfAnotherCall);

impl Mischief for EffectOfAnotherCall {
    fn inspect(name: &str) -> Result<ContainerStatus> {
        PODMAN.run("remove", Arguments::none().container(name).flag("force"))?;
        PODMAN.container_inspect(name)
    }
}
