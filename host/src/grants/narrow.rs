//! Request ∩ grant: what a backend asks for, within what the operator allows.

use std::fmt;

use super::Grants;
use super::command::Command;
use super::error::GrantsError;

/// Why a command does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// The backend asks for it, the operator does not grant it.
    NotGranted,
    /// The operator grants it, the backend does not ask for it.
    NotRequested,
    /// Both have it, and not token for token: the first element that differs, counted from 0.
    Differs(usize),
}

/// A command that does not hold, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The command's name.
    pub command: String,
    /// Why.
    pub reason: DropReason,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted => f.write_str("asked for, and not granted"),
            Self::NotRequested => f.write_str("granted, and not asked for"),
            Self::Differs(at) => {
                write!(f, "asked for with another command line than the granted one, from token {at} on")
            }
        }
    }
}

/// In words: `exec: asked for, and not granted`.
impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.command, self.reason)
    }
}

impl Grants {
    /// Narrows this grant to what a backend asks for: `self` is the operator's, `request` the backend's.
    ///
    /// A command holds where both have it, token for token, with the operator's effect and object, the shorter time-out
    /// and the caller's input where both have that; limits are the lower of both. Programs, endpoint, runtimes, evidence, devices and probes hold as the
    /// operator has them. A command that the host's own evidence needs stays, though not for the backend.
    ///
    /// # Errors
    /// When both are for different backends.
    pub fn narrow(&self, request: &Self) -> Result<Self, GrantsError> {
        if self.backend != request.backend {
            let what = format!("the request is of backend `{}`, the grant for `{}`", request.backend, self.backend);
            return Err(GrantsError::new(&request.file, (1, 1), what));
        }
        let (commands, mut dropped) = self.common_commands(request);
        dropped.extend(request.commands.iter().filter(|asked| self.command(asked.name()).is_none()).map(not_granted));
        Ok(Self { commands, dropped, limits: self.limits.narrowed(&request.limits), ..self.clone() })
    }

    fn common_commands(&self, request: &Self) -> (Vec<Command>, Vec<Dropped>) {
        let (mut commands, mut dropped) = (Vec::new(), Vec::new());
        for command in &self.commands {
            match agreed(command, request.command(command.name())) {
                Ok(command) => commands.push(command),
                Err(reason) => {
                    dropped.push(Dropped { command: command.name().to_owned(), reason });
                    commands.extend(self.for_evidence_alone(command));
                }
            }
        }
        (commands, dropped)
    }

    fn for_evidence_alone(&self, command: &Command) -> Option<Command> {
        let needed = self.evidence.commands().any(|name| name == command.name());
        needed.then(|| command.clone().for_evidence_alone())
    }
}

fn agreed(granted: &Command, asked: Option<&Command>) -> Result<Command, DropReason> {
    let asked = asked.ok_or(DropReason::NotRequested)?;
    match granted.template().first_difference(asked.template()) {
        Some(index) => Err(DropReason::Differs(index)),
        None => Ok(granted.clone().shortened(asked.timeout()).fed_by(asked.stdin())),
    }
}

fn not_granted(asked: &Command) -> Dropped {
    Dropped { command: asked.name().to_owned(), reason: DropReason::NotGranted }
}
