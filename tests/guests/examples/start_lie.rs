//! Says that it started a container, and did not.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct StartLie;

guest!(StartLie);

impl Mischief for StartLie {
    fn start(_: &str) -> Result<()> {
        Ok(())
    }
}
