//! The program `portreeve`, as its users meet it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve::approval::{Approvals, Consent};
use portreeve::demo::image::ImageOptions;
use portreeve::state::StateDir;
use portreeve_tests::engines::Answer;
use rustix::process::{Pid, Signal, kill_process};

use crate::layers::Layered;
use crate::setting::Setting;

/// How long an interrupted program may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn state(setting: &Setting) -> PathBuf {
    let state = setting.ground.folder.join("program-state");
    if !state.exists() {
        std::fs::create_dir(&state).unwrap();
        std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        if !setting.kind().is_real() {
            std::thread::scope(|scope| scope.spawn(|| approve_rehearsed(setting, &state)).join()).unwrap();
        }
        setting.adopt(&state);
    }
    state
}

/// What an operator does whose engine is somewhere else: the embedded backend, under a grant that names the other program.
fn approve_rehearsed(setting: &Setting, state: &std::path::Path) {
    let backend = setting.kind().backend();
    let source = crate::ground::with_program(backend, &setting.ground.folder.join(backend));
    let state = StateDir::open(state).unwrap();
    let approvals = Approvals::of(&state);
    let review = approvals.review(source).unwrap();
    let all =
        Consent { dangers: true, widening: true, replacing: true, request: true, ..Consent::to(*review.digest()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(approvals.approve(&review, &all)).unwrap();
}

pub(crate) fn portreeve(setting: &Setting) -> Command {
    let mut command = Command::new(&setting.program);
    command.args(["--backend", setting.kind().backend(), "--state"]).arg(state(setting));
    if !setting.kind().is_real() {
        command.env(portreeve_rehearsal::VARIABLE, setting.ground.rehearsal());
        command.env("XDG_RUNTIME_DIR", setting.ground.login());
    }
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

/// Asks, and holds the answer to its status.
pub(crate) async fn says(setting: &Setting, status: i32, words: &[&str]) -> Answer {
    let answer = ask(setting, words).await;
    assert_eq!(answer.status, status, "{words:?}: {answer:?}");
    answer
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

pub(crate) async fn the_program_brings_layers_and_makes_an_image_of_them(setting: Arc<Setting>) {
    let layered = Layered::publish(&setting);
    let image = layered.image.to_string();
    let refused = ask(&setting, &["image", "assemble", &image]).await;
    assert!(refused.status == 125 && refused.stderr.contains("no such layer"), "{refused:?}");
    let listed = ask(&setting, &["image", "layers", &image]).await;
    assert!(listed.status == 0 && listed.stdout.matches("no").count() >= 3, "{listed:?}");
    let fetched = ask(&setting, &["--json", "image", "fetch", &image]).await;
    let layers: serde_json::Value = serde_json::from_str(&fetched.stdout).unwrap();
    assert!(layers.as_array().unwrap().iter().all(|layer| layer["held"] == true), "{fetched:?}");
    let made = ask(&setting, &["image", "assemble", &image]).await;
    assert_eq!(made.status, 0, "{made:?}");
    let ran = ask(&setting, &["run", "--rm", "--network", "none", &image, "say", "made"]).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "made\n"), "{ran:?}");
    let gone = ask(&setting, &["image", "discard", "--all"]).await;
    assert!(gone.status == 0 && gone.stdout.lines().count() >= 2, "{gone:?}");
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
    // By force it is no error that there is none, as with both engines.
    let (forced, plain) = (ask(&setting, &["rm", "-f", &name]).await, ask(&setting, &["rm", &name]).await);
    assert_eq!((forced.status, plain.status), (0, 125), "{forced:?} {plain:?}");
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

/// Wherever the signal comes: an engine may be at it, and a secret's file be written already.
pub(crate) async fn a_program_interrupted_while_it_creates_leaves_nothing(setting: Arc<Setting>) {
    let image = setting.image.single().to_string();
    for delay in (1..=8).map(|step| Duration::from_millis(step * 60)) {
        let name = setting.name("creating");
        let mut command = portreeve(&setting);
        command.args(["run", "--rm", "--network", "none", "--name", &name, "--secret", "KEY,as=file", &image, "wait"]);
        command.env("KEY", "Qq9bNNdP-of-some-length");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(delay).await;
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = ended(&mut child).await;
        assert_ne!(status.code(), Some(0), "{delay:?}");
        assert!(!setting.exists(&name), "after {delay:?} a container is left");
        let left: Vec<_> = secret_folders(&setting).filter(|folder| folder.ends_with(&name)).collect();
        assert!(left.is_empty(), "after {delay:?} there is {left:?}");
    }
}

/// The folders of containers' secrets, of every install of this machine.
fn secret_folders(setting: &Setting) -> impl Iterator<Item = PathBuf> {
    let within = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let own = [setting.ground.login()].into_iter();
    let places = own.chain(within("/dev/shm".into())).chain(within("/run/user".into()));
    places.flat_map(move |place| within(place.join("portreeve-secrets"))).flat_map(within)
}

pub(crate) async fn what_a_killed_program_was_to_remove_is_cleaned_up(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("killed"));
    let mut command = portreeve(&setting);
    command.args(["run", "--rm", "--network", "none", "--name", &name, &image, "say", "here", "wait"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(setting.is_running(&name));
    says(&setting, 0, &["cleanup", "--force"]).await;
    assert!(setting.is_running(&name), "what runs is not left over");
    says(&setting, 0, &["kill", &name]).await;
    says(&setting, 0, &["wait", &name]).await;
    says(&setting, 0, &["cleanup", "--force"]).await;
    assert!(!setting.exists(&name));
}

pub(crate) async fn the_program_makes_lists_shows_and_removes_volumes(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("program-volume"));
    let says = async |status: i32, words: &[&str]| says(&setting, status, words).await;
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

pub(crate) async fn the_program_runs_a_command_in_a_container(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("program-exec"));
    let started = ask(&setting, &["run", "-d", "--network", "none", "--name", &name, &image, "wait"]).await;
    assert_eq!(started.status, 0, "{started:?}");
    let done = ask(&setting, &["exec", "-e", "A=b", &name, "/deckhand", "env", "A", "warn", "err", "exit", "7"]).await;
    assert_eq!((done.status, done.stdout.as_str()), (7, "A=b\n"), "{done:?}");
    assert!(done.stderr.contains("err\n"), "{done:?}");
    let lines = ask(&setting, &["--json", "exec", &name, "/deckhand", "say", "out", "exit", "125"]).await;
    let documents: Vec<serde_json::Value> =
        lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&documents[0]["line"], &documents[1]["status"]), (&"out".into(), &125.into()), "{lines:?}");
    assert_eq!(lines.status, 125);
    let fed = fed(&setting, &["exec", "-i", &name, "/deckhand", "cat", "say", "over"], "ahoy\n").await;
    assert_eq!((fed.status, fed.stdout.as_str()), (0, "ahoy\nover\n"), "{fed:?}");
    let terminal = ask(&setting, &["exec", "-t", &name, "/deckhand", "tty"]).await;
    assert!(terminal.stdout.starts_with("terminal "), "{terminal:?}");
    let late = ask(&setting, &["exec", "--timeout", "1s", &name, "/deckhand", "wait"]).await;
    assert!(late.status == 125 && late.stderr.contains("time-out"), "{late:?}");
    let absent = ask(&setting, &["exec", &name, "/nonesuch"]).await;
    assert!(matches!(absent.status, 126 | 127), "{absent:?}");
    let run = ["run", "--rm", "-i", "--network", "none", &image, "cat"];
    let run = self::fed(&setting, &run, "to the end").await;
    assert_eq!((run.status, run.stdout.as_str()), (0, "to the end"), "{run:?}");
    for (status, words) in [(125, ["exec", "nonesuch", "x"]), (2, ["exec", "-d", &name])] {
        assert_eq!(ask(&setting, &words).await.status, status, "{words:?}");
    }
    assert_eq!(ask(&setting, &["rm", "-f", &name]).await.status, 0);
}

pub(crate) async fn the_program_copies_in_and_out(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("program-cp"));
    let started = ask(&setting, &["run", "-d", "--network", "none", "--name", &name, &image, "wait"]).await;
    assert_eq!(started.status, 0, "{started:?}");
    let folder = crate::behaviours::folder(&setting, &name);
    std::fs::write(folder.join("a:b"), "ahoy").unwrap();
    let (source, inside, back) = (folder.join("a:b"), format!("{name}:/note"), folder.join("back"));
    let (source, back) = (source.to_str().unwrap(), back.to_str().unwrap());
    let copied = ask(&setting, &["cp", source, &inside]).await;
    assert_eq!((copied.status, copied.stdout.as_str()), (0, ""), "{copied:?}");
    let copied = ask(&setting, &["--json", "cp", &inside, back]).await;
    let document: serde_json::Value = serde_json::from_str(&copied.stdout).unwrap();
    assert_eq!((&document["container"], &document["copied"]), (&name.as_str().into(), &back.into()));
    assert_eq!(std::fs::read_to_string(back).unwrap(), "ahoy");
    let cases: [(i32, [&str; 2]); 5] = [
        (2, [source, back]),
        (2, [&inside, &inside]),
        (2, ["-", &inside]),
        (125, ["/nonesuch-file", &inside]),
        (126, ["/dev/null", &inside]),
    ];
    for (status, [from, to]) in cases {
        assert_eq!(ask(&setting, &["cp", from, to]).await.status, status, "{from} {to}");
    }
    assert_eq!(ask(&setting, &["rm", "-f", &name]).await.status, 0);
}

async fn fed(setting: &Setting, words: &[&str], input: &str) -> Answer {
    use std::io::Write as _;
    let mut command = portreeve(setting);
    let mut child =
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap().into()
}

pub(crate) async fn the_program_waits_for_what_a_container_becomes(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("awaited"));
    let health = ["--health-cmd", r#"["/deckhand","id"]"#, "--health-interval", "300ms", "--health-timeout", "5s"];
    let run = ["run", "-d", "--network", "none", "--name", &name, "--wait", "healthy", "--wait-timeout", "40s"];
    let answer = ask(&setting, &[&run[..], &health, &[&image, "say", "it is ready", "wait"]].concat()).await;
    assert_eq!((answer.status, answer.stdout.trim().len()), (0, 64), "{answer:?}");
    assert_eq!(setting.truth(&name).unwrap()["State"]["Health"]["Status"], "healthy");
    let waited = ask(&setting, &["wait", "--for", "log=is ready", &name]).await;
    assert_eq!((waited.status, waited.stdout.trim()), (0, name.as_str()), "{waited:?}");
    let never = ask(&setting, &["wait", "--for", "log=never", "--wait-timeout", "500ms", &name]).await;
    assert!(never.status == 125 && never.stderr.contains("running, healthy"), "{never:?}");
    // What does not become so is not left behind by the run that made it.
    let (other, line) = (setting.name("unready"), "--wait=log=never");
    let words = ["run", "-d", "--network", "none", "--name", &other, line, "--wait-timeout", "1s", &image, "wait"];
    let answer = ask(&setting, &words).await;
    assert!(answer.status == 125 && answer.stderr.contains("not saying"), "{answer:?}");
    assert!(!setting.exists(&other));
}

pub(crate) async fn the_program_filters_pauses_and_renames_not(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("shown"));
    let says = async |status: i32, words: &[&str]| says(&setting, status, words).await;
    says(0, &["run", "-d", "--network", "none", "--name", &name, "--label", "a=b", &image, "wait"]).await;
    let whole = format!("name={name}");
    let listed = says(0, &["ps", "--filter", &whole, "--filter", "label=a=b", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["name"]), (Some(1), &name.as_str().into()));
    let part = format!("name={}", &name[..name.len() - 1]);
    assert_eq!(says(0, &["ps", "-q", "-a", "--filter", &part]).await.stdout, "");
    says(2, &["ps", "--filter", "color=red"]).await;
    assert!(says(0, &["top", &name]).await.stdout.contains("COMMAND"));
    let raw = says(0, &["inspect", "--raw", "--json", &name]).await;
    let raw: serde_json::Value = serde_json::from_str(&raw.stdout).unwrap();
    assert_eq!(raw[0]["State"]["Status"], "running");
    says(125, &["rename", &name, "other"]).await;
    let paused = ask(&setting, &["pause", &name]).await;
    if paused.status == 0 {
        assert_eq!(setting.truth(&name).unwrap()["State"]["Status"], "paused");
        says(0, &["unpause", &name]).await;
        assert!(says(0, &["stats", "--json", &name]).await.stdout.contains("\"pids\""));
    } else {
        assert!(setting.kind().is_rootless() && paused.stderr.contains("unsupported"), "{paused:?}");
    }
    says(126, &["run", "--rm", "--cap-add", "net_admin", "--network", "none", &image, "id"]).await;
    says(0, &["restart", "-t", "5", &name]).await;
}

pub(crate) async fn the_program_tells_events(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("told"));
    // The state is there before the two programs use it at once.
    ask(&setting, &["ps", "-q"]).await;
    let mut command = portreeve(&setting);
    let mut child = command.args(["events", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let run = ask(&setting, &["run", "--rm", "--network", "none", "--name", &name, &image, "exit", "3"]).await;
    assert_eq!(run.status, 3, "{run:?}");
    let mut told = Vec::new();
    while told.last().map(String::as_str) != Some("removed") {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "{told:?}");
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        if event["name"] == name.as_str() {
            assert!(event["what"] != "died" || event["status"] == 3, "{event}");
            told.push(event["what"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(told, ["created", "started", "died", "removed"]);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(ended(&mut child).await.code(), Some(130));
}

pub(crate) async fn the_program_makes_lists_shows_and_removes_networks(setting: Arc<Setting>) {
    let (image, name) = (setting.image.single().to_string(), setting.name("program-network"));
    let says = async |status: i32, words: &[&str]| says(&setting, status, words).await;
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
