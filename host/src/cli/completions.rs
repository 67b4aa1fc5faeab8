//! `completions`: for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::arguments::Arguments;
use super::exit::{Outcome, Status};
use super::show::Out;

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "portreeve", &mut script);
        let mut out = Out::open();
        out.text(&String::from_utf8_lossy(&script))?;
        out.finish()?;
        Ok(Status::OK)
    }
}
