//! Whether an intention can work here, before anything is done about it.

use std::sync::Arc;

use super::{Detection, Inner, Portreeve};
use crate::backend::Backend;
use crate::error::Error;
use crate::event::Level;
use crate::grants::ProbeCall;
use crate::sandbox::{Finding, Severity};
use crate::scope::{Call, Scope};
use crate::spec::{GpuProfile, Gpus, Mount, Port};

/// What a caller is about to do.
#[derive(Debug, Clone, Default)]
pub struct Intention {
    /// The GPUs that will be asked for.
    pub gpus: Gpus,
    /// What is asked of these GPUs beside their names.
    pub profile: Option<GpuProfile>,
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
    /// Judges whether an intention can work, from the host's probes and commands that only look: all of them side by
    /// side, in one pass, which also finds out which engine works.
    ///
    /// # Errors
    /// `NoEngine` where none works; a finding is no error. `Gpu`, before any engine is asked, where a profile requires a
    /// GPU and there is no device node that the grants name.
    pub async fn preflight(&self, intention: &Intention) -> Result<PreflightReport, Error> {
        let inner = &self.inner;
        inner.require_gpu(intention)?;
        let (backend, engine, findings) = match inner.chosen.get() {
            Some((backend, engine)) => {
                let findings = inner.findings(backend, intention).await?;
                (Arc::clone(backend), engine.clone(), findings)
            }
            None => inner.choose_and_judge(intention).await?,
        };
        let (findings, backend) = (inner.weighed(findings, intention), backend.name().to_owned());
        Ok(PreflightReport { backend, engine, findings })
    }
}

impl Inner {
    pub(super) async fn findings(&self, backend: &Arc<Backend>, intention: &Intention) -> Result<Vec<Finding>, Error> {
        self.say(Level::Detail, || format!("preflight with {}", backend.name()));
        let probes = self.probe(backend, &[ProbeCall::Preflight], intention).await?;
        self.judged(backend, intention, &probes).await
    }

    /// What a backend makes of what was seen.
    pub(super) async fn judged(
        &self,
        backend: &Arc<Backend>,
        intention: &Intention,
        probes: &[crate::sandbox::ProbeFact],
    ) -> Result<Vec<Finding>, Error> {
        let guest = self.guest(backend, Scope::new(Call::Preflight), &self.redactor).await?;
        guest.preflight(&intention.gpus, &intention.ports, &intention.mounts, probes).await
    }

    /// GPUs that are asked for and not there end a call before anything is created. Where they are no more than wished
    /// for, the container gets none.
    pub(super) async fn check_gpus(
        &self,
        backend: &Arc<Backend>,
        gpus: &mut Gpus,
        profile: Option<&GpuProfile>,
    ) -> Result<(), Error> {
        if *gpus == Gpus::None {
            return Ok(());
        }
        let intention = Intention { gpus: gpus.clone(), profile: profile.cloned(), ..Intention::default() };
        let findings = self.findings(backend, &intention).await?;
        let fatal = |finding: &&Finding| finding.severity == Severity::Failure && is_of_gpus(finding);
        match findings.iter().find(fatal) {
            None => Ok(()),
            Some(finding) if profile.is_some_and(|profile| !profile.required) => {
                self.say(Level::Warning, || format!("the container gets no GPU: {}", described(finding)));
                *gpus = Gpus::None;
                Ok(())
            }
            Some(finding) => Err(Error::Gpu(described(finding))),
        }
    }

    /// GPUs that are no more than wished for are worth a warning.
    fn weighed(&self, mut findings: Vec<Finding>, intention: &Intention) -> Vec<Finding> {
        if intention.profile.as_ref().is_some_and(|profile| !profile.required) {
            for finding in findings.iter_mut().filter(|finding| is_of_gpus(finding)) {
                finding.severity = finding.severity.min(Severity::Warning);
            }
        }
        findings
    }

    /// Where a GPU is required and the machine has none at all, no engine needs to be asked.
    fn require_gpu(&self, intention: &Intention) -> Result<(), Error> {
        let required =
            intention.gpus != Gpus::None && intention.profile.as_ref().is_some_and(|profile| profile.required);
        let patterns = || self.backends.iter().flat_map(|backend| backend.device_patterns());
        if !required || patterns().next().is_none() || crate::devices::any(patterns()) {
            return Ok(());
        }
        Err(Error::Gpu("one is required, and none of the device nodes that the grants name is there".to_owned()))
    }
}

fn is_of_gpus(finding: &Finding) -> bool {
    finding.id.starts_with("gpu")
}

fn described(finding: &Finding) -> String {
    match &finding.remedy {
        Some(remedy) => format!("{}; {}; mend it with: {remedy}", finding.seen, finding.why),
        None => format!("{}; {}", finding.seen, finding.why),
    }
}
