//! Backends looked at on the shelf: without a state directory, an engine or a compiler.

use super::detect::{BackendInfo, CommandInfo};
use crate::backend::{Backend, BackendSource, HostEnvironment};
use crate::error::Error;
use crate::grants::Grants;
use crate::sandbox::Component;

impl BackendInfo {
    /// What a backend is and may run: its request within its grant.
    ///
    /// # Errors
    /// When its component, its request or its grant is refused.
    pub fn read(source: BackendSource) -> Result<Self, Error> {
        let component = component(&source.origin, source.component.clone())?;
        Backend::new(source, HostEnvironment::default(), Vec::new(), component).map(|backend| Self::of(&backend))
    }

    /// What a component is and asks for. Nothing of it holds without a grant.
    ///
    /// # Errors
    /// When it is no component, or has no proper request.
    pub fn of_component(origin: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        let component = component(origin, bytes.into())?;
        let wrong = |why: String| Error::Backend { name: origin.to_owned(), why };
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

impl BackendSource {
    /// What holds for this backend: its request within its grant. Nothing is compiled.
    ///
    /// # Errors
    /// When its component, its request or its grant is refused.
    pub fn holding(self) -> Result<Grants, Error> {
        let component = component(&self.origin, self.component.clone())?;
        Backend::new(self, HostEnvironment::default(), Vec::new(), component).map(|backend| backend.grants().clone())
    }
}

fn component(origin: &str, bytes: std::borrow::Cow<'static, [u8]>) -> Result<Component, Error> {
    Component::read(bytes).map_err(|error| Error::Backend { name: origin.to_owned(), why: error.to_string() })
}
