//! What `inspect` and `image inspect` say that is not so, and what `create` leaves out, when they are told to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::faults::{Fault, Faults};
use crate::spec::Spec;

/// The label by which a container is known as somebody's.
const OWNER: &str = "io.portreeve.owner";

/// Digits that are no digest of anything.
const NOTHING: &str = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

type Lie = fn(&mut Value);

const ABOUT_IMAGES: [(Fault, Lie); 2] = [
    (Fault::LieDigest, |image| {
        each(image, "/RepoDigests", |digest| *digest = json!(claim(digest.as_str().unwrap_or_default())));
        change(image, "/Digest", |digest| *digest = json!(format!("sha256:{NOTHING}")));
    }),
    (Fault::LieId, |image| change(image, "/Id", other_id)),
];

const ABOUT_CONTAINERS: [(Fault, Lie); 10] = [
    (Fault::OtherId, |container| change(container, "/Id", other_id)),
    (Fault::OtherName, |container| change(container, "/Name", |name| *name = json!("somebody-elses"))),
    (Fault::OtherImage, |container| change(container, "/Image", other_id)),
    (Fault::OtherState, other_state),
    (Fault::OtherExit, |container| {
        change(container, "/State/ExitCode", |code| *code = json!(code.as_i64().unwrap_or(0) + 1))
    }),
    (Fault::OtherPort, |container| {
        change(container, "/NetworkSettings/Ports", |ports| {
            let bindings = ports.as_object_mut().into_iter().flat_map(|ports| ports.values_mut());
            bindings.for_each(|binding| change(binding, "/0/HostPort", |port| *port = json!("1")));
        });
    }),
    (Fault::OtherMount, |container| {
        each(container, "/Mounts", |mount| change(mount, "/Source", |source| *source = json!("/etc")))
    }),
    (Fault::ExtraMount, |container| {
        let mount = json!({"Type": "bind", "Source": "/", "Destination": "/host", "Mode": "", "RW": true, "Propagation": "rprivate"});
        change(container, "/Mounts", |mounts| {
            mounts.as_array_mut().into_iter().for_each(|mounts| mounts.push(mount.clone()))
        });
    }),
    (Fault::LeaveOutLabel, |container| {
        change(container, "/Config/Labels", |labels| {
            labels.as_object_mut().and_then(|labels| labels.shift_remove(OWNER));
        });
    }),
    (Fault::OtherLabel, |container| {
        change(container, "/Config/Labels", |labels| {
            labels.as_object_mut().and_then(|labels| labels.insert(OWNER.to_owned(), json!(forged(labels.get(OWNER)))));
        });
    }),
];

pub(crate) fn about_image(image: &mut Value, faults: &Faults) {
    ABOUT_IMAGES.iter().filter(|(fault, _)| faults.has(*fault)).for_each(|(_, lie)| lie(image));
}

pub(crate) fn about_container(container: &mut Value, faults: &Faults) {
    ABOUT_CONTAINERS.iter().filter(|(fault, _)| faults.has(*fault)).for_each(|(_, lie)| lie(container));
}

pub(crate) fn about_volume(volume: &mut Value, faults: &Faults) {
    if faults.has(Fault::LeaveOutLabel) {
        change(volume, "/Labels", |labels| {
            labels.as_object_mut().and_then(|labels| labels.shift_remove(OWNER));
        });
    }
    if faults.has(Fault::OtherLabel) {
        change(volume, &format!("/Labels/{OWNER}"), |label| *label = json!(forged(Some(label))));
    }
}

pub(crate) fn about_network(network: &mut Value, faults: &Faults) {
    let place = if network.get("labels").is_some() { "/labels" } else { "/Labels" };
    if faults.has(Fault::LeaveOutLabel) {
        change(network, place, |labels| {
            labels.as_object_mut().and_then(|labels| labels.shift_remove(OWNER));
        });
    }
    if faults.has(Fault::OtherLabel) {
        change(network, &format!("{place}/{OWNER}"), |label| *label = json!(forged(Some(label))));
    }
}

/// Makes `create` and `volume create` forget or change whose it is.
pub(crate) fn about_labels(labels: &mut BTreeMap<String, String>, faults: &Faults) {
    if faults.has(Fault::LeaveOutLabel) {
        labels.remove(OWNER);
    }
    if faults.has(Fault::OtherLabel) {
        let label = labels.get(OWNER).map(|label| json!(label));
        labels.insert(OWNER.to_owned(), forged(label.as_ref()));
    }
}

/// Makes `create` forget a part of what it was asked for.
pub(crate) fn about_spec(spec: &mut Spec, faults: &Faults) {
    about_labels(&mut spec.labels, faults);
    if faults.has(Fault::LeaveOutMount) {
        spec.mounts.clear();
    }
    if faults.has(Fault::LeaveOutPort) {
        spec.ports.clear();
    }
    if faults.has(Fault::LeaveOutEnv) {
        spec.env.clear();
    }
    if faults.has(Fault::LeaveOutGpu) {
        spec.devices.clear();
    }
}

fn change(document: &mut Value, place: &str, lie: impl Fn(&mut Value)) {
    if let Some(value) = document.pointer_mut(place) {
        lie(value);
    }
}

fn each(document: &mut Value, place: &str, lie: impl Fn(&mut Value)) {
    change(document, place, |list| list.as_array_mut().into_iter().flatten().for_each(&lie));
}

fn claim(digest: &str) -> String {
    let name = digest.split('@').next().unwrap_or_default();
    format!("{name}@sha256:{NOTHING}")
}

fn other_id(id: &mut Value) {
    let prefix = if id.as_str().is_some_and(|id| id.starts_with("sha256:")) { "sha256:" } else { "" };
    *id = json!(format!("{prefix}{NOTHING}"));
}

fn other_state(container: &mut Value) {
    let running = container.pointer("/State/Running") == Some(&json!(true));
    change(container, "/State/Status", |status| *status = json!(if running { "exited" } else { "running" }));
    change(container, "/State/Running", |flag| *flag = json!(!running));
}

/// The last letter is another.
fn forged(label: Option<&Value>) -> String {
    let mut label = label.and_then(Value::as_str).unwrap_or_default().to_owned();
    let last = label.pop();
    label.push(if last == Some('0') { '1' } else { '0' });
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(words: &str) -> Faults {
        Faults::parse(words, "inspect", &["inspect"]).unwrap()
    }

    #[test]
    fn a_container_is_described_otherwise() {
        let mut container = json!({"Id": "a", "Image": "sha256:b", "State": {"Status": "running", "Running": true}, "Mounts": [{"Source": "/srv"}],
            "NetworkSettings": {"Ports": {"80/tcp": [{"HostPort": "8080"}]}}, "Config": {"Labels": {OWNER: "me:00", "a": "b"}}});
        let words = "inspect:other-image\ninspect:other-state\ninspect:other-mount\ninspect:other-port\ninspect:extra-mount\ninspect:other-label";
        about_container(&mut container, &faults(words));
        assert_eq!(container["Image"], format!("sha256:{NOTHING}"));
        assert_eq!(container["State"], json!({"Status": "exited", "Running": false}));
        assert_eq!(
            (&container["Mounts"][0]["Source"], &container["Mounts"][1]["Source"]),
            (&json!("/etc"), &json!("/"))
        );
        assert_eq!(container["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"], "1");
        assert_eq!(container["Config"]["Labels"], json!({OWNER: "me:01", "a": "b"}));
        assert_eq!(container["Id"], "a");
    }

    #[test]
    fn an_image_is_described_otherwise() {
        let mut image = json!({"Id": "a", "Digest": "sha256:c", "RepoDigests": ["h:1/a@sha256:c"]});
        about_image(&mut image, &faults("inspect:lie-digest"));
        assert_eq!(image["RepoDigests"], json!([format!("h:1/a@sha256:{NOTHING}")]));
        assert_eq!(image["Id"], "a");
    }

    #[test]
    fn create_forgets() {
        let mut spec = Spec { labels: [(OWNER.to_owned(), "x".to_owned())].into(), ..Spec::default() };
        about_spec(&mut spec, &faults("inspect:leave-out-label"));
        assert!(spec.labels.is_empty());
    }
}
