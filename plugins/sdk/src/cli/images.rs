//! Images.

use crate::{Arguments, Error, Image, ImageSummary, Result, cli::Cli, inspect};

/// `Loaded image: NAME`, `Loaded image ID: sha256:…`, and Podman's `Loaded image(s): NAME`.
fn loaded(line: &str) -> Option<&str> {
    let (what, name) = line.split_once(": ")?;
    what.starts_with("Loaded image").then_some(name.trim())
}

impl Cli {
    /// `image-inspect`.
    ///
    /// # Errors
    /// As [`Cli::run`]; [`Error::Engine`] where the output can't be read.
    pub fn image_inspect(&self, image: &Image) -> Result<ImageSummary> {
        let output = self.run("image-inspect", Arguments::none().image(image))?;
        Ok(inspect::image(&inspect::first(&output.stdout)?))
    }

    /// Whether `image-inspect` finds the image.
    ///
    /// # Errors
    /// As [`Cli::run`], but for [`Error::NotFound`].
    pub fn image_present(&self, image: &Image) -> Result<bool> {
        match self.run("image-inspect", Arguments::none().image(image)) {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `image-remove`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn image_remove(&self, image: &Image, force: bool) -> Result<()> {
        self.run("image-remove", Arguments::none().image(image).flag_if("force", force)).map(drop)
    }

    /// `image-load`: the archive is the host's own copy, and the host fills in its place. Of what the engine says that it
    /// loaded, the names and the ID are told.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn image_load(&self) -> Result<ImageSummary> {
        let output = self.run("image-load", Arguments::none())?;
        let mut image = ImageSummary { id: String::new(), digests: vec![], tags: vec![], size: 0 };
        for name in inspect::lines(&output.stdout).filter_map(loaded) {
            match name.strip_prefix("sha256:") {
                Some(_) => image.id = name.into(),
                None => image.tags.push(name.into()),
            }
        }
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::tests::{CLIENT, image},
        stage::Stage,
    };

    #[test]
    fn an_image_that_is_not_there_is_no_error() {
        let stage = Stage::new().command("image-inspect", 1, "[]", "Error: No such image: r/a:1");
        assert_eq!(stage.play(|| CLIENT.image_present(&image())).0, Ok(false));
        let stage = Stage::new().command("image-inspect", 1, "[]", "disk on fire");
        assert!(matches!(stage.play(|| CLIENT.image_present(&image())).0, Err(Error::Engine(_))));
    }

    #[test]
    fn a_loaded_image_is_told_by_name_or_id() {
        for (said, id, tags) in [
            ("Loaded image: r/a:1\n", "", &["r/a:1"][..]),
            ("Getting image source signatures\nLoaded image: sha256:c5\n", "sha256:c5", &[]),
            ("Loaded image ID: sha256:c5\n", "sha256:c5", &[]),
        ] {
            let loaded = Stage::new().command("image-load", 0, said, "").play(|| CLIENT.image_load()).0.unwrap();
            assert_eq!((loaded.id.as_str(), loaded.tags), (id, tags.iter().map(ToString::to_string).collect()));
        }
    }
}
