//! A host that dies at any moment of a run: its journal verifies, and the next one finds what was begun.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve::journal::{self, Effect};
use portreeve::spec::NetworkMode;
use portreeve::{ContainerSpec, Error, Event};

use crate::ground::{Ground, Kind};
use crate::setting::Setting;

/// What a doomed host says as a command of its begins.
const COMMAND: &str = "a command";

/// What it says as well as one begins that does more than look.
pub(crate) const ACT: &str = "an act";

/// How long a command that was started before the death may go on: it is not the host's any more.
const AFTERMATH: Duration = Duration::from_secs(20);

/// `--doomed KIND FOLDER STATE IMAGE NAME [VOLUME]`: runs a container, detached, and ends.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let [kind, folder, state, image, name, volume @ ..] = words else { return ExitCode::from(2) };
    let ground = Ground::new(Kind::from_name(kind).unwrap(), Path::new(folder));
    let spec = spec(image, name, volume.first().map(String::as_str));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let builder = ground.builder(Path::new(state)).on_event(|event| {
        if let Event::Command { argv, .. } = event {
            println!("{COMMAND}");
            if argv.iter().take(4).any(|word| ["create", "start"].contains(&word.as_str())) {
                println!("{ACT}");
            }
        }
    });
    let ran = runtime.block_on(async { builder.build().await?.run(&spec).await });
    match ran {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What a doomed host makes.
pub(crate) fn spec(image: &str, name: &str, volume: Option<&str>) -> ContainerSpec {
    let mut spec = ContainerSpec::new(image.parse().unwrap(), name.parse().unwrap());
    spec.words = vec!["wait".to_owned()];
    spec.network = Some(NetworkMode::None);
    spec.mounts = volume.iter().map(|volume| format!("{volume}:/data").parse().unwrap()).collect();
    spec
}

pub(crate) async fn a_killed_host_leaves_what_can_be_found(setting: Arc<Setting>) {
    let state = setting.ground.folder.join("doomed-state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    setting.adopt(&state);
    let commands = undisturbed(&setting, &state).await;
    let (mut deaths, mut left) = (0, 0);
    // At each of its commands as it begins, and some time into each that does more than look.
    let deaths_of = |(at, acts): (usize, &bool)| [Some((at, 0)), acts.then_some((at, 40)), acts.then_some((at, 200))];
    for (at, delay) in commands.iter().enumerate().flat_map(deaths_of).flatten() {
        let name = setting.name("doomed");
        let mut host = spawn(&setting, &state, &name, &[]);
        let mut seen = told(&mut host);
        tokio::task::block_in_place(|| seen.nth(at)).unwrap();
        tokio::time::sleep(Duration::from_millis(delay)).await;
        host.kill().unwrap();
        host.wait().unwrap();
        deaths += 1;
        left += u32::from(is_found_and_removed(&setting, &state, &name, deaths).await);
    }
    assert!(left > 0, "no death left a container, so nothing was shown");
}

/// The commands of a run: whether each does more than look.
async fn undisturbed(setting: &Setting, state: &Path) -> Vec<bool> {
    let name = setting.name("spared");
    let mut host = spawn(setting, state, &name, &[]);
    let commands = tokio::task::block_in_place(|| which_act(lines(&mut host)));
    assert!(host.wait().unwrap().success() && setting.is_running(&name));
    let host = setting.ground.builder(state).build().await.unwrap();
    host.remove(&name, true).await.unwrap();
    commands
}

fn which_act(lines: impl Iterator<Item = String>) -> Vec<bool> {
    let mut commands = Vec::new();
    for line in lines {
        match (line.as_str(), commands.last_mut()) {
            (COMMAND, _) => commands.push(false),
            (ACT, Some(last)) => *last = true,
            _ => panic!("{line:?}"),
        }
    }
    commands
}

/// A word for each command, as it begins.
fn told(host: &mut Child) -> impl Iterator<Item = String> + use<> {
    lines(host).filter(|line| line == COMMAND)
}

/// A word for each command that does more than look, as it begins.
pub(crate) fn acts(host: &mut Child) -> impl Iterator<Item = String> + use<> {
    lines(host).filter(|line| line == ACT)
}

fn lines(host: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(host.stdout.take().unwrap()).lines().map_while(Result::ok)
}

pub(crate) fn spawn(setting: &Setting, state: &Path, name: &str, volume: &[&str]) -> Child {
    let own: PathBuf = std::env::current_exe().unwrap();
    let mut command = Command::new(own);
    command.args(["--doomed", setting.kind().name()]).arg(&setting.ground.folder).arg(state);
    command.args([setting.image.single().to_string().as_str(), name]).args(volume).stdin(Stdio::null());
    command.stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Whether something was left; if so, the next host lists it and removes it.
async fn is_found_and_removed(setting: &Setting, state: &Path, name: &str, deaths: usize) -> bool {
    let host = setting.ground.builder(state).build().await.unwrap();
    settled(name).await;
    let report = host.verify_journal(None).unwrap();
    assert!(report.is_intact(), "{:?}", report.findings);
    let unfinished = unfinished(state);
    let acts = unfinished.iter().filter(|effect| **effect != Some(Effect::Read)).count();
    // What only looks may run side by side.
    assert!(acts <= deaths, "more than one intent of each that does something: {unfinished:?}");
    assert!(unfinished.len() <= deaths * LOOKS, "more than a few looks of each: {unfinished:?}");
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

/// The effects of the intents without an outcome.
fn unfinished(state: &Path) -> Vec<Option<Effect>> {
    let records = crate::journal::records(state);
    let ended: Vec<_> = records.iter().filter_map(|record| record.intent).collect();
    let open = records.iter().filter(|record| record.kind == journal::Kind::Intent && !ended.contains(&record.seq));
    open.map(|record| record.effect).collect()
}

/// How many commands that only look a host may have under way at once.
const LOOKS: usize = 4;

/// Waits for a command of the dead host's that is still under way.
pub(crate) async fn settled(name: &str) {
    let begun = Instant::now();
    let mut quiet = 0;
    while quiet < QUIET_LOOKS {
        quiet = if is_acted_on(name) { 0 } else { quiet + 1 };
        assert!(begun.elapsed() < AFTERMATH, "a command of the dead host's goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many looks in a row find nothing: a process that becomes another one may be missed by one.
const QUIET_LOOKS: usize = 2;

/// Whether a process acts on what has this name.
fn is_acted_on(name: &str) -> bool {
    let is_it = |path: &Path| {
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        acts_on(&words, name)
    };
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| is_it(&entry.path()))
}

/// A command has the name in an option; one that starts has it as a word, as the monitor of a running container does.
///
/// A child that has not become its command yet has the words of the host that it was made by.
fn acts_on(words: &[impl AsRef<str>], name: &str) -> bool {
    let option = format!("={name}");
    let has = |wanted: &str| words.iter().any(|word| word.as_ref() == wanted);
    words.iter().any(|word| word.as_ref().ends_with(&option)) || (has(name) && (has("start") || has("--doomed")))
}
