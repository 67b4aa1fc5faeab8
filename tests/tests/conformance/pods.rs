//! Pods: containers of one network, which a container of the host's own holds; native or emulated, alike for a caller.

use std::sync::Arc;
use std::time::Duration;

use portreeve::spec::{Label, NetworkMode, PodSpec};
use portreeve::{ContainerSpec, ContainerState, Error, FaultKind, Policy, Removed, Rule};

use crate::setting::Setting;

const OWNER: &str = "io.portreeve.owner";
const GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn a_pod_is_made_once_and_found(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("pod"));
    assert!(!host.pod_exists(&name).await.unwrap());
    let spec = PodSpec { labels: vec![Label::new("org.example.a", "1").unwrap()], ..pod(&name) };
    let made = host.ensure_pod(&spec).await.unwrap();
    assert_eq!((made.name.as_str(), made.state), (name.as_str(), ContainerState::Running));
    assert_eq!(made.emulated, !setting.kind().is_podman());
    assert_eq!((made.id.is_none(), made.labels.len(), made.members.len()), (made.emulated, 1, 0));
    let mark = setting.mark();
    assert_eq!(host.ensure_pod(&spec).await.unwrap(), made);
    assert!(!setting.was_told_to("create", mark) && !setting.was_told_to("start", mark));
    assert!(host.pod_exists(&name).await.unwrap());
    assert_eq!(host.inspect_pod(&name).await.unwrap(), made);
    assert!(host.pods().await.unwrap().contains(&made));
    assert_eq!(host.remove_pod(&name, false).await.unwrap(), Removed::Removed);
    assert!(!setting.exists(&made.holder) && !host.pod_exists(&name).await.unwrap());
    let error = host.remove_pod(&name, false).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { kind: "pod", .. }), "{error:?}");
    assert_eq!(host.remove_pod(&name, true).await.unwrap(), Removed::Absent);
}

pub(crate) async fn another_pod_of_the_name_is_a_conflict(setting: Arc<Setting>) {
    let name = setting.name("other-pod");
    setting.host.ensure_pod(&pod(&name)).await.unwrap();
    let mark = setting.mark();
    let other = PodSpec { labels: vec![Label::new("org.example.a", "1").unwrap()], ..pod(&name) };
    let error = setting.host.ensure_pod(&other).await.unwrap_err();
    let Error::Conflict(conflict) = &error else { panic!("{error:?}") };
    assert_eq!(
        (conflict.kind, conflict.name.as_str(), conflict.differs[0].field.as_str()),
        ("pod", name.as_str(), "label org.example.a")
    );
    assert!(!setting.was_told_to("create", mark));
}

pub(crate) async fn members_share_one_network(setting: Arc<Setting>) {
    let name = setting.name("shared-pod");
    let made = setting.host.ensure_pod(&pod(&name)).await.unwrap();
    let server = joining(&setting, &name, &["listen", "8080"]);
    setting.host.run(&server).await.unwrap();
    let server = server.name.to_string();
    setting.until("it listens", || setting.ground.ask(&["logs", &server]).stdout.contains("listening")).await;
    let heard = setting.hear(&joining(&setting, &name, &["fetch", "127.0.0.1", "8080"])).await;
    assert_eq!((heard.out.as_str(), heard.status()), ("aye\n", 0), "{heard:?}");
    let truth = setting.truth(&server).unwrap();
    assert_eq!(truth["HostConfig"]["NetworkMode"], format!("container:{}", made.holder));
    let told = setting.host.inspect_pod(&name).await.unwrap();
    assert!(told.members.iter().any(|member| member.name == server && member.state == ContainerState::Running));
    assert!(told.members.iter().all(|member| member.id != told.holder));
    // Outside the pod it is not there.
    let stranger = setting.hear(&setting.spec(&["fetch", "127.0.0.1", "8080"])).await;
    assert_eq!(stranger.status(), 1, "{stranger:?}");
}

pub(crate) async fn a_port_of_a_pod_is_published_for_its_members(setting: Arc<Setting>) {
    let (network, name) = (setting.name("ports-network"), setting.name("published-pod"));
    setting.host.ensure_network(&crate::networks::network(&network)).await.unwrap();
    let ports = vec!["127.0.0.1::8080".parse().unwrap()];
    let spec = PodSpec { ports, network: Some(network.parse().unwrap()), ..pod(&name) };
    setting.host.ensure_pod(&spec).await.unwrap();
    let server = joining(&setting, &name, &["listen", "8080"]);
    setting.host.run(&server).await.unwrap();
    let server = server.name.to_string();
    setting.until("it listens", || setting.ground.ask(&["logs", &server]).stdout.contains("listening")).await;
    let ports = setting.host.inspect_pod(&name).await.unwrap().ports;
    let [port] = ports.as_slice() else { panic!("{ports:?}") };
    assert!(port.host != 0 && port.container == 8080);
    let body = tokio::task::block_in_place(|| fetched(port.host));
    assert!(body.ends_with("aye\n"), "{body}");
}

/// What HTTP answers on a port of this machine.
fn fetched(port: u16) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) async fn a_pod_on_a_network_is_found_by_its_holders_name(setting: Arc<Setting>) {
    let (network, name) = (setting.name("pods-network"), setting.name("networked-pod"));
    setting.host.ensure_network(&crate::networks::network(&network)).await.unwrap();
    let spec = PodSpec { network: Some(network.parse().unwrap()), ..pod(&name) };
    assert_eq!(setting.host.ensure_pod(&spec).await.unwrap().networks, std::slice::from_ref(&network));
    let server = joining(&setting, &name, &["listen", "8080"]);
    setting.host.run(&server).await.unwrap();
    let server = server.name.to_string();
    setting.until("it listens", || setting.ground.ask(&["logs", &server]).stdout.contains("listening")).await;
    let client = crate::networks::joining(&setting, &network, &["fetch", &format!("{name}-holder"), "8080"]);
    let heard = setting.hear(&client).await;
    assert_eq!((heard.out.as_str(), heard.status()), ("aye\n", 0), "{heard:?}");
}

pub(crate) async fn a_pod_is_stopped_and_goes_on(setting: Arc<Setting>) {
    let name = setting.name("stopped-pod");
    setting.host.ensure_pod(&pod(&name)).await.unwrap();
    let member = joining(&setting, &name, &["wait"]);
    setting.host.run(&member).await.unwrap();
    let stopped = setting.host.stop_pod(&name, GRACE).await.unwrap();
    assert!(!stopped.state.is_alive() && stopped.members.iter().all(|member| !member.state.is_alive()), "{stopped:?}");
    assert!(!setting.is_running(member.name.as_str()));
    let late = setting.host.create(&joining(&setting, &name, &["wait"])).await.unwrap_err();
    assert!(matches!(late, Error::InUse(_)), "{late:?}");
    let again = setting.host.ensure_pod(&pod(&name)).await.unwrap();
    assert_eq!((again.state, again.holder == stopped.holder), (ContainerState::Running, true));
    assert!(setting.host.start(member.name.as_str()).await.unwrap().state.is_alive());
}

pub(crate) async fn a_pod_goes_with_its_members(setting: Arc<Setting>) {
    let name = setting.name("removed-pod");
    let made = setting.host.ensure_pod(&pod(&name)).await.unwrap();
    let member = joining(&setting, &name, &["wait"]);
    setting.host.run(&member).await.unwrap();
    let error = setting.host.remove_pod(&name, false).await.unwrap_err();
    assert!(matches!(&error, Error::InUse(why) if why.contains(member.name.as_str())), "{error:?}");
    assert!(setting.is_running(member.name.as_str()) && setting.is_running(&made.holder));
    assert_eq!(setting.host.remove_pod(&name, true).await.unwrap(), Removed::Removed);
    assert!(!setting.exists(member.name.as_str()) && !setting.exists(&made.holder));
}

pub(crate) async fn a_member_is_created_once(setting: Arc<Setting>) {
    let (name, other) = (setting.name("once-pod"), setting.name("other-once-pod"));
    for pod_name in [&name, &other] {
        setting.host.ensure_pod(&pod(pod_name)).await.unwrap();
    }
    let spec = joining(&setting, &name, &["wait"]);
    let argv = setting.host.explain(&spec).await.unwrap();
    let holder = setting.host.inspect_pod(&name).await.unwrap().holder;
    assert!(argv.contains(&format!("--network=container:{holder}")), "{argv:?}");
    let first = setting.host.create(&spec).await.unwrap();
    let mark = setting.mark();
    assert_eq!(setting.host.create(&spec).await.unwrap().id, first.id);
    assert!(!setting.was_told_to("create", mark));
    let moved = ContainerSpec { pod: Some(other.parse().unwrap()), ..spec };
    let error = setting.host.create(&moved).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(conflict) if conflict.differs[0].field == "pod"), "{error:?}");
}

pub(crate) async fn a_pod_that_is_not_there_is_not_joined(setting: Arc<Setting>) {
    let mark = setting.mark();
    let spec = joining(&setting, &setting.name("absent-pod"), &["wait"]);
    for error in [setting.host.create(&spec).await.err(), setting.host.explain(&spec).await.err()] {
        assert!(matches!(error, Some(Error::NotFound { kind: "pod", .. })), "{error:?}");
    }
    let own = ContainerSpec { ports: vec!["127.0.0.1::80".parse().unwrap()], ..spec };
    assert!(matches!(setting.host.create(&own).await, Err(Error::Spec(_))));
    assert!(!setting.was_told_to("create", mark));
}

pub(crate) async fn a_holder_is_no_container_of_a_callers(setting: Arc<Setting>) {
    let name = setting.name("held-pod");
    let made = setting.host.ensure_pod(&pod(&name)).await.unwrap();
    let holder = format!("{name}-holder");
    let mark = setting.mark();
    let errors = [
        setting.host.inspect(&holder).await.err(),
        setting.host.stop(&holder, GRACE).await.err(),
        setting.host.remove(&holder, true).await.err(),
    ];
    for error in errors {
        assert!(matches!(&error, Some(Error::Refused(refusal)) if refusal.rule == Rule::NotOurs), "{error:?}");
    }
    assert!(!setting.host.list().await.unwrap().iter().any(|one| one.id == made.holder));
    let taken = setting.host.run(&setting.named(&holder, &["wait"])).await.unwrap_err();
    assert!(matches!(taken, Error::Conflict(_)), "{taken:?}");
    for word in ["stop", "rm", "create", "kill"] {
        assert!(!setting.was_told_to(word, mark), "{word}");
    }
    assert!(setting.is_running(&made.holder));
}

pub(crate) async fn another_installs_pod_is_not_ours(setting: Arc<Setting>) {
    let other = setting.another_install("other-pods-state").await;
    let name = setting.name("their-pod");
    let made = other.ensure_pod(&pod(&name)).await.unwrap();
    let mark = setting.mark();
    let member = joining(&setting, &name, &["wait"]);
    let (create, ensure) = (setting.host.create(&member).await, setting.host.ensure_pod(&pod(&name)).await);
    assert!(matches!(create, Err(Error::Conflict(_) | Error::NotFound { kind: "pod", .. })), "{create:?}");
    assert!(matches!(&ensure, Err(Error::Conflict(conflict)) if conflict.kind == "pod"), "{ensure:?}");
    for error in [setting.host.remove_pod(&name, false).await.err(), setting.host.inspect_pod(&name).await.err()] {
        let refused = matches!(&error, Some(Error::Refused(refusal)) if refusal.rule == Rule::NotOurs);
        assert!(refused || matches!(error, Some(Error::NotFound { kind: "pod", .. })), "{error:?}");
    }
    assert!(!setting.host.pod_exists(&name).await.unwrap() && !setting.was_told_to("create", mark));
    assert!(setting.is_running(&made.holder));
    assert_eq!(other.remove_pod(&name, true).await.unwrap(), Removed::Removed);
}

pub(crate) async fn a_copied_label_makes_no_holder(setting: Arc<Setting>) {
    let name = setting.name("original-pod");
    let made = setting.host.ensure_pod(&pod(&name)).await.unwrap();
    let labels = setting.truth(&made.holder).unwrap()["Config"]["Labels"].clone();
    let copied = |key: &str| format!("{key}={}", labels[key].as_str().unwrap());
    let copy = setting.name("copied-pod");
    setting.foreign(&format!("{copy}-holder"), &[copied(OWNER), copied("io.portreeve.install")]);
    assert!(!setting.host.pod_exists(&copy).await.unwrap());
    let error = setting.host.create(&joining(&setting, &copy, &["wait"])).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { kind: "pod", .. }), "{error:?}");
    let error = setting.host.ensure_pod(&pod(&copy)).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(conflict) if conflict.kind == "pod"), "{error:?}");
    assert!(setting.is_running(&format!("{copy}-holder")));
}

pub(crate) async fn a_policy_says_what_a_pod_may_publish(setting: Arc<Setting>) {
    let name = setting.name("open-pod");
    let spec = PodSpec { ports: vec!["0.0.0.0::8080".parse().unwrap()], ..pod(&name) };
    let mark = setting.mark();
    let text = "extends = \"home\"\n[networks]\nallow = [\"none\"]\n";
    let strict = setting.builder().policy(Policy::parse(text, "p.toml").unwrap()).build().await.unwrap();
    let bridged = PodSpec::new(name.parse().unwrap());
    for error in [setting.host.ensure_pod(&spec).await.err(), strict.ensure_pod(&bridged).await.err()] {
        assert!(matches!(&error, Some(Error::Refused(refusal)) if refusal.rule == Rule::Policy), "{error:?}");
    }
    assert!(!setting.was_told_to("create", mark));
}

pub(crate) async fn a_foreign_container_in_a_pod_is_spared(setting: Arc<Setting>) {
    let name = setting.name("visited-pod");
    let made = setting.host.ensure_pod(&pod(&name)).await.unwrap();
    let guest = setting.name("visitor");
    let flags = [format!("--pod={}", made.id.unwrap()), format!("--network=container:{}", made.holder)];
    setting.foreign_with(&setting.image, &guest, &flags, &[]);
    for force in [false, true] {
        let error = setting.host.remove_pod(&name, force).await.unwrap_err();
        assert!(matches!(error, Error::InUse(_)), "{error:?}");
    }
    assert!(setting.is_running(&guest) && setting.is_running(&made.holder));
    setting.ground.ask(&["rm", "--force", &guest]);
    assert_eq!(setting.host.remove_pod(&name, false).await.unwrap(), Removed::Removed);
}

pub(crate) async fn an_engine_that_lies_of_a_pod_is_not_believed(setting: Arc<Setting>) {
    let name = setting.name("lied-pod");
    setting.host.ensure_pod(&pod(&name)).await.unwrap();
    let spec = joining(&setting, &name, &["wait"]);
    setting.ground.rehearse("faults", "create:leave-out-pod");
    let error = setting.host.run(&spec).await.unwrap_err();
    setting.ground.rehearse("faults", "");
    assert!(matches!(&error, Error::Fault(fault) if fault.kind == FaultKind::Untrue), "{error:?}");
    assert!(!setting.exists(spec.name.as_str()), "a container outside its pod is still there");
}

/// Of loopback alone: what most of them show needs no more.
pub(crate) fn pod(name: &str) -> PodSpec {
    PodSpec { network: Some(NetworkMode::None), ..PodSpec::new(name.parse().unwrap()) }
}

fn joining(setting: &Setting, pod: &str, words: &[&str]) -> ContainerSpec {
    let mut spec = setting.spec(words);
    (spec.pod, spec.network) = (Some(pod.parse().unwrap()), None);
    spec
}
