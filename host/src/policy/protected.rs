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
        if let Some(why) = protected_by_name(&self.path) {
            return Err(self.refused(&why));
        }
        for secret in protected {
            if self.inode == secret.inode || self.lies_under(secret) {
                return Err(self.refused(&format!("it lies in {}, which is protected", secret.path.display())));
            }
            relation(&self.path, &secret.path).map_or(Ok(()), |why| Err(self.refused(&why)))?;
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
    "/efi",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/nix/var",
    "/ostree",
    "/proc",
    "/run",
    "/sbin",
    "/snap",
    "/swap.img",
    "/swapfile",
    "/sys",
    "/sysroot",
    "/tmp/.ICE-unix",
    "/tmp/.X11-unix",
    "/usr",
    "/var/backups",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/mail",
    "/var/run",
    "/var/snap",
    "/var/spool",
];

/// What is protected below a user's home: keys, tokens, and what engines and shells read.
pub(crate) const BELOW_HOME: &[&str] = &[
    ".aws",
    ".azure",
    ".bash_aliases",
    ".bash_history",
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".boto",
    ".cargo/bin",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".claude",
    ".cloudflared",
    ".composer/auth.json",
    ".config/age",
    ".config/autostart",
    ".config/bitwarden",
    ".config/chromium",
    ".config/containers",
    ".config/doctl",
    ".config/environment.d",
    ".config/fish",
    ".config/gcloud",
    ".config/gh",
    ".config/git",
    ".config/google-chrome",
    ".config/helm",
    ".config/hub",
    ".config/op",
    ".config/rclone",
    ".config/sops",
    ".config/systemd",
    ".docker",
    ".emacs",
    ".emacs.d",
    ".fly",
    ".gem/credentials",
    ".git-credentials",
    ".gitconfig",
    ".gnupg",
    ".gradle/gradle.properties",
    ".inputrc",
    ".kube",
    ".local/bin",
    ".local/share/containers",
    ".local/share/keyrings",
    ".local/share/password-store",
    ".local/share/systemd",
    ".local/state/portreeve",
    ".m2/settings-security.xml",
    ".m2/settings.xml",
    ".mozilla",
    ".my.cnf",
    ".mysql_history",
    ".netrc",
    ".node_repl_history",
    ".npmrc",
    ".oci",
    ".pam_environment",
    ".password-store",
    ".pgpass",
    ".profile",
    ".psql_history",
    ".pypirc",
    ".python_history",
    ".rclone.conf",
    ".s3cfg",
    ".ssh",
    ".terraform.d",
    ".terraformrc",
    ".thunderbird",
    ".vault-token",
    ".vault_pass",
    ".vscode-server",
    ".xauthority",
    ".xinitrc",
    ".xprofile",
    ".xsession",
    ".zlogin",
    ".zprofile",
    ".zsh_history",
    ".zshenv",
    ".zshrc",
    "_netrc",
];

/// What is protected below a home folder.
pub(crate) fn below_home(home: &Path) -> impl Iterator<Item = PathBuf> {
    BELOW_HOME.iter().map(move |name| home.join(name))
}

/// The sockets of engines, wherever they lie.
const SOCKETS: &[&str] = &[
    "docker.sock",
    "docker.proxy.sock",
    "podman.sock",
    "containerd.sock",
    "crio.sock",
    "buildkitd.sock",
    "unix.socket",
];

/// Where systems have the home folders of their users, in small letters.
const HOMES: &[&str] = &["/home", "/var/home", "/export/home", "/users"];

/// Why a path can't be mounted under any policy, by its name alone: the whole file system, the system's folders, the
/// keys and logins of any user, an engine's socket. Case does not count, for some file systems don't have it.
pub(crate) fn protected_by_name(path: &Path) -> Option<String> {
    let lower = path.to_string_lossy().to_ascii_lowercase();
    let path = Path::new(&lower);
    if path == Path::new("/") {
        return Some("it is the whole file system".to_owned());
    }
    let last = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if SOCKETS.contains(&last) {
        return Some("it is an engine's own socket".to_owned());
    }
    let system = SYSTEM.iter().map(PathBuf::from);
    system.chain(logins(path)).find_map(|protected| relation(path, &protected))
}

/// What is protected in the home folders that a path could have to do with.
fn logins(path: &Path) -> impl Iterator<Item = PathBuf> {
    let own = HOMES.iter().filter_map(|homes| Some((Path::new(homes), path.strip_prefix(homes).ok()?))).map(
        |(homes, rest)| {
            let user = rest.iter().next().unwrap_or_else(|| "user".as_ref());
            homes.join(user)
        },
    );
    own.chain([PathBuf::from("/root")]).flat_map(|home| below_home(&home).collect::<Vec<_>>())
}

/// How a path has to do with a protected one, if it has.
pub(super) fn relation(path: &Path, protected: &Path) -> Option<String> {
    if path.starts_with(protected) {
        return Some(format!("it lies in {}, which is protected", protected.display()));
    }
    protected.starts_with(path).then(|| format!("it contains {}, which is protected", protected.display()))
}

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
    fn what_no_policy_lets_through_is_known_by_its_name() {
        for path in [
            "/",
            "/ETC/shadow",
            "/proc/self/root/srv",
            "/run/podman/podman.sock",
            "/srv/x/docker.sock",
            "/home",
            "/home/anybody",
            "/home/anybody/.SSH/id_ed25519",
            "/root/.docker/config.json",
            "/var",
            "/tmp",
            "/swapfile",
            "/var/home/me/.ssh",
            "/export/home/me/.ssh/id_ed25519",
            "/Users/me/.ssh",
            "/home/me/.local/share/systemd/user",
            "/home/me/.Xauthority",
            "/var/snap/lxd/common/lxd/unix.socket",
            "/nix/var/nix/daemon-socket/socket",
            "/sysroot/ostree/deploy",
            "/ostree/deploy/os/deploy/x/etc",
        ] {
            assert!(protected_by_name(Path::new(path)).is_some(), "{path}");
        }
        for path in [
            "/srv/data",
            "/home/me/models",
            "/etcetera",
            "/home/me/.sshx",
            "/var/tmp/x",
            "/mnt/home/me",
            "/root/x",
            "/home/me/.cache/huggingface",
            "/mnt",
            "/opt",
        ] {
            assert_eq!(protected_by_name(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_bind_mount_of_it_is_known_by_its_inode() {
        assert!(mount("/srv/other-name", 7, &[1]).check(&protected()).is_err());
        assert!(mount("/srv/other-name/id", 99, &[1, 7]).check(&protected()).is_err());
    }
}
