//! Platforms, and how engines choose one from an index.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The platform an image runs on: `os/architecture` or `os/architecture/variant`, in Go's names.
///
/// Kept as written; comparisons go through [`rank`](Self::rank), which knows the aliases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// A platform that is not `os/architecture` or `os/architecture/variant`, each 1 to 64 of `a-z A-Z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a platform: write it like linux/amd64 or linux/arm/v7")]
pub struct PlatformError {
    found: String,
}

impl Platform {
    /// A platform from its parts.
    ///
    /// # Errors
    /// [`PlatformError`] when a part is empty, too long, or has a character that is not allowed.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Result<Self, PlatformError> {
        let variant = variant.filter(|variant| !variant.is_empty());
        if [Some(os), Some(architecture), variant].into_iter().flatten().all(is_word) {
            let variant = variant.map(str::to_owned);
            return Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant });
        }
        let found: String = format!("{os}/{architecture}").chars().take(80).collect();
        Err(PlatformError { found })
    }

    /// The platform of Linux containers on the machine this program was built for.
    #[must_use]
    pub fn current() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", None),
            "arm" if cfg!(target_feature = "v7") => ("arm", Some("v7")),
            "arm" => ("arm", Some("v6")),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", None),
            "powerpc64" => ("ppc64", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        let variant = variant.map(str::to_owned);
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant }
    }

    /// The operating system.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The architecture.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The variant of the architecture, as written.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// How well `offered` serves where `self` is wanted: 0 is exact, more is worse, `None` not at all.
    ///
    /// A lower variant of the same architecture serves (`arm/v6` on `arm/v7`), a higher one does not.
    #[must_use]
    pub fn rank(&self, offered: &Self) -> Option<u32> {
        if !self.is_same_machine(offered) {
            return None;
        }
        let (wanted, offered) = (self.canonical().1, offered.canonical().1);
        if wanted == offered {
            return Some(0);
        }
        version(wanted?)?.checked_sub(version(offered?)?)
    }

    /// Whether operating system and architecture are the same, whatever the variant.
    #[must_use]
    pub fn is_same_machine(&self, other: &Self) -> bool {
        self.os == other.os && self.canonical().0 == other.canonical().0
    }

    /// Architecture and variant with aliases resolved and the default variant spelled out.
    fn canonical(&self) -> (&str, Option<&str>) {
        match (self.architecture.as_str(), self.variant()) {
            ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant.or(Some("v1"))),
            ("aarch64" | "arm64", variant) => ("arm64", variant.map(with_v).or(Some("v8"))),
            ("armhf", _) => ("arm", Some("v7")),
            ("armel", _) => ("arm", Some("v6")),
            ("arm", variant) => ("arm", variant.map(with_v).or(Some("v7"))),
            ("i386", variant) => ("386", variant),
            other => other,
        }
    }
}

/// Some tools write an ARM variant without its letter.
fn with_v(variant: &str) -> &str {
    match variant {
        "5" => "v5",
        "6" => "v6",
        "7" => "v7",
        "8" => "v8",
        other => other,
    }
}

fn version(variant: &str) -> Option<u32> {
    variant.strip_prefix('v')?.parse().ok()
}

fn is_word(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(is_allowed)
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        match parts.as_slice() {
            [os, architecture] => Self::new(os, architecture, None),
            [os, architecture, variant] if !variant.is_empty() => Self::new(os, architecture, Some(variant)),
            _ => Err(PlatformError { found: text.chars().take(80).collect() }),
        }
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(wanted: &str, offered: &str) -> Option<u32> {
        wanted.parse::<Platform>().unwrap().rank(&offered.parse().unwrap())
    }

    #[test]
    fn lower_variants_serve_and_higher_do_not() {
        assert_eq!(rank("linux/arm/v7", "linux/arm/v7"), Some(0));
        assert_eq!(rank("linux/arm/v7", "linux/arm/v6"), Some(1));
        assert_eq!(rank("linux/arm/v6", "linux/arm/v7"), None);
        assert_eq!(rank("linux/amd64", "linux/amd64/v3"), None);
        assert_eq!(rank("linux/amd64/v3", "linux/amd64"), Some(2));
    }

    #[test]
    fn aliases_are_the_same() {
        assert_eq!(rank("linux/arm64", "linux/arm64/v8"), Some(0));
        assert_eq!(rank("linux/arm", "linux/arm/7"), Some(0));
        assert_eq!(rank("linux/x86_64", "linux/amd64"), Some(0));
        assert_eq!(rank("linux/amd64", "linux/arm64"), None);
        assert_eq!(rank("linux/amd64", "windows/amd64"), None);
        assert_eq!(rank("linux/s390x", "linux/s390x"), Some(0));
    }

    #[test]
    fn only_platforms_are_read() {
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/", "linux/arm/v7/x", "li nux/arm", "linux/é"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
        assert_eq!("linux/arm/v7".parse::<Platform>().unwrap().to_string(), "linux/arm/v7");
        assert_eq!(Platform::current().rank(&Platform::current()), Some(0));
    }
}
