//! Looking at containers: at one of them for all calls that wait to look at one, at several for a list.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Broker, Joined, Others, Turn};
use crate::error::Error;
use crate::evidence::container::ContainerInfo;
use crate::evidence::document::documents;
use crate::executor::{RawOutput, Source};
use crate::grants::{Binding, Bindings, ContainerEvidence, Slot};
use crate::output::status;

/// How often an engine is asked that was disturbed, and how long it is left alone between.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What a look saw, shared by those for whom it was.
type Seen = Arc<[ContainerInfo]>;

impl Broker {
    /// The containers of these very names or IDs, ours or not; those that are not there are left out. Engines also find
    /// containers by the beginning of an ID: such a one is not what was asked for.
    pub(crate) async fn look_at_containers(&self, queries: &[&str]) -> Result<Vec<ContainerInfo>, Error> {
        let seen = match queries {
            [] => return Ok(Vec::new()),
            [query] => self.look_together(query).await?,
            _ => self.look_for(self.next_turn().await, queries).await?,
        };
        Ok(seen.iter().filter(|seen| queries.iter().any(|query| is_of(seen, query))).cloned().collect())
    }

    /// The container of this very name, ours or not.
    pub(crate) async fn look_at_container(&self, name: &str) -> Result<Option<ContainerInfo>, Error> {
        Ok(self.look_at_containers(&[name]).await?.into_iter().find(|container| container.name == name))
    }

    async fn look_together(&self, query: &str) -> Result<Seen, Error> {
        let waiters = &self.services().container_waiters;
        match self.join(waiters, self.backend().name(), query).await {
            Joined::Told(seen) => Ok(seen),
            Joined::Leads(turn, others) if others.is_empty() => self.look_for(turn, &[query]).await,
            Joined::Leads(turn, others) => match self.look_for_all(turn, others, query).await {
                Ok(seen) => Ok(seen),
                // The failure of one is no other's: each looks for itself.
                Err(_) => self.look_for(self.next_turn().await, &[query]).await,
            },
        }
    }

    async fn look_for_all(&self, turn: Turn, others: Others<Seen>, own: &str) -> Result<Seen, Error> {
        let mut queries: Vec<&str> = others.queries().chain([own]).collect();
        queries.sort_unstable();
        queries.dedup();
        let seen = self.look_for(turn, &queries).await?;
        others.tell(&seen);
        Ok(seen)
    }

    async fn look_for(&self, turn: Turn, queries: &[&str]) -> Result<Seen, Error> {
        let grants = self.backend().grants();
        let grant = grants.evidence().container.as_ref().ok_or_else(|| self.no_evidence("container"))?;
        let facts =
            queries.iter().map(|query| (Slot::Query, Binding::fields([("name", *query)]))).collect::<Bindings>();
        let raw = self.look_calmly(turn, &grant.command, facts).await?;
        self.found(&raw, &grant.missing)?;
        let seen = self.containers_in(&raw, grant).map_err(Error::Unavailable)?;
        self.check_missing(&raw, grant, queries, &seen)?;
        Ok(seen)
    }

    fn containers_in(&self, raw: &RawOutput, grant: &ContainerEvidence) -> Result<Seen, String> {
        let labels = self.labels();
        let documents = documents(raw.expose().expose(Source::Stdout))?;
        let read = |document| {
            ContainerInfo::read(document, grant, self.backend().name()).map(|container| container.known_by(labels))
        };
        documents.iter().map(read).collect()
    }

    /// Of several containers the engine tells of each one that is not there, each in a line: one that it could not read
    /// is not taken for one that is gone.
    fn check_missing(
        &self,
        raw: &RawOutput,
        grant: &ContainerEvidence,
        queries: &[&str],
        seen: &[ContainerInfo],
    ) -> Result<(), Error> {
        if queries.len() < 2 {
            return Ok(());
        }
        let absent = queries.iter().filter(|query| !seen.iter().any(|seen| is_of(seen, query))).count();
        let said = self.said(raw);
        if tells_of(&said, &grant.missing) >= absent {
            return Ok(());
        }
        let message = said.trim().lines().next_back().unwrap_or("it says nothing of some that it was asked about");
        Err(Error::Unavailable(format!("{} can't tell of all containers: {message}", self.backend().name())))
    }

    /// Looks again where something ended under the engine's own look at it.
    async fn look_calmly(&self, turn: Turn, command: &str, facts: Bindings) -> Result<RawOutput, Error> {
        let mut raw = self.look_in(turn, command, facts.clone()).await?;
        for _ in 1..LOOKS {
            if status(raw.exit()) == 0 || !was_disturbed(raw.expose().expose(Source::Stderr)) {
                break;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
            raw = self.look(command, facts.clone()).await?;
        }
        Ok(raw)
    }
}

/// Of how many containers an engine says that they are not there.
fn tells_of(said: &str, missing: &[String]) -> usize {
    said.to_lowercase().lines().filter(|line| missing.iter().any(|text| line.contains(text.as_str()))).count()
}

fn is_of(seen: &ContainerInfo, query: &str) -> bool {
    seen.name == query || seen.id == query
}

/// `read /proc/671/cgroup: no such process`: a process went while the engine read of it. `getting container from store …:
/// container not known`: a container did, whose files went first.
fn was_disturbed(said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said).to_lowercase();
    let process = said.contains("/proc/") && (said.contains("no such process") || said.contains("no such file"));
    process || said.contains("container not known")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_under_a_look_is_looked_at_again() {
        let store = b"Error: getting container from store \"680fec34\": container not known\n";
        assert!(was_disturbed(store) && was_disturbed(b"read /proc/671/cgroup: no such process"));
        assert!(!was_disturbed(b"Error: no such container web") && !was_disturbed(b"open /etc/x: no such file"));
    }

    #[test]
    fn an_engine_tells_of_each_container_that_is_not_there() {
        let missing = ["no such container".to_owned()];
        let podman = "error inspecting object: no such container b\nError: inspecting object: no such container a\n";
        assert_eq!(tells_of(podman, &missing), 2);
        assert_eq!(tells_of("Error: No such container: a\nError: No such container: b\n", &missing), 2);
        let broken = "Error: No such container: a\nError: getting graph driver info \"b\": layer not known\n";
        assert_eq!(tells_of(broken, &missing), 1);
        assert_eq!(tells_of("", &missing), 0);
    }
}
