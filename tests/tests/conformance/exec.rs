//! Commands in containers that run, and containers that are fed.

use std::sync::Arc;
use std::time::Duration;

use portreeve::spec::{Secret, SecretDelivery, SecretValue, WindowSize};
use portreeve::{Completed, Error, ExecSpec, LogChunk, LogStream, Rule};

use crate::setting::{Heard, Setting};

const PROGRAM: &str = "/deckhand";
const SECRET: &str = "tr0ub4dor&3-harbour";

fn spec(words: &[&str]) -> ExecSpec {
    ExecSpec::new([PROGRAM].iter().chain(words).copied())
}

fn secret(name: &str) -> Secret {
    let value = SecretValue::new(SECRET.as_bytes());
    Secret { name: name.parse().unwrap(), value, delivery: SecretDelivery::Environment }
}

/// A container that goes on, and its name.
async fn running(setting: &Setting) -> String {
    let name = setting.name("exec");
    setting.run_waiting(&name).await;
    name
}

async fn complete(setting: &Setting, name: &str, spec: &ExecSpec, input: &[u8]) -> Result<Completed, Error> {
    setting.host.exec_to_completion(name, spec, input).await
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

pub(crate) async fn an_exec_ends_with_the_commands_status(setting: Arc<Setting>) {
    let name = running(&setting).await;
    for status in [0, 1, 42, 125, 255] {
        let last = status.to_string();
        let words = ["say", "one", "warn", "two", "print", "three", "exit", &last];
        let heard = Heard::all(setting.host.exec(&name, &spec(&words)).await.unwrap()).await;
        assert_eq!((heard.out.as_str(), heard.err.as_str(), heard.status()), ("one\nthree", "two\n", status));
    }
    assert!(setting.is_running(&name));
    let id = setting.host.inspect(&name).await.unwrap().id;
    let mark = setting.mark();
    complete(&setting, &name, &spec(&["args", "-x", "--", "a b", ""]), b"").await.unwrap();
    let argvs = setting.argvs_since(mark, false);
    let argv = argvs.iter().find(|argv| argv.iter().any(|word| word == "exec")).unwrap();
    let at = argv.iter().position(|word| *word == id).expect("a container is addressed by its ID");
    assert_eq!(argv[at + 1..], [PROGRAM, "args", "-x", "--", "a b", ""]);
}

pub(crate) async fn an_exec_has_its_own_variables_folder_and_user(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let mut spec = spec(&["env", "A", "env", "discovery.type", "pwd", "id"]);
    spec.env = vec!["A=b c\nd".parse().unwrap(), "discovery.type=one".parse().unwrap()];
    spec.workdir = Some("/etc".parse().unwrap());
    spec.user = Some("65534:65534".parse().unwrap());
    let done = complete(&setting, &name, &spec, b"").await.unwrap();
    let said = text(&done.stdout);
    assert!(said.starts_with("A=b c\nd\ndiscovery.type=one\n/etc\nuid=65534 gid=65534"), "{done:?}");
    let bare = complete(&setting, &name, &self::spec(&["env", "A"]), b"").await.unwrap();
    assert_eq!(text(&bare.stdout), "A is not set\n");
}

pub(crate) async fn a_secret_of_an_exec_appears_nowhere(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let mut spec = spec(&["env", "TOKEN", "encodings", "TOKEN", "warn", "over"]);
    spec.secrets = vec![secret("TOKEN")];
    let mark = setting.mark();
    let done = complete(&setting, &name, &spec, b"").await.unwrap();
    let said = text(&done.stdout);
    assert!(said.starts_with("TOKEN=") && !said.contains("not set"), "{said}");
    for line in said.lines() {
        assert!(!line.contains(SECRET) && !line.contains("tr0ub4dor"), "{line}");
    }
    let argvs = setting.argvs_since(mark, false);
    assert!(argvs.iter().flatten().any(|word| word == "--env=TOKEN"));
    assert!(!argvs.iter().flatten().any(|word| word.contains("tr0ub4dor")));
    let after = complete(&setting, &name, &self::spec(&["env", "TOKEN"]), b"").await.unwrap();
    assert_eq!(text(&after.stdout), "TOKEN is not set\n");
}

pub(crate) async fn a_secret_of_an_exec_that_the_client_would_read_is_refused(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let mark = setting.mark();
    let mut spec = spec(&["say", "never"]);
    spec.secrets = vec![secret("DOCKER_TOKEN")];
    let error = complete(&setting, &name, &spec, b"").await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.rule == Rule::Secret), "{error:?}");
    let mut spec = self::spec(&["say", SECRET]);
    spec.secrets = vec![secret("TOKEN")];
    let error = complete(&setting, &name, &spec, b"").await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.rule == Rule::SecretInArgv), "{error:?}");
    assert!(!setting.was_told_to("exec", mark));
}

pub(crate) async fn an_exec_is_fed_by_its_caller(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let mut spec = spec(&["cat", "warn", "over", "exit", "3"]);
    spec.stdin = true;
    // More than any pipe holds.
    let input: Vec<u8> = (0..40_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    let done = complete(&setting, &name, &spec, &input).await.unwrap();
    assert!(done.stdout == input, "{} of {} bytes came back", done.stdout.len(), input.len());
    assert_eq!((text(&done.stderr), done.status), ("over\n", 3));
    // One that does not read its input ends all the same.
    let mut deaf = self::spec(&["say", "deaf"]);
    deaf.stdin = true;
    let done = complete(&setting, &name, &deaf, &input).await.unwrap();
    assert_eq!(done.status, 0, "{done:?}");
    // Podman's client may give up what was printed when what it was fed can't be handed on.
    let lost = setting.kind().is_podman() && done.stdout.is_empty();
    assert!(lost || text(&done.stdout) == "deaf\n", "{done:?}");
}

pub(crate) async fn an_exec_that_asks_for_no_input_has_none(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let mark = setting.mark();
    let done = complete(&setting, &name, &spec(&["cat", "say", "over"]), b"").await.unwrap();
    assert_eq!((text(&done.stdout), done.status), ("over\n", 0));
    assert!(!setting.argvs_since(mark, false).iter().flatten().any(|word| word == "--interactive"));
    let error = complete(&setting, &name, &spec(&["cat"]), b"lost").await.unwrap_err();
    assert!(matches!(error, Error::Spec(_)), "{error:?}");
    let mut stream = setting.host.exec(&name, &spec(&["say", "x"])).await.unwrap();
    assert!(stream.take_input().is_none());
    assert_eq!(stream.finish().await.unwrap(), 0);
}

pub(crate) async fn an_exec_with_a_terminal_has_the_size_that_is_set(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let mut spec = spec(&["say", "here", "sleep", "2", "tty", "warn", "one stream"]);
    spec.terminal = true;
    let mut stream = setting.host.exec(&name, &spec).await.unwrap();
    let mut said = until(&mut stream, "here").await;
    // Docker's client may begin to listen a moment after it shows what is said.
    for rows in [30, 31] {
        stream.resize(WindowSize { rows, columns: 101 }).unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    while let Some(chunk) = stream.next().await {
        let LogChunk::Stdout(bytes) = chunk else { panic!("a terminal has one stream: {chunk:?}") };
        said.extend(bytes);
    }
    assert_eq!(stream.finish().await.unwrap(), 0);
    // The terminal inside ends lines its own way.
    let said = text(&said).replace("\r\n", "\n");
    assert!(said.ends_with("terminal 31 101\none stream\n"), "{said:?}");
    let plain = complete(&setting, &name, &self::spec(&["tty"]), b"").await.unwrap();
    assert_eq!(text(&plain.stdout), "no terminal\n");
}

pub(crate) async fn a_secret_is_masked_on_a_terminal_too(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let mut spec = spec(&["env", "TOKEN", "say", "over"]);
    (spec.terminal, spec.secrets) = (true, vec![secret("TOKEN")]);
    let done = complete(&setting, &name, &spec, b"").await.unwrap();
    let said = text(&done.stdout);
    assert!(said.contains("TOKEN=") && said.contains("over") && !said.contains("tr0ub4dor"), "{said}");
}

/// Reads until some words came; gives what came after them.
async fn until(stream: &mut LogStream, words: &str) -> Vec<u8> {
    let mut said = Vec::new();
    loop {
        let Some(LogChunk::Stdout(bytes)) = stream.next().await else { panic!("{words} did not come: {said:?}") };
        said.extend(bytes);
        if let Some(at) = String::from_utf8_lossy(&said).find(words) {
            return said.split_off(at + words.len());
        }
    }
}

pub(crate) async fn an_exec_of_what_is_not_there_has_the_status_of_shells(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let done = complete(&setting, &name, &ExecSpec::new(["/nonesuch", "x"]), b"").await.unwrap();
    let said = [done.stdout.as_slice(), &done.stderr].concat();
    assert!(done.status == 127 && text(&said).contains("/nonesuch"), "{done:?}");
    let done = complete(&setting, &name, &ExecSpec::new(["nonesuch"]), b"").await.unwrap();
    assert_eq!(done.status, 127, "{done:?}");
    if setting.kind().is_real() {
        let folder = complete(&setting, &name, &ExecSpec::new(["/dev"]), b"").await.unwrap();
        assert_eq!(folder.status, 126, "{folder:?}");
    }
    for wrong in [ExecSpec::default(), ExecSpec::new(["a\0b"])] {
        assert!(matches!(complete(&setting, &name, &wrong, b"").await, Err(Error::Spec(_))));
    }
}

pub(crate) async fn an_exec_in_what_does_not_run_is_no_status(setting: Arc<Setting>) {
    let ended = setting.spec(&["exit", "0"]);
    setting.run_to_end(&ended).await;
    let mark = setting.mark();
    let error = complete(&setting, ended.name.as_str(), &spec(&["say", "x"]), b"").await.unwrap_err();
    assert!(matches!(&error, Error::InUse(why) if why.contains("exited")), "{error:?}");
    assert!(!setting.was_told_to("exec", mark));
    // One that ends between the look and the command: what the engine says then is no status of a command.
    let name = running(&setting).await;
    let stream = setting.host.exec(&name, &spec(&["say", "here", "wait"])).await.unwrap();
    setting.ground.ask(&["kill", &name]);
    let heard = Heard::all(stream).await;
    assert!(!matches!(heard.end, Ok(0)), "{heard:?}");
}

pub(crate) async fn an_exec_in_what_is_not_ours_is_refused(setting: Arc<Setting>) {
    let foreign = setting.name("foreign");
    setting.foreign(&foreign, &[]);
    let another = setting.another_install("exec-other").await;
    let name = setting.name("theirs");
    another.run(&setting.named(&name, &["wait"])).await.unwrap();
    let mark = setting.mark();
    for name in [foreign.as_str(), &name] {
        let error = complete(&setting, name, &spec(&["say", "x"]), b"").await.unwrap_err();
        assert!(matches!(&error, Error::Refused(refusal) if refusal.rule == Rule::NotOurs), "{name}: {error:?}");
    }
    let error = complete(&setting, "nonesuch", &spec(&["say", "x"]), b"").await.unwrap_err();
    assert!(matches!(error, Error::NotFound { kind: "container", .. }), "{error:?}");
    assert!(!setting.was_told_to("exec", mark));
}

/// Says that it is there, and leaves a trace a while later.
fn late() -> ExecSpec {
    spec(&["say", "here", "sleep", "3", "write", "/late", "it went on"])
}

async fn left_no_trace(setting: &Setting, name: &str) {
    tokio::time::sleep(Duration::from_secs(4)).await;
    let trace = complete(setting, name, &spec(&["file", "/late"]), b"").await.unwrap();
    assert_eq!((text(&trace.stdout), trace.status), ("", 1), "the command went on inside the container");
    assert!(setting.is_running(name));
}

pub(crate) async fn an_exec_that_takes_too_long_is_ended_inside(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let mut spec = late();
    spec.timeout = Some(Duration::from_millis(1500));
    let error = complete(&setting, &name, &spec, b"").await.unwrap_err();
    assert!(matches!(&error, Error::Timeout(why) if why.contains("1500 ms")), "{error:?}");
    left_no_trace(&setting, &name).await;
}

pub(crate) async fn an_exec_that_nobody_waits_for_is_ended_inside(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let mut stream = setting.host.exec(&name, &late()).await.unwrap();
    until(&mut stream, "here").await;
    drop(stream);
    left_no_trace(&setting, &name).await;
}

pub(crate) async fn an_exec_prints_more_than_is_kept(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let bytes = Completed::CAP + 1_000_000;
    let done = complete(&setting, &name, &spec(&["flood", &bytes.to_string(), "exit", "4"]), b"").await.unwrap();
    assert_eq!((done.stdout.len(), done.status), (Completed::CAP, 4));
    assert_eq!(done.dropped, 1_000_000);
}

pub(crate) async fn a_dry_run_runs_no_command_in_a_container(setting: Arc<Setting>) {
    let name = running(&setting).await;
    let host = setting.builder().dry_run(true).build().await.unwrap();
    let mark = setting.mark();
    let done = host.exec_to_completion(&name, &spec(&["write", "/dry", "x"]), b"").await.unwrap();
    assert_eq!((done.status, done.stdout.len()), (0, 0));
    assert!(setting.argvs_since(mark, true).iter().flatten().any(|word| word == "/dry"));
    assert!(!setting.was_told_to("exec", mark));
    assert_eq!(complete(&setting, &name, &spec(&["file", "/dry"]), b"").await.unwrap().status, 1);
}

pub(crate) async fn a_run_is_fed_to_its_end(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["cat", "say", "over", "exit", "6"]);
    spec.stdin = true;
    let done = setting.host.run_to_completion(&spec, b"ahoy\n").await.unwrap();
    assert_eq!((text(&done.stdout), done.status), ("ahoy\nover\n", 6), "{done:?}");
    let deaf = setting.host.run_to_completion(&setting.spec(&["cat", "say", "over"]), b"").await.unwrap();
    assert_eq!((text(&deaf.stdout), deaf.status), ("over\n", 0));
}

pub(crate) async fn a_run_with_a_terminal_has_one(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["tty", "exit", "2"]);
    spec.terminal = true;
    let done = setting.host.run_to_completion(&spec, b"").await.unwrap();
    assert!(text(&done.stdout).starts_with("terminal ") && done.status == 2, "{done:?}");
    let plain = setting.host.run_to_completion(&setting.spec(&["tty"]), b"").await.unwrap();
    assert_eq!(text(&plain.stdout), "no terminal\n");
}

pub(crate) async fn a_run_to_completion_tells_all(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["say", "one", "warn", "two", "sleep", "1", "exit", "7"]);
    spec.remove = true;
    let done = setting.host.run_to_completion(&spec, b"").await.unwrap();
    assert_eq!((text(&done.stdout), text(&done.stderr), done.status), ("one\n", "two\n", 7));
    assert!(done.duration >= Duration::from_secs(1) && done.dropped == 0, "{done:?}");
    assert!(!setting.exists(spec.name.as_str()));
}
