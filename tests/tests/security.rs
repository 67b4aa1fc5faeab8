//! SECURITY.md is true of the tree: each attack of its matrix names what proves its defence, and all of that is there.
//! And what a caller may say: texts that are options, command lines or paths elsewhere are no facts of a request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::indexing_slicing, reason = "the same")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portreeve::Reference;
use portreeve::grants::Grants;
use portreeve::spec::{EnvName, InsidePath, Label, Mount, Name, Port, Signal, User, Variable};

const SECURITY: &str = include_str!("../../SECURITY.md");
const LIMITS: &str = include_str!("../../host/docs/grants.md");
const SHIPPED: [&str; 2] =
    [include_str!("../../plugins/podman/grants.toml"), include_str!("../../plugins/docker/grants.toml")];

/// Words of the attacks that the matrix must speak of, whatever else it has.
const ATTACKS: [&str; 25] = [
    "argument injection",
    "attached short flags",
    "`--privileged`",
    "host mounts by symlink",
    "engine sockets",
    "`KEY*`",
    "`--env-host`",
    "loader variables",
    "`DOCKER_HOST`",
    "other transports",
    "a writable engine program",
    "PATH games",
    "oversize requests",
    "unset means deny",
    "huge or malformed",
    "resource handles",
    "trap and re-entry",
    "terminal escapes",
    "journal forgery",
    "time of check to time of use",
    "separator injection",
    "image labels",
    "docker context",
    "an `inspect` call that runs `rm`",
    "whose `effect` lies",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The rows of the matrices, cell by cell.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let lines = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| attack |"));
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The names of all functions that are tests, of conformance's behaviours, and of guests.
fn proofs() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["host", "tests", "plugins"] {
        collect(&root().join(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.extend(tests_in(&text, path.components().any(|part| part.as_os_str() == "conformance")));
        }
    }
}

/// A function with `#[test]` above it, or a behaviour of the conformance suite, which lists them by their names.
fn tests_in(text: &str, behaviours: bool) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_marked = |at: usize| {
        let mut above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    };
    let named = |line: &str| line.split_once("fn ").map(|(_, rest)| rest.split(['(', '<']).next().unwrap().to_owned());
    let marked =
        (0..lines.len()).filter(|at| lines[*at].contains("fn ") && is_marked(*at)).filter_map(|at| named(lines[at]));
    let listed = lines
        .iter()
        .filter(|line| behaviours && line.starts_with("pub(crate) async fn "))
        .filter_map(|line| named(line));
    marked.chain(listed).collect()
}

/// A test of this name, a file or folder that is there, or a pattern that some test matches.
fn is_there(name: &str, proofs: &BTreeSet<String>) -> bool {
    match (name.contains('/'), name.strip_suffix('*')) {
        (true, _) => root().join(name).exists(),
        (false, Some(start)) => proofs.iter().any(|proof| proof.starts_with(start)),
        (false, None) => proofs.contains(name),
    }
}

#[test]
fn every_proof_that_the_matrix_names_is_there() {
    let (rows, proofs) = (rows(SECURITY), proofs());
    assert!(rows.len() >= ATTACKS.len(), "{} rows", rows.len());
    for row in rows {
        let [attack, defence, proved] = row[..] else { panic!("{row:?} is no row of three") };
        assert!(!defence.is_empty() && !quoted(proved).is_empty(), "{attack}: without a proof");
        for name in quoted(proved) {
            assert!(is_there(name, &proofs), "{attack}: there is no {name}");
        }
    }
}

#[test]
fn every_attack_has_its_row() {
    let rows = rows(SECURITY);
    for attack in ATTACKS {
        assert!(rows.iter().any(|row| row[0].contains(attack)), "there is no row for {attack}");
    }
}

#[test]
fn every_guest_that_the_limits_name_is_there_and_every_limit_has_one() {
    let proofs = proofs();
    let table = LIMITS.split_once("what happens when it is reached").unwrap().1.split_once("\n\n").unwrap().0;
    let mut limits = BTreeSet::new();
    for row in rows(table) {
        let [names, _, tried] = row[..] else { panic!("{row:?} is no row of three") };
        limits.extend(quoted(names));
        let guests = quoted(tried);
        assert!(!tried.is_empty(), "{names} is tried by nothing");
        guests.iter().for_each(|guest| assert!(is_there(guest, &proofs) || tried.contains('['), "there is no {guest}"));
    }
    let all: BTreeSet<&str> = portreeve::grants::Limit::ALL.iter().map(|limit| limit.name()).collect();
    assert_eq!(limits, all);
}

/// The check is one: names that nothing has are found out.
#[test]
fn a_proof_that_is_not_there_is_found_out() {
    let proofs = proofs();
    assert!(is_there("a_proof_that_is_not_there_is_found_out", &proofs) && is_there("foreign_*", &proofs));
    for name in ["no_such_test", "no_such_*", "tests/tests/none.rs", "is_there", "rows"] {
        assert!(!is_there(name, &proofs), "{name}");
    }
    assert_eq!(tests_in("#[test]\nfn one() {\n}\nfn two() {}\n", false), ["one"]);
}

/// Options, command lines, look-alikes, expansions: no name, image, variable or number is any of them.
const INJECTIONS: [&str; 34] = [
    "",
    " ",
    "-",
    "--",
    "--privileged",
    "-v/:/h",
    "-itv",
    "app --privileged",
    "app\t--privileged",
    "app\n--privileged",
    "app\r\n--privileged",
    "app\0",
    "app=--privileged",
    "app,--privileged",
    "app\"",
    "app'",
    "app;id",
    "app&id",
    "app|id",
    "$(id)",
    "`id`",
    "${HOME}",
    "%p",
    "{{.Id}}",
    "{container.id}",
    "@file",
    "*",
    "KEY*",
    "~",
    "a\u{0440}p",
    "\u{2014}\u{2014}privileged",
    "app\u{202e}",
    "app\u{200b}",
    "\u{1b}[31mapp",
];

fn refused<T: std::str::FromStr>(what: &str, texts: &[&str]) {
    for text in texts {
        assert!(text.parse::<T>().is_err(), "{text:?} is taken for {what}");
    }
}

#[test]
fn what_injects_is_no_name_no_image_and_no_number() {
    refused::<Name>("a name", &INJECTIONS);
    refused::<Reference>("an image", &INJECTIONS);
    refused::<EnvName>("a variable's name", &INJECTIONS);
    refused::<User>("a user", &INJECTIONS);
    refused::<Port>("a port", &INJECTIONS);
    refused::<InsidePath>("a path inside", &INJECTIONS);
    let signals: Vec<_> = INJECTIONS.into_iter().filter(|text| !text.is_empty()).collect();
    refused::<Signal>("a signal", &signals);
    // Before the first `=` stands the key.
    for text in INJECTIONS.into_iter().filter(|text| !text.starts_with("app=")) {
        assert!(format!("{text}=x").parse::<Label>().is_err(), "{text:?} is taken for a label's key");
        assert!(format!("{text}=x").parse::<Variable>().is_err(), "{text:?} is taken for a variable");
    }
}

#[test]
fn paths_that_lead_or_split_elsewhere_are_no_mounts() {
    let mounts = [
        "-v/:/h",
        "--privileged:/h",
        "/srv:data",
        "/srv:/data:ro,z",
        "/srv:/data:rshared",
        "/srv:/data:O,upperdir=/etc",
        "/srv:/data:ro:rw",
        "/srv\0:/data",
        "/srv\n:/data",
        "/srv:/data\n--privileged",
        ":/data",
        "/srv:",
        "/srv:/../etc",
    ];
    refused::<Mount>("a mount", &mounts);
}

/// Whatever an operand is to a client: other transports, archives, IDs; a short name is Docker Hub's, and says so.
#[test]
fn other_transports_and_ids_are_no_images() {
    let id = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let by_id = [id.to_owned(), format!("sha256:{id}"), id[..12].to_owned(), format!("@sha256:{id}")];
    refused::<Reference>("an image", &by_id.each_ref().map(String::as_str));
    let transports = [
        "dir:/etc",
        "oci:/srv/x",
        "oci:/srv/x:latest",
        "oci-archive:/srv/x.tar",
        "docker-archive:/srv/x.tar",
        "docker-daemon:alpine:latest",
        "containers-storage:alpine",
        "containers-storage:[overlay@/srv]alpine",
        "docker://alpine",
        "ostree:alpine",
        "sif:/srv/x.sif",
        "tarball:/srv/x",
        "registry://x",
        "file:///etc/passwd",
        "http://x.io/y",
        "/srv/x.tar",
        "./x",
        "../x",
        "-",
    ];
    refused::<Reference>("an image", &transports);
    assert_eq!("alpine".parse::<Reference>().unwrap().to_string(), "docker.io/library/alpine:latest");
}

/// An engine that is reached by a socket is never left to look for one: not by a context, not by a variable.
#[test]
fn every_command_of_a_daemons_client_names_its_socket() {
    let mut daemons = 0;
    for text in SHIPPED {
        let grants = Grants::parse(text, "grants.toml").unwrap();
        if grants.endpoint().is_none() {
            continue;
        }
        daemons += 1;
        for command in grants.commands().iter().filter(|command| command.template().program() == grants.backend()) {
            let line = command.template().to_string();
            // What the client's own configuration says is told, and asks no daemon.
            if line.contains(" context ls ") {
                continue;
            }
            assert!(line.split(' ').nth(1).is_some_and(|word| word.contains("engine.endpoint")), "{line}");
        }
    }
    assert!(daemons > 0, "no backend has an endpoint");
}

/// What is handed on to an engine of the environment: nothing that chooses another engine, loader or configuration.
#[test]
fn no_granted_variable_redirects() {
    for text in SHIPPED {
        let grants = Grants::parse(text, "grants.toml").unwrap();
        for variable in grants.programs().iter().flat_map(|program| program.environment()) {
            let given = variable.to_string();
            assert!(["HOME", "XDG_RUNTIME_DIR", "GOGC=400"].contains(&given.as_str()), "{given} is handed on");
        }
    }
}
