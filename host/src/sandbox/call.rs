//! Calling a backend: one instance, one export, and then the store is dropped.

use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime::{Store, Trap};

use super::bindings::Backend as Exports;
use super::bindings::exports::portreeve::backend::{containers, networks, pods, runtime};
use super::bindings::portreeve::backend::types as wit;
use super::convert;
use super::engine::{Sandbox, Ticking};
use super::host::LogHandle;
use super::store::{self, State};
use crate::broker::{Broker, Running};
use crate::error::{Error, Fault, FaultKind};
use crate::event::Level;
use crate::evidence::Usage;
use crate::reference::Reference;
use crate::scope::{Ask, LogOptions};
use crate::spec::{ContainerSpec, ExecSpec, Gpus, Label, Mount, NetworkSpec, Port};

/// The most that is kept of a text that a guest returns, in bytes.
const TEXT: usize = 8 << 10;

/// An instance that waits for its one call.
pub(crate) struct Guest {
    exports: Exports,
    store: Store<State>,
    broker: Arc<Broker>,
    _ticking: Ticking,
}

/// What a backend says of its engine. A claim, like all that a backend says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetectedEngine {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) rootless: bool,
    pub(crate) identity: Identity,
}

/// What is behind the program of an engine's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    Genuine,
    Masquerade(String),
    ForeignService(String),
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbeFact {
    pub(crate) name: String,
    pub(crate) found: bool,
    pub(crate) content: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// All is well.
    Ok,
    /// Worth knowing.
    Info,
    /// It works, and should be mended.
    Warning,
    /// It can't work.
    Failure,
}

/// One thing that a preflight looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its short, stable name.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// What was seen.
    pub seen: String,
    /// Why it matters.
    pub why: String,
    /// The command that mends it, where there is one.
    pub remedy: Option<String>,
}

type Outcome<T> = wasmtime::Result<Result<T, wit::Error>>;

impl Guest {
    /// A fresh instance for one call.
    pub(crate) async fn enter(sandbox: &Sandbox, broker: Arc<Broker>) -> Result<Self, Error> {
        broker.check_quarantine()?;
        let backend = broker.backend();
        let linked = sandbox.prepare(backend.component(), backend.grants().wasi()).await?;
        let ticking = sandbox.ticking();
        let mut store = store::open(sandbox, Arc::clone(&broker));
        let instance = linked.instantiate_async(&mut store).await;
        match instance {
            Ok(exports) => Ok(Self { exports, store, broker, _ticking: ticking }),
            Err(error) => {
                broker.trapped();
                Err(fault(&broker, store.data(), &error))
            }
        }
    }

    /// Whether the engine works.
    pub(crate) async fn detect(mut self, probes: &[ProbeFact]) -> Result<DetectedEngine, Error> {
        let probes = probes.iter().map(probe).collect::<Vec<_>>();
        let outcome = self.exports.portreeve_backend_runtime().call_detect(&mut self.store, &probes).await;
        let engine = self.settle(outcome)?;
        let identity = match engine.identity {
            runtime::EngineIdentity::Genuine => Identity::Genuine,
            runtime::EngineIdentity::Masquerade(name) => Identity::Masquerade(self.clean(&name)),
            runtime::EngineIdentity::ForeignService(name) => Identity::ForeignService(self.clean(&name)),
        };
        Ok(DetectedEngine {
            name: self.clean(&engine.name),
            version: self.clean(&engine.version),
            rootless: engine.rootless,
            identity,
        })
    }

    /// Whether an intention can work.
    pub(crate) async fn preflight(
        mut self,
        gpus: &Gpus,
        ports: &[Port],
        mounts: &[Mount],
        probes: &[ProbeFact],
    ) -> Result<Vec<Finding>, Error> {
        let probes = probes.iter().map(probe).collect::<Vec<_>>();
        let intention = runtime::Intention {
            gpus: convert::gpus(gpus),
            ports: ports.iter().map(convert::port).collect(),
            mounts: mounts.iter().map(convert::mount).collect(),
        };
        let outcome =
            self.exports.portreeve_backend_runtime().call_preflight(&mut self.store, &intention, &probes).await;
        let findings = self.settle(outcome)?;
        Ok(findings.into_iter().take(256).map(|finding| self.finding(finding)).collect())
    }

    /// Which command would create a container.
    pub(crate) async fn explain(mut self, spec: &ContainerSpec) -> Result<Ask, Error> {
        let spec = convert::spec(spec, None);
        let outcome = self.exports.portreeve_backend_runtime().call_explain(&mut self.store, &spec).await;
        let plan = self.settle(outcome)?;
        Ok(convert::ask(plan.command, plan.arguments))
    }

    /// Brings an image.
    pub(crate) async fn pull(mut self, image: &Reference) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_images().call_pull(&mut self.store, &convert::image(image)).await;
        self.settle(outcome)
    }

    /// Removes an image.
    pub(crate) async fn remove_image(mut self, image: &Reference, force: bool) -> Result<(), Error> {
        let outcome =
            self.exports.portreeve_backend_images().call_remove(&mut self.store, &convert::image(image), force).await;
        self.settle(outcome)
    }

    /// Has the engine take an image from an archive of the host's.
    pub(crate) async fn load_image(mut self, file: &str) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_images().call_load(&mut self.store, file).await;
        self.settle(outcome).map(drop)
    }

    /// Lists the images: IDs, `name@digest`, `name:tag`, bytes.
    pub(crate) async fn list_images(mut self) -> Result<Vec<(String, Vec<String>, Vec<String>, u64)>, Error> {
        let outcome = self.exports.portreeve_backend_images().call_list(&mut self.store).await;
        let images = self.settle(outcome)?;
        let clean = |texts: Vec<String>| texts.iter().map(|text| self.clean(text)).collect::<Vec<_>>();
        Ok(images
            .into_iter()
            .map(|image| (self.clean(&image.id), clean(image.digests), clean(image.tags), image.size))
            .collect())
    }

    /// Creates a container, which may hold the network of a pod; the ID that the backend claims.
    pub(crate) async fn create(mut self, spec: &ContainerSpec, holds: Option<&str>) -> Result<String, Error> {
        let spec = convert::spec(spec, holds);
        let outcome = self.exports.portreeve_backend_containers().call_create(&mut self.store, &spec).await;
        let id = self.settle(outcome)?;
        Ok(self.clean(&id))
    }

    /// Starts a container.
    pub(crate) async fn start(mut self, name: &str) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_containers().call_start(&mut self.store, name).await;
        self.settle(outcome)
    }

    /// Starts a container with its output attached.
    pub(crate) async fn run_to_completion(mut self, name: &str) -> Result<Running, Error> {
        let outcome = self.exports.portreeve_backend_containers().call_run_to_completion(&mut self.store, name).await;
        let log = self.settle(outcome)?;
        self.running(log)
    }

    /// Runs a command in a container. All that it prints is the caller's.
    pub(crate) async fn exec(mut self, name: &str, spec: &ExecSpec) -> Result<Running, Error> {
        let spec = convert::exec(spec);
        let outcome = self.exports.portreeve_backend_containers().call_exec(&mut self.store, name, &spec).await;
        let log = self.settle(outcome)?;
        if self.store.data().table.get(&log).is_ok_and(|handle| handle.was_read) {
            return Err(said(&self.broker, FaultKind::Untrue, "it read what the command printed to its caller").into());
        }
        self.running(log)
    }

    /// Copies a file of the exchange folder into a container.
    pub(crate) async fn copy_in(mut self, name: &str, file: &str, target: &str) -> Result<(), Error> {
        let containers = self.exports.portreeve_backend_containers();
        let outcome = containers.call_copy_in(&mut self.store, name, file, target).await;
        self.settle(outcome)
    }

    /// Copies a file out of a container into the exchange folder.
    pub(crate) async fn copy_out(mut self, name: &str, source: &str, file: &str) -> Result<(), Error> {
        let containers = self.exports.portreeve_backend_containers();
        let outcome = containers.call_copy_out(&mut self.store, name, source, file).await;
        self.settle(outcome)
    }

    /// Opens a container's log.
    pub(crate) async fn logs(mut self, name: &str, options: &LogOptions) -> Result<Running, Error> {
        let options = containers::LogOptions {
            follow: options.follow,
            tail: options.tail,
            since: options.since.clone(),
            timestamps: options.timestamps,
        };
        let outcome = self.exports.portreeve_backend_containers().call_logs(&mut self.store, name, &options).await;
        let log = self.settle(outcome)?;
        self.running(log)
    }

    /// Stops a container.
    pub(crate) async fn stop(mut self, name: &str, grace: u32) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_containers().call_stop(&mut self.store, name, grace).await;
        self.settle(outcome)
    }

    /// Sends a container a signal.
    pub(crate) async fn kill(mut self, name: &str, signal: &str) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_containers().call_kill(&mut self.store, name, signal).await;
        self.settle(outcome)
    }

    /// Removes a container.
    pub(crate) async fn remove(mut self, name: &str, force: bool) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_containers().call_remove(&mut self.store, name, force).await;
        self.settle(outcome)
    }

    /// Waits for a container's end; the status that the backend claims.
    pub(crate) async fn wait(mut self, name: &str) -> Result<i32, Error> {
        let outcome = self.exports.portreeve_backend_containers().call_wait(&mut self.store, name).await;
        self.settle(outcome)
    }

    /// What the backend says of a container: its ID, and its state's name.
    pub(crate) async fn inspect(mut self, name: &str) -> Result<(String, Option<i32>), Error> {
        let outcome = self.exports.portreeve_backend_containers().call_inspect(&mut self.store, name).await;
        let status = self.settle(outcome)?;
        Ok((self.clean(&status.id), status.exit_code))
    }

    /// The IDs of our containers, as the backend tells them.
    pub(crate) async fn list(mut self) -> Result<Vec<String>, Error> {
        let outcome = self.exports.portreeve_backend_containers().call_list(&mut self.store).await;
        let ids = self.settle(outcome)?;
        Ok(ids.iter().map(|id| self.clean(id)).collect())
    }

    /// Pauses a container, or ends its pause.
    pub(crate) async fn pause(mut self, name: &str, paused: bool) -> Result<(), Error> {
        let containers = self.exports.portreeve_backend_containers();
        let outcome = match paused {
            true => containers.call_pause(&mut self.store, name).await,
            false => containers.call_unpause(&mut self.store, name).await,
        };
        self.settle(outcome)
    }

    /// The lines of a container's table of processes, as the backend tells them.
    pub(crate) async fn top(mut self, name: &str) -> Result<Vec<String>, Error> {
        let outcome = self.exports.portreeve_backend_containers().call_top(&mut self.store, name).await;
        let lines = self.settle(outcome)?;
        Ok(lines.iter().map(|line| self.clean(line)).collect())
    }

    /// What a container uses, as the backend tells it.
    pub(crate) async fn stats(mut self, name: &str) -> Result<Usage, Error> {
        let outcome = self.exports.portreeve_backend_containers().call_stats(&mut self.store, name).await;
        let usage = self.settle(outcome)?;
        let memory_limit = Some(usage.memory_limit).filter(|limit| *limit > 0);
        Ok(Usage { cpu: usage.cpu, memory: usage.memory, memory_limit, pids: usage.pids })
    }

    /// Has a container asked whether it is well; what the backend tells of it does not count.
    pub(crate) async fn health(mut self, name: &str) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_containers().call_health(&mut self.store, name).await;
        self.settle(outcome).map(drop)
    }

    /// Makes a volume; whether the backend says that it made one.
    pub(crate) async fn ensure_volume(mut self, name: &str, labels: &[Label]) -> Result<bool, Error> {
        let labels = convert::labels(labels);
        let outcome = self.exports.portreeve_backend_volumes().call_ensure(&mut self.store, name, &labels).await;
        self.settle(outcome)
    }

    /// The names of our volumes, as the backend tells them.
    pub(crate) async fn list_volumes(mut self) -> Result<Vec<String>, Error> {
        let outcome = self.exports.portreeve_backend_volumes().call_list(&mut self.store).await;
        let names = self.settle(outcome)?;
        Ok(names.iter().map(|name| self.clean(name)).collect())
    }

    /// Removes a volume.
    pub(crate) async fn remove_volume(mut self, name: &str, force: bool) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_volumes().call_remove(&mut self.store, name, force).await;
        self.settle(outcome)
    }

    /// Makes a network; whether the backend says that it made one.
    pub(crate) async fn ensure_network(mut self, spec: &NetworkSpec) -> Result<bool, Error> {
        let (name, labels) = (spec.name.to_string(), convert::labels(&spec.labels));
        let spec = networks::NetworkSpec { name, internal: spec.internal, labels };
        let outcome = self.exports.portreeve_backend_networks().call_ensure(&mut self.store, &spec).await;
        self.settle(outcome)
    }

    /// The names of our networks, as the backend tells them.
    pub(crate) async fn list_networks(mut self) -> Result<Vec<String>, Error> {
        let outcome = self.exports.portreeve_backend_networks().call_list(&mut self.store).await;
        let names = self.settle(outcome)?;
        Ok(names.iter().map(|name| self.clean(name)).collect())
    }

    /// Removes a network.
    pub(crate) async fn remove_network(mut self, name: &str) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_networks().call_remove(&mut self.store, name).await;
        self.settle(outcome)
    }

    /// Makes the engine's own pod; whether the backend says that it made one.
    pub(crate) async fn ensure_pod(mut self, name: &str, labels: &[Label]) -> Result<bool, Error> {
        let spec = pods::PodSpec { name: name.to_owned(), ports: Vec::new(), labels: convert::labels(labels) };
        let outcome = self.exports.portreeve_backend_pods().call_ensure(&mut self.store, &spec).await;
        self.settle(outcome)
    }

    /// Removes the engine's own pod.
    pub(crate) async fn remove_pod(mut self, name: &str) -> Result<(), Error> {
        let outcome = self.exports.portreeve_backend_pods().call_remove(&mut self.store, name, false).await;
        self.settle(outcome)
    }

    /// A refusal of the host's own, or a record that could not be written, is what the caller hears, whatever the guest
    /// made of it.
    fn settle<T>(&self, outcome: Outcome<T>) -> Result<T, Error> {
        self.tell_what_was_printed();
        match &outcome {
            Ok(_) => self.broker.ran_well(),
            Err(_) => self.broker.trapped(),
        }
        if let Some(unwritten) = self.broker.unwritten() {
            return Err(unwritten);
        }
        if let Some(refusal) = self.broker.take_refusals().into_iter().next() {
            return Err(refusal.into());
        }
        match outcome {
            Err(error) => Err(fault(&self.broker, self.store.data(), &error)),
            Ok(Err(error)) => {
                let fault = |kind, why: &str| said(&self.broker, kind, why);
                if let wit::Error::NotFound(said) = &error {
                    self.broker.narrate_own(Level::Detail, &self.clean(said));
                }
                let known = convert::Known {
                    about: self.broker.call().about(),
                    asked: self.broker.asked(),
                    failed: self.store.data().failed.as_ref(),
                };
                Err(convert::from_guest(error, known, |text| self.clean(text), fault))
            }
            Ok(Ok(value)) => Ok(value),
        }
    }

    /// Through WASI, where it has one.
    fn tell_what_was_printed(&self) {
        let printed = self.store.data().wasi.iter().flat_map(|wasi| wasi.printed());
        for text in printed {
            text.lines().for_each(|line| self.broker.narrate(Level::Detail, line));
        }
    }

    /// A log that a guest returned is the caller's from here on.
    fn running(&mut self, log: Resource<LogHandle>) -> Result<Running, Error> {
        let handle = self.store.data_mut().table.delete(log);
        handle
            .map(|handle| handle.running)
            .map_err(|error| said(&self.broker, FaultKind::Untrue, &error.to_string()).into())
    }

    fn finding(&self, finding: runtime::Finding) -> Finding {
        let severity = match finding.severity {
            runtime::Severity::Ok => Severity::Ok,
            runtime::Severity::Info => Severity::Info,
            runtime::Severity::Warning => Severity::Warning,
            runtime::Severity::Failure => Severity::Failure,
        };
        let clean = |text: &str| self.clean(text);
        let remedy = finding.remedy.as_deref().map(clean);
        Finding { id: clean(&finding.id), severity, seen: clean(&finding.seen), why: clean(&finding.why), remedy }
    }

    fn clean(&self, text: &str) -> String {
        let end = text.floor_char_boundary(TEXT);
        self.broker.redactor().text(text.get(..end).unwrap_or_default())
    }
}

fn probe(fact: &ProbeFact) -> runtime::Probe {
    runtime::Probe { name: fact.name.clone(), found: fact.found, content: fact.content.clone() }
}

fn said(broker: &Broker, kind: FaultKind, why: &str) -> Fault {
    broker.fault(kind, why)
}

/// What a trap was, in words.
fn fault(broker: &Broker, state: &State, error: &wasmtime::Error) -> Error {
    let text = format!("{error:#}");
    // What is before it says where in the guest, and that as a backtrace.
    let cause = error.root_cause().to_string();
    let kind = match error.downcast_ref::<Trap>() {
        _ if state.late => FaultKind::Deadline,
        _ if state.starved || text.contains("fuel") || text.contains("allocat") => FaultKind::Memory,
        Some(Trap::Interrupt) => FaultKind::Deadline,
        _ => FaultKind::Trap,
    };
    let why = match kind {
        FaultKind::Deadline => "it used its time up".to_owned(),
        FaultKind::Memory => format!("it wanted more memory than a call may have: {}", first_line(&cause)),
        _ => format!("it trapped: {}", first_line(&cause)),
    };
    broker.fault(kind, &why).into()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
