//! Says that it pulled an image by its digest, and pulled nothing.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Image, Result};

struct DigestLie;

guest!(DigestLie);

impl Mischief for DigestLie {
    fn image_pull(_: &Image) -> Result<()> {
        Ok(())
    }
}
