//! Volumes that are not the caller's, and words about volumes that are not true.

use portreeve::FaultKind::Untrue;
use portreeve::Rule::{CountExceeded, EffectNotOpen, NotExact, OutOfScope};
use portreeve::{ContainerSpec, Rule};

use crate::stand::{End, Stand};

/// A stand with two volumes of the honest host's: one that the caller names, and one that nobody does.
async fn stand(component: &str) -> Stand {
    let stand = Stand::new(component).await;
    for name in ["data", "theirs"] {
        stand.honest.ensure_volume(name, &[]).await.unwrap();
    }
    stand.mark()
}

fn mounting(stand: &Stand, mounts: &[&str]) -> ContainerSpec {
    let mut spec = stand.spec("web");
    spec.mounts = mounts.iter().map(|mount| mount.parse().unwrap()).collect();
    spec
}

/// A creation that fails by a rule, and leaves containers and volumes as they were.
async fn refused(component: &str, mounts: &[&str], end: End<'_>) {
    let stand = stand(component).await;
    let created = stand.hostile.create(&mounting(&stand, mounts)).await;
    stand.refuses(created, end).await;
    assert!(stand.containers().await.is_empty());
    untouched(&stand, &["data", "theirs"]).await;
}

async fn untouched(stand: &Stand, names: &[&str]) {
    let mut volumes: Vec<_> = stand.honest.volumes().await.unwrap().into_iter().map(|volume| volume.name).collect();
    volumes.sort();
    assert_eq!(volumes, names);
}

fn at_create(rule: Rule) -> End<'static> {
    End::Refused(rule, "create", Some("mount.volume"))
}

#[tokio::test]
pub(crate) async fn foreign_volume() {
    refused(crate::FOREIGN_VOLUME, &[], at_create(OutOfScope)).await;
}

#[tokio::test]
pub(crate) async fn exchanged_volume() {
    refused(crate::EXCHANGED_VOLUME, &["data:/data"], at_create(OutOfScope)).await;
}

#[tokio::test]
pub(crate) async fn writable_volume() {
    refused(crate::WRITABLE_VOLUME, &["data:/data:ro"], at_create(OutOfScope)).await;
}

#[tokio::test]
pub(crate) async fn left_out_volume() {
    refused(crate::LEFT_OUT_VOLUME, &["data:/data"], at_create(NotExact)).await;
}

#[tokio::test]
pub(crate) async fn volume_while_creating() {
    let end = End::Refused(EffectNotOpen, "volume-remove", None);
    refused(crate::VOLUME_WHILE_CREATING, &["data:/data"], end).await;
}

#[tokio::test]
pub(crate) async fn other_volume() {
    let stand = stand(crate::OTHER_VOLUME).await;
    let removed = stand.hostile.remove_volume("data", false).await;
    stand.refuses(removed, End::Refused(OutOfScope, "volume-remove", Some("volume.name"))).await;
    untouched(&stand, &["data", "theirs"]).await;
}

#[tokio::test]
pub(crate) async fn second_volume() {
    let stand = stand(crate::SECOND_VOLUME).await;
    let made = stand.hostile.ensure_volume("more", &[]).await;
    let end = End::Refused(CountExceeded, "volume-create", None);
    stand.refuses_but_for(made, end, &["volume create"]).await;
    untouched(&stand, &["data", "more", "theirs"]).await;
}

#[tokio::test]
pub(crate) async fn volume_with_a_foreign_label() {
    let stand = stand(crate::VOLUME_WITH_A_FOREIGN_LABEL).await;
    let made = stand.hostile.ensure_volume("more", &[]).await;
    stand.refuses(made, End::Refused(OutOfScope, "volume-create", Some("label"))).await;
    untouched(&stand, &["data", "theirs"]).await;
}

#[tokio::test]
pub(crate) async fn volume_lie() {
    let stand = stand(crate::VOLUME_LIE).await;
    let made = stand.hostile.ensure_volume("more", &[]).await;
    stand.refuses(made, End::Fault(Untrue, "there is none")).await;
    untouched(&stand, &["data", "theirs"]).await;
}

#[tokio::test]
pub(crate) async fn volume_removal_lie() {
    let stand = stand(crate::VOLUME_REMOVAL_LIE).await;
    let removed = stand.hostile.remove_volume("data", false).await;
    stand.refuses(removed, End::Fault(Untrue, "still there")).await;
    untouched(&stand, &["data", "theirs"]).await;
}
