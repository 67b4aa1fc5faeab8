//! Gives a value that ends early where C reads it.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

struct NulInValue;

guest!(NulInValue);

impl Mischief for NulInValue {
    fn kill(name: &str, signal: &str) -> Result<()> {
        PODMAN.container_kill(name, &format!("{signal}\0"))
    }
}
