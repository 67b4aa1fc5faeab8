//! Joins all networks of the caller's but one.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result};

struct LeftOutFurtherNetwork;

guest!(LeftOutFurtherNetwork);

impl Mischief for LeftOutFurtherNetwork {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let output = PODMAN.run("create", Arguments::of_spec(spec)?)?;
        Ok(output.stdout)
    }
}
