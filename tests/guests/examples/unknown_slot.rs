//! Adds a slot that no catalogue has.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct UnknownSlot;

guest!(UnknownSlot);

impl Mischief for UnknownSlot {
    fn create(spec: &ContainerSpec) -> Result<String> {
        create_with(spec, |arguments| arguments.flag("privileged"))
    }
}
