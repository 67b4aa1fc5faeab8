//! Ends: asked for, forced, and verified.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve::spec::Signal;
use portreeve::{ContainerState, Error, Removed};

use crate::setting::Setting;

pub(crate) async fn a_container_that_ignores_term_is_killed(setting: Arc<Setting>) {
    let name = setting.name("stubborn");
    setting.host.run(&setting.named(&name, &["ignore-term", "say", "here", "wait"])).await.unwrap();
    setting.until("it ignores TERM", || setting.ground.ask(&["logs", &name]).stdout == "here\n").await;
    let begun = Instant::now();
    let stopped = setting.host.stop(&name, Duration::from_secs(1)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(900), "it was killed without its grace");
    assert_eq!((stopped.state, stopped.exit_code), (ContainerState::Exited, Some(137)));
    assert!(!setting.is_running(&name));
}

pub(crate) async fn stopping_one_that_has_ended_is_no_error(setting: Arc<Setting>) {
    let name = setting.name("willing");
    setting.run_waiting(&name).await;
    let begun = Instant::now();
    let stopped = setting.host.stop(&name, Duration::from_secs(20)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "its grace was waited for although it had ended");
    assert_eq!((stopped.state, stopped.exit_code), (ContainerState::Exited, Some(143)));
    let mark = setting.mark();
    let again = setting.host.stop(&name, Duration::from_secs(1)).await.unwrap();
    assert_eq!((again.state, again.exit_code), (ContainerState::Exited, Some(143)));
    assert!(!setting.was_told_to("stop", mark));
}

pub(crate) async fn a_signal_reaches_the_container(setting: Arc<Setting>) {
    let name = setting.name("signalled");
    setting.run_waiting(&name).await;
    let term: Signal = "TERM".parse().unwrap();
    setting.host.kill(&name, &term).await.unwrap();
    assert_eq!(setting.host.wait(&name).await.unwrap(), 143);
    let error = setting.host.kill(&name, &term).await.unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error:?}");
    let other = setting.name("killed");
    setting.run_waiting(&other).await;
    setting.host.kill(&other, &"KILL".parse().unwrap()).await.unwrap();
    assert_eq!(setting.host.wait(&other).await.unwrap(), 137);
}

pub(crate) async fn what_runs_is_removed_only_by_force(setting: Arc<Setting>) {
    let name = setting.name("kept");
    setting.run_waiting(&name).await;
    let error = setting.host.remove(&name, false).await.unwrap_err();
    assert!(matches!(&error, Error::InUse(why) if why.contains("by force")), "{error:?}");
    assert!(setting.is_running(&name));
    assert_eq!(setting.host.remove(&name, true).await.unwrap(), Removed::Removed);
    assert!(!setting.exists(&name));
    let error = setting.host.remove(&name, true).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}
