//! The suite: every engine in a process of its own, side by side, as that engine's user.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use portreeve_tests::engines::Engine;
use portreeve_tests::program;
use tempfile::TempDir;

use crate::behaviours::{BEHAVIOURS, Behaviour, is_chosen};
use crate::ground::Kind;
use crate::made::{self, Made};
use crate::rows;
use crate::table::{self, Outcome, Verdict};

/// What `--list` says, in the form of the usual harness.
pub(crate) fn list() -> ExitCode {
    for kind in Kind::ALL {
        for behaviour in BEHAVIOURS.iter().filter(|behaviour| behaviour.is_for(kind)) {
            println!("{}/{}: test", kind.name(), behaviour.name);
        }
    }
    ExitCode::SUCCESS
}

/// Runs what the words choose.
pub(crate) fn run(filters: Vec<String>) -> ExitCode {
    let chosen = |kind: &Kind| BEHAVIOURS.iter().any(|one| one.is_for(*kind) && is_chosen(*kind, one, &filters));
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(chosen).collect();
    if kinds.is_empty() {
        println!("conformance: nothing is chosen by {filters:?}");
        return ExitCode::SUCCESS;
    }
    // Says aloud which are left out, and fails where one must not be.
    let real = if kinds.iter().any(|kind| kind.is_real()) { Engine::all() } else { Vec::new() };
    let works = |kind: &Kind| !matches!(kind, Kind::Real(engine) if !real.contains(engine));
    let (present, absent): (Vec<Kind>, Vec<Kind>) = kinds.into_iter().partition(works);
    let program = program::built("--workspace").unwrap();
    let begun = Instant::now();
    let outcomes = both_passes(&present, &program, &filters);
    table::print(&outcomes, &absent);
    let whole = filters.is_empty() && absent.is_empty();
    conclude(&outcomes, &absent, whole, begun.elapsed())
}

/// A whole run in which everything holds is also what the page of what works where rests on.
fn conclude(outcomes: &[Outcome], absent: &[Kind], whole: bool, time: Duration) -> ExitCode {
    for kind in absent {
        let Kind::Real(engine) = kind else { continue };
        println!("NOT TESTED: {}, for {}", engine.name(), engine.skip_reason().unwrap_or_default());
    }
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.failed()).collect();
    for outcome in &failed {
        if let Verdict::Failed(why) = &outcome.verdict {
            println!("\nFAILS: {}/{}: {why}", outcome.kind.name(), outcome.behaviour);
        }
    }
    let (all, hold) = (outcomes.len(), outcomes.len() - failed.len());
    println!("\nconformance: {hold} of {all} hold, in {:.1} min", time.as_secs_f64() / 60.0);
    if !failed.is_empty() {
        return ExitCode::FAILURE;
    }
    match if whole { rows::compare(outcomes) } else { Ok(()) } {
        Err(why) => {
            println!("\nFAILS: {why}");
            ExitCode::FAILURE
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// All that needs no GPU, and then, where root can make some, all that does.
fn both_passes(kinds: &[Kind], program: &Path, filters: &[String]) -> Vec<Outcome> {
    let of_pass = |gpus: bool| {
        let chosen = move |kind: &Kind, one: &Behaviour| {
            one.needs_gpus() == gpus && one.is_for(*kind) && is_chosen(*kind, one, filters)
        };
        kinds.iter().copied().filter(|kind| BEHAVIOURS.iter().any(|one| chosen(kind, one))).collect::<Vec<_>>()
    };
    let mut outcomes = side_by_side(&of_pass(false), program, filters, None);
    let mut needing = of_pass(true);
    if needing.is_empty() {
        return outcomes;
    }
    match Made::make() {
        Ok(made) => {
            needing.retain(|kind| kind.is_podman() || made.login().is_some());
            let login = made.login().unwrap_or(Path::new("/nonesuch"));
            outcomes.extend(side_by_side(&needing, program, filters, Some(login)));
        }
        Err(why) => println!("NOT TESTED: GPUs, for {why}"),
    }
    outcomes
}

fn side_by_side(kinds: &[Kind], program: &Path, filters: &[String], gpus: Option<&Path>) -> Vec<Outcome> {
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        for kind in kinds {
            let sender = sender.clone();
            scope.spawn(move || on(*kind, program, filters, gpus, &sender));
        }
        drop(sender);
        receiver.into_iter().inspect(tell).collect()
    })
}

fn tell(outcome: &Outcome) {
    let word = if outcome.failed() { "FAILS" } else { "ok" };
    println!("{:5} {}/{} ({:.1} s)", word, outcome.kind.name(), outcome.behaviour, outcome.time.as_secs_f64());
    if let Verdict::Failed(why) = &outcome.verdict {
        println!("      {why}");
    }
}

/// One engine, in a folder of its user's that is gone afterwards.
fn on(kind: Kind, program: &Path, filters: &[String], gpus: Option<&Path>, sender: &Sender<Outcome>) {
    let folder = folder(kind);
    let mut command = command(kind, &folder);
    if let Some(login) = gpus {
        command.env(made::VARIABLE, login);
    }
    command.args(["--ground", kind.name()]).arg(folder.path()).arg(installed(kind, program, &folder)).args(filters);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut failures = 0;
    for line in lines {
        match Outcome::from_line(&line) {
            Some(outcome) => {
                failures += u32::from(outcome.failed());
                sender.send(outcome).unwrap();
            }
            None => println!("{}: {line}", kind.name()),
        }
    }
    let status = child.wait().unwrap();
    if !status.success() && failures == 0 {
        let verdict = Verdict::Failed(format!("its process ended with {status}"));
        sender.send(Outcome { kind, behaviour: "all".to_owned(), verdict, time: Duration::ZERO }).unwrap();
    }
}

fn folder(kind: Kind) -> TempDir {
    if let Kind::Real(engine) = kind {
        return engine.folder().unwrap();
    }
    // Beside the build: on the same file system, and no folder of everybody's.
    tempfile::Builder::new().prefix("conformance-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn command(kind: Kind, folder: &TempDir) -> Command {
    let own = std::env::current_exe().unwrap();
    if let Kind::Real(engine) = kind {
        let own = engine.install(&own, folder).unwrap();
        return engine.command(own);
    }
    let mut command = Command::new(own);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder.path()).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

fn installed(kind: Kind, program: &Path, folder: &TempDir) -> PathBuf {
    match kind {
        Kind::Real(engine) => engine.install(program, folder).unwrap(),
        _ => program.to_owned(),
    }
}
