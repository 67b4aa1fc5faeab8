//! What the behaviours on one engine share: a registry that can lie, an image, a host, and what has to be removed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portreeve::demo::image::{BuiltinImage, ImageOptions};
use portreeve::demo::registry::Registry;
use portreeve::spec::NetworkMode;
use portreeve::{
    ContainerInfo, ContainerSpec, Error, Event, LogChunk, LogStream, Portreeve, PortreeveBuilder, Reference,
};
use portreeve_tests::registry::Liar;
use serde_json::Value;

use crate::ground::{Ground, Kind};
use crate::sweep::Swept;

/// How long something that has to come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The label of what a test makes by the engine's own client.
const FOREIGN: &str = "org.example.conformance";

pub(crate) struct Setting {
    pub(crate) ground: Ground,
    pub(crate) registry: Registry<Liar>,
    /// The host that most behaviours ask.
    pub(crate) host: Portreeve,
    /// The image that most containers are of; held already.
    pub(crate) image: Published,
    /// The program `portreeve`, where it can be reached.
    pub(crate) program: PathBuf,
    events: Events,
    run: String,
    pub(crate) installs: Mutex<Vec<String>>,
    pub(crate) swept: Swept,
    pub(crate) images: Mutex<Vec<String>>,
    names: AtomicU32,
}

type Events = Arc<Mutex<Vec<Event>>>;

/// An image, in a repository of its own.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) image: BuiltinImage,
    pub(crate) repository: String,
    address: String,
}

impl Published {
    /// By the digest of its manifest.
    pub(crate) fn single(&self) -> Reference {
        self.by(&format!("@{}", self.image.manifest()))
    }

    /// By the digest of its index.
    pub(crate) fn index(&self) -> Reference {
        self.by(&format!("@{}", self.image.index()))
    }

    /// By its tag.
    pub(crate) fn tag(&self) -> Reference {
        self.by(":latest")
    }

    pub(crate) fn by(&self, suffix: &str) -> Reference {
        format!("{}/{}{suffix}", self.address, self.repository).parse().unwrap()
    }

    /// The engine's ID of it, bare.
    pub(crate) fn id(&self) -> String {
        self.image.config().to_string().trim_start_matches("sha256:").to_owned()
    }
}

/// What a container printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) end: Result<i32, Error>,
}

impl Heard {
    /// Reads a stream to its end.
    pub(crate) async fn all(mut stream: LogStream) -> Self {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(chunk) = stream.next().await {
            match chunk {
                LogChunk::Stdout(bytes) => out.extend(bytes),
                LogChunk::Stderr(bytes) => err.extend(bytes),
                other => panic!("{other:?}"),
            }
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { out: text(out), err: text(err), end: stream.finish().await }
    }

    pub(crate) fn status(&self) -> i32 {
        *self.end.as_ref().unwrap_or_else(|error| panic!("{error}; {self:?}"))
    }
}

impl Setting {
    /// Opens the registry, makes a host, and brings the image.
    pub(crate) async fn open(ground: Ground, program: PathBuf) -> Arc<Self> {
        let registry = Registry::serve(Liar::default()).await.unwrap();
        let run = portreeve_tests::engines::unique("run");
        let events = Events::default();
        let state = ground.folder.join("state");
        if !ground.kind.is_real() {
            // From here on it notes what it is told.
            ground.rehearse("calls", "");
        }
        let host = heard(ground.builder(&state), &events).build().await.unwrap();
        let image = publish(&registry, &run, ImageOptions::default());
        let (installs, images) = (Mutex::new(vec![install(&state)]), Mutex::new(vec![image.id()]));
        let names = AtomicU32::new(0);
        let swept = Swept::default();
        let setting = Self { ground, registry, host, image, program, events, run, installs, swept, images, names };
        if setting.kind() != Kind::RehearsalMasquerade {
            setting.host.pull(&setting.image.single()).await.unwrap();
        }
        Arc::new(setting)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.ground.kind
    }

    /// The folder of the host that most behaviours ask.
    pub(crate) fn state(&self) -> PathBuf {
        self.ground.folder.join("state")
    }

    /// A host like the main one, of the same install, to be changed before it is built. Its events are heard too.
    pub(crate) fn builder(&self) -> PortreeveBuilder {
        heard(self.ground.builder(&self.state()), &self.events)
    }

    /// A host of another install; what it makes is removed too.
    pub(crate) async fn another_install(&self, folder: &str) -> Portreeve {
        let state = self.ground.folder.join(folder);
        let host = heard(self.ground.builder(&state), &self.events).build().await.unwrap();
        self.installs.lock().unwrap().push(install(&state));
        host
    }

    /// A folder for a state of an install; what it makes is removed too.
    pub(crate) fn adopt(&self, state: &Path) {
        self.installs.lock().unwrap().push(install(state));
    }

    /// An image that no engine has seen.
    pub(crate) fn publish(&self, options: ImageOptions) -> Published {
        let published = publish(&self.registry, &format!("{}-{}", self.run, self.count()), options);
        self.images.lock().unwrap().push(published.id());
        published
    }

    /// The install of the main host.
    pub(crate) fn install(&self) -> String {
        self.installs.lock().unwrap()[0].clone()
    }

    fn count(&self) -> u32 {
        self.names.fetch_add(1, Ordering::Relaxed)
    }

    /// A name that nothing else has.
    pub(crate) fn name(&self, prefix: &str) -> String {
        format!("{prefix}-{}-{}", self.run, self.count())
    }

    /// A container of the image, without a network, that does what the words say.
    pub(crate) fn spec(&self, words: &[&str]) -> ContainerSpec {
        self.named(&self.name("c"), words)
    }

    /// The same, by a name.
    pub(crate) fn named(&self, name: &str, words: &[&str]) -> ContainerSpec {
        let mut spec = ContainerSpec::new(self.image.single(), name.parse().unwrap());
        spec.words = words.iter().map(ToString::to_string).collect();
        spec.network = Some(NetworkMode::None);
        spec
    }

    /// Runs a container with its output attached, to its end.
    pub(crate) async fn hear(&self, spec: &ContainerSpec) -> Heard {
        Heard::all(self.host.run_attached(spec).await.unwrap()).await
    }

    /// Runs a container and waits for its end.
    pub(crate) async fn run_to_end(&self, spec: &ContainerSpec) -> i32 {
        self.host.run(spec).await.unwrap();
        self.host.wait(spec.name.as_str()).await.unwrap()
    }

    /// Runs one that goes on until it is told to end, and waits until it says so.
    pub(crate) async fn run_waiting(&self, name: &str) -> ContainerInfo {
        let info = self.host.run(&self.named(name, &["say", "here", "wait"])).await.unwrap();
        self.until(&format!("{name} says that it is here"), || self.ground.ask(&["logs", name]).stdout == "here\n")
            .await;
        info
    }

    /// Waits for what has to come.
    pub(crate) async fn until(&self, what: &str, is_it: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_it() {
            assert!(begun.elapsed() < PATIENCE, "this did not come: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    // ---- events ----

    /// How many events there were; to look at later ones alone.
    pub(crate) fn mark(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    pub(crate) fn events_since(&self, mark: usize) -> Vec<Event> {
        self.events.lock().unwrap()[mark..].to_vec()
    }

    /// The argvs since then; those that were left out, or those that ran.
    pub(crate) fn argvs_since(&self, mark: usize, left_out: bool) -> Vec<Vec<String>> {
        let argv = |event| match event {
            Event::Command { argv, skipped, .. } if skipped == left_out => Some(argv),
            _ => None,
        };
        self.events_since(mark).into_iter().filter_map(argv).collect()
    }

    /// Whether the engine was told to do this since then.
    pub(crate) fn was_told_to(&self, subcommand: &str, mark: usize) -> bool {
        self.argvs_since(mark, false).iter().any(|argv| argv.iter().take(3).any(|word| word == subcommand))
    }

    // ---- the truth, by the engine's own client ----

    /// The engine's document about a container; none where there is none.
    pub(crate) fn truth(&self, container: &str) -> Option<Value> {
        let answer = self.ground.ask(&["container", "inspect", container]);
        let list: Value = serde_json::from_str(&answer.stdout).ok()?;
        list.get(0).cloned()
    }

    pub(crate) fn exists(&self, container: &str) -> bool {
        self.truth(container).is_some()
    }

    pub(crate) fn is_running(&self, container: &str) -> bool {
        self.truth(container).is_some_and(|truth| truth["State"]["Status"] == "running")
    }

    /// A container that is not ours: created by the engine's own client, started, and running.
    pub(crate) fn foreign(&self, name: &str, labels: &[String]) -> String {
        self.foreign_of(&self.image, name, labels)
    }

    pub(crate) fn foreign_of(&self, image: &Published, name: &str, labels: &[String]) -> String {
        self.foreign_with(image, name, &["--network=none".to_owned()], labels)
    }

    /// The same, on a network.
    pub(crate) fn foreign_on(&self, name: &str, network: &str) -> String {
        self.foreign_with(&self.image, name, &[format!("--network={network}")], &[])
    }

    pub(crate) fn foreign_with(&self, image: &Published, name: &str, flags: &[String], labels: &[String]) -> String {
        let mut words = vec!["create".to_owned(), format!("--name={name}")];
        words.extend(flags.iter().cloned());
        words.extend(self.create_flags());
        words.push(format!("--label={}", self.foreign_mark()));
        words.extend(labels.iter().map(|label| format!("--label={label}")));
        words.extend([image.id(), "say".to_owned(), "here".to_owned(), "wait".to_owned()]);
        self.swept.foreign.store(true, Ordering::Relaxed);
        let created = self.ground.ask(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(created.status, 0, "{created:?}");
        let started = self.ground.ask(&["start", name]);
        assert_eq!(started.status, 0, "{started:?}");
        created.stdout.trim().to_owned()
    }

    /// The label of what is made by the engine's own client here.
    pub(crate) fn foreign_mark(&self) -> String {
        format!("{FOREIGN}={}", self.run)
    }

    fn create_flags(&self) -> Vec<String> {
        match self.kind() {
            Kind::Real(engine) => engine.create_flags(),
            _ => Vec::new(),
        }
    }

    // ---- the end ----
}

fn heard(builder: PortreeveBuilder, events: &Events) -> PortreeveBuilder {
    let events = Arc::clone(events);
    builder.on_event(move |event| events.lock().unwrap().push(event.clone()))
}

fn install(state: &Path) -> String {
    portreeve::state::StateDir::open(state).unwrap().install().as_str().to_owned()
}

fn publish(registry: &Registry<Liar>, nonce: &str, mut options: ImageOptions) -> Published {
    // For the engines that run health checks by a shell alone.
    options.shell = true;
    options.files.insert("nonce".to_owned(), nonce.as_bytes().to_vec());
    let image = BuiltinImage::build(&options).unwrap();
    let repository = format!("conformance/{nonce}");
    registry.keeper().publish(&repository, "latest", &image);
    Published { image, repository, address: registry.address().to_string() }
}
