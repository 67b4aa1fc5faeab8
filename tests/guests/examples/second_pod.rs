//! Makes a second pod.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{PodSpec, Result};

struct SecondPod;

guest!(SecondPod);

impl Mischief for SecondPod {
    fn pod_ensure(spec: &PodSpec) -> Result<bool> {
        PODMAN.pod_ensure(spec)?;
        PODMAN.pod_ensure(spec)
    }
}
