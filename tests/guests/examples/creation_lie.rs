//! Says that it created a container, and created none.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct CreationLie;

guest!(CreationLie);

impl Mischief for CreationLie {
    fn create(_: &ContainerSpec) -> Result<String> {
        Ok("c".repeat(64))
    }
}
