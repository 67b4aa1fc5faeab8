//! Effects that a call does not open, and values that are no facts of it.

use std::time::Duration;

use portreeve::LogOptions;
use portreeve::Rule::{CommandNotGranted, EffectNotOpen, OutOfScope, SlotNotGranted};

use crate::stand::{End, Stand};

const GRACE: Duration = Duration::from_secs(1);

#[tokio::test]
pub(crate) async fn slot_of_another_template() {
    let stand = Stand::new(crate::SLOT_OF_ANOTHER_TEMPLATE).await;
    stand.honest.create(&stand.spec("web")).await.unwrap();
    let stand = stand.mark();
    let started = stand.hostile.start("web").await;
    stand.refuses(started, End::Refused(SlotNotGranted, "start", Some("word"))).await;
    assert!(!stand.is_running("web").await);
}

#[tokio::test]
pub(crate) async fn effect_of_another_call() {
    let stand = Stand::with_container(crate::EFFECT_OF_ANOTHER_CALL, "web").await;
    let inspected = stand.hostile.inspect("web").await;
    stand.refuses(inspected, End::Refused(EffectNotOpen, "remove", None)).await;
    assert!(stand.is_running("web").await);
}

#[tokio::test]
pub(crate) async fn start_while_reading_logs() {
    let stand = Stand::new(crate::START_WHILE_READING_LOGS).await;
    stand.honest.create(&stand.spec("web")).await.unwrap();
    let stand = stand.mark();
    let logs = stand.hostile.logs("web", &LogOptions::default()).await;
    stand.refuses(logs, End::Refused(EffectNotOpen, "start-attached", None)).await;
    assert!(!stand.is_running("web").await);
}

#[tokio::test]
pub(crate) async fn swallowed_refusal() {
    let stand = Stand::with_container(crate::SWALLOWED_REFUSAL, "web").await;
    let stopped = stand.hostile.stop("web", GRACE).await;
    // Nor is what it asks for afterwards run, granted as it is.
    stand.refuses(stopped, End::Refused(CommandNotGranted, "commit", None)).await;
    assert!(stand.is_running("web").await);
}

#[tokio::test]
pub(crate) async fn value_out_of_scope() {
    let stand = Stand::with_container(crate::VALUE_OUT_OF_SCOPE, "web").await;
    let stopped = stand.hostile.stop("web", GRACE).await;
    stand.refuses(stopped, End::Refused(OutOfScope, "stop", Some("seconds"))).await;
    assert!(stand.is_running("web").await);
}

#[tokio::test]
pub(crate) async fn leading_dash() {
    let stand = Stand::with_container(crate::LEADING_DASH, "web").await;
    let killed = stand.hostile.kill("web", &"TERM".parse().unwrap()).await;
    stand.refuses(killed, End::Refused(OutOfScope, "kill", Some("signal"))).await;
    assert!(stand.is_running("web").await);
}

#[tokio::test]
pub(crate) async fn nul_in_value() {
    let stand = Stand::with_container(crate::NUL_IN_VALUE, "web").await;
    let killed = stand.hostile.kill("web", &"TERM".parse().unwrap()).await;
    stand.refuses(killed, End::Refused(OutOfScope, "kill", Some("signal"))).await;
    assert!(stand.is_running("web").await);
}

#[tokio::test]
pub(crate) async fn other_container() {
    let stand = Stand::with_container(crate::OTHER_CONTAINER, "web").await;
    // Nobody of ours: it was there before.
    stand.podman(&["create", "--name=bystander", &stand.reference().to_string(), "sleep", "600"]);
    stand.podman(&["start", "bystander"]);
    let stand = stand.mark();
    let running = || stand.podman(&["ps", "--quiet", "--no-trunc"]).lines().count();
    assert_eq!(running(), 2);
    let stopped = stand.hostile.stop("web", GRACE).await;
    stand.refuses(stopped, End::Refused(OutOfScope, "stop", Some("container.id"))).await;
    assert_eq!(running(), 2);
}

#[tokio::test]
pub(crate) async fn container_by_id() {
    let stand = Stand::with_container(crate::CONTAINER_BY_ID, "web").await.running("bystander").await;
    let removed = stand.hostile.remove("web", true).await;
    // By force it is killed first: that was asked for.
    stand.refuses_but_for(removed, End::Refused(OutOfScope, "remove", Some("container.id")), &["kill"]).await;
    assert!(stand.containers().await.contains(&"web".to_owned()) && stand.is_running("bystander").await);
}

#[tokio::test]
pub(crate) async fn removal_by_force() {
    let stand = Stand::new(crate::REMOVAL_BY_FORCE).await;
    stand.honest.create(&stand.spec("web")).await.unwrap();
    let stand = stand.mark();
    let removed = stand.hostile.remove("web", false).await;
    stand.refuses(removed, End::Refused(OutOfScope, "remove", Some("force"))).await;
    assert_eq!(stand.containers().await, ["web"]);
}

#[tokio::test]
pub(crate) async fn other_image() {
    let stand = Stand::with_limits(crate::OTHER_IMAGE, "").await;
    let pulled = stand.hostile.pull(&stand.reference()).await;
    stand.refuses(pulled, End::Refused(OutOfScope, "pull", Some("image.reference"))).await;
}

/// A name that means another container by the time that the engine is told: what was found is ended, by its ID.
#[tokio::test]
async fn a_swapped_name() {
    let stand = Stand::with_container(crate::HONEST, "web").await;
    let ours = stand.honest.inspect("web").await.unwrap().id;
    let reference = stand.reference().to_string();
    let again = stand.between("stop", move |podman: &dyn Fn(&[&str])| {
        podman(&["rm", "--force", "web"]);
        podman(&["create", "--name=web", &reference, "sleep", "600"]);
        podman(&["start", "web"]);
    });
    let stopped = again.await.stop("web", GRACE).await;
    // Ours is gone by then, which is what a stop is for; the other one was not touched.
    assert!(stopped.is_ok_and(|container| container.id == ours && !container.state.is_alive()));
    assert_eq!(stand.podman(&["ps", "--quiet", "--no-trunc"]).lines().count(), 1);
    assert!(stand.honest.inspect("web").await.is_err(), "it is none of ours");
}
