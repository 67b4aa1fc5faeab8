//! Each further command of the program, once: what the API shows in depth, its users reach.

use std::sync::Arc;

use portreeve::demo::image::ImageOptions;
use portreeve_tests::registry::Fault;
use serde_json::Value;

use crate::behaviours::folder;
use crate::program::{ask, portreeve, says};
use crate::setting::Setting;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A container that waits, started by the program.
async fn waiting(setting: &Setting, name: &str) {
    let image = setting.image.single().to_string();
    says(setting, 0, &["run", "-d", "--network", "none", "--name", name, &image, "say", "aboard", "wait"]).await;
}

pub(crate) async fn the_program_tells_whose_a_container_is(setting: Arc<Setting>) {
    let name = setting.name("whose");
    waiting(&setting, &name).await;
    let owners = json(&says(&setting, 0, &["--json", "which", &name]).await.stdout);
    assert_eq!(
        (&owners[0]["backend"], &owners[0]["ours"]),
        (&setting.kind().backend().into(), &true.into()),
        "{owners}"
    );
    says(&setting, 1, &["which", &setting.name("nobodys")]).await;
    says(&setting, 0, &["rm", "-f", &name]).await;
}

pub(crate) async fn the_program_looks_before_it_starts(setting: Arc<Setting>) {
    let found = says(&setting, 0, &["--json", "preflight"]).await;
    let report = json(&found.stdout);
    let findings = report[0]["findings"].as_array().or(report["findings"].as_array()).unwrap();
    assert!(findings.iter().all(|finding| finding["id"].is_string() && finding["severity"] != "failure"), "{report}");
    let gpu = says(&setting, 125, &["preflight", "--gpus", "0", "--require-gpu"]).await;
    assert!(gpu.stderr.contains("GPU"), "{gpu:?}");
}

pub(crate) async fn the_program_explains_gpus_and_mounts(setting: Arc<Setting>) {
    let source = folder(&setting, "explained");
    let gpu = says(&setting, 0, &["explain", "gpu", "1"]).await;
    assert!(gpu.stdout.contains("nvidia.com/gpu=1") || gpu.stdout.contains("device=1"), "{gpu:?}");
    let mount = says(&setting, 0, &["explain", "mounts", &format!("{}:/data:ro", source.display())]).await;
    assert!(mount.stdout.contains(&format!("source={}", source.display())), "{mount:?}");
}

/// The registry recovers while the program waits to try again.
pub(crate) async fn the_program_tries_a_pull_again(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.registry.keeper().misbehave(&image.repository, Fault::ServerError(503));
    let pulling = tokio::spawn({
        let (setting, image) = (Arc::clone(&setting), image.single().to_string());
        async move { ask(&setting, &["pull", &image]).await }
    });
    let asked = || setting.registry.keeper().asked().iter().any(|ask| format!("{ask:?}").contains(&image.repository));
    setting.until("the registry is asked", asked).await;
    setting.registry.keeper().repent(&image.repository);
    let pulled = pulling.await.unwrap();
    assert_eq!((pulled.status, pulled.stdout.trim()), (0, image.single().to_string().as_str()), "{pulled:?}");
}

pub(crate) async fn the_program_shows_saves_loads_and_removes_images(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    let name = image.single().to_string();
    says(&setting, 0, &["pull", &name]).await;
    let shown = json(&says(&setting, 0, &["--json", "image", "inspect", &name]).await.stdout);
    assert_eq!(shown[0]["entrypoint"][0], "/deckhand", "{shown}");
    assert!(says(&setting, 0, &["image", "size", &name]).await.stdout.trim().parse::<u64>().unwrap() > 0);
    assert!(says(&setting, 0, &["--json", "images"]).await.stdout.contains(&image.id()));
    let file = folder(&setting, "archives").join(format!("{}.tar", setting.name("program")));
    let file = file.to_str().unwrap();
    says(&setting, 0, &["image", "save", &name, "-o", file]).await;
    assert_eq!(says(&setting, 0, &["rmi", &name]).await.stdout.trim(), name);
    says(&setting, 125, &["rmi", &name]).await;
    says(&setting, 0, &["rmi", "--ignore", &name]).await;
    assert!(says(&setting, 0, &["image", "load", file]).await.stdout.contains(&image.id()));
    assert!(says(&setting, 0, &["image", "advise"]).await.stdout.contains(&image.id()[..12]));
}

pub(crate) async fn the_program_stops_kills_waits_and_removes(setting: Arc<Setting>) {
    let (one, other) = (setting.name("stopped"), setting.name("killed"));
    waiting(&setting, &one).await;
    waiting(&setting, &other).await;
    assert_eq!(says(&setting, 0, &["stop", "-t", "5", &one]).await.stdout.trim(), one);
    assert_eq!(says(&setting, 0, &["kill", "-s", "KILL", &other]).await.stdout.trim(), other);
    assert_eq!(says(&setting, 0, &["wait", &other]).await.stdout.trim(), "137");
    says(&setting, 0, &["start", &one]).await;
    says(&setting, 125, &["rm", &one]).await;
    says(&setting, 0, &["restart", "-t", "5", &one]).await;
    let gone = says(&setting, 0, &["rm", "-f", &one, &other]).await;
    assert_eq!(gone.stdout.lines().collect::<Vec<_>>(), [one.as_str(), other.as_str()]);
    assert!(!setting.exists(&one) && !setting.exists(&other));
}

pub(crate) async fn the_program_reads_logs(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("logged"));
    let run = ["run", "-d", "--network", "none", "--name", &name, &image];
    says(&setting, 0, &[&run[..], &["warn", "aside", "sleep", "0.3", "say", "first", "say", "last"]].concat()).await;
    says(&setting, 0, &["wait", &name]).await;
    let whole = says(&setting, 0, &["logs", "-f", &name]).await;
    assert_eq!((whole.stdout.as_str(), whole.stderr.contains("aside")), ("first\nlast\n", true), "{whole:?}");
    assert_eq!(says(&setting, 0, &["logs", "-n", "1", &name]).await.stdout.lines().last(), Some("last"));
    let timed = says(&setting, 0, &["logs", "-t", &name]).await;
    assert!(timed.stdout.lines().all(|line| line.starts_with("20") && line.contains('T')), "{timed:?}");
    says(&setting, 0, &["logs", "--since", "1s", &name]).await;
    says(&setting, 0, &["rm", &name]).await;
}

pub(crate) async fn the_program_limits_a_container(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("limited"));
    let limits = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "64", "--shm-size", "16m", "--read-only"];
    let more = ["--tmpfs", "/scratch:size=1m", "--cap-drop", "ALL", "--hostname", "afloat", "--stop-signal", "USR1"];
    let run = ["run", "-d", "--network", "none", "--name", &name, "--restart", "on-failure:2"];
    let done = ask(&setting, &[&run[..], &limits, &more, &[&image, "wait"]].concat()).await;
    if done.status != 0 {
        // Limits need a controller that such a user has not everywhere.
        assert!(setting.kind().is_rootless(), "{done:?}");
        return;
    }
    let truth = setting.truth(&name).unwrap();
    let host = &truth["HostConfig"];
    assert_eq!(host["ReadonlyRootfs"], true, "{host}");
    // Without such a controller Podman warns, and goes on.
    let bounded = host["Memory"] == 67_108_864 || setting.kind().is_rootless() && done.stderr.contains("not supported");
    assert!(bounded, "{host} {done:?}");
    assert_eq!(truth["Config"]["Hostname"], "afloat");
    says(&setting, 0, &["rm", "-f", &name]).await;
}

const VALUE: &str = "program-periwinkle-3391-cutlass";

pub(crate) async fn the_program_hands_over_secrets(setting: Arc<Setting>) {
    let image = setting.image.single().to_string();
    let file = folder(&setting, "program-secrets").join("token");
    std::fs::write(&file, VALUE).unwrap();
    let run = ["run", "--rm", "--network", "none", "--secret"];
    let variable = format!("TOKEN=file:{}", file.display());
    let said = says(&setting, 0, &[&run[..], &[&variable, &image, "env", "TOKEN"]].concat()).await;
    assert_eq!(said.stdout, "TOKEN=[redacted:TOKEN]\n");
    let mounted = format!("{variable},as=file");
    let said = says(&setting, 0, &[&run[..], &[&mounted, &image, "file", "/run/secrets/TOKEN"]].concat()).await;
    assert_eq!(said.stdout.trim(), "[redacted:TOKEN]");
    let journal = says(&setting, 0, &["--json", "journal", "show"]).await;
    assert!(!journal.stdout.contains(VALUE) && journal.stdout.contains("TOKEN"));
}

pub(crate) async fn the_program_makes_shows_and_removes_pods(setting: Arc<Setting>) {
    let (image, pod, name) = (setting.image.single().to_string(), setting.name("program-pod"), setting.name("member"));
    assert_eq!(says(&setting, 0, &["pod", "create", &pod]).await.stdout.trim(), pod);
    says(&setting, 0, &["run", "-d", "--pod", &pod, "--name", &name, &image, "wait"]).await;
    let shown = json(&says(&setting, 0, &["--json", "pod", "inspect", &pod]).await.stdout);
    assert_eq!(shown[0]["members"][0]["name"], name.as_str(), "{shown}");
    assert!(says(&setting, 0, &["pod", "ls", "-q"]).await.stdout.lines().any(|line| line == pod));
    let unit = says(&setting, 0, &["unit", "--plain", &pod]).await;
    assert!(unit.stdout.contains(&format!("BindsTo={pod}-holder.service")), "{unit:?}");
    says(&setting, 0, &["pod", "stop", &pod]).await;
    says(&setting, 0, &["pod", "rm", "-f", &pod]).await;
    assert!(!setting.exists(&name));
}

pub(crate) async fn the_program_writes_units(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("serviced"));
    let folder = folder(&setting, &name);
    let words = ["unit", "--plain", "--output", folder.to_str().unwrap(), "--network", "none", "--name", &name];
    let written = says(&setting, 0, &[&words[..], &[&image, "wait"]].concat()).await;
    let file = folder.join(format!("{name}.service"));
    assert_eq!(written.stdout.trim(), file.to_str().unwrap());
    assert!(std::fs::read_to_string(file).unwrap().contains("ExecStart="));
    assert!(!setting.exists(&name));
}

pub(crate) async fn the_program_brings_a_project_up_and_down(setting: Arc<Setting>) {
    let name = setting.name("fleet");
    let file = folder(&setting, &name).join("compose.yaml");
    std::fs::write(&file, crate::compose::file(&setting, &setting.image.single())).unwrap();
    let file = file.to_str().unwrap();
    let project = ["-f", file, "-p", &name];
    says(&setting, 0, &["compose", "check", file]).await;
    let mut up = portreeve(&setting);
    up.args(["compose", "up"]).args(project).env("TOKEN", VALUE);
    let up = tokio::task::spawn_blocking(move || up.output()).await.unwrap().unwrap();
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let listed = json(&says(&setting, 0, &["--json", "compose", "ps", "-p", &name]).await.stdout);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    let logs = says(&setting, 0, &["compose", "logs", "--file", file, "-p", &name]).await;
    assert!(logs.stdout.contains("ready") && !logs.stdout.contains(VALUE), "{logs:?}");
    // Where no file is, the project's name tells which containers are meant.
    let bare = says(&setting, 0, &["compose", "-p", &name, "logs", "web"]).await;
    assert!(bare.stdout.contains("web | ") && !bare.stdout.contains(VALUE), "{bare:?}");
    says(&setting, 2, &["compose", "-p", &name, "logs", "other"]).await;
    says(&setting, 0, &["compose", "-p", &name, "down", "-v"]).await;
    assert!(!setting.exists(&format!("{name}-web-1")) && setting.volume(&format!("{name}_data")).is_none());
}

pub(crate) async fn the_program_compares_a_host_with_a_standard(setting: Arc<Setting>) {
    let name = setting.name("expected");
    let file = folder(&setting, &name).join("standard.toml");
    let backend = setting.kind().backend();
    let text = format!("name = \"t\"\n[runtime]\nhere = \"{backend}\"\n[services]\nrunning = [\"{name}\"]\n");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let failed = says(&setting, 1, &["--json", "verify", "--standard", file]).await;
    assert!(failed.stdout.contains(&format!("service.{name}")), "{failed:?}");
    waiting(&setting, &name).await;
    says(&setting, 0, &["verify", "--standard", file]).await;
    says(&setting, 0, &["rm", "-f", &name]).await;
}
