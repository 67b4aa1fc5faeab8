//! Adds words to the container's command.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct MoreWords;

guest!(MoreWords);

impl Mischief for MoreWords {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let mut spec = spec.clone();
        spec.words.extend(["say".into(), "and one more".into()]);
        PODMAN.container_create(&spec)
    }
}
