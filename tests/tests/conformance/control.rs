//! Containers that are there: paused, started anew, looked into, and never called otherwise.

use std::sync::Arc;
use std::time::Duration;

use portreeve::spec::Variable;
use portreeve::{ContainerState, Error, Rule};
use serde_json::Value;

use crate::setting::Setting;

const GRACE: Duration = Duration::from_secs(5);

/// Podman without root can neither pause nor count under cgroups v1, and says so.
fn can_not(setting: &Setting) -> bool {
    let v1 = std::path::Path::new("/sys/fs/cgroup/freezer").exists();
    setting.kind().is_rootless() && v1
}

fn is_unsupported(error: &Error) -> bool {
    matches!(error, Error::Unsupported(why) if why.to_lowercase().contains("rootless"))
}

pub(crate) async fn a_pause_stands_still_until_it_ends(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("paused"));
    setting.run_waiting(&name).await;
    if can_not(&setting) {
        assert!(is_unsupported(&host.pause(&name).await.unwrap_err()));
        assert!(setting.is_running(&name));
        assert_eq!(host.unpause(&name).await.unwrap().state, ContainerState::Running);
        return;
    }
    assert_eq!(host.pause(&name).await.unwrap().state, ContainerState::Paused);
    assert_eq!(setting.truth(&name).unwrap()["State"]["Status"], "paused");
    let mark = setting.mark();
    assert_eq!(host.pause(&name).await.unwrap().state, ContainerState::Paused);
    assert!(!setting.was_told_to("pause", mark));
    assert_eq!(host.unpause(&name).await.unwrap().state, ContainerState::Running);
    assert!(setting.is_running(&name));
    assert_eq!(host.unpause(&name).await.unwrap().state, ContainerState::Running);
}

pub(crate) async fn a_paused_container_is_stopped_all_the_same(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("paused"));
    setting.run_waiting(&name).await;
    if can_not(&setting) {
        assert!(is_unsupported(&host.pause(&name).await.unwrap_err()));
    } else {
        host.pause(&name).await.unwrap();
    }
    assert!(!host.stop(&name, GRACE).await.unwrap().state.is_alive());
    assert!(!setting.is_running(&name));
}

pub(crate) async fn what_does_not_run_is_neither_paused_nor_read(setting: Arc<Setting>) {
    let host = &setting.host;
    let spec = setting.spec(&["exit", "0"]);
    let name = spec.name.as_str();
    host.create(&spec).await.unwrap();
    assert!(host.pause(name).await.is_err());
    for error in [host.top(name).await.err(), host.stats(name).await.err()] {
        assert!(matches!(&error, Some(Error::InUse(why)) if why.contains("created")), "{error:?}");
    }
    assert_eq!(host.inspect(name).await.unwrap().state, ContainerState::Created);
}

pub(crate) async fn a_restart_begins_anew(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("again"));
    let first = setting.run_waiting(&name).await;
    let again = host.restart(&name, GRACE).await.unwrap();
    assert_eq!((again.id == first.id, again.state), (true, ContainerState::Running));
    assert_ne!(again.pid, first.pid);
    host.stop(&name, GRACE).await.unwrap();
    assert_eq!(host.restart(&name, GRACE).await.unwrap().state, ContainerState::Running);
}

pub(crate) async fn a_container_keeps_its_name(setting: Arc<Setting>) {
    let (host, name, other) = (&setting.host, setting.name("named"), setting.name("other"));
    host.create(&setting.named(&name, &["wait"])).await.unwrap();
    let mark = setting.mark();
    let error = host.rename(&name, &other).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(why) if why.contains("keeps its name")), "{error:?}");
    assert!(matches!(host.rename(&other, &name).await, Err(Error::NotFound { .. })));
    assert!(!setting.was_told_to("rename", mark) && setting.exists(&name) && !setting.exists(&other));
}

pub(crate) async fn processes_are_told_by_their_numbers(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("busy"));
    let info = setting.run_waiting(&name).await;
    let table = host.top(&name).await.unwrap();
    assert_eq!(table.titles.last().map(String::as_str), Some("COMMAND"));
    assert!(table.rows.iter().all(|row| row.len() == table.titles.len()), "{table:?}");
    let pid = info.pid.unwrap().to_string();
    let own = table.rows.iter().find(|row| row.contains(&pid)).unwrap_or_else(|| panic!("{pid}: {table:?}"));
    if setting.kind().is_real() {
        assert!(own.last().unwrap().contains("say here wait"), "{own:?}");
    }
}

pub(crate) async fn one_reading_tells_what_a_container_uses(setting: Arc<Setting>) {
    let host = &setting.host;
    let mut spec = setting.spec(&["say", "here", "wait"]);
    let name = spec.name.to_string();
    spec.memory = Some(portreeve::spec::Memory::from_bytes(64 << 20));
    host.run(&spec).await.unwrap();
    if can_not(&setting) {
        let error = host.stats(&name).await.unwrap_err();
        assert!(matches!(&error, Error::Unsupported(why) if why.contains("rootless")), "{error:?}");
        return;
    }
    let usage = host.stats(&name).await.unwrap();
    assert_eq!(usage.memory_limit, Some(64 << 20));
    assert!(usage.memory > 0 && usage.memory < 64 << 20 && usage.pids >= 1, "{usage:?}");
    let unbounded = setting.name("unbounded");
    setting.run_waiting(&unbounded).await;
    assert_eq!(host.stats(&unbounded).await.unwrap().memory_limit, None);
}

pub(crate) async fn readings_end_with_the_container(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("read"));
    setting.run_waiting(&name).await;
    let mut readings = host.stats_stream(&name, Duration::from_millis(100));
    if can_not(&setting) {
        assert!(matches!(readings.next().await, Some(Err(Error::Unsupported(_)))));
        assert!(readings.next().await.is_none());
        return;
    }
    for _ in 0..2 {
        assert!(readings.next().await.unwrap().unwrap().pids >= 1);
    }
    host.kill(&name, &"KILL".parse().unwrap()).await.unwrap();
    assert!(readings.next().await.is_none());
}

pub(crate) async fn a_foreign_container_is_neither_paused_nor_looked_into(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("foreign"));
    setting.foreign(&name, &[]);
    let mark = setting.mark();
    let errors = [
        host.pause(&name).await.err(),
        host.unpause(&name).await.err(),
        host.restart(&name, GRACE).await.err(),
        host.top(&name).await.err(),
        host.stats(&name).await.err(),
        host.inspect_raw(&name).await.err(),
        host.wait_until(&name, &portreeve::Condition::Healthy, GRACE).await.err(),
    ];
    for error in errors {
        assert!(matches!(&error, Some(Error::Refused(refusal)) if refusal.rule == Rule::NotOurs), "{error:?}");
    }
    for verb in ["pause", "unpause", "stop", "top", "stats"] {
        assert!(!setting.was_told_to(verb, mark), "{verb}");
    }
    assert!(setting.is_running(&name));
}

pub(crate) async fn a_raw_document_is_the_engines_and_hides_secrets(setting: Arc<Setting>) {
    let host = &setting.host;
    let mut spec = setting.spec(&["wait"]);
    let variable = |text: &str| text.parse::<Variable>().unwrap();
    spec.env = vec![variable("PLAIN=seen"), variable("DB_PASSWORD=tr0ub4dor-and-3")];
    host.create(&spec).await.unwrap();
    let name = spec.name.as_str();
    let raw = host.inspect_raw(name).await.unwrap();
    let truth = setting.truth(name).unwrap();
    for pointer in ["/Id", "/State/Status", "/Config/User", "/HostConfig/NetworkMode"] {
        assert_eq!(raw.pointer(pointer), truth.pointer(pointer), "{pointer}");
    }
    let env: Vec<&str> = raw["Config"]["Env"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(env.contains(&"PLAIN=seen"), "{env:?}");
    assert!(!raw.to_string().contains("tr0ub4dor"), "{raw}");
    assert!(truth.to_string().contains("tr0ub4dor"));
}
