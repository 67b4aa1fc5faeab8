//! Backends looked at on the shelf: without a state directory, an engine or a compiler.

use super::detect::{BackendInfo, CommandInfo};
use crate::backend::{Backend, BackendSource, HostEnvironment};
use crate::error::Error;
use crate::grants::Grants;
use crate::sandbox::{Component, ComponentError};

impl BackendInfo {
    /// What a backend is and may run: its request within its grant.
    ///
    /// # Errors
    /// When its component, its request or its grant is refused.
    pub fn read(source: BackendSource) -> Result<Self, Error> {
        shelved(source).map(|backend| Self::of(&backend))
    }

    /// What a component is and asks for. Nothing of it holds without a grant.
    ///
    /// # Errors
    /// When it is no component, or has no proper request.
    pub fn of_component(origin: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        let wrong = |why: String| Error::Backend { name: origin.to_owned(), why };
        let component = Component::read(bytes.into(), None).map_err(|error| wrong(error.to_string()))?;
        let request = component.request().map_err(|error| wrong(error.to_string()))?;
        let request =
            Grants::parse(&request, &format!("request of {origin}")).map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            name: request.backend().to_owned(),
            digest: component.digest().to_string(),
            bytes: component.bytes().len(),
            imports: component.imports().to_vec(),
            exports: component.exports().to_vec(),
            commands: request.commands().iter().map(CommandInfo::of).collect(),
            devices: request.devices().to_vec(),
            dropped: Vec::new(),
        })
    }
}

/// Request ∩ grant of a source.
pub(crate) fn shelved(source: BackendSource) -> Result<Backend, Error> {
    let wrong = |error: ComponentError| Error::Backend { name: source.origin.clone(), why: error.to_string() };
    let component = source.read_component().map_err(wrong)?;
    let granted = source.parse_grants()?;
    Backend::new(&source, &granted, HostEnvironment::default(), Vec::new(), component)
}
