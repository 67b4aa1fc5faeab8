//! `portreeve run --rm` beside the very commands that it issued, and beside the engine's own `run --rm`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use portreeve_tests::berth::Harbour;
use portreeve_tests::engines::Engine;
use portreeve_tests::voyage;
use serde_json::Value;

use crate::table::{alone, beside, median, timed};

const ROUNDS: u32 = 15;

pub(crate) fn measure(runtime: &tokio::runtime::Runtime) {
    let Some(program) = crate::program::built() else {
        alone("the program", "can't be built");
        return;
    };
    for engine in Engine::all() {
        on(engine, &program, &crate::harbour(runtime, Some(engine)));
    }
}

fn on(engine: Engine, program: &Path, harbour: &Harbour) {
    let program = reachable(engine, program, harbour);
    let name = harbour.container("short");
    let (mut hosted, mut bare, mut by_hand, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut last = 0;
    for round in 0..=ROUNDS {
        let run = timed(|| succeed(&mut command(&program, harbour, &name))).0;
        let issued = intents(harbour, &mut last);
        count = issued.len();
        let replayed = replay(engine, &issued);
        let typed = timed(|| succeed(&mut own_run(engine, harbour, &name))).0;
        // The first run pulls the image, and compiles the backend.
        if round > 0 {
            hosted.push(run);
            bare.push(replayed);
            by_hand.push(typed);
        }
    }
    let (hosted, bare, by_hand) = (median(hosted), median(bare), median(by_hand));
    beside(
        &format!("`run --rm` on {}", engine.name()),
        hosted,
        &format!("the {count} bare commands that it issues"),
        bare,
    );
    beside(&format!("`run --rm` on {}", engine.name()), hosted, "the engine's own `run --rm`", by_hand);
}

fn reachable(engine: Engine, program: &Path, harbour: &Harbour) -> PathBuf {
    let copy = harbour.berth().folder().join("portreeve");
    std::fs::copy(program, &copy).unwrap();
    assert!(engine.command(&copy).arg("--version").stdout(Stdio::null()).status().unwrap().success());
    copy
}

fn command(program: &Path, harbour: &Harbour, name: &str) -> Command {
    let berth = harbour.berth();
    let mut command = berth.command(program);
    command.arg("--state").arg(berth.state()).args(["--backend", berth.backend(), "--quiet"]);
    command.args(["run", "--rm", "--network=none", "--name", name]);
    command.arg(harbour.reference().to_string()).args(["say", "there and back"]);
    command
}

fn own_run(engine: Engine, harbour: &Harbour, name: &str) -> Command {
    let mut command = engine.client();
    command.args(["run", "--rm", "--pull=never", "--network=none", "--name", name]);
    if engine.backend() == "podman" {
        command.args(engine.create_flags());
    }
    command.arg(harbour.reference().to_string()).args(["say", "there and back"]);
    command
}

/// What the journal says was run since the last look.
pub(crate) fn intents(harbour: &Harbour, last: &mut u64) -> Vec<Vec<String>> {
    let said = harbour.play(voyage::INTENTS, &[&last.to_string()]);
    let records: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    *last = records.iter().filter_map(|record| record["seq"].as_u64()).max().unwrap_or(*last);
    records.into_iter().map(|record| serde_json::from_value(record["argv"].clone()).unwrap()).collect()
}

/// Runs the same commands one after the other, each naming the container that this time's `create` made.
fn replay(engine: Engine, issued: &[Vec<String>]) -> Duration {
    let (mut whole, mut ids): (_, Option<String>) = (Duration::ZERO, None);
    let old = container(issued);
    for argv in issued {
        let words = argv.iter().skip(1).map(|word| match (&old, &ids) {
            (Some(old), Some(new)) => word.replace(old, new),
            _ => word.clone(),
        });
        let words: Vec<String> = words.collect();
        let mut command = engine.command(Path::new("/usr/bin").join(engine.backend()));
        let (time, output) = timed(|| command.args(&words).output().unwrap());
        whole += time;
        if words.iter().any(|word| word == "create") {
            assert!(output.status.success(), "{words:?}: {output:?}");
            ids = Some(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
    }
    whole
}

/// The ID of the container that the commands were about: the last word of the one that started it.
fn container(issued: &[Vec<String>]) -> Option<String> {
    let starts = |argv: &&Vec<String>| argv.iter().any(|word| word == "start");
    issued.iter().find(starts).and_then(|argv| argv.last()).cloned()
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
