//! Units of systemd, and standards: what is written runs, and what is judged was seen.

use std::sync::Arc;

use portreeve::spec::{PodSpec, Secret, SecretDelivery, SecretValue};
use portreeve::standard::Standard;
use portreeve::units::{Manager, UnitFile, UnitOptions};
use portreeve::{ContainerSpec, Error};
use portreeve_tests::engines::Answer;

use crate::setting::Setting;

const VALUE: &str = "unit-heliotrope-5512-anvil";

fn plain() -> UnitOptions {
    UnitOptions { plain: true, ..UnitOptions::default() }
}

/// The words of a key's command line without its program; those of these tests need no quotes.
fn words<'a>(unit: &'a UnitFile, key: &str) -> Vec<Vec<&'a str>> {
    let lines = unit.text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.map(|line| line.split(' ').skip(1).collect()).collect()
}

/// Judged by systemd's own programs, where they are; their absence is said aloud.
async fn judged(setting: &Setting, files: &[UnitFile]) {
    let judge = setting.another_install("judge").await;
    let checked = judge.check_unit(files, Manager::System).await.unwrap();
    match checked.good {
        Some(good) => assert!(good, "{checked:?}\n{files:?}"),
        None => eprintln!("NOT JUDGED on {}: {:?}", setting.kind().name(), checked.said),
    }
}

/// The engine's own client already names a real daemon's socket.
fn by_hand(setting: &Setting, words: &[&str]) -> Answer {
    let named = |word: &&&str| setting.kind().is_real() && word.starts_with("--host=");
    setting.ground.ask(&words.iter().filter(|word| !named(word)).copied().collect::<Vec<_>>())
}

pub(crate) async fn a_plain_unit_runs_what_it_says(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["say", "from-a-unit"]);
    spec.env = vec!["A=50%".parse().unwrap()];
    let files = setting.host.unit(&spec, &plain()).await.unwrap();
    let [unit] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(unit.name, format!("{}.service", spec.name));
    assert!(unit.text.contains("--env=A=50%%") && unit.text.contains(&setting.image.single().to_string()), "{unit:?}");
    judged(&setting, &files).await;
    // Systemd would do this; here the engine's own client does.
    let [create] = words(unit, "ExecStartPre").try_into().unwrap();
    let create: Vec<String> = create.iter().map(|word| word.replace("%%", "%")).collect();
    let answer = by_hand(&setting, &create.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(answer.status, 0, "{answer:?}");
    // It is this install's own, though this install did not create it.
    assert_eq!(setting.host.inspect(spec.name.as_str()).await.unwrap().name, spec.name.as_str());
    let [start] = words(unit, "ExecStart").try_into().unwrap();
    let answer = by_hand(&setting, &start);
    assert_eq!((answer.status, answer.stdout.as_str()), (0, "from-a-unit\n"), "{answer:?}");
    setting.until("the engine takes it away", || !setting.exists(spec.name.as_str())).await;
    // What could be somebody else's by then is never removed by name.
    assert!(!unit.text.contains("ExecStopPost"), "{unit:?}");
}

pub(crate) async fn a_unit_of_a_container_names_its_id(setting: Arc<Setting>) {
    let name = setting.name("unit");
    let running = setting.run_waiting(&name).await;
    let options = UnitOptions { reload: Some("HUP".parse().unwrap()), ..UnitOptions::default() };
    let files = setting.host.unit_of(&name, &options).await.unwrap();
    judged(&setting, &files).await;
    for key in ["ExecStart", "ExecReload", "ExecStop"] {
        let [line] = words(&files[0], key).try_into().unwrap();
        assert_eq!(line.last(), Some(&running.id.as_str()), "{files:?}");
    }
    let [stop] = words(&files[0], "ExecStop").try_into().unwrap();
    assert_eq!(by_hand(&setting, &stop).status, 0);
    setting.until("it ends", || !setting.is_running(&name)).await;
    let foreign = setting.foreign(&setting.name("foreign"), &[]);
    assert!(matches!(setting.host.unit_of(&foreign, &options).await, Err(Error::NotFound { .. } | Error::Spec(_))));
}

pub(crate) async fn a_unit_holds_no_secret(setting: Arc<Setting>) {
    let secret = |name: &str, delivery| Secret {
        name: name.parse().unwrap(),
        value: SecretValue::new(VALUE.as_bytes()),
        delivery,
    };
    let mut spec = setting.spec(&["say", "x"]);
    spec.secrets = vec![secret("KEY", SecretDelivery::File("/run/secrets/KEY".parse().unwrap()))];
    let files = setting.host.unit(&spec, &plain()).await.unwrap();
    let text = &files[0].text;
    assert!(text.contains("LoadCredential=KEY:/etc/credstore/KEY") && text.contains("source=%d/KEY,"), "{text}");
    assert!(!text.contains(VALUE) && !text.contains("portreeve-secrets"), "{text}");
    judged(&setting, &files).await;
    spec.secrets.push(secret("TOKEN", SecretDelivery::Environment));
    let error = setting.host.unit(&spec, &plain()).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(why) if why.contains("--secret TOKEN,as=file")), "{error}");
    // An engine whose generator knows secrets of its own takes both.
    match setting.host.unit(&spec, &UnitOptions::default()).await {
        Ok(files) => {
            assert!(setting.kind().is_podman());
            assert!(files[0].text.contains("Secret=TOKEN,type=env,target=TOKEN"), "{files:?}");
            assert!(!files[0].text.contains(VALUE) && !files[0].text.contains("portreeve-secrets"), "{files:?}");
            judged(&setting, &files).await;
        }
        Err(error) => assert!(!setting.kind().is_podman() && matches!(error, Error::Unsupported(_)), "{error}"),
    }
}

pub(crate) async fn a_unit_has_files_for_its_volumes(setting: Arc<Setting>) {
    let volume = setting.name("unit-volume");
    let mut spec: ContainerSpec = setting.spec(&["say", "x"]);
    spec.mounts = vec![format!("{volume}:/data:ro").parse().unwrap()];
    let files = setting.host.unit(&spec, &UnitOptions::default()).await.unwrap();
    if setting.kind().is_podman() {
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, [format!("{}.container", spec.name), format!("{volume}.volume")]);
        assert!(files[0].text.contains(&format!("Volume={volume}.volume:/data:ro")), "{files:?}");
        assert!(files[1].text.contains("Label=io.portreeve.owner="), "{files:?}");
    } else {
        assert!(files[0].text.contains("ExecStartPre=-"), "{files:?}");
    }
    judged(&setting, &files).await;
    // Writing a unit makes nothing.
    assert!(setting.volume(&volume).is_none() && !setting.exists(spec.name.as_str()));
}

/// Each container of the pod, what holds its network first; systemd starts and ends them in this order.
pub(crate) async fn a_unit_of_a_pod_has_a_service_for_each_part(setting: Arc<Setting>) {
    let pod = setting.name("unit-pod");
    let mut member = setting.spec(&["wait"]);
    (member.pod, member.network) = (Some(pod.parse().unwrap()), None);
    let missing = setting.host.unit_of_pod(&pod, &plain()).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { kind: "pod", .. }), "{missing:?}");
    let made = setting.host.ensure_pod(&PodSpec::new(pod.parse().unwrap())).await.unwrap();
    setting.host.run(&member).await.unwrap();
    let files = setting.host.unit_of_pod(&pod, &plain()).await.unwrap();
    let [holder, part] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(holder.name, format!("{pod}-holder.service"));
    assert_eq!(words(holder, "ExecStart")[0].last(), Some(&made.holder.as_str()), "{holder:?}");
    assert_eq!(part.name, format!("{}.service", member.name));
    assert!(part.text.contains(&format!("BindsTo={pod}-holder.service")), "{part:?}");
    judged(&setting, &files).await;
    setting.host.remove_pod(&pod, true).await.unwrap();
}

/// Where the engine's generator makes pods it gets one to make; elsewhere the pod has to be there.
pub(crate) async fn a_unit_in_a_pod_to_be(setting: Arc<Setting>) {
    let pod = setting.name("unit-pod");
    let mut spec = setting.spec(&["wait"]);
    (spec.pod, spec.network) = (Some(pod.parse().unwrap()), None);
    if !setting.kind().is_podman() {
        let error = setting.host.unit(&spec, &UnitOptions::default()).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { kind: "pod", .. }), "{error:?}");
        return;
    }
    spec.ports = vec!["127.0.0.1:18431:80".parse().unwrap()];
    let files = setting.host.unit(&spec, &UnitOptions::default()).await.unwrap();
    let [container, made] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(made.name, format!("{pod}.pod"));
    assert!(made.text.contains(&format!("PodName={pod}\nPublishPort=127.0.0.1:18431:80")), "{made:?}");
    assert!(
        container.text.contains(&format!("Pod={pod}.pod")) && !container.text.contains("PublishPort"),
        "{container:?}"
    );
    judged(&setting, &files).await;
    assert!(!setting.host.pod_exists(&pod).await.unwrap());
}

pub(crate) async fn a_standard_is_compared_with_the_host(setting: Arc<Setting>) {
    let name = setting.name("service");
    setting.run_waiting(&name).await;
    let text = format!(
        "name = \"test\"\n[runtime]\nhere = \"{}\"\n[smoke]\nrun = true\n[services]\nrunning = [\"{name}\"]\n",
        setting.kind().backend()
    );
    let standard = Standard::parse(&text, "test.toml").unwrap();
    let list = setting.host.verify_standard(&standard, None).await.unwrap();
    assert!(list.holds(), "{list}");
    assert!(!setting.exists(&format!("portreeve-smoke-{}", std::process::id())));
    setting.host.remove(&name, true).await.unwrap();
    let list = setting.host.verify_standard(&standard, None).await.unwrap();
    let failed: Vec<&str> = list.items.iter().filter(|item| !item.holds).map(|item| item.id.as_str()).collect();
    assert_eq!(failed, [format!("service.{name}")]);
}
