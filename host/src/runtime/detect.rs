//! Which engines work here, and which one is used.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::order::first_that_will_do;
use super::{Inner, Intention, Portreeve};
use crate::backend::Backend;
use crate::error::Error;
use crate::event::Level;
use crate::grants::ProbeCall;
use crate::sandbox::{DetectedEngine, Finding, Identity, ProbeFact};
use crate::scope::{Call, Scope};

/// What is behind an engine's program.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EngineIdentity {
    /// The engine that the program's name promises.
    Genuine,
    /// Another engine's program under this name.
    Masquerade(String),
    /// A genuine client that talks to another engine's service.
    ForeignService(String),
}

/// What was found out about one backend's engine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Detection {
    /// The backend.
    pub backend: String,
    /// Whether its engine works and is what it seems.
    pub works: bool,
    /// The engine's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it runs without root.
    pub rootless: bool,
    /// What is behind its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<EngineIdentity>,
    /// The socket of its daemon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Why it does not work, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Portreeve {
    /// Finds out about every backend's engine, side by side. One that does not answer within the bound of
    /// [`PortreeveBuilder::detect_within`](crate::PortreeveBuilder::detect_within) does not work, and delays no other.
    ///
    /// # Errors
    /// When the journal can't be written. An engine that does not work is no error, but says so.
    pub async fn detect(&self) -> Result<Vec<Detection>, Error> {
        self.detect_all(&self.inner.backends).await
    }

    pub(super) async fn detect_all(&self, backends: &[Arc<Backend>]) -> Result<Vec<Detection>, Error> {
        let mut tasks = Vec::new();
        for backend in backends {
            let (inner, backend) = (Arc::clone(&self.inner), Arc::clone(backend));
            tasks.push(AbortOnDrop(tokio::spawn(async move { inner.detect(&backend).await })));
        }
        let mut found = Vec::new();
        for mut task in tasks {
            found.push((&mut task.0).await.map_err(|error| Error::State(error.to_string()))??);
        }
        Ok(found)
    }
}

/// A task that ends with the call that started it.
pub(super) struct AbortOnDrop<T>(pub(super) tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What one backend's engine came to, and what else was judged in the same pass.
type Asked<T> = Result<(DetectedEngine, T), Error>;

impl Inner {
    /// Finds out about one backend's engine; that it does not work is no error.
    pub(super) async fn detect(&self, backend: &Arc<Backend>) -> Result<Detection, Error> {
        let asked = self.ask(backend).await.map(|(engine, ())| engine);
        Self::detection(backend, asked)
    }

    fn detection(backend: &Backend, asked: Result<DetectedEngine, Error>) -> Result<Detection, Error> {
        let mut detection = Detection {
            backend: backend.name().to_owned(),
            works: false,
            engine: None,
            version: None,
            rootless: false,
            identity: None,
            endpoint: backend.endpoint().map(str::to_owned),
            problem: None,
        };
        match asked {
            Err(error @ Error::State(_)) => return Err(error),
            Err(error) => detection.problem = Some(error.to_string()),
            Ok(engine) => {
                detection.works = engine.identity == Identity::Genuine;
                detection.problem = mismatch(&engine.identity);
                detection.rootless = engine.rootless;
                detection.engine = Some(engine.name);
                detection.version = Some(engine.version);
                detection.identity = Some(match engine.identity {
                    Identity::Genuine => EngineIdentity::Genuine,
                    Identity::Masquerade(name) => EngineIdentity::Masquerade(name),
                    Identity::ForeignService(name) => EngineIdentity::ForeignService(name),
                });
            }
        }
        Ok(detection)
    }

    async fn ask(&self, backend: &Arc<Backend>) -> Asked<()> {
        let asked = self.ask_for(backend, &[ProbeCall::Detect], &Intention::default()).await?;
        Ok((asked.0, ()))
    }

    /// Whether the engine works, and whether an intention can: from one pass of looking.
    async fn ask_and_judge(&self, backend: &Arc<Backend>, intention: &Intention) -> Asked<Vec<Finding>> {
        let calls = [ProbeCall::Detect, ProbeCall::Preflight];
        let (engine, probes) = self.ask_for(backend, &calls, intention).await?;
        Ok((engine, self.judged(backend, intention, &probes).await?))
    }

    /// What is seen before these calls, and what the backend makes of it. Its code is made ready meanwhile, and that does
    /// not count: it is no engine's fault where it has to be compiled first.
    async fn ask_for(
        &self,
        backend: &Arc<Backend>,
        calls: &[ProbeCall],
        intention: &Intention,
    ) -> Asked<Vec<ProbeFact>> {
        backend.checked_endpoint().map_err(|why| Error::Unavailable(why.to_owned()))?;
        let looking = async {
            let begun = Instant::now();
            let probes = self.bounded(self.patience, self.probe(backend, calls, intention)).await;
            (probes, self.patience.saturating_sub(begun.elapsed()))
        };
        let (ready, (probes, left)) =
            tokio::join!(self.sandbox.ready(backend.component(), backend.grants().wasi()), looking);
        let probes = probes?;
        ready?;
        let engine = self.bounded(left, self.told_by(backend, &probes)).await?;
        Ok((engine, probes))
    }

    /// An engine that hangs is one that does not work.
    async fn bounded<T>(&self, left: Duration, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let late = |_| Err(Error::Timeout(format!("it did not answer within {} ms", self.patience.as_millis())));
        tokio::time::timeout(left, asking).await.unwrap_or_else(late)
    }

    async fn told_by(&self, backend: &Arc<Backend>, probes: &[ProbeFact]) -> Result<DetectedEngine, Error> {
        let guest = self.guest(backend, Scope::new(Call::Detect), &self.redactor).await?;
        guest.detect(probes).await.map_err(|error| backend.check_client().err().unwrap_or(error))
    }

    /// The backend that is used: the first whose engine works.
    pub(super) async fn chosen(&self) -> Result<&(Arc<Backend>, Detection), Error> {
        self.chosen.get_or_try_init(|| async { Ok(self.choose(|backend| self.ask(backend)).await?.0) }).await
    }

    /// The same, and what it makes of an intention.
    pub(super) async fn choose_and_judge(
        &self,
        intention: &Intention,
    ) -> Result<(Arc<Backend>, Detection, Vec<Finding>), Error> {
        let ((backend, detection), findings) = self.choose(|backend| self.ask_and_judge(backend, intention)).await?;
        // Another call may have chosen meanwhile; then that choice stands, and this one is as true.
        let _kept = self.chosen.set((Arc::clone(&backend), detection.clone()));
        Ok((backend, detection, findings))
    }

    /// Asks the backends, the preferred one first and the others beside it where it is slow.
    async fn choose<'a, T, F>(
        &'a self,
        ask: impl Fn(&'a Arc<Backend>) -> F,
    ) -> Result<((Arc<Backend>, Detection), T), Error>
    where
        T: Send,
        F: Future<Output = Asked<T>> + Send + 'a,
    {
        let genuine = |answer: &Asked<T>| answer.as_ref().is_ok_and(|(engine, _)| engine.identity == Identity::Genuine);
        let answers = first_that_will_do(&self.backends, ask, genuine).await;
        let mut problems = Vec::new();
        for (backend, answer) in self.backends.iter().zip(answers) {
            let (engine, more) = match answer {
                // Where there is no other to turn to, a refusal is told as what it is.
                Err(error @ (Error::Refused(_) | Error::Fault(_))) if self.backends.len() == 1 => return Err(error),
                Err(error) => (Err(error), None),
                Ok((engine, more)) => (Ok(engine), Some(more)),
            };
            let detection = Self::detection(backend, engine)?;
            if let (true, Some(more)) = (detection.works, more) {
                self.say(Level::Detail, || told(&detection));
                return Ok(((Arc::clone(backend), detection), more));
            }
            problems.push(format!("{}: {}", detection.backend, detection.problem.unwrap_or_default()));
        }
        Err(Error::NoEngine(problems))
    }
}

fn told(detection: &Detection) -> String {
    let rootless = if detection.rootless { ", rootless" } else { "" };
    format!("{} {}{rootless}", detection.backend, detection.version.as_deref().unwrap_or_default())
}

fn mismatch(identity: &Identity) -> Option<String> {
    match identity {
        Identity::Genuine => None,
        Identity::Masquerade(name) => Some(format!("the program is really {name}; use the backend {name}")),
        Identity::ForeignService(name) => Some(format!("the socket is {name}'s; use the backend {name}")),
    }
}
