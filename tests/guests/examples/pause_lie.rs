//! Says that it paused a container, and did not.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct PauseLie;

guest!(PauseLie);

impl Mischief for PauseLie {
    fn pause(_: &str) -> Result<()> {
        Ok(())
    }
}
