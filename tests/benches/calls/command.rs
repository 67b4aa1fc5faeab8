//! What an engine command costs beside its own process: the same commands once by the host, once by the standard
//! library, in turns.

use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portreeve::Event;
use portreeve_tests::berth::{Berth, Harbour};
use portreeve_tests::voyage;
use tokio::runtime::Runtime;

use crate::table::{alone, beside, in_turns, micros, timed};

const ROUNDS: u32 = 300;

/// The guest's instance is measured by itself.
pub(crate) fn measure(runtime: &Runtime) {
    let harbour = crate::harbour(runtime, None);
    let name = harbour.container("patient");
    let _started = harbour.play(voyage::RUN, &[&name, "wait"]);
    let single = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // By the clock a command also costs the wakings of sleeping threads, which are the runtime's choice.
    for (runtime, threads) in [(runtime, "a runtime of many threads"), (&single, "a runtime of one thread")] {
        on(runtime, threads, &harbour, &name);
    }
    let idle = single.block_on(async { crate::guest::fresh_call(&crate::guest::idle_host(&harbour).await).await });
    alone("a guest's instance and call, which is in this once for two", &micros(idle));
}

fn on(runtime: &Runtime, threads: &str, harbour: &Harbour, name: &str) {
    let commands: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let heard = Arc::clone(&commands);
    let hear = move |event: &Event| {
        if let Event::Command { argv, .. } = event {
            heard.lock().unwrap().push(argv.clone());
        }
    };
    let host = runtime.block_on(harbour.berth().builder().on_event(hear).build()).unwrap();
    let inspect = || timed(|| runtime.block_on(host.inspect(name)).unwrap());
    inspect();
    commands.lock().unwrap().clear();
    inspect();
    let argvs = commands.lock().unwrap().clone();
    let count = argvs.len() as f64;
    let (mut by_host, mut by_hand) = (Duration::ZERO, Duration::ZERO);
    let (hosted, bare) = in_turns(
        ROUNDS,
        || counted(&mut by_host, || inspect().0),
        || counted(&mut by_hand, || timed(|| argvs.iter().for_each(|argv| run(harbour.berth(), argv))).0),
    );
    beside(
        &format!("an engine command by the host, on {threads}"),
        hosted / count,
        "the same by the standard library",
        bare / count,
    );
    alone("… the host's own part, by the clock", &micros((hosted - bare) / count));
    let own = (by_host.as_secs_f64() - by_hand.as_secs_f64()) * 1e6 / f64::from(ROUNDS + 1) / count;
    alone("… the host's own part, by its processor time", &micros(own));
}

/// Adds the processor time of this process, its children's not counted.
fn counted(sum: &mut Duration, action: impl FnOnce() -> Duration) -> Duration {
    let before = processor_time();
    let wall = action();
    *sum += processor_time().saturating_sub(before);
    wall
}

/// What every thread has had of a processor (`schedstat`, in nanoseconds).
fn processor_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
    let nanos = stats.filter_map(|stat| stat.split_whitespace().next()?.parse::<u64>().ok());
    Duration::from_nanos(nanos.sum())
}

fn run(berth: &Berth, argv: &[String]) {
    let output = berth.client().args(&argv[1..]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{argv:?}: {output:?}");
}
