//! Eight processes write one journal, and one of them is killed at random again and again: the journal verifies, every
//! command that was executed has an intent, and no record is torn.
//!
//! Each process makes 100 calls on the rehearsal engine, or as many as `PORTREEVE_TEST_CALLS` says; one is killed every
//! second, or more often where there are fewer calls. Whoever is killed is followed by another that makes its remaining ones.
#![allow(clippy::print_stdout, reason = "what was done must be seen")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::indexing_slicing, reason = "the same")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portreeve::journal::{Filter, Journal, JournalOptions, Kind, Record};
use portreeve::state::StateDir;
use portreeve_tests::berth::Harbour;
use portreeve_tests::voyage;
use serde_json::Value;

const PROCESSES: usize = 8;
/// How many calls each makes unless the variable says otherwise.
const CALLS: u64 = 100;
const VARIABLE: &str = "PORTREEVE_TEST_CALLS";
/// The pause between two kills, where there are calls enough to last.
const PAUSE: Duration = Duration::from_secs(1);
const SHORT_PAUSE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    if let Some(status) = voyage::main_if_called() {
        return status;
    }
    if std::env::args().any(|word| word == "--list") {
        println!("journal: test");
        return ExitCode::SUCCESS;
    }
    let calls = std::env::var(VARIABLE).ok().map_or(CALLS, |text| text.parse().expect("a number of calls"));
    prove(calls);
    ExitCode::SUCCESS
}

fn prove(calls: u64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let harbour = runtime.block_on(Harbour::open(None)).unwrap();
    // where this file is, the engine notes each call in it
    fs::write(harbour.berth().rehearsal().join("calls"), "").unwrap();
    // the compiled backend is there before anybody competes for it
    let _listed = harbour.play(voyage::LIST, &[]);
    let begun = Instant::now();
    let mut crew: Vec<Sailor> = (0..PROCESSES).map(|_| Sailor::sent(&harbour, calls)).collect();
    let pause = if calls > CALLS { PAUSE } else { SHORT_PAUSE };
    let (mut kills, mut last) = (0, Instant::now());
    while crew.iter_mut().any(|sailor| !sailor.is_done()) {
        thread::sleep(Duration::from_millis(10));
        if last.elapsed() >= pause {
            kills += u64::from(kill_one(&harbour, &mut crew, begun.elapsed().subsec_nanos() as usize));
            last = Instant::now();
        }
    }
    let made = crew.iter().map(Sailor::made).sum::<u64>();
    assert!(made >= PROCESSES as u64 * calls, "{made} calls");
    assert!(kills >= 1, "nobody was killed: all were done too soon");
    check(&harbour, made, kills, begun.elapsed());
}

/// A process that makes calls, and how many its predecessors had made.
struct Sailor {
    child: Child,
    wanted: u64,
    before: u64,
    made: Arc<AtomicU64>,
}

impl Sailor {
    fn sent(harbour: &Harbour, calls: u64) -> Self {
        Self::after(harbour, calls, 0)
    }

    fn after(harbour: &Harbour, wanted: u64, before: u64) -> Self {
        let left = (wanted - before).to_string();
        let mut command = harbour.berth().command(harbour.program());
        let mut child = command.args(harbour.role(voyage::CALLS, &[&left])).stdout(Stdio::piped()).spawn().unwrap();
        let made = Arc::new(AtomicU64::new(0));
        let (lines, count) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(&made));
        thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|_| {
                count.fetch_add(1, Ordering::SeqCst);
            })
        });
        Self { child, wanted, before, made }
    }

    fn made(&self) -> u64 {
        self.before + self.made.load(Ordering::SeqCst)
    }

    /// Whether it has ended; it must have done all that it was to do.
    fn is_done(&mut self) -> bool {
        let status = self.child.try_wait().unwrap();
        assert!(status.is_none_or(|status| status.success()), "a process failed: {status:?}");
        status.is_some() && self.made() >= self.wanted
    }
}

/// Kills one that still works, and sends another in its place; whether there was one.
fn kill_one(harbour: &Harbour, crew: &mut [Sailor], chance: usize) -> bool {
    let busy: Vec<usize> = (0..crew.len()).filter(|at| crew[*at].child.try_wait().unwrap().is_none()).collect();
    let Some(at) = busy.get(chance % busy.len().max(1)) else { return false };
    crew[*at].child.kill().unwrap();
    crew[*at].child.wait().unwrap();
    // what it said last is on its way through the pipe
    thread::sleep(Duration::from_millis(20));
    let made = crew[*at].made().min(crew[*at].wanted);
    crew[*at] = Sailor::after(harbour, crew[*at].wanted, made);
    true
}

fn check(harbour: &Harbour, made: u64, kills: u64, time: Duration) {
    let state = StateDir::open(harbour.berth().state()).unwrap();
    let found = Journal::verify(&state, None).unwrap();
    assert!(found.is_intact(), "{:?}", found.findings);
    // the next start repairs what the last kill may have left
    drop(Journal::open(&state, JournalOptions::default()).unwrap());
    let report = Journal::verify(&state, None).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    let records: Vec<Record> = Journal::read(&state, Filter::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(records.len() as u64, report.records);
    let executed = check_intents(harbour, &records);
    let killed = report.unfinished.len();
    assert!(killed as u64 <= kills * 2, "{killed} intents without an outcome, and only {kills} kills");
    println!(
        "journal: {made} calls by {PROCESSES} processes, {kills} killed, {executed} commands executed, {} records, {killed} intents \
         without an outcome, {} crashes repaired, {:.1} s",
        report.records,
        report.repairs,
        time.as_secs_f64()
    );
}

/// Every process that the engine noted stands in the journal as an intent; how many there were.
fn check_intents(harbour: &Harbour, records: &[Record]) -> usize {
    let mut intents: BTreeMap<&[String], usize> = BTreeMap::new();
    let argvs = records.iter().filter(|record| record.kind == Kind::Intent).filter_map(|record| record.argv.as_deref());
    argvs.for_each(|argv| *intents.entry(&argv[1..]).or_default() += 1);
    let notes = fs::read_to_string(harbour.berth().rehearsal().join("calls")).unwrap();
    let mut executed: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for note in notes.lines().map(|line| serde_json::from_str::<Value>(line).expect("a whole note")) {
        let argv: Vec<String> = serde_json::from_value(note["argv"].clone()).unwrap();
        *executed.entry(argv[1..].to_vec()).or_default() += 1;
    }
    for (argv, times) in &executed {
        let recorded = intents.get(argv.as_slice()).copied().unwrap_or_default();
        assert!(recorded >= *times, "executed {times} times, and recorded {recorded} times: {argv:?}");
    }
    executed.values().sum()
}
