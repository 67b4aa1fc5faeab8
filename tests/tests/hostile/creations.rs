//! Creations that are not what the caller asked for.

use portreeve::Rule::{CommandNotGranted, CountExceeded, NotExact, OutOfScope, SlotNotGranted};
use portreeve::{ContainerSpec, Rule};

use crate::stand::{End, Stand};

/// A creation that fails by a rule, at a slot, and leaves nothing.
async fn refused(component: &str, ask: impl FnOnce(&Stand, &mut ContainerSpec), rule: Rule, slot: &str) {
    let stand = Stand::new(component).await;
    let mut spec = stand.spec("web");
    ask(&stand, &mut spec);
    let created = stand.hostile.create(&spec).await;
    stand.refuses(created, End::Refused(rule, "create", Some(slot))).await;
    assert!(stand.containers().await.is_empty());
}

fn nothing_more(_: &Stand, _: &mut ContainerSpec) {}

#[tokio::test]
pub(crate) async fn command_not_granted() {
    let stand = Stand::new(crate::COMMAND_NOT_GRANTED).await;
    let created = stand.hostile.create(&stand.spec("web")).await;
    stand.refuses(created, End::Refused(CommandNotGranted, "run-privileged", None)).await;
    assert!(stand.containers().await.is_empty());
}

#[tokio::test]
pub(crate) async fn wider_request() {
    let stand = Stand::new(crate::WIDER_REQUEST).await;
    let dropped = &stand.hostile.backends()[0].dropped;
    assert!(dropped.iter().any(|why| why.contains("create")), "{dropped:?}");
    let created = stand.hostile.create(&stand.spec("web")).await;
    stand.refuses(created, End::Refused(CommandNotGranted, "create", None)).await;
}

#[tokio::test]
pub(crate) async fn unknown_slot() {
    refused(crate::UNKNOWN_SLOT, nothing_more, SlotNotGranted, "privileged").await;
}

#[tokio::test]
pub(crate) async fn forged_owner() {
    refused(crate::FORGED_OWNER, nothing_more, SlotNotGranted, "owner.label").await;
}

#[tokio::test]
pub(crate) async fn unverified_image() {
    refused(crate::UNVERIFIED_IMAGE, nothing_more, SlotNotGranted, "image.id").await;
}

#[tokio::test]
pub(crate) async fn foreign_mount() {
    refused(crate::FOREIGN_MOUNT, nothing_more, OutOfScope, "mount.bind").await;
}

#[tokio::test]
pub(crate) async fn writable_mount() {
    let mount = |stand: &Stand, spec: &mut ContainerSpec| {
        spec.mounts = vec![format!("{}:/data:ro", stand.shared().display()).parse().unwrap()];
    };
    refused(crate::WRITABLE_MOUNT, mount, OutOfScope, "mount.bind").await;
}

#[tokio::test]
pub(crate) async fn foreign_port() {
    let port = |_: &Stand, spec: &mut ContainerSpec| spec.ports = vec!["80".parse().unwrap()];
    refused(crate::FOREIGN_PORT, port, OutOfScope, "port").await;
}

#[tokio::test]
pub(crate) async fn foreign_gpu() {
    refused(crate::FOREIGN_GPU, nothing_more, OutOfScope, "gpu").await;
}

#[tokio::test]
pub(crate) async fn foreign_label() {
    refused(crate::FOREIGN_LABEL, nothing_more, OutOfScope, "label").await;
}

#[tokio::test]
pub(crate) async fn foreign_variable() {
    let variable = |_: &Stand, spec: &mut ContainerSpec| spec.env = vec!["COLOUR=blue".parse().unwrap()];
    refused(crate::FOREIGN_VARIABLE, variable, OutOfScope, "env.plain").await;
}

#[tokio::test]
pub(crate) async fn foreign_secret() {
    refused(crate::FOREIGN_SECRET, nothing_more, OutOfScope, "env.secret").await;
}

#[tokio::test]
pub(crate) async fn more_words() {
    refused(crate::MORE_WORDS, nothing_more, OutOfScope, "word").await;
}

#[tokio::test]
pub(crate) async fn left_out_mount() {
    let mount = |stand: &Stand, spec: &mut ContainerSpec| {
        spec.mounts = vec![format!("{}:/data:ro", stand.shared().display()).parse().unwrap()];
    };
    refused(crate::LEFT_OUT_MOUNT, mount, NotExact, "mount.bind").await;
}

#[tokio::test]
pub(crate) async fn left_out_limit() {
    let limit = |_: &Stand, spec: &mut ContainerSpec| spec.memory = Some("64m".parse().unwrap());
    refused(crate::LEFT_OUT_LIMIT, limit, NotExact, "memory").await;
}

#[tokio::test]
pub(crate) async fn doubled_port() {
    let port = |_: &Stand, spec: &mut ContainerSpec| spec.ports = vec!["80".parse().unwrap()];
    refused(crate::DOUBLED_PORT, port, NotExact, "port").await;
}

#[tokio::test]
pub(crate) async fn second_creation() {
    let stand = Stand::new(crate::SECOND_CREATION).await;
    let created = stand.hostile.create(&stand.spec("web")).await;
    // The first is the caller's, and is taken away again with the call that failed.
    stand.refuses_but_for(created, End::Refused(CountExceeded, "create", None), &["create", "rm"]).await;
    assert!(stand.containers().await.is_empty());
}
