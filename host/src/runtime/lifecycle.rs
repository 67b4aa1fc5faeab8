//! Ends: stop, kill, wait.

use std::sync::Arc;
use std::time::Duration;

use super::{Inner, Portreeve};
use crate::backend::Backend;
use crate::error::Error;
use crate::event::Level;
use crate::evidence::ContainerInfo;
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};
use crate::spec::Signal;

/// How often, and for how long, the end of a container that was killed is looked for.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

impl Portreeve {
    /// Stops a container of ours: asks it, waits for the grace, looks whether it ended, and kills it otherwise.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours; `Engine` where it can't be ended.
    pub async fn stop(&self, name: &str, grace: Duration) -> Result<ContainerInfo, Error> {
        let (backend, container) = self.inner.find(Call::Stop, name).await?;
        if !container.state.is_alive() {
            return Ok(container);
        }
        self.inner.say(Level::Info, || format!("stopping {name}"));
        self.inner.wake(&backend, &container).await?;
        let asked = self.inner.ask_to_stop(&backend, &container, grace).await;
        if self.inner.services.dry_run {
            return asked.map(|()| container);
        }
        match asked {
            Err(error @ (Error::Refused(_) | Error::Fault(_) | Error::State(_))) => Err(error),
            // Whatever the engine said: what counts is whether it ended.
            Ok(()) | Err(_) => self.inner.make_sure(&backend, container).await,
        }
    }

    /// Sends a container of ours a signal.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours; `Conflict` or `Engine` where it does not run.
    pub async fn kill(&self, name: &str, signal: &Signal) -> Result<ContainerInfo, Error> {
        let (backend, container) = self.inner.find(Call::Kill, name).await?;
        self.inner.send(&backend, &container, signal).await?;
        Ok(self.inner.look_again(&backend, &container).await?.unwrap_or(container))
    }

    /// Waits for the end of a container of ours, and gives its exit status.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours.
    pub async fn wait(&self, name: &str) -> Result<i32, Error> {
        let (backend, container) = self.inner.find(Call::Wait, name).await?;
        let scope = Scope::of_container(Call::Wait, name, &container.id);
        let broker = self.inner.broker(&backend, scope, &self.inner.redactor_of_container(&container))?;
        let claimed = Guest::enter(&self.inner.sandbox, Arc::clone(&broker)).await?.wait(name).await?;
        let seen = self.inner.look_again(&backend, &container).await?;
        // One that is removed when it ends can't be looked at any more; then the engine's word stands.
        Ok(seen.and_then(|seen| seen.exit_code).unwrap_or(claimed))
    }
}

impl Inner {
    pub(super) async fn ask_to_stop(
        &self,
        backend: &Arc<Backend>,
        container: &ContainerInfo,
        grace: Duration,
    ) -> Result<(), Error> {
        let seconds = u32::try_from(grace.as_secs()).unwrap_or(u32::MAX).min(3600);
        let scope = Scope::of_container(Call::Stop, &container.name, &container.id).with_grace(seconds);
        self.guest(backend, scope, &self.redactor_of_container(container)).await?.stop(&container.name, seconds).await
    }

    pub(super) async fn send(
        &self,
        backend: &Arc<Backend>,
        container: &ContainerInfo,
        signal: &Signal,
    ) -> Result<(), Error> {
        let scope = Scope::of_container(Call::Kill, &container.name, &container.id).with_signal(signal.as_str());
        self.guest(backend, scope, &self.redactor_of_container(container))
            .await?
            .kill(&container.name, signal.as_str())
            .await
    }

    /// A container that did not end in its grace is killed, and looked at until it is gone or has ended.
    pub(super) async fn make_sure(
        &self,
        backend: &Arc<Backend>,
        container: ContainerInfo,
    ) -> Result<ContainerInfo, Error> {
        let mut killed = false;
        for _ in 0..LOOKS {
            let seen = self.look_again(backend, &container).await?;
            match seen {
                None => {
                    return Ok(ContainerInfo {
                        state: crate::evidence::ContainerState::Exited,
                        pid: None,
                        ..container
                    });
                }
                Some(seen) if !seen.state.is_alive() || seen.state == crate::evidence::ContainerState::Stopping => {
                    return Ok(seen);
                }
                Some(seen) if !killed => {
                    killed = true;
                    self.say(Level::Warning, || format!("{} did not end in its grace and is killed", seen.name));
                    let kill: Signal = "KILL".parse()?;
                    // It may have ended just now; the next look tells.
                    let _ended = self.send(backend, &container, &kill).await;
                }
                Some(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
            }
        }
        Err(Error::Engine {
            command: "stop".to_owned(),
            status: 0,
            message: format!("{} is still running", container.name),
        })
    }

    /// The same container, by its ID.
    pub(super) async fn look_again(
        &self,
        backend: &Arc<Backend>,
        container: &ContainerInfo,
    ) -> Result<Option<ContainerInfo>, Error> {
        let seen = self.looker(backend, Call::Inspect)?.look_at_containers(&[&container.id]).await?;
        Ok(seen.into_iter().find(|found| found.id == container.id))
    }
}
