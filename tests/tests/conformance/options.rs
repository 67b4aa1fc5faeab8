//! What a container may be given besides: each option is rendered, and read back as the engine has it.

use std::num::NonZeroU32;
use std::sync::Arc;

use portreeve::spec::{Memory, Platform, RestartPolicy, Tmpfs, UserNamespace};
use portreeve::{ContainerSpec, Error, Policy, Portreeve, Refusal};
use serde_json::{Value, json};

use crate::setting::Setting;

async fn refused(setting: &Setting, spec: &ContainerSpec) -> Refusal {
    let mark = setting.mark();
    let error = setting.host.create(spec).await.unwrap_err();
    let Error::Refused(refusal) = error else { panic!("{error:?}") };
    assert!(!setting.was_told_to("create", mark) && !setting.exists(spec.name.as_str()));
    refusal
}

async fn with_policy(setting: &Setting, more: &str) -> Portreeve {
    let policy = Policy::parse(&format!("extends = \"home\"\n{more}"), "policy.toml").unwrap();
    setting.builder().policy(policy).build().await.unwrap()
}

/// The container as the engine has it.
async fn made(setting: &Setting, host: &Portreeve, spec: &ContainerSpec) -> Value {
    host.create(spec).await.unwrap();
    setting.truth(spec.name.as_str()).unwrap()
}

fn has(list: &Value, name: &str) -> bool {
    let names = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| name.trim_start_matches("CAP_")).any(|known| known == name)
}

pub(crate) async fn an_added_capability_takes_a_policy(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["wait"]);
    spec.cap_add = vec!["NET_ADMIN".to_owned()];
    let refusal = refused(&setting, &spec).await;
    assert_eq!(refusal.slot.as_deref(), Some("cap.add"));
    assert!(refusal.remedy.is_some_and(|remedy| remedy.contains("\"NET_ADMIN\"") && remedy.contains("[capabilities]")));
    let host = with_policy(&setting, "[capabilities]\nadd = [\"NET_ADMIN\"]\n").await;
    let truth = made(&setting, &host, &spec).await;
    assert!(has(&truth["HostConfig"]["CapAdd"], "NET_ADMIN"), "{truth}");
    assert_eq!(truth["HostConfig"]["CapAdd"].as_array().unwrap().len(), 1);
    spec = ContainerSpec { name: setting.name("more").parse().unwrap(), ..spec };
    spec.cap_add.push("SYS_ADMIN".to_owned());
    assert!(matches!(host.create(&spec).await, Err(Error::Refused(_))));
}

pub(crate) async fn capabilities_taken_away_are_read_back(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["wait"]);
    spec.cap_drop = vec!["CHOWN".to_owned(), "NET_RAW".to_owned()];
    let truth = made(&setting, &setting.host, &spec).await;
    for name in ["CHOWN", "NET_RAW"] {
        assert!(has(&truth["HostConfig"]["CapDrop"], name), "{name}");
    }
    let mut all = setting.spec(&["wait"]);
    all.cap_drop = vec!["ALL".to_owned()];
    setting.host.create(&all).await.unwrap();
    // Of those that the engine would have given anyway one may be kept.
    let mut kept = setting.spec(&["wait"]);
    (kept.cap_add, kept.cap_drop) = (vec!["CHOWN".to_owned()], vec!["ALL".to_owned()]);
    with_policy(&setting, "[capabilities]\nadd = [\"CHOWN\"]\n").await.create(&kept).await.unwrap();
    let mut both = setting.spec(&["wait"]);
    (both.cap_add, both.cap_drop) = (vec!["CHOWN".to_owned()], vec!["CHOWN".to_owned()]);
    assert!(matches!(setting.host.create(&both).await, Err(Error::Spec(_))));
}

pub(crate) async fn a_user_namespace_takes_a_policy(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["wait"]);
    spec.user_namespace = Some(UserNamespace::Host);
    let refusal = refused(&setting, &spec).await;
    assert!(refusal.remedy.is_some_and(|remedy| remedy.contains("\"host\"") && remedy.contains("[namespaces]")));
    let host = with_policy(&setting, "[namespaces]\nuser = [\"host\", \"keep-id\"]\n").await;
    made(&setting, &host, &spec).await;
    spec = ContainerSpec { name: setting.name("kept").parse().unwrap(), ..spec };
    spec.user_namespace = Some(UserNamespace::KeepId);
    match host.create(&spec).await {
        Ok(_) => assert!(setting.kind().is_podman()),
        // As root Podman has no caller whose numbers could be kept, and Docker one namespace for all.
        Err(error) => {
            assert!(matches!(&error, Error::Unsupported(_)) && !setting.kind().is_rootless(), "{error:?}");
            assert!(!setting.exists(spec.name.as_str()));
        }
    }
}

pub(crate) async fn an_alias_needs_a_named_network(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["wait"]);
    spec.aliases = vec!["db".parse().unwrap()];
    for network in ["none", "bridge"] {
        spec.network = Some(network.parse().unwrap());
        let error = setting.host.create(&spec).await.unwrap_err();
        assert!(matches!(&error, Error::Spec(error) if error.to_string().contains("named network")), "{error:?}");
    }
    assert!(!setting.exists(spec.name.as_str()));
}

pub(crate) async fn the_platform_of_an_image_is_looked_at(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["wait"]);
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    spec.platform = Some(format!("linux/{architecture}").parse().unwrap());
    made(&setting, &setting.host, &spec).await;
    let fresh = setting.publish(portreeve::demo::image::ImageOptions::default());
    let mut pulled = setting.spec(&["wait"]);
    (pulled.image, pulled.platform) = (fresh.single(), spec.platform.clone());
    made(&setting, &setting.host, &pulled).await;
    let mut other = setting.spec(&["wait"]);
    other.platform = Some("linux/s390x".parse::<Platform>().unwrap());
    let mark = setting.mark();
    let error = setting.host.create(&other).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(why) if why.contains("linux/s390x")), "{error:?}");
    assert!(!setting.was_told_to("create", mark) && !setting.exists(other.name.as_str()));
}

pub(crate) async fn a_file_system_in_memory_has_a_size_or_none(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["write", "/free/a", "x", "write", "/tight/a", "x", "file", "/free/a"]);
    let tmpfs = |target: &str, size| Tmpfs { target: target.parse().unwrap(), size };
    spec.tmpfs = vec![tmpfs("/free", None), tmpfs("/tight", Some(Memory::from_bytes(1 << 20)))];
    spec.read_only = true;
    let heard = setting.hear(&spec).await;
    assert_eq!((heard.status(), heard.out.as_str()), (0, "x"), "{heard:?}");
    let truth = setting.truth(spec.name.as_str()).unwrap();
    let there = &truth["HostConfig"]["Tmpfs"];
    assert!(there["/free"].is_string() && there["/tight"].is_string(), "{there}");
    assert_eq!(truth["HostConfig"]["ReadonlyRootfs"], true);
}

pub(crate) async fn a_restart_policy_is_read_back(setting: Arc<Setting>) {
    let policies = [
        (RestartPolicy::Always, "always", 0),
        (RestartPolicy::UnlessStopped, "unless-stopped", 0),
        (RestartPolicy::OnFailure(Some(3)), "on-failure", 3),
        (RestartPolicy::OnFailure(None), "on-failure", 0),
    ];
    for (policy, name, times) in policies {
        let mut spec = setting.spec(&["wait"]);
        spec.restart = Some(policy);
        let truth = made(&setting, &setting.host, &spec).await;
        let there = &truth["HostConfig"]["RestartPolicy"];
        assert_eq!((&there["Name"], &there["MaximumRetryCount"]), (&json!(name), &json!(times)), "{name}");
    }
}

pub(crate) async fn other_settings_are_read_back(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["wait"]);
    spec.hostname = Some("harbour".parse().unwrap());
    spec.stop_signal = Some("INT".parse().unwrap());
    spec.shm_size = Some(Memory::from_bytes(1 << 20));
    spec.pids = NonZeroU32::new(77);
    let truth = made(&setting, &setting.host, &spec).await;
    assert_eq!(truth["Config"]["Hostname"], "harbour");
    let signal = &truth["Config"]["StopSignal"];
    assert!(*signal == 2 || *signal == "SIGINT" || *signal == "INT", "{signal}");
    assert_eq!(truth["HostConfig"]["ShmSize"], 1 << 20);
    // Without root, cgroups v1 are not its own.
    let pids = &truth["HostConfig"]["PidsLimit"];
    assert!(*pids == 77 || setting.kind().is_rootless(), "{pids}");
}
