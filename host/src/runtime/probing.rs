//! Running the probes of the grants, for a guest that judges what they saw.

use super::Inner;
use crate::backend::Backend;
use crate::error::Error;
use crate::grants::{ProbeCall, ProbeKind};
use crate::probes::{self, ProbeContext, ProbeResult};
use crate::sandbox::ProbeFact;

impl Inner {
    /// What the probes of a call saw; recorded, redacted and bounded.
    pub(super) async fn probe(
        &self,
        backend: &Backend,
        call: ProbeCall,
        ports: Vec<probes::Port>,
    ) -> Result<Vec<ProbeFact>, Error> {
        let context = self.probe_context(ports);
        let granted = backend.grants().probes().iter().filter(|probe| probe.calls().contains(&call));
        let mut facts = Vec::new();
        for probe in granted {
            let (found, content) = match probe.kind() {
                ProbeKind::Runtimes => described(crate::runtimes::describe(backend.grants().runtimes())),
                kind => shown(&probes::run(&spec(kind), &context).await),
            };
            facts.push(ProbeFact { name: probe.name().to_owned(), found, content: self.redactor.text(&content) });
        }
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

    fn probe_context(&self, ports: Vec<probes::Port>) -> ProbeContext {
        let path = |name| self.environment.text(name).map(Into::into);
        ProbeContext {
            home: path("HOME"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            uid: rustix::process::geteuid().as_raw(),
            ports,
        }
    }
}

fn described(text: String) -> (bool, String) {
    (!text.is_empty(), text)
}

/// The grants' spelling, as the prober takes it.
fn spec(kind: &ProbeKind) -> probes::ProbeSpec {
    let text = |path: &std::path::Path| Some(path.to_string_lossy().into_owned());
    let plain = |kind| probes::ProbeSpec { kind, path: None, cap: None, address: None, port: None, protocol: None };
    let at = |kind, path: &std::path::Path| probes::ProbeSpec { path: text(path), ..plain(kind) };
    let size = |cap: &u64| usize::try_from(*cap).ok();
    match kind {
        ProbeKind::File { path, cap } => probes::ProbeSpec { cap: size(cap), ..at(probes::ProbeKind::File, path) },
        ProbeKind::Directory { path, .. } => at(probes::ProbeKind::Directory, path),
        ProbeKind::Space { path } => at(probes::ProbeKind::Space, path),
        ProbeKind::Path { path } => at(probes::ProbeKind::Path, path),
        ProbeKind::Port { port } => {
            let address = Some(std::net::Ipv4Addr::LOCALHOST.into());
            probes::ProbeSpec { address, port: Some(*port), ..plain(probes::ProbeKind::Port) }
        }
        ProbeKind::Cgroup => plain(probes::ProbeKind::Cgroup),
        ProbeKind::User | ProbeKind::Runtimes => plain(probes::ProbeKind::User),
    }
}

/// A result as text: whether there was anything, and what.
fn shown(result: &ProbeResult) -> (bool, String) {
    match result {
        ProbeResult::Text { text, .. } => (true, text.clone()),
        ProbeResult::Names { names, .. } => (true, names.join("\n")),
        ProbeResult::Space { total, available } => (true, format!("total={total} available={available}")),
        ProbeResult::Ports { ports } => {
            (true, ports.iter().map(|fact| format!("{}={:?}\n", fact.port.port, fact.state)).collect())
        }
        ProbeResult::Path(fact) => {
            (true, format!("kind={} owner={} mode={:o} readable={}", fact.kind, fact.owner, fact.mode, fact.readable))
        }
        ProbeResult::Cgroup { version } => (true, format!("{version:?}").to_lowercase()),
        ProbeResult::User(fact) => {
            let ranges = |ranges: &[probes::Range]| ranges.iter().map(|range| u64::from(range.count)).sum::<u64>();
            (
                true,
                format!(
                    "uid={} rootless={} subuid={} subgid={}",
                    fact.uid,
                    fact.rootless,
                    ranges(&fact.subuid),
                    ranges(&fact.subgid)
                ),
            )
        }
        ProbeResult::Absent => (false, String::new()),
        ProbeResult::Failed { why } => (false, format!("{why:?}")),
    }
}
