//! `detect`: which engines work here.

use clap::Args;
use portreeve::{Detection, EngineIdentity};

use super::desk::Desk;
use super::exit::{Outcome, Status};
use super::show::{self, Table, plain, yes_no};

/// `detect`.
#[derive(Debug, Args)]
pub(crate) struct Detect;

impl Detect {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let found = desk.portreeve.detect().await?;
        if desk.json {
            show::json(&found)?;
        } else if desk.quiet {
            found.iter().filter(|engine| engine.works).try_for_each(|engine| show::line(&plain(&engine.backend)))?;
        } else {
            table(&found).print()?;
            let told = |engine: &Detection| Some(format!("{}: {}", engine.backend, engine.problem.as_ref()?));
            found.iter().filter_map(told).for_each(|problem| desk.teller.say(&plain(&problem)));
        }
        Ok(if found.iter().any(|engine| engine.works) { Status::OK } else { Status::FAILED })
    }
}

fn table(found: &[Detection]) -> Table {
    let mut table = Table::new(&["BACKEND", "WORKS", "ENGINE", "VERSION", "ROOTLESS", "IDENTITY", "ENDPOINT"]);
    for engine in found {
        table.row([
            engine.backend.clone(),
            yes_no(engine.works),
            engine.engine.clone().unwrap_or_default(),
            engine.version.clone().unwrap_or_default(),
            engine.engine.as_ref().map(|_| yes_no(engine.rootless)).unwrap_or_default(),
            engine.identity.as_ref().map(identity).unwrap_or_default(),
            engine.endpoint.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn identity(identity: &EngineIdentity) -> String {
    match identity {
        EngineIdentity::Genuine => "genuine".to_owned(),
        EngineIdentity::Masquerade(name) => format!("really {name}"),
        EngineIdentity::ForeignService(name) => format!("{name}'s service"),
        _ => "unknown".to_owned(),
    }
}
