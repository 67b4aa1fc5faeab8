//! 100 containers made, started, read, stopped and removed by one host, beside the very commands that it issued, run by
//! as many hands at once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use portreeve_tests::berth::Harbour;
use portreeve_tests::engines::Engine;
use portreeve_tests::voyage;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::run::intents;
use crate::table::{alone, beside};

const CONTAINERS: &str = "100";
const AT_ONCE: usize = 4;

pub(crate) fn measure(runtime: &Runtime) {
    for engine in Engine::all() {
        on(engine, &crate::harbour(runtime, Some(engine)));
    }
}

fn on(engine: Engine, harbour: &Harbour) {
    let name = harbour.container("ship");
    // The first fleet pulls the image, and compiles the backend.
    let _warm = harbour.play(voyage::FLEET, &[&name, "1", "1"]);
    let mut last = 0;
    intents(harbour, &mut last);
    let told = harbour.play(voyage::FLEET, &[&name, CONTAINERS, &AT_ONCE.to_string()]);
    let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    let lives = lives(&told, intents(harbour, &mut last));
    let commands: usize = lives.iter().map(|life| life.argvs.len()).sum();
    let replayed = replay(engine, lives);
    let what = format!("{CONTAINERS} containers on {}, {AT_ONCE} commands at once", engine.name());
    let hosted = told["seconds"].as_f64().unwrap() * 1e6;
    beside(&what, hosted, &format!("the {commands} bare commands"), replayed.as_secs_f64() * 1e6);
    let grown = told["peak"].as_u64().unwrap().saturating_sub(told["before"].as_u64().unwrap());
    alone("… memory that came to the host by it", &format!("{grown} KiB"));
}

/// What was run for one container.
struct Life {
    id: String,
    argvs: Vec<Vec<String>>,
}

/// The commands by the container that they name; what names none was none of theirs.
fn lives(told: &Value, argvs: Vec<Vec<String>>) -> Vec<Life> {
    let ships = told["ships"].as_array().unwrap();
    let text = |ship: &Value, key: &str| ship[key].as_str().unwrap_or_else(|| panic!("{ship}")).to_owned();
    let names: Vec<(String, String)> = ships.iter().map(|ship| (text(ship, "name"), text(ship, "id"))).collect();
    let mut lives: HashMap<String, Life> =
        names.iter().map(|(_, id)| (id.clone(), Life { id: id.clone(), argvs: Vec::new() })).collect();
    for argv in argvs {
        let named = |(name, id): &&(String, String)| {
            argv.iter().any(|word| word == name || word == id || word == &format!("--name={name}"))
        };
        if let Some(life) = names.iter().find(named).and_then(|(_, id)| lives.get_mut(id)) {
            life.argvs.push(argv);
        }
    }
    lives.into_values().collect()
}

/// So many hands take container after container.
fn replay(engine: Engine, lives: Vec<Life>) -> Duration {
    let (begun, lives) = (Instant::now(), Mutex::new(lives));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(life) = next(&lives) {
                    live(engine, &life);
                }
            });
        }
    });
    begun.elapsed()
}

fn next(lives: &Mutex<Vec<Life>>) -> Option<Life> {
    lives.lock().unwrap().pop()
}

fn live(engine: Engine, life: &Life) {
    let mut id = life.id.clone();
    for argv in &life.argvs {
        let words: Vec<String> =
            argv.iter().skip(1).filter(|word| *word != "--follow").map(|word| word.replace(&life.id, &id)).collect();
        let mut command = engine.command(Path::new("/usr/bin").join(engine.backend()));
        let output = command.args(&words).output().unwrap();
        if words.iter().any(|word| word == "create") {
            assert!(output.status.success(), "{words:?}: {output:?}");
            String::from_utf8_lossy(&output.stdout).trim().clone_into(&mut id);
        }
    }
}
