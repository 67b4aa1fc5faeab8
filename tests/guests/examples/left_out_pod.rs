//! Leaves out the pod that the caller asked for.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, ContainerSpec, Result};

struct LeftOutPod;

guest!(LeftOutPod);

impl Mischief for LeftOutPod {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let spec = ContainerSpec { options: Vec::new(), ..spec.clone() };
        PODMAN.run("create", Arguments::of_spec(&spec)?).map(|output| output.stdout)
    }
}
