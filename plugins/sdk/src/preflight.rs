//! Findings: what was seen, why it matters, what mends it.

use crate::{Finding, Severity};

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok(id: &str, seen: impl Into<String>) -> Self {
        Self::new(id, Severity::Ok, seen, "")
    }

    /// Worth knowing.
    #[must_use]
    pub fn info(id: &str, seen: impl Into<String>, why: &str) -> Self {
        Self::new(id, Severity::Info, seen, why)
    }

    /// It works, and should be mended.
    #[must_use]
    pub fn warning(id: &str, seen: impl Into<String>, why: &str) -> Self {
        Self::new(id, Severity::Warning, seen, why)
    }

    /// It can't work.
    #[must_use]
    pub fn failure(id: &str, seen: impl Into<String>, why: &str) -> Self {
        Self::new(id, Severity::Failure, seen, why)
    }

    /// A finding without a remedy.
    #[must_use]
    pub fn new(id: &str, severity: Severity, seen: impl Into<String>, why: &str) -> Self {
        Self { id: id.into(), severity, seen: seen.into(), why: why.into(), remedy: None }
    }

    /// The command that mends it.
    #[must_use]
    pub fn mended_by(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// The text of an error, for a finding.
#[must_use]
pub fn words(error: &crate::Error) -> String {
    crate::errors::text(error)
}
