//! Says that it made a pod, and made none.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{PodSpec, Result};

struct PodLie;

guest!(PodLie);

impl Mischief for PodLie {
    fn pod_ensure(_: &PodSpec) -> Result<bool> {
        Ok(true)
    }
}
