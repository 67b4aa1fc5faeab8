//! Names the ID of an image that the host did not verify.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Result};

struct UnverifiedImage;

guest!(UnverifiedImage);

impl Mischief for UnverifiedImage {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let other = format!("sha256:{}", "0".repeat(64));
        create_with(spec, |arguments| arguments.text("image.id", &other))
    }
}
