//! Commands in containers that run: started, fed, watched, and ended with everything that they started.

use std::sync::Arc;
use std::time::Duration;

use super::{Completed, Inner, LogStream, Portreeve};
use crate::broker::Broker;
use crate::error::{Error, FaultKind, Refusal, Rule};
use crate::event::Level;
use crate::evidence::{ContainerInfo, ContainerState};
use crate::executor::Inside;
use crate::redaction::Redactor;
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};
use crate::spec::{ExecSpec, MARK};
use crate::state::{random, to_hex};

impl Portreeve {
    /// Runs a command in a running container of ours; its output comes redacted, the streams apart, unless it has a
    /// terminal.
    ///
    /// When its time is over, or the stream is dropped before its end, the engine's client is ended, and the command's
    /// processes inside the container too, as far as this user may signal them and they keep their environment.
    ///
    /// # Errors
    /// `Spec`, `Refused`; `NotFound` where the container is not there, `Refused` where it is not ours; `InUse` where it does not run.
    pub async fn exec(&self, name: &str, spec: &ExecSpec) -> Result<LogStream, Error> {
        spec.check()?;
        let inner = &self.inner;
        let (backend, container) = inner.find(Call::Exec, name).await?;
        check_running(&container)?;
        let refused = |error| inner.refused_on(Some(&backend), Call::Exec, name, error);
        check_secrets(spec).map_err(|refusal| refused(refusal.into()))?;
        let redactor = inner.redactor_of_exec(&container, spec).map_err(refused)?;
        let word = random::<16>().map(|bytes| to_hex(&bytes));
        let word = word.map_err(|source| Error::io("randomness for the mark of an exec", source))?;
        let scope = Scope::of_exec(name, &container.id, &word, spec);
        let broker = inner.broker(&backend, scope, &redactor)?;
        let running = Guest::enter(&inner.sandbox, Arc::clone(&broker)).await?.exec(name, spec).await?;
        if !running.changes_a_container() {
            return Err(broker.fault(FaultKind::Untrue, "it gives another stream than that of the command").into());
        }
        let inside = inner.services.executor.inside(MARK, &word, container.pid);
        let executed = Executed::new(Arc::clone(&broker), Some(inside).filter(|_| !inner.services.dry_run), spec);
        Ok(LogStream::executed(Arc::clone(inner), broker, running, container.id, executed))
    }

    /// Runs a command in a running container of ours to its end, feeding it `input` where it takes one.
    ///
    /// # Errors
    /// As [`Portreeve::exec`]; `Timeout` where its time ran out; `Engine` where the engine could not start it.
    pub async fn exec_to_completion(&self, name: &str, spec: &ExecSpec, input: &[u8]) -> Result<Completed, Error> {
        self.exec(name, spec).await?.complete(input).await
    }
}

/// What travels in the environment of the engine's client must not be read by the client itself.
fn check_secrets(spec: &ExecSpec) -> Result<(), Refusal> {
    let read = spec.secrets.iter().find(|secret| secret.name.is_read_by_clients());
    read.map_or(Ok(()), |secret| {
        let why = "the engine's client or the loader reads a variable of this name itself";
        let remedy = "give the secret another name inside the container";
        Err(Refusal::new(Rule::Secret, why).slot("env.secret").value(secret.name.as_str()).remedy(remedy))
    })
}

impl Inner {
    /// A redactor that knows the secrets of the container, and those of the command.
    fn redactor_of_exec(&self, container: &ContainerInfo, spec: &ExecSpec) -> Result<Redactor, Error> {
        spec.secrets.iter().try_fold(self.redactor_of_container(container), |redactor, secret| {
            let known = redactor.with_secret(secret.name.as_str(), secret.value.expose());
            known.map_err(super::secrets::unmaskable)
        })
    }
}

/// One that does not run can't be asked to run something.
pub(super) fn check_running(container: &ContainerInfo) -> Result<(), Error> {
    if container.state == ContainerState::Running {
        return Ok(());
    }
    let (name, state) = (&container.name, container.state.as_str());
    Err(Error::InUse(format!("{name} is {state}; only a running container runs a command")))
}

/// The statuses of shells for a command that can't be executed, and for one that is not there.
const CANT_EXECUTE: i32 = 126;
const NOT_THERE: i32 = 127;

fn last_line(said: &[u8]) -> String {
    String::from_utf8_lossy(said).trim().lines().next_back().unwrap_or_default().to_owned()
}

/// What is left to do when the command of an exec ends, or is ended.
pub(super) struct Executed {
    broker: Arc<Broker>,
    /// None once the command ended by itself, and in a dry run.
    inside: Option<Inside>,
    limit: Option<Duration>,
    terminal: bool,
}

impl Executed {
    fn new(broker: Arc<Broker>, inside: Option<Inside>, spec: &ExecSpec) -> Self {
        Self { broker, inside, limit: spec.timeout, terminal: spec.terminal }
    }

    /// Whether it has one stream for everything.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The status is the command's own, unless the engine says that it never started it.
    pub(super) fn conclude(
        &mut self,
        command: &str,
        ended: Result<i32, Error>,
        last_words: &[u8],
        last_output: &[u8],
    ) -> Result<i32, Error> {
        match ended {
            Ok(status) => {
                self.inside = None;
                let status = self.as_shells_tell(command, status, &[last_words, last_output]);
                self.started(command, status, last_words).map_or(Ok(status), Err)
            }
            Err(Error::Timeout(why)) => {
                self.end("its time is over");
                let given = self.limit.map(|limit| format!(" (the caller gave it {} ms)", limit.as_millis()));
                Err(Error::Timeout(format!("{why}{}", given.unwrap_or_default())))
            }
            Err(error) => Err(error),
        }
    }

    /// An engine may say 126 of a program that is not there, and why on either stream.
    fn as_shells_tell(&self, command: &str, status: i32, said: &[&[u8]]) -> i32 {
        let granted = self.broker.backend().grants().command(command);
        let says = |said: &&[u8]| granted.is_some_and(|granted| granted.is_absent(&last_line(said)));
        if status == CANT_EXECUTE && said.iter().any(says) { NOT_THERE } else { status }
    }

    fn started(&self, command: &str, status: i32, last_words: &[u8]) -> Option<Error> {
        let line = last_line(last_words);
        let granted = self.broker.backend().grants().command(command)?;
        let unstarted = !matches!(status, 0 | CANT_EXECUTE | NOT_THERE) && granted.is_unstarted(&line);
        let message = self.broker.redactor().text(line.trim());
        unstarted.then(|| Error::Engine { command: command.to_owned(), status, message })
    }

    /// Ends the processes of the command inside the container. No record, no action.
    fn end(&mut self, why: &str) {
        let Some(inside) = self.inside.take() else { return };
        let why = format!("the processes of an exec are ended inside the container: {why}");
        if self.broker.record_ending(&why).is_ok() {
            self.broker.narrate_own(Level::Detail, &why);
            inside.end();
        }
    }
}

impl Drop for Executed {
    fn drop(&mut self) {
        self.end("nobody waits for it any more");
    }
}
