//! The command line: arguments become calls of the library, and results become words, tables or JSON.
//!
//! Results go to standard output, everything else to standard error. Commands that need no engine start no runtime.

mod approve;
mod arguments;
mod attach;
mod audit;
mod backend;
mod cleanup;
mod completions;
mod compose;
mod container;
mod control;
mod cp;
#[cfg(feature = "demo")]
mod demo;
mod desk;
mod detect;
mod dossier;
mod exec;
mod exit;
mod explain;
mod explain_parts;
mod image;
mod image_group;
mod journal;
mod name;
mod named;
mod network;
mod parse;
mod pod;
mod policy;
mod preflight;
mod progress;
mod pump;
mod redact;
mod redactions;
mod reference;
mod run;
mod secret;
mod show;
mod signals;
mod standard;
mod tame;
mod text;
mod unit;
mod usage;
mod verify;
mod volume;
mod which;

use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Command, Common};
use self::exit::{Failure, Outcome};

/// The whole program.
pub(crate) fn main() -> ExitCode {
    // Before there are threads: what our parent left open reaches no engine. It stays readable here, for secrets.
    if let Err(error) = portreeve::close_inherited(&[]) {
        let failure = Failure::Output(error).during("marking inherited descriptors");
        return exit::report(&failure, wants_json()).into();
    }
    match Arguments::try_parse() {
        Ok(Arguments { common, command }) => {
            let json = common.json;
            dispatch(&common, command).unwrap_or_else(|failure| exit::report(&failure, json)).into()
        }
        Err(error) => exit::usage(&error, wants_json()).into(),
    }
}

fn dispatch(common: &Common, command: Command) -> Outcome {
    match command {
        Command::Backend(command) => command.run(common),
        Command::Policy(command) => command.run(common),
        Command::Journal(command) => command.run(common),
        Command::Audit(command) => command.run(common),
        Command::Completions(command) => command.run(),
        Command::Redact(command) => command.run(common),
        Command::Ref(command) => command.run(common),
        Command::Verify(command) => command.run(common),
        Command::Run(command) => command.run(common),
        Command::Create(command) => command.create(common),
        Command::Exec(command) => command.run(common),
        Command::Unit(command) => command.run(common),
        Command::Standard(command) => command.run(common),
        Command::Compose(command) => command.run(common),
        Command::Cleanup(command) => command.run(common),
        #[cfg(feature = "demo")]
        Command::Demo(command) => command.run(common),
        Command::Detect(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Which(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Preflight(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Pull(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Image(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Explain(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Images(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Rmi(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Volume(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Cp(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Pod(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Network(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Ps(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Inspect(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Logs(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Stop(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Kill(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Rm(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Start(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Pause(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Unpause(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Restart(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Rename(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Top(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Stats(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Events(command) => desk::open(common, async |desk| command.run(desk).await),
        Command::Wait(command) => desk::open(common, async |desk| command.run(desk).await),
    }
}

/// For errors in the arguments themselves.
fn wants_json() -> bool {
    std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json")
}
