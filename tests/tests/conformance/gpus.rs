//! GPUs: a container sees those of its mask, and no other. On made nodes, in a pass of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use portreeve::{ContainerInfo, ContainerSpec, Error, Intention, Portreeve, Severity, UpOptions};

use crate::made::VARIABLE;
use crate::setting::{Heard, Setting};

/// A host at the engine that has the made GPUs.
async fn host(setting: &Setting) -> Portreeve {
    let login = std::env::var(VARIABLE).unwrap();
    let builder = setting.builder();
    let builder = if setting.kind().is_podman() { builder } else { builder.variable("XDG_RUNTIME_DIR", login) };
    builder.build().await.unwrap()
}

fn spec(setting: &Setting, gpus: &str) -> ContainerSpec {
    let mut spec = setting.spec(&["say", "here", "wait"]);
    spec.gpus = gpus.parse().unwrap();
    spec
}

/// The GPU nodes that a container sees: the truth.
fn seen(container: &ContainerInfo) -> BTreeSet<String> {
    let pid = container.pid.expect("it runs");
    let names = std::fs::read_dir(format!("/proc/{pid}/root/dev")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.strip_prefix("nvidia").is_some_and(|rest| rest.parse::<u32>().is_ok())).collect()
}

async fn exposes(setting: &Setting, gpus: &str, expected: &[&str]) {
    let (host, spec) = (host(setting).await, spec(setting, gpus));
    let running = host.run(&spec).await.unwrap();
    assert_eq!(seen(&running), expected.iter().map(ToString::to_string).collect(), "{gpus}");
    host.remove(spec.name.as_str(), true).await.unwrap();
}

pub(crate) async fn a_mask_exposes_exactly_its_gpu(setting: Arc<Setting>) {
    exposes(&setting, "1", &["nvidia1"]).await;
    exposes(&setting, "GPU0", &["nvidia0"]).await;
}

pub(crate) async fn several_gpus_and_all_of_them(setting: Arc<Setting>) {
    exposes(&setting, "0,1", &["nvidia0", "nvidia1"]).await;
    exposes(&setting, "all", &["nvidia0", "nvidia1", "nvidia2"]).await;
}

pub(crate) async fn without_a_mask_no_gpu_is_seen(setting: Arc<Setting>) {
    exposes(&setting, "none", &[]).await;
}

/// The spec, or the hook, hands out one GPU more than the one that was asked for.
pub(crate) async fn more_than_the_mask_is_ended(setting: Arc<Setting>) {
    let (host, spec) = (host(&setting).await, spec(&setting, "2"));
    let error = host.run(&spec).await.unwrap_err();
    assert!(matches!(&error, Error::Gpu(why) if why.contains("nvidia1")), "{error:?}");
    assert!(host.owner_of(spec.name.as_str()).await.unwrap().is_empty());
}

pub(crate) async fn more_than_the_mask_ends_an_attached_run(setting: Arc<Setting>) {
    let (host, spec) = (host(&setting).await, spec(&setting, "2"));
    let heard = Heard::all(host.run_attached(&spec).await.unwrap()).await;
    assert!(matches!(&heard.end, Err(Error::Gpu(why)) if why.contains("nvidia1")), "{heard:?}");
    assert!(host.owner_of(spec.name.as_str()).await.unwrap().is_empty());
}

pub(crate) async fn an_absent_gpu_of_several_fails_before_anything_is_created(setting: Arc<Setting>) {
    let host = host(&setting).await;
    for gpus in ["7", "0,7"] {
        let (mark, spec) = (setting.mark(), spec(&setting, gpus));
        let error = host.run(&spec).await.unwrap_err();
        let told = "GPU 7 is not there (/dev/nvidia7): there are 0, 1, 2";
        assert!(matches!(&error, Error::Gpu(why) if why.contains(told)), "{gpus}: {error:?}");
        assert!(!setting.was_told_to("create", mark));
        assert!(host.owner_of(spec.name.as_str()).await.unwrap().is_empty());
    }
}

/// Neither the network that its services would be on.
pub(crate) async fn absent_gpus_end_a_project_before_anything_is_made(setting: Arc<Setting>) {
    let (host, name) = (host(&setting).await, setting.name("farm"));
    let deploy = "{resources: {reservations: {devices: [{count: 8, capabilities: [gpu]}]}}}";
    let image = setting.image.single();
    let services = format!("{{first: {{image: {image}}}, second: {{image: {image}, deploy: {deploy}}}}}");
    let project = crate::compose::read(&name, &format!("services: {services}"));
    let mark = setting.mark();
    let up = host.compose_up(&project, &UpOptions::default(), &crate::compose::secret, &mut |_| {}).await;
    assert!(matches!(&up, Err(Error::Gpu(why)) if why.contains("GPU 3 is not there")), "{up:?}");
    let made = setting.argvs_since(mark, false).into_iter().find(|argv| argv.iter().any(|word| word == "create"));
    assert_eq!(made, None);
}

/// Of made nodes no driver tells anything.
pub(crate) async fn a_profile_that_nobody_can_judge_ends_a_call(setting: Arc<Setting>) {
    let (host, mark) = (host(&setting).await, setting.mark());
    for (profile, id) in [("required,memory=8g", "gpu.memory"), ("required,cuda=12.4", "gpu.cuda")] {
        let mut spec = spec(&setting, "1");
        spec.gpu_profile = Some(profile.parse().unwrap());
        let error = host.run(&spec).await.unwrap_err();
        assert!(matches!(&error, Error::Gpu(why) if why.contains("can't be judged")), "{profile}: {error:?}");
        assert!(!setting.was_told_to("create", mark));
        let intention = Intention { gpus: spec.gpus, profile: spec.gpu_profile, ..Intention::default() };
        let report = host.preflight(&intention).await.unwrap();
        let found = report.findings.iter().find(|finding| finding.id == id).unwrap();
        assert!(found.severity == Severity::Failure && found.remedy.is_some(), "{found:?}");
    }
}

pub(crate) async fn a_preflight_knows_which_gpus_the_specs_name(setting: Arc<Setting>) {
    let host = host(&setting).await;
    let of = async |gpus: &str, id: &str| {
        let report = host.preflight(&Intention { gpus: gpus.parse().unwrap(), ..Intention::default() }).await.unwrap();
        let found = report.findings.iter().find(|finding| finding.id == id);
        found.unwrap_or_else(|| panic!("no {id} in {report:?}")).clone()
    };
    assert_eq!(of("1", "gpu.device").await.severity, Severity::Ok);
    assert_eq!(of("1", "gpu.cdi").await.severity, Severity::Ok);
    let unnamed = of("0:0", "gpu.cdi").await;
    let expected = if setting.kind().is_podman() { Severity::Failure } else { Severity::Info };
    assert_eq!(unnamed.severity, expected, "{unnamed:?}");
    assert!(unnamed.seen.contains("0:0"), "{unnamed:?}");
}

pub(crate) async fn the_program_exposes_exactly_a_mask(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("program-gpu"));
    let ask = async |words: &[&str]| {
        let mut command = crate::program::portreeve(&setting);
        command.args(words);
        if !setting.kind().is_podman() {
            command.env("XDG_RUNTIME_DIR", std::env::var(VARIABLE).unwrap());
        }
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    };
    let run = ["run", "-d", "--network", "none", "--gpus", "1", "--name", &name, &image, "wait"];
    let started = ask(&run).await;
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let shown = ask(&["inspect", &name]).await;
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let nodes = std::fs::read_dir(format!("/proc/{}/root/dev", shown[0]["pid"])).unwrap();
    let nodes = nodes.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let nodes: Vec<String> = nodes.filter(|name| name.starts_with("nvidia") && !name.ends_with("ctl")).collect();
    assert_eq!(nodes, ["nvidia1"]);
    assert!(ask(&["rm", "-f", &name]).await.status.success());
    let absent = ask(&["run", "-d", "--network", "none", "--gpus", "7", "--name", &name, &image, "wait"]).await;
    assert_eq!(absent.status.code(), Some(125));
    assert!(ask(&["which", &name]).await.status.code() == Some(1));
}
