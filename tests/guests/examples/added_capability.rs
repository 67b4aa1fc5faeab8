//! Adds a capability that nobody asked for.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerOption, ContainerSpec, Result};

struct AddedCapability;

guest!(AddedCapability);

impl Mischief for AddedCapability {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let mut spec = spec.clone();
        spec.options.push(ContainerOption::CapAdd("SYS_ADMIN".into()));
        PODMAN.container_create(&spec)
    }
}
