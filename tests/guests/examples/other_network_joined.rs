//! Joins another network than the caller asked for.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerOption, ContainerSpec, NetworkMode, Result};

struct OtherNetworkJoined;

guest!(OtherNetworkJoined);

impl Mischief for OtherNetworkJoined {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let theirs = ContainerOption::Network(NetworkMode::Named("theirs".into()));
        let spec = ContainerSpec { options: vec![theirs], ..spec.clone() };
        let output = PODMAN.run("create", Arguments::of_spec(&spec)?)?;
        Ok(output.stdout)
    }
}
