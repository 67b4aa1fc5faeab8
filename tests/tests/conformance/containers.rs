//! Running, to the end and beyond.

use std::sync::Arc;

use portreeve::demo::image::ImageOptions;
use portreeve::{ContainerState, Error};

use crate::setting::{Heard, Setting};

pub(crate) async fn a_detached_run_ends_with_its_status(setting: Arc<Setting>) {
    let name = setting.name("detached");
    let info = setting.host.run(&setting.named(&name, &["sleep", "1", "exit", "3"])).await.unwrap();
    assert_eq!((info.name.as_str(), info.state), (name.as_str(), ContainerState::Running));
    assert_eq!(info.exit_code, None);
    assert_eq!(setting.host.wait(&name).await.unwrap(), 3);
    let ended = setting.host.inspect(&name).await.unwrap();
    assert_eq!((ended.state, ended.exit_code, ended.id), (ContainerState::Exited, Some(3), info.id));
    let listed = setting.host.list().await.unwrap();
    assert!(listed.iter().any(|one| one.name == name), "{listed:?}");
    assert_eq!(setting.host.wait(&name).await.unwrap(), 3, "one that has ended is waited for at once");
}

pub(crate) async fn an_attached_run_keeps_its_streams_apart(setting: Arc<Setting>) {
    let name = setting.name("attached");
    let spec = setting.named(&name, &["say", "one", "warn", "two", "print", "three", "exit", "7"]);
    let heard = setting.hear(&spec).await;
    assert_eq!((heard.out.as_str(), heard.err.as_str(), heard.status()), ("one\nthree", "two\n", 7));
    assert_eq!(setting.host.inspect(&name).await.unwrap().exit_code, Some(7));
    let crashed = setting.hear(&setting.spec(&["crash"])).await;
    assert_eq!(crashed.status(), 139);
}

pub(crate) async fn a_run_that_removes_leaves_nothing(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["say", "gone", "exit", "4"]);
    spec.remove = true;
    let heard = setting.hear(&spec).await;
    assert_eq!((heard.out.as_str(), heard.status()), ("gone\n", 4));
    assert!(!setting.exists(spec.name.as_str()));
    let stream = setting.host.run_attached(&setting.named(spec.name.as_str(), &["wait"])).await.unwrap();
    stream.abandon().await;
    assert!(!setting.exists(spec.name.as_str()), "one that was given up is still there");
}

pub(crate) async fn a_detached_run_that_removes_leaves_nothing(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["exit", "5"]);
    spec.remove = true;
    setting.host.run(&spec).await.unwrap();
    setting.until("the engine removes it", || !setting.exists(spec.name.as_str())).await;
}

pub(crate) async fn a_program_that_is_not_there_leaves_nothing(setting: Arc<Setting>) {
    let mut spec = setting.spec(&[]);
    spec.entrypoint = vec!["/nonesuch".to_owned()];
    let error = setting.host.run(&spec).await.unwrap_err();
    assert!(matches!(&error, Error::Engine { message, .. } if message.contains("/nonesuch")), "{error:?}");
    assert!(!setting.exists(spec.name.as_str()));
    let heard = Heard::all(setting.host.run_attached(&spec).await.unwrap()).await;
    assert!(matches!(&heard.end, Err(Error::Engine { message, .. }) if message.contains("/nonesuch")), "{heard:?}");
    assert!(!setting.exists(spec.name.as_str()));
}

pub(crate) async fn a_dry_run_only_looks(setting: Arc<Setting>) {
    let host = setting.builder().dry_run(true).build().await.unwrap();
    let fresh = setting.publish(ImageOptions::default());
    let running = setting.name("stays");
    setting.run_waiting(&running).await;
    let mark = setting.mark();
    let mut spec = setting.spec(&["say", "never"]);
    host.run(&spec).await.unwrap();
    spec.image = fresh.single();
    host.run(&spec).await.unwrap();
    host.stop(&running, std::time::Duration::from_secs(1)).await.unwrap();
    host.remove(&running, true).await.unwrap();
    let left_out = setting.argvs_since(mark, true);
    for word in ["pull", "create", "start", "stop", "rm"] {
        let is_it = |argv: &Vec<String>| argv.iter().take(3).any(|part| part == word);
        assert!(left_out.iter().any(is_it), "{word} is not in {left_out:?}");
        assert!(!setting.was_told_to(word, mark), "{word} ran");
    }
    let create = left_out.iter().find(|argv| argv.iter().any(|word| word == "create")).unwrap();
    assert!(create.ends_with(&["say".to_owned(), "never".to_owned()]), "{create:?}");
    assert!(!setting.exists(spec.name.as_str()) && setting.is_running(&running));
    assert!(!setting.host.has_image(&fresh.single()).await.unwrap());
}
