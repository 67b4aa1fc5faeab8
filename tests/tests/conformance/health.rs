//! Health checks, and waiting for what a container has to become.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve::spec::{HealthCheck, NetworkMode};
use portreeve::{Condition, ContainerSpec, Error, Health};
use serde_json::json;

use crate::behaviours::folder;
use crate::setting::Setting;

const LONG: Duration = Duration::from_secs(30);

/// Well while a file is there.
fn check(file: &str) -> HealthCheck {
    let words = ["/deckhand", "file", file].map(str::to_owned).to_vec();
    HealthCheck {
        interval: Duration::from_millis(300),
        timeout: Duration::from_secs(5),
        retries: 2,
        ..HealthCheck::new(words).unwrap()
    }
}

/// A container that is well while the file is there.
fn checked(setting: &Setting, words: &[&str]) -> (ContainerSpec, PathBuf) {
    let mut spec = setting.spec(words);
    let shared = folder(setting, &format!("health-{}", spec.name));
    spec.mounts = vec![format!("{}:/h:ro", shared.display()).parse().unwrap()];
    spec.health = Some(check("/h/it's well"));
    (spec, shared.join("it's well"))
}

pub(crate) async fn a_health_check_is_what_was_asked_for(setting: Arc<Setting>) {
    let (mut spec, _) = checked(&setting, &["wait"]);
    spec.health.as_mut().unwrap().start_period = Duration::from_millis(1500);
    setting.host.create(&spec).await.unwrap();
    let truth = setting.truth(spec.name.as_str()).unwrap();
    let health = &truth["Config"]["Healthcheck"];
    let test = if setting.kind().is_podman() {
        json!(["CMD", "/deckhand", "file", "/h/it's well"])
    } else {
        json!(["CMD-SHELL", r"'/deckhand' 'file' '/h/it'\''s well'"])
    };
    assert_eq!(health["Test"], test);
    for (key, nanos) in [("Interval", 300_000_000_u64), ("Timeout", 5_000_000_000), ("StartPeriod", 1_500_000_000)] {
        assert_eq!(health[key], nanos, "{key}");
    }
    assert_eq!(health["Retries"], 2);
    // The same again is the same container, another check another one.
    let mark = setting.mark();
    setting.host.create(&spec).await.unwrap();
    assert!(!setting.was_told_to("create", mark));
    spec.health.as_mut().unwrap().retries = 3;
    assert!(matches!(setting.host.create(&spec).await, Err(Error::Conflict(_))));
}

pub(crate) async fn a_container_that_gets_well_is_waited_for(setting: Arc<Setting>) {
    let (spec, file) = checked(&setting, &["say", "here", "wait"]);
    let name = spec.name.as_str();
    setting.host.run(&spec).await.unwrap();
    let waiting = tokio::spawn({
        let (host, name) = (setting.host.clone(), name.to_owned());
        async move { host.wait_until(&name, &Condition::Healthy, LONG).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!waiting.is_finished());
    std::fs::write(&file, "").unwrap();
    let well = waiting.await.unwrap().unwrap();
    assert_eq!(well.health, Some(Health::Healthy));
    assert_eq!(setting.truth(name).unwrap()["State"]["Health"]["Status"], "healthy");
    assert_eq!(setting.host.inspect(name).await.unwrap().health, Some(Health::Healthy));
}

pub(crate) async fn a_container_that_is_not_well_is_a_time_out_with_its_state(setting: Arc<Setting>) {
    let (spec, _) = checked(&setting, &["say", "here", "wait"]);
    let name = spec.name.as_str();
    setting.host.run(&spec).await.unwrap();
    let error = setting.host.wait_until(name, &Condition::Healthy, Duration::from_secs(4)).await.unwrap_err();
    let Error::Timeout(why) = &error else { panic!("{error:?}") };
    assert!(why.contains("not healthy after 4s") && why.contains("running, unhealthy"), "{why}");
}

pub(crate) async fn what_ends_is_not_waited_for(setting: Arc<Setting>) {
    let begun = Instant::now();
    for condition in [Condition::Healthy, Condition::Log("never said".to_owned()), Condition::Port(8080)] {
        let (spec, _) = checked(&setting, &["sleep", "0.3", "exit", "7"]);
        setting.host.run(&spec).await.unwrap();
        let error = setting.host.wait_until(spec.name.as_str(), &condition, LONG).await.unwrap_err();
        assert!(matches!(&error, Error::InUse(why) if why.contains("exited (7)")), "{condition}: {error:?}");
    }
    assert!(begun.elapsed() < LONG);
}

pub(crate) async fn without_a_health_check_nobody_is_well(setting: Arc<Setting>) {
    let name = setting.name("unchecked");
    let info = setting.run_waiting(&name).await;
    assert_eq!(info.health, None);
    let error = setting.host.wait_until(&name, &Condition::Healthy, LONG).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(why) if why.contains("no health check")), "{error:?}");
}

pub(crate) async fn a_line_of_the_log_is_waited_for(setting: Arc<Setting>) {
    let spec = setting.spec(&["say", "not yet", "sleep", "0.5", "warn", "it is ready now", "wait"]);
    let name = spec.name.as_str();
    setting.host.run(&spec).await.unwrap();
    let begun = Instant::now();
    setting.host.wait_until(name, &Condition::Log("ready now".to_owned()), LONG).await.unwrap();
    // What was said before counts, too.
    setting.host.wait_until(name, &Condition::Log("not yet".to_owned()), LONG).await.unwrap();
    assert!(begun.elapsed() < LONG);
    let never = Condition::Log("yet it is".to_owned());
    let error = setting.host.wait_until(name, &never, Duration::from_millis(500)).await.unwrap_err();
    assert!(matches!(&error, Error::Timeout(why) if why.contains("running")), "{error:?}");
}

pub(crate) async fn a_listener_is_waited_for(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["sleep", "1", "listen", "8080"]);
    let name = spec.name.to_string();
    spec.network = Some(NetworkMode::Bridge);
    spec.ports = vec!["127.0.0.1:0:8080".parse().unwrap()];
    let begun = Instant::now();
    setting.host.run(&spec).await.unwrap();
    let error = setting.host.wait_until(&name, &Condition::Port(8080), Duration::from_millis(300)).await;
    // A slow machine may take longer to start it than it sleeps.
    assert!(matches!(error, Err(Error::Timeout(_))) || begun.elapsed() > Duration::from_secs(1), "{error:?}");
    let info = setting.host.wait_until(&name, &Condition::Port(8080), LONG).await.unwrap();
    assert_eq!(info.ports.len(), 1);
    assert!(std::net::TcpStream::connect(("127.0.0.1", info.ports[0].host)).is_ok());
}
