//! Tokens that an operator should think twice about: shown at approval, and never approved unseen.

use super::command::Effect;
use super::slot::Slot;
use super::template::{Element, Template};

/// A fixed part of a template that widens what a container or the engine may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    /// The token, slots in angle brackets.
    pub token: String,
    /// The token as the file writes it; an option and its value in two words as one, with `=`.
    pub written: String,
    /// What it does.
    pub why: &'static str,
}

/// How a token is compared with a row's text.
#[derive(Clone, Copy)]
enum How {
    /// The option itself, alone or with any value.
    Option,
    /// The beginning of the token, value and all.
    Start,
    /// Somewhere in the token.
    Within,
    /// The option, alone or with any value but this one.
    Except(&'static str),
    /// The letter of a short option, with others or with its value in one word.
    Together,
    /// The option with a wildcard in its value.
    Wild,
}

use How::{Except, Option as Opt, Start, Together, Wild, Within};

/// The shipped list; add to it, never take away.
const LIST: &[(How, &str, &str)] = &[
    (Opt, "--privileged", "the container gets all devices and capabilities of the host"),
    (Start, "--pid=host", "the container sees the host's processes"),
    (Start, "--pid=container:", "the container sees another container's processes"),
    (Start, "--pid=ns:", "the container joins a namespace by its path"),
    (Start, "--network=host", "the container has the host's network"),
    (Start, "--net=host", "the container has the host's network"),
    (Start, "--network=container:", "the container shares another container's network"),
    (Start, "--network=ns:", "the container joins a namespace by its path"),
    (Start, "--net=container:", "the container shares another container's network"),
    (Start, "--net=ns:", "the container joins a namespace by its path"),
    (Start, "--ipc=ns:", "the container joins a namespace by its path"),
    (Start, "--uts=ns:", "the container joins a namespace by its path"),
    (Start, "--uts=container:", "the container shares another container's host name"),
    (Start, "--cgroupns=ns:", "the container joins a namespace by its path"),
    (Start, "--cgroupns=container:", "the container shares another container's cgroups"),
    (Start, "--userns=host", "root in the container is root of the host"),
    (Start, "--ipc=host", "the container shares the host's memory segments"),
    (Start, "--ipc=container:", "the container shares another container's memory segments"),
    (Start, "--uts=host", "the container can change the host's name"),
    (Start, "--cgroupns=host", "the container sees the host's cgroups"),
    (Opt, "--cap-add", "capabilities are added"),
    (Opt, "--device", "devices of the host are handed in"),
    (Start, "--device-", "devices of the host are opened or their limits changed"),
    (Start, "--blkio-weight-device", "limits of the host's devices"),
    (Start, "--gpus=all", "every GPU is handed in"),
    (Opt, "--publish-all", "ports that nobody asked for are published"),
    (Opt, "-P", "ports that nobody asked for are published"),
    (Together, "-P", "ports that nobody asked for are published"),
    (Opt, "-v", "a mount in a form whose parts can be confused"),
    (Opt, "--volume", "a mount in a form whose parts can be confused"),
    (Together, "-v", "a mount in a form whose parts can be confused"),
    (Opt, "--volumes-from", "the mounts of another container"),
    (Opt, "--volume-driver", "a driver mounts what it likes"),
    (Opt, "--chrootdirs", "folders of the host are written"),
    (Within, "source=/", "a fixed path of the host is mounted"),
    (Within, "src=/", "a fixed path of the host is mounted"),
    (Within, "volume-opt=", "a driver's options mount what they like"),
    (Within, "type=glob", "paths of the host are mounted by a pattern"),
    (Within, "bind-propagation=", "mounts travel between host and container"),
    (Within, "docker.sock", "the engine's own socket"),
    (Within, "podman.sock", "the engine's own socket"),
    (Within, "containerd.sock", "an engine's socket"),
    (Within, "crio.sock", "an engine's socket"),
    (Opt, "--use-api-socket", "the engine's own socket"),
    (Within, "unconfined", "a confinement is switched off"),
    (Within, "label=disable", "SELinux is switched off"),
    (Within, "label:disable", "SELinux is switched off"),
    (Within, "no-new-privileges:false", "programs may gain privileges"),
    (Within, "no-new-privileges=false", "programs may gain privileges"),
    (Within, "seccomp=", "another filter of system calls"),
    (Within, "apparmor=", "another confinement"),
    (Within, "systempaths=", "hidden parts of /proc are shown"),
    (Opt, "--seccomp-policy", "the image chooses the filter of system calls"),
    (Within, "label=type:", "another SELinux type"),
    (Within, "unmask=", "hidden parts of /proc are shown"),
    (Within, "proc-opts=", "other options for /proc"),
    (Opt, "--env-host", "the host's environment enters the container"),
    (Opt, "--env-file", "a file of the host enters the container's environment"),
    (Opt, "--label-file", "a file of the host is read"),
    (Except("false"), "--http-proxy", "the host's proxies enter the container's environment"),
    (Wild, "--env", "the host's environment enters the container"),
    (Wild, "-e", "the host's environment enters the container"),
    (Opt, "--cidfile", "a file of the host is written"),
    (Opt, "--pidfile", "a file of the host is written"),
    (Opt, "--conmon-pidfile", "a file of the host is written"),
    (Opt, "--iidfile", "a file of the host is written"),
    (Opt, "--log-driver", "logs go elsewhere"),
    (Opt, "--log-opt", "logs go elsewhere"),
    (Opt, "--health-log-destination", "files of the host are written"),
    (Opt, "--hosts-file", "a file of the host is read"),
    (Opt, "--add-host", "names resolve elsewhere"),
    (Opt, "--dns", "names resolve elsewhere"),
    (Opt, "--sysctl", "kernel parameters"),
    (Opt, "--cgroup-conf", "raw writes to cgroups"),
    (Opt, "--cgroup-parent", "another place among the cgroups"),
    (Opt, "--cgroups", "the container's limits are switched off"),
    (Opt, "--oom-kill-disable", "the container survives others"),
    (Opt, "--oom-score-adj", "the container survives others"),
    (Opt, "--annotation", "the OCI runtime takes orders from annotations"),
    (Opt, "--secret", "a secret of the engine's own store"),
    (Opt, "--rootfs", "any folder of the host as image"),
    (Opt, "--init-path", "a program of the host in the container"),
    (Opt, "--userns", "other user IDs"),
    (Opt, "--gidmap", "other user IDs"),
    (Opt, "--uidmap", "other user IDs"),
    (Opt, "--group-add", "groups of the host"),
    (Except("never"), "--pull", "another image than the one that was verified"),
    (Opt, "--replace", "another container is removed"),
    (Opt, "--root", "another storage: other images"),
    (Opt, "--runroot", "another storage"),
    (Opt, "--imagestore", "another storage: other images"),
    (Opt, "--storage-driver", "another storage"),
    (Opt, "--storage-opt", "another storage"),
    (Start, "--runtime=/", "an OCI runtime by its path"),
    (Opt, "--runtime-flag", "orders to the OCI runtime"),
    (Opt, "--conmon", "a program of the host by its path"),
    (Opt, "--hooks-dir", "programs of the host run as hooks"),
    (Opt, "--cdi-spec-dir", "mounts and hooks under a device's name"),
    (Opt, "--network-cmd-path", "a program of the host by its path"),
    (Opt, "--network-config-dir", "other networks"),
    (Opt, "--module", "another configuration"),
    (Opt, "--config", "another configuration: credential helpers and plugins run"),
    (Opt, "--signature-policy", "another policy of signatures"),
    (Opt, "--authfile", "other credentials"),
    (Opt, "--creds", "credentials on the command line"),
    (Opt, "--cert-dir", "other certificates"),
    (Except("true"), "--tls-verify", "registries are not authenticated"),
    (Opt, "--tmpdir", "another place for the engine's files"),
    (Opt, "--volumepath", "another storage"),
    (Opt, "--url", "another engine"),
    (Opt, "--remote", "another engine"),
    (Opt, "--connection", "another engine"),
    (Opt, "--identity", "a key of the host's"),
    (Opt, "--ssh", "another engine"),
    (Opt, "--context", "another engine"),
    (Opt, "--host", "another engine"),
    (Opt, "-H", "another engine"),
    (Opt, "-c", "another engine"),
    (Opt, "--tlscacert", "another engine"),
    (Opt, "--all", "every object, whoever owns it"),
    (Opt, "-a", "every object, whoever owns it"),
    (Opt, "--output", "a file of the host is written"),
    (Opt, "-o", "a file of the host is written"),
    (Opt, "--detach-keys", "keys that leave a terminal"),
    (Opt, "--preserve-fds", "open files of the host"),
    (Opt, "--preserve-fd", "open files of the host"),
    (Opt, "--pod-id-file", "a file of the host is read or written"),
];

/// The options that widen a command to every object. Looking at all is no danger.
const ALL: [&str; 2] = ["--all", "-a"];

pub(super) fn of_command(template: &Template, effect: Effect) -> Vec<Danger> {
    let elements = &template.elements;
    let pairs = elements.iter().zip(elements.iter().skip(1).map(Some).chain([None]));
    let reads_all = |element: &Element| effect == Effect::Read && ALL.contains(&element.text.as_str());
    pairs
        .skip(1)
        .filter(|(element, _)| !reads_all(element))
        .filter_map(|(element, next)| of_element(element, next))
        .collect()
}

fn of_element(element: &Element, next: Option<&Element>) -> Option<Danger> {
    if is_bounded(element) {
        return None;
    }
    let alone = element.fixed_start();
    let whole = with_value(element, next);
    let (_, _, why) = LIST
        .iter()
        .find(|(how, text, _)| fits(*how, text, alone) || whole.as_ref().is_some_and(|it| fits(*how, text, it)))?;
    let written = whole.clone().unwrap_or_else(|| element.text.clone());
    Some(Danger { token: whole.unwrap_or_else(|| element.to_string()), written, why })
}

/// `--pid host` is `--pid=host` in two words.
fn with_value(element: &Element, next: Option<&Element>) -> Option<String> {
    let option = element.fixed().filter(|text| text.starts_with('-') && !text.contains('='))?;
    let value = next?.fixed().filter(|text| !text.starts_with('-'))?;
    Some(format!("{option}={value}"))
}

fn fits(how: How, text: &str, token: &str) -> bool {
    match how {
        Opt => token.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')),
        Start => token.starts_with(text),
        Within => token.contains(text),
        Except(value) => fits(Opt, text, token) && token.get(text.len() + 1..) != Some(value),
        Together => is_together(text, token),
        Wild => fits(Opt, text, token) && token.contains('*'),
    }
}

/// `-it`, `-v/:/host`: short options, or one and its value, in one word.
fn is_together(option: &str, token: &str) -> bool {
    let letters = token.strip_prefix('-').filter(|rest| !rest.starts_with('-') && rest.len() > 1);
    let letters = letters.map(|rest| rest.split(|sign: char| !sign.is_ascii_alphabetic()).next().unwrap_or_default());
    letters.zip(option.strip_prefix('-')).is_some_and(|(letters, option)| letters.contains(option))
}

/// What a slot, not the author, decides within narrow bounds: the engine's checked socket, a GPU by its vendor's
/// name, this install's own list, a loopback registry.
fn is_bounded(element: &Element) -> bool {
    let slots = element.slots();
    let fixed = element.fixed_start();
    let gpu = slots == [Slot::Gpu] && fixed.ends_with("/gpu=") && !fixed.contains("=/");
    gpu || (slots == [Slot::EngineEndpoint] && fixed == "--host=") || slots == [Slot::RegistryLoopback]
}

/// The list for people.
#[cfg(test)]
pub(super) fn list() -> impl Iterator<Item = (String, &'static str)> {
    LIST.iter().map(|(how, text, why)| match how {
        Opt => ((*text).to_owned(), *why),
        Start => (format!("{text}…"), *why),
        Within => (format!("…{text}…"), *why),
        Except(value) => (format!("{text}, but {text}={value}"), *why),
        Together => (format!("{text} in one word with others, or with its value"), *why),
        Wild => (format!("{text} with a wildcard"), *why),
    })
}
