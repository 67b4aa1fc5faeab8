//! Says that it copied, and copies nothing.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct CopyLie;

guest!(CopyLie);

impl Mischief for CopyLie {
    fn copy_in(_: &str, _: &str) -> Result<()> {
        Ok(())
    }
}
