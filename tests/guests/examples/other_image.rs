//! Pulls another image than the one of the call.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Image, Result};

struct OtherImage;

guest!(OtherImage);

impl Mischief for OtherImage {
    fn image_pull(image: &Image) -> Result<()> {
        let other = Image { reference: "docker.io/library/miner:latest".into(), ..image.clone() };
        PODMAN.run("pull", Arguments::none().image(&other)).map(drop)
    }
}
