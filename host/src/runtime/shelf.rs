//! Backends looked at on the shelf: without a state directory, an engine or a compiler.

use super::info::BackendInfo;
use crate::backend::{Backend, BackendSource};
use crate::error::Error;
use crate::grants::{Change, Grants};

impl BackendInfo {
    /// What a backend is and may run: its request within its grant.
    ///
    /// # Errors
    /// When its component, its request or its grant is refused.
    pub fn read(source: BackendSource) -> Result<Self, Error> {
        shelved(&source).map(|backend| Self::of(&backend))
    }
}

impl BackendSource {
    /// How what a newer backend may do compares with what this one may, part by part.
    ///
    /// # Errors
    /// When a component, a request or a grant of either is refused.
    pub fn compare(self, new: Self) -> Result<Vec<Change>, Error> {
        Ok(shelved(&self)?.grants().compare(shelved(&new)?.grants()))
    }
}

impl BackendSource {
    /// What holds for this backend: its request within its grant. Nothing is compiled.
    ///
    /// # Errors
    /// When its component, its request or its grant is refused.
    pub fn holding(self) -> Result<Grants, Error> {
        shelved(&self).map(|backend| backend.grants().clone())
    }
}

/// A backend that is only looked at.
pub(crate) fn shelved(source: &BackendSource) -> Result<Backend, Error> {
    let component = source.read_component();
    let component =
        component.map_err(|error| Error::Backend { name: source.origin.clone(), why: error.to_string() })?;
    Backend::shelved(source, &source.parse_grants()?, component)
}
