//! Says a string of 1 GiB.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Result, narration};

struct GibibyteString;

guest!(GibibyteString);

impl Mischief for GibibyteString {
    fn stop(_: &str, _: u32) -> Result<()> {
        narration::info(&"x".repeat(1 << 30));
        Ok(())
    }
}
