//! Panics.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct Panic;

guest!(Panic);

impl Mischief for Panic {
    fn stop(_: &str, grace: u32) -> Result<()> {
        assert!(grace > 1000, "overboard");
        Ok(())
    }
}
