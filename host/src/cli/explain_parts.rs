//! `explain gpu`, `explain mounts`: what they become in a command line. Nothing is run.

use clap::Subcommand;
use portreeve::ExplainedPart;
use portreeve::spec::Gpus;

use super::desk::Desk;
use super::exit::{Failure, Outcome, Status};
use super::parse;
use super::show::{self, command_line, plain};

/// `explain`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What a mask of GPUs becomes, for each backend
    Gpu {
        /// `all`, or a list such as 0,1 of indices, UUIDs or GPU:INSTANCE
        #[arg(value_parser = parse::gpus, value_name = "MASK")]
        gpus: Gpus,
    },
    /// What mounts become, for each backend; their sources are resolved and checked as for a container
    Mounts {
        /// The mounts: SOURCE:TARGET[:ro]
        #[arg(required = true, value_name = "MOUNT")]
        mounts: Vec<String>,
    },
}

impl Command {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let parts = match self {
            Self::Gpu { gpus } => desk.portreeve.explain_gpus(&gpus)?,
            Self::Mounts { mounts } => {
                let mounts = mounts.iter().map(|text| parse::mount(text)).collect::<Result<Vec<_>, Failure>>()?;
                desk.portreeve.explain_mounts(&mounts)?
            }
        };
        if desk.json {
            show::json(&parts)?;
        } else {
            parts.iter().try_for_each(|part| show::line(&words(part)))?;
        }
        Ok(Status::OK)
    }
}

fn words(part: &ExplainedPart) -> String {
    let arguments = if part.arguments.is_empty() { "nothing".to_owned() } else { command_line(&part.arguments) };
    format!("{} {}: {arguments}", plain(&part.backend), plain(&part.command))
}
