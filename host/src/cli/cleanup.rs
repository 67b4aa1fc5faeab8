//! `cleanup`: what calls left that never came to their end.

use std::path::PathBuf;

use clap::Args;
use portreeve::{Cleaned, Leftover, Removed};
use serde_json::json;

use super::arguments::Common;
use super::desk::{self, Desk};
use super::exit::{Failure, Outcome, Status, report};
use super::show::{self, Table, plain};

/// `cleanup`.
#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    /// Remove what is found; without it, it is only shown
    #[arg(long, short)]
    force: bool,
    /// Of another install: the one whose state directory this is, proved by the key in it
    #[arg(long, value_name = "DIR", conflicts_with = "state")]
    of: Option<PathBuf>,
}

impl Cleanup {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        let state = self.of.clone().or_else(|| common.state.clone());
        if let Some(missing) = self.of.as_ref().filter(|of| !of.join("key").is_file()) {
            return Err(Failure::Usage(format!("{} is no state directory: it has no key", missing.display())));
        }
        let common = Common { state, ..common.clone() };
        desk::open(&common, async |desk| if self.force { remove(desk).await } else { show(desk).await })
    }
}

async fn show(desk: &Desk) -> Outcome {
    let leftovers = desk.portreeve.leftovers().await?;
    if desk.json {
        show::json(&leftovers)?;
    } else if desk.quiet {
        leftovers.iter().try_for_each(|one| show::line(&format!("{} {}", one.kind, plain(&one.name))))?;
    } else {
        table(&leftovers).print()?;
    }
    Ok(Status::OK)
}

fn table(leftovers: &[Leftover]) -> Table {
    let mut table = Table::new(&["KIND", "NAME", "BEGUN", "BACKEND", "WHY"]);
    for one in leftovers {
        let begun = one.begun.as_deref().map(show::created).unwrap_or_default();
        let backend = one.backend.clone().unwrap_or_default();
        table.row([one.kind.to_owned(), one.name.clone(), begun, backend, one.why.to_owned()]);
    }
    table
}

async fn remove(desk: &Desk) -> Outcome {
    let mut status = Status::OK;
    for Cleaned { leftover, result, .. } in desk.portreeve.cleanup().await? {
        let word = match result {
            Ok(Removed::Removed) => "removed",
            Ok(Removed::Absent) => "absent",
            Ok(_) => continue,
            Err(error) => {
                status = desk.teller.aside(|| report(&Failure::from(error), desk.json));
                continue;
            }
        };
        if desk.json {
            show::json(&json!({ "kind": leftover.kind, "name": leftover.name, "result": word }))?;
        } else {
            show::line(&format!("{} {}", leftover.kind, plain(&leftover.name)))?;
        }
    }
    if status == Status::OK { Ok(status) } else { Err(Failure::Told(status)) }
}
