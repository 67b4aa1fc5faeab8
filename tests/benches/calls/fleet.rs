//! 100 containers made, started, read, stopped and removed by one host, beside the very commands that it issued, run by
//! as many hands at once: in the order in which it issued them, as a loop over the containers for each step would, and
//! one container's life after the other.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use portreeve_tests::berth::Harbour;
use portreeve_tests::engines::Engine;
use portreeve_tests::voyage;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::run::intents;
use crate::table::{alone, beside, least};

const CONTAINERS: &str = "100";
const AT_ONCE: usize = 4;
/// Of each the fastest counts: a machine that does something else for half a minute slows nobody.
const ROUNDS: u32 = 3;

pub(crate) fn measure(runtime: &Runtime) {
    for engine in Engine::all() {
        on(engine, &crate::harbour(runtime, Some(engine)));
    }
}

fn on(engine: Engine, harbour: &Harbour) {
    let name = harbour.container("ship");
    // The first fleet pulls the image, and compiles the backend.
    let _warm = harbour.play(voyage::FLEET, &[&name, "1", "1"]);
    let (mut hosted, mut ordered, mut deep) = (Vec::new(), Vec::new(), Vec::new());
    let (mut last, mut commands, mut grown) = (0, 0, 0);
    intents(harbour, &mut last);
    for _ in 0..ROUNDS {
        let told = harbour.play(voyage::FLEET, &[&name, CONTAINERS, &AT_ONCE.to_string()]);
        let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        let replay = Replay::of(engine, &told, intents(harbour, &mut last));
        hosted.push(Duration::from_secs_f64(told["seconds"].as_f64().unwrap()));
        ordered.push(replay.run(Order::AsIssued));
        deep.push(replay.run(Order::LifeByLife));
        commands = replay.commands.len();
        grown = grown.max(told["peak"].as_u64().unwrap().saturating_sub(told["before"].as_u64().unwrap()));
    }
    let what = format!("{CONTAINERS} containers on {}, {AT_ONCE} commands at once", engine.name());
    let hosted = least(&hosted);
    beside(&what, hosted, &format!("the {commands} bare commands in this order"), least(&ordered));
    beside(&what, hosted, "the same, one container's after another's", least(&deep));
    alone("… memory that came to the host by it", &format!("{grown} KiB"));
}

/// In which order hands take commands.
#[derive(Clone, Copy)]
enum Order {
    AsIssued,
    LifeByLife,
}

/// The commands that name a container, by the number of their container and in the order of their issue.
struct Replay {
    engine: Engine,
    ids: Vec<String>,
    commands: Vec<(usize, Vec<String>)>,
}

/// What hands have yet to do.
struct Work<'r> {
    /// From the last to the first.
    left: Vec<&'r (usize, Vec<String>)>,
    /// By container: the ID that it has this time, and whether a command of its runs.
    ids: Vec<String>,
    busy: Vec<bool>,
}

impl Replay {
    /// What names no container was for none.
    fn of(engine: Engine, told: &Value, argvs: Vec<Vec<String>>) -> Self {
        let ships = told["ships"].as_array().unwrap();
        let text = |ship: &Value, key: &str| ship[key].as_str().unwrap_or_else(|| panic!("{ship}")).to_owned();
        let names: HashMap<String, usize> =
            (0..).zip(ships).flat_map(|(at, ship)| named(text(ship, "name"), text(ship, "id"), at)).collect();
        let of = |argv: Vec<String>| Some((*argv.iter().find_map(|word| names.get(word))?, argv));
        let ids = ships.iter().map(|ship| text(ship, "id")).collect();
        Self { engine, ids, commands: argvs.into_iter().filter_map(of).collect() }
    }

    fn run(&self, order: Order) -> Duration {
        let mut left: Vec<_> = self.commands.iter().collect();
        if let Order::LifeByLife = order {
            left.sort_by_key(|(of, _)| *of);
        }
        left.reverse();
        let work = Mutex::new(Work { left, ids: self.ids.clone(), busy: vec![false; self.ids.len()] });
        let (begun, freed) = (Instant::now(), Condvar::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| self.hand(&work, &freed));
            }
        });
        begun.elapsed()
    }

    /// Takes the next command whose container has none that runs, until none is left.
    fn hand(&self, work: &Mutex<Work<'_>>, freed: &Condvar) {
        let mut now = work.lock().unwrap();
        while !now.left.is_empty() {
            let free = now.left.iter().rposition(|(of, _)| !now.busy[*of]);
            let Some(free) = free else {
                now = freed.wait(now).unwrap();
                continue;
            };
            let (of, argv) = now.left.remove(free);
            now.busy[*of] = true;
            let id = now.ids[*of].clone();
            drop(now);
            let id = self.bare(argv, &self.ids[*of], id);
            now = work.lock().unwrap();
            now.busy[*of] = false;
            now.ids[*of] = id;
            freed.notify_all();
        }
    }

    /// Runs a command for the container that has another ID this time, and gives the ID that it has from then on.
    fn bare(&self, argv: &[String], then: &str, now: String) -> String {
        let words: Vec<String> =
            argv.iter().skip(1).filter(|word| *word != "--follow").map(|word| word.replace(then, &now)).collect();
        let mut command = self.engine.command(Path::new("/usr/bin").join(self.engine.backend()));
        let output = command.args(&words).output().unwrap();
        if !words.iter().any(|word| word == "create") {
            return now;
        }
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// By which words of a command its container is known.
fn named(name: String, id: String, at: usize) -> [(String, usize); 3] {
    [(format!("--name={name}"), at), (name, at), (id, at)]
}
