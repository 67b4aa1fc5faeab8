//! Only what is ours can be touched, and nobody else can make something ours.

use std::sync::Arc;
use std::time::Duration;

use portreeve::demo::image::ImageOptions;
use portreeve::journal::Record;
use portreeve::{Error, LogOptions, Portreeve, Rule};

use crate::setting::Setting;

const OWNER: &str = "io.portreeve.owner";

pub(crate) async fn a_foreign_container_can_not_be_touched(setting: Arc<Setting>) {
    let name = setting.name("foreign");
    let id = setting.foreign(&name, &[]);
    untouchable(&setting, &setting.host, &name).await;
    // By its ID neither: an ID is no name of ours.
    unknown(&setting, &setting.host, &id).await;
    assert!(setting.is_running(&name));
}

/// Every call that names it is refused, and each refusal stands in the journal.
async fn untouchable(setting: &Setting, host: &Portreeve, name: &str) {
    let before = refusals(host, name);
    let errors = asked(setting, host, name).await;
    for (call, error) in &errors {
        assert!(matches!(error, Error::Refused(refusal) if refusal.rule == Rule::NotOurs), "{call}: {error:?}");
    }
    assert_eq!(refusals(host, name) - before, errors.len());
}

fn refusals(host: &Portreeve, name: &str) -> usize {
    let is_it = |record: &Record| record.rule.as_deref() == Some("not-ours") && record.name.as_deref() == Some(name);
    crate::journal::records(host.state_dir()).iter().filter(|record| is_it(record)).count()
}

/// Every call that names it says that there is no such container.
async fn unknown(setting: &Setting, host: &Portreeve, name: &str) {
    for (call, error) in asked(setting, host, name).await {
        assert!(matches!(error, Error::NotFound { .. }), "{call}: {error:?}");
    }
}

/// What every call that names it says; the engine is told nothing but to look.
async fn asked(setting: &Setting, host: &Portreeve, name: &str) -> Vec<(&'static str, Error)> {
    let mark = setting.mark();
    let grace = Duration::from_secs(1);
    let errors = [
        ("inspect", host.inspect(name).await.err()),
        ("start", host.start(name).await.err()),
        ("logs", host.logs(name, &LogOptions::default()).await.err()),
        ("stop", host.stop(name, grace).await.err()),
        ("kill", host.kill(name, &"KILL".parse().unwrap()).await.err()),
        ("wait", host.wait(name).await.err()),
        ("remove", host.remove(name, false).await.err()),
        ("remove by force", host.remove(name, true).await.err()),
    ];
    for word in ["start", "stop", "kill", "rm", "logs", "wait"] {
        assert!(!setting.was_told_to(word, mark), "{word}");
    }
    let listed = host.list().await.unwrap();
    assert!(!listed.iter().any(|one| one.name == name || one.id == name), "{listed:?}");
    let said = |(call, error): (_, Option<Error>)| (call, error.unwrap_or_else(|| panic!("{call}: it was done")));
    errors.into_iter().map(said).collect()
}

pub(crate) async fn a_name_is_a_whole_name(setting: Arc<Setting>) {
    let app = setting.name("app");
    let (database, foreign) = (format!("{app}-db"), format!("{app}-foreign"));
    setting.run_waiting(&database).await;
    let foreign_id = setting.foreign(&foreign, &[]);
    unknown(&setting, &setting.host, &app).await;
    let info = setting.run_waiting(&app).await;
    unknown(&setting, &setting.host, &app[..app.len() - 1]).await;
    setting.host.stop(&app, Duration::from_secs(5)).await.unwrap();
    setting.host.remove(&app, false).await.unwrap();
    assert!(!setting.exists(&info.id));
    assert!(setting.is_running(&database) && setting.is_running(&foreign_id));
}

pub(crate) async fn an_image_can_not_forge_ownership(setting: Arc<Setting>) {
    let truth = owned(&setting, "genuine").await;
    let forging =
        |label: &str| ImageOptions { labels: [(OWNER.to_owned(), label.to_owned())].into(), ..ImageOptions::default() };
    let image = setting.publish(forging(&truth));
    setting.host.pull(&image.single()).await.unwrap();
    let name = setting.name("forged");
    setting.foreign_of(&image, &name, &[]);
    assert!(setting.truth(&name).unwrap()["Config"]["Labels"][OWNER] == truth, "the image's label is not there");
    untouchable(&setting, &setting.host, &name).await;
    assert!(setting.is_running(&name));
    // One of ours of that image is ours by our own label.
    let mut spec = setting.spec(&["wait"]);
    spec.image = image.single();
    setting.host.run(&spec).await.unwrap();
    assert!(setting.truth(spec.name.as_str()).unwrap()["Config"]["Labels"][OWNER] != truth);
    setting.host.remove(spec.name.as_str(), true).await.unwrap();
}

/// A folder of the engine's own process leads out of the container (CVE-2024-21626), also where the image names it.
pub(crate) async fn an_image_can_not_begin_outside_of_its_container(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions { workdir: "/proc/self/fd/8".to_owned(), ..ImageOptions::default() });
    setting.host.pull(&image.single()).await.unwrap();
    let mut spec = setting.spec(&["wait"]);
    spec.image = image.single();
    let refused = setting.host.create(&spec).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(refusal) if refusal.slot.as_deref() == Some("workdir")), "{refused:?}");
    assert!(setting.truth(spec.name.as_str()).is_none(), "the container is left");
    spec.workdir = Some("/".parse().unwrap());
    setting.host.create(&spec).await.unwrap();
}

pub(crate) async fn a_copied_label_is_no_ownership(setting: Arc<Setting>) {
    let name = setting.name("original");
    setting.run_waiting(&name).await;
    let labels = setting.truth(&name).unwrap()["Config"]["Labels"].clone();
    let copied = |key: &str| format!("{key}={}", labels[key].as_str().unwrap());
    let copy = setting.name("copy");
    setting.foreign(&copy, &[copied(OWNER), copied("io.portreeve.install"), copied("io.portreeve.spec")]);
    untouchable(&setting, &setting.host, &copy).await;
    assert!(setting.is_running(&copy) && setting.is_running(&name));
}

pub(crate) async fn a_label_on_another_container_of_its_name_is_no_ownership(setting: Arc<Setting>) {
    let name = setting.name("exchanged");
    let spec = setting.named(&name, &["wait"]);
    setting.host.run(&spec).await.unwrap();
    let labels = setting.truth(&name).unwrap()["Config"]["Labels"].as_object().unwrap().clone();
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect();
    setting.ground.ask(&["rm", "--force", &name]);
    setting.foreign(&name, &labels);
    untouchable(&setting, &setting.host, &name).await;
    let error = setting.host.run(&spec).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(conflict) if conflict.differs.is_empty()), "{error:?}");
    assert!(setting.is_running(&name));
    setting.ground.ask(&["rm", "--force", &name]);
    setting.host.run(&spec).await.unwrap();
    setting.host.remove(&name, true).await.unwrap();
}

/// The owner label of a container of ours.
async fn owned(setting: &Setting, name: &str) -> String {
    let spec = setting.named(&setting.name(name), &["wait"]);
    setting.host.create(&spec).await.unwrap();
    setting.truth(spec.name.as_str()).unwrap()["Config"]["Labels"][OWNER].as_str().unwrap().to_owned()
}

pub(crate) async fn another_install_is_not_seen(setting: Arc<Setting>) {
    let other = setting.another_install("other-state").await;
    let name = setting.name("theirs");
    let spec = setting.named(&name, &["wait"]);
    other.run(&spec).await.unwrap();
    untouchable(&setting, &setting.host, &name).await;
    let error = setting.host.run(&spec).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(conflict) if conflict.differs.is_empty()), "{error:?}");
    assert!(setting.is_running(&name));
    assert!(other.list().await.unwrap().iter().any(|one| one.name == name));
    other.remove(&name, true).await.unwrap();
    assert!(!setting.exists(&name));
}
