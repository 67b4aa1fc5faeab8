//! Pods that are not the caller's, and words about pods that are not true.

use portreeve::ContainerSpec;
use portreeve::FaultKind::Untrue;
use portreeve::Rule::{CountExceeded, EffectNotOpen, NotExact, OutOfScope, SlotNotGranted};
use portreeve::spec::PodSpec;

use crate::stand::{End, Stand};

fn pod(name: &str) -> PodSpec {
    PodSpec::new(name.parse().unwrap())
}

/// A stand with two pods of the honest host's: one that the caller names, and one that nobody does.
async fn stand(component: &str) -> Stand {
    let stand = Stand::new(component).await;
    for name in ["ours", "theirs"] {
        stand.honest.ensure_pod(&pod(name)).await.unwrap();
    }
    stand.mark()
}

fn joining(stand: &Stand, name: Option<&str>) -> ContainerSpec {
    let mut spec = stand.spec("web");
    spec.pod = name.map(|name| name.parse().unwrap());
    spec
}

/// A creation that fails by a rule, and leaves containers and pods as they were.
async fn refused(component: &str, name: Option<&str>, end: End<'_>) {
    let stand = stand(component).await;
    let created = stand.hostile.create(&joining(&stand, name)).await;
    stand.refuses(created, end).await;
    assert!(stand.containers().await.is_empty());
    untouched(&stand).await;
}

async fn untouched(stand: &Stand) {
    let pods = stand.honest.pods().await.unwrap();
    let mut known: Vec<_> = pods.iter().map(|pod| (pod.name.as_str(), pod.state.is_alive())).collect();
    known.sort_unstable();
    assert_eq!(known, [("ours", true), ("theirs", true)]);
}

#[tokio::test]
pub(crate) async fn foreign_pod() {
    refused(crate::FOREIGN_POD, None, End::Refused(OutOfScope, "create", Some("pod"))).await;
}

#[tokio::test]
pub(crate) async fn other_pod_joined() {
    refused(crate::OTHER_POD_JOINED, Some("ours"), End::Refused(OutOfScope, "create", Some("pod"))).await;
}

#[tokio::test]
pub(crate) async fn left_out_pod() {
    refused(crate::LEFT_OUT_POD, Some("ours"), End::Refused(NotExact, "create", Some("pod"))).await;
}

#[tokio::test]
pub(crate) async fn network_of_a_container() {
    let end = End::Refused(SlotNotGranted, "create", Some("pod.holder"));
    refused(crate::NETWORK_OF_A_CONTAINER, None, end).await;
}

#[tokio::test]
pub(crate) async fn forged_holder() {
    refused(crate::FORGED_HOLDER, None, End::Refused(OutOfScope, "create", Some("pod.name"))).await;
}

#[tokio::test]
pub(crate) async fn pod_while_creating() {
    refused(crate::POD_WHILE_CREATING, Some("ours"), End::Refused(EffectNotOpen, "pod-remove", None)).await;
}

#[tokio::test]
pub(crate) async fn second_pod() {
    let stand = stand(crate::SECOND_POD).await;
    let made = stand.hostile.ensure_pod(&pod("more")).await;
    let end = End::Refused(CountExceeded, "pod-create", None);
    stand.refuses_but_for(made, end, &["pod create"]).await;
    untouched(&stand).await;
}

#[tokio::test]
pub(crate) async fn pod_lie() {
    let stand = stand(crate::POD_LIE).await;
    let made = stand.hostile.ensure_pod(&pod("more")).await;
    stand.refuses(made, End::Fault(Untrue, "there is none")).await;
    untouched(&stand).await;
}

#[tokio::test]
pub(crate) async fn other_pod() {
    let stand = stand(crate::OTHER_POD).await;
    let removed = stand.hostile.remove_pod("ours", true).await;
    // Its holder is gone by then: that was asked for.
    stand.refuses_but_for(removed, End::Refused(OutOfScope, "pod-remove", Some("pod.id")), &["kill", "rm"]).await;
    assert!(stand.honest.pod_exists("theirs").await.unwrap());
}
