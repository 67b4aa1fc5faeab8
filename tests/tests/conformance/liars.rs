//! Engines that lie, which only the rehearsal engine does on demand.

use std::sync::Arc;
use std::time::Duration;

use portreeve::demo::image::ImageOptions;
use portreeve::{Error, FaultKind, Rule};

use crate::secrets::{Watched, secret};
use crate::setting::Setting;

pub(crate) async fn an_engine_that_lies_of_a_digest_is_not_believed(setting: Arc<Setting>) {
    lies_of_an_image(&setting, "image-inspect:lie-digest").await;
}

pub(crate) async fn an_engine_that_lies_of_an_id_is_not_believed(setting: Arc<Setting>) {
    lies_of_an_image(&setting, "image-inspect:lie-id").await;
}

async fn lies_of_an_image(setting: &Setting, fault: &str) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.single()).await.unwrap();
    setting.ground.rehearse("faults", fault);
    let error = setting.host.pull(&image.single()).await.unwrap_err();
    assert!(matches!(error, Error::Digest(_)), "{fault}: {error:?}");
    crate::images::can_not_be_used(setting, &image.single()).await;
    setting.ground.rehearse("faults", "");
}

pub(crate) async fn an_engine_that_lies_of_a_container_is_not_believed(setting: Arc<Setting>) {
    // Whether the lie is of the container that was made, or hides it: nothing comes of it.
    for lie in ["other-id", "other-name", "other-image"] {
        let spec = setting.spec(&["wait"]);
        setting.ground.rehearse("faults", &format!("inspect:{lie}"));
        let error = setting.host.run(&spec).await.unwrap_err();
        setting.ground.rehearse("faults", "");
        assert!(matches!(error, Error::Fault(_) | Error::NotFound { .. } | Error::Conflict(_)), "{lie}: {error:?}");
        assert!(!setting.is_running(spec.name.as_str()), "{lie}");
    }
}

pub(crate) async fn an_engine_that_leaves_out_the_label_is_not_believed(setting: Arc<Setting>) {
    for (lie, name) in [("leave-out-label", "without-label"), ("other-label", "other-label")] {
        let name = setting.name(name);
        setting.ground.rehearse("faults", &format!("create:{lie}"));
        let error = setting.host.run(&setting.named(&name, &["wait"])).await.unwrap_err();
        setting.ground.rehearse("faults", "");
        assert!(matches!(&error, Error::Fault(fault) if fault.kind == FaultKind::Untrue), "{lie}: {error:?}");
        assert!(!setting.is_running(&name));
        let error = setting.host.inspect(&name).await.unwrap_err();
        assert!(matches!(&error, Error::Refused(refusal) if refusal.rule == Rule::NotOurs), "{lie}: {error:?}");
    }
}

pub(crate) async fn an_engine_that_only_says_that_it_stopped_is_not_believed(setting: Arc<Setting>) {
    let name = setting.name("unstopped");
    setting.run_waiting(&name).await;
    setting.ground.rehearse("faults", "stop:ignore");
    let stopped = setting.host.stop(&name, Duration::from_secs(1)).await.unwrap();
    setting.ground.rehearse("faults", "");
    assert!(!stopped.state.is_alive() && !setting.is_running(&name), "it was not killed where stopping did nothing");
    setting.ground.rehearse("faults", "rm:ignore");
    let error = setting.host.remove(&name, true).await.unwrap_err();
    assert!(matches!(error, Error::Fault(_)), "{error:?}");
}

pub(crate) async fn an_engine_that_only_says_that_it_paused_is_not_believed(setting: Arc<Setting>) {
    let name = setting.name("unpaused");
    setting.run_waiting(&name).await;
    setting.ground.rehearse("faults", "pause:ignore\nunpause:ignore");
    let error = setting.host.pause(&name).await.unwrap_err();
    assert!(matches!(&error, Error::Fault(fault) if fault.why.contains("paused")), "{error:?}");
    setting.ground.rehearse("faults", "");
    setting.host.pause(&name).await.unwrap();
    setting.ground.rehearse("faults", "unpause:ignore");
    let error = setting.host.unpause(&name).await.unwrap_err();
    assert!(matches!(&error, Error::Fault(fault) if fault.why.contains("goes on")), "{error:?}");
    setting.ground.rehearse("faults", "");
    setting.host.stop(&name, Duration::from_secs(5)).await.unwrap();
}

pub(crate) async fn an_engine_that_leaks_the_environment_leaks_no_secret(setting: Arc<Setting>) {
    let watched = Watched::new(&setting, "leaks");
    let mut spec = setting.spec(&["say", "here"]);
    spec.secrets.push(secret("LEAKED_TOKEN", watched.value()));
    setting.ground.rehearse("faults", "create:leak-env\ncreate:exit-125");
    let error = setting.host.run(&spec).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("LEAKED_TOKEN"), "nothing was leaked, so nothing was shown: {text}");
    watched.is_not_in("the error", &text);
    watched.is_nowhere(&setting);
}
