//! Pauses, restarts, and names that stay.

use std::sync::Arc;
use std::time::Duration;

use super::{Inner, Portreeve};
use crate::backend::Backend;
use crate::error::{Error, FaultKind};
use crate::event::Level;
use crate::evidence::{ContainerInfo, ContainerState};
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};

impl Portreeve {
    /// Pauses a container of ours: its processes stand still. One that is paused already is no error.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours; `Conflict` or `Engine` where it does not run; `Unsupported` where
    /// the engine can't, as Podman without root under cgroups v1.
    pub async fn pause(&self, name: &str) -> Result<ContainerInfo, Error> {
        self.inner.set_paused(name, true).await
    }

    /// Ends a container's pause. One that is not paused is no error.
    ///
    /// # Errors
    /// As [`Portreeve::pause`].
    pub async fn unpause(&self, name: &str) -> Result<ContainerInfo, Error> {
        self.inner.set_paused(name, false).await
    }

    /// Stops a container of ours as [`Portreeve::stop`] does, and starts it again; one that has ended is started.
    ///
    /// # Errors
    /// As [`Portreeve::stop`] and [`Portreeve::start`].
    pub async fn restart(&self, name: &str, grace: Duration) -> Result<ContainerInfo, Error> {
        self.stop(name, grace).await?;
        self.start(name).await
    }

    /// Containers keep their names: the owner label is made for the name, and proves nothing under another one.
    ///
    /// # Errors
    /// Always: `NotFound` where there is none of this name, `Refused` where it is not ours, else `Unsupported`, which says what to do.
    pub async fn rename(&self, name: &str, to: &str) -> Result<ContainerInfo, Error> {
        let _well_formed: crate::spec::Name = to.parse()?;
        self.inner.find(Call::Inspect, name).await?;
        Err(Error::Unsupported(format!(
            "{name} keeps its name: the label that makes it ours is made for it; run another one named {to}, and remove {name}"
        )))
    }
}

impl Inner {
    async fn set_paused(&self, name: &str, paused: bool) -> Result<ContainerInfo, Error> {
        let call = if paused { Call::Pause } else { Call::Unpause };
        let (backend, container) = self.find(call, name).await?;
        if is_so(&container, paused) {
            return Ok(container);
        }
        self.say(Level::Info, || format!("{} {name}", if paused { "pausing" } else { "ending the pause of" }));
        self.tell_to_pause(&backend, container, paused).await
    }

    /// Tells the engine, and looks whether it is so.
    async fn tell_to_pause(
        &self,
        backend: &Arc<Backend>,
        container: ContainerInfo,
        paused: bool,
    ) -> Result<ContainerInfo, Error> {
        let call = if paused { Call::Pause } else { Call::Unpause };
        let scope = Scope::of_container(call, &container.name, &container.id);
        let broker = self.broker(backend, scope, &self.redactor_of_container(&container))?;
        Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.pause(&container.name, paused).await?;
        if self.services.dry_run {
            return Ok(container);
        }
        match self.look_again(backend, &container).await? {
            Some(seen) if is_so(&seen, paused) => Ok(seen),
            // It may have ended by itself.
            Some(seen) if !paused && !seen.state.is_alive() => Ok(seen),
            _ => {
                let why = if paused { "paused a container that is not" } else { "ended a pause that goes on" };
                Err(broker.fault(FaultKind::Untrue, &format!("it says that it {why}")).into())
            }
        }
    }

    /// What is paused hears no signal: its pause ends before it is stopped.
    pub(super) async fn wake(&self, backend: &Arc<Backend>, container: &ContainerInfo) -> Result<(), Error> {
        if container.state != ContainerState::Paused {
            return Ok(());
        }
        self.tell_to_pause(backend, container.clone(), false).await.map(drop)
    }
}

fn is_so(container: &ContainerInfo, paused: bool) -> bool {
    let wanted = if paused { ContainerState::Paused } else { ContainerState::Running };
    container.state == wanted
}
