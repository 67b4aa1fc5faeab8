//! Environment variables and secrets.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{InsidePath, SpecError, is_made_of};

/// The name of an environment variable, as images use them: `[A-Za-z_][A-Za-z0-9_.-]*`. Never a wildcard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvName(String);

impl EnvName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an engine's client, its runtime or the loader would read a variable of this name itself.
    ///
    /// A secret can't travel in the client's environment under such a name.
    #[must_use]
    pub fn is_read_by_clients(&self) -> bool {
        const PREFIXES: &[&str] = &[
            "DOCKER",
            "CONTAINER",
            "LD_",
            "GO",
            "XDG_",
            "LC_",
            "BUILDAH",
            "PODMAN",
            "REGISTRY_",
            "REGISTRIES_",
            "RESOLV_",
            "STORAGE_",
            "SSL_",
            "SSH_",
            "GIT_",
            "NOTIFY_",
            "LISTEN_",
            "NETAVARK",
            "CNI_",
            "_",
            "TMP",
            "DBUS_",
            "GLIBC_",
            "MALLOC_",
            "MOBY_",
            "BUILDKIT_",
            "COMPOSE_",
            "CRUN_",
            "RUNC_",
            "NVIDIA_",
            "CDI_",
            "OTEL_",
            "PORTREEVE_",
        ];
        const NAMES: &[&str] = &[
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "SHELL",
            "TERM",
            "LANG",
            "LANGUAGE",
            "PWD",
            "TZ",
            "TZDIR",
            "GETCONF_DIR",
            "NIS_PATH",
            "HOSTNAME",
            "NO_PROXY",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "FTP_PROXY",
            "ALL_PROXY",
            "GCONV_PATH",
            "IFS",
            "ENV",
            "BASH_ENV",
            "NO_COLOR",
            "RES_OPTIONS",
            "LOCALDOMAIN",
            "HOSTALIASES",
            "NLSPATH",
            "LOCPATH",
        ];
        let upper = self.0.to_ascii_uppercase();
        NAMES.contains(&upper.as_str()) || PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
    }
}

impl FromStr for EnvName {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        const EXPECTED: &str = "letters, digits, `_`, `.` or `-`, beginning with a letter or `_`";
        let good_start = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if good_start && text.len() <= 256 && is_made_of(text, b"_.-") {
            return Ok(Self(text.to_owned()));
        }
        Err(SpecError::new("variable name", text, "it is empty, too long or holds another character", EXPECTED))
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A variable whose value is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: EnvName,
    /// Its value; no NUL in it.
    pub value: String,
}

impl FromStr for Variable {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        const EXPECTED: &str = "NAME=VALUE";
        let (name, value) =
            text.split_once('=').ok_or_else(|| SpecError::new("variable", text, "it has no value", EXPECTED))?;
        if value.contains('\0') {
            return Err(SpecError::new("variable", name, "its value holds a NUL", EXPECTED));
        }
        Ok(Self { name: name.parse()?, value: value.to_owned() })
    }
}

/// The value of a secret. It is neither printed nor compared.
#[derive(Clone)]
pub struct SecretValue(Arc<[u8]>);

impl SecretValue {
    /// Takes the bytes of a secret.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves: for the child's environment, a file in memory, the seal and the redactor.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// How a secret reaches the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretDelivery {
    /// In its environment, under the secret's name.
    Environment,
    /// As a file in memory that it may only read, at this path.
    File(InsidePath),
}

/// A secret: backends know it by its name alone.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Its name.
    pub name: EnvName,
    /// Its value.
    pub value: SecretValue,
    /// How it reaches the container.
    pub delivery: SecretDelivery,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_images_use_them_and_never_a_wildcard() {
        for good in ["A", "_x", "discovery.type", "a-b"] {
            assert!(good.parse::<EnvName>().is_ok(), "{good:?}");
        }
        for bad in ["", "KEY*", "*", "1A", "A=B", "A B", "Ä", "-x"] {
            assert!(bad.parse::<EnvName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_a_client_reads_are_known() {
        for name in [
            "DOCKER_HOST",
            "REGISTRIES_CONFIG_PATH",
            "TZDIR",
            "ld_preload",
            "PATH",
            "https_proxy",
            "CONTAINERS_CONF",
            "XDG_RUNTIME_DIR",
        ] {
            assert!(name.parse::<EnvName>().unwrap().is_read_by_clients(), "{name}");
        }
        assert!(!"HF_TOKEN".parse::<EnvName>().unwrap().is_read_by_clients());
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let value = SecretValue::new(b"hunter2".to_vec());
        assert!(!format!("{value:?}").contains("hunter2"));
    }
}
