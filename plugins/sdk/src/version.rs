//! Version numbers, as far as they can be compared.

/// The leading numbers of a version: `1.17.8-rc.1` is 1, 17, 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads the first thing in a text that looks like a version: a word that begins with two numbers and a dot.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == ',').find_map(Self::parse)
    }

    fn parse(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let mut parts = word.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let mut next = || parts.next().and_then(core::result::Result::ok);
        let (major, minor) = (next()?, next()?);
        Some(Self(major, minor, next().unwrap_or(0)))
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_and_compared() {
        let toolkit = "NVIDIA Container Toolkit CLI version 1.17.4\ncommit: 9b69590c7428470a72f2ae05f826412976af1395";
        assert_eq!(Version::find(toolkit), Some(Version(1, 17, 4)));
        assert_eq!(Version::find("20.10.24+dfsg1"), Some(Version(20, 10, 24)));
        assert_eq!(Version::find("v5.4"), Some(Version(5, 4, 0)));
        assert_eq!(Version::find("1.18.0-rc.1"), Some(Version(1, 18, 0)));
        assert_eq!(Version::find("none here"), None);
        assert!(Version(1, 17, 10) > Version(1, 17, 8));
    }
}
