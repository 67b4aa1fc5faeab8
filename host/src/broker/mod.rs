//! The reference monitor: the one place where a backend's ask becomes an action.
//!
//! [`Broker::perform`] reads as what it does: decide, record, execute, redact, record.

mod budget;
mod errand;
mod health;
mod pending;
mod plan;
mod running;
mod services;
mod together;
mod turns;

pub(crate) use budget::Budget;
pub(crate) use errand::Errand;
pub(crate) use plan::Line;
pub(crate) use running::{Running, Watched};
pub(crate) use services::Services;
pub(crate) use together::{Joined, Others, Waiters};
pub(crate) use turns::{Turn, Turns};

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::backend::Backend;
use crate::decision::{Grounds, Permit};
use crate::error::{Error, Refusal, Rule};
use crate::event::{Event, Level};
use crate::evidence::ContainerInfo;
use crate::executor::{Captured, ExecError, RawOutput, Source};
use crate::grants::{Binding, Bindings, Command, Effect, Object, Slot};
use crate::journal::{CallId, Entry, Kind};
use crate::output::{Output, RedactedStream};
use crate::owner::{GivenLabels, OWNER_LABEL, ObjectKind, OwnerLabel};
use crate::redaction::Redactor;
use crate::scope::{Ask, Call, Scope};
use pending::Pending;

/// The monitor of one call of one backend.
pub(crate) struct Broker {
    backend: Arc<Backend>,
    services: Arc<Services>,
    scope: Scope,
    redactor: Redactor,
    budget: Budget,
    call: CallId,
    refusals: Mutex<Vec<Refusal>>,
    /// With which status each command that changes or removes something ended.
    changes: Mutex<Vec<i32>>,
    /// Of a call that is only planned: what it would run.
    plan: Option<Mutex<Vec<Line>>>,
    /// Why something could not be recorded.
    unwritten: Mutex<Option<String>>,
    /// The last output of each command that ended well, where the host reads it too.
    witnessed: Mutex<Option<(String, String)>>,
    /// The ID of the container that the call created, where that is asked for.
    created: OnceLock<String>,
}

impl Broker {
    /// A call begins.
    pub(crate) fn new(
        backend: Arc<Backend>,
        services: Arc<Services>,
        scope: Scope,
        redactor: Redactor,
    ) -> Result<Self, Error> {
        let call = CallId::random().map_err(|source| Error::io("randomness for a call's name", source))?;
        let budget = Budget::of(backend.grants());
        let scope = backend.host_facts(scope);
        Ok(Self {
            backend,
            services,
            scope,
            redactor,
            budget,
            call,
            refusals: Mutex::default(),
            changes: Mutex::default(),
            plan: None,
            unwritten: Mutex::default(),
            witnessed: Mutex::default(),
            created: OnceLock::new(),
        })
    }

    /// Runs an ask of the guest's to its end.
    pub(crate) async fn perform(&self, ask: &Ask) -> Result<Output, Error> {
        self.meet_created(ask).await?;
        let permit = self.decide(ask)?;
        if self.plans(&permit) {
            return Ok(Output::default());
        }
        let turn = self.turn(&permit).await;
        let intent = self.record(&permit)?;
        if self.leaves_out(&permit) {
            return Ok(intent.left_out());
        }
        let raw = self.services.executor.run(&permit).await.map_err(|error| self.failed(error))?;
        drop(turn);
        let output = Output::redact(&raw, &self.redactor);
        if matches!(permit.effect(), Effect::Change | Effect::Remove) {
            self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(output.status());
        }
        intent.concluded(output.status(), Some(raw.timing().spawn)).map_err(|error| self.lost(error))?;
        self.witness(permit.command(), &output);
        Ok(output)
    }

    /// What this call created just now may join networks: by the ID that the host sees under the label that the call gave.
    async fn meet_created(&self, ask: &Ask) -> Result<(), Error> {
        let joins = self.backend.grants().command(&ask.command).is_some_and(Command::joins);
        let created = self.budget.spent(Effect::Create, Object::Container) > 0;
        if !joins || !created || self.created.get().is_some() {
            return Ok(());
        }
        self.unrefused()?;
        if let Some(id) = self.id_under_own_label().await? {
            let _same = self.created.set(id);
        }
        Ok(())
    }

    async fn id_under_own_label(&self) -> Result<Option<String>, Error> {
        let Some(name) = self.scope.subject() else { return Ok(None) };
        if self.services.dry_run {
            return Ok(Some(ContainerInfo::imagined(self.backend.name(), name, "").id));
        }
        let label = self.scope.host().get(Slot::OwnerLabel).first().and_then(|label| label.field(""));
        let seen = self.look_at_container(name).await?;
        Ok(seen.filter(|seen| label.is_some() && seen.host_label(OWNER_LABEL) == label).map(|seen| seen.id))
    }

    /// The facts of the call, with the ID of what it created where that is known by now.
    fn facts(&self) -> Cow<'_, Scope> {
        match self.created.get() {
            Some(id) => Cow::Owned(self.scope.clone().with_host(Slot::ContainerId, Binding::scalar(id))),
            None => Cow::Borrowed(&self.scope),
        }
    }

    /// In a call whose result the host reads for itself, it keeps what the backend got.
    fn witness(&self, command: &str, output: &Output) {
        if matches!(self.scope.call(), Call::Top | Call::Stats) && output.status() == 0 {
            let seen = Some((command.to_owned(), output.stdout().to_owned()));
            *self.witnessed.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        }
    }

    /// What this command printed last in this call, redacted; none where the backend did not run it.
    pub(crate) fn witnessed(&self, command: &str) -> Option<String> {
        let seen = self.witnessed.lock().unwrap_or_else(PoisonError::into_inner).take();
        seen.filter(|(known, _)| known == command).map(|(_, printed)| printed)
    }

    /// Starts an ask of the guest's, whose output is read as it comes.
    pub(crate) async fn open(&self, ask: &Ask) -> Result<Running, Error> {
        let permit = self.decide(ask)?;
        if self.plans(&permit) {
            return Ok(Running::nothing(permit));
        }
        let turn = self.services.turns.take_start(self.backend.name()).await;
        let intent = self.record(&permit)?;
        if self.leaves_out(&permit) {
            intent.left_out();
            return Ok(Running::nothing(permit));
        }
        let raw = self.services.executor.stream(&permit).map_err(|error| self.failed(error))?;
        let stream = RedactedStream::new(raw, &self.redactor);
        Ok(Running { stream: Some(stream), intent: Some(intent), turn: Some(turn), permit })
    }

    /// Runs a command of the host's own, which only looks. What it printed is for the host alone.
    pub(crate) async fn look(&self, command: &str, facts: Bindings) -> Result<RawOutput, Error> {
        let permit = self.grounds().decide_evidence(command, facts)?;
        let turn = self.turn(&permit).await;
        self.look_by(&permit, turn).await
    }

    /// The same, in a turn that one has.
    pub(crate) async fn look_in(&self, turn: Turn, command: &str, facts: Bindings) -> Result<RawOutput, Error> {
        let permit = self.grounds().decide_evidence(command, facts)?;
        self.look_by(&permit, turn).await
    }

    async fn look_by(&self, permit: &Permit, turn: Turn) -> Result<RawOutput, Error> {
        let intent = self.record(permit)?;
        let raw = self.services.executor.run(permit).await.map_err(|error| self.failed(error))?;
        drop(turn);
        intent.concluded(crate::output::status(raw.exit()), Some(raw.timing().spawn))?;
        Ok(raw)
    }

    /// Runs the command of a probe: one that only looks, and whose output the backend is told, redacted.
    pub(crate) async fn gather(&self, command: &str) -> Result<Output, Error> {
        let permit =
            self.grounds().decide_evidence(command, Bindings::default()).map_err(|error| self.refused(error))?;
        let intent = self.record(&permit)?;
        let raw = self.services.executor.run(&permit).await.map_err(|error| self.failed(error))?;
        let output = Output::redact(&raw, &self.redactor);
        intent.concluded(output.status(), Some(raw.timing().spawn))?;
        Ok(output)
    }

    /// Starts a command of the host's own, whose output is too much to be kept.
    pub(crate) fn watch(&self, command: &str, facts: Bindings) -> Result<Watched, Error> {
        let permit = self.grounds().decide_evidence(command, facts)?;
        let intent = self.record(&permit)?;
        let stream = self.services.executor.stream(&permit).map_err(|error| self.failed(error))?;
        Ok(Watched { stream, intent })
    }

    /// Records that the backend broke.
    pub(crate) fn record_fault(&self, why: &str) {
        let why = self.redactor.text(why);
        // The call fails in any case, and says so.
        let _unwritten = self.services.journal.append(&Entry { why: Some(&why), ..self.entry(Kind::Fault) });
    }

    /// Records what the host saw for itself.
    pub(crate) fn record_verification(&self, facts: &[(&str, &str)]) -> Result<(), Error> {
        let entry = Entry { facts, ..self.entry(Kind::Verification) };
        self.services.journal.append(&entry).map(drop).map_err(|error| Error::State(format!("the journal: {error}")))
    }

    /// Records what the host does by itself to processes that a command left behind; without the record it is not done.
    pub(crate) fn record_ending(&self, why: &str) -> Result<(), Error> {
        let entry = Entry { why: Some(why), ..self.entry(Kind::Note) };
        self.services.journal.append(&entry).map(drop).map_err(|error| Error::State(format!("the journal: {error}")))
    }

    /// With which status each command that changes or removes something ended, as the host saw it.
    pub(crate) fn changes(&self) -> Vec<i32> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which refusals there were.
    pub(crate) fn take_refusals(&self) -> Vec<Refusal> {
        std::mem::take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why something of the call could not be recorded; then it is lost, whatever the guest makes of it.
    pub(crate) fn unwritten(&self) -> Option<Error> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).clone().map(Error::State)
    }

    fn lost(&self, error: Error) -> Error {
        if let Error::State(why) = &error {
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.clone());
        }
        error
    }

    /// What all calls share.
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    /// To what this install gave its labels.
    pub(crate) fn labels(&self) -> &GivenLabels {
        &self.services.labels
    }

    /// The backend.
    pub(crate) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// The call that it serves.
    pub(crate) fn call(&self) -> Call {
        self.scope.call()
    }

    /// What the caller asked for, by its name: where it is not there this is what is not.
    pub(crate) fn asked(&self) -> Option<String> {
        match self.call() {
            Call::CopyIn | Call::CopyOut => {
                let path = self.scope.caller().get(Slot::InsidePath).first()?;
                path.iter().next().map(|(_, path)| path.to_owned())
            }
            _ => self.scope.subject().map(str::to_owned),
        }
    }

    /// What is removed from everything that is shown.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Decides without running: what a plan of a guest's would render to.
    pub(crate) fn explain(&self, ask: &Ask, as_call: crate::scope::Call) -> Result<Line, Error> {
        let scope = self.scope.clone().with_call(as_call);
        let grounds = Grounds { scope: &scope, ..self.grounds() };
        let permit = grounds.decide(ask, |_, _| 0).map_err(|error| self.refused(error))?;
        Ok(Line::of(&permit))
    }

    /// Looks at a device node for the guest.
    pub(crate) fn device(&self, path: &str) -> Result<crate::devices::DeviceNode, Error> {
        self.unrefused()?;
        self.budget.spend_look().map_err(|refusal| self.refused(refusal.into()))?;
        self.services.devices.check(self.backend.device_patterns(), path).map_err(|error| {
            let remedy = "an operator would add a pattern for it to [devices] in the grants";
            let refusal = Refusal::new(Rule::Device, error.to_string()).slot("device").value(path).remedy(remedy);
            self.refused(refusal.into())
        })
    }

    /// Hands on what a guest says, redacted. What is too much is left out, and refused once.
    pub(crate) fn narrate(&self, level: Level, message: &str) {
        if let Err(refusal) = self.budget.spend_words(message) {
            if self.unrefused().is_ok() {
                // The guest is not told; the caller is, when the call ends.
                let _told = self.refused(refusal.into());
            }
            return;
        }
        let from = self.backend.name().to_owned();
        self.services.events.emit(|| Event::Narration { from, level, message: self.redactor.text(message) });
    }

    /// Tells what the host does by itself.
    pub(crate) fn narrate_own(&self, level: Level, message: &str) {
        self.services.events.say(level, || self.redactor.text(message));
    }

    /// Hands on how far a guest is, redacted. What is too much is left out: a long pull is no offence.
    pub(crate) fn progress(&self, item: &str, status: &str, current: Option<u64>, total: Option<u64>) {
        if self.budget.spend_words(item).and_then(|()| self.budget.spend_words(status)).is_err() {
            return;
        }
        let clean = |text: &str| self.redactor.text(text);
        self.services.events.emit(|| Event::Progress { item: clean(item), status: clean(status), current, total });
    }

    async fn turn(&self, permit: &Permit) -> Turn {
        self.services.turns.take(self.backend.name(), permit).await
    }

    pub(crate) async fn next_turn(&self) -> Turn {
        self.services.turns.next(self.backend.name()).await
    }

    fn grounds(&self) -> Grounds<'_> {
        Grounds {
            grants: self.backend.grants(),
            scope: &self.scope,
            programs: &*self.backend,
            redactor: &self.redactor,
        }
    }

    fn decide(&self, ask: &Ask) -> Result<Permit, Error> {
        self.unrefused()?;
        let decided = self.budget.spend_command().map_err(Error::from).and_then(|()| {
            let facts = self.facts();
            let grounds = Grounds { scope: &facts, ..self.grounds() };
            let permit = grounds.decide(ask, |effect, object| self.budget.spent(effect, object))?;
            self.budget.count(permit.effect(), permit.object());
            Ok(permit)
        });
        decided.map_err(|error| self.refused(with_command(error, &ask.command)))
    }

    /// A call that was refused something, or of which something could not be recorded, is lost: nothing more is decided,
    /// run or recorded for it.
    fn unrefused(&self) -> Result<(), Error> {
        self.unwritten().map_or(Ok(()), Err)?;
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.first().map_or(Ok(()), |refusal| Err(refusal.clone().into()))
    }

    /// A refusal is recorded, and kept for the caller.
    fn refused(&self, error: Error) -> Error {
        let Error::Refused(refusal) = error else { return error };
        let entry = Entry {
            command: refusal.command.as_deref(),
            rule: Some(refusal.rule.as_str()),
            slot: refusal.slot.as_deref(),
            why: Some(&refusal.why),
            ..self.entry(Kind::Refusal)
        };
        let value = refusal.value.as_deref().map(|value| self.redactor.text(value));
        let recorded = self.services.journal.append(&Entry { value: value.as_deref(), ..entry });
        let refusal = Refusal { value, ..refusal };
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push(refusal.clone());
        match recorded {
            Ok(_) => refusal.into(),
            Err(error) => self.lost(Error::State(format!("the journal: {error}"))),
        }
    }

    /// No record, no action.
    fn record(&self, permit: &Permit) -> Result<Pending, Error> {
        let program = permit.program().path().display().to_string();
        let argv = self.redactor.words(permit.argv());
        let skipped = self.leaves_out(permit);
        let nonce = (permit.effect() == Effect::Create).then(|| self.nonce()).flatten();
        self.services.events.emit(|| Event::Command {
            from: self.backend.name().to_owned(),
            argv: argv.clone(),
            skipped,
        });
        let entry = Entry {
            command: Some(permit.command()),
            effect: Some(permit.effect().into()),
            object: object_kind(permit.object()),
            program: Some(&program),
            argv: Some(&argv),
            endpoint: self.backend.endpoint(),
            nonce: nonce.as_deref(),
            ..self.entry(Kind::Intent)
        };
        Pending::begin(&self.services, entry, self.call).map_err(|error| self.lost(error))
    }

    /// The nonce of the owner label that the call gives.
    fn nonce(&self) -> Option<String> {
        let label = self.scope.host().get(Slot::OwnerLabel).first()?.field("")?;
        OwnerLabel::parse(label).ok().map(|label| label.nonce().to_string())
    }

    fn entry(&self, kind: Kind) -> Entry<'_> {
        Entry {
            call: Some(self.call),
            backend: Some(self.backend.name()),
            plugin: Some(self.backend.digest_text()),
            name: self.scope.subject(),
            ..Entry::new(kind)
        }
    }

    /// A dry run leaves out whatever does more than look.
    fn leaves_out(&self, permit: &Permit) -> bool {
        self.services.dry_run && permit.effect() != Effect::Read
    }

    fn failed(&self, error: ExecError) -> Error {
        match error {
            ExecError::TimedOut { ref partial, .. } => Error::Timeout(format!("{error}{}", self.tail(partial))),
            other => {
                // A guest hears no more than that it could not be run; whoever called hears why.
                self.services.events.say(Level::Warning, || self.redactor.text(&other.to_string()));
                Error::Unavailable(other.to_string())
            }
        }
    }

    /// The end of what a command that timed out had on its standard error.
    fn tail(&self, partial: &Captured) -> String {
        let text = self.redactor.text(&String::from_utf8_lossy(partial.expose(Source::Stderr)));
        match text.trim().lines().next_back() {
            Some(line) => format!("; it last said: {line}"),
            None => String::new(),
        }
    }
}

fn with_command(error: Error, command: &str) -> Error {
    match error {
        Error::Refused(refusal) if refusal.command.is_none() => refusal.command(command).into(),
        other => other,
    }
}

/// The kind of object, where it is one that somebody owns.
fn object_kind(object: Object) -> Option<ObjectKind> {
    match object {
        Object::Engine => None,
        Object::Image => Some(ObjectKind::Image),
        Object::Container => Some(ObjectKind::Container),
        Object::Volume => Some(ObjectKind::Volume),
        Object::Pod => Some(ObjectKind::Pod),
        Object::Network => Some(ObjectKind::Network),
    }
}
