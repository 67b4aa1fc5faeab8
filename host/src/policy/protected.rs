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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolvedMount {
    /// Its path.
    pub path: PathBuf,
    /// Its device and inode.
    pub inode: (u64, u64),
    /// Every folder above it, from `/` on.
    pub ancestors: Vec<Ancestor>,
    /// By which other names it, or something in it, can be reached: bind mounts have more than one.
    pub other_names: Vec<PathBuf>,
    /// The kinds of the file systems that it shows.
    pub kinds: Vec<String>,
}

impl ResolvedMount {
    /// It neither is, nor lies under, nor contains something protected.
    pub(super) fn check(&self, protected: &[Ancestor]) -> Result<(), Refusal> {
        if let Some(why) = protected_by_name(&self.path) {
            return Err(self.refused(&why));
        }
        if let Some(kind) = self.kinds.iter().find(|kind| KERNELS_OWN.contains(&kind.as_str())) {
            return Err(self.refused(&format!("it shows a file system of the kernel's own, {kind}")));
        }
        for name in &self.other_names {
            let secret = || protected.iter().find_map(|secret| relation(name, &secret.path));
            if let Some(why) = protected_by_name(name).or_else(secret) {
                let name = name.display();
                return Err(self.refused(&format!("it is also {name} by a bind mount, or shows it: {why}")));
            }
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

/// File systems through which the kernel itself is read and set.
const KERNELS_OWN: &[&str] = &[
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// Whether what is mounted somewhere may be a view of anything, as the host's root is in a container for development, or
/// the disk below the deployments of OSTree: that it can be reached there says nothing of what it is.
pub(crate) fn is_view(point: &Path) -> bool {
    let views = [Path::new("/sysroot"), Path::new("/ostree")];
    views.contains(&point) || SYSTEM.iter().any(|system| point != Path::new(system) && point.starts_with(system))
}

/// What is protected on every machine, without the links that a system may have among them.
pub(crate) const SYSTEM: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/efi",
    "/etc",
    "/host",
    "/initrd.img",
    "/initrd.img.old",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/lost+found",
    "/nix/store",
    "/nix/var",
    "/ostree",
    "/proc",
    "/rootfs",
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
    "/var/crash",
    "/var/lib",
    "/var/lock",
    "/var/log",
    "/var/mail",
    "/var/run",
    "/var/snap",
    "/var/spool",
    "/vmlinuz",
    "/vmlinuz.old",
];

/// What is protected below a user's home: keys, tokens, and what engines and shells read.
pub(crate) const BELOW_HOME: &[&str] = &[
    ".age",
    ".aliyun",
    ".asdf",
    ".authinfo",
    ".authinfo.gpg",
    ".aws",
    ".azure",
    ".bash_aliases",
    ".bash_history",
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bash_sessions",
    ".bashrc",
    ".bitcoin",
    ".boto",
    ".bun/bin",
    ".bunfig.toml",
    ".cargo/bin",
    ".cargo/config",
    ".cargo/config.toml",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".cargo/env",
    ".claude",
    ".cloudflared",
    ".codex",
    ".composer/auth.json",
    ".config/1password",
    ".config/age",
    ".config/autostart",
    ".config/bitwarden",
    ".config/chromium",
    ".config/configstore",
    ".config/containers",
    ".config/doctl",
    ".config/environment.d",
    ".config/fish",
    ".config/gcloud",
    ".config/gh",
    ".config/gh-copilot",
    ".config/git",
    ".config/github-copilot",
    ".config/google-chrome",
    ".config/helm",
    ".config/heroku",
    ".config/hub",
    ".config/keepassxc",
    ".config/linode-cli",
    ".config/mc.json",
    ".config/netlify",
    ".config/nushell",
    ".config/nvim",
    ".config/op",
    ".config/pip",
    ".config/rclone",
    ".config/scw",
    ".config/sops",
    ".config/stripe",
    ".config/systemd",
    ".config/tmux",
    ".config/vim",
    ".cshrc",
    ".curlrc",
    ".databrickscfg",
    ".dbshell",
    ".dbus",
    ".deno/bin",
    ".docker",
    ".dotnet/tools",
    ".electrum",
    ".emacs",
    ".emacs.d",
    ".ethereum",
    ".fetchmailrc",
    ".fly",
    ".forward",
    ".gdbinit",
    ".gem/bin",
    ".gem/credentials",
    ".git-credentials",
    ".gitconfig",
    ".gnupg",
    ".gradle/gradle.properties",
    ".gradle/init.d",
    ".gradle/init.gradle",
    ".hgrc",
    ".iceauthority",
    ".inputrc",
    ".irbrc",
    ".k5login",
    ".kaggle",
    ".krew",
    ".kshrc",
    ".kube",
    ".lldbinit",
    ".local/bin",
    ".local/lib",
    ".local/share/applications",
    ".local/share/containers",
    ".local/share/docker",
    ".local/share/keyrings",
    ".local/share/password-store",
    ".local/share/systemd",
    ".local/state/portreeve",
    ".login",
    ".m2/settings-security.xml",
    ".m2/settings.xml",
    ".mc",
    ".mongorc.js",
    ".mozilla",
    ".msmtprc",
    ".mutt",
    ".muttrc",
    ".my.cnf",
    ".mysql_history",
    ".netlify",
    ".netrc",
    ".nix-defexpr",
    ".nix-profile",
    ".node_repl_history",
    ".npmrc",
    ".nvm",
    ".oci",
    ".oh-my-zsh",
    ".ovh.conf",
    ".pam_environment",
    ".password-store",
    ".pgpass",
    ".pki",
    ".profile",
    ".pryrc",
    ".psql_history",
    ".pulumi",
    ".putty",
    ".pyenv",
    ".pypirc",
    ".python_history",
    ".rbenv",
    ".rclone.conf",
    ".rediscli_history",
    ".rhosts",
    ".rprofile",
    ".rustup",
    ".s3cfg",
    ".screenrc",
    ".sdkman",
    ".shosts",
    ".sops",
    ".sqlite_history",
    ".ssh",
    ".talos",
    ".tccli",
    ".tcshrc",
    ".terraform.d",
    ".terraformrc",
    ".thunderbird",
    ".tmux.conf",
    ".tsh",
    ".vault",
    ".vault-token",
    ".vault_pass",
    ".vercel",
    ".vim",
    ".vimrc",
    ".volta",
    ".vscode-server",
    ".wgetrc",
    ".wrangler",
    ".xauthority",
    ".xinitrc",
    ".xprofile",
    ".xsession",
    ".xsessionrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".zlogin",
    ".zlogout",
    ".zprofile",
    ".zsh_history",
    ".zshenv",
    ".zshrc",
    "_netrc",
    "bin",
    "go/bin",
];

/// What is protected below a home folder.
pub(crate) fn below_home(home: &Path) -> impl Iterator<Item = PathBuf> {
    BELOW_HOME.iter().map(move |name| home.join(name))
}

/// What the names of sockets end with: those of engines and of the system, wherever they lie.
const SOCKETS: &[&str] = &[".sock", ".socket", "_socket"];

/// Where programs put sockets for one another, and what the names of their folders begin with.
const PRIVATE: &[(&str, &str)] = &[("/tmp", "ssh-"), ("/tmp", "tmux-"), ("/tmp", "dbus-")];

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
    if SOCKETS.iter().any(|ending| last.ends_with(ending)) {
        return Some("it is a socket by its name, and what listens on it is outside of the container".to_owned());
    }
    if PRIVATE.iter().any(|(folder, begins)| lies_in_one_of(path, folder, begins)) {
        return Some("it lies in a folder for the sockets of somebody's programs".to_owned());
    }
    let system = SYSTEM.iter().map(PathBuf::from);
    system.chain(logins(path)).find_map(|protected| relation(path, &protected))
}

fn lies_in_one_of(path: &Path, folder: &str, begins: &str) -> bool {
    let first = path.strip_prefix(folder).ok().and_then(|rest| rest.iter().next());
    first.and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(begins))
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
        let (other_names, kinds) = (Vec::new(), vec!["ext4".to_owned()]);
        ResolvedMount { path: path.into(), inode: (1, inode), ancestors, other_names, kinds }
    }

    #[test]
    fn it_has_no_other_name_that_is_protected_and_shows_nothing_of_the_kernels() {
        let plain = mount("/srv/data", 99, &[1]);
        assert!(plain.check(&protected()).is_ok());
        for name in ["/", "/usr/bin", "/home/me/.ssh/id", "/home/me"] {
            let aliased = ResolvedMount { other_names: vec![name.into()], ..plain.clone() };
            let refused = aliased.check(&protected()).unwrap_err().to_string();
            assert!(refused.contains(&format!("it is also {name} by a bind mount")), "{refused}");
        }
        let kernel = ResolvedMount { kinds: vec!["ext4".to_owned(), "proc".to_owned()], ..plain };
        assert!(kernel.check(&protected()).is_err());
        let view = |point| is_view(Path::new(point));
        assert!(
            view("/run/host") && view("/sysroot") && !view("/") && !view("/usr") && !view("/var") && !view("/data")
        );
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
            "/srv/libpod.sock",
            "/srv/snapd.socket",
            "/srv/system_bus_socket",
            "/tmp/ssh-Xa1/agent.1",
            "/root/bin",
            "/home/me/.vimrc",
            "/rootfs/etc",
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
