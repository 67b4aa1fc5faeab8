//! From the words of the command line to the parts of a spec, with docker's spellings.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portreeve::spec::{Gpus, Memory, Mount, MountSource, SpecError, Tmpfs, Variable};
use portreeve::{Condition, Error};

use super::exit::Failure;
use super::text;

/// How large a file system in memory is unless somebody says otherwise.
const TMPFS: u64 = 64 << 20;
/// The largest file of variables, in bytes.
const ENV_FILE: u64 = 1 << 20;

/// A spec that is not well formed is a wrong argument.
pub(crate) fn wrong(error: SpecError) -> Failure {
    Error::from(error).into()
}

/// `all`, or a mask; docker's quotes within it are taken off.
pub(crate) fn gpus(text: &str) -> Result<Gpus, SpecError> {
    text.trim_matches('"').parse()
}

/// `SOURCE:TARGET[:ro|rw]`; a relative source is one below the working directory.
pub(crate) fn mount(text: &str) -> Result<Mount, Failure> {
    let Some((source, rest)) = text.split_once(':').filter(|(source, _)| is_relative(source)) else {
        return text.parse().map_err(wrong);
    };
    let absolute =
        std::path::absolute(source).map_err(|error| Failure::Output(error).during("the working directory"))?;
    let mount: Mount = format!("/:{rest}").parse().map_err(wrong)?;
    Ok(Mount { source: MountSource::Path(absolute), ..mount })
}

fn is_relative(source: &str) -> bool {
    !Path::new(source).is_absolute()
        && (source.contains('/') || source == "." || source == "..")
        && !source.starts_with('~')
}

/// `NAME=VALUE`, or `NAME` alone for the value that the caller's own environment has; none where it has none.
pub(crate) fn variable(
    text: &str,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Variable>, Failure> {
    if text.contains('=') {
        return text.parse().map(Some).map_err(wrong);
    }
    let name = text.parse().map_err(wrong)?;
    let Some(value) = environment(text) else { return Ok(None) };
    let value = value.into_string().map_err(|_| Failure::Usage(format!("the value of {name} is no UTF-8")))?;
    Ok(Some(Variable { name, value }))
}

/// A file of variables, one a line; `#` begins a comment.
pub(crate) fn env_file(path: &Path, environment: impl Fn(&str) -> Option<OsString>) -> Result<Vec<Variable>, Failure> {
    let text = text::of_file(path, ENV_FILE)?;
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let variables = lines.map(|line| variable(line, &environment)).collect::<Result<Vec<_>, _>>()?;
    Ok(variables.into_iter().flatten().collect())
}

/// `TARGET[:size=64m]`.
pub(crate) fn tmpfs(text: &str) -> Result<Tmpfs, Failure> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut size = Some(Memory::from_bytes(TMPFS));
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let Some(amount) = option.strip_prefix("size=") else {
            return Err(Failure::Usage(format!("a tmpfs has no option {option:?}; expected TARGET[:size=64m]")));
        };
        size = if amount == "unlimited" { None } else { Some(amount.parse().map_err(wrong)?) };
    }
    Ok(Tmpfs { target: target.parse().map_err(wrong)?, size })
}

/// A length of time such as `30s`, more than none.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    let expected = || format!("{text:?} is no length of time; expected one such as 500ms, 30s or 5m");
    parsed.filter(|time| !time.is_zero()).ok_or_else(expected)
}

/// Of several variables of one name the last.
pub(crate) fn last_of_each(mut variables: Vec<Variable>) -> Vec<Variable> {
    let mut last = std::collections::BTreeSet::new();
    variables.reverse();
    variables.retain(|variable| last.insert(variable.name.clone()));
    variables.reverse();
    variables
}

/// A duration such as `30s`, `1m30s` or `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let read = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    read.ok_or_else(|| format!("{text:?} is no duration; expected one such as 30s, 1m30s or 500ms"))
}

/// A capability, as docker takes it: in either case, with or without `CAP_`.
pub(crate) fn capability(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned();
    let sound = name.len() > 1 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if sound { Ok(name) } else { Err(format!("{text:?} is no capability; expected one such as NET_ADMIN, or ALL")) }
}

/// The command of a health check: a JSON array of words, or text for the container's own `/bin/sh`.
pub(crate) fn health_words(text: &str) -> Result<Vec<String>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| format!("it is no JSON array of words: {error}"));
    }
    Ok(vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

/// What is waited for: `healthy`, `log=TEXT` or `port=NUMBER`; a space may stand for the `=`.
pub(crate) fn condition(text: &str) -> Result<Condition, String> {
    let (what, rest) = text.split_once(['=', ' ']).unwrap_or((text, ""));
    match (what, rest) {
        ("healthy", "") => return Ok(Condition::Healthy),
        ("log", rest) if !rest.is_empty() => return Ok(Condition::Log(rest.to_owned())),
        ("port", rest) => {
            if let Some(port) = rest.parse().ok().filter(|port| *port > 0) {
                return Ok(Condition::Port(port));
            }
        }
        _ => {}
    }
    Err(format!("{text:?} is nothing to wait for; expected healthy, log=TEXT or port=NUMBER"))
}

/// A point in time: RFC 3339, seconds since the epoch, or a duration such as `10m` for so long ago.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    moment_before(text, Timestamp::now())
}

fn moment_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let expected =
        || format!("{text:?} is no time; expected RFC 3339, seconds since the epoch, or a duration such as 10m");
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return epoch(text).ok_or_else(expected);
    }
    let ago = text.parse::<SignedDuration>().ok().filter(|ago| !ago.is_negative());
    ago.and_then(|ago| now.checked_sub(ago).ok()).ok_or_else(expected)
}

/// `seconds[.fraction]`, to the nanosecond.
fn epoch(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let nanoseconds: i32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Timestamp::new(seconds.parse().ok()?, nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_more_than_nothing() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "0s", "-1s", "5", "soon"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    fn none(_: &str) -> Option<OsString> {
        None
    }

    #[test]
    fn relative_sources_lie_below_the_working_directory() {
        let here = std::env::current_dir().unwrap();
        for (text, expected) in [("./data:/d", here.join("data")), ("a/b:/d", here.join("a/b")), (".:/d", here.clone())]
        {
            assert_eq!(mount(text).unwrap().source, MountSource::Path(expected), "{text}");
        }
        assert!(mount("./data:/d:ro").unwrap().read_only);
        assert!(matches!(mount("models:/d").unwrap().source, MountSource::Volume(_)));
        assert_eq!(mount("/srv:/d").unwrap().source, MountSource::Path("/srv".into()));
        for bad in ["./data", "~/x:/d", "./a:b", "a:b:c:d"] {
            assert_eq!(mount(bad).unwrap_err().status().code(), 2, "{bad}");
        }
    }

    #[test]
    fn a_variable_without_a_value_is_the_callers_own() {
        let own = |name: &str| (name == "HERE").then(|| "v".into());
        assert_eq!(variable("HERE", own).unwrap().unwrap().value, "v");
        assert_eq!(variable("GONE", own).unwrap(), None);
        assert_eq!(variable("A=b=c", own).unwrap().unwrap().value, "b=c");
        assert!(variable("1A", own).is_err());
    }

    #[test]
    fn a_file_of_variables_has_comments() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        std::fs::write(&path, "# note\n\nA=1\n  B=x y \nGONE\n").unwrap();
        let read: Vec<_> = env_file(&path, none).unwrap().into_iter().map(|v| (v.name.to_string(), v.value)).collect();
        assert_eq!(read, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "x y ".to_owned())]);
    }

    #[test]
    fn a_tmpfs_has_a_size() {
        let size = |text| tmpfs(text).unwrap().size.map(Memory::bytes);
        assert_eq!(size("/tmp"), Some(TMPFS));
        assert_eq!(size("/tmp:size=1g"), Some(1 << 30));
        assert_eq!(size("/tmp:size=unlimited"), None);
        assert!(tmpfs("/tmp:exec").is_err() && tmpfs("tmp").is_err());
    }

    #[test]
    fn a_condition_is_one_word_of_three() {
        assert_eq!(condition("healthy"), Ok(Condition::Healthy));
        for text in ["log=ready = now", "log ready = now"] {
            assert_eq!(condition(text), Ok(Condition::Log("ready = now".to_owned())));
        }
        assert_eq!(condition("port=80"), Ok(Condition::Port(80)));
        for bad in ["", "healthy=1", "log=", "log", "port=0", "port=x", "port", "sick"] {
            assert!(condition(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn capabilities_and_health_checks_are_spelled_as_dockers() {
        assert_eq!(capability("cap_net_admin"), Ok("NET_ADMIN".to_owned()));
        assert!(capability("").is_err() && capability("NET-ADMIN").is_err());
        assert_eq!(health_words(r#"["/x", "a b"]"#).unwrap(), ["/x", "a b"]);
        assert_eq!(health_words("x || exit 1").unwrap(), ["/bin/sh", "-c", "x || exit 1"]);
        assert!(health_words("[1]").is_err());
    }

    #[test]
    fn times_are_absolute_or_ago() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let moment = |text| moment_before(text, now).map(|moment| moment.to_string());
        assert_eq!(moment("2026-01-01T00:00:00+01:00").unwrap(), "2025-12-31T23:00:00Z");
        assert_eq!(moment("10m").unwrap(), "2026-01-02T02:54:05Z");
        assert_eq!(moment("1h30m").unwrap(), "2026-01-02T01:34:05Z");
        assert_eq!(moment("1767322800.5").unwrap(), "2026-01-02T03:00:00.5Z");
        for bad in ["", "yesterday", "-10m", "1.2.3", "10", "99999999999999999999"] {
            assert_eq!(moment(bad).is_err(), bad != "10", "{bad:?}");
        }
    }

    #[test]
    fn dockers_quotes_around_a_mask_are_taken_off() {
        assert_eq!(gpus("\"device=0,1\"").unwrap(), "0,1".parse().unwrap());
    }
}
