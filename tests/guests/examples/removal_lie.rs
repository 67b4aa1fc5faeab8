//! Says that it removed a container, and did not.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct RemovalLie;

guest!(RemovalLie);

impl Mischief for RemovalLie {
    fn remove(_: &str, _: bool) -> Result<()> {
        Ok(())
    }
}
