//! Volumes: `volume create`, `volume ls`, `volume inspect`, `volume rm`.

use clap::{Args, Subcommand};
use portreeve::VolumeInfo;
use portreeve::spec::{Label, Name};

use super::desk::Desk;
use super::exit::{Outcome, Status};
use super::name;
use super::show::{self, Table};

/// `volume …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a volume where there is none of this name
    Create(Create),
    /// List volumes of this install
    #[command(visible_alias = "list")]
    Ls,
    /// Show volumes, as the host sees them
    Inspect(Inspect),
    /// Remove volumes that no container uses
    #[command(visible_alias = "remove")]
    Rm(Rm),
}

/// `volume create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// A label of its own: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<Label>,
    /// Where its files are: below the engine's own storage, always
    #[arg(long, short, value_name = "NAME", value_parser = ["local"], default_value = "local")]
    driver: String,
    /// Its name; otherwise a readable one is made up
    name: Option<Name>,
}

/// `volume inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The volumes
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// `volume rm`.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// One that is not there is no error; one that is in use still is
    #[arg(long, short)]
    force: bool,
    /// The volumes
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Command {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        match self {
            Self::Create(create) => create.run(desk).await,
            Self::Ls => list(desk).await,
            Self::Inspect(inspect) => inspect.run(desk).await,
            Self::Rm(rm) => rm.run(desk).await,
        }
    }
}

impl Create {
    async fn run(self, desk: &Desk) -> Outcome {
        // The arguments take no other.
        debug_assert_eq!(self.driver, "local");
        let name = self.name.map_or_else(name::fresh, Ok)?;
        let volume = desk.portreeve.ensure_volume(name.as_str(), &self.label).await?;
        desk.told(&volume, &volume.name)?;
        Ok(Status::OK)
    }
}

async fn list(desk: &Desk) -> Outcome {
    desk.list(desk.portreeve.volumes().await?, |volume| &volume.name, table)
}

fn table(volumes: &[VolumeInfo]) -> Table {
    let mut table = Table::new(&["DRIVER", "VOLUME NAME", "CREATED", "BACKEND"]);
    for volume in volumes {
        let created = volume.created.as_deref().map(show::created).unwrap_or_default();
        table.row([volume.driver.clone(), volume.name.clone(), created, volume.backend.clone()]);
    }
    table
}

impl Inspect {
    async fn run(self, desk: &Desk) -> Outcome {
        desk.inspect(&self.names, async |name| desk.portreeve.inspect_volume(name).await).await
    }
}

impl Rm {
    async fn run(self, desk: &Desk) -> Outcome {
        desk.remove(&self.names, async |name| desk.portreeve.remove_volume(name, self.force).await).await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Arguments, Command as Top};
    use super::*;

    fn parsed(words: &[&str]) -> Result<Command, clap::Error> {
        let arguments = Arguments::try_parse_from(["portreeve", "volume"].iter().chain(words))?;
        let Top::Volume(command) = arguments.command else { panic!("a command of volumes") };
        Ok(command)
    }

    #[test]
    fn words_are_as_dockers() {
        let Command::Create(create) = parsed(&["create", "-d", "local", "--label", "a=b", "data"]).unwrap() else {
            panic!("create")
        };
        assert_eq!((create.name.unwrap().as_str(), create.label[0].key()), ("data", "a"));
        assert!(matches!(parsed(&["ls"]), Ok(Command::Ls)) && matches!(parsed(&["list"]), Ok(Command::Ls)));
        assert!(
            matches!(parsed(&["rm", "-f", "a", "b"]), Ok(Command::Rm(Rm { force: true, names })) if names.len() == 2)
        );
        assert!(matches!(parsed(&["inspect", "a"]), Ok(Command::Inspect(_))));
    }

    #[test]
    fn what_a_volume_can_not_be_is_a_wrong_argument() {
        for words in [
            &["create", "-o", "type=none", "data"][..],
            &["create", "--driver", "nfs", "data"],
            &["create", "-x"],
            &["create", "a/b"],
            &["create", "--label", "io.portreeve.owner=x", "data"],
            &["rm"],
            &["inspect"],
        ] {
            assert_eq!(parsed(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
