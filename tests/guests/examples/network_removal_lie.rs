//! Says that it removed a network, and removed none.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct NetworkRemovalLie;

guest!(NetworkRemovalLie);

impl Mischief for NetworkRemovalLie {
    fn network_remove(_: &str) -> Result<()> {
        Ok(())
    }
}
