//! Command lines that no backend could ever cause, whatever the policy and whatever a caller asks for, with the
//! grants that are shipped: `tests/corpus/argv` has what they hold, and this spells it out in every way.
#![allow(clippy::print_stdout, reason = "how many there were must be seen")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::indexing_slicing, reason = "the same")]

use std::collections::BTreeSet;

use portreeve::grants::{Explanation, Grants, Variables};
use portreeve::state::{InstallId, InstallKey};
use serde_json::Value;

const PODMAN: &str = include_str!("../../plugins/podman/grants.toml");
const DOCKER: &str = include_str!("../../plugins/docker/grants.toml");

const OPTIONS: &str = include_str!("../corpus/argv/options.jsonl");
const GLOBALS: &str = include_str!("../corpus/argv/globals.jsonl");
const TOKENS: &str = include_str!("../corpus/argv/tokens.jsonl");
const COMMANDS: &str = include_str!("../corpus/argv/commands.jsonl");
const PATHS: &str = include_str!("../corpus/argv/paths.txt");

const SOCKET: &str = "--host=unix:///run/docker.sock";
const INSTALL: &str = "0123456789abcdef";

/// An engine: its grants, what its commands begin with, and what they may begin with besides.
struct Engine {
    grants: Grants,
    start: &'static [&'static str],
    starts: &'static [&'static [&'static str]],
}

fn engines() -> [Engine; 2] {
    let grants = |text| Grants::parse(text, "grants").unwrap();
    [
        Engine { grants: grants(PODMAN), start: &["podman"], starts: &[&["podman"], &["/usr/bin/podman"]] },
        Engine {
            grants: grants(DOCKER),
            start: &["docker", SOCKET],
            starts: &[&["docker", SOCKET], &["docker"], &["/usr/bin/docker", SOCKET]],
        },
    ]
}

type Argv = Vec<String>;

fn argv<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Argv {
    words.into_iter().map(|word| word.as_ref().to_owned()).collect()
}

impl Engine {
    fn is_podman(&self) -> bool {
        self.start.len() == 1
    }

    fn is_reachable(&self, argv: &[String]) -> bool {
        matches!(self.grants.explain(argv), Explanation::Reachable { .. })
    }

    /// A `create` as the host renders it, with these options of the caller's in their places.
    fn create(&self, secrets: &str, before_limits: &[&str], after_limits: &[&str]) -> Argv {
        let id = "a".repeat(64);
        let owner = format!("--label=io.portreeve.owner={INSTALL}:{}:{id}", "b".repeat(32));
        let mut words = argv(self.start);
        words.extend(argv(["create", "--pull=never", "--security-opt=no-new-privileges"]));
        words.extend(self.is_podman().then(|| "--http-proxy=false".to_owned()));
        words.extend(["--name=app".to_owned(), owner]);
        words.push(format!("--label=io.portreeve.install={INSTALL}"));
        words.push(format!("--label=io.portreeve.spec={}", "c".repeat(64)));
        words.push(format!("--label=io.portreeve.secrets={secrets}"));
        words.extend(argv(before_limits));
        if self.is_podman() {
            words.extend(argv(["--ulimit=nofile=1024", "--ulimit=nproc=512"]));
        }
        words.extend(argv(after_limits));
        words.push(id);
        words
    }

    fn bare(&self) -> Argv {
        self.create("", &[], &[])
    }

    /// One that uses most of what a request may ask for.
    fn rich(&self) -> Argv {
        let file = format!("/run/user/0/portreeve-secrets/{INSTALL}/app/KEY");
        let file = format!("--mount=type=bind,source={file},target=/run/secrets/KEY,readonly=true");
        let gpu = if self.is_podman() { "--device=nvidia.com/gpu=0" } else { "--gpus=\"device=0,1\"" };
        let network = if self.is_podman() { "--network=private" } else { "--network=bridge" };
        let before = [
            "--label=team=harbour",
            "--publish=127.0.0.1:8080:80/tcp",
            "--publish=[::1]::81/udp",
            "--mount=type=bind,source=/srv/data,target=/data,readonly=true",
            &file,
            "--tmpfs=/tmp:size=65536",
            "--env=A=b c",
            "--env=TOKEN",
            gpu,
            "--ulimit=core=0:0",
        ];
        let after =
            ["--cap-drop=ALL", "--memory=1048576", "--pids-limit=9", network, "--stop-signal=SIGTERM", "--read-only"];
        let mut words = self.create("KEY,TOKEN", &before, &after);
        words.extend(argv(["--privileged", "-v", "/:/host"]));
        words
    }

    /// Some of them: an option before the command is the same to all.
    fn some_right(&self) -> Vec<Argv> {
        self.right().into_iter().step_by(4).collect()
    }

    /// Command lines of every kind, each right.
    fn right(&self) -> Vec<Argv> {
        let id = "a".repeat(64);
        let commands: Vec<Vec<&str>> = vec![
            vec!["pull", "docker.io/library/alpine:3"],
            vec!["image", "inspect", "docker.io/library/alpine:3"],
            vec!["rmi", "docker.io/library/alpine:3"],
            vec!["start", &id],
            vec!["stop", "-t", "10", &id],
            vec!["kill", "--signal=SIGKILL", &id],
            vec!["rm", "--volumes", "--force", &id],
            vec!["wait", &id],
            vec!["container", "inspect", &id],
            vec!["container", "inspect", "app"],
            vec!["logs", "--follow", "--timestamps", "--tail=10", &id],
        ];
        let (mark, file) = ("d".repeat(32), format!("/srv/state/exchange/{}/note", "e".repeat(32)));
        let (marked, inside) = (format!("--env=PORTREEVE_EXEC={mark}"), format!("{id}:/note"));
        let inner =
            [vec!["exec", &marked, "--interactive", &id, "sh"], vec!["cp", &file, &inside], vec!["cp", &inside, &file]];
        let commands: Vec<Vec<&str>> = commands.into_iter().chain(inner).collect();
        let lines = commands.iter().map(|command| argv(self.start.iter().chain(command)));
        lines.chain([self.bare(), self.rich()]).collect()
    }

    /// Where the image stands: what follows are words of the container's.
    fn image(words: &[String]) -> usize {
        words.iter().position(|word| *word == "a".repeat(64)).unwrap()
    }
}

/// All the command lines that were asked about, and those that are reachable though they must not be.
#[derive(Default)]
struct Findings {
    asked: BTreeSet<Argv>,
    reachable: Vec<(Argv, String)>,
}

impl Findings {
    fn ask(&mut self, engine: &Engine, words: Argv, why: &str) {
        if self.asked.contains(&words) {
            return;
        }
        if engine.is_reachable(&words) {
            self.reachable.push((words.clone(), why.to_owned()));
        }
        self.asked.insert(words);
    }

    /// These words in every place of a command line up to its image.
    fn insert_everywhere(&mut self, engine: &Engine, line: &[String], added: &[String], why: &str) {
        (1..=Engine::image(line)).for_each(|at| self.insert(engine, line, added, at, why));
    }

    fn insert(&mut self, engine: &Engine, line: &[String], added: &[String], at: usize, why: &str) {
        let mut words = line.to_vec();
        words.splice(at..at, added.iter().cloned());
        self.ask(engine, words, why);
    }

    fn none(self, least: usize) {
        let few: Vec<_> = self.reachable.iter().take(20).collect();
        assert!(few.is_empty(), "{} are reachable, such as {few:#?}", self.reachable.len());
        println!("{} command lines, none reachable", self.asked.len());
        assert!(self.asked.len() >= least, "there are only {}", self.asked.len());
    }
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn strings(value: &Value) -> Argv {
    serde_json::from_value(value.clone()).unwrap()
}

fn why(row: &Value) -> &str {
    row["why"].as_str().unwrap()
}

/// Every spelling of an option; the first ones are those that templates have.
fn spellings(row: &Value) -> Vec<Argv> {
    let long = row["option"].as_str().unwrap();
    let short = row["short"].as_str();
    let values = strings(&row["values"]);
    if values.is_empty() {
        let mut all: Vec<Argv> = vec![argv([long])];
        all.extend(["true", "1", "TRUE", "t"].map(|value| argv([format!("{long}={value}")])));
        all.push(argv([long, "true"]));
        all.extend(short.map(|short| argv([short])));
        all.extend(short.map(|short| argv([format!("{short}d")])));
        return all;
    }
    values.iter().flat_map(|value| with_value(long, short, value)).collect()
}

fn with_value(long: &str, short: Option<&str>, value: &str) -> Vec<Argv> {
    let mut all = vec![argv([format!("{long}={value}")]), argv([long, value])];
    if let Some(short) = short {
        all.extend([argv([format!("{short}{value}")]), argv([format!("{short}={value}")]), argv([short, value])]);
        all.push(argv([format!("-d{}{value}", short.trim_start_matches('-'))]));
    }
    all
}

#[test]
fn what_these_are_made_of_is_reachable() {
    for engine in engines() {
        for line in engine.right() {
            assert!(engine.is_reachable(&line), "{:?}", engine.grants.explain(&line));
        }
    }
}

#[test]
fn no_option_of_a_container_can_be_added() {
    let mut findings = Findings::default();
    for engine in engines() {
        let bare = engine.bare();
        for row in rows(OPTIONS) {
            for (number, added) in spellings(&row).iter().enumerate() {
                let short = added.len() > 1 || !added[0].starts_with("--");
                match short && number > 0 {
                    true => findings.insert(&engine, &bare, added, Engine::image(&bare), why(&row)),
                    false => findings.insert_everywhere(&engine, &bare, added, why(&row)),
                }
                let run = ["run"].into_iter().chain(added.iter().map(String::as_str)).chain(["alpine", "sh"]);
                findings.ask(&engine, argv(engine.start.iter().copied().chain(run)), why(&row));
            }
        }
    }
    findings.none(10_000);
}

#[test]
fn no_option_of_an_engine_can_be_added() {
    let mut findings = Findings::default();
    for engine in engines() {
        for row in rows(GLOBALS) {
            let (spellings, lines) = (spellings(&row), engine.some_right());
            for (added, line) in spellings.iter().flat_map(|added| lines.iter().map(move |line| (added, line))) {
                findings.insert(&engine, line, added, 1, why(&row));
                findings.insert(&engine, line, added, engine.start.len(), why(&row));
                // instead of the granted endpoint
                let mut words = line.clone();
                words.splice(1..engine.start.len(), added.iter().cloned());
                findings.ask(&engine, words, why(&row));
            }
        }
    }
    findings.none(2_000);
}

#[test]
fn no_word_can_be_added() {
    let mut findings = Findings::default();
    for engine in engines() {
        for row in rows(TOKENS) {
            let added = argv([row["token"].as_str().unwrap()]);
            for line in [engine.bare(), engine.rich()] {
                findings.insert_everywhere(&engine, &line, &added, why(&row));
            }
        }
    }
    findings.none(3_000);
}

fn other_mounts(path: &str) -> Vec<Argv> {
    let mount = format!("{path}:/h");
    let long = format!("type=bind,source={path},target=/h,readonly=true");
    vec![
        argv([format!("--mount=type=bind,source={path},target=/h,readonly=false,z")]),
        argv([format!("--mount=type=bind,src={path},dst=/h")]),
        argv([format!("--mount=target=/h,source={path},type=bind,readonly=true")]),
        argv([format!("--volume={mount}")]),
        argv([format!("--volume={mount}:ro")]),
        argv([format!("-v{mount}")]),
        argv([format!("-v={mount}")]),
        argv(["-v", &mount]),
        argv(["--volume", &mount]),
        argv(["--mount", &long]),
    ]
}

#[test]
fn no_part_of_the_host_can_be_mounted() {
    let mut findings = Findings::default();
    for engine in engines() {
        let bare = engine.bare();
        for path in PATHS.lines() {
            for form in [
                format!("--mount=type=bind,source={path},target=/h,readonly=true"),
                format!("--mount=type=volume,source={path},target=/h,readonly=false"),
            ] {
                findings.insert_everywhere(&engine, &bare, &argv([form]), path);
            }
            for form in other_mounts(path) {
                findings.insert(&engine, &bare, &form, Engine::image(&bare), path);
                let run = ["run"].into_iter().chain(form.iter().map(String::as_str)).chain(["alpine", "sh"]);
                findings.ask(&engine, argv(engine.start.iter().copied().chain(run)), path);
            }
        }
    }
    findings.none(3_000);
}

/// A folder of the engine's own process as a working directory leads out of the container (CVE-2024-21626).
#[test]
fn no_process_begins_outside_of_its_container() {
    let mut findings = Findings::default();
    for engine in engines() {
        let exec = engine.right().into_iter().find(|line| line.iter().any(|word| word == "exec")).unwrap();
        for folder in ["/proc/self/fd/7", "/proc/self/fd/8/", "//proc", "/proc/1/cwd", "/sys/fs/cgroup"] {
            let word = argv([format!("--workdir={folder}")]);
            for line in [engine.bare(), engine.rich(), exec.clone()] {
                findings.insert_everywhere(&engine, &line, &word, folder);
            }
        }
    }
    findings.none(200);
}

/// The host's own label of a pod never comes without what puts a container into it, nor that without the label.
#[test]
fn no_container_is_in_a_pod_by_halves() {
    for engine in engines() {
        let network = format!("--network=container:{}", "d".repeat(64));
        let pod = format!("--pod={}", "e".repeat(64));
        let mut parts = vec![network];
        parts.splice(0..0, engine.is_podman().then_some(pod));
        let joining = |label: bool, parts: &[String]| {
            let label = label.then_some("--label=io.portreeve.pod=p");
            let mut line = engine.create("", label.as_slice(), &[]);
            let place = line.iter().position(|word| word == "create").unwrap() + 1;
            line.splice(place..place, parts.iter().cloned());
            engine.is_reachable(&line)
        };
        assert!(joining(true, &parts) && joining(false, &[]));
        assert!(!joining(true, &[]) && !joining(false, &parts));
        assert!(parts.len() == 1 || parts.iter().all(|part| !joining(true, std::slice::from_ref(part))));
    }
}

#[test]
fn no_other_command_can_be_run() {
    let mut findings = Findings::default();
    for engine in engines() {
        for row in rows(COMMANDS) {
            for start in engine.starts {
                let words = start.iter().map(ToString::to_string).chain(strings(&row["words"]));
                findings.ask(&engine, words.collect(), why(&row));
            }
        }
    }
    findings.none(3_000);
}

#[test]
fn no_other_program_can_be_run() {
    let mut findings = Findings::default();
    let programs = [
        "",
        " podman",
        "podman ",
        "Podman",
        "PODMAN",
        "./podman",
        "../podman",
        "bin/podman",
        "/tmp/podman",
        "/usr/bin/podman/",
        "/usr//bin/podman",
        "/usr/bin/../bin/podman",
        "/proc/self/root/usr/bin/podman",
        "/usr/local/sbin/podman",
        "podman\0",
        "podman-remote",
        "podman.sh",
        "docker-compose",
        "dockerd",
        "containerd",
        "ctr",
        "nerdctl",
        "crictl",
        "buildah",
        "skopeo",
        "runc",
        "crun",
        "sh",
        "bash",
        "/bin/sh",
        "env",
        "sudo",
        "su",
        "ssh",
        "nsenter",
        "unshare",
        "chroot",
        "mount",
        "systemd-run",
        "nvidia-smi",
        "nvidia-container-cli",
        "nvidia-ctk-x",
        "python3",
        "curl",
        "cat",
        "tee",
        "dd",
        "rm",
        "-",
        "--",
    ];
    for engine in engines() {
        for line in engine.right() {
            for program in programs {
                let words = [program.to_owned()].into_iter().chain(line[1..].iter().cloned());
                findings.ask(&engine, words.collect(), "another program");
            }
        }
        for words in [
            &["nvidia-smi", "-q", "-f", "/etc/cron.d/x"][..],
            &["nvidia-ctk", "cdi", "generate", "--output=/etc/cdi/x"],
            &["nvidia-ctk"],
            &["nvidia-ctk", "--version", "-d"],
            &[],
        ] {
            findings.ask(&engine, argv(words), "another program, or other words");
        }
    }
    findings.none(1_000);
}

/// Everything that stands in a right line is needed: leave one word out, say it twice, swap it with the next, write it
/// in capitals, and it is none.
#[test]
fn nothing_can_be_left_out_or_turned_round() {
    let mut findings = Findings::default();
    for engine in engines() {
        let line = engine.bare();
        let image = Engine::image(&line);
        for at in 0..image {
            let edited = |edit: &dyn Fn(&mut Argv)| {
                let mut words = line.clone();
                edit(&mut words);
                words
            };
            findings.ask(&engine, edited(&|words| drop(words.remove(at))), "left out");
            findings.ask(&engine, edited(&|words| words.insert(at, words[at].clone())), "twice");
            findings.ask(&engine, edited(&|words| words.swap(at, at + 1)), "swapped");
            findings.ask(&engine, edited(&|words| words[at] = words[at].to_uppercase()), "in capitals");
            findings.ask(&engine, edited(&|words| words[at].push(' ')), "with a space");
            findings.ask(&engine, edited(&|words| words[at].insert(0, ' ')), "after a space");
            if let Some((option, value)) = line[at].split_once('=') {
                findings.ask(
                    &engine,
                    edited(&|words| drop(words.splice(at..=at, argv([option, value])))),
                    "in two words",
                );
                findings.ask(&engine, edited(&|words| words[at] = format!("{option}={value},x")), "a word more");
            }
        }
    }
    findings.none(150);
}

/// The host never looks at nothing: a client would take that for all, or for a mistake.
#[test]
fn nothing_can_not_be_looked_at() {
    let mut findings = Findings::default();
    for engine in engines() {
        for words in [["container", "inspect"], ["volume", "inspect"], ["image", "inspect"]] {
            findings.ask(&engine, argv(engine.start.iter().copied().chain(words)), "at nothing");
        }
    }
    findings.none(6);
}

/// Several calls look at containers together: by names and IDs in order, each once, and not at any number of them. Pods are
/// looked at one by one.
#[test]
fn only_what_calls_look_at_together_is_looked_at_so() {
    let mut findings = Findings::default();
    let (id, names) = ("ab".repeat(32), ["db", "web"]);
    let crowd: Vec<String> = (100..133).map(|number| format!("c{number}")).collect();
    for engine in engines() {
        let at = |words: &[&str]| {
            argv(engine.start.iter().copied().chain(["container", "inspect"]).chain(words.iter().copied()))
        };
        for words in
            [vec![id.as_str(), names[0], names[1]], vec![names[1]], crowd[1..].iter().map(String::as_str).collect()]
        {
            let explained = engine.grants.explain_with(&at(&words), &Variables::default());
            assert!(matches!(explained, Explanation::Reachable { .. }), "{words:?}: {explained:?}");
        }
        findings.ask(&engine, at(&["web", "db"]), "out of order");
        findings.ask(&engine, at(&["db", "db"]), "twice");
        findings.ask(&engine, at(&["db", &id]), "an ID behind a name");
        findings.ask(&engine, at(&crowd.iter().map(String::as_str).collect::<Vec<_>>()), "too many");
        if engine.start.iter().any(|word| word.starts_with("--host")) {
            continue;
        }
        findings.ask(&engine, argv(["podman", "pod", "inspect", "db", "web"]), "at two pods");
    }
    findings.none(9);
}

/// Where the install is known, the labels, filters and secret files of another one are none, in each place by itself.
#[test]
fn nothing_of_another_install_can_be_named() {
    let install = |byte| InstallId::of(&InstallKey::from_bytes([byte; 32]));
    let (own, other) = (install(1), install(2));
    let known = Variables::default().on_install(&own);
    let mut places = 0;
    for engine in engines() {
        let reachable =
            |line: &[String]| matches!(engine.grants.explain_with(line, &known), Explanation::Reachable { .. });
        let filter = format!("--filter=label=io.portreeve.install={INSTALL}");
        let list = ["ps", "--all", "--quiet", "--no-trunc", &filter];
        let lines = [engine.bare(), engine.rich(), argv(engine.start.iter().copied().chain(list))];
        for line in lines {
            let of = |id: &InstallId| argv(line.iter().map(|word| word.replace(INSTALL, id.as_str())));
            assert!(reachable(&of(&own)), "{:?}", engine.grants.explain_with(&of(&own), &known));
            assert!(!reachable(&of(&other)), "all of another install: {line:?}");
            for at in (0..line.len()).filter(|at| line[*at].contains(INSTALL)) {
                let mut mixed = of(&own);
                mixed[at] = of(&other)[at].clone();
                assert!(!reachable(&mixed), "{}", mixed[at]);
                places += 1;
            }
        }
    }
    assert!(places >= 12, "only {places} places");
}

/// Where the state directory is known, neither it, nor what lies in it or holds it, can be mounted.
#[test]
fn nothing_of_the_state_directory_can_be_mounted() {
    let known = Variables::default().with_state("/srv/portreeve/state");
    for engine in engines() {
        let reachable = |source: &str| {
            let line =
                argv(engine.rich().iter().map(|word| word.replace("source=/srv/data,", &format!("source={source},"))));
            matches!(engine.grants.explain_with(&line, &known), Explanation::Reachable { .. })
        };
        assert!(reachable("/srv/data") && reachable("/srv/portreeve/models"));
        for source in ["/srv/portreeve/state/key", "/srv/portreeve/state", "/srv/portreeve", "/srv"] {
            assert!(!reachable(source), "{source}");
        }
    }
}

/// The engines' own networks are nobody's, and so can be neither removed nor made.
#[test]
fn the_engines_own_networks_can_not_be_named() {
    let mut findings = Findings::default();
    for engine in engines() {
        for name in ["podman", "bridge", "host", "none", "default", "docker_gwbridge", "ingress", "Podman"] {
            findings.ask(
                &engine,
                argv(engine.start.iter().copied().chain(["network", "rm", name])),
                "the engine's own",
            );
        }
    }
    findings.none(16);
}

/// What a policy refuses is nearest to the command that it would have been, and the word that is refused is named.
#[test]
fn a_refusal_of_the_policy_names_its_word() {
    let policy = portreeve::Policy::home();
    for engine in engines() {
        let own = if engine.is_podman() { "--network=private" } else { "--network=bridge" };
        for (from, to) in [(own, "--network=host"), ("127.0.0.1:8080", "0.0.0.0:8080")] {
            let line = argv(engine.rich().iter().map(|word| word.replace(from, to)));
            let place = line.iter().position(|word| word.contains(to)).unwrap();
            let Explanation::Unreachable { nearest, first_difference, why, .. } =
                engine.grants.explain_within(&line, &Variables::default(), &policy)
            else {
                panic!("{line:?} is reachable");
            };
            assert_eq!((nearest.as_deref(), first_difference, why.is_some()), (Some("create"), place, true), "{to}");
        }
    }
}
