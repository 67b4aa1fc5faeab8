//! The renderer's own checks of texts, one a kind. Length, NUL, control characters and `-` are checked before.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::grammar::{GRACE_MAX, SECRETS_FOLDER};
use crate::reference::Reference;
use crate::spec::{EnvName, Gpu, words};

/// What engines read as a mode or a driver, or have made themselves, where a network's name may stand.
const NETWORK_MODES: [&str; 13] = [
    "bridge",
    "container",
    "default",
    "docker_gwbridge",
    "host",
    "ingress",
    "none",
    "ns",
    "nat",
    "pasta",
    "podman",
    "private",
    "slirp4netns",
];

const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn made_of(text: &str, others: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn begins_alphanumeric(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn lower(text: &str, others: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c))
}

fn parts_are_plain(path: &str) -> bool {
    path.split('/').all(|part| part != "." && part != "..")
}

fn no_controls(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// An absolute path below `/`, each of its parts a name.
fn resolved(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| !part.is_empty()))
        && parts_are_plain(path)
        && no_controls(path)
}

pub(super) fn json_words(text: &str) -> bool {
    words::from_json(text).is_some()
}

pub(super) fn shell_words(text: &str) -> bool {
    words::from_shell(text).is_some()
}

pub(super) fn address(text: &str) -> bool {
    let six = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match six {
        Some(six) => six.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == six),
        None => text.parse::<Ipv4Addr>().is_ok_and(|address| address.to_string() == text),
    }
}

pub(super) fn boolean(text: &str) -> bool {
    matches!(text, "true" | "false")
}

pub(super) fn count(text: &str) -> bool {
    digits(text) && (text == "0" || !text.starts_with('0'))
}

pub(super) fn positive(text: &str) -> bool {
    digits(text) && !text.starts_with('0')
}

pub(super) fn capability(text: &str) -> bool {
    let name = text.strip_prefix("CAP_").unwrap_or(text);
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

/// Those of capabilities(7) that are one word; all others are several.
const SHORT_CAPABILITIES: [&str; 13] = [
    "BPF", "CHOWN", "FOWNER", "FSETID", "KILL", "LEASE", "MKNOD", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
    "SYSLOG",
];

pub(super) fn one_capability(text: &str) -> bool {
    let several = || {
        let words = text.split('_').collect::<Vec<_>>();
        words.len() > 1
            && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase()))
    };
    SHORT_CAPABILITIES.contains(&text) || text == "CHECKPOINT_RESTORE" || (!text.starts_with('C') && several())
}

pub(super) fn cores(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_some = text.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    is_some && count(whole) && whole.len() <= 5 && digits(part) && part.len() <= 3
}

pub(super) fn endpoint(text: &str) -> bool {
    text.strip_prefix("unix://").is_some_and(|path| resolved(path) && made_of(path, "/_@+.-"))
}

pub(super) fn entrypoint(text: &str) -> bool {
    line(text) && !text.starts_with(['[', ' '])
}

pub(super) fn env_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && made_of(text, "_.-")
}

pub(super) fn env_names(text: &str) -> bool {
    text.is_empty() || text.split(',').all(env_name)
}

pub(super) fn env_value(_: &str) -> bool {
    true
}

pub(super) fn gpu(text: &str) -> bool {
    text == "all" || text.parse::<Gpu>().is_ok_and(|gpu| gpu.to_string() == text)
}

pub(super) fn host_path(text: &str) -> bool {
    resolved(text) && text.split('/').all(|part| part != SECRETS_FOLDER)
}

pub(super) fn secret_path(text: &str) -> bool {
    resolved(text) && text.split_once(&format!("/{SECRETS_FOLDER}/")).is_some()
}

pub(super) fn host_port(text: &str) -> bool {
    text.is_empty() || port(text)
}

pub(super) fn port(text: &str) -> bool {
    positive(text) && text.parse::<u16>().is_ok()
}

pub(super) fn hostname(text: &str) -> bool {
    begins_alphanumeric(text) && made_of(text, ".-") && !text.ends_with(['.', '-'])
}

pub(super) fn id(text: &str) -> bool {
    text.len() == 64 && lower_hex(text)
}

pub(super) fn image_id(text: &str) -> bool {
    id(text.strip_prefix("sha256:").unwrap_or(text))
}

pub(super) fn image_query(text: &str) -> bool {
    image_id(text) || image_reference(text)
}

/// In the one spelling that the host itself gives it: with registry, nothing left to an engine's search list.
pub(super) fn image_reference(text: &str) -> bool {
    text.parse::<Reference>().is_ok_and(|reference| reference.to_string() == text)
}

pub(super) fn inside_path(text: &str) -> bool {
    text.starts_with('/') && parts_are_plain(text) && no_controls(text)
}

/// Keys that the host or the engines read themselves begin so.
const LABELS_TAKEN: [&str; 3] = ["io.portreeve.", "io.containers.", "io.podman."];

pub(super) fn label_key(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let taken = LABELS_TAKEN.iter().any(|start| lower.starts_with(start)) || lower == "podman_systemd_unit";
    !text.is_empty() && !text.starts_with('-') && made_of(text, "._/-") && !taken
}

pub(super) fn line(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && no_controls(text)
}

pub(super) fn mark(text: &str) -> bool {
    begins_alphanumeric(text) && made_of(text, ":._-")
}

pub(super) fn seal(text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = text.split('.');
    parts.next().is_some_and(|whole| whole.len() == 64 && hex(whole)) && parts.all(|mark| mark.len() == 12 && hex(mark))
}

pub(super) fn milliseconds(text: &str) -> bool {
    text.strip_suffix("ms").is_some_and(count)
}

pub(super) fn name(text: &str) -> bool {
    begins_alphanumeric(text) && made_of(text, "_.-")
}

pub(super) fn network_name(text: &str) -> bool {
    name(text) && !NETWORK_MODES.contains(&text.to_ascii_lowercase().as_str())
}

pub(super) fn platform(text: &str) -> bool {
    let mut parts = text.split('/');
    let mut next = |others| parts.next().map(|part| lower(part, others));
    next("_") == Some(true) && next("_") == Some(true) && next("_.") != Some(false) && parts.next().is_none()
}

pub(super) fn protocol(text: &str) -> bool {
    matches!(text, "tcp" | "udp" | "sctp")
}

pub(super) fn restart(text: &str) -> bool {
    let times = |text: &str| positive(text) && text.len() <= 9;
    matches!(text, "no" | "always" | "unless-stopped" | "on-failure")
        || text.strip_prefix("on-failure:").is_some_and(times)
}

pub(super) fn runtime(text: &str) -> bool {
    let named = text.starts_with(|c: char| c.is_ascii_lowercase()) && lower(text, "_.-");
    named || (resolved(text) && made_of(text, "/_+.-"))
}

pub(super) fn seconds(text: &str) -> bool {
    count(text) && text.parse().is_ok_and(|seconds: u64| seconds <= GRACE_MAX)
}

pub(super) fn secret_name(text: &str) -> bool {
    env_name(text) && text.parse::<EnvName>().is_ok_and(|name| !name.is_read_by_clients())
}

pub(super) fn signal(text: &str) -> bool {
    let numbered = text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    (numbered && positive(text)) || signal_name(text)
}

/// `TERM`, `SIGKILL`, `RTMIN+3`.
fn signal_name(text: &str) -> bool {
    let (name, offset) = text.find(['+', '-']).and_then(|at| text.split_at_checked(at)).unwrap_or((text, "+0"));
    let upper = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let starts = name.starts_with(|c: char| c.is_ascii_uppercase());
    upper && starts && (2..=9).contains(&name.len()) && offset.len() <= 3 && offset.get(1..).is_some_and(digits)
}

pub(super) fn tail(text: &str) -> bool {
    text == "all" || count(text)
}

pub(super) fn text(text: &str) -> bool {
    no_controls(text)
}

pub(super) fn time(text: &str) -> bool {
    epoch(text) || span(text) || rfc3339(text)
}

fn epoch(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole) && whole.len() <= 12 && digits(part) && part.len() <= 9
}

fn span(text: &str) -> bool {
    let parts: Vec<&str> = text.split_inclusive(['h', 'm', 's']).collect();
    let part =
        |part: &&str| part.strip_suffix(['h', 'm', 's']).is_some_and(|number| digits(number) && number.len() <= 9);
    (1..=3).contains(&parts.len()) && parts.iter().all(part)
}

fn rfc3339(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let Some((clock, zone)) = time.split_at_checked(zone_at) else { return false };
    let (clock, part) = clock.split_once('.').unwrap_or((clock, "0"));
    let zone_is_good = zone == "Z" || zone.get(1..).is_some_and(|offset| shaped(offset, "00:00"));
    shaped(date, "0000-00-00") && shaped(clock, "00:00:00") && digits(part) && part.len() <= 9 && zone_is_good
}

/// Each `0` of the form stands for a digit.
fn shaped(text: &str, form: &str) -> bool {
    let fits = |(c, f): (char, char)| if f == '0' { c.is_ascii_digit() } else { c == f };
    text.len() == form.len() && text.chars().zip(form.chars()).all(fits)
}

pub(super) fn ulimit_name(text: &str) -> bool {
    ULIMITS.contains(&text)
}

pub(super) fn ulimit_value(text: &str) -> bool {
    text == "-1" || count(text)
}

pub(super) fn user(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.starts_with('-') && made_of(part, "_.-");
    let (user, group) = text.split_once(':').unwrap_or((text, "0"));
    part(user) && part(group)
}

pub(super) fn user_namespace(text: &str) -> bool {
    matches!(text, "auto" | "host" | "keep-id" | "nomap" | "private")
}

pub(super) fn word(_: &str) -> bool {
    true
}
