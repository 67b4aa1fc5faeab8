//! Pods that a caller wants.

use super::{Label, Name, NetworkMode, Port, SpecError};
use crate::reference::Reference;

/// What the name of the container that holds a pod's network ends in.
pub(crate) const HOLDER: &str = "-holder";

/// A pod as the caller wants it: containers that share one network.
#[derive(Debug, Clone)]
pub struct PodSpec {
    /// Its name.
    pub name: Name,
    /// The ports that it publishes for its containers.
    pub ports: Vec<Port>,
    /// Its network; the engine's default otherwise.
    pub network: Option<NetworkMode>,
    /// Its labels.
    pub labels: Vec<Label>,
    /// The image of the container that holds its network, which has to go on for as long as it is let. By default the
    /// host's own small one.
    pub image: Option<Reference>,
}

impl PodSpec {
    /// A pod of this name, without ports, on the engine's default network.
    #[must_use]
    pub fn new(name: Name) -> Self {
        Self { name, ports: Vec::new(), network: None, labels: Vec::new(), image: None }
    }

    /// The name of the container that holds its network.
    ///
    /// # Errors
    /// The pod's name is too long for it.
    pub(crate) fn holder(name: &Name) -> Result<Name, SpecError> {
        format!("{name}{HOLDER}").parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_after_its_pod() {
        let name = |length| "x".repeat(length).parse::<Name>().unwrap();
        assert_eq!(PodSpec::holder(&"web".parse().unwrap()).unwrap().as_str(), "web-holder");
        assert!(PodSpec::holder(&name(121)).is_ok() && PodSpec::holder(&name(122)).is_err());
    }
}
