//! The engine's own document about a container.

use serde_json::Value;

use super::Portreeve;
use crate::error::Error;
use crate::scope::Call;

impl Portreeve {
    /// A container of ours as its engine describes it, whole, redacted by the names of its keys and by pattern. What stands
    /// in it differs from engine to engine; what every engine tells is [`Portreeve::inspect`]'s.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours.
    pub async fn inspect_raw(&self, name: &str) -> Result<Value, Error> {
        let (backend, container) = self.inner.find(Call::Inspect, name).await?;
        let document = self.inner.looker(&backend, Call::Inspect)?.look_at_document(&container.id).await?;
        let missing = || Error::NotFound { kind: "container", name: name.to_owned() };
        let mut document = document.ok_or_else(missing)?;
        self.inner.redactor_of_container(&container).json(&mut document);
        Ok(document)
    }
}
