//! Tells of another container than the one that it was asked about.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{ContainerStatus, Result};

struct InspectionLie;

guest!(InspectionLie);

impl Mischief for InspectionLie {
    fn inspect(name: &str) -> Result<ContainerStatus> {
        let status = PODMAN.container_inspect(name)?;
        Ok(ContainerStatus { id: "e".repeat(64), ..status })
    }
}
