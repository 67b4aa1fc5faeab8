//! `policy`: what callers may ask for.

use clap::Subcommand;
use portreeve::{Error, Policy};
use serde_json::{Value, json};

use super::arguments::Common;
use super::desk;
use super::exit::{Failure, Outcome, Status};
use super::explain::Explain;
use super::show::{self, Out};

/// `policy …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the policy that holds, as a file would say it
    Show,
    /// Say whether a command line could ever have come from a backend, and from which command
    #[command(
        override_usage = "portreeve policy explain [OPTIONS] -- ARGV...\n       portreeve policy explain [OPTIONS] --file FILE"
    )]
    Explain(Explain),
}

impl Command {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        match self {
            Self::Show => show(&desk::policy(common)?, common.json),
            Self::Explain(explain) => explain.run(common),
        }
    }
}

fn show(policy: &Policy, json: bool) -> Outcome {
    if json {
        show::json(&document(policy)?)?;
    } else {
        let mut out = Out::open();
        out.text(&policy.to_toml())?;
        out.finish()?;
    }
    Ok(Status::OK)
}

/// The file as JSON, and where it came from.
fn document(policy: &Policy) -> Result<Value, Failure> {
    let read: Value = toml::from_str(&policy.to_toml()).map_err(|error| Error::Config(error.to_string()))?;
    Ok(json!({ "origin": policy.origin(), "policy": read }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_as_json() {
        insta::assert_snapshot!("policy-home", document(&Policy::home()).unwrap());
    }
}
