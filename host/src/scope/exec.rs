//! The facts of what happens in a container that runs: a command, a copy.

use std::time::Duration;

use super::facts::{flag, scalar};
use super::{Call, Scope};
use crate::grants::{Binding, Slot};
use crate::spec::{ExecSpec, InsidePath};

impl Scope {
    /// The facts of a command in a container that the host saw to be ours, and to run.
    ///
    /// Secrets are the host's to fill: the backend does not learn their names.
    pub(crate) fn of_exec(name: &str, id: &str, mark: &str, spec: &ExecSpec) -> Self {
        let mut scope = Self::of_container(Call::Exec, name, id).attached(false, spec.terminal);
        scope.limit = spec.timeout;
        let facts = &mut scope.caller;
        for word in &spec.words {
            facts.insert(Slot::Word, Binding::fields([("word", word.as_str())]));
        }
        for variable in &spec.env {
            let fields = [("name", variable.name.as_str()), ("value", &variable.value)];
            facts.insert(Slot::EnvPlain, Binding::fields(fields));
        }
        scalar(facts, Slot::Workdir, spec.workdir.as_ref());
        scalar(facts, Slot::User, spec.user.as_ref().map(|user| user.as_str()));
        flag(facts, Slot::Stdin, spec.stdin);
        flag(facts, Slot::Terminal, spec.terminal);
        for secret in &spec.secrets {
            scope.host.insert(Slot::EnvSecret, Binding::fields([("name", secret.name.as_str())]));
            scope.secrets.insert(secret.name.to_string(), secret.value.clone());
        }
        scope.with_host(Slot::ExecMark, Binding::scalar(mark))
    }

    /// The input of a container that was created with one, and its terminal: the host's to fill.
    pub(crate) fn attached(mut self, stdin: bool, terminal: bool) -> Self {
        flag(&mut self.host, Slot::Stdin, stdin);
        self.terminal = terminal;
        self
    }

    /// A copy between a container and a file of the exchange folder, which the host fills.
    pub(crate) fn of_copy(call: Call, name: &str, id: &str, file: &str, inside: &InsidePath) -> Self {
        let mut scope = Self::of_container(call, name, id);
        scalar(&mut scope.caller, Slot::InsidePath, Some(inside));
        // Each call fills the slot of its own direction alone: the command of the other can't be rendered in it.
        let slot = if call == Call::CopyOut { Slot::ExchangeNew } else { Slot::ExchangeFile };
        scope.with_host(slot, Binding::scalar(file))
    }

    /// The time that the caller gave the command of the call, where it gave one.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Whether the command of the call is one of a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }
}
