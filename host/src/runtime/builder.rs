//! Configuring a host.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Inner, Portreeve, retry};
use crate::approval::Approvals;
use crate::backend::{Backend, BackendSource, HostEnvironment, Standing};
use crate::broker::{Services, Turns, Waiters};
use crate::devices::DeviceChecker;
use crate::error::{Error, Refusal, Rule};
use crate::event::{Event, Events, Level};
use crate::evidence::blobs::BlobStore;
use crate::evidence::image::Verifier;
use crate::evidence::proofs::ProofStore;
use crate::evidence::registry::{AuthFile, Limits, RegistryClient};
use crate::executor::Executor;
use crate::grants::{Binding, Grants, Slot};
use crate::journal::{Durability, Entry, Journal, JournalOptions, Kind};
use crate::owner::GivenLabels;
use crate::policy::Policy;
use crate::quarantine::Quarantine;
use crate::redaction::{Redactor, RuleSet, Tally};
use crate::sandbox::{CodeCache, Sandbox};
use crate::state::{Area, StateDir, default_path};

/// Configures a [`Portreeve`]. What is not said: the embedded backends, the `home` policy, the state directory of the
/// user, the built-in redaction rules, an fsync for every intent that does more than look.
#[derive(Default)]
#[must_use]
pub struct PortreeveBuilder {
    state: Option<PathBuf>,
    policy: Option<Policy>,
    backends: Vec<BackendSource>,
    prefer: Option<String>,
    listener: Option<Events>,
    rules: Option<RuleSet>,
    variables: Vec<(String, Vec<u8>)>,
    durability: Durability,
    commands_at_once: Option<NonZeroUsize>,
    dry_run: bool,
    offline: bool,
    patience: Option<Duration>,
    pulls: Option<u32>,
}

/// How long one engine may take to show that it works, unless the builder says otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a preference says that is none.
const AUTO: &str = "auto";

impl PortreeveBuilder {
    /// The folder for the install's key, the journal and the caches; made (0700) where it is missing.
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// What callers may ask for.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Adds a backend; once one is added, the embedded ones are no longer there by themselves.
    pub fn backend(mut self, source: BackendSource) -> Self {
        self.backends.push(source);
        self
    }

    /// The only backend to be used, by its name; by default, and with `auto`, the first whose engine works.
    pub fn prefer(mut self, name: impl Into<String>) -> Self {
        self.prefer = Some(name.into()).filter(|name| name != AUTO);
        self
    }

    /// How long one engine may take to show that it works; by default 20 seconds. Engines are asked side by side: one
    /// that hangs delays the choice of another by no more than this, and a detection of all lasts no longer.
    pub fn detect_within(mut self, bound: Duration) -> Self {
        self.patience = Some(bound);
        self
    }

    /// Who hears what happens: narration, progress, commands. Called from the call's own task; it should be quick.
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Some(Events::to(listener));
        self
    }

    /// The redaction rules, beside the secrets of each call.
    pub fn rules(mut self, rules: RuleSet) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Sets a variable in place of the one of this process's environment; grants say which are handed on.
    pub fn variable(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// How often a pull is tried before it fails, from 1 to 10; by default 3. It is tried again only after what may pass:
    /// time-outs, a registry's 5xx and 429, a daemon that is just starting; each time after a longer wait.
    pub fn pull_tries(mut self, most: u32) -> Self {
        self.pulls = Some(most.clamp(1, retry::MOST));
        self
    }

    /// Which records of the journal are waited for until they are on the disk.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How many commands of one engine run at once; others wait in the order in which they came. What waits for a container
    /// (its end, its log), or is read as it comes, counts for its first 300 ms at most, a `stop` for 1 s. Of those that wait
    /// to look at a container, or at the same image, one looks for all. Default: twice the number of processors, at least 4.
    pub fn commands_at_once(mut self, most: NonZeroUsize) -> Self {
        self.commands_at_once = Some(most);
        self
    }

    /// Decide and render everything, but run only what looks.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Never ask a registry for a manifest; where none was kept, images are then no more than claimed.
    pub fn without_registry_client(mut self) -> Self {
        self.offline = true;
        self
    }

    /// Opens the state directory and loads the backends. Nothing is compiled and no engine is asked yet.
    ///
    /// # Errors
    /// When the state directory or the journal can't be used, or a backend, its request or its grant is refused.
    #[allow(clippy::unused_async, reason = "waiting may come to be needed, and would break every embedder")]
    pub async fn build(self) -> Result<Portreeve, Error> {
        let environment = self.environment();
        let state = StateDir::open(self.state_path(&environment)?)?;
        let options = JournalOptions::default().durability(self.durability);
        let journal = Journal::open(&state, options).map_err(|error| Error::State(format!("the journal: {error}")))?;
        let devices =
            DeviceChecker::open(std::path::Path::new("/dev")).map_err(|error| Error::State(error.to_string()))?;
        let events = self.listener.unwrap_or_else(Events::none);
        let quarantine = Quarantine::new(state.area(Area::Quarantine)?);
        let (executor, dry_run) = (Executor::default(), self.dry_run);
        let turns = Turns::new(self.commands_at_once.unwrap_or_else(Turns::usual));
        let labels = GivenLabels::new(state.area(Area::Labels)?);
        let (container_waiters, image_waiters) = (Waiters::default(), Waiters::default());
        let services = Services {
            journal,
            executor,
            devices,
            quarantine,
            turns,
            container_waiters,
            image_waiters,
            labels,
            events,
            dry_run,
        };
        let policy = self.policy.unwrap_or_else(Policy::home);
        let rules = self.rules.unwrap_or_else(RuleSet::builtin);
        let rules = if policy.rules().is_empty() { rules } else { rules.merged(policy.rules()) };
        let tally = Tally::default();
        let redactor = Redactor::builder().rules(rules).tally(tally.clone());
        let client = (!self.offline).then(|| RegistryClient::new(Limits::default(), auth_file(&environment)));
        let aside = self.prefer.as_ref().map(|prefer| Aside::of(prefer, &self.backends));
        let cache = CodeCache::new(state.area(Area::Code)?, state.key().derive("code"));
        let inner = Inner {
            aside,
            sandbox: Sandbox::new(Some(cache.telling(services.events.clone())))?,
            backends: load(self.backends, self.prefer.as_deref(), &environment, &state, &services)?,
            redactor: if policy.is_lenient_on_secrets() { redactor.lenient() } else { redactor }.build(),
            proofs: ProofStore::new(state.area(Area::Proofs)?, state.key().derive("proofs")),
            verifier: Verifier::new(BlobStore::new(state.area(Area::Blobs)?), client),
            services: Arc::new(services),
            tally,
            patience: self.patience.unwrap_or(PATIENCE),
            pulls: self.pulls.unwrap_or(retry::PULLS),
            chosen: tokio::sync::OnceCell::new(),
            imagined_volumes: std::sync::Mutex::default(),
            ongoing: super::ongoing::Ongoing::default(),
            doings: super::doings::Doings::default(),
            policy,
            environment,
            state,
        };
        Ok(Portreeve { inner: Arc::new(inner) })
    }

    fn environment(&self) -> HostEnvironment {
        let mut environment = HostEnvironment::of_this_process();
        environment.0.extend(self.variables.iter().cloned());
        environment
    }

    fn state_path(&self, environment: &HostEnvironment) -> Result<PathBuf, Error> {
        if let Some(path) = &self.state {
            return Ok(path.clone());
        }
        let value = |name| environment.text(name).map(std::ffi::OsStr::new);
        Ok(default_path(value("XDG_STATE_HOME"), value("HOME"), rustix::process::geteuid().is_root())?)
    }
}

/// Loads what was given, or what is embedded and what is approved; the preferred one alone where one is.
fn load(
    given: Vec<BackendSource>,
    prefer: Option<&str>,
    environment: &HostEnvironment,
    state: &StateDir,
    services: &Services,
) -> Result<Vec<Arc<Backend>>, Error> {
    let sources = if given.is_empty() { shipped_and_approved(prefer, state, services)? } else { given };
    let mut backends = Vec::new();
    for source in sources {
        let granted = source.parse_grants()?;
        if prefer.is_none_or(|prefer| prefer == granted.backend()) {
            backends.push(load_one(&source, &granted, environment, state, services)?);
        }
    }
    match prefer {
        Some(prefer) if backends.is_empty() => Err(Error::Backend {
            name: prefer.to_owned(),
            why: "there is no such backend; `portreeve backend list` shows them".to_owned(),
        }),
        _ => Ok(backends),
    }
}

fn load_one(
    source: &BackendSource,
    granted: &Grants,
    environment: &HostEnvironment,
    state: &StateDir,
    services: &Services,
) -> Result<Arc<Backend>, Error> {
    let name = granted.backend();
    if source.standing == Standing::Asking {
        let why = "a component that only asks is not run: give it a grant";
        let refused = Refusal::new(Rule::Approval, why).value(name).into();
        return Err(recorded(&services.journal, name, None, refused));
    }
    let component = source.read_component();
    let component = component.map_err(|error| Error::Backend { name: name.to_owned(), why: error.to_string() })?;
    let digest = component.digest().to_string();
    let install = vec![(Slot::InstallId, Binding::scalar(state.install().as_str()))];
    let backend = Backend::new(source, granted, environment.clone(), install, component);
    Ok(Arc::new(backend.map_err(|error| recorded(&services.journal, name, Some(&digest), error))?))
}

/// What a preference leaves aside: no call uses it, and yet it is of this host.
pub(super) struct Aside {
    prefer: String,
    /// Those that an embedder gave; none where the embedded and the approved ones are meant.
    given: Option<Vec<BackendSource>>,
}

impl Aside {
    fn of(prefer: &str, given: &[BackendSource]) -> Self {
        Self { prefer: prefer.to_owned(), given: Some(given.to_vec()).filter(|given| !given.is_empty()) }
    }
}

impl Inner {
    /// The backends that are left aside. One that can't be loaded is told of, and is left out.
    pub(super) fn left_aside(&self) -> Result<Vec<Arc<Backend>>, Error> {
        let Some(aside) = &self.aside else { return Ok(Vec::new()) };
        let sources = match &aside.given {
            Some(given) => given.clone(),
            None => shipped_and_approved(None, &self.state, &self.services)?,
        };
        let mut backends = Vec::new();
        for source in sources {
            let granted = source.parse_grants()?;
            if granted.backend() == aside.prefer {
                continue;
            }
            match load_one(&source, &granted, &self.environment, &self.state, &self.services) {
                Ok(backend) => backends.push(backend),
                Err(error @ Error::State(_)) => return Err(error),
                Err(error) => self.say(Level::Warning, || format!("{} is not looked at: {error}", granted.backend())),
            }
        }
        Ok(backends)
    }
}

/// The embedded ones, and after them those that an operator approved; one that has an embedded one's name takes its
/// place. One that is not what was approved is an error where it is asked for, and else left out with a warning: nothing
/// comes in its place.
fn shipped_and_approved(
    prefer: Option<&str>,
    state: &StateDir,
    services: &Services,
) -> Result<Vec<BackendSource>, Error> {
    let approvals = Approvals::of(state);
    let approved = approvals.names()?;
    let mut sources = Vec::new();
    for source in BackendSource::embedded() {
        if !approved.contains(&source.name()?) {
            sources.push(source);
        }
    }
    for name in approved.iter().filter(|name| prefer.is_none_or(|prefer| prefer == name.as_str())) {
        match approvals.read(name).map_err(|error| recorded(&services.journal, name, None, error)) {
            Ok(source) => sources.push(source),
            Err(error @ Error::Refused(_)) if prefer.is_none() => {
                services.events.say(Level::Warning, || format!("the backend {name} is left out: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(sources)
}

/// A backend that is refused as a whole is recorded, like any other refusal.
fn recorded(journal: &Journal, backend: &str, digest: Option<&str>, error: Error) -> Error {
    let Error::Refused(refusal) = &error else { return error };
    let entry = Entry {
        backend: Some(backend),
        plugin: digest,
        rule: Some(refusal.rule.as_str()),
        value: refusal.value.as_deref(),
        why: Some(&refusal.why),
        ..Entry::new(Kind::Refusal)
    };
    match journal.append(&entry) {
        Ok(_) => error,
        Err(unwritten) => Error::State(format!("the journal: {unwritten}")),
    }
}

/// The credentials that the engines' own clients keep; none where there is no file, or it is not to be read.
fn auth_file(environment: &HostEnvironment) -> AuthFile {
    let runtime = environment.text("XDG_RUNTIME_DIR").map(|folder| format!("{folder}/containers/auth.json"));
    let home = environment.text("HOME").map(|folder| format!("{folder}/.docker/config.json"));
    let read = |path: String| std::fs::read_to_string(path).ok().and_then(|text| AuthFile::parse(&text).ok());
    runtime.into_iter().chain(home).find_map(read).unwrap_or_default()
}
