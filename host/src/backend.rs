//! A backend, loaded: its component by digest, what holds of its request and its grant, and the programs behind it.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::decision::Programs;
use crate::devices::DevicePattern;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::endpoint;
use crate::error::{Error, Refusal, Rule};
use crate::evidence::store::EngineStore;
use crate::executor::{CheckedProgram, ProgramError, ProgramGrant};
use crate::grants::{Binding, Grants, GrantsError, Slot};
use crate::sandbox::{Component, ComponentError};
use crate::scope::Scope;

/// By whose word a backend is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is part of this program.
    Embedded,
    /// An operator approved it, and it is pinned.
    Approved,
    /// The caller of the library gave it, with a grant.
    Given,
    /// It is a component with nothing but its own request.
    Asking,
}

impl Standing {
    /// As it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Approved => "approved",
            Self::Given => "given",
            Self::Asking => "asking",
        }
    }
}

/// Where a component and its grant come from.
#[derive(Debug, Clone)]
pub struct BackendSource {
    /// What the component is called in messages: a file, or `embedded`.
    pub(crate) origin: String,
    pub(crate) component: std::borrow::Cow<'static, [u8]>,
    /// Of bytes that can't change: the digest that they had when they were built in.
    pub(crate) known: Option<Digest>,
    pub(crate) grants: String,
    pub(crate) grants_origin: String,
    pub(crate) standing: Standing,
}

impl BackendSource {
    /// A component, and the grant that an operator gives it.
    #[must_use]
    pub fn new(origin: &str, component: Vec<u8>, grants: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            component: component.into(),
            known: None,
            grants: grants.to_owned(),
            grants_origin: format!("grants of {origin}"),
            standing: Standing::Given,
        }
    }

    /// A component with its own request in the place of a grant: what an operator is asked to approve.
    ///
    /// # Errors
    /// When it is no component, or has not exactly one request.
    pub fn asking(origin: &str, component: Vec<u8>) -> Result<Self, Error> {
        let wrong = |why: String| Error::Backend { name: origin.to_owned(), why };
        let read = Component::read(component.into(), None).map_err(|error| wrong(error.to_string()))?;
        let grants = read.request().map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            origin: origin.to_owned(),
            component: read.bytes().as_ref().clone(),
            known: None,
            grants,
            grants_origin: format!("request of {origin}"),
            standing: Standing::Asking,
        })
    }

    /// Reads a component from a file; its grant is what it asks for.
    ///
    /// # Errors
    /// When it can't be read, or is no component with a request.
    pub fn file(component: &std::path::Path) -> Result<Self, Error> {
        Self::asking(&component.display().to_string(), read_named(component, MOST_COMPONENT)?)
    }

    /// Reads both from files.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn files(component: &std::path::Path, grants: &std::path::Path) -> Result<Self, Error> {
        let text = String::from_utf8(read_named(grants, MOST_GRANTS)?)
            .map_err(|error| crate::policy::not_text(&grants.display().to_string(), &error))?;
        Ok(Self {
            origin: component.display().to_string(),
            component: read_named(component, MOST_COMPONENT)?.into(),
            known: None,
            grants: text,
            grants_origin: grants.display().to_string(),
            standing: Standing::Given,
        })
    }

    /// The same component under a grant that an operator gave another one.
    pub(crate) fn under_grant_of(self, other: &Self) -> Self {
        let (grants, grants_origin) = (other.grants.clone(), other.grants_origin.clone());
        Self { grants, grants_origin, standing: Standing::Given, ..self }
    }

    /// What a component asks for, as a draft of a grants file: its own marks of dangerous tokens and its comments, which
    /// are no operator's, are left out.
    ///
    /// # Errors
    /// When what it asks for is no grants file.
    pub fn draft(&self) -> Result<String, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Config(format!("{}: {error}", self.grants_origin));
        self.parse_grants()?;
        let mut file: toml::Table = toml::from_str(&self.grants).map_err(|error| wrong(&error))?;
        let commands = file.get_mut("commands").and_then(toml::Value::as_table_mut);
        for command in commands.into_iter().flatten().filter_map(|(_, command)| command.as_table_mut()) {
            command.remove("dangerous");
        }
        toml::to_string_pretty(&file).map_err(|error| wrong(&error))
    }

    /// The backends that are embedded in this build, each with its own grant.
    #[must_use]
    pub fn embedded() -> Vec<Self> {
        let source = |(name, component, sha256, grants): &(&'static str, &'static [u8], [u8; 32], &'static str)| Self {
            origin: format!("embedded {name}"),
            component: (*component).into(),
            known: Some(Digest::from_sha256(*sha256)),
            grants: (*grants).to_owned(),
            grants_origin: format!("plugins/{name}/grants.toml"),
            standing: Standing::Embedded,
        };
        crate::embedded::EMBEDDED.iter().map(source).collect()
    }

    /// The same component under a grant that names another file for one of its programs, and hands more variables on to
    /// it: what an operator would change for an engine in another place.
    ///
    /// # Errors
    /// When the grant is no TOML or has no such program.
    pub fn with_program(mut self, name: &str, path: &std::path::Path, variables: &[&str]) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Config(format!("{}: {why}", self.grants_origin));
        let mut file: toml::Table = toml::from_str(&self.grants).map_err(|error| wrong(&error.to_string()))?;
        let program =
            file.get_mut("programs").and_then(|programs| programs.get_mut(name)).and_then(toml::Value::as_table_mut);
        let program = program.ok_or_else(|| wrong(&format!("it has no [programs.{name}]")))?;
        program.insert("search".to_owned(), toml::Value::Array(vec![path.to_string_lossy().into_owned().into()]));
        let granted = program.entry("environment").or_insert_with(|| toml::Value::Array(Vec::new()));
        if let Some(names) = granted.as_array_mut() {
            names.extend(variables.iter().map(|name| toml::Value::from(*name)));
        }
        self.grants = toml::to_string(&file).map_err(|error| Error::Config(error.to_string()))?;
        Ok(self)
    }

    /// The name that the grant gives the backend.
    ///
    /// # Errors
    /// When the grant is none.
    pub fn name(&self) -> Result<String, Error> {
        Ok(self.parse_grants()?.backend().to_owned())
    }

    pub(crate) fn parse_grants(&self) -> Result<Grants, Error> {
        Grants::parse(&self.grants, &self.grants_origin).map_err(|error| Error::Config(error.to_string()))
    }

    /// Hashes the component, unless that was done when it was built in, and reads its outline.
    pub(crate) fn read_component(&self) -> Result<Component, ComponentError> {
        Component::read(self.component.clone(), self.known)
    }

    /// What the component asks for. A backend that comes with its grant asks for just that.
    fn parse_request(&self, request: &str, granted: &Grants) -> Result<Grants, GrantsError> {
        if request == self.grants {
            Ok(granted.clone())
        } else {
            Grants::parse(request, &format!("request of {}", self.origin))
        }
    }
}

/// Bytes of a component, and of a grants file, at most.
const MOST_COMPONENT: u64 = 64 << 20;
const MOST_GRANTS: u64 = 1 << 20;

/// What a regular file of at most so many bytes holds.
fn read_named(path: &std::path::Path, most: u64) -> Result<Vec<u8>, Error> {
    let read = || {
        let file = crate::ambient::open_named(path)?;
        match file.metadata()?.is_file() {
            true => crate::state::whole::read(file, most),
            false => Err(std::io::Error::other("it is no regular file")),
        }
    };
    read().map_err(|error| Error::io(path.display().to_string(), error))
}

/// What a backend takes of its host's environment; read once, by the façade.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostEnvironment(pub(crate) BTreeMap<String, Vec<u8>>);

impl HostEnvironment {
    /// The environment of this process.
    pub(crate) fn of_this_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.as_bytes().to_vec())));
        Self(variables.collect())
    }

    /// A value that is UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }
}

/// A backend that is ready to be called.
pub(crate) struct Backend {
    name: String,
    standing: Standing,
    origin: String,
    digest: Digest,
    digest_text: String,
    grants_digest: String,
    grants: Grants,
    component: Component,
    device_patterns: Vec<DevicePattern>,
    environment: HostEnvironment,
    programs: Mutex<BTreeMap<String, Arc<CheckedProgram>>>,
    endpoint: OnceLock<Result<Option<String>, String>>,
    runtime: OnceLock<Option<String>>,
    facts: Vec<(Slot, Binding)>,
}

impl Backend {
    /// Takes a component and its grant apart; compiles nothing yet.
    pub(crate) fn new(
        source: &BackendSource,
        granted: &Grants,
        environment: HostEnvironment,
        facts: Vec<(Slot, Binding)>,
        component: Component,
    ) -> Result<Self, Error> {
        let backend = Self { environment, facts, ..Self::shelved(source, granted, component)? };
        let imports = backend.component.check_imports(backend.grants.wasi());
        imports.map(|()| backend).map_err(|refusal| Error::Refused(*refusal))
    }

    /// One that is only looked at: whatever it imports, it is not run.
    pub(crate) fn shelved(source: &BackendSource, granted: &Grants, component: Component) -> Result<Self, Error> {
        let wrong = |why: String| Error::Backend { name: granted.backend().to_owned(), why };
        let request = component.request().map_err(|error| wrong(error.to_string()))?;
        let request = source.parse_request(&request, granted).map_err(|error| wrong(error.to_string()))?;
        let grants = granted.narrow(&request).map_err(|error| wrong(error.to_string()))?;
        let patterns = grants.devices().iter().map(|pattern| pattern.parse()).collect::<Result<_, _>>();
        let device_patterns = patterns.map_err(|error: crate::devices::DeviceError| wrong(error.to_string()))?;
        let digest = *component.digest();
        Ok(Self {
            name: grants.backend().to_owned(),
            standing: source.standing,
            origin: source.origin.clone(),
            grants_digest: digest_of(source.grants.as_bytes()).to_string(),
            digest_text: digest.to_string(),
            digest,
            programs: Mutex::default(),
            grants,
            component,
            device_patterns,
            environment: HostEnvironment::default(),
            endpoint: OnceLock::new(),
            runtime: OnceLock::new(),
            facts: Vec::new(),
        })
    }

    /// Its name in its grants.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// By whose word it is there.
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// The file that it came from, or `embedded`.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The digest of its component.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The same as text.
    pub(crate) fn digest_text(&self) -> &str {
        &self.digest_text
    }

    /// The digest of its grants file.
    pub(crate) fn grants_digest(&self) -> &str {
        &self.grants_digest
    }

    /// What holds: request ∩ grant.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Its code.
    pub(crate) fn component(&self) -> &Component {
        &self.component
    }

    /// Which device nodes it may have looked at.
    pub(crate) fn device_patterns(&self) -> &[DevicePattern] {
        &self.device_patterns
    }

    /// The socket of its engine's daemon, where it has one that is there and safe.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.checked_endpoint().ok().flatten()
    }

    /// The same, or why there is none.
    pub(crate) fn checked_endpoint(&self) -> Result<Option<&str>, &str> {
        let checked = self.endpoint.get_or_init(|| match self.grants.endpoint() {
            None => Ok(None),
            Some(granted) => endpoint::check(granted.sockets(), &self.environment).map(Some),
        });
        checked.as_ref().map(Option::as_deref).map_err(String::as_str)
    }

    /// The granted folders of the engine's own in which the manifests of an image may lie, as far as they are there.
    pub(crate) fn stores(&self, image_id: &str) -> Vec<EngineStore> {
        let granted = self.grants.evidence().manifest.stores.iter();
        let opened = granted.filter_map(|grant| {
            EngineStore::open(grant, &endpoint::expand(&grant.folder, &self.environment)?, image_id)
        });
        opened.collect()
    }

    /// The granted OCI runtime to be named, where the first of them can't work on this machine.
    pub(crate) fn runtime(&self) -> Option<&str> {
        self.runtime.get_or_init(|| crate::runtimes::choose(self.grants.runtimes())).as_deref()
    }

    /// Adds the facts that every call has.
    pub(crate) fn host_facts(&self, mut scope: Scope) -> Scope {
        for (slot, binding) in &self.facts {
            scope = scope.with_host(*slot, binding.clone());
        }
        if let Some(endpoint) = self.endpoint() {
            scope = scope.with_host(Slot::EngineEndpoint, Binding::scalar(endpoint));
        }
        scope
    }

    fn resolve(&self, name: &str) -> Result<Arc<CheckedProgram>, Error> {
        let granted = self.grants.program(name);
        let granted = granted.ok_or_else(|| Error::Unavailable(format!("the grants name no program {name}")))?;
        let search = granted.search().to_vec();
        let sha256 = granted.sha256().map(str::to_owned);
        let grant = ProgramGrant { name: name.to_owned(), search, wrapper: granted.wrapper(), sha256 };
        CheckedProgram::resolve(&grant).map(Arc::new).map_err(|error| match error {
            ProgramError::Script { .. } => Error::Unsupported(error.to_string()),
            ref other if other.is_not_found() => Error::Unavailable(error.to_string()),
            other => Refusal::new(Rule::Program, other.to_string()).into(),
        })
    }
}

impl Backend {
    /// Whether the program that the host looks with can be run. Its error tells people what a guest is not told.
    pub(crate) fn check_client(&self) -> Result<(), Error> {
        let looks = self.grants.evidence().commands().find_map(|name| self.grants.command(name));
        looks.map_or(Ok(()), |command| self.checked(command.template().program()).map(drop))
    }
}

impl Programs for Backend {
    /// Checked once, and again when the file is another one: an engine may be upgraded while the host runs.
    fn checked(&self, name: &str) -> Result<Arc<CheckedProgram>, Error> {
        // A daemon's client without a safe socket would look for one by itself.
        self.checked_endpoint().map_err(|why| Error::Unavailable(why.to_owned()))?;
        let mut known = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = known.get(name).filter(|program| program.recheck().is_ok()) {
            return Ok(Arc::clone(program));
        }
        let program = self.resolve(name)?;
        known.insert(name.to_owned(), Arc::clone(&program));
        Ok(program)
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.environment.0.get(name).map(Vec::as_slice)
    }
}

/// The SHA-256 digest of some bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(bytes);
    hasher.finish()
}
