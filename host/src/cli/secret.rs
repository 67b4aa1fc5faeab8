//! `--secret NAME[=file:PATH|fd:N][,as=file[:TARGET]]`. A value never stands on the command line, and no message
//! repeats what could be one.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use portreeve::spec::{EnvName, InsidePath, Secret, SecretDelivery, SecretValue};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::exit::Failure;
use super::parse::wrong;

/// The largest secret, in bytes.
const MOST: u64 = 1 << 20;
const FORMS: &str =
    "NAME (read from the environment), NAME=file:PATH or NAME=fd:N, each with ,as=file[:TARGET] or without";

/// Where a value is read from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Environment,
    File(PathBuf),
    Descriptor(i32),
}

/// Reads a secret as an option asks for it.
pub(crate) fn read(option: &str, environment: impl Fn(&str) -> Option<OsString>) -> Result<Secret, Failure> {
    let (name, source, delivery) = parse(option)?;
    let mut value = source.read(&name, environment)?;
    if delivery == SecretDelivery::Environment {
        chomp(&mut value);
        if value.contains(&0) {
            return Err(Failure::Usage(format!(
                "the secret {name} holds a NUL; hand it over with --secret {name}=…,as=file"
            )));
        }
    }
    let value = filled(&name, value)?;
    Ok(Secret { name, value: SecretValue::new(value), delivery })
}

/// Reads a value that is only to be known.
pub(crate) fn value(
    option: &str,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<(EnvName, Vec<u8>), Failure> {
    if option.contains(",as=") {
        return Err(Failure::Usage(
            "--secret: `as` says how a container is given a secret; here there is none".to_owned(),
        ));
    }
    let (name, source, _) = parse(option)?;
    let mut value = source.read(&name, environment)?;
    chomp(&mut value);
    let value = filled(&name, value)?;
    Ok((name, value))
}

/// What an option says of a secret, but for its value: the file that it lies in, where it is one.
pub(crate) fn named(option: &str) -> Result<(EnvName, Option<PathBuf>, SecretDelivery), Failure> {
    let (name, source, delivery) = parse(option)?;
    let file = match source {
        Source::Environment => None,
        Source::File(path) => Some(path),
        Source::Descriptor(_) => {
            return Err(Failure::Usage(format!("the secret {name}: a descriptor is gone when a unit starts")));
        }
    };
    Ok((name, file, delivery))
}

fn filled(name: &EnvName, value: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match value.is_empty() {
        true => Err(Failure::Usage(format!("the secret {name} is empty"))),
        false => Ok(value),
    }
}

fn parse(option: &str) -> Result<(EnvName, Source, SecretDelivery), Failure> {
    let (what, how) = option.rsplit_once(",as=").map_or((option, None), |(what, how)| (what, Some(how)));
    let (name, source) = what.split_once('=').map_or((what, None), |(name, source)| (name, Some(source)));
    let unreadable = |_| Failure::Usage(format!("--secret has no proper name; expected {FORMS}"));
    let name: EnvName = name.parse().map_err(unreadable)?;
    let source = source.map_or(Ok(Source::Environment), |source| Source::parse(&name, source))?;
    let delivery = delivery(&name, how)?;
    Ok((name, source, delivery))
}

fn delivery(name: &EnvName, how: Option<&str>) -> Result<SecretDelivery, Failure> {
    let target = match how {
        None | Some("env") => return Ok(SecretDelivery::Environment),
        Some("file") => format!("/run/secrets/{name}"),
        Some(how) => match how.strip_prefix("file:") {
            Some(target) => target.to_owned(),
            None => return Err(Failure::Usage(format!("--secret {name}: `as` is `env`, `file` or `file:TARGET`"))),
        },
    };
    target.parse::<InsidePath>().map(SecretDelivery::File).map_err(wrong)
}

impl Source {
    fn parse(name: &EnvName, text: &str) -> Result<Self, Failure> {
        if let Some(path) = text.strip_prefix("file:").filter(|path| !path.is_empty()) {
            return Ok(Self::File(path.into()));
        }
        let number = text.strip_prefix("fd:").and_then(|number| number.parse().ok()).filter(|number| *number >= 0);
        number.map(Self::Descriptor).ok_or_else(|| {
            Failure::Usage(format!(
                "--secret {name}=…: a value never stands on the command line, where every user of this machine can read it; \
                 expected {FORMS}"
            ))
        })
    }

    fn read(&self, name: &EnvName, environment: impl Fn(&str) -> Option<OsString>) -> Result<Vec<u8>, Failure> {
        let named =
            |what: &str, error: io::Error| Failure::Output(error).during(&format!("the secret {name}, from {what}"));
        match self {
            Self::Environment => {
                let value = environment(name.as_str()).map(OsString::into_vec);
                value.ok_or_else(|| {
                    Failure::Usage(format!("the secret {name} is not in the environment; expected {FORMS}"))
                })
            }
            Self::File(path) => {
                File::open(path).and_then(bounded).map_err(|error| named(&path.display().to_string(), error))
            }
            Self::Descriptor(number) => {
                duplicate(*number).and_then(bounded).map_err(|error| named(&format!("descriptor {number}"), error))
            }
        }
    }
}

/// A descriptor of our own for one that we inherited, which nothing in this program owns.
fn duplicate(number: i32) -> io::Result<File> {
    let ours = pidfd_open(getpid(), PidfdFlags::empty());
    match ours.and_then(|ours| pidfd_getfd(ours, number, PidfdGetfdFlags::empty())) {
        Ok(descriptor) => Ok(descriptor.into()),
        Err(rustix::io::Errno::BADF) => Err(rustix::io::Errno::BADF.into()),
        // An old kernel, or a sandbox without the call: opened anew, which only sockets can't be.
        Err(_) => File::open(format!("/proc/self/fd/{number}")),
    }
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut value = Vec::new();
    file.take(MOST + 1).read_to_end(&mut value)?;
    if value.len() as u64 > MOST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {MOST} bytes")));
    }
    Ok(value)
}

/// Takes the newline off that editors and `echo` leave, as a shell's `$(…)` does.
fn chomp(value: &mut Vec<u8>) {
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    fn message(option: &str) -> String {
        let failure = read(option, |_| None).unwrap_err();
        assert_eq!(failure.status().code(), 2, "{option}");
        match failure {
            Failure::Usage(why) => why,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_value_on_the_command_line_is_refused_and_not_repeated() {
        for option in
            ["TOKEN=hunter2", "TOKEN=hunter2,as=file", "hunter2!=x", "=hunter2", "TOKEN=fd:hunter2", "TOKEN,as=hunter2"]
        {
            assert!(!message(option).contains("hunter2"), "{option}");
        }
        insta::assert_snapshot!(message("TOKEN=hunter2"), @"--secret TOKEN=…: a value never stands on the command line, where every user of this machine can read it; expected NAME (read from the environment), NAME=file:PATH or NAME=fd:N, each with ,as=file[:TARGET] or without");
    }

    #[test]
    fn every_source_and_delivery() {
        let file = Source::File("/a,b".into());
        let at = |path: &str| SecretDelivery::File(path.parse().unwrap());
        let name: EnvName = "T".parse().unwrap();
        for (option, source, delivery) in [
            ("T", Source::Environment, SecretDelivery::Environment),
            ("T=file:/a,b", file, SecretDelivery::Environment),
            ("T=fd:3,as=file", Source::Descriptor(3), at("/run/secrets/T")),
            ("T,as=file:/etc/t", Source::Environment, at("/etc/t")),
        ] {
            assert_eq!(parse(option).unwrap(), (name.clone(), source, delivery), "{option}");
        }
    }

    #[test]
    fn a_descriptor_is_read_to_its_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"a value\n").unwrap();
        drop(writer);
        let source = Source::Descriptor(reader.as_raw_fd());
        assert_eq!(source.read(&"T".parse().unwrap(), |_| None).unwrap(), b"a value\n");
        assert!(Source::Descriptor(987_654).read(&"T".parse().unwrap(), |_| None).is_err());
    }

    #[test]
    fn the_last_newline_is_none_of_a_variables_value() {
        for (given, kept) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a")] {
            let mut value = given.as_bytes().to_vec();
            chomp(&mut value);
            assert_eq!(value, kept.as_bytes());
        }
    }

    #[test]
    fn what_is_missing_or_empty_is_said() {
        assert!(message("GONE").contains("not in the environment"));
        let empty = read("T", |_| Some(OsString::new())).unwrap_err();
        assert!(matches!(empty, Failure::Usage(why) if why.contains("empty")));
        let value = read("T", |_| Some("v".into())).unwrap();
        assert_eq!(value.name.as_str(), "T");
    }
}
