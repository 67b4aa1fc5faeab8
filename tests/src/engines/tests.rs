//! The engines pull the built-in image, run it, and notice each fault of a registry.

use super::*;
use crate::registry::{Fault, Liar};
use portreeve::demo::image::{BuiltinImage, ImageOptions};
use portreeve::demo::registry::Registry;
use serde_json::Value;

/// A registry with one image that no engine has seen.
struct Port {
    registry: Registry<Liar>,
    image: BuiltinImage,
    /// The server's threads; ended last.
    _runtime: tokio::runtime::Runtime,
}

const REPOSITORY: &str = "crew/deckhand";

impl Port {
    fn open() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let registry = runtime.block_on(Registry::serve(Liar::default())).unwrap();
        let files = [("nonce".to_owned(), unique("nonce").into_bytes())].into();
        let image = BuiltinImage::build(&ImageOptions { files, ..ImageOptions::default() }).unwrap();
        registry.keeper().publish(REPOSITORY, "latest", &image);
        Self { registry, image, _runtime: runtime }
    }

    fn pull(&self, engine: Engine, digest: &portreeve::digest::Digest) -> Answer {
        let reference = self.registry.reference(REPOSITORY, digest);
        engine.ask(&[&["pull"], engine.pull_flags(), &[reference.as_str()]].concat())
    }
}

/// Creates a container by hand; it is removed when the guard is dropped.
fn create(engine: Engine, image: &BuiltinImage, words: &[&str]) -> (String, Removal) {
    let name = unique("portreeve-fixture");
    let removal = engine.remove_at_end(name.as_str());
    let flags = engine.create_flags();
    let own = ["--network=none", "--name", &name];
    let id = image.config().to_string();
    let flags: Vec<_> = flags.iter().map(String::as_str).chain(own).chain([id.as_str()]).collect();
    let answer = engine.ask(&[&["create"], flags.as_slice(), words].concat());
    assert_eq!(answer.status, 0, "{}: {answer:?}", engine.name());
    (name, removal)
}

fn remove_image(engine: Engine, image: &BuiltinImage) {
    let answer = engine.ask(&["rmi", "--force", &image.config().to_string()]);
    assert_eq!(answer.status, 0, "{}: {answer:?}", engine.name());
}

#[test]
fn each_engine_pulls_by_digest_what_the_registry_has() {
    for engine in Engine::all() {
        let port = Port::open();
        for digest in [port.image.manifest(), port.image.index()] {
            let pulled = port.pull(engine, &digest);
            assert_eq!(pulled.status, 0, "{}: {pulled:?}", engine.name());
        }
        let inspected = engine.ask(&["image", "inspect", &port.image.config().to_string()]);
        let inspected: Value = serde_json::from_str(&inspected.stdout).unwrap();
        let id = inspected[0]["Id"].as_str().unwrap();
        assert_eq!(id.trim_start_matches("sha256:"), port.image.config().hex(), "{}", engine.name());
        assert_eq!(inspected[0]["RootFS"]["Layers"][0], port.image.layer().to_string(), "{}", engine.name());
        remove_image(engine, &port.image);
    }
}

#[test]
fn each_engine_runs_the_deckhand_with_its_status_and_streams() {
    for engine in Engine::all() {
        let port = Port::open();
        assert_eq!(port.pull(engine, &port.image.manifest()).status, 0);
        let words = ["say", "aye", "warn", "nay", "pwd", "id", "env", "PATH", "file", "/nonce", "exit", "7"];
        let (name, removal) = create(engine, &port.image, &words);
        let answer = engine.ask(&["start", "--attach", &name]);
        assert_eq!(answer.status, 7, "{}: {answer:?}", engine.name());
        assert!(
            answer.stdout.starts_with("aye\n/\nuid=0 gid=0 groups=") && answer.stdout.contains("nonce-"),
            "{answer:?}"
        );
        assert!(answer.stderr.ends_with("nay\n"), "{}: {answer:?}", engine.name());
        drop(removal);
        remove_image(engine, &port.image);
    }
}

#[test]
fn the_deckhand_ends_on_term_at_once_and_can_refuse_to() {
    for engine in Engine::all() {
        let port = Port::open();
        assert_eq!(port.pull(engine, &port.image.manifest()).status, 0);
        for (words, status) in [(&["say", "up", "wait"][..], "143"), (&["ignore-term", "say", "up", "wait"], "137")] {
            let (name, removal) = create(engine, &port.image, words);
            assert_eq!(engine.ask(&["start", &name]).status, 0, "{}", engine.name());
            until_it_says_up(engine, &name);
            let stopped = engine.ask(&["stop", "-t", "2", &name]);
            assert_eq!(stopped.status, 0, "{}: {stopped:?}", engine.name());
            assert_eq!(engine.ask(&["wait", &name]).stdout.trim(), status, "{} {words:?}", engine.name());
            drop(removal);
        }
        remove_image(engine, &port.image);
    }
}

fn until_it_says_up(engine: Engine, name: &str) {
    let until = Instant::now() + PATIENCE;
    while engine.ask(&["logs", name]).stdout != "up\n" {
        assert!(Instant::now() < until, "{}: {name} said nothing", engine.name());
    }
}

#[test]
fn each_engine_notices_each_fault_of_a_registry() {
    let cases = [
        (
            Fault::OtherManifestBytes,
            "does not match provided manifest digest",
            "manifest verification failed for digest",
        ),
        (Fault::BadLayer, "digest did not match, expected", "filesystem layer verification failed"),
        (Fault::BadConfig, "does not match expected", "image config verification failed"),
        (Fault::Unauthorised, "unauthorized", "unauthorized"),
        (Fault::ServerError(503), "503", "503 service unavailable"),
    ];
    for engine in Engine::all() {
        for (fault, podman, docker) in cases {
            let port = Port::open();
            port.registry.keeper().misbehave(REPOSITORY, fault);
            let answer = port.pull(engine, &port.image.manifest());
            let (status, text) = if engine.backend() == "docker" { (1, docker) } else { (125, podman) };
            assert_eq!(answer.status, status, "{} {fault:?}: {answer:?}", engine.name());
            assert!(answer.stderr.to_lowercase().contains(text), "{} {fault:?}: {answer:?}", engine.name());
            assert_ne!(port.registry.keeper().asked(), []);
        }
    }
}

#[test]
fn a_stalled_registry_keeps_an_engine_waiting() {
    for engine in Engine::all() {
        let port = Port::open();
        port.registry.keeper().misbehave(REPOSITORY, Fault::Stall);
        let reference = port.registry.reference(REPOSITORY, &port.image.manifest());
        let mut pull = engine.client();
        let mut pull = pull.arg("pull").args(engine.pull_flags()).arg(reference).spawn().unwrap();
        std::thread::sleep(Duration::from_secs(1));
        assert!(pull.try_wait().unwrap().is_none(), "{}", engine.name());
        pull.kill().unwrap();
        pull.wait().unwrap();
    }
}

#[test]
fn commands_run_as_the_engines_user_in_an_environment_from_nothing() {
    for engine in Engine::all() {
        let printed = Answer::from(engine.command("/usr/bin/env").output().unwrap());
        let names: Vec<_> =
            printed.stdout.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        let rootless = engine == Engine::PodmanRootless;
        assert_eq!(names.len(), if rootless { 4 } else { 3 }, "{names:?}");
        let folder = engine.folder().unwrap();
        let copy = engine.install(Path::new("/usr/bin/id"), &folder).unwrap();
        let id = Answer::from(engine.command(copy).arg("-u").output().unwrap());
        assert_eq!(id.stdout.trim() == "0", !rootless, "{id:?}");
    }
}

#[test]
fn a_name_is_had_once() {
    assert_ne!(unique("a"), unique("a"));
}
