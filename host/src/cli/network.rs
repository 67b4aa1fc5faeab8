//! Networks: `network create`, `network ls`, `network inspect`, `network rm`.

use clap::{Args, Subcommand};
use portreeve::NetworkInfo;
use portreeve::spec::{Label, NetworkName, NetworkSpec};

use super::desk::Desk;
use super::exit::{Outcome, Status};
use super::show::{self, Table};

/// `network …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a network where there is none of this name
    Create(Create),
    /// List networks of this install
    #[command(visible_alias = "list")]
    Ls,
    /// Show networks, as the host sees them
    Inspect(Inspect),
    /// Remove networks that no container is on
    #[command(visible_alias = "remove")]
    Rm(Rm),
}

/// `network create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// It has no way out of the machine
    #[arg(long)]
    internal: bool,
    /// A label of its own: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<Label>,
    /// What it is made of: a bridge of its own, always
    #[arg(long, short, value_name = "NAME", value_parser = ["bridge"], default_value = "bridge")]
    driver: String,
    /// Its name
    name: NetworkName,
}

/// `network inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The networks
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// `network rm`.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// One that is not there is no error; one that a container is on still is
    #[arg(long, short)]
    force: bool,
    /// The networks
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
        debug_assert_eq!(self.driver, "bridge");
        let spec = NetworkSpec { internal: self.internal, labels: self.label, ..NetworkSpec::new(self.name) };
        let network = desk.portreeve.ensure_network(&spec).await?;
        desk.told(&network, &network.name)?;
        Ok(Status::OK)
    }
}

async fn list(desk: &Desk) -> Outcome {
    desk.list(desk.portreeve.networks().await?, |network| &network.name, table)
}

fn table(networks: &[NetworkInfo]) -> Table {
    let mut table = Table::new(&["NETWORK ID", "NAME", "INTERNAL", "CREATED", "BACKEND"]);
    for network in networks {
        let id = network.id.chars().take(12).collect();
        let internal = if network.internal { "yes" } else { "no" }.to_owned();
        let created = network.created.as_deref().map(show::created).unwrap_or_default();
        table.row([id, network.name.clone(), internal, created, network.backend.clone()]);
    }
    table
}

impl Inspect {
    async fn run(self, desk: &Desk) -> Outcome {
        desk.inspect(&self.names, async |name| desk.portreeve.inspect_network(name).await).await
    }
}

impl Rm {
    async fn run(self, desk: &Desk) -> Outcome {
        desk.remove(&self.names, async |name| desk.portreeve.remove_network(name, self.force).await).await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Arguments, Command as Top};
    use super::*;

    fn parsed(words: &[&str]) -> Result<Command, clap::Error> {
        let arguments = Arguments::try_parse_from(["portreeve", "network"].iter().chain(words))?;
        let Top::Network(command) = arguments.command else { panic!("a command of networks") };
        Ok(command)
    }

    #[test]
    fn words_are_as_dockers() {
        let words = ["create", "-d", "bridge", "--internal", "--label", "a=b", "back"];
        let Command::Create(create) = parsed(&words).unwrap() else { panic!("create") };
        assert_eq!((create.name.as_str(), create.internal, create.label[0].key()), ("back", true, "a"));
        assert!(matches!(parsed(&["ls"]), Ok(Command::Ls)) && matches!(parsed(&["list"]), Ok(Command::Ls)));
        assert!(
            matches!(parsed(&["rm", "-f", "a", "b"]), Ok(Command::Rm(Rm { force: true, names })) if names.len() == 2)
        );
        assert!(matches!(parsed(&["inspect", "a"]), Ok(Command::Inspect(_))));
    }

    #[test]
    fn what_a_network_can_not_be_is_a_wrong_argument() {
        for words in [
            &["create"][..],
            &["create", "-o", "parent=eth0", "back"],
            &["create", "--driver", "macvlan", "back"],
            &["create", "host"],
            &["create", "a/b"],
            &["create", "--label", "io.portreeve.owner=x", "back"],
            &["rm"],
            &["inspect"],
        ] {
            assert_eq!(parsed(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
