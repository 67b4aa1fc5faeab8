//! The commands, and the words that ask for them.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Version,
    Info,
    Ps,
    Pull,
    ImageInspect,
    Images,
    Rmi,
    Save,
    Load,
    Create,
    Start,
    Stop,
    Kill,
    Rm,
    Wait,
    Inspect,
    Logs,
    VolumeCreate,
    VolumeInspect,
    VolumeLs,
    VolumeRm,
    Exec,
    Cp,
    Pause,
    Unpause,
    Top,
    Stats,
    HealthRun,
    Events,
    NetworkCreate,
    NetworkInspect,
    NetworkLs,
    NetworkRm,
    NetworkConnect,
    PodCreate,
    PodInspect,
    PodLs,
    PodRm,
    ContextLs,
}

/// Each command's name, as the file `faults` has it.
pub(crate) const NAMES: [&str; 39] = [
    "version",
    "info",
    "ps",
    "pull",
    "image-inspect",
    "images",
    "rmi",
    "save",
    "load",
    "create",
    "start",
    "stop",
    "kill",
    "rm",
    "wait",
    "inspect",
    "logs",
    "volume-create",
    "volume-inspect",
    "volume-ls",
    "volume-rm",
    "exec",
    "cp",
    "pause",
    "unpause",
    "top",
    "stats",
    "health-run",
    "events",
    "network-create",
    "network-inspect",
    "network-ls",
    "network-rm",
    "network-connect",
    "pod-create",
    "pod-inspect",
    "pod-ls",
    "pod-rm",
    "context-ls",
];

const VERBS: [Verb; 39] = [
    Verb::Version,
    Verb::Info,
    Verb::Ps,
    Verb::Pull,
    Verb::ImageInspect,
    Verb::Images,
    Verb::Rmi,
    Verb::Save,
    Verb::Load,
    Verb::Create,
    Verb::Start,
    Verb::Stop,
    Verb::Kill,
    Verb::Rm,
    Verb::Wait,
    Verb::Inspect,
    Verb::Logs,
    Verb::VolumeCreate,
    Verb::VolumeInspect,
    Verb::VolumeLs,
    Verb::VolumeRm,
    Verb::Exec,
    Verb::Cp,
    Verb::Pause,
    Verb::Unpause,
    Verb::Top,
    Verb::Stats,
    Verb::HealthRun,
    Verb::Events,
    Verb::NetworkCreate,
    Verb::NetworkInspect,
    Verb::NetworkLs,
    Verb::NetworkRm,
    Verb::NetworkConnect,
    Verb::PodCreate,
    Verb::PodInspect,
    Verb::PodLs,
    Verb::PodRm,
    Verb::ContextLs,
];

impl Verb {
    pub(crate) fn name(self) -> &'static str {
        NAMES.get(self as usize).copied().unwrap_or_default()
    }

    /// Whether Podman alone has it.
    pub(crate) fn is_podmans(self) -> bool {
        matches!(self, Self::PodCreate | Self::PodInspect | Self::PodLs | Self::PodRm)
    }

    /// Whether Docker alone has it.
    pub(crate) fn is_dockers(self) -> bool {
        self == Self::ContextLs
    }

    /// The words of `--help` hints: `image inspect`.
    pub(crate) fn spoken(self) -> &'static str {
        match self {
            Self::ImageInspect => "image inspect",
            Self::Inspect => "container inspect",
            Self::VolumeCreate => "volume create",
            Self::VolumeInspect => "volume inspect",
            Self::VolumeLs => "volume ls",
            Self::VolumeRm => "volume rm",
            Self::HealthRun => "healthcheck run",
            Self::NetworkCreate => "network create",
            Self::NetworkInspect => "network inspect",
            Self::NetworkLs => "network ls",
            Self::NetworkRm => "network rm",
            Self::NetworkConnect => "network connect",
            Self::PodCreate => "pod create",
            Self::PodInspect => "pod inspect",
            Self::PodLs => "pod ls",
            Self::PodRm => "pod rm",
            Self::ContextLs => "context ls",
            other => other.name(),
        }
    }

    /// The command that words ask for, and how many of them; `Err` is the word that is none.
    pub(crate) fn find(words: &[String]) -> Result<(Self, usize), String> {
        let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
        let (name, count) = match (word(0), word(1)) {
            ("image", "inspect") => ("image-inspect", 2),
            ("image", "ls" | "list") => ("images", 2),
            ("image", "rm" | "remove") => ("rmi", 2),
            ("image", name @ ("pull" | "save" | "load")) => (name, 2),
            ("volume", "create") => ("volume-create", 2),
            ("volume", "inspect") => ("volume-inspect", 2),
            ("volume", "ls" | "list") => ("volume-ls", 2),
            ("volume", "rm" | "remove") => ("volume-rm", 2),
            ("network", "create") => ("network-create", 2),
            ("network", "inspect") => ("network-inspect", 2),
            ("network", "ls" | "list") => ("network-ls", 2),
            ("network", "rm" | "remove") => ("network-rm", 2),
            ("network", "connect") => ("network-connect", 2),
            ("pod", "create") => ("pod-create", 2),
            ("pod", "inspect") => ("pod-inspect", 2),
            ("pod", "ls" | "list" | "ps") => ("pod-ls", 2),
            ("pod", "rm") => ("pod-rm", 2),
            ("context", "ls" | "list") => ("context-ls", 2),
            ("container", "ls" | "list") => ("ps", 2),
            ("healthcheck", "run") => ("health-run", 2),
            ("container", name) => (name, 2),
            // It is the container that plain `inspect` looks for first.
            (name, _) => (name, 1),
        };
        let found = VERBS.into_iter().find(|verb| verb.name() == name);
        found.map(|verb| (verb, count)).ok_or_else(|| word(count - 1).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(words: &[&str]) -> Result<(Verb, usize), String> {
        Verb::find(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn each_command_has_its_words() {
        assert_eq!(find(&["ps", "--all"]), Ok((Verb::Ps, 1)));
        assert_eq!(find(&["container", "inspect", "x"]), Ok((Verb::Inspect, 2)));
        assert_eq!(find(&["image", "rm"]), Ok((Verb::Rmi, 2)));
        assert_eq!(find(&["container", "logs"]), Ok((Verb::Logs, 2)));
        assert_eq!(find(&["container", "exec"]), Ok((Verb::Exec, 2)));
        assert_eq!(find(&["volume", "remove", "x"]), Ok((Verb::VolumeRm, 2)));
    }

    #[test]
    fn others_are_none() {
        assert_eq!(find(&["commit", "x"]), Err("commit".to_owned()));
        assert_eq!(find(&["image", "prune"]), Err("image".to_owned()));
        assert_eq!(find(&["volume", "prune"]), Err("volume".to_owned()));
        assert_eq!(find(&["network", "disconnect"]), Err("network".to_owned()));
        assert_eq!(find(&[]), Err(String::new()));
    }

    #[test]
    fn names_and_commands_stand_in_one_order() {
        assert!(VERBS.iter().zip(NAMES).all(|(verb, name)| verb.name() == name));
        assert_eq!((Verb::Create.name(), Verb::Logs.name()), ("create", "logs"));
    }
}
