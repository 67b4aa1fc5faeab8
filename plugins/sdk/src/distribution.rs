//! Which family of distributions this machine runs, so that a remedy is a command that works here.

use crate::Probes;

/// How packages are installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Debian, Ubuntu and what is made of them.
    Debian,
    /// Fedora, RHEL and what is made of them.
    Fedora,
    /// SUSE and openSUSE.
    Suse,
    /// Arch and what is made of it.
    Arch,
    /// Any other, or one that is not known.
    Other,
}

/// What something is called in each family's packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Of Debian and Ubuntu.
    pub apt: &'static str,
    /// Of Fedora.
    pub dnf: &'static str,
    /// Of SUSE.
    pub zypper: &'static str,
    /// Of Arch.
    pub pacman: &'static str,
}

impl Package {
    /// One that is called the same everywhere.
    #[must_use]
    pub const fn same(name: &'static str) -> Self {
        Self { apt: name, dnf: name, zypper: name, pacman: name }
    }
}

/// The probe of `/etc/os-release`.
const PROBE: &str = "os-release";

impl Family {
    /// By `ID`, and then by `ID_LIKE`, of os-release(5).
    #[must_use]
    pub fn of(probes: Probes<'_>) -> Self {
        let value = |key: &str| {
            let values = probes.lines(PROBE).filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            values.map(|value| value.trim_matches(['"', '\''])).next().unwrap_or_default()
        };
        let words = value("ID").split_whitespace().chain(value("ID_LIKE").split_whitespace());
        words.map(Self::named).find(|family| *family != Self::Other).unwrap_or(Self::Other)
    }

    fn named(word: &str) -> Self {
        match word {
            "debian" | "ubuntu" | "raspbian" | "linuxmint" | "pop" => Self::Debian,
            "fedora" | "rhel" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" => Self::Fedora,
            "suse" | "opensuse" | "sles" | "opensuse-leap" | "opensuse-tumbleweed" => Self::Suse,
            "arch" | "archlinux" | "manjaro" | "endeavouros" => Self::Arch,
            _ => Self::Other,
        }
    }

    /// The command that installs a package here; where the family is not known, those of the two most common.
    #[must_use]
    pub fn install(self, package: Package) -> String {
        let Package { apt, dnf, zypper, pacman } = package;
        match self {
            Self::Debian => format!("sudo apt-get install -y {apt}"),
            Self::Fedora => format!("sudo dnf install -y {dnf}"),
            Self::Suse => format!("sudo zypper install -y {zypper}"),
            Self::Arch => format!("sudo pacman -S --noconfirm {pacman}"),
            Self::Other => format!("sudo apt-get install -y {apt}  # Fedora: sudo dnf install -y {dnf}"),
        }
    }

    /// The command that brings a package to its newest version here.
    #[must_use]
    pub fn upgrade(self, package: Package) -> String {
        let Package { apt, dnf, zypper, pacman } = package;
        match self {
            Self::Debian => format!("sudo apt-get update && sudo apt-get install --only-upgrade -y {apt}"),
            Self::Fedora => format!("sudo dnf upgrade -y {dnf}"),
            Self::Suse => format!("sudo zypper update -y {zypper}"),
            Self::Arch => format!("sudo pacman -Syu --noconfirm {pacman}"),
            Self::Other => format!("sudo apt-get install --only-upgrade -y {apt}  # Fedora: sudo dnf upgrade -y {dnf}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Probe;

    fn family(text: &str) -> Family {
        let probes = [Probe { name: PROBE.into(), found: true, content: text.into() }];
        Family::of(Probes(&probes))
    }

    #[test]
    fn a_family_is_known_by_its_own_name_or_its_relatives() {
        for (text, expected) in [
            ("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", Family::Debian),
            ("ID=neon\nID_LIKE=\"ubuntu debian\"\n", Family::Debian),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Family::Fedora),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", Family::Suse),
            ("ID=arch\n", Family::Arch),
            ("ID=nixos\n", Family::Other),
            ("", Family::Other),
        ] {
            assert_eq!(family(text), expected, "{text}");
        }
        assert_eq!(Family::of(Probes(&[])), Family::Other);
    }

    #[test]
    fn a_remedy_is_this_familys() {
        let package = Package { apt: "docker.io", dnf: "moby-engine", zypper: "docker", pacman: "docker" };
        for (family, expected) in [
            (Family::Debian, "sudo apt-get install -y docker.io"),
            (Family::Fedora, "sudo dnf install -y moby-engine"),
            (Family::Suse, "sudo zypper install -y docker"),
            (Family::Arch, "sudo pacman -S --noconfirm docker"),
            (Family::Other, "sudo apt-get install -y docker.io  # Fedora: sudo dnf install -y moby-engine"),
        ] {
            assert_eq!(family.install(package), expected);
        }
    }
}
