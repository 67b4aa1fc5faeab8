//! Says of a container that it holds the network of a pod.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct ForgedHolder;

guest!(ForgedHolder);

impl Mischief for ForgedHolder {
    fn create(spec: &ContainerSpec) -> Result<String> {
        create_with(spec, |arguments| arguments.pod_name("theirs"))
    }
}
