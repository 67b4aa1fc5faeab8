//! Running the probes of the grants, all at once, for a guest that judges what they saw.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Inner, Intention};
use crate::backend::Backend;
use crate::broker::Broker;
use crate::error::Error;
use crate::grants::{ProbeCall, ProbeKind};
use crate::probes::{self, ProbeContext, ProbeResult};
use crate::sandbox::ProbeFact;
use crate::scope::Call;
use crate::spec::{Mount, MountSource, Port, Protocol};

/// The most that a guest is told of each stream of a command, in bytes.
const STREAM: usize = 256 << 10;
/// Mount sources of a call that are looked at.
const MOUNTS: usize = 64;

/// Facts that no probe of the grants sees, but the host knows: the floors of the grants.
const FLOORS: &str = "host.floors";
/// The same: what the caller asks of GPUs beside their mask.
const GPU_PROFILE: &str = "host.gpu-profile";

/// All that looking needs, for one task of many.
#[derive(Clone)]
struct Looker {
    backend: Arc<Backend>,
    broker: Arc<Broker>,
    context: ProbeContext,
    mounts: Vec<Mount>,
}

impl Inner {
    /// What the probes of these calls saw, side by side; recorded, redacted and bounded.
    pub(super) async fn probe(
        &self,
        backend: &Arc<Backend>,
        calls: &[ProbeCall],
        intention: &Intention,
    ) -> Result<Vec<ProbeFact>, Error> {
        let call = if calls.contains(&ProbeCall::Preflight) { Call::Preflight } else { Call::Detect };
        let looker = Looker {
            backend: Arc::clone(backend),
            broker: self.looker(backend, call)?,
            context: self.probe_context(intention),
            mounts: intention.mounts.clone(),
        };
        let granted =
            backend.grants().probes().iter().filter(|probe| probe.calls().iter().any(|one| calls.contains(one)));
        let mut running = JoinSet::new();
        let mut names = Vec::new();
        for (at, probe) in granted.enumerate() {
            names.push(probe.name().to_owned());
            let (looker, kind) = (looker.clone(), probe.kind().clone());
            running.spawn(async move { (at, looker.look(&kind).await) });
        }
        let mut seen = BTreeMap::new();
        while let Some(done) = running.join_next().await {
            let (at, result) = done.map_err(|error| Error::State(error.to_string()))?;
            seen.insert(at, result?);
        }
        let mut facts = if call == Call::Preflight { known(backend, intention) } else { Vec::new() };
        let told = names.into_iter().zip(seen.into_values());
        facts.extend(told.map(|(name, (found, content))| ProbeFact { name, found, content }));
        self.record_probes(backend, &facts)?;
        Ok(facts)
    }

    fn record_probes(&self, backend: &Backend, facts: &[ProbeFact]) -> Result<(), Error> {
        if facts.is_empty() {
            return Ok(());
        }
        let known: Vec<(&str, &str)> =
            facts.iter().map(|fact| (fact.name.as_str(), if fact.found { "found" } else { "absent" })).collect();
        let entry = crate::journal::Entry {
            backend: Some(backend.name()),
            plugin: Some(backend.digest_text()),
            why: Some("probes of the grants"),
            facts: &known,
            ..crate::journal::Entry::new(crate::journal::Kind::Verification)
        };
        self.services.journal.append(&entry).map(drop).map_err(|error| Error::State(format!("the journal: {error}")))
    }

    fn probe_context(&self, intention: &Intention) -> ProbeContext {
        let path = |name| self.environment.text(name).map(Into::into);
        ProbeContext {
            home: path("HOME"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            uid: rustix::process::geteuid().as_raw(),
            ports: intention.ports.iter().filter_map(probed).collect(),
        }
    }
}

/// What the host knows without looking.
fn known(backend: &Backend, intention: &Intention) -> Vec<ProbeFact> {
    let fact = |name: &str, content: String| ProbeFact { name: name.to_owned(), found: true, content };
    let floors: String = backend.grants().floors().iter().map(|floor| format!("{floor}\n")).collect();
    let floors = (!floors.is_empty()).then(|| fact(FLOORS, floors));
    let profile = intention.profile.as_ref().map(|profile| fact(GPU_PROFILE, profile.to_string()));
    floors.into_iter().chain(profile).collect()
}

impl Looker {
    /// Whether there was anything to see, and what, redacted.
    async fn look(&self, kind: &ProbeKind) -> Result<(bool, String), Error> {
        let (found, content) = match kind {
            // Its output is redacted already, as what it is.
            ProbeKind::Command { command } => return self.ask(command).await,
            ProbeKind::Runtimes => self.runtimes().await?,
            ProbeKind::Mounts => self.mount_sources().await,
            ProbeKind::Variable { name } => match crate::decision::Programs::variable(&*self.backend, name) {
                Some(value) => (true, String::from_utf8_lossy(value).into_owned()),
                None => (false, String::new()),
            },
            kind => shown(&probes::run(&spec(kind), &self.context).await),
        };
        Ok((found, self.broker.redactor().text(&content)))
    }

    /// What a command of the grants printed, as a document; or why it did not run.
    async fn ask(&self, command: &str) -> Result<(bool, String), Error> {
        if self.backend.grants().command(command).is_none() {
            // The backend does not ask for it, so it is not granted.
            return Ok((false, String::new()));
        }
        let output = match self.broker.gather(command).await {
            Ok(output) => output,
            // A backend hears no more of it than where it asks by itself.
            Err(Error::Timeout(_)) => return Ok((false, failed("timeout", "the command's time ran out"))),
            Err(Error::Unavailable(_)) => return Ok((false, failed("unavailable", "the program can't be run"))),
            Err(Error::Unsupported(_)) => {
                return Ok((false, failed("unsupported", "the program is a script, and is not followed")));
            }
            Err(error) => return Err(error),
        };
        let cut = |text: &str| text.get(..text.floor_char_boundary(STREAM)).unwrap_or_default().to_owned();
        let document = serde_json::json!({
            "status": output.status(), "stdout": cut(output.stdout()), "stderr": cut(output.stderr()),
        });
        Ok((true, document.to_string()))
    }

    async fn runtimes(&self) -> Result<(bool, String), Error> {
        let backend = Arc::clone(&self.backend);
        let described = tokio::task::spawn_blocking(move || crate::runtimes::describe(backend.grants().runtimes()));
        let text = described.await.map_err(|error| Error::State(error.to_string()))?;
        Ok((!text.is_empty(), text))
    }

    /// A line for each path that is to be mounted; its path last, for it may have blanks in it.
    async fn mount_sources(&self) -> (bool, String) {
        let paths = self.mounts.iter().filter_map(|mount| match &mount.source {
            MountSource::Path(path) => Some(path.clone()),
            MountSource::Volume(_) => None,
        });
        let mut looks = JoinSet::new();
        for (at, path) in paths.take(MOUNTS).enumerate() {
            let context = self.context.clone();
            looks.spawn(async move {
                let seen = probes::run(&at_path(probes::ProbeKind::Path, &path), &context).await;
                (at, format!("{} source={}\n", at_source(&seen), path.to_string_lossy().escape_debug()))
            });
        }
        let mut lines = BTreeMap::new();
        while let Some(Ok((at, line))) = looks.join_next().await {
            lines.insert(at, line);
        }
        (!lines.is_empty(), lines.into_values().collect())
    }
}

fn failed(kind: &str, why: &str) -> String {
    serde_json::json!({ "error": kind, "why": why }).to_string()
}

fn at_source(seen: &ProbeResult) -> String {
    match seen {
        ProbeResult::Path(_) => shown(seen).1,
        ProbeResult::Absent => "kind=absent".to_owned(),
        other => format!("kind=unknown why={}", shown(other).1),
    }
}

fn plain(kind: probes::ProbeKind) -> probes::ProbeSpec {
    probes::ProbeSpec { kind, path: None, cap: None, address: None, port: None, protocol: None }
}

fn at_path(kind: probes::ProbeKind, path: &std::path::Path) -> probes::ProbeSpec {
    probes::ProbeSpec { path: Some(path.to_string_lossy().into_owned()), ..plain(kind) }
}

/// The grants' spelling, as the prober takes it.
fn spec(kind: &ProbeKind) -> probes::ProbeSpec {
    let size = |cap: &u64| usize::try_from(*cap).ok();
    match kind {
        ProbeKind::File { path, cap } => probes::ProbeSpec { cap: size(cap), ..at_path(probes::ProbeKind::File, path) },
        ProbeKind::Files { path, cap } => {
            probes::ProbeSpec { cap: size(cap), ..at_path(probes::ProbeKind::Files, path) }
        }
        ProbeKind::Directory { path, .. } => at_path(probes::ProbeKind::Directory, path),
        ProbeKind::Space { path } => at_path(probes::ProbeKind::Space, path),
        ProbeKind::Path { path } => at_path(probes::ProbeKind::Path, path),
        ProbeKind::Port { port } => {
            let address = Some(std::net::Ipv4Addr::LOCALHOST.into());
            probes::ProbeSpec { address, port: Some(*port), ..plain(probes::ProbeKind::Port) }
        }
        ProbeKind::Ports => plain(probes::ProbeKind::Port),
        ProbeKind::Cgroup => plain(probes::ProbeKind::Cgroup),
        // The others are looked at elsewhere.
        _ => plain(probes::ProbeKind::User),
    }
}

/// A port that can be looked at: one that the engine chooses is free by then.
fn probed(port: &Port) -> Option<probes::Port> {
    let protocol = match port.protocol {
        Protocol::Tcp => probes::Protocol::Tcp,
        Protocol::Udp => probes::Protocol::Udp,
        Protocol::Sctp => return None,
    };
    (port.host > 0).then_some(probes::Port { address: port.address, port: port.host, protocol })
}

/// A result as text: whether there was anything, and what.
fn shown(result: &ProbeResult) -> (bool, String) {
    match result {
        ProbeResult::Text { text, .. } => (true, text.clone()),
        ProbeResult::Names { names, .. } => (true, names.join("\n")),
        ProbeResult::Space { total, available } => (true, format!("total={total} available={available}")),
        ProbeResult::Ports { ports } => (!ports.is_empty(), ports.iter().map(port).collect()),
        ProbeResult::Path(fact) => (
            true,
            format!(
                "kind={} owner={} group={} mode={:o} readable={} writable={}",
                fact.kind, fact.owner, fact.group, fact.mode, fact.readable, fact.writable
            ),
        ),
        ProbeResult::Cgroup { version } => (true, format!("{version:?}").to_lowercase()),
        ProbeResult::User(fact) => (true, user(fact)),
        ProbeResult::Absent => (false, String::new()),
        ProbeResult::Failed { why } => (false, format!("{why:?}")),
    }
}

/// `PORT=STATE address=… protocol=…`.
fn port(fact: &probes::PortFact) -> String {
    let probes::Port { address, port, protocol } = fact.port;
    format!("{port}={:?} address={address} protocol={}\n", fact.state, format!("{protocol:?}").to_lowercase())
}

fn user(fact: &probes::UserFact) -> String {
    let count = |ranges: &[probes::Range]| ranges.iter().map(|range| u64::from(range.count)).sum::<u64>();
    let (subuid, subgid) = (count(&fact.subuid), count(&fact.subgid));
    let plain = |name: &&String| !name.contains(|c: char| c.is_whitespace() || c.is_control());
    let name = fact.name.as_ref().filter(plain).map(|name| format!(" name={name}")).unwrap_or_default();
    format!("uid={} rootless={} subuid={subuid} subgid={subgid}{name}", fact.uid, fact.rootless)
}
