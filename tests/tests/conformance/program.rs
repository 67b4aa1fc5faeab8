//! The program `portreeve`, as its users meet it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve::demo::image::ImageOptions;
use portreeve_tests::engines::Answer;
use rustix::process::{Pid, Signal, kill_process};

use crate::setting::Setting;

/// How long an interrupted program may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn state(setting: &Setting) -> PathBuf {
    let state = setting.ground.folder.join("program-state");
    if !state.exists() {
        std::fs::create_dir(&state).unwrap();
        std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        setting.adopt(&state);
    }
    state
}

fn portreeve(setting: &Setting) -> Command {
    let mut command = Command::new(&setting.program);
    command.args(["--backend", setting.kind().backend(), "--state"]).arg(state(setting));
    command.stdin(Stdio::null());
    command
}

pub(crate) async fn ask(setting: &Setting, words: &[&str]) -> Answer {
    let mut command = portreeve(setting);
    command.args(words);
    // The registry answers in this very process.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    output.unwrap().into()
}

pub(crate) async fn the_program_ends_with_the_containers_status(setting: Arc<Setting>) {
    let image = setting.image.single().to_string();
    for (status, last) in [(0, "0"), (7, "7"), (125, "125")] {
        let answer =
            ask(&setting, &["run", "--rm", "--network", "none", &image, "say", "out", "warn", "err", "exit", last])
                .await;
        assert_eq!((answer.status, answer.stdout.as_str()), (status, "out\n"), "{answer:?}");
        assert!(answer.stderr.contains("err\n"), "{answer:?}");
    }
}

pub(crate) async fn the_program_tells_its_failures_apart(setting: Arc<Setting>) {
    let image = setting.image.single().to_string();
    let unknown = setting.publish(ImageOptions::default());
    let unknown = setting.image.by(&format!("@{}", unknown.image.manifest())).to_string();
    let cases: [(i32, &[&str]); 5] = [
        (2, &["run", "--nonesuch-flag", &image]),
        (2, &["run"]),
        (126, &["run", "--rm", "-p", "0.0.0.0:18099:80", &image, "say", "never"]),
        (125, &["run", "--rm", "--network", "none", &unknown, "say", "never"]),
        (125, &["stop", "nonesuch-container"]),
    ];
    for (status, words) in cases {
        let answer = ask(&setting, words).await;
        assert_eq!(answer.status, status, "{words:?}: {answer:?}");
        assert!(!answer.stderr.is_empty() && answer.stdout.is_empty(), "{words:?}: {answer:?}");
    }
}

pub(crate) async fn the_program_removes_what_it_ran(setting: Arc<Setting>) {
    let image = setting.image.single().to_string();
    let name = setting.name("program");
    let words = ["run", "--rm", "--network", "none", "--name", &name, &image, "say", "hello"];
    let answer = ask(&setting, &words).await;
    assert_eq!((answer.status, answer.stdout.as_str()), (0, "hello\n"), "{answer:?}");
    assert!(!setting.exists(&name));
    let kept = ask(&setting, &["run", "-d", "--network", "none", "--name", &name, &image, "wait"]).await;
    assert_eq!(kept.status, 0, "{kept:?}");
    let listed = ask(&setting, &["ps"]).await;
    assert!(listed.stdout.contains(&name), "{listed:?}");
    let removed = ask(&setting, &["rm", "-f", &name]).await;
    assert_eq!(removed.status, 0, "{removed:?}");
    assert!(!setting.exists(&name));
    let verified = ask(&setting, &["journal", "verify"]).await;
    assert_eq!(verified.status, 0, "{verified:?}");
}

pub(crate) async fn a_dry_run_of_the_program_prints_argvs(setting: Arc<Setting>) {
    let fresh = setting.publish(ImageOptions::default());
    let name = setting.name("dry");
    // One that is held, one that is not, and one of which a registry must say what it is.
    for image in [setting.image.single(), fresh.single(), fresh.tag()] {
        let image = image.to_string();
        let words = ["--dry-run", "run", "--rm", "--network", "none", "--name", &name, &image, "say", "never"];
        let answer = ask(&setting, &words).await;
        assert_eq!(answer.status, 0, "{answer:?}");
        let told = &answer.stdout;
        assert!(
            told.contains(&format!("--name={name}")) && told.contains("--security-opt=no-new-privileges"),
            "{told}"
        );
        assert!(told.contains(&fresh.id()) || told.contains(&setting.image.id()), "{told}");
        let last = told.lines().last().unwrap();
        assert!(last.contains(" rm ") && last.contains("--force"), "{told}");
        assert!(!setting.exists(&name));
    }
    assert!(!setting.host.has_image(&fresh.single()).await.unwrap());
}

pub(crate) async fn an_interrupted_program_leaves_nothing(setting: Arc<Setting>) {
    let image = setting.image.single().to_string();
    for signal in [Signal::INT, Signal::TERM] {
        let name = setting.name("interrupted");
        let mut command = portreeve(&setting);
        command.args(["run", "--network", "none", "--name", &name, &image, "say", "here", "wait"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "here\n");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = ended(&mut child).await;
        assert_ne!(status.code(), Some(0), "{signal:?}");
        assert!(!setting.exists(&name), "{signal:?} left a container behind");
    }
}

pub(crate) async fn the_program_makes_lists_shows_and_removes_volumes(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("program-volume"));
    let says = async |status: i32, words: &[&str]| {
        let answer = ask(&setting, words).await;
        assert_eq!(answer.status, status, "{words:?}: {answer:?}");
        answer
    };
    let made = says(0, &["volume", "create", "--label", "a=b", &name]).await;
    assert_eq!(made.stdout, format!("{name}\n"));
    assert!(says(0, &["volume", "ls", "--quiet"]).await.stdout.lines().any(|line| line == name));
    assert!(says(0, &["volume", "ls"]).await.stdout.starts_with("DRIVER"));
    let shown = says(0, &["volume", "inspect", &name, "--json"]).await;
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown[0]["name"], &shown[0]["labels"]["a"]), (&name.as_str().into(), &"b".into()));
    let mount = format!("{name}:/data");
    let run = ["run", "--rm", "--network", "none", "-v", &mount, &image];
    says(0, &[&run[..], &["write", "/data/note", "kept"]].concat()).await;
    assert_eq!(says(0, &[&run[..], &["file", "/data/note"]].concat()).await.stdout, "kept");
    assert_eq!(says(0, &["volume", "rm", &name]).await.stdout, format!("{name}\n"));
    assert!(setting.volume(&name).is_none());
    says(125, &["volume", "rm", &name]).await;
    says(0, &["volume", "rm", "--force", &name]).await;
    says(2, &["volume", "create", "--opt", "type=none", &name]).await;
    let foreign = setting.name("program-foreign");
    setting.foreign_volume(&foreign, &[]);
    says(126, &["volume", "rm", "--force", &foreign]).await;
    let taken = says(125, &["--json", "volume", "create", &foreign]).await;
    let error: serde_json::Value = serde_json::from_str(&taken.stderr).unwrap();
    assert_eq!((&error["error"]["kind"], &error["error"]["object"]), (&"conflict".into(), &"volume".into()));
    assert!(setting.volume(&foreign).is_some());
}

pub(crate) async fn the_program_makes_lists_shows_and_removes_networks(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("program-network"));
    let says = async |status: i32, words: &[&str]| {
        let answer = ask(&setting, words).await;
        assert_eq!(answer.status, status, "{words:?}: {answer:?}");
        answer
    };
    let made = says(0, &["network", "create", "--internal", "--label", "a=b", &name]).await;
    assert_eq!(made.stdout, format!("{name}\n"));
    assert!(says(0, &["network", "ls", "--quiet"]).await.stdout.lines().any(|line| line == name));
    assert!(says(0, &["network", "ls"]).await.stdout.starts_with("NETWORK ID"));
    let shown = says(0, &["network", "inspect", &name, "--json"]).await;
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown[0]["name"], &shown[0]["internal"]), (&name.as_str().into(), &true.into()));
    let run = ["run", "--rm", "--network", &name, &image, "say", "aboard"];
    assert_eq!(says(0, &run).await.stdout, "aboard\n");
    assert_eq!(says(0, &["network", "rm", &name]).await.stdout, format!("{name}\n"));
    assert!(setting.network(&name).is_none());
    says(125, &["network", "rm", &name]).await;
    says(0, &["network", "rm", "--force", &name]).await;
    says(125, &run).await;
    says(2, &["network", "create", "--opt", "parent=eth0", &name]).await;
    let foreign = setting.name("program-foreign-network");
    setting.foreign_network(&foreign, &[]);
    says(126, &["network", "rm", "--force", &foreign]).await;
    let taken = says(125, &["--json", "network", "create", &foreign]).await;
    let error: serde_json::Value = serde_json::from_str(&taken.stderr).unwrap();
    assert_eq!((&error["error"]["kind"], &error["error"]["object"]), (&"conflict".into(), &"network".into()));
    assert!(setting.network(&foreign).is_some());
}

async fn ended(child: &mut Child) -> std::process::ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it did not end");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
