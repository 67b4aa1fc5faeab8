//! Values of services, in both the short and the long spelling.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::yaml::{Key, Node, Place, Stray, Value, Wrong};
use super::{Dependency, DependencyCondition, Health, unsupported, words};
use crate::spec::{InsidePath, Label, Memory, Mount, MountSource, Port, Tmpfs, Ulimit, Variable};

/// How large a file system in memory is unless somebody says otherwise.
const TMPFS: u64 = 64 << 20;

/// Refuses every key of a mapping but these.
pub(super) fn only(node: &Node, known: &[&str]) -> Result<(), Wrong> {
    let is_other = |key: &&Key| !known.contains(&key.text.as_str()) && !key.text.starts_with("x-");
    let others: Vec<&Key> = node.map()?.iter().map(|(key, _)| key).filter(is_other).collect();
    let Some(first) = others.first() else { return Ok(()) };
    let names = others.iter().map(|key| format!("`{}`", key.text)).collect::<Vec<_>>().join(", ");
    let shown = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
    let known: Vec<String> = known.iter().map(|word| (*word).to_owned()).collect();
    let stray = |key: &&Key| Stray { at: key.at, word: key.text.clone(), known: known.clone() };
    let wrong = unsupported(first.at, format!("{names} can't stand here; what can is {shown}"));
    Err(Wrong { strays: others.iter().map(stray).collect(), ..wrong })
}

/// The value of a key of a mapping.
pub(super) fn get<'a>(node: &'a Node, key: &str) -> Result<Option<&'a Node>, Wrong> {
    Ok(node.map()?.iter().find(|(known, _)| known.text == key).map(|(_, node)| node))
}

fn need<'a>(node: &'a Node, key: &str) -> Result<&'a Node, Wrong> {
    get(node, key)?.ok_or_else(|| node.wrong(format!("the key `{key}` is missing")))
}

/// A list of texts, or one text.
pub(super) fn texts(node: &Node) -> Result<Vec<String>, Wrong> {
    match &node.value {
        Value::Text(text) => Ok(vec![text.clone()]),
        Value::Null => Ok(Vec::new()),
        _ => node.list()?.iter().map(|item| item.text().map(str::to_owned)).collect(),
    }
}

/// The files of `env_file`, and whether each must be there: names, or mappings with `path` and `required`.
pub(super) fn env_files(node: &Node) -> Result<Vec<(String, bool)>, Wrong> {
    if !matches!(&node.value, Value::List(_)) {
        return Ok(texts(node)?.into_iter().map(|file| (file, true)).collect());
    }
    node.list()?.iter().map(env_file).collect()
}

fn env_file(node: &Node) -> Result<(String, bool), Wrong> {
    if let Value::Text(file) = &node.value {
        return Ok((file.clone(), true));
    }
    only(node, &["path", "required"])?;
    let path = get(node, "path")?.ok_or_else(|| node.wrong("it has no path"))?.text()?;
    Ok((path.to_owned(), get(node, "required")?.map_or(Ok(true), Node::truth)?))
}

/// The words of a command: a list, or a text that is taken apart as a shell would.
pub(super) fn command(node: &Node) -> Result<Vec<String>, Wrong> {
    match &node.value {
        Value::Text(text) => words::split(text).ok_or_else(|| node.wrong("a quote is left open")),
        _ => texts(node),
    }
}

/// `KEY: value`, or a list of `KEY=value`.
pub(super) fn pairs(node: &Node) -> Result<Vec<(Place, String, Option<String>)>, Wrong> {
    if let Value::List(items) = &node.value {
        let pair = |item: &Node| {
            let text = item.text()?;
            let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value.to_owned())));
            Ok((item.at, key.to_owned(), value))
        };
        return items.iter().map(pair).collect();
    }
    let pair = |(key, value): &(super::yaml::Key, Node)| {
        let value = if value.value == Value::Null { None } else { Some(value.text()?.to_owned()) };
        Ok((key.at, key.text.clone(), value))
    };
    node.map()?.iter().map(pair).collect()
}

/// Variables; one without a value has the caller's own, or is left out.
pub(super) fn environment(node: &Node, look: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Variable>, Wrong> {
    let mut variables = Vec::new();
    for (at, name, value) in pairs(node)? {
        let Some(value) = value.or_else(|| look(&name)) else { continue };
        variables.push(format!("{name}={value}").parse().map_err(|error| Wrong::new(at, format!("{error}")))?);
    }
    Ok(variables)
}

/// The lines of a file of variables.
pub(super) fn env_lines(text: &str, look: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Variable>, String> {
    let mut variables = Vec::new();
    for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let line = line.strip_prefix("export ").unwrap_or(line).trim_end();
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(expanded(value, &variables, look)?)),
            None => (line, look(line)),
        };
        let Some(value) = value else { continue };
        // A value is not repeated: it may be a secret.
        let parsed: Result<Variable, _> = format!("{name}={value}").parse();
        variables.push(parsed.map_err(|_| format!("{name:?} is no variable"))?);
    }
    Ok(variables)
}

/// A value with its variables, of which those that stand before it in the file are known too; within single quotes there are
/// none.
fn expanded(value: &str, before: &[Variable], look: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    if value.starts_with('\'') || !value.contains('$') {
        return Ok(unquoted(value).to_owned());
    }
    let own = |name: &str| before.iter().rev().find(|one| one.name.to_string() == name).map(|one| one.value.clone());
    super::interpolate::text(unquoted(value), &|name| own(name).or_else(|| look(name))).map_err(|_| {
        "a `$` begins no variable, or a `}` is missing; a `$` itself is `$$`, or stands within '…'".to_owned()
    })
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

pub(super) fn labels(node: &Node) -> Result<Vec<Label>, Wrong> {
    let label = |(at, key, value): (Place, String, Option<String>)| {
        Label::new(&key, &value.unwrap_or_default()).map_err(|error| Wrong::new(at, error.to_string()))
    };
    pairs(node)?.into_iter().map(label).collect()
}

/// Where it is published on; the loopback address unless the file names another, as everywhere in this program.
pub(super) fn port(node: &Node) -> Result<Port, Wrong> {
    if let Value::Text(text) = &node.value {
        let range = |part: &str| part.split_once('-').is_some();
        if text.split(['/', ':']).any(range) {
            return Err(unsupported(node.at, "ranges of ports: write each port"));
        }
        return node.parsed();
    }
    only(node, &["target", "published", "host_ip", "protocol", "mode", "name", "app_protocol"])?;
    let text = |key| get(node, key)?.map(|node| node.text().map(str::to_owned)).transpose();
    let protocol = text("protocol")?.unwrap_or_else(|| "tcp".to_owned());
    let published = text("published")?.unwrap_or_default();
    let target = need(node, "target")?.text()?;
    let address = match text("host_ip")? {
        Some(address) if address.contains(':') => format!("[{address}]:"),
        Some(address) => format!("{address}:"),
        None => String::new(),
    };
    format!("{address}{published}:{target}/{protocol}").parse().map_err(|error| node.wrong(format!("{error}")))
}

/// A mount, and the key of the volume in the file where it is one.
pub(super) enum Mounted {
    Bind(Mount),
    Volume { part: String, target: InsidePath, read_only: bool },
    Memory(Tmpfs),
}

pub(super) fn mount(node: &Node, folder: &Path) -> Result<Mounted, Wrong> {
    match &node.value {
        Value::Text(text) => short_mount(node, text, folder),
        _ => long_mount(node, folder),
    }
}

fn short_mount(node: &Node, text: &str, folder: &Path) -> Result<Mounted, Wrong> {
    let mut parts = text.split(':');
    let (Some(source), Some(target), mode, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(match text.contains(':') {
            true => node.wrong(format!("{text:?} is not SOURCE:TARGET[:ro|rw]")),
            false => unsupported(node.at, "a volume without a name: give it one"),
        });
    };
    let read_only = match mode {
        None | Some("rw") => false,
        Some("ro") => true,
        Some(other) => {
            return Err(unsupported(node.at, format!("the option {other:?} of a mount: it is `ro` or `rw`")));
        }
    };
    mounted(node, source, target.parse().map_err(|error| node.wrong(format!("{error}")))?, read_only, folder)
}

fn mounted(node: &Node, source: &str, target: InsidePath, read_only: bool, folder: &Path) -> Result<Mounted, Wrong> {
    if source.starts_with('~') {
        return Err(unsupported(node.at, "`~` in a path: write the path"));
    }
    if source.starts_with(['/', '.']) {
        let source = MountSource::Path(resolved(folder, source));
        return Ok(Mounted::Bind(Mount { source, target, read_only }));
    }
    Ok(Mounted::Volume { part: source.to_owned(), target, read_only })
}

/// A path of the file; what is relative begins at its folder. Links are resolved where it is opened.
pub(super) fn resolved(folder: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            std::path::Component::ParentDir => drop(whole.pop()),
            std::path::Component::CurDir => {}
            part => whole.push(part),
        }
    }
    whole
}

fn long_mount(node: &Node, folder: &Path) -> Result<Mounted, Wrong> {
    only(node, &["type", "source", "target", "read_only", "tmpfs", "bind", "volume"])?;
    let target = need(node, "target")?.parsed()?;
    let read_only = get(node, "read_only")?.map_or(Ok(false), Node::truth)?;
    if let Some(bind) = get(node, "bind")? {
        only(bind, &[])?;
    }
    if let Some(volume) = get(node, "volume")? {
        only(volume, &[])?;
    }
    match need(node, "type")?.text()? {
        "tmpfs" => {
            let size = match get(node, "tmpfs")? {
                None => None,
                Some(options) => {
                    only(options, &["size"])?;
                    get(options, "size")?.map(Node::parsed::<Memory>).transpose()?
                }
            };
            Ok(Mounted::Memory(tmpfs_of(target, size)))
        }
        "bind" => match mounted(node, need(node, "source")?.text()?, target, read_only, folder)? {
            Mounted::Volume { .. } => Err(node.wrong("the source of a bind is a path: it begins with `/` or `.`")),
            bind => Ok(bind),
        },
        "volume" => {
            let part = need(node, "source")?.text()?.to_owned();
            Ok(Mounted::Volume { part, target, read_only })
        }
        other => Err(unsupported(node.at, format!("a mount of the type {other:?}"))),
    }
}

fn tmpfs_of(target: InsidePath, size: Option<Memory>) -> Tmpfs {
    Tmpfs { target, size: Some(size.unwrap_or(Memory::from_bytes(TMPFS))) }
}

/// `TARGET[:size=64m]`.
pub(super) fn tmpfs(at: Place, text: &str) -> Result<Tmpfs, Wrong> {
    let wrong = |error: crate::spec::SpecError| Wrong::new(at, error.to_string());
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut size = None;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.strip_prefix("size=") {
            Some(amount) => size = Some(amount.parse().map_err(wrong)?),
            None => return Err(unsupported(at, format!("the option {option:?} of a tmpfs: it has `size` alone"))),
        }
    }
    Ok(tmpfs_of(target.parse().map_err(wrong)?, size))
}

pub(super) fn ulimits(node: &Node) -> Result<Vec<Ulimit>, Wrong> {
    let limit = |(key, node): &(super::yaml::Key, Node)| {
        let text = match &node.value {
            Value::Map(_) => {
                only(node, &["soft", "hard"])?;
                format!("{}={}:{}", key.text, need(node, "soft")?.text()?, need(node, "hard")?.text()?)
            }
            _ => format!("{}={}", key.text, node.text()?),
        };
        text.parse().map_err(|error| node.wrong(format!("{error}")))
    };
    node.map()?.iter().map(limit).collect()
}

/// `1m30s`, `500ms`; a bare number is seconds.
pub(super) fn duration(node: &Node) -> Result<Duration, Wrong> {
    let text = node.text()?;
    parsed_duration(text).ok_or_else(|| node.wrong(format!("{text:?} is no duration such as 1m30s or 500ms")))
}

fn parsed_duration(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (Duration::ZERO, text);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(end)?;
        let number: u64 = number.parse().ok()?;
        let part = match unit {
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            "us" => Duration::from_micros(number),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// None where it is switched off.
pub(super) fn health(node: &Node) -> Result<Option<Health>, Wrong> {
    only(node, &["test", "interval", "timeout", "retries", "start_period", "disable"])?;
    if get(node, "disable")?.map_or(Ok(false), Node::truth)? {
        return Ok(None);
    }
    let Some(words) = test(need(node, "test")?)? else { return Ok(None) };
    let time = |key| get(node, key)?.map(duration).transpose();
    Ok(Some(Health {
        words,
        interval: time("interval")?,
        timeout: time("timeout")?,
        retries: get(node, "retries")?.map(Node::parsed).transpose()?,
        start_period: time("start_period")?,
    }))
}

fn test(node: &Node) -> Result<Option<Vec<String>>, Wrong> {
    let shell = |line: &str| Some(["/bin/sh", "-c", line].map(str::to_owned).to_vec());
    if let Value::Text(line) = &node.value {
        return Ok(shell(line));
    }
    let words = texts(node)?;
    match words.split_first() {
        Some((first, rest)) if first == "CMD" && !rest.is_empty() => Ok(Some(rest.to_vec())),
        Some((first, [line])) if first == "CMD-SHELL" => Ok(shell(line)),
        Some((first, [])) if first == "NONE" => Ok(None),
        _ => Err(node.wrong("a test is a text, or a list that begins with CMD, CMD-SHELL or NONE")),
    }
}

pub(super) fn depends_on(node: &Node) -> Result<Vec<Dependency>, Wrong> {
    if let Value::List(items) = &node.value {
        let on = |item: &Node| {
            let service = item.text()?.to_owned();
            Ok(Dependency { service, condition: DependencyCondition::Started, required: true })
        };
        return items.iter().map(on).collect();
    }
    node.map()?.iter().map(|(key, node)| dependency(&key.text, node)).collect()
}

fn dependency(service: &str, node: &Node) -> Result<Dependency, Wrong> {
    only(node, &["condition", "required"])?;
    let condition = match get(node, "condition")?.map(Node::text).transpose()? {
        None | Some("service_started") => DependencyCondition::Started,
        Some("service_healthy") => DependencyCondition::Healthy,
        Some("service_completed_successfully") => DependencyCondition::Completed,
        Some(other) => {
            let known = "service_started, service_healthy or service_completed_successfully";
            return Err(node.wrong(format!("{other:?} is no condition; it is {known}")));
        }
    };
    let required = get(node, "required")?.map_or(Ok(true), Node::truth)?;
    Ok(Dependency { service: service.to_owned(), condition, required })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_the_specification_writes_them() {
        for (text, milliseconds) in [("1m30s", 90_000), ("500ms", 500), ("2h", 7_200_000), ("10", 10_000), ("0s", 0)] {
            assert_eq!(parsed_duration(text).map(|time| time.as_millis()), Some(milliseconds), "{text}");
        }
        for bad in ["", "s", "1x", "1.5s", "1m30", "-1s"] {
            assert_eq!(parsed_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_relative_path_begins_at_the_folder() {
        let at = |path| resolved(Path::new("/p/q"), path);
        assert_eq!((at("./a"), at("../a"), at("/x/../y")), ("/p/q/a".into(), "/p/a".into(), "/y".into()));
    }
}
