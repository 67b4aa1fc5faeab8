//! A host that dies at any moment of a run: its journal verifies, and the next one finds what was begun.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve::spec::NetworkMode;
use portreeve::{ContainerSpec, Error};

use crate::ground::{Ground, Kind};
use crate::setting::Setting;

/// How often a host is killed, spread over the time of a run.
const DEATHS: u32 = 8;

/// How long a command that was started before the death may go on: it is not the host's any more.
const AFTERMATH: Duration = Duration::from_secs(20);

/// `--doomed KIND FOLDER STATE IMAGE NAME`: runs a container, detached, and ends.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let [kind, folder, state, image, name] = words else { return ExitCode::from(2) };
    let ground = Ground::new(Kind::from_name(kind).unwrap(), Path::new(folder));
    let mut spec = ContainerSpec::new(image.parse().unwrap(), name.parse().unwrap());
    spec.words = vec!["wait".to_owned()];
    spec.network = Some(NetworkMode::None);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ran = runtime.block_on(async { ground.builder(Path::new(state)).build().await?.run(&spec).await });
    match ran {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) async fn a_killed_host_leaves_what_can_be_found(setting: Arc<Setting>) {
    let state = setting.ground.folder.join("doomed-state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    setting.adopt(&state);
    // The first fills the caches, the second is timed.
    undisturbed(&setting, &state).await;
    let whole = undisturbed(&setting, &state).await;
    let mut left = 0;
    for death in 1..=DEATHS {
        let name = setting.name("doomed");
        let mut host = spawn(&setting, &state, &name);
        tokio::time::sleep(whole * death / (DEATHS + 1)).await;
        host.kill().unwrap();
        host.wait().unwrap();
        left += u32::from(is_found_and_removed(&setting, &state, &name, usize::try_from(death).unwrap()).await);
    }
    assert!(left > 0, "no death left a container, so nothing was shown");
}

async fn undisturbed(setting: &Setting, state: &Path) -> Duration {
    let name = setting.name("spared");
    let begun = Instant::now();
    let status = spawn(setting, state, &name).wait().unwrap();
    let time = begun.elapsed();
    assert!(status.success() && setting.is_running(&name));
    let host = setting.ground.builder(state).build().await.unwrap();
    host.remove(&name, true).await.unwrap();
    time
}

fn spawn(setting: &Setting, state: &Path, name: &str) -> std::process::Child {
    let own: PathBuf = std::env::current_exe().unwrap();
    let mut command = Command::new(own);
    command.args(["--doomed", setting.kind().name()]).arg(&setting.ground.folder).arg(state);
    command.args([setting.image.single().to_string().as_str(), name]).stdin(Stdio::null()).spawn().unwrap()
}

/// Whether something was left; if so, the next host lists it and removes it.
async fn is_found_and_removed(setting: &Setting, state: &Path, name: &str, deaths: usize) -> bool {
    let host = setting.ground.builder(state).build().await.unwrap();
    settled(name).await;
    let report = host.verify_journal(None).unwrap();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert!(report.unfinished.len() <= deaths, "more than one intent of each: {:?}", report.unfinished);
    let listed = host.list().await.unwrap().iter().any(|one| one.name == name);
    assert_eq!(listed, setting.exists(name), "what is there is what is listed");
    match host.remove(name, true).await {
        Ok(_) => assert!(listed && !setting.exists(name)),
        Err(Error::NotFound { .. }) => assert!(!listed),
        Err(error) => panic!("{error}"),
    }
    let report = host.verify_journal(None).unwrap();
    assert!(report.is_intact(), "{:?}", report.findings);
    listed
}

/// Waits for a command of the dead host's that is still under way.
async fn settled(name: &str) {
    let begun = Instant::now();
    while commands_name(name) {
        assert!(begun.elapsed() < AFTERMATH, "a command of the dead host's goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a process has this name among its words.
fn commands_name(name: &str) -> bool {
    let is_it = |path: &Path| {
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word.ends_with(format!("={name}").as_bytes()))
    };
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| is_it(&entry.path()))
}
