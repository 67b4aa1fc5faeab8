//! Real engines that fail in the middle of a call: a daemon that is killed, a disk that is full. Each call ends in an error of
//! its own, in time; nothing foreign is touched, and cleaning up leaves no trace.
//!
//! It takes root: the daemon is one of the test's own, and Podman gets a small disk that nobody else sees.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what is left out must be seen")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::indexing_slicing, reason = "the same")]

use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use portreeve::demo::image::{BuiltinImage, ImageOptions};
use portreeve::demo::registry::Registry;
use portreeve::spec::NetworkMode;
use portreeve::{
    BackendSource, ContainerSpec, Error, Event, ExecSpec, LogOptions, Portreeve, PortreeveBuilder, Reference, within,
};
use portreeve_tests::daemon::{Daemon, Options};
use portreeve_tests::engines::{Engine, unique};
use rustix::process::{Pid, Signal, kill_process};

/// How long a call may go on after its daemon died.
const DEADLINE: Duration = Duration::from_secs(30);
/// Set where a test runs itself once more, on a disk of its own.
const INSIDE: &str = "PORTREEVE_TEST_INSIDE";

/// Whether this engine can be harmed here; where not, that is said.
fn may_harm(engine: Engine, what: &str) -> bool {
    let why = match engine.skip_reason() {
        Some(why) => why,
        None if !rustix::process::geteuid().is_root() => "it takes root",
        None => return true,
    };
    assert!(!required(engine), "NOT TESTED: {what}, for {why}");
    println!("NOT TESTED: {what}, for {why}");
    false
}

fn required(engine: Engine) -> bool {
    let named = std::env::var(portreeve_tests::engines::REQUIRED).unwrap_or_default();
    named.split_whitespace().any(|name| name == engine.name())
}

/// An image of so many bytes, served.
async fn served(bytes: usize) -> (Registry, Reference) {
    let registry = Registry::start().await.unwrap();
    let mut options = ImageOptions::default();
    options.files.insert("nonce".to_owned(), unique("fault").into_bytes());
    // Nothing that a layer's compression would make small again: the layer is stored as it is.
    options.files.insert("ballast".to_owned(), vec![7; bytes]);
    let image = BuiltinImage::build(&options).unwrap();
    let repository = format!("faults/{}", unique("image"));
    registry.publish(&repository, "latest", &image);
    let reference = registry.reference(&repository, &image.manifest()).parse().unwrap();
    (registry, reference)
}

fn on_daemon(folder: &Path, state: &Path) -> PortreeveBuilder {
    let docker = |source: BackendSource| source.with_program("docker", Path::new("/usr/bin/docker"), &[]).ok();
    let backend = BackendSource::embedded().into_iter().find_map(docker).unwrap();
    let builder = Portreeve::builder().state_dir(state).backend(backend);
    builder.variable("XDG_RUNTIME_DIR", folder.to_str().unwrap()).pull_tries(1)
}

fn state() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The disk is too small for the image: an error that says so, no image, and nothing to clean up.
async fn no_space_for(host: &Portreeve, image: &Reference) {
    let error = within(Duration::from_secs(120), host.pull(image)).await.unwrap_err();
    assert!(matches!(error, Error::NoSpace(_)), "{error:?}");
    assert!(error.advice().is_some() && !error.is_retryable());
    assert!(!host.has_image(image).await.unwrap());
    assert!(host.leftovers().await.unwrap().is_empty());
    assert!(host.verify_journal(None).unwrap().is_intact());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_a_pull_with_docker() {
    if !may_harm(Engine::Docker, "a full disk of Docker's") {
        return;
    }
    let daemon = Daemon::start(&Options { disk: Some("24m"), ..Options::named("full") }).unwrap();
    let (_registry, image) = served(40 << 20).await;
    let state = state();
    let host = on_daemon(daemon.folder(), &state.path().join("state")).build().await.unwrap();
    no_space_for(&host, &image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_a_pull_with_podman() {
    if !may_harm(Engine::PodmanRoot, "a full disk of Podman's") {
        return;
    }
    if std::env::var_os(INSIDE).is_none() {
        return alone_on_a_small_disk("a_full_disk_ends_a_pull_with_podman");
    }
    let (_registry, image) = served(40 << 20).await;
    let state = state();
    let host = Portreeve::builder().state_dir(state.path().join("state")).prefer("podman").pull_tries(1);
    no_space_for(&host.build().await.unwrap(), &image).await;
}

/// Runs one test of this program where Podman's storage is a small disk that nobody else sees.
fn alone_on_a_small_disk(test: &str) {
    const SCRIPT: &str = r#"set -eu
        mkdir -p /var/lib/containers/storage /run/containers /run/libpod
        mount -t tmpfs -o size=24m tmpfs /var/lib/containers/storage
        mount -t tmpfs tmpfs /run/containers
        mount -t tmpfs tmpfs /run/libpod
        exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT, "sh"]).arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// A call, and the word of the command in whose middle the daemon dies.
struct Doomed {
    name: &'static str,
    word: &'static str,
    /// How long the command may go on before.
    after: Duration,
    call: fn(Portreeve, ContainerSpec) -> Ending,
}

/// How a call ends, whatever it gives.
type Ending = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

macro_rules! doomed {
    ($name:literal, $word:literal, $after:literal, |$host:ident, $spec:ident| $call:expr) => {
        Doomed {
            name: $name,
            word: $word,
            after: Duration::from_millis($after),
            call: |$host, $spec| Box::pin(async move { $call.await.map(drop) }),
        }
    };
}

/// Every call of the façade that needs the engine. The container of the spec runs, but for the first three.
const CALLS: [Doomed; 19] = [
    doomed!("pull", "pull", 30, |host, spec| host.pull(&spec.image)),
    doomed!("create", "create", 20, |host, spec| host.create(&spec)),
    doomed!("run", "start", 20, |host, spec| host.run(&spec)),
    doomed!("attach", "start", 200, |host, spec| async {
        host.remove(spec.name.as_str(), true).await?;
        host.run_attached(&spec).await?.finish().await
    }),
    doomed!("start", "start", 20, |host, spec| host.start(spec.name.as_str())),
    doomed!("exec", "exec", 150, |host, spec| async {
        let wait = ExecSpec::new(["/deckhand", "wait"]);
        host.exec(spec.name.as_str(), &wait).await?.finish().await
    }),
    doomed!("logs", "logs", 100, |host, spec| async {
        let follow = LogOptions { follow: true, ..LogOptions::default() };
        host.logs(spec.name.as_str(), &follow).await?.finish().await
    }),
    doomed!("wait", "wait", 100, |host, spec| host.wait(spec.name.as_str())),
    doomed!("stop", "stop", 0, |host, spec| host.stop(spec.name.as_str(), Duration::from_secs(2))),
    doomed!("kill", "kill", 0, |host, spec| async { host.kill(spec.name.as_str(), &"USR1".parse().unwrap()).await }),
    doomed!("pause", "pause", 0, |host, spec| host.pause(spec.name.as_str())),
    doomed!("top", "top", 0, |host, spec| host.top(spec.name.as_str())),
    doomed!("stats", "stats", 10, |host, spec| host.stats(spec.name.as_str())),
    doomed!("inspect", "inspect", 0, |host, spec| host.inspect(spec.name.as_str())),
    doomed!("list", "ps", 0, |host, _spec| host.list()),
    doomed!("images", "images", 0, |host, _spec| host.images()),
    doomed!("volume", "volume", 0, |host, spec| host.ensure_volume(spec.name.as_str(), &[])),
    doomed!("verify", "save", 0, |host, spec| host.verify(&spec.image, true)),
    doomed!("remove", "rm", 0, |host, spec| host.remove(spec.name.as_str(), true)),
];

/// Kills a daemon once, so long after a command with this word began.
#[derive(Clone, Default)]
struct Assassin(Arc<Mutex<Option<Order>>>);

/// Whom, after which word, and how long after it.
type Order = (Pid, &'static str, Duration);

impl Assassin {
    fn hire(&self, daemon: Pid, doomed: &Doomed) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((daemon, doomed.word, doomed.after));
    }

    fn is_done(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn hear(&self, event: &Event) {
        let Event::Command { argv, .. } = event else { return };
        let mut order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((daemon, _, after)) = order.take_if(|(_, word, _)| argv.iter().any(|part| part == word)) {
            std::thread::spawn(move || {
                std::thread::sleep(after);
                kill_process(daemon, Signal::KILL).unwrap();
            });
        }
    }
}

/// A daemon that is killed in the middle of each call, one after another, and started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_may_die_in_the_middle_of_each_call() {
    if !may_harm(Engine::Docker, "a daemon that dies in the middle of a call") {
        return;
    }
    let mut daemon = Daemon::start(&Options::named("doomed")).unwrap();
    let (_registry, image) = served(8 << 20).await;
    let (state, assassin) = (state(), Assassin::default());
    let ear = assassin.clone();
    let builder = on_daemon(daemon.folder(), &state.path().join("state")).on_event(move |event| ear.hear(event));
    let host = builder.build().await.unwrap();
    let spared = spec(&image, "spared");
    host.pull(&image).await.unwrap();
    host.create(&spared).await.unwrap();
    for doomed in &CALLS {
        // No word of a command is a container's name.
        let spec = spec(&image, &format!("c-{}", doomed.name));
        match doomed.name {
            // With a container of it there, it could not be removed.
            "pull" => {}
            "create" | "run" => {}
            _ => drop(host.run(&spec).await.unwrap()),
        }
        if doomed.name == "start" {
            host.stop(spec.name.as_str(), Duration::from_secs(1)).await.unwrap();
        }
        assassin.hire(daemon.pid().unwrap(), doomed);
        let begun = Instant::now();
        let ended = within(DEADLINE * 2, (doomed.call)(host.clone(), spec.clone())).await;
        let took = begun.elapsed();
        assert!(assassin.is_done(), "{}: no command with the word {:?}", doomed.name, doomed.word);
        println!("{}: {:?} after {took:?}", doomed.name, ended.as_ref().map_err(ToString::to_string));
        match &ended {
            // It was done before the daemon was.
            Ok(()) => {}
            Err(error) => assert!(is_its_own(error), "{}: {error:?}", doomed.name),
        }
        assert!(took < DEADLINE, "{} went on for {took:?}", doomed.name);
        daemon.start_again().unwrap();
        // What a client left unfinished may still be under way in the daemon.
        host.cleanup().await.unwrap();
        host.remove(spec.name.as_str(), true).await.map(drop).or_else(absent).unwrap();
        host.remove_volume(spec.name.as_str(), true).await.map(drop).or_else(absent).unwrap();
        assert!(host.leftovers().await.unwrap().is_empty(), "{}", doomed.name);
        let there: Vec<String> = host.list().await.unwrap().into_iter().map(|one| one.name).collect();
        assert_eq!(there, ["spared"], "{}", doomed.name);
    }
    host.remove("spared", true).await.unwrap();
    assert!(host.verify_journal(None).unwrap().is_intact());
    for words in [&["ps", "--all", "--quiet"][..], &["volume", "ls", "--quiet"]] {
        let left = daemon.client().args(words).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&left.stdout), "", "{words:?}");
    }
}

/// The daemon is not there: said as such, whatever it was asked for. Where every backend was asked, that none answers.
fn is_its_own(error: &Error) -> bool {
    match error {
        Error::Unavailable(_) => error.is_retryable(),
        Error::NoEngine(problems) => problems.iter().all(|problem| problem.contains("unavailable")),
        _ => false,
    }
}

fn absent(error: Error) -> Result<(), Error> {
    if matches!(error, Error::NotFound { .. }) { Ok(()) } else { Err(error) }
}

fn spec(image: &Reference, name: &str) -> ContainerSpec {
    let mut spec = ContainerSpec::new(image.clone(), name.parse().unwrap());
    spec.words = vec!["say".to_owned(), "here".to_owned(), "wait".to_owned()];
    spec.network = Some(NetworkMode::None);
    spec
}
