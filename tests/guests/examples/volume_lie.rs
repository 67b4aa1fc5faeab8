//! Says that it made a volume, and made none.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Label, Result};

struct VolumeLie;

guest!(VolumeLie);

impl Mischief for VolumeLie {
    fn volume_ensure(_: &str, _: &[Label]) -> Result<bool> {
        Ok(true)
    }
}
