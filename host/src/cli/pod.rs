//! Pods: `pod create`, `pod ls`, `pod inspect`, `pod stop`, `pod rm`.

use std::time::Duration;

use clap::{Args, Subcommand};
use portreeve::spec::{Label, Name, NetworkMode, PodSpec, Port};
use portreeve::{PodInfo, Reference};

use super::desk::Desk;
use super::exit::{Outcome, Status};
use super::show::Table;

/// `pod …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a pod where there is none of this name, and start what holds its network
    Create(Box<Create>),
    /// List pods of this install
    #[command(visible_alias = "list")]
    Ls,
    /// Show pods, as the host sees them
    Inspect(Inspect),
    /// Stop the containers of pods, and what holds their networks
    Stop(Stop),
    /// Remove pods, and their containers with them
    #[command(visible_alias = "remove")]
    Rm(Rm),
}

/// `pod create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Publish a port for its containers: [ADDRESS:][HOST:]PORT[/PROTOCOL]; on loopback unless an address is given
    #[arg(long, short, value_name = "PORT")]
    publish: Vec<Port>,
    /// Its network: none, bridge, host, or a name
    #[arg(long, visible_alias = "net")]
    network: Option<NetworkMode>,
    /// A label of its own: KEY=VALUE
    #[arg(long, short, value_name = "KEY=VALUE")]
    label: Vec<Label>,
    /// The image of what holds its network, which has to go on until it is told to end; otherwise the built-in one
    #[arg(long)]
    image: Option<Reference>,
    /// Its name
    name: Name,
}

/// `pod inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The pods
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// `pod stop`.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Seconds between being asked to stop and being killed, for each container
    #[arg(long, short, value_name = "SECONDS", default_value_t = 10)]
    time: u32,
    /// The pods
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// `pod rm`.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Containers that run, too; a pod that is not there is no error
    #[arg(long, short)]
    force: bool,
    /// The pods
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Command {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        match self {
            Self::Create(create) => create.run(desk).await,
            Self::Ls => list(desk).await,
            Self::Inspect(inspect) => inspect.run(desk).await,
            Self::Stop(stop) => stop.run(desk).await,
            Self::Rm(rm) => rm.run(desk).await,
        }
    }
}

impl Create {
    async fn run(self, desk: &Desk) -> Outcome {
        let Self { publish: ports, network, label: labels, image, name } = self;
        let spec = PodSpec { ports, network, labels, image, ..PodSpec::new(name) };
        let pod = desk.portreeve.ensure_pod(&spec).await?;
        desk.told(&pod, &pod.name)?;
        Ok(Status::OK)
    }
}

async fn list(desk: &Desk) -> Outcome {
    desk.list(desk.portreeve.pods().await?, |pod| &pod.name, table)
}

fn table(pods: &[PodInfo]) -> Table {
    let mut table = Table::new(&["NAME", "STATE", "CONTAINERS", "PORTS", "EMULATED", "BACKEND"]);
    for pod in pods {
        let ports = pod.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let emulated = if pod.emulated { "yes" } else { "no" }.to_owned();
        let count = pod.members.len().to_string();
        table.row([pod.name.clone(), pod.state.as_str().to_owned(), count, ports, emulated, pod.backend.clone()]);
    }
    table
}

impl Inspect {
    async fn run(self, desk: &Desk) -> Outcome {
        desk.inspect(&self.names, async |name| desk.portreeve.inspect_pod(name).await).await
    }
}

impl Stop {
    async fn run(self, desk: &Desk) -> Outcome {
        let grace = Duration::from_secs(self.time.into());
        desk.each(&self.names, async |name| {
            let pod = desk.portreeve.stop_pod(name, grace).await?;
            desk.told(&pod, name)
        })
        .await
    }
}

impl Rm {
    async fn run(self, desk: &Desk) -> Outcome {
        desk.remove(&self.names, async |name| desk.portreeve.remove_pod(name, self.force).await).await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Arguments, Command as Top};
    use super::*;

    fn parsed(words: &[&str]) -> Result<Command, clap::Error> {
        let arguments = Arguments::try_parse_from(["portreeve", "pod"].iter().chain(words))?;
        let Top::Pod(command) = arguments.command else { panic!("a command of pods") };
        Ok(command)
    }

    #[test]
    fn words_are_as_podmans() {
        let words = ["create", "-p", "8080:80", "--network", "back", "--label", "a=b", "web"];
        let Command::Create(create) = parsed(&words).unwrap() else { panic!("create") };
        assert_eq!((create.name.as_str(), create.publish[0].container, create.label[0].key()), ("web", 80, "a"));
        assert!(matches!(parsed(&["ls"]), Ok(Command::Ls)));
        assert!(matches!(parsed(&["stop", "-t", "3", "a"]), Ok(Command::Stop(Stop { time: 3, .. }))));
        assert!(
            matches!(parsed(&["rm", "-f", "a", "b"]), Ok(Command::Rm(Rm { force: true, names })) if names.len() == 2)
        );
    }

    #[test]
    fn what_a_pod_can_not_be_is_a_wrong_argument() {
        for words in [&["create"][..], &["create", "--infra-image", "x", "web"], &["create", "a/b"], &["rm"], &["stop"]]
        {
            assert_eq!(parsed(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
