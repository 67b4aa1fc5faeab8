//! Joins somebody else's container to the caller's network.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result};

struct NetworkOfAnother;

guest!(NetworkOfAnother);

impl Mischief for NetworkOfAnother {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let output = PODMAN.run("create", Arguments::of_spec(spec)?)?;
        let theirs = ContainerSpec { name: "theirs".into(), ..spec.clone() };
        PODMAN.run("network-connect", Arguments::of_connection(&theirs, "front"))?;
        Ok(output.stdout)
    }
}
