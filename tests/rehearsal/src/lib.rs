//! The rehearsal engine: a small program that speaks enough of the command lines of `podman` and `docker`, with its
//! state in a directory. Tests, authors of backends and the demonstration use it where no engine is installed. It
//! is never a substitute for the real engines, and no detection finds it by itself.
//!
//! # How it is called
//!
//! Any program that calls [`main_if_called`] first serves: a hard link or a copy of it named `podman` or `docker` is
//! that engine, when the variable `PORTREEVE_REHEARSAL` names the state directory. Grants for it list a folder of
//! such links as the place where programs are searched, and the variable among the granted ones.
//!
//! # What the state directory holds
//!
//! | file | whose | what |
//! |---|---|---|
//! | `mode` | yours | words, one a line, for every program or as `docker:down` for one: see below |
//! | `faults` | yours | misbehaviour, one `command:fault` a line: see below |
//! | `calls` | yours to make, empty | a line of JSON is added for each command: its words and the names of its variables |
//! | `endpoint` | its own | what the last `--host` said |
//! | `podman`, `docker`, `blobs` | its own | images, containers with their logs, content by digest |
//!
//! Modes: `masquerade` (the program is called docker and answers as podman), `foreign-service` (a docker client on
//! Podman's socket), `down` (no daemon; no user namespaces), `refused` (the socket is not ours), `rootless`,
//! `containerd-store` (Docker's image IDs are digests asked for), `insecure` (loopback registries need no
//! `--tls-verify=false` on Podman), `gpus` (containers with GPUs start).
//!
//! # What its containers do
//!
//! Nothing of an image is executed. An image whose entrypoint is `/deckhand` is played: a supervisor of its own
//! session starts a worker that knows the words of the built-in image, with the container's environment, mounts and
//! ports. There is no root file system, no mount or network namespace and no enforcement of limits, users or
//! read-only mounts: these show in `inspect` alone. Published TCP ports are really listened on by
//! `listen`; `lookup` and `fetch` know the containers of one network.
//!
//! # How it is as the real ones, and how not
//!
//! Images really come from a registry over HTTP, on loopback alone, and every digest is checked. Documents, words and exit
//! statuses were recorded from Podman 4.3.1 and Docker 20.10.24. It does not know `run`, its pods have no containers of
//! their own, aliases on networks are not looked up, what a container listens on is reached by `fetch` alone,
//! `start --attach` does not proxy signals (a client that is killed leaves the container
//! running), layers are not unpacked (`save` writes them as they lie in
//! `blobs`, edited or not), and `--format` is JSON or nothing.
//!
//! # Faults
//!
//! Commands: `version info ps pull image-inspect images rmi save load create start stop kill rm wait inspect logs
//! volume-create volume-inspect volume-ls volume-rm exec cp pause unpause top stats health-run events network-create
//! network-inspect network-ls network-rm network-connect pod-create pod-inspect pod-ls pod-rm context-ls`, `*` for
//! all.
//!
//! | fault | what the command does |
//! |---|---|
//! | `hang`, `hang-after` | never ends; before or after it did its work |
//! | `slow-MS` | begins so many milliseconds later |
//! | `flood`, `flood-stderr` | prints numbered lines for as long as they are read |
//! | `garbage` | prints text that is no JSON, and ends with 0 |
//! | `huge-json` | prints one well-formed document of 64 MiB |
//! | `half-utf8` | ends its output within a UTF-8 sequence |
//! | `die`, `die-halfway` | SIGKILLs itself; at once, or with its work done and half of its output written |
//! | `exit-N` | does its work and ends with N |
//! | `fail` | does nothing, says `rehearsed failure`, and ends as the engine does |
//! | `fail-several` | the same when it is asked of more than one container (`inspect`) |
//! | `ignore` | says that it did its work and does nothing (`start`, `stop`, `kill`, `rm`, `rmi`, `cp`, `pause`, `unpause`, and what makes, removes or joins volumes, networks and pods) |
//! | `leak-env` | prints every variable that it was given on stderr |
//! | `lie-digest`, `lie-id` | claims another digest, another ID (`image-inspect`) |
//! | `missing` | claims that the object is not there (`inspect`, `image-inspect`, `volume-inspect`, `network-inspect`) |
//! | `other-id`, `other-name`, `other-image` | claims another one than the truth (`inspect`) |
//! | `other-state`, `other-exit` | claims `exited` of what runs and the other way round; another status (`inspect`) |
//! | `other-port`, `other-mount`, `extra-mount` | claims another host port, another source, one mount more (`inspect`) |
//! | `leave-out-label`, `other-label` | drops or changes the owner label (`create`, `volume-create`, `network-create`, `pod-create`: in truth; `inspect`, `volume-inspect`, `network-inspect`: in words) |
//! | `swap-volume` | first puts others without labels in the places of the named volumes that it mounts (`create`) |
//! | `swap-network`, `leave-out-network` | first puts another without labels in the place of the network that it joins; joins none (`create`) |
//! | `leave-out-pod` | joins no pod and no other container's network (`create`) |
//! | `leave-out-mount`, `leave-out-port`, `leave-out-env`, `leave-out-gpu` | drops all of these (`create`) |

mod arguments;
mod clock;
mod commands;
mod console;
mod container;
#[path = "../../../host/image/deckhand.rs"]
#[allow(dead_code, reason = "shared with the built-in image, which uses all of it")]
mod deckhand;
mod dialect;
mod engine;
mod events;
mod faults;
mod health;
mod image;
mod lies;
mod logs;
mod mode;
mod network;
mod pod;
mod pull;
mod registry;
mod signal;
mod spec;
mod state;
mod supervisor;
mod trouble;
mod verb;
mod volume;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::dialect::Dialect;

/// The variable that names the state directory, and without which a program is only itself.
pub const VARIABLE: &str = "PORTREEVE_REHEARSAL";

/// Acts as an engine if this process was called as one, and returns what to exit with; `None` means that the program is to
/// go on as itself.
///
/// It was called as one when [`VARIABLE`] is set and either the last part of `argv[0]` is `podman` or `docker`, or the
/// first argument is one of the engine's own: it starts the processes behind its containers this way.
///
/// A program that is to serve as the rehearsal engine calls this first in `main`, before it starts threads.
#[must_use]
pub fn main_if_called() -> Option<ExitCode> {
    let root = std::env::var_os(VARIABLE).filter(|root| !root.is_empty()).map(PathBuf::from)?;
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let program = Path::new(words.first()?).file_name()?.to_string_lossy().into_owned();
    let role = words.get(1).map(String::as_str).unwrap_or_default();
    match (role, program.as_str()) {
        (supervisor::SUPERVISOR | supervisor::WORKER | supervisor::EXEC, _) => Some(behind(&root, &words)),
        (_, "podman" | "docker") => Some(ExitCode::from(engine::run(&root, &program, words))),
        _ => None,
    }
}

/// The processes behind a container.
fn behind(root: &Path, words: &[String]) -> ExitCode {
    let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
    let (role, id, dialect) = (word(1), word(2), Dialect::from_word(word(3)));
    let status = match role {
        supervisor::SUPERVISOR => supervisor::run(root, id, dialect).map(|()| 0),
        supervisor::EXEC => worker::exec(root, id, dialect, words.get(4..).unwrap_or_default()),
        _ => worker::run(root, id, dialect),
    };
    // A worker's complaint goes to its container's log; a supervisor has nobody to complain to.
    let status = status.unwrap_or_else(|error| {
        let _ =
            console::write(std::os::fd::AsFd::as_fd(&std::io::stderr()), format!("rehearsal: {error}\n").as_bytes());
        125
    });
    ExitCode::from(u8::try_from(status & 0xff).unwrap_or(125))
}
