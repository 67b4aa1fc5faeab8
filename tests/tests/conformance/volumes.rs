//! Named volumes: made once, found by their whole name, mounted and removed only where they are ours.

use std::sync::Arc;

use portreeve::spec::Label;
use portreeve::{ContainerSpec, Error, FaultKind, Policy, Portreeve, Removed, Rule};
use serde_json::Value;

use crate::setting::Setting;

const OWNER: &str = "io.portreeve.owner";

/// The words of every command about a volume that does more than look.
const DOES: [&str; 3] = ["create", "rm", "prune"];

pub(crate) async fn a_volume_is_made_once_and_found(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("volume"));
    assert!(!host.volume_exists(&name).await.unwrap());
    let label = Label::new("org.example.a", "1; b='2'").unwrap();
    let made = host.ensure_volume(&name, std::slice::from_ref(&label)).await.unwrap();
    assert_eq!((made.name.as_str(), made.driver.as_str()), (name.as_str(), "local"));
    assert_eq!(made.labels, [(label.key().to_owned(), label.value().to_owned())].into());
    let truth = setting.volume(&name).unwrap();
    assert_eq!((truth["Mountpoint"].as_str(), truth["Driver"].as_str()), (made.mountpoint.as_deref(), Some("local")));
    let mark = setting.mark();
    for labels in [&[][..], &[label]] {
        assert_eq!(host.ensure_volume(&name, labels).await.unwrap(), made);
    }
    assert!(!acted(&setting, mark));
    assert!(host.volume_exists(&name).await.unwrap());
    assert_eq!(host.inspect_volume(&name).await.unwrap(), made);
    assert!(host.volumes().await.unwrap().contains(&made));
    let other = Label::new("org.example.a", "2").unwrap();
    let error = host.ensure_volume(&name, &[other]).await.unwrap_err();
    assert!(
        matches!(&error, Error::Conflict(conflict) if conflict.differs[0].field == "label org.example.a"),
        "{error}"
    );
    assert_eq!(host.remove_volume(&name, false).await.unwrap(), Removed::Removed);
    assert!(setting.volume(&name).is_none() && !host.volume_exists(&name).await.unwrap());
    for error in [host.remove_volume(&name, false).await.err(), host.inspect_volume(&name).await.err()] {
        assert!(matches!(error, Some(Error::NotFound { kind: "volume", .. })), "{error:?}");
    }
    assert_eq!(host.remove_volume(&name, true).await.unwrap(), Removed::Absent);
    assert!(matches!(host.ensure_volume("no/name", &[]).await, Err(Error::Spec(_))));
}

pub(crate) async fn a_label_of_a_volume_is_one_label(setting: Arc<Setting>) {
    let name = setting.name("labelled");
    // Podman would read two of it.
    let label = Label::new("org.example.a", "1,io.portreeve.owner=x").unwrap();
    let made = setting.host.ensure_volume(&name, std::slice::from_ref(&label)).await;
    if setting.kind().is_podman() {
        assert!(matches!(&made, Err(Error::Refused(refusal)) if refusal.rule == Rule::Grammar), "{made:?}");
        assert!(setting.volume(&name).is_none());
        return;
    }
    assert_eq!(made.unwrap().labels, [(label.key().to_owned(), label.value().to_owned())].into());
    assert_ne!(setting.volume(&name).unwrap()["Labels"][OWNER], "x");
}

pub(crate) async fn a_volume_keeps_what_was_written(setting: Arc<Setting>) {
    let volume = setting.name("kept");
    let with = |mount: &str, words: &[&str]| mounting(&setting, &format!("{volume}:{mount}"), words);
    let writes = with("/data", &["write", "/data/note", "kept"]);
    assert_eq!(setting.hear(&writes).await.status(), 0);
    let truth = setting.volume(&volume).unwrap();
    assert!(truth["Labels"][OWNER].is_string(), "{truth}");
    let mounts = setting.host.inspect(writes.name.as_str()).await.unwrap().mounts;
    let seen: Vec<_> = mounts.iter().map(|one| (one.kind.as_str(), one.source.as_str(), one.target.as_str())).collect();
    assert_eq!(seen, [("volume", volume.as_str(), "/data")]);
    // With the container goes what has no name; the volume stays, with what is in it.
    setting.host.remove(writes.name.as_str(), false).await.unwrap();
    let heard = setting.hear(&with("/other:ro", &["file", "/other/note"])).await;
    assert_eq!((heard.out.as_str(), heard.status()), ("kept", 0), "{heard:?}");
    assert_eq!(setting.volume(&volume).unwrap()["Labels"], truth["Labels"]);
    if setting.kind().is_real() {
        // What it plays keeps nobody from writing.
        let heard = setting.hear(&with("/data:ro", &["write", "/data/note", "no"])).await;
        assert!(heard.status() == 1 && heard.err.contains("Read-only"), "{heard:?}");
    }
}

pub(crate) async fn a_volume_in_use_is_not_removed(setting: Arc<Setting>) {
    let volume = setting.name("used");
    let spec = mounting(&setting, &format!("{volume}:/data"), &["wait"]);
    setting.host.create(&spec).await.unwrap();
    for force in [false, true] {
        let error = setting.host.remove_volume(&volume, force).await.unwrap_err();
        assert!(matches!(error, Error::InUse(_)), "{error:?}");
    }
    assert!(setting.exists(spec.name.as_str()) && setting.volume(&volume).is_some());
    setting.host.remove(spec.name.as_str(), false).await.unwrap();
    assert_eq!(setting.host.remove_volume(&volume, false).await.unwrap(), Removed::Removed);
}

pub(crate) async fn a_container_with_a_volume_is_created_once(setting: Arc<Setting>) {
    let (volume, other) = (setting.name("same"), setting.name("different"));
    let spec = mounting(&setting, &format!("{volume}:/data"), &["wait"]);
    let first = setting.host.create(&spec).await.unwrap();
    let mark = setting.mark();
    assert_eq!(setting.host.create(&spec).await.unwrap().id, first.id);
    assert!(!acted(&setting, mark));
    let named = |mount: &str| ContainerSpec { mounts: vec![mount.parse().unwrap()], ..spec.clone() };
    for mount in [format!("{other}:/data"), format!("{volume}:/data:ro"), format!("{volume}:/other")] {
        let error = setting.host.create(&named(&mount)).await.unwrap_err();
        assert!(matches!(&error, Error::Conflict(conflict) if conflict.differs[0].field == "mounts"), "{error:?}");
    }
    assert!(setting.volume(&other).is_none(), "a volume was made for a container that was not created");
}

pub(crate) async fn a_foreign_volume_is_not_touched(setting: Arc<Setting>) {
    let name = setting.name("foreign-volume");
    setting.foreign_volume(&name, &[]);
    not_touched(&setting, &setting.host, &name).await;
}

/// It can be neither mounted nor named, and the engine is told nothing but to look.
async fn not_touched(setting: &Setting, host: &Portreeve, name: &str) {
    let (mark, before) = (setting.mark(), setting.volume(name));
    let spec = mounting(setting, &format!("{name}:/data"), &["say", "never"]);
    let taken = [
        ("ensure", host.ensure_volume(name, &[]).await.err()),
        ("create", host.create(&spec).await.err()),
        ("run", host.run(&spec).await.err()),
        ("explain", host.explain(&spec).await.err()),
    ];
    for (call, error) in taken {
        let error = error.unwrap_or_else(|| panic!("{call}: it was done"));
        assert!(matches!(&error, Error::Conflict(conflict) if conflict.name == name), "{call}: {error:?}");
        assert!(error.to_string().contains("volume that is not ours"), "{call}: {error}");
    }
    let named = [
        ("inspect", host.inspect_volume(name).await.err()),
        ("remove", host.remove_volume(name, false).await.err()),
        ("remove by force", host.remove_volume(name, true).await.err()),
    ];
    for (call, error) in named {
        assert!(matches!(&error, Some(Error::Refused(refusal)) if refusal.rule == Rule::NotOurs), "{call}: {error:?}");
    }
    assert!(!host.volume_exists(name).await.unwrap());
    assert!(!host.volumes().await.unwrap().iter().any(|volume| volume.name == name));
    assert!(!acted(setting, mark) && !setting.exists(spec.name.as_str()));
    assert_eq!(setting.volume(name), before);
}

pub(crate) async fn a_copied_label_makes_no_volume_ours(setting: Arc<Setting>) {
    let name = setting.name("original-volume");
    setting.host.ensure_volume(&name, &[]).await.unwrap();
    let labels = setting.volume(&name).unwrap()["Labels"].clone();
    let copied = [OWNER, "io.portreeve.install"].map(|key| format!("--label={key}={}", labels[key].as_str().unwrap()));
    let copy = setting.name("copied-volume");
    setting.foreign_volume(&copy, &copied);
    not_touched(&setting, &setting.host, &copy).await;
    setting.host.remove_volume(&name, false).await.unwrap();
    assert!(setting.volume(&copy).is_some());
    // The same name and label, and a folder of the host's instead of the engine's.
    let bound = ["--opt=type=none", "--opt=o=bind", "--opt=device=/"].map(str::to_owned);
    setting.foreign_volume(&name, &[&copied[..], &bound].concat());
    not_touched(&setting, &setting.host, &name).await;
}

pub(crate) async fn another_installs_volume_is_not_ours(setting: Arc<Setting>) {
    let other = setting.another_install("volumes-state").await;
    let name = setting.name("their-volume");
    other.ensure_volume(&name, &[]).await.unwrap();
    not_touched(&setting, &setting.host, &name).await;
    assert!(other.volumes().await.unwrap().iter().any(|volume| volume.name == name));
    other.remove_volume(&name, false).await.unwrap();
    assert!(setting.volume(&name).is_none());
}

pub(crate) async fn a_volumes_name_is_a_whole_name(setting: Arc<Setting>) {
    let name = setting.name("app");
    let (longer, foreign) = (format!("{name}-db"), format!("{name}-foreign"));
    let host = &setting.host;
    host.ensure_volume(&longer, &[]).await.unwrap();
    not_there(host, &name).await;
    setting.foreign_volume(&foreign, &[]);
    not_there(host, &name).await;
    host.ensure_volume(&name, &[]).await.unwrap();
    let removals = futures(host, &name).await;
    assert_eq!(removals.iter().filter(|removed| **removed == Removed::Removed).count(), 1, "{removals:?}");
    not_there(host, &name).await;
    assert!(setting.volume(&longer).is_some() && setting.volume(&foreign).is_some());
}

async fn not_there(host: &Portreeve, name: &str) {
    for error in [host.inspect_volume(name).await.err(), host.remove_volume(name, false).await.err()] {
        assert!(matches!(error, Some(Error::NotFound { .. })), "{error:?}");
    }
    assert!(!host.volume_exists(name).await.unwrap());
}

/// The same removal three times at once: an engine that takes the beginning of a name must not get to see it so.
async fn futures(host: &Portreeve, name: &str) -> Vec<Removed> {
    let remove = || {
        let (host, name) = (host.clone(), name.to_owned());
        tokio::spawn(async move { host.remove_volume(&name, true).await.unwrap() })
    };
    let mut removals = Vec::new();
    for removal in [remove(), remove(), remove()] {
        removals.push(removal.await.unwrap());
    }
    removals
}

pub(crate) async fn a_run_that_fails_leaves_no_new_volume(setting: Arc<Setting>) {
    let (new, old) = (setting.name("new-volume"), setting.name("old-volume"));
    setting.host.ensure_volume(&old, &[]).await.unwrap();
    let mut spec = mounting(&setting, &format!("{new}:/data"), &[]);
    spec.mounts.push(format!("{old}:/old").parse().unwrap());
    spec.entrypoint = vec!["/nonesuch".to_owned()];
    let failed = setting.host.run(&spec).await;
    assert!(failed.is_err(), "{failed:?}");
    assert!(!setting.exists(spec.name.as_str()) && setting.volume(&new).is_none());
    assert!(setting.volume(&old).is_some());
}

pub(crate) async fn a_policy_says_which_volumes(setting: Arc<Setting>) {
    let name = setting.name("forbidden");
    let file = "extends = \"home\"\n[volumes]\nallow = [\"another\"]\n";
    let host = setting.builder().policy(Policy::parse(file, "policy.toml").unwrap()).build().await.unwrap();
    let spec = mounting(&setting, &format!("{name}:/data"), &["say", "never"]);
    let mark = setting.mark();
    for error in [host.ensure_volume(&name, &[]).await.err(), host.run(&spec).await.err()] {
        let Some(Error::Refused(refusal)) = error else { panic!("{error:?}") };
        let remedy = refusal.remedy.unwrap_or_default();
        assert!(refusal.rule == Rule::Policy && remedy.contains("[volumes]") && remedy.contains(&name), "{remedy}");
    }
    assert!(!acted(&setting, mark) && setting.volume(&name).is_none());
}

pub(crate) async fn a_dry_run_makes_no_volume(setting: Arc<Setting>) {
    let host = setting.builder().dry_run(true).build().await.unwrap();
    let (new, old) = (setting.name("dry-volume"), setting.name("wet-volume"));
    setting.host.ensure_volume(&old, &[]).await.unwrap();
    let mark = setting.mark();
    let spec = mounting(&setting, &format!("{new}:/data"), &["say", "never"]);
    host.run(&spec).await.unwrap();
    host.ensure_volume(&new, &[]).await.unwrap();
    assert_eq!(host.remove_volume(&old, false).await.unwrap(), Removed::LeftOut);
    let left_out = setting.argvs_since(mark, true);
    for word in ["create", "rm"] {
        assert!(left_out.iter().any(|argv| is_about_volumes(argv, word)), "{word} is not in {left_out:?}");
    }
    assert!(!acted(&setting, mark) && setting.volume(&new).is_none() && setting.volume(&old).is_some());
}

// ---- engines that misbehave ----

pub(crate) async fn a_volume_that_is_exchanged_is_noticed(setting: Arc<Setting>) {
    let name = setting.name("exchanged");
    setting.host.ensure_volume(&name, &[]).await.unwrap();
    let spec = mounting(&setting, &format!("{name}:/data"), &["wait"]);
    setting.ground.rehearse("faults", "create:swap-volume");
    let error = setting.host.run(&spec).await.unwrap_err();
    setting.ground.rehearse("faults", "");
    assert!(matches!(&error, Error::Refused(refusal) if refusal.rule == Rule::NotOurs), "{error:?}");
    assert!(!setting.exists(spec.name.as_str()), "a container of another volume is still there");
    // What somebody put there stays.
    assert!(setting.volume(&name).is_some_and(|volume| volume["Labels"][OWNER].is_null()));
}

pub(crate) async fn an_engine_that_lies_of_a_volume_is_not_believed(setting: Arc<Setting>) {
    for lie in ["volume-create:leave-out-label", "volume-create:other-label"] {
        let name = setting.name("unlabelled");
        let spec = mounting(&setting, &format!("{name}:/data"), &["wait"]);
        let error = misbehaving(&setting, lie, setting.host.run(&spec)).await;
        assert!(matches!(&error, Error::Conflict(conflict) if conflict.kind == "volume"), "{lie}: {error:?}");
        assert!(!setting.exists(spec.name.as_str()), "{lie}");
        setting.ground.ask(&["volume", "rm", &name]);
    }
    let spec = mounting(&setting, &format!("{}:/data", setting.name("unmounted")), &["wait"]);
    let untrue = [
        misbehaving(&setting, "create:leave-out-mount", setting.host.run(&spec)).await,
        misbehaving(&setting, "volume-create:ignore", setting.host.ensure_volume(&setting.name("unmade"), &[])).await,
    ];
    let kept = setting.name("unremoved");
    setting.host.ensure_volume(&kept, &[]).await.unwrap();
    let unremoved = misbehaving(&setting, "volume-rm:ignore", setting.host.remove_volume(&kept, false)).await;
    for error in untrue.into_iter().chain([unremoved]) {
        assert!(matches!(&error, Error::Fault(fault) if fault.kind == FaultKind::Untrue), "{error:?}");
    }
    assert!(!setting.exists(spec.name.as_str()));
    setting.host.remove_volume(&kept, false).await.unwrap();
}

async fn misbehaving<T: std::fmt::Debug>(
    setting: &Setting,
    fault: &str,
    call: impl Future<Output = Result<T, Error>>,
) -> Error {
    setting.ground.rehearse("faults", fault);
    let result = call.await;
    setting.ground.rehearse("faults", "");
    result.err().unwrap_or_else(|| panic!("{fault} was believed"))
}

// ---- what they share ----

fn mounting(setting: &Setting, mount: &str, words: &[&str]) -> ContainerSpec {
    let mut spec = setting.spec(words);
    spec.mounts = vec![mount.parse().unwrap()];
    spec
}

/// Whether the engine was told to do something to a volume, or to create a container, since then.
fn acted(setting: &Setting, mark: usize) -> bool {
    let about_volumes = |argv: &Vec<String>| DOES.iter().any(|word| is_about_volumes(argv, word));
    setting.argvs_since(mark, false).iter().any(about_volumes) || setting.was_told_to("create", mark)
}

fn is_about_volumes(argv: &[String], word: &str) -> bool {
    argv.windows(2).take(3).any(|pair| pair[0] == "volume" && pair[1] == word)
}

impl Setting {
    /// The engine's document about a volume of this very name.
    pub(crate) fn volume(&self, name: &str) -> Option<Value> {
        let answer = self.ground.ask(&["volume", "inspect", name]);
        let list: Value = serde_json::from_str(&answer.stdout).ok()?;
        list.get(0).filter(|volume| volume["Name"] == name).cloned()
    }

    /// A volume that is not ours: made by the engine's own client.
    pub(crate) fn foreign_volume(&self, name: &str, flags: &[String]) {
        let mark = format!("--label={}", self.foreign_mark());
        let mut words = vec!["volume", "create", mark.as_str()];
        words.extend(flags.iter().map(String::as_str));
        words.push(name);
        let made = self.ground.ask(&words);
        assert_eq!(made.status, 0, "{made:?}");
    }
}
