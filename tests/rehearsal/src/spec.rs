//! What `create` was asked for: the flags, read into the parts that `inspect` shows and `start` obeys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::dialect::Dialect;
use crate::health::Check;
use crate::trouble::Trouble;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) name: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) ports: Vec<Port>,
    pub(crate) mounts: Vec<Mount>,
    /// A variable that the client does not have itself has no value.
    pub(crate) env: Vec<(String, Option<String>)>,
    pub(crate) user: String,
    pub(crate) workdir: String,
    pub(crate) hostname: String,
    pub(crate) entrypoint: Option<Vec<String>>,
    /// Bytes; 0 is no limit.
    pub(crate) memory: u64,
    /// Billionths of a processor; 0 is no limit.
    pub(crate) nano_cpus: u64,
    pub(crate) pids: i64,
    pub(crate) shm_size: u64,
    pub(crate) restart: String,
    pub(crate) retries: u32,
    /// As it was typed.
    pub(crate) network: String,
    /// The ID of the pod that it is in.
    #[serde(default)]
    pub(crate) pod: String,
    /// The named networks that it joined.
    #[serde(default)]
    pub(crate) networks: Vec<String>,
    pub(crate) cap_drop: Vec<String>,
    #[serde(default)]
    pub(crate) cap_add: Vec<String>,
    #[serde(default)]
    pub(crate) health: Option<Check>,
    pub(crate) ulimits: Vec<Ulimit>,
    pub(crate) security: Vec<String>,
    pub(crate) stop_signal: String,
    pub(crate) stop_timeout: Option<u64>,
    pub(crate) read_only: bool,
    pub(crate) remove: bool,
    pub(crate) runtime: String,
    /// Its input stays open.
    #[serde(default)]
    pub(crate) interactive: bool,
    #[serde(default)]
    pub(crate) terminal: bool,
    /// Podman's `--device`, Docker's device requests.
    pub(crate) devices: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(crate) address: String,
    /// 0 until the engine chose one.
    pub(crate) host: u16,
    pub(crate) container: u16,
    pub(crate) protocol: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    /// `bind`, `volume` or `tmpfs`.
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) read_only: bool,
    /// Bytes of a tmpfs; 0 is no limit.
    pub(crate) size: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ulimit {
    pub(crate) name: String,
    pub(crate) soft: i64,
    pub(crate) hard: i64,
}

impl Spec {
    pub(crate) fn read(arguments: &Arguments, dialect: Dialect) -> Result<Self, Trouble> {
        let text = |flag| arguments.value(flag).unwrap_or_default().to_owned();
        let all = |flag| arguments.values(flag).map(str::to_owned).collect();
        let (restart, retries) = parse_restart(arguments.value("restart").unwrap_or("no"))?;
        Ok(Self {
            name: arguments.value("name").map(check_name).transpose()?,
            labels: arguments.values("label").map(|label| pair(label, "")).collect(),
            ports: each(arguments, "publish", |port| parse_port(port, dialect))?,
            mounts: mounts(arguments, dialect)?,
            env: arguments.values("env").map(variable).collect(),
            user: text("user"),
            workdir: text("workdir"),
            hostname: text("hostname"),
            entrypoint: arguments.value("entrypoint").map(parse_entrypoint),
            memory: size_of(arguments, "memory")?,
            nano_cpus: nano_cpus(arguments)?,
            pids: number(arguments, "pids-limit")?.unwrap_or_default(),
            shm_size: size_of(arguments, "shm-size")?,
            restart,
            retries,
            network: text("network"),
            pod: text("pod"),
            networks: Vec::new(),
            cap_drop: all("cap-drop"),
            cap_add: all("cap-add"),
            health: Check::read(arguments, dialect)?,
            ulimits: each(arguments, "ulimit", parse_ulimit)?,
            security: all("security-opt"),
            stop_signal: text("stop-signal"),
            stop_timeout: number(arguments, "stop-timeout")?,
            read_only: arguments.is_set("read-only"),
            remove: arguments.is_set("rm"),
            runtime: text("runtime"),
            interactive: arguments.is_set("interactive"),
            terminal: arguments.is_set("tty"),
            devices: devices(arguments),
        })
    }

    /// Seconds between the stop signal and KILL when `stop` does not say.
    pub(crate) fn grace(&self) -> u64 {
        self.stop_timeout.unwrap_or(10)
    }
}

fn each<T>(arguments: &Arguments, flag: &str, parse: impl Fn(&str) -> Result<T, Trouble>) -> Result<Vec<T>, Trouble> {
    arguments.values(flag).map(parse).collect()
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Invalid(text.into()))
}

fn check_name(name: &str) -> Result<String, Trouble> {
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if first && rest { Ok(name.to_owned()) } else { Err(Trouble::BadName(name.to_owned())) }
}

fn pair(text: &str, without: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, without));
    (key.to_owned(), value.to_owned())
}

fn variable(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), std::env::var_os(text).map(|value| value.to_string_lossy().into_owned())),
    }
}

/// One program, or a JSON list of words.
fn parse_entrypoint(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] })
}

fn number<N: std::str::FromStr>(arguments: &Arguments, flag: &str) -> Result<Option<N>, Trouble> {
    let parse = |text: &str| text.parse().map_err(|_| usage(flag, text, "invalid syntax"));
    arguments.value(flag).map(parse).transpose()
}

fn usage(flag: &str, text: &str, why: &str) -> Trouble {
    Trouble::Usage(format!("invalid argument \"{text}\" for \"--{flag}\" flag: {why}"))
}

fn size_of(arguments: &Arguments, flag: &str) -> Result<u64, Trouble> {
    let Some(text) = arguments.value(flag) else { return Ok(0) };
    parse_size(text).ok_or_else(|| usage(flag, text, &format!("invalid size: '{text}'")))
}

/// Bytes, with a unit of b, k, m or g.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..)?.to_ascii_lowercase();
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn nano_cpus(arguments: &Arguments) -> Result<u64, Trouble> {
    let Some(text) = arguments.value("cpus") else { return Ok(0) };
    let seconds = text.parse().ok().and_then(|cpus| std::time::Duration::try_from_secs_f64(cpus).ok());
    let nanos = seconds.ok_or_else(|| usage("cpus", text, "invalid syntax"))?.as_nanos();
    Ok(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn parse_restart(text: &str) -> Result<(String, u32), Trouble> {
    let (name, retries) = text.split_once(':').unwrap_or((text, "0"));
    let known = ["no", "always", "on-failure", "unless-stopped"].contains(&name);
    match retries.parse() {
        Ok(retries) if known => Ok((name.to_owned(), retries)),
        _ => invalid(format!("invalid restart policy '{text}'")),
    }
}

fn parse_ulimit(text: &str) -> Result<Ulimit, Trouble> {
    let parts = || {
        let (name, limits) = text.split_once('=')?;
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        Some(Ulimit { name: name.to_owned(), soft: soft.parse().ok()?, hard: hard.parse().ok()? })
    };
    parts().ok_or_else(|| usage("ulimit", text, "invalid ulimit argument"))
}

/// `[ADDRESS:][HOST]:CONTAINER[/PROTOCOL]`, with an address of IPv6 in brackets.
fn parse_port(text: &str, dialect: Dialect) -> Result<Port, Trouble> {
    let (rest, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let (rest, container) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (address, host) = rest.rsplit_once(':').unwrap_or(("", rest));
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if host == "0" && dialect == Dialect::Podman {
        return invalid("port numbers must be between 1 and 65535 (inclusive), got 0");
    }
    let host = if host.is_empty() { Ok(0) } else { host.parse() };
    match (host, container.parse()) {
        (Ok(host), Ok(container)) if container != 0 && ["tcp", "udp", "sctp"].contains(&protocol) => {
            Ok(Port { address: address.to_owned(), host, container, protocol: protocol.to_owned() })
        }
        _ => invalid(format!("invalid port specification: \"{text}\"")),
    }
}

impl Spec {
    /// The named volumes among its mounts.
    pub(crate) fn volumes(&self) -> impl Iterator<Item = &str> {
        let named = self.mounts.iter().filter(|mount| mount.kind == "volume" && !mount.source.is_empty());
        named.map(|mount| mount.source.as_str())
    }
}

fn mounts(arguments: &Arguments, dialect: Dialect) -> Result<Vec<Mount>, Trouble> {
    let mut mounts = each(arguments, "mount", |text| parse_mount(text, dialect))?;
    mounts.extend(each(arguments, "tmpfs", parse_tmpfs)?);
    Ok(mounts)
}

fn parse_mount(text: &str, dialect: Dialect) -> Result<Mount, Trouble> {
    let mut mount = Mount { kind: "volume".to_owned(), ..Mount::default() };
    for field in csv(text) {
        let (key, value) = field.split_once('=').unwrap_or((field.as_str(), "true"));
        match key {
            "type" => mount.kind = value.to_owned(),
            "source" | "src" => mount.source = value.to_owned(),
            "target" | "dst" | "destination" => mount.target = value.to_owned(),
            "readonly" if mount.kind == "volume" && dialect == Dialect::Podman => {
                return invalid("readonly: invalid mount option");
            }
            "rw" if mount.kind == "volume" && dialect == Dialect::Podman => mount.read_only = false,
            "readonly" | "ro" => mount.read_only = value == "true",
            "tmpfs-size" => mount.size = parse_size(value).ok_or_else(|| usage("mount", text, "invalid size"))?,
            "bind-propagation" | "tmpfs-mode" => {}
            _ => return Err(usage("mount", text, &format!("unexpected key '{key}' in '{field}'"))),
        }
    }
    match () {
        () if mount.target.is_empty() => invalid("must set volume destination: invalid argument"),
        () if mount.kind == "bind" && mount.source.is_empty() => invalid("host directory cannot be empty"),
        () => Ok(mount),
    }
}

fn parse_tmpfs(text: &str) -> Result<Mount, Trouble> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let size = options.split(',').find_map(|option| option.strip_prefix("size="));
    let size = size.map(|size| parse_size(size).ok_or_else(|| usage("tmpfs", text, "invalid size"))).transpose()?;
    Ok(Mount { kind: "tmpfs".to_owned(), target: target.to_owned(), size: size.unwrap_or(0), ..Mount::default() })
}

/// The fields of one line of CSV (RFC 4180).
fn csv(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => push(&mut fields, letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => push(&mut fields, Some(letter)),
        }
    }
    fields
}

fn push(fields: &mut [String], letter: Option<char>) {
    if let Some(last) = fields.last_mut() {
        last.extend(letter);
    }
}

/// `--device` as it stands; of `--gpus` the `device=` list, or `all`.
fn devices(arguments: &Arguments) -> Vec<String> {
    let gpus = arguments.values("gpus").flat_map(csv).flat_map(|field| {
        let ids = field.trim_start_matches("device=").split(',').map(str::to_owned);
        ids.collect::<Vec<_>>()
    });
    arguments.values("device").map(str::to_owned).chain(gpus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(text: &str) -> Result<Port, Trouble> {
        parse_port(text, Dialect::Podman)
    }

    #[test]
    fn ports_have_addresses_or_not() {
        let whole = Port { address: "127.0.0.1".into(), host: 8080, container: 80, protocol: "udp".into() };
        assert_eq!(port("127.0.0.1:8080:80/udp").unwrap(), whole);
        assert_eq!(port("[::1]:8080:80").unwrap().address, "::1");
        assert_eq!(port("127.0.0.1::80/tcp").unwrap().host, 0);
        assert_eq!(parse_port("127.0.0.1:0:80/tcp", Dialect::Docker).unwrap().host, 0);
    }

    #[test]
    fn ports_that_are_none_are_refused() {
        for text in ["127.0.0.1:0:80", "80:x", "1:70000", "1:80/icmp", "1:0"] {
            assert!(matches!(port(text), Err(Trouble::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn mounts_are_csv() {
        let mount = parse_mount("type=bind,\"source=/a,b\",target=/c,readonly=true", Dialect::Podman).unwrap();
        assert_eq!(
            mount,
            Mount { kind: "bind".into(), source: "/a,b".into(), target: "/c".into(), read_only: true, size: 0 }
        );
        assert!(!parse_mount("type=bind,source=/a,target=/b,readonly=false", Dialect::Podman).unwrap().read_only);
        assert!(matches!(
            parse_mount("type=bind,source=/a,target=/b,privileged", Dialect::Podman),
            Err(Trouble::Usage(_))
        ));
        assert!(matches!(parse_mount("type=bind,target=/b", Dialect::Podman), Err(Trouble::Invalid(_))));
        // Of volumes Podman 4.3 knows these words alone.
        for (words, read_only) in [("ro", true), ("rw", false)] {
            let mount = parse_mount(&format!("type=volume,source=a,target=/b,{words}"), Dialect::Podman).unwrap();
            assert_eq!(mount.read_only, read_only);
        }
        let worded = "type=volume,source=a,target=/b,readonly=true";
        assert!(matches!(parse_mount(worded, Dialect::Podman), Err(Trouble::Invalid(_))));
        assert!(parse_mount(worded, Dialect::Docker).unwrap().read_only);
        assert_eq!(parse_tmpfs("/run:size=64k").unwrap().size, 65536);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            ["64", "2k", "3M", "1gb", "1GiB"].map(parse_size),
            [Some(64), Some(2048), Some(3 << 20), Some(1 << 30), Some(1 << 30)]
        );
        assert_eq!(["", "x", "1t", "-1"].map(parse_size), [None; 4]);
    }

    #[test]
    fn the_list_of_processors_is_one_token() {
        const FLAGS: crate::arguments::Flags = &["gpus="];
        let words = ["--gpus=\"device=0,1:0\"".to_owned()];
        let arguments = Arguments::parse(&words, &[FLAGS], crate::arguments::Order::Mixed).unwrap();
        assert_eq!(devices(&arguments), ["0", "1:0"]);
    }
}
