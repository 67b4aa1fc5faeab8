//! What a guest says and the host sees to be untrue. And one guest that says nothing but the truth.

use std::time::Duration;

use portreeve::FaultKind::Untrue;
use portreeve::journal::Kind;
use portreeve::{Error, LogOptions};

use crate::stand::{End, Stand};

#[tokio::test]
pub(crate) async fn honest() {
    let stand = Stand::new(crate::HONEST).await;
    let mut spec = stand.spec("web");
    spec.words = ["say", "hello", "sleep", "600"].map(Into::into).into();
    stand.hostile.run(&spec).await.unwrap();
    assert!(stand.hostile.logs("web", &LogOptions::default()).await.is_ok());
    stand.hostile.kill("web", &"KILL".parse().unwrap()).await.unwrap();
    assert_eq!(stand.hostile.wait("web").await.unwrap(), 137);
    stand.hostile.remove("web", false).await.unwrap();
    stand.hostile.remove_image(&stand.reference(), false).await.unwrap();
    let broken = |kind| matches!(kind, Kind::Refusal | Kind::Fault);
    let records = stand.records();
    assert!(!records.is_empty() && !records.iter().any(|record| broken(record.kind)), "{records:?}");
}

#[tokio::test]
pub(crate) async fn digest_lie() {
    let stand = Stand::with_limits(crate::DIGEST_LIE, "").await;
    let created = stand.hostile.create(&stand.spec("web")).await;
    assert!(matches!(created, Err(Error::Digest(_))), "{created:?}");
    let pulled = stand.hostile.pull(&stand.reference()).await;
    stand.refuses(pulled, End::Digest).await;
    assert!(stand.containers().await.is_empty());
}

#[tokio::test]
pub(crate) async fn creation_lie() {
    let stand = Stand::new(crate::CREATION_LIE).await;
    let created = stand.hostile.create(&stand.spec("web")).await;
    stand.refuses(created, End::Fault(Untrue, "there is none")).await;
    assert!(stand.containers().await.is_empty());
}

#[tokio::test]
pub(crate) async fn other_id() {
    let stand = Stand::new(crate::OTHER_ID).await;
    let created = stand.hostile.create(&stand.spec("web")).await;
    stand.refuses_but_for(created, End::Fault(Untrue, "another container"), &["create", "rm"]).await;
    assert!(stand.containers().await.is_empty());
}

#[tokio::test]
pub(crate) async fn start_lie() {
    let stand = Stand::new(crate::START_LIE).await;
    stand.honest.create(&stand.spec("web")).await.unwrap();
    let stand = stand.mark();
    let started = stand.hostile.start("web").await;
    stand.refuses(started, End::Fault(Untrue, "never started")).await;
}

#[tokio::test]
pub(crate) async fn removal_lie() {
    let stand = Stand::new(crate::REMOVAL_LIE).await;
    stand.honest.create(&stand.spec("web")).await.unwrap();
    let stand = stand.mark();
    let removed = stand.hostile.remove("web", false).await;
    stand.refuses(removed, End::Fault(Untrue, "still there")).await;
    assert_eq!(stand.containers().await, ["web"]);
}

#[tokio::test]
pub(crate) async fn inspection_lie() {
    let stand = Stand::with_container(crate::INSPECTION_LIE, "web").await;
    let inspected = stand.hostile.inspect("web").await;
    stand.refuses(inspected, End::Fault(Untrue, "another container")).await;
}

#[tokio::test]
pub(crate) async fn forged_refusal() {
    let stand = Stand::with_container(crate::FORGED_REFUSAL, "web").await;
    let stopped = stand.hostile.stop("web", Duration::from_secs(1)).await;
    stand.refuses(stopped, End::Fault(Untrue, "did not make")).await;
    assert!(stand.is_running("web").await);
}
