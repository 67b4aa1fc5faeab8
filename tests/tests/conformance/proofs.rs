//! Verification: what is proved, what is not, and that an edited layer, a lying registry or engine are found.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use portreeve::demo::image::ImageOptions;
use portreeve::evidence::chain::{Level, Report, Status, Step};
use portreeve::{ContainerSpec, Error, Policy, Portreeve, Reference};
use portreeve_tests::registry::Fault;
use serde_json::Value;

use crate::program::ask;
use crate::setting::{Published, Setting};

async fn verified(host: &Portreeve, image: &Reference, deep: bool) -> Report {
    host.verify(image, deep).await.unwrap().verification.unwrap()
}

fn is_proved(report: &Report, step: Step) -> bool {
    let mut links = report.links.iter().filter(|link| link.step == step).peekable();
    links.peek().is_some() && links.all(|link| link.status == Status::Proved)
}

pub(crate) async fn an_image_is_proved_link_by_link(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.index()).await.unwrap();
    let report = verified(&setting.host, &image.index(), false).await;
    assert_eq!(report.level(), Level::Manifest, "{report}");
    for step in [Step::Requested, Step::Manifest, Step::Config, Step::ImageId, Step::DiffIds] {
        assert!(is_proved(&report, step), "{step:?}: {report}");
    }
    assert!(!is_proved(&report, Step::Layer), "nobody read the layers: {report}");
    let deep = verified(&setting.host, &image.index(), true).await;
    assert_eq!((deep.level(), deep.diff_ids), (Level::Content, vec![image.image.layer()]));
}

pub(crate) async fn an_edited_layer_is_found_by_its_content_alone(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.single()).await.unwrap();
    edit(&setting, &image);
    let shallow = verified(&setting.host, &image.single(), false).await;
    assert_eq!(shallow.level(), Level::Manifest, "{shallow}");
    let error = setting.host.verify(&image.single(), true).await.unwrap_err();
    assert!(matches!(&error, Error::Digest(why) if why.contains("changed in the engine's store")), "{error:?}");
}

pub(crate) async fn a_demand_for_content_is_met_once_for_an_image(setting: Arc<Setting>) {
    let host = demanding(&setting, "content").await;
    let image = setting.publish(ImageOptions::default());
    let mark = setting.mark();
    let pulled = host.pull(&image.single()).await.unwrap();
    assert_eq!(pulled.verification.unwrap().level(), Level::Content);
    assert_eq!(exports(&setting, mark), 1);
    let spec = ContainerSpec { image: image.single(), ..setting.spec(&["exit", "0"]) };
    host.run(&spec).await.unwrap();
    assert_eq!(host.wait(spec.name.as_str()).await.unwrap(), 0);
    assert_eq!(exports(&setting, mark), 1, "a run of the same image ID did not use the proof");
    // A host of the same install, started later, knows of it too.
    let later = demanding(&setting, "content").await;
    let spec = ContainerSpec { image: image.single(), ..setting.spec(&["exit", "0"]) };
    later.run(&spec).await.unwrap();
    assert_eq!(exports(&setting, mark), 1);
    assert_eq!(verified(&later, &image.single(), true).await.level(), Level::Content);
    assert_eq!(exports(&setting, mark), 2, "a deep verification reads every byte again");
}

pub(crate) async fn an_edited_layer_does_not_meet_a_demand_for_content(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.single()).await.unwrap();
    edit(&setting, &image);
    let host = demanding(&setting, "content").await;
    let mark = setting.mark();
    let spec = ContainerSpec { image: image.single(), ..setting.spec(&["say", "never"]) };
    let error = host.run(&spec).await.unwrap_err();
    assert!(matches!(error, Error::Digest(_)), "{error:?}");
    assert!(!setting.was_told_to("create", mark) && !setting.exists(spec.name.as_str()));
}

pub(crate) async fn a_registry_that_lies_later_is_not_believed(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.index()).await.unwrap();
    let other = setting.another_install("lied-to").await;
    for fault in [Fault::OtherManifestBytes, Fault::BadConfig] {
        setting.registry.keeper().misbehave(&image.repository, fault);
        let kept = verified(&setting.host, &image.index(), false).await;
        assert_eq!(kept.level(), Level::Manifest, "{fault:?}: {kept}");
        match other.verify(&image.index(), false).await {
            // The engine keeps the bytes itself: nobody asks the registry.
            Ok(proved) => assert!(has_store(&setting), "{fault:?}: {proved:?}"),
            Err(error) => assert!(matches!(error, Error::Digest(_)) && !has_store(&setting), "{fault:?}: {error:?}"),
        }
    }
    setting.registry.keeper().repent(&image.repository);
    assert_eq!(verified(&other, &image.index(), false).await.level(), Level::Manifest);
}

pub(crate) async fn without_a_source_nothing_is_called_proved(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.single()).await.unwrap();
    setting.registry.keeper().misbehave(&image.repository, Fault::ServerError(503));
    let other = setting.another_install("alone").await;
    let report = verified(&other, &image.single(), false).await;
    if has_store(&setting) {
        assert_eq!(report.level(), Level::Manifest, "{report}");
        return;
    }
    assert_eq!(report.level(), Level::Claimed);
    assert!(report.links.iter().all(|link| link.status != Status::Proved), "{report}");
    let why = |link: &&portreeve::evidence::chain::Link| matches!(link.status, Status::NotCheckable { .. });
    assert!(report.links.iter().any(|link| why(&link)), "{report}");
    let spec = ContainerSpec { image: image.single(), ..setting.spec(&["say", "never"]) };
    let error = other.run(&spec).await.unwrap_err();
    assert!(matches!(&error, Error::Digest(why) if why.contains("demand = \"claimed\"")), "{error:?}");
    let deep = verified(&other, &image.single(), true).await;
    // The engine's image is proved to be whole, and not to be the one that was asked for.
    assert_eq!(deep.level(), Level::Claimed, "{deep}");
    assert!(is_proved(&deep, Step::Layer) && !is_proved(&deep, Step::Requested), "{deep}");
    let claimed = demanding(&setting, "claimed").await;
    assert!(claimed.image(&image.single()).await.is_ok());
}

pub(crate) async fn an_absent_image_can_not_be_verified(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    for deep in [false, true] {
        let error = setting.host.verify(&image.single(), deep).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    }
}

pub(crate) async fn a_manifest_that_was_changed_in_the_engines_store_is_found(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.single()).await.unwrap();
    let folder = store(&setting).join(image.id());
    let size = blob(&image).len();
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let manifests: Vec<PathBuf> =
        files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("=bWFuaWZlc3Q")).collect();
    assert!(!manifests.is_empty(), "{}", folder.display());
    manifests.iter().for_each(|path| fs::write(path, vec![b' '; size]).unwrap());
    let other = setting.another_install("changed-store").await;
    let error = other.verify(&image.single(), false).await.unwrap_err();
    assert!(matches!(error, Error::Digest(_)), "{error:?}");
    manifests.iter().for_each(|path| fs::write(path, blob(&image)).unwrap());
    assert_eq!(verified(&other, &image.single(), false).await.level(), Level::Manifest);
}

pub(crate) async fn an_engine_that_lies_is_found_by_a_verification(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.single()).await.unwrap();
    for fault in ["image-inspect:lie-id", "image-inspect:lie-digest", "save:garbage"] {
        setting.ground.rehearse("faults", fault);
        let error = setting.host.verify(&image.single(), true).await.unwrap_err();
        assert!(matches!(error, Error::Digest(_)), "{fault}: {error:?}");
    }
    for fault in ["save:fail", "save:die"] {
        setting.ground.rehearse("faults", fault);
        let report = verified(&setting.host, &image.single(), true).await;
        assert_eq!(report.level(), Level::Manifest, "{fault}: {report}");
        assert!(!is_proved(&report, Step::Layer), "{fault}: {report}");
    }
    setting.ground.rehearse("faults", "");
}

pub(crate) async fn the_program_verifies_and_its_status_tells(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    let name = image.single().to_string();
    assert_eq!(ask(&setting, &["pull", &name]).await.status, 0);
    let plain = ask(&setting, &["verify", &name]).await;
    assert_eq!(plain.status, 0, "{plain:?}");
    assert!(plain.stdout.contains("not checkable") && plain.stdout.contains("to check:"), "{plain:?}");
    let deep = ask(&setting, &["verify", "--deep", "--json", &name]).await;
    let document: Value = serde_json::from_str(&deep.stdout).unwrap();
    assert_eq!((deep.status, &document["verified"], &document["demanded"]), (0, &"content".into(), &"content".into()));
    edit(&setting, &image);
    let edited = ask(&setting, &["verify", "--deep", "--json", &name]).await;
    let document: Value = serde_json::from_str(edited.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((edited.status, edited.stdout.as_str(), &document["error"]["kind"]), (1, "", &"digest".into()));
    let absent = setting.publish(ImageOptions::default()).single().to_string();
    assert_eq!(ask(&setting, &["verify", &absent]).await.status, 125);
}

/// A host of the same install whose policy demands so much of images.
async fn demanding(setting: &Setting, demand: &str) -> Portreeve {
    let policy = format!("extends = \"home\"\n[images]\ndemand = \"{demand}\"\n");
    setting.builder().policy(Policy::parse(&policy, "policy.toml").unwrap()).build().await.unwrap()
}

/// How often the engine was told to export an image since then.
fn exports(setting: &Setting, mark: usize) -> usize {
    let argvs = setting.argvs_since(mark, false);
    argvs.iter().filter(|argv| argv.iter().any(|word| word == "save")).count()
}

/// Whether the engine keeps manifests as they came, where the grants say that the host may read them.
fn has_store(setting: &Setting) -> bool {
    setting.kind().is_real() && setting.kind().is_podman()
}

fn blob(image: &Published) -> Vec<u8> {
    let manifest = image.image.manifest();
    image.image.blobs().find(|(digest, _)| *digest == manifest).unwrap().1.to_vec()
}

/// Changes a file of the image's only layer where the engine keeps it, and not its length.
fn edit(setting: &Setting, image: &Published) {
    if !setting.kind().is_real() {
        let hex = image.image.layer().hex();
        let path = setting.ground.rehearsal().join("blobs").join(hex);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        return fs::write(&path, bytes).unwrap();
    }
    let path = layer(setting, image).join("nonce");
    let len = fs::read(&path).unwrap().len();
    fs::write(&path, vec![b'x'; len]).unwrap();
}

/// Where a real engine keeps the layer.
fn layer(setting: &Setting, image: &Published) -> PathBuf {
    let answer = setting.ground.ask(&["image", "inspect", &image.id()]);
    let documents: Value = serde_json::from_str(&answer.stdout).unwrap();
    if let Some(upper) = documents[0]["GraphDriver"]["Data"]["UpperDir"].as_str() {
        return upper.into();
    }
    // Podman's vfs tells no folder.
    let images = fs::read_to_string(store(setting).join("images.json")).unwrap();
    let images: Vec<Value> = serde_json::from_str(&images).unwrap();
    let ours = images.iter().find(|one| one["id"] == image.id().as_str()).unwrap();
    store(setting).parent().unwrap().join("vfs/dir").join(ours["layer"].as_str().unwrap())
}

/// Podman's folder of images.
fn store(setting: &Setting) -> PathBuf {
    let answer = setting.ground.ask(&["info", "--format=json"]);
    let info: Value = serde_json::from_str(&answer.stdout).unwrap();
    let text = |name: &str| info["store"][name].as_str().unwrap().to_owned();
    PathBuf::from(text("graphRoot")).join(format!("{}-images", text("graphDriverName")))
}
