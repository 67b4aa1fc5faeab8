//! Where a guest is tried: an engine of its own, an image that is there, an honest host beside the hostile one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use portreeve::demo::image::{BuiltinImage, ImageOptions};
use portreeve::demo::registry::Registry;
use portreeve::journal::{Filter, Journal, Kind, Record};
use portreeve::state::StateDir;
use portreeve::{BackendSource, ContainerSpec, Error, Event, FaultKind, Portreeve, PortreeveBuilder, Reference, Rule};

const GRANTS: &str = include_str!("../../../plugins/podman/grants.toml");

/// What the rehearsal engine's state is named by.
const VARIABLE: &str = "PORTREEVE_REHEARSAL";

/// The words after the program that only look.
const LOOKS: [&str; 17] = [
    "--version",
    "version",
    "ps",
    "container",
    "image",
    "images",
    "logs",
    "wait",
    "volume inspect",
    "volume ls",
    "top",
    "stats",
    "events",
    "network inspect",
    "network ls",
    "pod inspect",
    "pod ls",
];

/// What a guest is tried on.
pub(crate) struct Stand {
    folder: tempfile::TempDir,
    registry: Registry,
    image: BuiltinImage,
    /// The host with an honest backend.
    pub(crate) honest: Portreeve,
    /// The host with the guest; it has the same state and the same engine.
    pub(crate) hostile: Portreeve,
    /// What the hostile host told.
    pub(crate) heard: Arc<Mutex<Vec<Event>>>,
    /// How many commands the engine had been given when the guest came.
    before: usize,
}

/// How a guest ends.
pub(crate) enum End<'a> {
    /// By this rule, command, slot.
    Refused(Rule, &'a str, Option<&'a str>),
    /// Broken, in this way, for a reason with these words in it.
    Fault(FaultKind, &'a str),
    /// By an image that is not what its digest says.
    Digest,
}

impl Stand {
    /// The guest of this component, with limits of its own.
    pub(crate) async fn with_limits(component: &str, limits: &str) -> Self {
        Self::with_grants(component, |grants| with_limits(grants, limits)).await
    }

    /// The guest of this component, which is granted an inert WASI.
    pub(crate) async fn with_wasi(component: &str, limits: &str) -> Self {
        let wasi = |grants: &str| grants.replace("backend = \"podman\"", "backend = \"podman\"\nwasi = \"inert\"");
        Self::with_grants(component, |grants| with_limits(&wasi(grants), limits)).await
    }

    /// The guest of this component, under a grant of its own.
    pub(crate) async fn with_grants(component: &str, change: impl Fn(&str) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::start().await.unwrap();
        let image = BuiltinImage::build(&ImageOptions::default()).unwrap();
        registry.publish("some/app", "1", &image);
        prepare_engine(folder.path());
        let honest = host(folder.path(), crate::HONEST, "").build().await.unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let builder = host_with(folder.path(), component, change);
        let builder = builder.on_event(move |event| ear.lock().unwrap().push(event.clone()));
        let hostile = builder.build().await.unwrap();
        Self { folder, registry, image, honest, hostile, heard, before: 0 }
    }

    /// The guest of this component, with the image already there.
    pub(crate) async fn new(component: &str) -> Self {
        Self::with_limits(component, "").await.pulled().await
    }

    /// The same, with a container that the honest host made and started.
    pub(crate) async fn with_container(component: &str, name: &str) -> Self {
        Self::new(component).await.running(name).await
    }

    pub(crate) async fn pulled(self) -> Self {
        self.honest.pull(&self.reference()).await.unwrap();
        self.mark()
    }

    /// Another container that the honest host made and started.
    pub(crate) async fn running(self, name: &str) -> Self {
        self.honest.run(&self.spec(name)).await.unwrap();
        self.mark()
    }

    /// What the engine was given so far was before the guest came.
    pub(crate) fn mark(mut self) -> Self {
        self.before = self.calls().len();
        self
    }

    /// The image, by its digest.
    pub(crate) fn reference(&self) -> Reference {
        self.registry.reference("some/app", &self.image.index()).parse().unwrap()
    }

    /// A container that sleeps.
    pub(crate) fn spec(&self, name: &str) -> ContainerSpec {
        let mut spec = ContainerSpec::new(self.reference(), name.parse().unwrap());
        spec.words = vec!["sleep".into(), "600".into()];
        spec
    }

    /// A folder that may be mounted.
    pub(crate) fn shared(&self) -> PathBuf {
        let shared = self.folder.path().join("shared");
        fs::create_dir_all(&shared).unwrap();
        shared
    }

    /// The guest ended so, and the engine was only looked at.
    pub(crate) async fn refuses<T>(&self, result: Result<T, Error>, end: End<'_>) {
        self.refuses_but_for(result, end, &[]).await;
    }

    /// The guest ended so, and beyond looks the engine got these commands at most, in this order.
    pub(crate) async fn refuses_but_for<T>(&self, result: Result<T, Error>, end: End<'_>, honest: &[&str]) {
        let error = result.err().expect("the guest got what it wanted");
        self.ended(&error, &end);
        let told: Vec<_> = self.calls().split_off(self.before);
        let more: Vec<String> = told.iter().map(|argv| verb(argv)).filter(|verb| !is_look(verb)).collect();
        assert_eq!(more, honest, "{told:?}");
        self.recorded(&end, honest);
        self.is_whole().await;
    }

    fn ended(&self, error: &Error, end: &End<'_>) {
        match (error, end) {
            (Error::Refused(refusal), End::Refused(rule, command, slot)) => {
                let expected = (*rule, Some(*command).filter(|command| !command.is_empty()), *slot);
                assert_eq!((refusal.rule, refusal.command.as_deref(), refusal.slot.as_deref()), expected, "{error}");
            }
            (Error::Fault(fault), End::Fault(kind, why)) => {
                assert_eq!(fault.kind, *kind, "{error}");
                assert!(fault.why.contains(why), "{error}");
                assert_eq!(fault.digest.to_string(), self.digest());
            }
            (Error::Digest(_), End::Digest) => {}
            _ => panic!("{}: {error}", error.kind()),
        }
    }

    /// The journal has how the guest ended, has no intent of the guest's beyond looks and the honest ones, and verifies.
    fn recorded(&self, end: &End<'_>, honest: &[&str]) {
        let records = self.records();
        let last = |kind| records.iter().rfind(|record| record.kind == kind);
        match end {
            End::Refused(rule, command, slot) => {
                let wanted = |record: &&Record| {
                    record.kind == Kind::Refusal
                        && record.rule.as_deref() == Some(rule.as_str())
                        && record.command.as_deref().unwrap_or_default() == *command
                        && record.slot.as_deref() == *slot
                };
                assert!(records.iter().any(|record| wanted(&record)), "{records:?}");
            }
            End::Fault(_, why) => {
                let fault = last(Kind::Fault).expect("no fault in the journal");
                assert!(fault.why.as_deref().unwrap_or_default().contains(why), "{fault:?}");
            }
            End::Digest => assert!(last(Kind::Fault).is_some(), "no fault in the journal"),
        }
        let intents = records.iter().filter(|record| record.kind == Kind::Intent);
        let verbs = intents.filter_map(|record| record.argv.as_deref().map(verb));
        let more: Vec<String> = verbs.filter(|verb| !is_look(verb)).collect();
        assert_eq!(more, honest);
        let report = self.honest.verify_journal(None).unwrap();
        assert!(report.is_intact(), "{report:?}");
    }

    /// What the guest said.
    pub(crate) fn words(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let said = heard.iter().filter_map(|event| match event {
            Event::Narration { from, message, .. } if from == "podman" => Some(message.clone()),
            _ => None,
        });
        said.collect()
    }

    /// Another host with the guest, as another process would have it.
    pub(crate) async fn hostile_again(&self, component: &str) -> Portreeve {
        host(self.folder.path(), component, "").build().await.unwrap()
    }

    /// An honest host; when it has decided on a command of this verb, and before the engine is told, this is done past it.
    pub(crate) async fn between(
        &self,
        verb: &'static str,
        act: impl Fn(&dyn Fn(&[&str])) + Send + Sync + 'static,
    ) -> Portreeve {
        let folder = self.folder.path().to_owned();
        let once = std::sync::Once::new();
        let builder = host(self.folder.path(), crate::HONEST, "").on_event(move |event| {
            if matches!(event, Event::Command { argv, .. } if argv[1] == verb) {
                once.call_once(|| act(&|words| drop(asked(&folder, words))));
            }
        });
        builder.build().await.unwrap()
    }

    /// What the engine is to do wrong from now on.
    pub(crate) fn misbehave(&self, faults: &str) {
        fs::write(self.folder.path().join("engine/faults"), faults).unwrap();
    }

    /// What the journal has of the guest.
    pub(crate) fn records(&self) -> Vec<Record> {
        let state = StateDir::open(self.hostile.state_dir()).unwrap();
        let records = Journal::read(&state, Filter::default()).unwrap().map(Result::unwrap);
        records.filter(|record| record.plugin.as_deref() == Some(&self.digest())).collect()
    }

    fn digest(&self) -> String {
        self.hostile.backends()[0].digest.clone()
    }

    /// After all that, an honest backend does its work in this process, on the same engine and journal.
    pub(crate) async fn is_whole(&self) {
        let name = "afterwards";
        let container = self.honest.run(&self.spec(name)).await.unwrap();
        assert!(container.state.is_alive());
        self.honest.stop(name, Duration::from_secs(1)).await.unwrap();
        self.honest.remove(name, false).await.unwrap();
    }

    /// The containers that the engine has, by name.
    pub(crate) async fn containers(&self) -> Vec<String> {
        self.honest.list().await.unwrap().into_iter().map(|container| container.name).collect()
    }

    /// Whether a container runs.
    pub(crate) async fn is_running(&self, name: &str) -> bool {
        self.honest.inspect(name).await.is_ok_and(|container| container.state.is_alive())
    }

    /// What the engine itself says to somebody who asks it past all hosts.
    pub(crate) fn podman(&self, words: &[&str]) -> String {
        asked(self.folder.path(), words)
    }

    /// What the engine was given, from its own account.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.folder.path().join("engine/calls")).unwrap();
        let call = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let argv = |call: serde_json::Value| serde_json::from_value(call["argv"].clone()).unwrap();
        text.lines().map(call).map(argv).collect()
    }
}

/// What a command line asks an engine for.
fn verb(argv: &[String]) -> String {
    let words = if ["volume", "network", "pod"].contains(&argv[1].as_str()) { &argv[1..3] } else { &argv[1..2] };
    words.join(" ")
}

fn is_look(verb: &str) -> bool {
    LOOKS.contains(&verb)
}

impl Drop for Stand {
    fn drop(&mut self) {
        for id in self.podman(&["ps", "--all", "--quiet", "--no-trunc"]).lines() {
            self.podman(&["rm", "--force", id]);
        }
    }
}

fn asked(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new(folder.join("bin/podman"));
    command.args(words).env(VARIABLE, folder.join("engine")).stderr(Stdio::null());
    command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// A host over the engine of a stand, with one backend and limits of its own.
pub(crate) fn host(folder: &Path, component: &str, limits: &str) -> PortreeveBuilder {
    host_with(folder, component, |grants| with_limits(grants, limits))
}

fn host_with(folder: &Path, component: &str, change: impl Fn(&str) -> String) -> PortreeveBuilder {
    let grants = change(&grants(&folder.join("bin")));
    let source = BackendSource::new(component, fs::read(component).unwrap(), &grants);
    Portreeve::builder().state_dir(state()).backend(source).variable(VARIABLE, engine(folder))
}

fn engine(folder: &Path) -> String {
    folder.join("engine").display().to_string()
}

/// The Podman backend's own grant, for the rehearsal engine.
fn grants(programs: &Path) -> String {
    let search = r#"search = ["/usr/bin/podman", "/usr/local/bin/podman"]"#;
    let environment = r#"environment = ["HOME", "XDG_RUNTIME_DIR", "GOGC=400"]"#;
    assert!(GRANTS.contains(search) && GRANTS.contains(environment));
    let text = GRANTS.replace(search, &format!("search = [{:?}]", programs.join("podman")));
    text.replace(environment, &format!("environment = [\"HOME\", \"XDG_RUNTIME_DIR\", \"{VARIABLE}\"]"))
}

fn with_limits(grants: &str, limits: &str) -> String {
    if limits.is_empty() { grants.to_owned() } else { format!("{grants}\n[limits]\n{limits}\n") }
}

/// An engine with a name and a state of its own.
pub(crate) fn prepare_engine(folder: &Path) {
    let (programs, state) = (folder.join("bin"), folder.join("engine"));
    fs::create_dir(&programs).unwrap();
    fs::create_dir(&state).unwrap();
    fs::write(state.join("calls"), "").unwrap();
    // A copy, for a link would change what all other tests have checked; made by another process, for a file that this one
    // had open for writing could not be executed.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_rehearsed")).arg(programs.join("podman")).status();
    assert!(copied.unwrap().success());
}

/// The state of all hosts of this process: what is compiled once need not be compiled again. That of processes that are
/// gone is removed.
pub(crate) fn state() -> PathBuf {
    static STATE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
        fs::create_dir_all(&parent).unwrap();
        for old in fs::read_dir(&parent).unwrap().map(Result::unwrap) {
            if !Path::new("/proc").join(old.file_name()).exists() {
                // Another process may have been quicker.
                let _gone = fs::remove_dir_all(old.path());
            }
        }
        parent.join(std::process::id().to_string())
    };
    STATE.get_or_init(make).clone()
}
