//! Calls that are planned: decided and rendered like real ones, and neither recorded nor run.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::Broker;
use crate::decision::Permit;
use crate::grants::Effect;

/// A command line that a permit would run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The checked file.
    pub(crate) program: PathBuf,
    /// The words as rendered, the program's own first.
    pub(crate) argv: Vec<String>,
}

impl Line {
    pub(super) fn of(permit: &Permit) -> Self {
        Self { program: permit.program().path().to_owned(), argv: permit.argv().to_vec() }
    }
}

impl Broker {
    /// The same monitor for a call that is only planned. What its backend asks for is decided as ever; nothing of it runs,
    /// and to the backend every command ends well and prints nothing.
    pub(crate) fn planning(mut self) -> Self {
        self.plan = Some(Mutex::default());
        self
    }

    /// What the call would run, but for what only looks.
    pub(crate) fn planned(&self) -> Vec<Line> {
        let lines = self.plan.as_ref().map(|plan| plan.lock().unwrap_or_else(PoisonError::into_inner).clone());
        lines.unwrap_or_default()
    }

    /// Whether the call is only planned; then the command is noted.
    pub(super) fn plans(&self, permit: &Permit) -> bool {
        let Some(plan) = &self.plan else { return false };
        if permit.effect() != Effect::Read {
            plan.lock().unwrap_or_else(PoisonError::into_inner).push(Line::of(permit));
        }
        true
    }
}
