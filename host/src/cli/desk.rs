//! What a command that asks an engine needs: a runtime, the host, somebody who tells what happens.

use std::sync::Arc;
use std::time::Duration;

use portreeve::{Error, Policy, Portreeve};
use serde::Serialize;

use super::arguments::Common;
use super::exit::{Failure, Outcome, Status, report};
use super::progress::{Teller, Tone};
use super::redactions;
use super::show::Out;
use super::signals::Signals;

/// How long the program waits at its end for processes that are being ended.
const SETTLE: Duration = Duration::from_secs(5);
/// How long a create that was cut short is waited for: a little longer than the library goes on with it.
const CREATE: Duration = Duration::from_secs(8);

/// A host that is ready to be asked.
pub(crate) struct Desk {
    pub(crate) portreeve: Portreeve,
    pub(crate) teller: Arc<Teller>,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) dry_run: bool,
}

impl Desk {
    async fn new(common: &Common, tone: Tone) -> Result<Self, Failure> {
        let teller = Arc::new(Teller::new(tone, common.json));
        let listener = Arc::clone(&teller);
        let mut builder = Portreeve::builder().policy(policy(common)?).dry_run(common.dry_run);
        builder = builder.durability(common.durability.unwrap_or_default());
        builder = builder.on_event(move |event| listener.hear(event));
        if let Some(state) = &common.state {
            builder = builder.state_dir(state);
        }
        if let Some(backend) = &common.backend {
            builder = builder.prefer(backend);
        }
        let Common { json, quiet, dry_run, .. } = *common;
        Ok(Self { portreeve: builder.build().await?, teller, json, quiet, dry_run })
    }

    /// Does something for each of several things; what fails is told of, and the others are done all the same.
    pub(crate) async fn each<T>(&self, things: &[T], work: impl AsyncFn(&T) -> Result<(), Failure>) -> Outcome {
        let mut status = Status::OK;
        for thing in things {
            match work(thing).await {
                Ok(()) => {}
                Err(failure @ (Failure::Closed | Failure::Output(_))) => return Err(failure),
                Err(failure) => status = self.teller.aside(|| report(&failure, self.json)),
            }
        }
        if status == Status::OK { Ok(status) } else { Err(Failure::Told(status)) }
    }

    /// One document of all that is looked at, as with docker; those that are not there are told of.
    pub(crate) async fn inspect<T: Serialize>(
        &self,
        names: &[String],
        look: impl AsyncFn(&str) -> Result<T, Error>,
    ) -> Outcome {
        let found = std::cell::RefCell::new(Vec::new());
        let outcome = self
            .each(names, async |name| {
                let seen = look(name).await?;
                found.borrow_mut().push(seen);
                Ok(())
            })
            .await;
        let (found, mut out) = (found.into_inner(), Out::open());
        if self.json { out.json(&found) } else { out.pretty(&found) }?;
        out.finish()?;
        outcome
    }

    /// Waits for what an engine was asked to create a moment ago, and what nobody waits for any more is taken away.
    pub(crate) async fn settled(&self) {
        let _late = tokio::time::timeout(CREATE, self.portreeve.settled()).await;
    }
}

/// The policy that was named, or `home`.
pub(crate) fn policy(common: &Common) -> Result<Policy, Failure> {
    common.policy.as_deref().map_or_else(|| Ok(Policy::home()), |file| Ok(Policy::open(file)?))
}

/// Runs a command with a host; a signal drops it, and with it whatever it had started.
pub(crate) fn open(common: &Common, command: impl AsyncFnOnce(&Desk) -> Outcome) -> Outcome {
    open_with(common, Tone::of(common), async |desk, signals| signals.guard(command(desk)).await)
}

/// The same for a command that has to tidy up when a signal comes.
pub(crate) fn open_with(
    common: &Common,
    tone: Tone,
    command: impl AsyncFnOnce(&Desk, &mut Signals) -> Outcome,
) -> Outcome {
    let failed = |error| Failure::Output(error).during("starting");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen(common.deadline).map_err(failed)?;
        let desk = Desk::new(common, tone).await?;
        let outcome = command(&desk, &mut signals).await;
        desk.teller.finish();
        desk.settled().await;
        if common.show_redactions {
            desk.teller.aside(|| redactions::tell(&desk.portreeve.redactions(), desk.json));
        }
        // What is still there then is ended by the kernel with us, or is an engine's own.
        let _all_gone = desk.portreeve.settle(SETTLE);
        outcome
    });
    // A write that nobody reads must not hold us.
    runtime.shutdown_background();
    outcome
}
