//! Guests that want more than a call may have: time, memory, stack, commands, words. What they get is a fault or a
//! refusal of that kind, and the host stays small.

use std::fs;
use std::time::Duration;

use portreeve::FaultKind::{Deadline, Memory, Trap};
use portreeve::Rule::Budget;
use portreeve::{Event, Intention};

use crate::stand::{End, Stand};

/// What the process may grow by while a guest runs: the compiler's needs and other tests' are in it.
const GROWTH: u64 = 300 << 20;

/// What the guest may say in one call, by default, in bytes.
const WORDS: usize = 64 << 10;

/// What the fault says where not the guest's own memory was too small, but what it wanted the host to take over.
const HANDED_OVER: &str = "fuel allocated for hostcalls";

/// The most memory that this process ever had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Stops a container by way of a guest that ends so. Nothing was executed, and the host did not grow.
pub(crate) async fn stopped_by(component: &str, limits: &str, end: End<'_>) -> Stand {
    let stand = Stand::with_limits(component, limits).await.pulled().await.running("web").await;
    let before = peak();
    let stopped = stand.hostile.stop("web", Duration::from_secs(1)).await;
    let growth = peak() - before;
    assert!(growth < GROWTH, "grew by {growth} bytes");
    stand.refuses(stopped, end).await;
    assert!(stand.is_running("web").await);
    stand
}

#[tokio::test]
pub(crate) async fn endless_loop() {
    stopped_by(crate::ENDLESS_LOOP, "deadline-ms = 200", End::Fault(Deadline, "time")).await;
}

#[tokio::test]
pub(crate) async fn memory_hog() {
    stopped_by(crate::MEMORY_HOG, "", End::Fault(Memory, "memory")).await;
}

#[tokio::test]
pub(crate) async fn deep_recursion() {
    stopped_by(crate::DEEP_RECURSION, "", End::Fault(Trap, "trapped")).await;
}

#[tokio::test]
pub(crate) async fn gibibyte_string() {
    stopped_by(crate::GIBIBYTE_STRING, "", End::Fault(Memory, "memory")).await;
}

#[tokio::test]
pub(crate) async fn gibibyte_of_words() {
    stopped_by(crate::GIBIBYTE_OF_WORDS, "", End::Fault(Memory, HANDED_OVER)).await;
}

#[tokio::test]
pub(crate) async fn gibibyte_of_findings() {
    let stand = Stand::new(crate::GIBIBYTE_OF_FINDINGS).await;
    let before = peak();
    let report = stand.hostile.preflight(&Intention::default()).await;
    let growth = peak() - before;
    assert!(growth < GROWTH, "grew by {growth} bytes");
    stand.refuses(report, End::Fault(Memory, HANDED_OVER)).await;
}

#[tokio::test]
pub(crate) async fn ten_thousand_commands() {
    let stand = stopped_by(crate::TEN_THOUSAND_COMMANDS, "", End::Refused(Budget, "inspect", None)).await;
    // One line says it: the journal is no place to be flooded either.
    assert!(stand.records().len() < 300, "{}", stand.records().len());
}

#[tokio::test]
pub(crate) async fn narration_flood() {
    let stand = stopped_by(crate::NARRATION_FLOOD, "", End::Refused(Budget, "", Some("narration"))).await;
    let length = |event: &Event| match event {
        Event::Narration { from, message, .. } if from == "podman" => message.len(),
        _ => 0,
    };
    let heard: usize = stand.heard.lock().unwrap().iter().map(length).sum();
    assert!(heard > 0 && heard <= WORDS, "{heard}");
}

#[tokio::test]
pub(crate) async fn panic() {
    let stand = stopped_by(crate::PANIC, "", End::Fault(Trap, "trapped")).await;
    let heard = stand.heard.lock().unwrap();
    let told = |event: &Event| matches!(event, Event::Narration { message, .. } if message.contains("overboard"));
    assert!(heard.iter().any(told), "{heard:?}");
}
