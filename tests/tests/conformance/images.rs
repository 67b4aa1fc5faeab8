//! Images: what is pulled is what was asked for, or it is not used.

use std::sync::Arc;

use portreeve::demo::image::ImageOptions;
use portreeve::evidence::chain::Level;
use portreeve::{ContainerSpec, Error, PulledImage, Reference};
use portreeve_tests::registry::Fault;

use crate::setting::{Published, Setting};

pub(crate) async fn a_manifest_is_pulled_by_its_digest(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    let pulled = setting.host.pull(&image.single()).await.unwrap();
    is_proved(&pulled, &image, &image.image.manifest().to_string());
    assert_eq!((pulled.tag, pulled.warnings), (None, Vec::new()));
    assert!(setting.host.has_image(&image.single()).await.unwrap());
}

pub(crate) async fn an_index_is_pulled_by_its_digest(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    let pulled = setting.host.pull(&image.index()).await.unwrap();
    is_proved(&pulled, &image, &image.image.index().to_string());
    // Again, with the image there.
    let again = setting.host.pull(&image.index()).await.unwrap();
    assert_eq!(again.id, pulled.id);
    let mut spec = setting.spec(&["say", "from the index"]);
    spec.image = image.index();
    assert_eq!(setting.hear(&spec).await.out, "from the index\n");
}

pub(crate) async fn a_tag_is_warned_of_and_resolved(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    let pulled = setting.host.pull(&image.tag()).await.unwrap();
    assert_eq!(pulled.tag.as_deref(), Some("latest"));
    assert!(pulled.warnings.iter().any(|warning| warning.contains("pin it by its digest")), "{pulled:?}");
    is_proved(&pulled, &image, &image.image.index().to_string());
    let recorded = crate::journal::records(&setting.state()).into_iter().any(|record| {
        record.facts.get("digest").map(String::as_str) == pulled.digest.as_deref()
            && record.facts.get("image") == Some(&pulled.image)
            && record.facts.get("tag").map(String::as_str) == Some("latest")
    });
    assert!(recorded, "the journal has no record of the tag and what it was resolved to");
}

fn is_proved(pulled: &PulledImage, image: &Published, digest: &str) {
    assert_eq!(pulled.digest.as_deref(), Some(digest));
    assert_eq!(pulled.id.trim_start_matches("sha256:"), image.id());
    let report = pulled.verification.as_ref().unwrap();
    assert!(report.level() >= Level::Manifest, "{report}");
}

pub(crate) async fn other_manifest_bytes_are_a_digest_error(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    lies(&setting, &image, &image.single(), Fault::OtherManifestBytes).await;
    lies(&setting, &image, &image.index(), Fault::OtherManifestBytes).await;
}

pub(crate) async fn a_bad_layer_is_a_digest_error(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    lies(&setting, &image, &image.single(), Fault::BadLayer).await;
}

pub(crate) async fn a_bad_config_is_a_digest_error(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    lies(&setting, &image, &image.single(), Fault::BadConfig).await;
}

/// Neither a pull nor a container comes of it, until the registry repents.
async fn lies(setting: &Setting, image: &Published, reference: &Reference, fault: Fault) {
    setting.registry.keeper().misbehave(&image.repository, fault);
    let error = setting.host.pull(reference).await.unwrap_err();
    assert!(matches!(error, Error::Digest(_)), "{fault:?}: {error:?}");
    can_not_be_used(setting, reference).await;
    setting.registry.keeper().repent(&image.repository);
}

/// No container is made of it.
pub(crate) async fn can_not_be_used(setting: &Setting, reference: &Reference) {
    let mark = setting.mark();
    let spec = ContainerSpec { image: reference.clone(), ..setting.spec(&["say", "never"]) };
    let error = setting.host.run(&spec).await.unwrap_err();
    assert!(matches!(error, Error::Digest(_)), "{error:?}");
    assert!(!setting.was_told_to("create", mark));
    assert!(!setting.exists(spec.name.as_str()));
}

pub(crate) async fn an_unknown_digest_is_not_found(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    let other = setting.publish(ImageOptions::default());
    let unknown = image.by(&format!("@{}", other.image.manifest()));
    let error = setting.host.pull(&unknown).await.unwrap_err();
    let named = |name: &String| *name == unknown.to_string();
    assert!(matches!(&error, Error::NotFound { kind: "image", name } if named(name)), "{error:?}");
    let error = setting.host.image(&image.single()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

pub(crate) async fn a_registry_that_is_down_is_unavailable(setting: Arc<Setting>) {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let digest = setting.image.image.manifest();
    let reference: Reference = format!("{closed}/conformance/nobody@{digest}").parse().unwrap();
    let error = setting.host.pull(&reference).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

pub(crate) async fn a_registry_that_fails_is_unavailable(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.registry.keeper().misbehave(&image.repository, Fault::ServerError(503));
    let error = setting.host.pull(&image.single()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

pub(crate) async fn a_login_that_nobody_has_is_unauthorised(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.registry.keeper().misbehave(&image.repository, Fault::Unauthorised);
    let error = setting.host.pull(&image.single()).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorised(_)), "{error:?}");
}

/// Its other name keeps the image, and goes when it is asked for.
pub(crate) async fn one_of_two_names_of_an_image_is_removed(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    let tagged = image.tag();
    setting.host.pull(&tagged).await.unwrap();
    setting.host.pull(&image.single()).await.unwrap();
    setting.host.remove_image(&image.single(), false).await.unwrap();
    assert!(setting.host.has_image(&tagged).await.unwrap());
    setting.host.remove_image(&tagged, false).await.unwrap();
    let held = setting.host.images().await.unwrap();
    assert!(!held.iter().any(|one| one.id.ends_with(&image.id())), "{held:?}");
}

pub(crate) async fn images_are_listed_and_removed(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    let pulled = setting.host.pull(&image.single()).await.unwrap();
    let has = |images: &[portreeve::ImageInfo]| images.iter().any(|one| one.id.ends_with(&image.id()));
    assert!(has(&setting.host.images().await.unwrap()));
    setting.host.remove_image(&image.single(), false).await.unwrap();
    assert!(!has(&setting.host.images().await.unwrap()));
    assert!(!setting.host.has_image(&image.single()).await.unwrap());
    let error = setting.host.remove_image(&image.single(), false).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{pulled:?}: {error:?}");
}

pub(crate) async fn an_image_that_is_removed_by_force_costs_no_container(setting: Arc<Setting>) {
    let image = setting.publish(ImageOptions::default());
    setting.host.pull(&image.single()).await.unwrap();
    let name = setting.name("bystander");
    setting.foreign_of(&image, &name, &[]);
    // Docker takes the name of the image away, Podman refuses.
    let _either = setting.host.remove_image(&image.single(), true).await;
    assert!(setting.exists(&name), "a container of somebody else went with its image");
}
