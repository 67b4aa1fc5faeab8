//! What a host executes, as strace(1) sees it, on the rehearsal engine and on every real one: pull, run with a secret
//! in the environment and one in a file, list, inspect, logs, stop, remove, run attached.
//!
//! Every program that the host itself executes (not what an engine then starts) is a granted one, by the descriptor
//! of its checked file; its variables are granted ones, the host's own, or, for the `create` alone, the secret; no value
//! of a secret is in any argv; and each stands in the journal. `portreeve_tests::trace` says how that is seen.
#![allow(clippy::print_stdout, reason = "an engine that is left out must be seen, and what was proved")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::indexing_slicing, reason = "the same")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use portreeve_tests::berth::{Berth, Harbour, said};
use portreeve_tests::engines::{Engine, unique};
use portreeve_tests::trace::{self, Exec, Granted, Secret};
use portreeve_tests::voyage;

/// Variables that the host has, and no grant names.
const CANARIES: [&str; 3] = ["LD_BIND_NOW", "DOCKER_HOST", "CONTAINER_HOST"];

/// What must have been executed, that the proof be one.
const COMMANDS: [&str; 7] = ["pull", "create", "start", "inspect", "logs", "stop", "rm"];

fn main() -> ExitCode {
    if let Some(status) = voyage::main_if_called() {
        return status;
    }
    if std::env::args().any(|word| word == "--list") {
        println!("strace: test");
        return ExitCode::SUCCESS;
    }
    if let Some(reason) = trace::skip_reason() {
        println!("\n*** NOTHING IS PROVED BY STRACE: {reason}\n");
        let required = std::env::var(portreeve_tests::engines::REQUIRED).unwrap_or_default();
        return if required.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    for engine in [None].into_iter().chain(Engine::all().into_iter().map(Some)) {
        prove(engine);
    }
    ExitCode::SUCCESS
}

fn prove(engine: Option<Engine>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let harbour = runtime.block_on(Harbour::open(engine)).unwrap();
    let berth = harbour.berth();
    let secrets = [unique("tiger-lily"), unique("white-rose")];
    let kept = berth.folder().join(voyage::SECRETS);
    fs::write(&kept, secrets.join("\n")).unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o600)).unwrap();
    let owner = fs::metadata(berth.folder()).unwrap();
    chown(&kept, Some(owner.uid()), Some(owner.gid())).unwrap();

    let file = berth.folder().join("trace");
    let mut command = berth.command("strace");
    command.args(trace::words(&file)).arg(harbour.program());
    command.args(harbour.role(voyage::SAIL, &[&harbour.container("sail")]));
    command.envs(CANARIES.map(|name| (name, "canary")));
    let journal = said("the traced host", &command.output().unwrap());
    let trace = fs::read_to_string(&file).unwrap();
    check(berth, harbour.program(), &trace, &journal, &secrets);
}

fn check(berth: &Berth, program: &Path, trace: &str, journal: &str, secrets: &[String; 2]) {
    let execs = trace::execs(trace);
    let (own, made) = execs.split_first().expect("strace starts the host");
    assert_eq!(own.given, program, "strace starts the host first");
    assert!(CANARIES.iter().all(|canary| own.variables().any(|(name, _)| name == canary.as_bytes())), "{own:?}");
    let granted = granted(berth, secrets);
    let wrong: Vec<String> = made.iter().flat_map(|exec| told(exec, &granted)).collect();
    assert!(wrong.is_empty(), "{}: {}", berth.name(), wrong.join("\n"));
    check_commands(made);
    check_secrets(trace, made, secrets);
    check_journal(journal, made);
    println!("{}: {} execs by the host, each granted, clean and in the journal", berth.name(), made.len());
}

fn told(exec: &Exec, granted: &Granted) -> Vec<String> {
    granted.complaints(exec).into_iter().map(|wrong| format!("{wrong}: {:?}", exec.words())).collect()
}

/// What the grants of the backend say, for programs that are there.
fn granted(berth: &Berth, [variable, file]: &[String; 2]) -> Granted {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../plugins/{}/grants.toml", berth.backend()));
    let grants: toml::Table = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut granted = Granted::default();
    for (name, program) in grants["programs"].as_table().unwrap() {
        let mut names = strings(program.get("environment"));
        let mut search: Vec<PathBuf> = strings(program.get("search")).into_iter().map(PathBuf::from).collect();
        if let Some(link) = berth.link().filter(|_| name == berth.backend()) {
            search = vec![link];
            names.insert(portreeve_rehearsal::VARIABLE.to_owned());
        }
        let there = search.iter().filter_map(|path| fs::canonicalize(path).ok());
        granted.programs.extend(there.map(|file| (file, names.clone())));
    }
    let secret =
        |name: Option<&str>, value: &String| Secret { variable: name.map(str::to_owned), value: value.clone() };
    granted.secrets = vec![secret(Some(voyage::SECRET_NAMES[0]), variable), secret(None, file)];
    granted
}

fn strings(list: Option<&toml::Value>) -> BTreeSet<String> {
    let list = list.and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn check_commands(made: &[Exec]) {
    let words: BTreeSet<String> = made.iter().flat_map(Exec::words).collect();
    let missing: Vec<_> = COMMANDS.iter().filter(|command| !words.contains(**command)).collect();
    assert!(missing.is_empty(), "never executed: {missing:?}");
    assert!(made.iter().any(|exec| exec.given.starts_with("/proc/self/fd")), "none by a descriptor");
}

/// The variable's value went to one `create` and nowhere else; the file's is in no exec at all.
fn check_secrets(trace: &str, made: &[Exec], [variable, file]: &[String; 2]) {
    let handed =
        |exec: &&Exec| exec.variables().any(|one| one == (voyage::SECRET_NAMES[0].as_bytes(), variable.as_bytes()));
    let creates: Vec<Vec<String>> = made.iter().filter(handed).map(Exec::words).collect();
    let [words] = &creates[..] else { panic!("the secret was handed over {} times", creates.len()) };
    assert!(words.contains(&format!("--env={}", voyage::SECRET_NAMES[0])), "{words:?}");
    assert!(words.contains(&format!("--env={}=good morning", voyage::PLAIN)), "{words:?}");
    assert_eq!(trace.matches(variable.as_str()).count(), 1, "the secret is elsewhere in the trace");
    assert!(!trace.contains(file.as_str()), "the file's secret is in the trace");
}

/// What was executed is what the journal says, and nothing else.
fn check_journal(journal: &str, made: &[Exec]) {
    let recorded = journal.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let words = |value: serde_json::Value| serde_json::from_value::<Vec<String>>(value["argv"].clone()).unwrap();
    let mut recorded: Vec<Vec<String>> = recorded.map(words).map(by_name).collect();
    let mut executed: Vec<Vec<String>> = made.iter().map(Exec::words).map(by_name).collect();
    recorded.sort();
    executed.sort();
    assert_eq!(executed, recorded, "the journal says otherwise");
}

/// The journal has a program's word where argv has its file.
fn by_name(mut words: Vec<String>) -> Vec<String> {
    if let Some(program) = words.first_mut() {
        *program = program.rsplit('/').next().unwrap_or_default().to_owned();
    }
    words
}
