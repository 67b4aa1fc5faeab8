//! The host's own errands: commands that no backend asks for, out of a table that is built in. They go the same way as
//! every command: decided, recorded, executed, redacted, recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Services;
use super::pending::Pending;
use crate::decision::{Grounds, Permit, Programs};
use crate::error::{Error, Refusal, Rule};
use crate::event::Event;
use crate::executor::{CheckedProgram, ExecError, ProgramGrant};
use crate::grants::{Bindings, Grants};
use crate::journal::{CallId, Entry, Kind};
use crate::output::Output;
use crate::redaction::Redactor;
use crate::scope::{Call, Scope};

/// The monitor of the host's own commands.
pub(crate) struct Errand {
    services: Arc<Services>,
    grants: Grants,
    redactor: Redactor,
    /// What its programs may find in their environment, as far as the table names it.
    variables: BTreeMap<String, Vec<u8>>,
}

impl Errand {
    pub(crate) fn new(
        services: &Arc<Services>,
        grants: Grants,
        redactor: &Redactor,
        variables: BTreeMap<String, Vec<u8>>,
    ) -> Self {
        Self { services: Arc::clone(services), grants, redactor: redactor.clone(), variables }
    }

    /// Runs one of the table's commands, which all only look, to its end.
    ///
    /// # Errors
    /// `Unavailable` where its program is not installed; a status other than 0 is no error.
    pub(crate) async fn perform(&self, command: &str, facts: Bindings) -> Result<Output, Error> {
        let permit = self.decide(command, facts)?;
        let call = CallId::random().map_err(|source| Error::io("randomness for a call's name", source))?;
        let argv = self.redactor.words(permit.argv());
        let program = permit.program().path().display().to_string();
        self.services.events.emit(|| Event::Command {
            from: self.grants.backend().to_owned(),
            argv: argv.clone(),
            skipped: false,
        });
        let entry = Entry {
            call: Some(call),
            backend: Some(self.grants.backend()),
            command: Some(permit.command()),
            effect: Some(permit.effect().into()),
            program: Some(&program),
            argv: Some(&argv),
            ..Entry::new(Kind::Intent)
        };
        let intent = Pending::begin(&self.services, entry, call)?;
        let raw = self.services.executor.run(&permit).await.map_err(failed)?;
        let output = Output::redact(&raw, &self.redactor);
        intent.concluded(output.status(), Some(raw.timing().spawn))?;
        Ok(output)
    }

    fn decide(&self, command: &str, facts: Bindings) -> Result<Permit, Error> {
        let scope = Scope::new(Call::Describe);
        let grounds = Grounds { grants: &self.grants, scope: &scope, programs: self, redactor: &self.redactor };
        grounds.decide_evidence(command, facts)
    }
}

fn failed(error: ExecError) -> Error {
    match error {
        ExecError::TimedOut { .. } => Error::Timeout(error.to_string()),
        other => Error::Unavailable(other.to_string()),
    }
}

impl Programs for Errand {
    fn checked(&self, name: &str) -> Result<Arc<CheckedProgram>, Error> {
        let granted = self.grants.program(name);
        let granted = granted.ok_or_else(|| Error::Unavailable(format!("there is no program {name}")))?;
        let (search, wrapper) = (granted.search().to_vec(), granted.wrapper());
        let grant =
            ProgramGrant { name: name.to_owned(), search, wrapper, sha256: granted.sha256().map(str::to_owned) };
        CheckedProgram::resolve(&grant).map(Arc::new).map_err(|error| match error.is_not_found() {
            true => Error::Unavailable(error.to_string()),
            false => Refusal::new(Rule::Program, error.to_string()).into(),
        })
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.variables.get(name).map(Vec::as_slice)
    }
}
