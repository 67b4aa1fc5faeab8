//! WASI where it is granted, inert: nothing to be had, nothing to be waited for, words that are counted.

use std::time::{Duration, Instant};

use portreeve::FaultKind::{Deadline, Trap};
use portreeve::Rule::Budget;

use crate::stand::{End, Stand};

const GRACE: Duration = Duration::from_secs(1);

async fn running(component: &str, limits: &str) -> Stand {
    Stand::with_wasi(component, limits).await.pulled().await.running("web").await
}

#[tokio::test]
pub(crate) async fn wasi_reach() {
    let stand = running(crate::WASI_REACH, "").await;
    // It needs WASI, has it, and does its work.
    stand.hostile.stop("web", GRACE).await.unwrap();
    assert!(!stand.is_running("web").await);
    let nothing = "variables 0, arguments 0, folder false, folders 0, input false, socket false, random 16, ticks true";
    assert_eq!(stand.words(), [nothing]);
}

#[tokio::test]
pub(crate) async fn wasi_sleep() {
    let stand = running(crate::WASI_SLEEP, "deadline-ms = 300").await;
    let begun = Instant::now();
    let stopped = stand.hostile.stop("web", GRACE).await;
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    stand.refuses(stopped, End::Fault(Deadline, "time")).await;
}

#[tokio::test]
pub(crate) async fn wasi_flood() {
    let stand = running(crate::WASI_FLOOD, "narration-bytes = 10000").await;
    let stopped = stand.hostile.stop("web", GRACE).await;
    assert!(stand.words().iter().map(String::len).sum::<usize>() <= 10_000);
    // It is told at the end of the call: what the call was for is done.
    stand.refuses_but_for(stopped, End::Refused(Budget, "", Some("narration")), &["stop"]).await;
}

#[tokio::test]
pub(crate) async fn wasi_random_hoard() {
    let stand = running(crate::WASI_RANDOM_HOARD, "").await;
    let stopped = stand.hostile.stop("web", GRACE).await;
    stand.refuses(stopped, End::Fault(Trap, "trapped")).await;
}
