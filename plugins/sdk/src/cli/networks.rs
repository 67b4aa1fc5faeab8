//! Networks.

use crate::{Arguments, NetworkSpec, Result, cli::Cli};

impl Cli {
    /// `network-create`; whether one was made. An engine that says that there is one already made none.
    ///
    /// # Errors
    /// As [`Cli::run`], but for [`Error::Conflict`](crate::Error::Conflict).
    pub fn network_ensure(&self, spec: &NetworkSpec) -> Result<bool> {
        let arguments = Arguments::none().network_name(&spec.name).flag_if("internal", spec.internal);
        self.made("network-create", arguments.labels(&spec.labels))
    }

    /// Whether `network-list` has it.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn network_exists(&self, name: &str) -> Result<bool> {
        Ok(self.network_list()?.iter().any(|known| known == name))
    }

    /// `network-list`, which prints names.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn network_list(&self) -> Result<Vec<String>> {
        self.names("network-list")
    }

    /// `network-remove`, of the network that the arguments name: by its name, or by its ID.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn network_remove(&self, network: Arguments) -> Result<()> {
        self.run("network-remove", network).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Argument, Label, Phrase, Value, cli::tests::CLIENT, stage::Stage};

    #[test]
    fn a_network_is_made_as_it_is_wanted_or_is_there() {
        let label = Label { key: "a".into(), value: "b".into() };
        let spec = NetworkSpec { name: "back".into(), internal: true, labels: vec![label.clone()] };
        let stage = Stage::new().command("network-create", 0, "back\n", "");
        let (made, seen) = stage.play(|| CLIENT.network_ensure(&spec));
        assert_eq!(made, Ok(true));
        let slot = |slot: &str, value| Argument { slot: slot.into(), value };
        let expected = [
            slot("network.name", Value::Network("back".into())),
            slot("internal", Value::Flag),
            slot("label", Value::Label(label)),
        ];
        assert_eq!(seen.asks, [("network-create".to_owned(), expected.to_vec())]);
        const THERE: &[Phrase] = &[Phrase::conflict("already exists")];
        let stage = Stage::new().command("network-create", 125, "", "Error: network already exists");
        assert_eq!(stage.play(|| Cli::new(THERE).network_ensure(&spec)).0, Ok(false));
    }

    #[test]
    fn a_network_is_there_by_its_whole_name() {
        let exists =
            |name| Stage::new().command("network-list", 0, "back\nb\n", "").play(|| CLIENT.network_exists(name)).0;
        assert_eq!((exists("back"), exists("bac")), (Ok(true), Ok(false)));
    }
}
