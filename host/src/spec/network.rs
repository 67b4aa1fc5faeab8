//! Networks that a caller wants.

use super::{Label, Name, NetworkMode, SpecError};

/// A network as the caller wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: NetworkName,
    /// It has no way out of the machine.
    pub internal: bool,
    /// Its labels.
    pub labels: Vec<Label>,
}

impl NetworkSpec {
    /// A network of this name, with a way out and without labels.
    #[must_use]
    pub fn new(name: NetworkName) -> Self {
        Self { name, internal: false, labels: Vec::new() }
    }

    /// Checks what no single part can know: a label twice.
    ///
    /// # Errors
    /// Says which.
    pub fn check(&self) -> Result<(), SpecError> {
        super::container::twice(self.labels.iter().map(Label::key), "label", "a key once")
    }
}

/// The name of a network: a [`Name`] that no engine reads as a mode (`host`, `none`, `bridge`, `private` …) or has a
/// network of its own by (`podman`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetworkName(Name);

impl NetworkName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::str::FromStr for NetworkName {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text.parse()? {
            NetworkMode::Named(name) => Ok(Self(name)),
            _ => Err(SpecError::new("network", text, "it is a word of the engines", "the name of a network")),
        }
    }
}

impl std::fmt::Display for NetworkName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_no_name() {
        for good in ["backend", "a.b-c_d", "own"] {
            assert_eq!(good.parse::<NetworkName>().unwrap().as_str(), good);
        }
        for bad in
            ["", "host", "none", "bridge", "private", "default", "container", "podman", "container:x", "-a", "a/b"]
        {
            assert!(bad.parse::<NetworkName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_label_stands_there_once() {
        let mut spec = NetworkSpec::new("n".parse().unwrap());
        spec.labels = vec!["a=1".parse().unwrap(), "b=1".parse().unwrap()];
        assert!(spec.check().is_ok());
        spec.labels.push("a=2".parse().unwrap());
        assert!(spec.check().is_err());
    }
}
