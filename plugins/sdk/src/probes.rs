//! What the host saw before the call.

use crate::Probe;

/// The probes of a call, by name.
#[derive(Clone, Copy, Debug)]
pub struct Probes<'a>(pub &'a [Probe]);

impl<'a> Probes<'a> {
    /// What a probe saw, where there was anything to see.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<&'a str> {
        let probe = self.0.iter().find(|probe| probe.name == name)?;
        probe.found.then_some(probe.content.trim())
    }

    /// The value of a `key=value` word in what a probe saw.
    #[must_use]
    pub fn word(&self, name: &str, key: &str) -> Option<&'a str> {
        word(self.content(name)?, key)
    }

    /// The lines of what a probe saw; none where it saw nothing.
    pub fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.content(name).unwrap_or_default().lines()
    }

    /// A number that a probe saw.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.content(name)?.parse().ok()
    }
}

/// The value of a `key=value` word in a text.
pub(crate) fn word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_read_by_name_and_key() {
        let seen = |name: &str, found, content: &str| Probe { name: name.into(), found, content: content.into() };
        let all = [seen("user", true, "uid=1000 rootless=true\n"), seen("n", true, "0\n"), seen("gone", false, "x")];
        let probes = Probes(&all);
        assert_eq!(probes.word("user", "rootless"), Some("true"));
        assert_eq!(probes.word("user", "root"), None);
        assert_eq!(probes.number("n"), Some(0));
        assert_eq!(probes.content("gone"), None);
        assert_eq!(probes.lines("absent").count(), 0);
    }
}
