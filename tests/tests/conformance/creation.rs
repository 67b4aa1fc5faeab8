//! Creation: exactly what was asked for, once, and never over something else.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use portreeve::demo::image::ImageOptions;
use portreeve::spec::{HealthCheck, Label, Memory, NetworkMode, RestartPolicy};
use portreeve::{ContainerSpec, ContainerState, Difference, Error};
use serde_json::Value;

use crate::behaviours::folder;
use crate::secrets::{Watched, secret};
use crate::setting::Setting;

pub(crate) async fn create_is_an_exact_rendering(setting: Arc<Setting>) {
    let source = folder(&setting, "exact");
    let spec = exact(&setting, source.to_str().unwrap());
    let created = setting.host.create(&spec).await.unwrap();
    assert_eq!(created.state, ContainerState::Created);
    let truth = setting.truth(spec.name.as_str()).unwrap();
    assert_eq!(created.id, bare(&truth["Id"]));
    assert_eq!((bare(&truth["Image"]), created.image_id), (setting.image.id(), setting.image.id()));
    has_labels(&truth, &spec);
    let env = texts(&truth["Config"]["Env"]);
    for expected in ["PLAIN=a=b, \"c\"", "discovery.type=single-node", "PATH=/"] {
        assert!(env.iter().any(|entry| entry == expected), "{expected} is not in {env:?}");
    }
    assert_eq!(texts_or_word(&truth["Config"]["Entrypoint"]), ["/deckhand"]);
    assert_eq!(
        texts(&truth["Config"]["Cmd"]),
        ["print", "first", "say", "--privileged", "args", "-v", "/:/host", "a\nb"]
    );
    assert_eq!(
        (truth["Config"]["User"].as_str(), truth["Config"]["WorkingDir"].as_str()),
        (Some("65534:65534"), Some("/tmp"))
    );
    has_mounts(&truth, source.to_str().unwrap());
    has_limits(&setting, &truth);
    runs_as_asked(&setting, &spec).await;
}

fn exact(setting: &Setting, source: &str) -> ContainerSpec {
    let words = ["say", "--privileged", "args", "-v", "/:/host", "a\nb"];
    let mut spec = setting.spec(&words);
    spec.entrypoint = vec!["/deckhand".to_owned(), "print".to_owned(), "first".to_owned()];
    spec.labels = vec![Label::new("org.example.a", "1,b=\"2\"").unwrap(), Label::new("org.example.empty", "").unwrap()];
    spec.env = vec!["PLAIN=a=b, \"c\"".parse().unwrap(), "discovery.type=single-node".parse().unwrap()];
    spec.mounts = vec![format!("{source}:/data:ro").parse().unwrap(), format!("{source}:/outbox").parse().unwrap()];
    spec.ports = Vec::new();
    spec.user = Some("65534:65534".parse().unwrap());
    spec.workdir = Some("/tmp".parse().unwrap());
    spec.memory = Some(Memory::from_bytes(64 << 20));
    spec.pids = NonZeroU32::new(64);
    spec
}

fn has_labels(truth: &Value, spec: &ContainerSpec) {
    let labels: BTreeMap<String, String> = serde_json::from_value(truth["Config"]["Labels"].clone()).unwrap();
    for label in &spec.labels {
        assert_eq!(labels.get(label.key()).map(String::as_str), Some(label.value()));
    }
    let others: Vec<_> = labels.keys().filter(|key| !key.starts_with("org.example.")).collect();
    assert!(others.iter().all(|key| key.starts_with("io.portreeve.")), "{others:?}");
    assert!(labels.contains_key("io.portreeve.owner"));
}

fn has_mounts(truth: &Value, source: &str) {
    let mounts = truth["Mounts"].as_array().unwrap();
    let seen: Vec<_> = mounts
        .iter()
        .map(|mount| {
            (mount["Source"].as_str().unwrap(), mount["Destination"].as_str().unwrap(), mount["RW"].as_bool().unwrap())
        })
        .collect();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen.contains(&(source, "/data", false)) && seen.contains(&(source, "/outbox", true)), "{seen:?}");
}

fn has_limits(setting: &Setting, truth: &Value) {
    let host = &truth["HostConfig"];
    assert_eq!(host["Privileged"], false);
    assert!(host["NetworkMode"] == "none", "{}", host["NetworkMode"]);
    assert!(host["SecurityOpt"].to_string().contains("no-new-privileges"), "{}", host["SecurityOpt"]);
    if !setting.kind().is_rootless() {
        // Podman without root has no limits under cgroups v1, and says so in its own inspect.
        assert_eq!((host["Memory"].as_u64(), host["PidsLimit"].as_u64()), (Some(64 << 20), Some(64)));
    }
}

async fn runs_as_asked(setting: &Setting, spec: &ContainerSpec) {
    if !setting.kind().is_real() {
        // What it plays has no users and no working directories of its own.
        return;
    }
    let mut look = ContainerSpec { name: setting.name("look").parse().unwrap(), ..spec.clone() };
    look.entrypoint = Vec::new();
    look.words =
        ["id", "pwd", "env", "PLAIN", "env", "discovery.type", "args", "a\nb", "--x"].map(str::to_owned).to_vec();
    // The image has no /tmp; engines make a working directory that is missing.
    let heard = setting.hear(&look).await;
    assert_eq!(heard.status(), 0, "{heard:?}");
    assert!(heard.out.starts_with("uid=65534 gid=65534"), "{heard:?}");
    assert!(heard.out.ends_with("/tmp\nPLAIN=a=b, \"c\"\ndiscovery.type=single-node\na\nb\n--x\n"), "{heard:?}");
}

/// The caller's limit, and not the host's own beside it; above the host's it is refused where the engine has the host's.
pub(crate) async fn a_process_limit_of_the_callers_holds(setting: Arc<Setting>) {
    for limit in ["nofile=1024:1024", "nofile=512:600"] {
        let mut spec = setting.spec(&["file", "/proc/self/limits"]);
        spec.ulimits = vec![limit.parse().unwrap()];
        let heard = setting.hear(&spec).await;
        let own = &spec.ulimits[0];
        if setting.kind().is_real() {
            let line = heard.out.lines().find(|line| line.starts_with("Max open files")).unwrap();
            let numbers: Vec<i64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            assert_eq!(numbers, [own.soft, own.hard], "{heard:?}");
        }
    }
    let mut spec = setting.spec(&["say", "never"]);
    spec.ulimits = vec!["nofile=-1".parse().unwrap()];
    let bounded = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.is_some();
    if setting.kind().is_podman() && bounded {
        let Err(Error::Refused(refusal)) = setting.host.run(&spec).await else { panic!("it is not refused") };
        assert_eq!((refusal.slot.as_deref(), refusal.value.as_deref()), (Some("ulimit"), Some("nofile=-1:-1")));
        assert!(refusal.remedy.is_some_and(|remedy| remedy.contains("ask for at most nofile=")));
    }
}

pub(crate) async fn a_port_that_the_engine_chose_is_read_back(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["listen", "8080"]);
    spec.network = Some(NetworkMode::Bridge);
    spec.ports = vec!["8080".parse().unwrap()];
    let info = setting.host.run(&spec).await.unwrap();
    let [port] = info.ports.as_slice() else { panic!("{:?}", info.ports) };
    assert!(port.host != 0 && port.container == 8080 && port.address.is_loopback(), "{port}");
    let address = SocketAddr::new(port.address, port.host);
    setting.until(&format!("{address} answers"), || answers(address)).await;
    let other = taking(&setting, port.host);
    let error = setting.host.run(&other).await.unwrap_err();
    assert!(matches!(error, Error::PortInUse(_)), "{error:?}");
    assert!(!setting.exists(other.name.as_str()), "what could not be started is still there");
}

/// One that wants a port which is taken; nothing of it is left.
fn taking(setting: &Setting, port: u16) -> ContainerSpec {
    let mut spec = setting.spec(&["listen", "8080"]);
    spec.network = Some(NetworkMode::Bridge);
    spec.ports = vec![format!("{port}:8080").parse().unwrap()];
    spec
}

fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.ends_with("aye\n"))
}

pub(crate) async fn no_network_means_none(setting: Arc<Setting>) {
    let spec = setting.spec(&["ls", "/sys/class/net"]);
    let heard = setting.hear(&spec).await;
    assert_eq!(setting.truth(spec.name.as_str()).unwrap()["HostConfig"]["NetworkMode"], "none");
    if setting.kind().is_real() {
        // What it plays lives in this machine's network.
        assert_eq!((heard.out.as_str(), heard.status()), ("lo\n", 0), "{heard:?}");
    }
}

pub(crate) async fn mounts_are_what_they_say(setting: Arc<Setting>) {
    let source = folder(&setting, "mounted");
    fs::write(source.join("greeting"), "hello\n").unwrap();
    let mut spec = setting.spec(&["file", "/data/greeting", "write", "/outbox/answer", "yes"]);
    let text = source.to_str().unwrap();
    spec.mounts = vec![format!("{text}:/data:ro").parse().unwrap(), format!("{text}:/outbox:rw").parse().unwrap()];
    let heard = setting.hear(&spec).await;
    assert_eq!((heard.out.as_str(), heard.status()), ("hello\n", 0), "{heard:?}");
    assert_eq!(fs::read_to_string(source.join("answer")).unwrap(), "yes");
    if setting.kind().is_real() {
        // What it plays keeps nobody from writing.
        spec.name = setting.name("writes").parse().unwrap();
        spec.words = ["write", "/data/greeting", "no"].map(str::to_owned).to_vec();
        let heard = setting.hear(&spec).await;
        assert!(heard.status() == 1 && heard.err.contains("Read-only"), "{heard:?}");
        assert_eq!(fs::read_to_string(source.join("greeting")).unwrap(), "hello\n");
    }
}

pub(crate) async fn create_again_gives_the_existing_one(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["wait"]);
    spec.env = ["A=1", "B=2"].map(|text| text.parse().unwrap()).to_vec();
    spec.labels = ["a", "b"].map(|key| Label::new(&format!("org.example.{key}"), "1").unwrap()).to_vec();
    let first = setting.host.create(&spec).await.unwrap();
    let mark = setting.mark();
    // In another order it is the same.
    spec.env.reverse();
    spec.labels.reverse();
    let second = setting.host.create(&spec).await.unwrap();
    assert_eq!(first.id, second.id);
    let running = setting.host.run(&spec).await.unwrap();
    assert_eq!((running.id, running.state), (first.id.clone(), ContainerState::Running));
    let again = setting.host.run(&spec).await.unwrap();
    assert_eq!(again.id, first.id);
    assert!(!setting.was_told_to("create", mark));
    let starts = setting.argvs_since(mark, false).iter().filter(|argv| argv.iter().any(|word| word == "start")).count();
    assert_eq!(starts, 1);
}

pub(crate) async fn calls_for_one_name_make_it_once(setting: Arc<Setting>) {
    let spec = setting.spec(&["wait"]);
    // A host of its own, as another process has.
    let other = setting.ground.builder(setting.host.state_dir()).build().await.unwrap();
    let (mark, name) = (setting.mark(), spec.name.as_str());
    let (first, second, third, fourth) =
        tokio::join!(setting.host.run(&spec), other.run(&spec), setting.host.create(&spec), other.run(&spec));
    let ids = [first, second, third, fourth].map(|made| made.unwrap().id);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(setting.is_running(name) && !setting.was_told_to("rm", mark));
    let network = crate::networks::network(&setting.name("at-once"));
    let (one, another) = tokio::join!(setting.host.ensure_network(&network), other.ensure_network(&network));
    assert_eq!(one.unwrap().id, another.unwrap().id);
    setting.host.remove_network(network.name.as_str(), false).await.unwrap();
}

pub(crate) async fn another_spec_is_a_conflict_that_says_what_differs(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["wait"]);
    spec.env = vec!["A=1".parse().unwrap()];
    let first = setting.host.create(&spec).await.unwrap();
    let mark = setting.mark();
    let other = |change: &dyn Fn(&mut ContainerSpec)| {
        let mut other = spec.clone();
        change(&mut other);
        other
    };
    let image = setting.publish(ImageOptions::default());
    let cases = [
        ("env A", other(&|spec| spec.env = vec!["A=2".parse().unwrap()])),
        ("command", other(&|spec| spec.words = vec!["exit".to_owned(), "0".to_owned()])),
        ("workdir", other(&|spec| spec.workdir = Some("/tmp".parse().unwrap()))),
        ("label org.example.a", other(&|spec| spec.labels = vec![Label::new("org.example.a", "b").unwrap()])),
        ("image", other(&|spec| spec.image = image.single())),
        ("read-only", other(&|spec| spec.read_only = true)),
        ("cap-drop", other(&|spec| spec.cap_drop = vec!["CHOWN".to_owned()])),
        ("restart", other(&|spec| spec.restart = Some(RestartPolicy::Always))),
        ("health", other(&|spec| spec.health = Some(HealthCheck::new(vec!["/deckhand".to_owned()]).unwrap()))),
        ("memory", other(&|spec| spec.memory = Some("64m".parse().unwrap()))),
        ("ports", other(&|spec| spec.ports = vec!["127.0.0.1:0:80".parse().unwrap()])),
        ("env A", other(&|spec| spec.env.clear())),
        ("pids", other(&|spec| spec.pids = NonZeroU32::new(7))),
        ("entrypoint", other(&|spec| spec.entrypoint = vec!["/other".to_owned()])),
        ("hostname", other(&|spec| spec.hostname = Some("deck".parse().unwrap()))),
        ("network", other(&|spec| spec.network = Some(NetworkMode::Bridge))),
        ("remove", other(&|spec| spec.remove = true)),
        ("stop-grace", other(&|spec| spec.stop_grace = Some(7))),
        ("secret API_TOKEN", other(&|spec| spec.secrets = vec![secret("API_TOKEN", "kauri-otter-71")])),
    ];
    for (field, other) in cases {
        assert_eq!(fields_of(&conflict(&setting, &other).await), [field]);
    }
    let many = other(&|spec| {
        spec.env = vec!["A=2".parse().unwrap()];
        spec.cpus = Some("0.5".parse().unwrap());
        spec.stdin = true;
    });
    assert_eq!(fields_of(&conflict(&setting, &many).await), ["env A", "cpus", "stdin"]);
    let same = other(&|spec| spec.restart = Some(RestartPolicy::No));
    assert_eq!(setting.host.create(&same).await.unwrap().id, first.id);
    assert!(!setting.was_told_to("create", mark) && !setting.was_told_to("rm", mark));
    assert_eq!(setting.host.inspect(spec.name.as_str()).await.unwrap().id, first.id);
}

pub(crate) async fn a_changed_secret_is_a_conflict_that_tells_no_value(setting: Arc<Setting>) {
    let (old, new) = (Watched::new(&setting, "old"), Watched::new(&setting, "new"));
    let mut spec = setting.spec(&["wait"]);
    spec.secrets = vec![secret("API_TOKEN", old.value())];
    let first = setting.host.create(&spec).await.unwrap();
    assert_eq!(setting.host.create(&spec).await.unwrap().id, first.id);
    spec.secrets = vec![secret("API_TOKEN", new.value())];
    let differs = conflict(&setting, &spec).await;
    let text = format!("{differs:?}");
    assert!(text.contains("secret") && text.contains("changed"), "{text}");
    for watched in [old, new] {
        watched.is_not_in("the conflict", &text);
        watched.is_nowhere(&setting);
    }
}

fn fields_of(differs: &[Difference]) -> Vec<&str> {
    differs.iter().map(|difference| difference.field.as_str()).collect()
}

async fn conflict(setting: &Setting, spec: &ContainerSpec) -> Vec<Difference> {
    match setting.host.create(spec).await {
        Err(Error::Conflict(conflict)) => conflict.differs,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_foreign_name_is_a_conflict(setting: Arc<Setting>) {
    let name = setting.name("taken");
    let id = setting.foreign(&name, &[]);
    for call in 0..2 {
        let spec = setting.named(&name, &["say", "never"]);
        let error = if call == 0 {
            setting.host.create(&spec).await.map(drop)
        } else {
            setting.host.run(&spec).await.map(drop)
        };
        let error = error.unwrap_err();
        assert!(matches!(&error, Error::Conflict(conflict) if conflict.differs.is_empty()), "{error:?}");
        assert!(error.to_string().contains("not ours"), "{error}");
    }
    assert_eq!(bare(&setting.truth(&name).unwrap()["Id"]), id);
    assert!(setting.is_running(&name));
}

fn bare(id: &Value) -> String {
    id.as_str().unwrap().trim_start_matches("sha256:").to_owned()
}

fn texts(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

/// Docker has a list where Podman has one text.
fn texts_or_word(value: &Value) -> Vec<String> {
    value.as_str().map_or_else(|| texts(value), |word| vec![word.to_owned()])
}
