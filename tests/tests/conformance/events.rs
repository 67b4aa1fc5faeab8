//! What happens to our containers, as it happens.

use std::sync::Arc;
use std::time::Duration;

use portreeve::spec::HealthCheck;
use portreeve::{Condition, ContainerEvent, EventStream, Happening, Health};
use rustix::process::{Pid, Signal, kill_process};

use crate::setting::Setting;

const PATIENCE: Duration = Duration::from_secs(20);

/// What is told of a container, until this is.
async fn told(stream: &mut EventStream, name: &str, last: &str) -> Vec<ContainerEvent> {
    let mut events = Vec::new();
    loop {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        let event = next.unwrap_or_else(|_| panic!("{last} did not come: {events:?}")).unwrap().unwrap();
        if event.name == name {
            events.push(event);
        }
        if events.last().is_some_and(|event| event.happening.as_str() == last) {
            return events;
        }
    }
}

fn words(events: &[ContainerEvent]) -> Vec<&'static str> {
    // What the engine did about it besides is its own.
    let own = |word: &&str| *word != "stopped";
    events.iter().map(|event| event.happening.as_str()).filter(own).collect()
}

pub(crate) async fn a_life_is_told_in_order(setting: Arc<Setting>) {
    let mut stream = setting.host.events().await.unwrap();
    let mut spec = setting.spec(&["sleep", "0.2", "exit", "7"]);
    spec.labels = vec!["org.example.a=x,y=z".parse().unwrap()];
    let name = spec.name.as_str();
    setting.run_to_end(&spec).await;
    let id = setting.host.inspect(name).await.unwrap().id;
    setting.host.remove(name, false).await.unwrap();
    let events = told(&mut stream, name, "removed").await;
    assert_eq!(words(&events), ["created", "started", "died", "removed"], "{events:?}");
    assert!(events.iter().any(|event| event.happening == Happening::Died { status: Some(7) }), "{events:?}");
    for event in &events {
        assert_eq!((event.id.as_str(), event.backend.as_str()), (id.as_str(), setting.kind().backend()));
        assert_eq!(event.labels, [("org.example.a".to_owned(), "x,y=z".to_owned())].into());
        assert!(event.time.contains('T') && event.time.ends_with('Z'), "{}", event.time);
    }
}

pub(crate) async fn a_pause_and_a_stop_are_told(setting: Arc<Setting>) {
    let (name, mut stream) = (setting.name("paused"), setting.host.events().await.unwrap());
    setting.run_waiting(&name).await;
    let paused = setting.host.pause(&name).await.is_ok();
    if paused {
        setting.host.unpause(&name).await.unwrap();
    }
    setting.host.stop(&name, PATIENCE).await.unwrap();
    setting.host.remove(&name, false).await.unwrap();
    let events = told(&mut stream, &name, "removed").await;
    let expected: &[&str] = if paused {
        &["created", "started", "paused", "unpaused", "died", "removed"]
    } else {
        &["created", "started", "died", "removed"]
    };
    // Podman tells of a pause that it could not make.
    let told: Vec<&str> = words(&events).into_iter().filter(|word| paused || *word != "paused").collect();
    assert_eq!(told, expected, "{events:?}");
}

pub(crate) async fn a_health_check_is_told(setting: Arc<Setting>) {
    let mut stream = setting.host.events().await.unwrap();
    let mut spec = setting.spec(&["say", "here", "wait"]);
    let words = ["/deckhand", "id"].map(str::to_owned).to_vec();
    let (interval, timeout) = (Duration::from_millis(300), Duration::from_secs(5));
    spec.health = Some(HealthCheck { interval, timeout, ..HealthCheck::new(words).unwrap() });
    let name = spec.name.as_str();
    setting.host.run(&spec).await.unwrap();
    setting.host.wait_until(name, &Condition::Healthy, PATIENCE).await.unwrap();
    let events = told(&mut stream, name, "health").await;
    let last = events.last().unwrap().happening;
    // Podman 4.3 tells what it was before.
    let known = [Some(Health::Healthy), Some(Health::Starting)].map(|health| Happening::Health { health });
    assert!(known.contains(&last), "{last:?}");
}

pub(crate) async fn only_our_events_are_told(setting: Arc<Setting>) {
    let mut stream = setting.host.events().await.unwrap();
    let (foreign, copied, other, ours) =
        (setting.name("foreign"), setting.name("copied"), setting.name("other"), setting.name("ours"));
    setting.foreign(&foreign, &[]);
    let model = setting.name("model");
    setting.host.create(&setting.named(&model, &["wait"])).await.unwrap();
    let labels = &setting.truth(&model).unwrap()["Config"]["Labels"];
    let copies: Vec<String> = ["io.portreeve.owner", "io.portreeve.install"]
        .map(|key| format!("{key}={}", labels[key].as_str().unwrap()))
        .to_vec();
    setting.foreign(&copied, &copies);
    let another = setting.another_install("events").await;
    another.create(&setting.named(&other, &["wait"])).await.unwrap();
    setting.host.create(&setting.named(&ours, &["wait"])).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&ours) {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        seen.push(next.unwrap_or_else(|_| panic!("{seen:?}")).unwrap().unwrap().name);
    }
    seen.dedup();
    assert_eq!(seen, [model, ours]);
}

pub(crate) async fn events_go_on_when_the_engines_client_ends(setting: Arc<Setting>) {
    let mut stream = setting.host.events().await.unwrap();
    let mut told_of = async |label: &str| {
        let spec = setting.named(&setting.name(label), &["exit", "3"]);
        setting.run_to_end(&spec).await;
        setting.host.remove(spec.name.as_str(), false).await.unwrap();
        let mut events = Vec::new();
        while events.last() != Some(&(spec.name.to_string(), "removed")) {
            let next = tokio::time::timeout(PATIENCE, stream.next()).await;
            let event = next.unwrap_or_else(|_| panic!("{events:?}")).unwrap().unwrap();
            if event.happening != Happening::Stopped {
                events.push((event.name, event.happening.as_str()));
            }
        }
        assert!(events.iter().all(|(name, _)| *name == spec.name.as_str()), "told twice: {events:?}");
        assert_eq!(events.len(), 4, "{events:?}");
    };
    told_of("before").await;
    for killed in listeners(&setting) {
        kill_process(killed, Signal::KILL).unwrap();
    }
    told_of("after").await;
    setting.until("somebody listens again", || listeners(&setting).len() == 1).await;
}

pub(crate) async fn events_end_when_nobody_listens(setting: Arc<Setting>) {
    let stream = setting.host.events().await.unwrap();
    setting.until("somebody listens", || !listeners(&setting).is_empty()).await;
    drop(stream);
    setting.until("nobody listens", || listeners(&setting).is_empty()).await;
}

/// The engine's clients that listen for this install.
fn listeners(setting: &Setting) -> Vec<Pid> {
    let label = format!("io.portreeve.install={}", setting.install());
    let listens = |pid: &i32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.contains("\0events\0") && line.contains(&label)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(listens).filter_map(Pid::from_raw).collect()
}
