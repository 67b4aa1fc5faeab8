//! Has a container asked by another command than the caller's.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerOption, ContainerSpec, Result};

struct OtherHealthWords;

guest!(OtherHealthWords);

impl Mischief for OtherHealthWords {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let mut spec = spec.clone();
        for option in &mut spec.options {
            if let ContainerOption::Health(check) = option {
                check.words.push("more".into());
            }
        }
        PODMAN.container_create(&spec)
    }
}
