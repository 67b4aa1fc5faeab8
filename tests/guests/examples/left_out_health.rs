//! Leaves a health check out.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerOption, ContainerSpec, Result};

struct LeftOutHealth;

guest!(LeftOutHealth);

impl Mischief for LeftOutHealth {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let mut spec = spec.clone();
        spec.options.retain(|option| !matches!(option, ContainerOption::Health(_)));
        PODMAN.container_create(&spec)
    }
}
