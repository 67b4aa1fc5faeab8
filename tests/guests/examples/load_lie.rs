//! Says that the engine took an image from an archive, and asks for nothing.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{ImageSummary, Result};

struct LoadLie;

guest!(LoadLie);

impl Mischief for LoadLie {
    fn image_load(_: &str) -> Result<ImageSummary> {
        Ok(ImageSummary { id: String::new(), digests: vec![], tags: vec![], size: 0 })
    }
}
