//! `demo`: the main job on one command, without a network.

use clap::Args;
use portreeve::demo::{Demo as Plan, Step, perform};

use super::arguments::Common;
use super::desk;
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Out, plain};

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Use the rehearsal engine even where a real one works
    #[arg(long)]
    rehearse: bool,
}

impl Demo {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        if common.dry_run {
            let why = "a demonstration runs what it shows; `--dry-run` goes with the commands that it consists of";
            return Err(Failure::Usage(why.to_owned()));
        }
        let policy = desk::policy(common)?;
        let plan = Plan { backend: common.backend.clone(), state: common.state.clone(), rehearse: self.rehearse };
        let failed = |error| Failure::Output(error).during("starting");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
        let json = common.json;
        let mut written = Ok(());
        let done = runtime.block_on(async {
            let configure = |builder: portreeve::PortreeveBuilder| builder.policy(policy.clone());
            let mut tell = |step: &Step| {
                if written.is_ok() {
                    written = told(step, json);
                }
            };
            perform(&plan, configure, &mut tell, interrupted()).await
        });
        runtime.shutdown_background();
        written?;
        done?;
        if !json {
            show::line("done: every step did what it should")?;
        }
        Ok(Status::OK)
    }
}

/// A signal ends the demonstration.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the program by itself.
        std::future::pending::<()>().await;
    }
}

fn told(step: &Step, json: bool) -> Result<(), Failure> {
    if json {
        return show::json(step);
    }
    let mut out = Out::open();
    out.line(&format!("{:<22}{:>6} ms", step.name, step.milliseconds))?;
    step.said.iter().try_for_each(|line| out.line(&format!("    {}", plain(line))))?;
    out.finish()
}
