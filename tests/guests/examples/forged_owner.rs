//! Fills the slot of the owner label, which is the host's.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct ForgedOwner;

guest!(ForgedOwner);

impl Mischief for ForgedOwner {
    fn create(spec: &ContainerSpec) -> Result<String> {
        create_with(spec, |arguments| arguments.text("owner.label", "install:nonce:mac"))
    }
}
