//! Pauses, readings and health checks that are not what the caller asked for, or not true.

use std::time::Duration;

use portreeve::FaultKind::Untrue;
use portreeve::Rule::{CommandNotGranted, NotExact, OutOfScope};
use portreeve::spec::HealthCheck;
use portreeve::{Condition, Rule};

use crate::stand::{End, Stand};

#[tokio::test]
pub(crate) async fn other_pause() {
    let stand = Stand::with_container(crate::OTHER_PAUSE, "web").await.running("bystander").await;
    let paused = stand.hostile.pause("web").await;
    stand.refuses(paused, End::Refused(OutOfScope, "pause", Some("container.id"))).await;
    assert!(stand.podman(&["container", "inspect", "bystander"]).contains("\"running\""));
}

#[tokio::test]
pub(crate) async fn pause_lie() {
    let stand = Stand::with_container(crate::PAUSE_LIE, "web").await;
    let paused = stand.hostile.pause("web").await;
    stand.refuses(paused, End::Fault(Untrue, "paused a container that is not")).await;
}

#[tokio::test]
pub(crate) async fn pause_while_asking() {
    let stand = Stand::new(crate::PAUSE_WHILE_ASKING).await;
    stand.honest.run(&checked(&stand, 200)).await.unwrap();
    let stand = stand.mark();
    let waited = stand.hostile.wait_until("web", &Condition::Healthy, Duration::from_secs(20)).await;
    stand.refuses_but_for(waited, End::Fault(Untrue, "it paused a container that it was to ask"), &["pause"]).await;
}

#[tokio::test]
pub(crate) async fn events_for_a_guest() {
    let stand = Stand::new(crate::EVENTS_FOR_A_GUEST).await;
    stand.honest.create(&stand.spec("web")).await.unwrap();
    let stand = stand.mark();
    let started = stand.hostile.start("web").await;
    stand.refuses(started, End::Refused(CommandNotGranted, "events", None)).await;
}

#[tokio::test]
pub(crate) async fn usage_unasked() {
    let stand = Stand::with_container(crate::USAGE_UNASKED, "web").await;
    let usage = stand.hostile.stats("web").await;
    stand.refuses(usage, End::Fault(Untrue, "without having asked")).await;
}

#[tokio::test]
pub(crate) async fn usage_lie() {
    let stand = Stand::with_container(crate::USAGE_LIE, "web").await;
    let usage = stand.hostile.stats("web").await;
    stand.refuses(usage, End::Fault(Untrue, "another use")).await;
}

#[tokio::test]
pub(crate) async fn process_lie() {
    let stand = Stand::with_container(crate::PROCESS_LIE, "web").await;
    let processes = stand.hostile.top("web").await;
    stand.refuses(processes, End::Fault(Untrue, "other processes")).await;
}

fn checked(stand: &Stand, interval: u64) -> portreeve::ContainerSpec {
    let mut spec = stand.spec("web");
    let check = HealthCheck::new(["/deckhand", "exit", "1"].map(str::to_owned).to_vec()).unwrap();
    spec.health = Some(HealthCheck { interval: Duration::from_millis(interval), ..check });
    spec
}

async fn refused(component: &str, rule: Rule, slot: &str, health: bool) {
    let stand = Stand::new(component).await;
    let spec = if health { checked(&stand, 30_000) } else { stand.spec("web") };
    let created = stand.hostile.create(&spec).await;
    stand.refuses(created, End::Refused(rule, "create", Some(slot))).await;
    assert!(stand.containers().await.is_empty());
}

#[tokio::test]
pub(crate) async fn added_capability() {
    refused(crate::ADDED_CAPABILITY, OutOfScope, "cap.add", false).await;
}

#[tokio::test]
pub(crate) async fn other_health_words() {
    refused(crate::OTHER_HEALTH_WORDS, OutOfScope, "health.command", true).await;
}

#[tokio::test]
pub(crate) async fn left_out_health() {
    refused(crate::LEFT_OUT_HEALTH, NotExact, "health.command", true).await;
}
