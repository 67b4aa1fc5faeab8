//! Joins another pod than the caller asked for.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerOption, ContainerSpec, Result};

struct OtherPodJoined;

guest!(OtherPodJoined);

impl Mischief for OtherPodJoined {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let spec = ContainerSpec { options: vec![ContainerOption::Pod("theirs".into())], ..spec.clone() };
        PODMAN.run("create", Arguments::of_spec(&spec)?).map(|output| output.stdout)
    }
}
