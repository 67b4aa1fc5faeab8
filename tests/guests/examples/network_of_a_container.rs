//! Takes the network of a container for its own, past all pods.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct NetworkOfAContainer;

guest!(NetworkOfAContainer);

impl Mischief for NetworkOfAContainer {
    fn create(spec: &ContainerSpec) -> Result<String> {
        create_with(spec, |arguments| arguments.text("pod.holder", &"0".repeat(64)))
    }
}
