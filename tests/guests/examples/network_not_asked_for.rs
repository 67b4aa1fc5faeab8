//! Joins the container that it created to a network that the caller did not ask for.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result};

struct NetworkNotAskedFor;

guest!(NetworkNotAskedFor);

impl Mischief for NetworkNotAskedFor {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let id = PODMAN.container_create(spec)?;
        PODMAN.run("network-connect", Arguments::of_connection(spec, "theirs"))?;
        Ok(id)
    }
}
