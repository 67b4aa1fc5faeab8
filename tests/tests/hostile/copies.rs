//! Copies that the caller did not ask for, and words about copies that are not true.

use std::path::PathBuf;

use portreeve::Error;
use portreeve::FaultKind::Untrue;
use portreeve::Rule::{Grammar, OutOfScope, SlotNotGranted};

use crate::stand::{End, Stand};

async fn stand(component: &str) -> Stand {
    Stand::with_container(component, "mine").await.running("theirs").await
}

/// The caller has one file copied into the container.
async fn copied_in(stand: &Stand) -> Result<(), Error> {
    let file = stand.shared().join("note");
    std::fs::write(&file, "ahoy").unwrap();
    stand.hostile.copy_in(&file, "mine", &"/note".parse().unwrap()).await
}

async fn copied_out(stand: &Stand) -> Result<PathBuf, Error> {
    stand.hostile.copy_out("mine", &"/tmp".parse().unwrap(), &stand.shared().join("back")).await
}

async fn refused(component: &str, end: End<'_>) {
    let stand = stand(component).await;
    let result = copied_in(&stand).await;
    stand.refuses(result, end).await;
}

#[tokio::test]
pub(crate) async fn copy_into_another_container() {
    refused(crate::COPY_INTO_ANOTHER_CONTAINER, End::Refused(OutOfScope, "copy-in", Some("container.id"))).await;
}

#[tokio::test]
pub(crate) async fn copy_to_another_place() {
    refused(crate::COPY_TO_ANOTHER_PLACE, End::Refused(OutOfScope, "copy-in", Some("inside.path"))).await;
}

#[tokio::test]
pub(crate) async fn copy_of_another_file() {
    refused(crate::COPY_OF_ANOTHER_FILE, End::Refused(SlotNotGranted, "copy-in", Some("exchange.file"))).await;
}

#[tokio::test]
pub(crate) async fn copy_the_other_way() {
    refused(crate::COPY_THE_OTHER_WAY, End::Refused(Grammar, "copy-out", Some("exchange.new"))).await;
}

#[tokio::test]
pub(crate) async fn copy_lie() {
    refused(crate::COPY_LIE, End::Fault(Untrue, "no command ran")).await;
}

#[tokio::test]
pub(crate) async fn copy_failure_lie() {
    let stand = stand(crate::COPY_FAILURE_LIE).await;
    stand.misbehave("cp:fail");
    let result = copied_in(&stand).await;
    stand.misbehave("");
    stand.refuses_but_for(result, End::Fault(Untrue, "the engine failed"), &["cp"]).await;
}

#[tokio::test]
pub(crate) async fn copy_out_to_another_place() {
    let stand = stand(crate::COPY_OUT_TO_ANOTHER_PLACE).await;
    let result = copied_out(&stand).await;
    assert!(!stand.shared().join("back").exists());
    stand.refuses(result, End::Refused(SlotNotGranted, "copy-out", Some("exchange.new"))).await;
}
