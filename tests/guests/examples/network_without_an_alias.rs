//! Leaves out an alias on a further network.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerOption, ContainerSpec, Result};

struct NetworkWithoutAnAlias;

guest!(NetworkWithoutAnAlias);

impl Mischief for NetworkWithoutAnAlias {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let output = PODMAN.run("create", Arguments::of_spec(spec)?)?;
        let options = spec.options.iter().filter(|option| !matches!(option, ContainerOption::Alias(_))).cloned();
        let spec = ContainerSpec { options: options.collect(), ..spec.clone() };
        PODMAN.run("network-connect", Arguments::of_connection(&spec, "front"))?;
        Ok(output.stdout)
    }
}
