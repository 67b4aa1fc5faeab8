//! Images looked at, brought again after a failure that passes, written to files and taken from them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve::demo::image::ImageOptions;
use portreeve::{Error, Event, Level, Policy, Removed, within};
use portreeve_tests::registry::Fault;

use crate::behaviours::folder;
use crate::setting::Setting;

/// How many further tries were told of since then.
fn tries(setting: &Setting, mark: usize) -> usize {
    let told = |event: &Event| matches!(event, Event::Narration { level: Level::Warning, message, .. } if message.contains("comes in"));
    setting.events_since(mark).iter().filter(|event| told(event)).count()
}

/// The registry recovers when the first try has failed.
pub(crate) async fn a_pull_is_tried_again_after_what_passes(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.registry.keeper().misbehave(&image.repository, Fault::ServerError(503));
    let mark = setting.mark();
    let recovering = {
        let (setting, repository) = (Arc::clone(&setting), image.repository.clone());
        tokio::spawn(async move {
            setting.until("a further try is told of", || tries(&setting, mark) > 0).await;
            setting.registry.keeper().repent(&repository);
        })
    };
    let pulled = setting.host.pull(&image.single()).await.unwrap();
    recovering.await.unwrap();
    assert_eq!(pulled.id.trim_start_matches("sha256:"), image.id());
    assert!(tries(&setting, mark) >= 1);
}

pub(crate) async fn what_does_not_pass_is_not_tried_again(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    for fault in [Fault::Unauthorised, Fault::BadLayer] {
        setting.registry.keeper().misbehave(&image.repository, fault);
        let mark = setting.mark();
        setting.host.pull(&image.single()).await.unwrap_err();
        assert_eq!(tries(&setting, mark), 0, "{fault:?}");
    }
}

/// Tries are bounded, and a caller may ask for one alone.
pub(crate) async fn tries_of_a_pull_are_bounded(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.registry.keeper().misbehave(&image.repository, Fault::ServerError(503));
    for most in [1, 2] {
        let host = setting.builder().pull_tries(most).build().await.unwrap();
        let mark = setting.mark();
        let error = host.pull(&image.single()).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        assert_eq!(tries(&setting, mark) + 1, usize::try_from(most).unwrap());
    }
}

/// The engine's client would wait as long as it is let.
pub(crate) async fn a_registry_that_stalls_ends_with_the_callers_time(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.registry.keeper().misbehave(&image.repository, Fault::Stall);
    let time = Duration::from_secs(3);
    for call in [true, false] {
        let begun = Instant::now();
        let error = if call {
            within(time, setting.host.pull(&image.single())).await.unwrap_err()
        } else {
            within(time, setting.host.ensure_layers_of(&image.single())).await.unwrap_err()
        };
        assert!(matches!(error, Error::Timeout(_)) && error.is_retryable(), "{error:?}");
        assert!(begun.elapsed() < time * 4, "the deadline did not hold");
    }
    let asks = || {
        let words = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
        words
            .filter_map(|path| std::fs::read(path).ok())
            .any(|words| memchr::memmem::find(&words, image.repository.as_bytes()).is_some())
    };
    setting.until("the engine's client is ended", || !asks()).await;
    assert!(!setting.host.has_image(&image.single()).await.unwrap());
}

pub(crate) async fn an_image_is_looked_at_and_measured(setting: Arc<Setting>) {
    let details = setting.host.inspect_image(&setting.image.single()).await.unwrap();
    assert_eq!(details.id.trim_start_matches("sha256:"), setting.image.id());
    assert_eq!(details.entrypoint, ["/deckhand"]);
    assert_eq!(details.os.as_deref(), Some("linux"));
    assert!(details.architecture.is_some() && details.size.is_some_and(|size| size > 0), "{details:?}");
    let size = setting.host.image_size(&setting.image.single()).await.unwrap();
    assert_eq!(Some(size), details.size);
    let absent = setting.publish(ImageOptions::default());
    let error = setting.host.inspect_image(&absent.single()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

pub(crate) async fn an_image_that_is_not_held_may_be_removed_when_asked(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    assert_eq!(setting.host.remove_image_if_held(&image.single(), false).await.unwrap(), Removed::Absent);
    setting.host.pull(&image.single()).await.unwrap();
    // By its digest an engine may find it under any name.
    let (registry, digest) = (image.single().registry().to_owned(), *image.single().digest().unwrap());
    let other = format!("{registry}/never/pulled@{digest}").parse().unwrap();
    let error = setting.host.remove_image(&other, false).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert!(setting.host.has_image(&image.single()).await.unwrap(), "another image was removed");
    assert_eq!(setting.host.remove_image_if_held(&image.single(), false).await.unwrap(), Removed::Removed);
    assert!(!setting.host.has_image(&image.single()).await.unwrap());
}

pub(crate) async fn what_no_container_is_of_is_told(setting: Arc<Setting>) {
    let used = setting.spec(&["say", "used"]);
    setting.host.create(&used).await.unwrap();
    let unused = setting.publish(ImageOptions::default());
    setting.host.pull(&unused.single()).await.unwrap();
    let advice = setting.host.advise_on_images(false).await.unwrap();
    let containers = |id: &str| {
        let found = advice.iter().find(|one| one.image.id.ends_with(id));
        found.unwrap_or_else(|| panic!("{id} is not in {advice:?}")).containers
    };
    assert!(containers(&setting.image.id()) >= 1);
    assert_eq!(containers(&unused.id()), 0);
}

/// Out of the engine into a file, out of the engine altogether, and back from the file.
pub(crate) async fn an_image_goes_into_a_file_and_comes_back(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.single()).await.unwrap();
    let file = folder(&setting, "archives").join(format!("{}.tar", setting.name("image")));
    let saved = setting.host.save_image(&image.single(), &file).await.unwrap();
    assert_eq!(saved.id.trim_start_matches("sha256:"), image.id());
    assert_eq!(saved.size, std::fs::metadata(&file).unwrap().len());
    assert_eq!(saved.proved, "content");
    assert_eq!(saved.names, [""; 0]);
    let again = setting.host.save_image(&image.single(), &file).await.unwrap_err();
    assert!(matches!(again, Error::InUse(_)), "{again:?}");
    setting.host.remove_image(&image.single(), true).await.unwrap();
    assert!(!holds(&setting, &image.id()).await);
    let loaded = setting.host.load_image(&file).await.unwrap();
    assert_eq!(loaded.id.trim_start_matches("sha256:"), image.id());
    assert!(holds(&setting, &image.id()).await);
    // Under the name that it had it is found by what the host kept, as it is when it is run.
    let details = setting.host.inspect_image(&image.single()).await.unwrap();
    assert_eq!(details.id.trim_start_matches("sha256:"), image.id());
    let named = setting.host.remove_image(&image.single(), false).await;
    if matches!(named, Err(Error::Unsupported(_))) {
        setting.host.pull(&image.single()).await.unwrap();
        setting.host.remove_image(&image.single(), false).await.unwrap();
    }
    assert!(!holds(&setting, &image.id()).await);
    assert!(!setting.host.has_image(&image.single()).await.unwrap());
    assert_eq!(std::fs::read_dir(setting.state().join("archives")).unwrap().count(), 0, "the copy was left behind");
}

/// By its tag it is known again where it is loaded.
pub(crate) async fn a_tag_goes_into_a_file_with_its_image(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.tag()).await.unwrap();
    let file = folder(&setting, "archives").join(format!("{}.tar", setting.name("tagged")));
    let saved = setting.host.save_image(&image.tag(), &file).await.unwrap();
    assert_eq!((saved.names, saved.proved), (vec![image.tag().to_string()], "content"));
    setting.host.remove_image(&image.tag(), true).await.unwrap();
    assert!(!setting.host.has_image(&image.tag()).await.unwrap());
    let loaded = setting.host.load_image(&file).await.unwrap();
    assert_eq!(loaded.names, [image.tag().to_string()]);
    assert!(setting.host.has_image(&image.tag()).await.unwrap());
}

async fn holds(setting: &Setting, id: &str) -> bool {
    setting.host.images().await.unwrap().iter().any(|image| image.id.ends_with(id))
}

/// An archive that was changed is found before the engine sees it; so is one with a name that the policy forbids.
pub(crate) async fn an_archive_that_is_not_what_it_says_is_not_loaded(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.single()).await.unwrap();
    let folder = folder(&setting, "archives");
    let file = folder.join(format!("{}.tar", setting.name("changed")));
    setting.host.save_image(&image.single(), &file).await.unwrap();
    setting.host.remove_image(&image.single(), true).await.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    // Within the largest member, which is the layer.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let mark = setting.mark();
    let error = setting.host.load_image(&file).await.unwrap_err();
    assert!(matches!(error, Error::Digest(_)), "{error:?}");
    for garbage in [&b""[..], b"no archive at all"] {
        std::fs::write(&file, garbage).unwrap();
        assert!(matches!(setting.host.load_image(&file).await, Err(Error::Config(_))));
    }
    assert!(!setting.was_told_to("load", mark) && !holds(&setting, &image.id()).await);
    let absent = setting.host.load_image(&folder.join("nonesuch")).await.unwrap_err();
    assert!(matches!(absent, Error::Io { .. }), "{absent:?}");
}

/// Names in an archive are as good as those of a pull.
pub(crate) async fn a_name_in_an_archive_is_bounded_by_the_policy(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.tag()).await.unwrap();
    let file = folder(&setting, "archives").join(format!("{}.tar", setting.name("named")));
    // By its tag the engine's own client writes the name into it.
    let mut client = setting.ground.client();
    let out = std::fs::File::create(&file).unwrap();
    assert!(client.args(["image", "save", &image.tag().to_string()]).stdout(out).status().unwrap().success());
    let policy =
        Policy::parse("extends = \"home\"\n[images]\nregistries = [\"example.org\"]\n", "policy.toml").unwrap();
    let host = setting.builder().policy(policy).build().await.unwrap();
    let mark = setting.mark();
    let error = host.load_image(&file).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    assert!(!setting.was_told_to("load", mark));
    let loaded = setting.host.load_image(&file).await.unwrap();
    assert_eq!(loaded.names, [image.tag().to_string()]);
}

pub(crate) async fn gpus_and_mounts_are_explained_and_nothing_is_run(setting: Arc<Setting>) {
    let mark = setting.mark();
    let there = folder(&setting, "explained");
    std::fs::set_permissions(&there, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let gpus = setting.host.explain_gpus(&"GPU0,1:0".parse().unwrap()).unwrap().remove(0);
    let expected: &[&str] = match setting.kind().is_podman() {
        true => &["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1:0"],
        false => &["--gpus=\"device=0,1:0\""],
    };
    assert_eq!(gpus.arguments, expected);
    let mount = format!("{}:/data:ro", there.display()).parse().unwrap();
    let mounts = setting.host.explain_mounts(&[mount]).unwrap().remove(0);
    assert_eq!(mounts.arguments.len(), 1);
    assert!(mounts.arguments[0].contains(there.to_str().unwrap()) && mounts.arguments[0].contains("readonly=true"));
    let refused = setting.host.explain_mounts(&["/etc:/etc".parse().unwrap()]).unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused:?}");
    assert!(setting.argvs_since(mark, false).is_empty());
}
