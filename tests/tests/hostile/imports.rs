//! Reaching for the world beyond the interface: WASI, devices.

use portreeve::journal::{Filter, Journal, Kind};
use portreeve::state::StateDir;
use portreeve::{Error, Intention, Rule};

use crate::stand::{End, Stand, host, prepare_engine, state};

#[tokio::test]
pub(crate) async fn wasi_import() {
    let folder = tempfile::tempdir().unwrap();
    prepare_engine(folder.path());
    let refusal = match host(folder.path(), crate::WASI_IMPORT, "").build().await {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{:?}", other.err()),
    };
    assert_eq!(refusal.rule, Rule::Import);
    assert!(refusal.value.as_deref().unwrap().starts_with("wasi:cli/environment"), "{refusal}");
    let journal = Journal::read(&StateDir::open(state()).unwrap(), Filter::default()).unwrap().map(Result::unwrap);
    let mut refusals =
        journal.filter(|record| record.kind == Kind::Refusal && record.rule.as_deref() == Some("import"));
    let record = refusals.next().expect("no refusal in the journal");
    assert_eq!(record.value, refusal.value);
    assert!(record.plugin.is_some_and(|digest| digest.starts_with("sha256:")));
    Stand::new(crate::HONEST).await.is_whole().await;
}

async fn refused_device(component: &str, path: &str) {
    let stand = Stand::new(component).await;
    let report = stand.hostile.preflight(&Intention::default()).await;
    stand.refuses(report, End::Refused(Rule::Device, "", Some("device"))).await;
    let refusal = stand.records().into_iter().find(|record| record.kind == Kind::Refusal).unwrap();
    assert_eq!(refusal.value.as_deref(), Some(path));
}

#[tokio::test]
pub(crate) async fn device_out_of_pattern() {
    refused_device(crate::DEVICE_OUT_OF_PATTERN, "/dev/mem").await;
}

#[tokio::test]
pub(crate) async fn device_by_detour() {
    refused_device(crate::DEVICE_BY_DETOUR, "/dev/dri/../mem").await;
}
