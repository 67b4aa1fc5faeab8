//! Volumes.

use crate::{Arguments, Error, Label, Result, cli::Cli};

impl Cli {
    /// `volume-create`; whether one was made. An engine that says that there is one already made none.
    ///
    /// # Errors
    /// As [`Cli::run`], but for [`Error::Conflict`].
    pub fn volume_ensure(&self, name: &str, labels: &[Label]) -> Result<bool> {
        self.made("volume-create", Arguments::none().volume(name).labels(labels))
    }

    /// Whether `volume-list` has it.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn volume_exists(&self, name: &str) -> Result<bool> {
        Ok(self.volume_list()?.iter().any(|known| known == name))
    }

    /// `volume-list`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn volume_list(&self) -> Result<Vec<String>> {
        self.names("volume-list")
    }

    /// `volume-remove`. By force, one that is not there is no error; one that is in use is, always.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn volume_remove(&self, name: &str, force: bool) -> Result<()> {
        match self.run("volume-remove", Arguments::none().volume(name)) {
            Err(Error::NotFound(_)) if force => Ok(()),
            removed => removed.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Argument, Phrase, Value, cli::tests::CLIENT, stage::Stage};

    #[test]
    fn a_volume_is_made_with_its_labels_or_is_there() {
        let label = Label { key: "a".into(), value: "b".into() };
        let stage = Stage::new().command("volume-create", 0, "data\n", "");
        let (made, seen) = stage.play(|| CLIENT.volume_ensure("data", std::slice::from_ref(&label)));
        assert_eq!(made, Ok(true));
        let name = Argument { slot: "volume.name".into(), value: Value::Volume("data".into()) };
        let label = Argument { slot: "label".into(), value: Value::Label(label) };
        assert_eq!(seen.asks, [("volume-create".to_owned(), vec![name, label])]);
        const THERE: &[Phrase] = &[Phrase::conflict("already exists")];
        let there = Cli::new(THERE);
        let stage = Stage::new().command("volume-create", 125, "", "Error: volume already exists");
        assert_eq!(stage.play(|| there.volume_ensure("data", &[])).0, Ok(false));
    }

    #[test]
    fn a_volume_that_is_not_there_is_removed_by_force_alone() {
        let remove = |force| {
            let stage = Stage::new().command("volume-remove", 1, "", "Error: no such volume");
            stage.play(|| CLIENT.volume_remove("data", force)).0
        };
        assert_eq!(remove(true), Ok(()));
        assert!(matches!(remove(false), Err(Error::NotFound(_))));
    }

    #[test]
    fn a_volume_is_there_by_its_whole_name() {
        let exists =
            |name| Stage::new().command("volume-list", 0, "data\nb\n", "").play(|| CLIENT.volume_exists(name)).0;
        assert_eq!((exists("data"), exists("dat")), (Ok(true), Ok(false)));
    }
}
