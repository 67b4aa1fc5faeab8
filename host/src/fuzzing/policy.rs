//! A policy file of whatever text.

use crate::policy::Policy;
use crate::spec::{ContainerSpec, Gpus, NetworkMode};

/// What is read is read again from how it is shown; what it does not say is denied.
pub fn policy(text: &str) {
    let Ok(policy) = Policy::parse(text, "policy.toml") else { return };
    let shown = policy.to_toml();
    let again = Policy::parse(&shown, "policy.toml");
    assert_eq!(again.as_ref().map_err(ToString::to_string), Ok(&policy), "{shown}");
    let says = |word: &str| text.contains(word) || text.contains('\\');
    let mut spec = ContainerSpec::new("example.org/app:1".parse().unwrap(), "web".parse().unwrap());
    spec.network = Some(NetworkMode::Host);
    assert!(policy.check_container(&spec).is_err() || (says("networks") && (says("host") || says("*"))));
    spec.network = Some(NetworkMode::None);
    spec.gpus = Gpus::All;
    assert!(policy.check_container(&spec).is_err() || says("home") || (says("gpus") && says("true")));
    assert!(policy.check_image(&spec.image).is_err() || says("home") || says("registries"));
    assert!(policy.check_volume("cache").is_err() || says("home") || says("volumes"));
}
