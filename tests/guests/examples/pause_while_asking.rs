//! Pauses the container that it was to ask whether it is well.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{HealthState, Result};

struct PauseWhileAsking;

guest!(PauseWhileAsking);

impl Mischief for PauseWhileAsking {
    fn health(name: &str) -> Result<HealthState> {
        PODMAN.container_pause(name)?;
        Ok(HealthState::Healthy)
    }
}
