//! Which engine has a container of a name.

use std::sync::Arc;

use super::detect::AbortOnDrop;
use super::{Inner, Portreeve};
use crate::backend::Backend;
use crate::error::Error;
use crate::evidence::{ContainerInfo, ContainerState};
use crate::scope::Call;
use crate::spec::Name;

/// An engine that has a container of a name. Of one that is not this install's nothing more is told than that.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Ownership {
    /// The backend that drives the engine.
    pub backend: String,
    /// The engine's ID of the container.
    pub id: String,
    /// The container's state.
    pub state: ContainerState,
    /// Whether it bears this install's owner label.
    pub ours: bool,
}

impl Portreeve {
    /// The engines that have a container of this very name, in the order of preference; they are asked side by side.
    ///
    /// # Errors
    /// `NoEngine` where none answers; `Spec` where the name is none.
    pub async fn owner_of(&self, name: &str) -> Result<Vec<Ownership>, Error> {
        let name: Name = name.parse()?;
        let mut tasks = Vec::new();
        for backend in &self.inner.backends {
            let (inner, backend, name) = (Arc::clone(&self.inner), Arc::clone(backend), name.clone());
            tasks.push(AbortOnDrop(tokio::spawn(async move { inner.seen_on(&backend, name.as_str()).await })));
        }
        let (mut owners, mut problems, mut answered) = (Vec::<Ownership>::new(), Vec::new(), false);
        for (mut task, backend) in tasks.into_iter().zip(&self.inner.backends) {
            match (&mut task.0).await.map_err(|error| Error::State(error.to_string()))? {
                Ok(found) => {
                    answered = true;
                    // Two backends may drive one engine.
                    owners.extend(found.filter(|found| !owners.iter().any(|known| known.id == found.id)));
                }
                Err(error @ (Error::State(_) | Error::Refused(_))) => return Err(error),
                Err(error) => problems.push(format!("{}: {error}", backend.name())),
            }
        }
        if answered { Ok(owners) } else { Err(Error::NoEngine(problems)) }
    }
}

impl Inner {
    async fn seen_on(&self, backend: &Arc<Backend>, name: &str) -> Result<Option<Ownership>, Error> {
        let late = |_| Error::Timeout(format!("it did not answer within {} ms", self.patience.as_millis()));
        let looker = self.looker(backend, Call::Inspect)?;
        let found = tokio::time::timeout(self.patience, looker.look_at_container(name)).await.map_err(late)??;
        Ok(found.map(|found| self.ownership(found)))
    }

    fn ownership(&self, found: ContainerInfo) -> Ownership {
        let ours = found.is_ours(self.state.key(), self.state.install());
        Ownership { backend: found.backend, id: found.id, state: found.state, ours }
    }
}
