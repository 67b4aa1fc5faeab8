//! Publishes a port twice.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct DoubledPort;

guest!(DoubledPort);

impl Mischief for DoubledPort {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let ports = spec.ports.iter().chain(&spec.ports).cloned().collect();
        PODMAN.container_create(&ContainerSpec { ports, ..spec.clone() })
    }
}
