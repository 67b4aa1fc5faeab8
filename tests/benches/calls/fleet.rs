//! 100 containers made, started, read, stopped and removed by one host, beside the very commands that it issued, run by
//! as many hands at once and in the order in which it issued them; and beside the bare life of each container without a
//! look at anything, one container's after the other.

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
    let (mut hosted, mut ordered, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    let (mut last, mut commands, mut grown) = (0, 0, 0);
    intents(harbour, &mut last);
    for _ in 0..ROUNDS {
        let told = harbour.play(voyage::FLEET, &[&name, CONTAINERS, &AT_ONCE.to_string()]);
        let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        let replay = Replay::of(engine, &told, intents(harbour, &mut last));
        hosted.push(Duration::from_secs_f64(told["seconds"].as_f64().unwrap()));
        ordered.push(replay.run(Part::AllAsIssued));
        bare.push(replay.run(Part::BareLives));
        commands = replay.commands.len();
        grown = grown.max(told["peak"].as_u64().unwrap().saturating_sub(told["before"].as_u64().unwrap()));
    }
    let what = format!("{CONTAINERS} containers on {}, {AT_ONCE} commands at once", engine.name());
    let hosted = least(&hosted);
    beside(&what, hosted, &format!("the same {commands} commands in this order"), least(&ordered));
    beside(&what, hosted, "create, start, logs, stop and rm, and no look", least(&bare));
    alone("… memory that came to the host by it", &format!("{grown} KiB"));
}

/// What of the host's commands is run, and in which order hands take it.
#[derive(Clone, Copy)]
enum Part {
    AllAsIssued,
    BareLives,
}

/// The commands that name a container or look at the image, in the order of their issue.
struct Replay {
    engine: Engine,
    ids: Vec<String>,
    commands: Vec<Bare>,
}

/// A command, and the numbers of the containers that it names.
struct Bare {
    of: Vec<usize>,
    argv: Vec<String>,
}

/// What hands have yet to do.
struct Work<'r> {
    /// From the last to the first.
    left: Vec<&'r Bare>,
    /// By container: the ID that it has this time, and whether a command of its runs.
    ids: Vec<String>,
    busy: Vec<bool>,
}

impl Bare {
    /// What else there was is the host's own start and end.
    fn of(argv: Vec<String>, names: &HashMap<String, usize>) -> Option<Self> {
        let of: Vec<usize> = argv.iter().filter_map(|word| names.get(word).copied()).collect();
        let bare = Self { of, argv };
        (!bare.of.is_empty() || bare.does("image")).then_some(bare)
    }

    fn does(&self, what: &str) -> bool {
        self.argv.iter().skip(1).find(|word| !word.starts_with("--")).is_some_and(|word| word == what)
    }

    /// Whether a loop that looks at nothing has it, too.
    fn is_of_the_bare_life(&self) -> bool {
        ["create", "start", "logs", "stop", "rm"].into_iter().any(|what| self.does(what))
    }

    /// Its words, for containers with these IDs in place of those.
    fn words(&self, then: &[String], now: &[String]) -> Vec<String> {
        let unfollowed = self.argv.iter().skip(1).filter(|word| *word != "--follow");
        let today = |word: &String| self.of.iter().fold(word.clone(), |word, of| word.replace(&then[*of], &now[*of]));
        unfollowed.map(today).collect()
    }
}

impl Replay {
    fn of(engine: Engine, told: &Value, argvs: Vec<Vec<String>>) -> Self {
        let ships = told["ships"].as_array().unwrap();
        let text = |ship: &Value, key: &str| ship[key].as_str().unwrap_or_else(|| panic!("{ship}")).to_owned();
        let names: HashMap<String, usize> =
            (0..).zip(ships).flat_map(|(at, ship)| named(text(ship, "name"), text(ship, "id"), at)).collect();
        let ids = ships.iter().map(|ship| text(ship, "id")).collect();
        Self { engine, ids, commands: argvs.into_iter().filter_map(|argv| Bare::of(argv, &names)).collect() }
    }

    fn run(&self, part: Part) -> Duration {
        let mut left: Vec<_> = self.commands.iter().collect();
        if let Part::BareLives = part {
            left.retain(|bare| bare.is_of_the_bare_life());
            left.sort_by_key(|bare| bare.of[0]);
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

    /// Takes the next command of whose containers none has one that runs, until none is left.
    fn hand(&self, work: &Mutex<Work<'_>>, freed: &Condvar) {
        let mut now = work.lock().unwrap();
        while !now.left.is_empty() {
            let free = now.left.iter().rposition(|bare| bare.of.iter().all(|of| !now.busy[*of]));
            let Some(free) = free else {
                now = freed.wait(now).unwrap();
                continue;
            };
            let bare = now.left.remove(free);
            bare.of.iter().for_each(|of| now.busy[*of] = true);
            let words = bare.words(&self.ids, &now.ids);
            drop(now);
            let said = self.bare(&words);
            now = work.lock().unwrap();
            bare.of.iter().for_each(|of| now.busy[*of] = false);
            if bare.does("create") {
                now.ids[bare.of[0]] = said;
            }
            freed.notify_all();
        }
    }

    /// Runs a command, and gives what it says.
    fn bare(&self, words: &[String]) -> String {
        let mut command = self.engine.command(Path::new("/usr/bin").join(self.engine.backend()));
        let output = command.args(words).output().unwrap();
        assert!(output.status.success() || !words.iter().any(|word| word == "create"), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// By which words of a command its container is known.
fn named(name: String, id: String, at: usize) -> [(String, usize); 3] {
    [(format!("--name={name}"), at), (name, at), (id, at)]
}
