//! A backend that traps ten times in a row on one endpoint is left alone, over processes too; what ends and takes away
//! still works.

use std::time::Duration;

use portreeve::journal::Kind;
use portreeve::{Error, FaultKind};

use crate::stand::Stand;

#[tokio::test]
pub(crate) async fn trap_in_a_row() {
    let stand = Stand::with_container(crate::TRAP_IN_A_ROW, "web").await.running("other").await;
    // A call that goes well in between begins the count anew.
    for _ in 0..9 {
        assert!(matches!(stand.hostile.list().await, Err(Error::Fault(fault)) if fault.kind == FaultKind::Trap));
    }
    stand.hostile.inspect("web").await.unwrap();
    for _ in 0..10 {
        assert!(matches!(stand.hostile.list().await, Err(Error::Fault(fault)) if fault.kind == FaultKind::Trap));
    }
    let again = stand.hostile_again(crate::TRAP_IN_A_ROW).await;
    for host in [&stand.hostile, &again] {
        let Err(Error::Quarantined { backend, traps, left, .. }) = host.inspect("web").await else {
            panic!("it was called");
        };
        assert_eq!((backend.as_str(), traps), ("podman", 10));
        assert!(left > Duration::from_secs(60) && left <= Duration::from_secs(120), "{left:?}");
        let text = host.list().await.unwrap_err().to_string();
        assert!(text.contains("quarantine: the backend podman") && text.contains("stop, kill and remove"), "{text}");
    }
    let faults: Vec<_> = stand.records().into_iter().filter(|record| record.kind == Kind::Fault).collect();
    assert!(faults.iter().any(|fault| fault.why.as_deref().unwrap_or_default().contains("quarantined for 2 min")));
    again.stop("other", Duration::from_secs(1)).await.unwrap();
    assert!(!stand.is_running("other").await);
    again.kill("web", &"KILL".parse().unwrap()).await.unwrap();
    again.remove("web", true).await.unwrap();
    stand.is_whole().await;
}
