//! Paths that no container gets to see: by name, and by device and inode too.

use std::path::{Path, PathBuf};

use crate::error::{Refusal, Rule};

/// A folder on the way to something, or something itself: what a rename or a bind mount can't hide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its path without links.
    pub path: PathBuf,
    /// Its device and inode.
    pub inode: (u64, u64),
}

/// A mount's source, resolved by the host: no link is left in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedMount {
    /// Its path.
    pub path: PathBuf,
    /// Its device and inode.
    pub inode: (u64, u64),
    /// Every folder above it, from `/` on.
    pub ancestors: Vec<Ancestor>,
}

impl ResolvedMount {
    /// It neither is, nor lies under, nor contains something protected.
    pub(super) fn check(&self, protected: &[Ancestor]) -> Result<(), Refusal> {
        if self.path == Path::new("/") {
            return Err(self.refused("it is the whole file system"));
        }
        for secret in protected {
            if self.path.starts_with(&secret.path) || self.inode == secret.inode || self.lies_under(secret) {
                return Err(self.refused(&format!("it lies in {}, which is protected", secret.path.display())));
            }
            if secret.path.starts_with(&self.path) {
                return Err(self.refused(&format!("it contains {}, which is protected", secret.path.display())));
            }
        }
        Ok(())
    }

    fn lies_under(&self, secret: &Ancestor) -> bool {
        self.ancestors.iter().any(|ancestor| ancestor.inode == secret.inode)
    }

    fn refused(&self, why: &str) -> Refusal {
        Refusal::new(Rule::Policy, format!("this can't be mounted: {why}"))
            .slot("mount.bind")
            .value(&self.path.to_string_lossy())
            .remedy("mount a folder that holds only what the container needs")
    }
}

/// What is protected on every machine, without the links that a system may have among them.
pub(crate) const SYSTEM: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/backups",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/mail",
    "/var/run",
    "/var/spool",
];

/// What is protected below a user's home: keys, tokens, and what engines and shells read.
pub(crate) const BELOW_HOME: &[&str] = &[
    ".aws",
    ".azure",
    ".bash_history",
    ".bashrc",
    ".cargo/credentials.toml",
    ".config/containers",
    ".config/gcloud",
    ".config/gh",
    ".config/git",
    ".config/systemd",
    ".docker",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".local/share/containers",
    ".local/share/keyrings",
    ".netrc",
    ".npmrc",
    ".password-store",
    ".pgpass",
    ".profile",
    ".pypirc",
    ".ssh",
    ".zshrc",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn protected() -> Vec<Ancestor> {
        vec![Ancestor { path: "/home/me/.ssh".into(), inode: (1, 7) }, Ancestor { path: "/etc".into(), inode: (1, 8) }]
    }

    fn mount(path: &str, inode: u64, above: &[u64]) -> ResolvedMount {
        let ancestors = above.iter().map(|inode| Ancestor { path: "/x".into(), inode: (1, *inode) }).collect();
        ResolvedMount { path: path.into(), inode: (1, inode), ancestors }
    }

    #[test]
    fn neither_it_nor_what_is_in_it_nor_what_contains_it() {
        for path in ["/", "/etc", "/etc/passwd", "/home/me/.ssh/id", "/home/me", "/home"] {
            assert!(mount(path, 99, &[1]).check(&protected()).is_err(), "{path}");
        }
        for path in ["/srv/data", "/home/me/models", "/etcetera", "/home/me/.sshx"] {
            assert!(mount(path, 99, &[1]).check(&protected()).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_bind_mount_of_it_is_known_by_its_inode() {
        assert!(mount("/srv/other-name", 7, &[1]).check(&protected()).is_err());
        assert!(mount("/srv/other-name/id", 99, &[1, 7]).check(&protected()).is_err());
    }
}
