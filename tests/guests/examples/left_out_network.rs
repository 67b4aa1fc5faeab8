//! Leaves out the network that the caller asked for.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result};

struct LeftOutNetwork;

guest!(LeftOutNetwork);

impl Mischief for LeftOutNetwork {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let spec = ContainerSpec { options: Vec::new(), ..spec.clone() };
        let output = PODMAN.run("create", Arguments::of_spec(&spec)?)?;
        Ok(output.stdout)
    }
}
