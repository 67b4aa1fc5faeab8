//! What callers may not have, and what would allow it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Once};

use portreeve::spec::NetworkMode;
use portreeve::{ContainerSpec, Error, Event, Policy, Refusal, Rule};

use crate::behaviours::folder;
use crate::setting::Setting;

pub(crate) async fn protected_folders_are_not_mounted(setting: Arc<Setting>) {
    let own = folder(&setting, "links");
    symlink("/etc", own.join("out")).unwrap();
    symlink("/", own.join("root")).unwrap();
    let home = std::env::var("HOME").unwrap();
    let inside = own.join("out/ssl").to_str().unwrap().to_owned();
    let sources = [
        "/".to_owned(),
        "/etc".to_owned(),
        "/etc/passwd".to_owned(),
        "/var".to_owned(),
        "/proc/self/root/etc".to_owned(),
        format!("{home}/.ssh"),
        home,
        setting.state().to_str().unwrap().to_owned(),
        own.join("out").to_str().unwrap().to_owned(),
        own.join("root").to_str().unwrap().to_owned(),
        inside,
    ];
    for source in sources {
        let refusal = not_mounted(&setting, &source).await;
        assert_eq!(refusal.slot.as_deref(), Some("mount.bind"), "{source}: {refusal}");
    }
}

pub(crate) async fn a_loose_folder_is_not_mounted(setting: Arc<Setting>) {
    let loose = folder(&setting, "loose");
    fs::create_dir_all(loose.join("data")).unwrap();
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o777)).unwrap();
    let refusal = not_mounted(&setting, loose.join("data").to_str().unwrap()).await;
    assert!(refusal.to_string().contains("chmod"), "{refusal}");
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = setting.spec(&["ls", "/data"]);
    spec.mounts = vec![format!("{}:/data:ro", loose.join("data").display()).parse().unwrap()];
    assert_eq!(setting.hear(&spec).await.status(), 0);
}

async fn not_mounted(setting: &Setting, source: &str) -> Refusal {
    let mut spec = setting.spec(&["say", "never"]);
    spec.mounts = vec![format!("{source}:/data:ro").parse().unwrap()];
    refused(setting, &spec).await
}

/// It is refused, and nothing is created.
async fn refused(setting: &Setting, spec: &ContainerSpec) -> Refusal {
    let mark = setting.mark();
    let error = setting.host.run(spec).await.unwrap_err();
    assert!(!setting.was_told_to("create", mark) && !setting.exists(spec.name.as_str()));
    match error {
        Error::Refused(refusal) => {
            assert_eq!(refusal.rule, Rule::Policy, "{refusal}");
            refusal
        }
        other => panic!("{:?}: {other:?}", spec.mounts),
    }
}

pub(crate) async fn ports_beyond_loopback_are_refused_with_a_remedy(setting: Arc<Setting>) {
    for port in ["0.0.0.0:0:8080", "[::]:0:8080", "192.0.2.1:0:8080"] {
        let mut spec = setting.spec(&["listen", "8080"]);
        spec.network = Some(NetworkMode::Bridge);
        spec.ports = vec![port.parse().unwrap()];
        let refusal = refused(&setting, &spec).await;
        assert!(refusal.remedy.as_ref().is_some_and(|remedy| remedy.contains("[ports]")), "{port}: {refusal}");
    }
}

pub(crate) async fn the_hosts_network_is_refused_with_a_remedy(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["say", "allowed"]);
    spec.network = Some(NetworkMode::Host);
    let refusal = refused(&setting, &spec).await;
    assert!(refusal.remedy.is_some_and(|remedy| remedy.contains("\"host\"") && remedy.contains("[networks]")));
    // What the remedy says is what allows it.
    let policy =
        Policy::parse("extends = \"home\"\n[networks]\nallow = [\"none\", \"bridge\", \"host\"]\n", "policy.toml")
            .unwrap();
    let host = setting.builder().policy(policy).build().await.unwrap();
    host.run(&spec).await.unwrap();
    assert_eq!(setting.truth(spec.name.as_str()).unwrap()["HostConfig"]["NetworkMode"], "host");
}

pub(crate) async fn absent_gpus_end_a_call_before_anything_is_created(setting: Arc<Setting>) {
    if Path::new("/dev/nvidiactl").exists() {
        println!("this machine has a GPU: what happens where there is none can't be seen here");
        return;
    }
    for gpus in ["0", "all", "GPU-01234567-89ab-cdef-0123-456789abcdef"] {
        let mark = setting.mark();
        let mut spec = setting.spec(&["say", "never"]);
        spec.gpus = gpus.parse().unwrap();
        let error = setting.host.run(&spec).await.unwrap_err();
        assert!(matches!(&error, Error::Gpu(why) if why.contains("no GPU")), "{gpus}: {error:?}");
        assert!(!setting.was_told_to("create", mark) && !setting.exists(spec.name.as_str()));
    }
}

/// Between the check and the start another folder is put in the place of the one that was checked.
pub(crate) async fn a_mount_that_is_exchanged_is_noticed(setting: Arc<Setting>) {
    let (checked, other) = (folder(&setting, "checked"), folder(&setting, "other"));
    fs::write(other.join("hidden"), "not yours").unwrap();
    let mut spec = setting.spec(&["wait"]);
    spec.mounts = vec![format!("{}:/data", checked.display()).parse().unwrap()];
    let once = Once::new();
    let exchange = move |event: &Event| {
        if matches!(event, Event::Command { argv, .. } if argv.iter().any(|word| word == "start")) {
            once.call_once(|| {
                fs::rename(&checked, checked.with_extension("aside")).unwrap();
                fs::rename(&other, &checked).unwrap();
            });
        }
    };
    let host = setting.builder().on_event(exchange).build().await.unwrap();
    match host.run(&spec).await.unwrap_err() {
        Error::Refused(refusal) => {
            assert_eq!((refusal.rule, refusal.slot.as_deref()), (Rule::Policy, Some("mount.bind")), "{refusal}");
            assert!(refusal.why.contains("not what was checked"), "{refusal}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!setting.exists(spec.name.as_str()), "a container with another folder is still there");
}

/// The client's own configuration names another daemon, by a context.
pub(crate) async fn a_context_of_the_clients_configuration_is_not_followed(setting: Arc<Setting>) {
    let home = folder(&setting, "home");
    fs::create_dir_all(home.join(".docker")).unwrap();
    fs::write(home.join(".docker/config.json"), r#"{"currentContext": "elsewhere"}"#).unwrap();
    let alone = Command::new("docker").arg("ps").env("HOME", &home).output().unwrap();
    assert!(!alone.status.success(), "by itself the client does not follow the context: nothing is proved");
    let host = setting.builder().variable("HOME", home.to_str().unwrap()).build().await.unwrap();
    host.list().await.unwrap();
    host.run(&setting.spec(&["say", "here"])).await.unwrap();
}
