//! Whether an intention can work here, before anything is done about it.

use std::sync::Arc;

use super::{Detection, Inner, Portreeve};
use crate::backend::Backend;
use crate::error::Error;
use crate::event::Level;
use crate::grants::ProbeCall;
use crate::probes;
use crate::sandbox::{Finding, Severity};
use crate::scope::{Call, Scope};
use crate::spec::{Gpus, Mount, Port, Protocol};

/// What a caller is about to do.
#[derive(Debug, Clone, Default)]
pub struct Intention {
    /// The GPUs that will be asked for.
    pub gpus: Gpus,
    /// The ports that will be published.
    pub ports: Vec<Port>,
    /// The mounts that will be made.
    pub mounts: Vec<Mount>,
}

/// What a preflight found.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct PreflightReport {
    /// The backend that judged.
    pub backend: String,
    /// Its engine.
    pub engine: Detection,
    /// What it found.
    pub findings: Vec<Finding>,
}

impl PreflightReport {
    /// The worst of the findings.
    #[must_use]
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }
}

impl Portreeve {
    /// Judges whether an intention can work, from the host's probes and commands that only look.
    ///
    /// # Errors
    /// `NoEngine` where none works; a finding is no error.
    pub async fn preflight(&self, intention: &Intention) -> Result<PreflightReport, Error> {
        let (backend, detection) = self.inner.chosen().await?;
        let findings = self.inner.findings(backend, intention).await?;
        Ok(PreflightReport { backend: backend.name().to_owned(), engine: detection.clone(), findings })
    }
}

impl Inner {
    async fn findings(&self, backend: &Arc<Backend>, intention: &Intention) -> Result<Vec<Finding>, Error> {
        self.say(Level::Detail, || format!("preflight with {}", backend.name()));
        let ports = intention.ports.iter().filter_map(probed).collect();
        let probes = self.probe(backend, ProbeCall::Preflight, ports).await?;
        let guest = self.guest(backend, Scope::new(Call::Preflight), &self.redactor).await?;
        guest.preflight(&intention.gpus, &intention.ports, &intention.mounts, &probes).await
    }

    /// GPUs that are asked for and not there end a call before anything is created.
    pub(super) async fn check_gpus(&self, backend: &Arc<Backend>, gpus: &Gpus) -> Result<(), Error> {
        if *gpus == Gpus::None {
            return Ok(());
        }
        let intention = Intention { gpus: gpus.clone(), ..Intention::default() };
        let findings = self.findings(backend, &intention).await?;
        let fatal = |finding: &&Finding| finding.severity == Severity::Failure && finding.id.starts_with("gpu");
        match findings.iter().find(fatal) {
            None => Ok(()),
            Some(finding) => Err(Error::Gpu(described(finding))),
        }
    }
}

fn described(finding: &Finding) -> String {
    match &finding.remedy {
        Some(remedy) => format!("{}; {}; mend it with: {remedy}", finding.seen, finding.why),
        None => format!("{}; {}", finding.seen, finding.why),
    }
}

fn probed(port: &Port) -> Option<probes::Port> {
    let protocol = match port.protocol {
        Protocol::Tcp => probes::Protocol::Tcp,
        Protocol::Udp => probes::Protocol::Udp,
        Protocol::Sctp => return None,
    };
    (port.host > 0).then_some(probes::Port { address: port.address, port: port.host, protocol })
}
