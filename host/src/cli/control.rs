//! Containers that are there: `start`, `pause`, `unpause`, `restart`, `rename`.

use std::time::Duration;

use clap::Args;

use super::container::done;
use super::desk::Desk;
use super::exit::{Outcome, Status};

/// `start`.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The containers
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Start {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        desk.each(&self.names, async |name| done(desk, name, &desk.portreeve.start(name).await?)).await
    }
}

/// `pause`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The containers
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Pause {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        desk.each(&self.names, async |name| done(desk, name, &desk.portreeve.pause(name).await?)).await
    }
}

/// `unpause`.
#[derive(Debug, Args)]
pub(crate) struct Unpause {
    /// The containers
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Unpause {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        desk.each(&self.names, async |name| done(desk, name, &desk.portreeve.unpause(name).await?)).await
    }
}

/// `restart`.
#[derive(Debug, Args)]
pub(crate) struct Restart {
    /// Seconds until it is killed
    #[arg(long, short, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=3600))]
    time: u32,
    /// The containers
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Restart {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let grace = Duration::from_secs(self.time.into());
        desk.each(&self.names, async |name| done(desk, name, &desk.portreeve.restart(name, grace).await?)).await
    }
}

/// `rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// The container
    name: String,
    /// What it would be called
    to: String,
}

impl Rename {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        desk.portreeve.rename(&self.name, &self.to).await?;
        Ok(Status::OK)
    }
}
