//! `which`: which engine has a container.

use clap::Args;
use portreeve::Ownership;

use super::desk::Desk;
use super::exit::{Outcome, Status};
use super::show::{self, Table, plain, short, yes_no};

/// `which`.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 1 where no engine has one of this name.")]
pub(crate) struct Which {
    /// The container
    name: String,
}

impl Which {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let owners = desk.portreeve.owner_of(&self.name).await?;
        if desk.json {
            show::json(&owners)?;
        } else if desk.quiet {
            owners.iter().try_for_each(|owner| show::line(&plain(&owner.backend)))?;
        } else if !owners.is_empty() {
            table(&owners).print()?;
        }
        Ok(if owners.is_empty() { Status::NO } else { Status::OK })
    }
}

fn table(owners: &[Ownership]) -> Table {
    let mut table = Table::new(&["BACKEND", "CONTAINER ID", "STATE", "OURS"]);
    for owner in owners {
        let state = owner.state.as_str().to_owned();
        table.row([owner.backend.clone(), short(&owner.id), state, yes_no(owner.ours)]);
    }
    table
}
