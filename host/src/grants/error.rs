//! What is wrong with a grants file, and where.

use std::fmt;

/// A grants file that does not load: the first thing that is wrong, where it stands, and the nearest right word.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantsError {
    file: String,
    line: usize,
    column: usize,
    what: String,
    nearest: Option<String>,
}

impl GrantsError {
    pub(super) fn new(file: &str, (line, column): (usize, usize), what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, column, what: what.into(), nearest: None }
    }

    /// Adds the candidate that is nearest to what was written, if one is near.
    pub(super) fn near<'a>(mut self, written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        self.nearest = super::nearest::nearest(written, candidates).map(str::to_owned);
        self
    }

    /// The file's name, as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, and what would be right.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The nearest valid word, where one is near.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        self.nearest.as_deref()
    }
}

impl fmt::Display for GrantsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.what)?;
        self.nearest.as_ref().map_or(Ok(()), |word| write!(f, "; did you mean `{word}`?"))
    }
}

impl std::error::Error for GrantsError {}
