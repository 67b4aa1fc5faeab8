//! Networks that are not the caller's, and words about networks that are not true.

use portreeve::ContainerSpec;
use portreeve::FaultKind::Untrue;
use portreeve::Rule::{CountExceeded, EffectNotOpen, NotExact, OutOfScope};
use portreeve::spec::{NetworkMode, NetworkSpec};

use crate::stand::{End, Stand};

fn network(name: &str) -> NetworkSpec {
    NetworkSpec::new(name.parse().unwrap())
}

/// A stand with two networks of the honest host's: one that the caller names, and one that nobody does.
async fn stand(component: &str) -> Stand {
    let stand = Stand::new(component).await;
    for name in ["back", "theirs"] {
        stand.honest.ensure_network(&network(name)).await.unwrap();
    }
    stand.mark()
}

fn joining(stand: &Stand, name: Option<&str>) -> ContainerSpec {
    let mut spec = stand.spec("web");
    spec.network = name.map(|name| NetworkMode::Named(name.parse().unwrap()));
    spec
}

/// A creation that fails by a rule, and leaves containers and networks as they were.
async fn refused(component: &str, name: Option<&str>, end: End<'_>) {
    let stand = stand(component).await;
    let created = stand.hostile.create(&joining(&stand, name)).await;
    stand.refuses(created, end).await;
    assert!(stand.containers().await.is_empty());
    untouched(&stand, &["back", "theirs"]).await;
}

async fn untouched(stand: &Stand, names: &[&str]) {
    let networks = stand.honest.networks().await.unwrap();
    let mut known: Vec<_> = networks.into_iter().map(|network| network.name).collect();
    known.sort();
    assert_eq!(known, names);
}

#[tokio::test]
pub(crate) async fn foreign_network() {
    refused(crate::FOREIGN_NETWORK, None, End::Refused(OutOfScope, "create", Some("network.named"))).await;
}

#[tokio::test]
pub(crate) async fn other_network_joined() {
    let end = End::Refused(OutOfScope, "create", Some("network.named"));
    refused(crate::OTHER_NETWORK_JOINED, Some("back"), end).await;
}

#[tokio::test]
pub(crate) async fn left_out_network() {
    refused(crate::LEFT_OUT_NETWORK, Some("back"), End::Refused(NotExact, "create", Some("network.named"))).await;
}

#[tokio::test]
pub(crate) async fn network_while_creating() {
    let end = End::Refused(EffectNotOpen, "network-create", None);
    refused(crate::NETWORK_WHILE_CREATING, Some("back"), end).await;
}

/// A creation of a container on two networks, with an alias: it fails so, and what the guest did before is undone.
async fn unjoined(component: &str, end: End<'_>, before: &[&str]) {
    let stand = stand(component).await;
    stand.honest.ensure_network(&network("front")).await.unwrap();
    let theirs = stand.honest.create(&stand.spec("theirs")).await.unwrap();
    let stand = stand.mark();
    let mut spec = joining(&stand, Some("back"));
    (spec.further_networks, spec.aliases) = (vec!["front".parse().unwrap()], vec!["site".parse().unwrap()]);
    let created = stand.hostile.create(&spec).await;
    stand.refuses_but_for(created, end, before).await;
    assert_eq!(stand.containers().await.len(), 1, "theirs alone");
    assert_eq!(stand.honest.inspect("theirs").await.unwrap().networks, theirs.networks);
    untouched(&stand, &["back", "front", "theirs"]).await;
}

#[tokio::test]
pub(crate) async fn network_not_asked_for() {
    let end = End::Refused(OutOfScope, "network-connect", Some("network.also"));
    unjoined(crate::NETWORK_NOT_ASKED_FOR, end, &["create", "network connect", "rm"]).await;
}

#[tokio::test]
pub(crate) async fn network_before_creation() {
    let end = End::Refused(OutOfScope, "network-connect", Some("container.id"));
    unjoined(crate::NETWORK_BEFORE_CREATION, end, &[]).await;
}

#[tokio::test]
pub(crate) async fn network_of_another() {
    let end = End::Refused(OutOfScope, "network-connect", Some("container.id"));
    unjoined(crate::NETWORK_OF_ANOTHER, end, &["create", "rm"]).await;
}

#[tokio::test]
pub(crate) async fn left_out_further_network() {
    let end = End::Fault(Untrue, "was asked for on [back, front]");
    unjoined(crate::LEFT_OUT_FURTHER_NETWORK, end, &["create", "rm"]).await;
}

#[tokio::test]
pub(crate) async fn network_without_an_alias() {
    let end = End::Refused(NotExact, "network-connect", Some("alias"));
    unjoined(crate::NETWORK_WITHOUT_AN_ALIAS, end, &["create", "rm"]).await;
}

#[tokio::test]
pub(crate) async fn start_while_creating() {
    let end = End::Refused(EffectNotOpen, "start", None);
    unjoined(crate::START_WHILE_CREATING, end, &["create", "network connect", "rm"]).await;
}

#[tokio::test]
pub(crate) async fn other_network() {
    let stand = stand(crate::OTHER_NETWORK).await;
    let removed = stand.hostile.remove_network("back", false).await;
    stand.refuses(removed, End::Refused(OutOfScope, "network-remove", Some("network.name"))).await;
    untouched(&stand, &["back", "theirs"]).await;
}

#[tokio::test]
pub(crate) async fn second_network() {
    let stand = stand(crate::SECOND_NETWORK).await;
    let made = stand.hostile.ensure_network(&network("more")).await;
    let end = End::Refused(CountExceeded, "network-create", None);
    stand.refuses_but_for(made, end, &["network create"]).await;
    untouched(&stand, &["back", "more", "theirs"]).await;
}

#[tokio::test]
pub(crate) async fn network_with_a_way_out() {
    let stand = stand(crate::NETWORK_WITH_A_WAY_OUT).await;
    let made = stand.hostile.ensure_network(&NetworkSpec { internal: true, ..network("more") }).await;
    stand.refuses(made, End::Refused(NotExact, "network-create", Some("internal"))).await;
    untouched(&stand, &["back", "theirs"]).await;
}

#[tokio::test]
pub(crate) async fn network_lie() {
    let stand = stand(crate::NETWORK_LIE).await;
    let made = stand.hostile.ensure_network(&network("more")).await;
    stand.refuses(made, End::Fault(Untrue, "there is none")).await;
    untouched(&stand, &["back", "theirs"]).await;
}

#[tokio::test]
pub(crate) async fn network_removal_lie() {
    let stand = stand(crate::NETWORK_REMOVAL_LIE).await;
    let removed = stand.hostile.remove_network("back", false).await;
    stand.refuses(removed, End::Fault(Untrue, "still there")).await;
    untouched(&stand, &["back", "theirs"]).await;
}
