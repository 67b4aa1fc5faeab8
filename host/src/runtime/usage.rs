//! What runs in a container, and what it uses.

use std::sync::Arc;
use std::time::Duration;

use super::containers::Found;
use super::{Inner, Portreeve};
use crate::backend::Backend;
use crate::broker::Broker;
use crate::error::{Error, FaultKind};
use crate::evidence::{ContainerInfo, Processes, Usage};
use crate::sandbox::Guest;
use crate::scope::{Call, Scope};

/// The least between two readings: an engine's own takes as long.
const LEAST: Duration = Duration::from_millis(100);

/// Readings of what a container uses, one after the other. Nothing runs between them.
pub struct UsageStream {
    portreeve: Portreeve,
    name: String,
    interval: Duration,
    next: Option<tokio::time::Instant>,
    ended: bool,
}

impl Portreeve {
    /// The processes of a container of ours, by their numbers on this machine.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours; `Conflict` or `Engine` where it does not run.
    pub async fn top(&self, name: &str) -> Result<Processes, Error> {
        let (broker, container) = self.inner.asked(Call::Top, name).await?;
        let claimed = self.inner.enter(&broker).await?.top(name).await?;
        let seen = broker.seen_processes()?;
        let lines = claimed.iter().filter(|line| !line.trim().is_empty()).count();
        if lines != seen.rows.len() + 1 {
            return Err(broker.fault(FaultKind::Untrue, "it tells of other processes than the engine").into());
        }
        let lost = container.pid.filter(|pid| !seen.has(*pid));
        if lost.is_some()
            && self.inner.look_again(broker.backend(), &container).await?.is_some_and(|now| now.pid == lost)
        {
            let why = "it tells of processes that are not the container's";
            return Err(broker.fault(FaultKind::Untrue, why).into());
        }
        Ok(seen)
    }

    /// One reading of what a container of ours uses.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Refused` where it is not ours; `Conflict` where it does not run; `Unsupported` where the engine
    /// can't, as Podman without root under cgroups v1.
    pub async fn stats(&self, name: &str) -> Result<Usage, Error> {
        let (broker, container) = self.inner.asked(Call::Stats, name).await?;
        let claimed = self.inner.enter(&broker).await?.stats(name).await?;
        let seen = broker.seen_usage()?;
        if claimed != seen {
            return Err(broker.fault(FaultKind::Untrue, "it tells of another use than the engine").into());
        }
        // An engine calls the machine's memory a limit.
        let limited = container.memory.is_some_and(|memory| memory > 0);
        Ok(Usage { memory_limit: seen.memory_limit.filter(|_| limited), ..seen })
    }

    /// Readings of what a container of ours uses, one in each interval, until it ends.
    ///
    /// # Errors
    /// As [`Portreeve::stats`], of each reading.
    #[must_use]
    pub fn stats_stream(&self, name: &str, interval: Duration) -> UsageStream {
        let (portreeve, interval) = (self.clone(), interval.max(LEAST));
        UsageStream { portreeve, name: name.to_owned(), interval, next: None, ended: false }
    }
}

impl UsageStream {
    /// The next reading; none when the container does not run any more. An error is the last one.
    pub async fn next(&mut self) -> Option<Result<Usage, Error>> {
        if self.ended {
            return None;
        }
        let first = self.next.is_none();
        if let Some(next) = self.next {
            tokio::time::sleep_until(next).await;
        }
        self.next = Some(tokio::time::Instant::now() + self.interval);
        if !first && !self.goes_on().await {
            self.ended = true;
            return None;
        }
        let reading = self.portreeve.stats(&self.name).await;
        self.ended = reading.is_err();
        if self.ended && !first && !self.goes_on().await {
            // It ended while it was read.
            return None;
        }
        Some(reading)
    }

    async fn goes_on(&self) -> bool {
        let found = self.portreeve.inner.seek(&self.name).await.ok().and_then(Found::ours);
        found.is_some_and(|(_, container)| container.state.is_alive())
    }
}

impl Inner {
    /// The monitor of a call on a container that runs.
    async fn asked(&self, call: Call, name: &str) -> Result<(Arc<Broker>, ContainerInfo), Error> {
        let (backend, container): (Arc<Backend>, _) = self.find(call, name).await?;
        if !container.state.is_alive() {
            return Err(Error::InUse(format!("{name} does not run: it is {}", container.state.as_str())));
        }
        let scope = Scope::of_container(call, name, &container.id);
        let broker = self.broker(&backend, scope, &self.redactor_of_container(&container))?;
        Ok((broker, container))
    }

    async fn enter(&self, broker: &Arc<Broker>) -> Result<Guest, Error> {
        Guest::enter(&self.sandbox, Arc::clone(broker)).await
    }
}
