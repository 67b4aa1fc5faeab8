//! What a trace by strace(1) proves of a host: which programs it executed, from which files, with which variables.
//!
//! `strace -f -b execve` follows the host's threads and every child of its own until that child has executed something,
//! and no further. So every `execve` in the trace, but for the first, was made by the host itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The calls that execute, and those that say what a descriptor stands for. `?`: not every architecture has them.
const CALLS: &str = "trace=execve,?execveat,?open,openat,?openat2,close,dup,?dup2,dup3,fcntl,memfd_create";

/// The longest string that is shown whole.
const STRING: &str = "4096";

/// The variables that a host itself sets in every child.
const HOST_VARIABLES: [&str; 2] = ["LC_ALL", "PATH"];

/// Why nothing can be traced here; none if it can.
#[must_use]
pub fn skip_reason() -> Option<String> {
    let tried = Command::new("strace").args(["-b", "execve", "-qq", "-o", "/dev/null", "true"]).output();
    match tried {
        Err(error) => Some(format!("strace can't be run ({error}); apt-get install strace")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("strace fails: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The words before a program's own that have it traced into `file`.
#[must_use]
pub fn words(file: &Path) -> Vec<String> {
    let fixed = ["-f", "-b", "execve", "-y", "-v", "-qq", "-s", STRING, "-e", "signal=none", "-e", CALLS, "-o"];
    fixed.iter().map(ToString::to_string).chain([file.display().to_string(), "--".to_owned()]).collect()
}

/// One program that was executed, or tried to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// The file as it was given to the kernel.
    pub given: PathBuf,
    /// The file behind that: what the descriptor was opened from, where one was given.
    pub file: Option<PathBuf>,
    /// The whole argv.
    pub argv: Vec<Vec<u8>>,
    /// The whole environment, `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// Whether every string was shown whole, and the line could be read.
    pub whole: bool,
}

impl Exec {
    /// A word of its argv, as text.
    #[must_use]
    pub fn word(&self, at: usize) -> &str {
        self.argv.get(at).and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default()
    }

    /// Its argv, as text.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.argv.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// Its variables.
    pub fn variables(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.environment.iter().map(|entry| {
            let equals = entry.iter().position(|byte| *byte == b'=').unwrap_or(entry.len());
            let (name, value) = entry.split_at(equals);
            (name, value.get(1..).unwrap_or_default())
        })
    }
}

/// Every exec of a trace, in order; the first is the host's own start.
#[must_use]
pub fn execs(trace: &str) -> Vec<Exec> {
    let mut descriptors = BTreeMap::new();
    trace.lines().filter_map(|line| read(line, &mut descriptors)).collect()
}

/// Notes what a line says of descriptors; gives the exec that it shows.
fn read(line: &str, descriptors: &mut BTreeMap<u32, PathBuf>) -> Option<Exec> {
    let call = line.trim_start_matches(|digit: char| digit.is_ascii_digit()).trim_start();
    if let Some(rest) = call.strip_prefix("execve(") {
        return Some(exec(None, rest, descriptors));
    }
    if let Some((descriptor, rest)) = call.strip_prefix("execveat(").and_then(|rest| rest.split_once(", ")) {
        return Some(exec(Some(descriptor), rest, descriptors));
    }
    if let Some((number, _)) = call.strip_prefix("close(").and_then(described) {
        descriptors.remove(&number);
    }
    let result = call.rsplit_once(" = ").and_then(|(_, result)| described(result));
    descriptors.extend(result);
    None
}

/// `3</usr/bin/podman>`, as `-y` shows a descriptor.
fn described(text: &str) -> Option<(u32, PathBuf)> {
    let (number, rest) = text.split_once('<')?;
    let (path, _) = rest.rsplit_once('>')?;
    Some((number.parse().ok()?, PathBuf::from(path)))
}

fn exec(descriptor: Option<&str>, text: &str, descriptors: &BTreeMap<u32, PathBuf>) -> Exec {
    let mut reader = Reader { rest: text.as_bytes(), whole: true };
    let given = reader.string().unwrap_or_default();
    reader.comma();
    let argv = reader.list();
    reader.comma();
    let environment = reader.list();
    let given = PathBuf::from(OsStr::from_bytes(&given));
    let file = file_behind(descriptor, &given, descriptors);
    Exec { given, file, argv, environment, whole: reader.whole }
}

fn file_behind(descriptor: Option<&str>, given: &Path, descriptors: &BTreeMap<u32, PathBuf>) -> Option<PathBuf> {
    let number = given.to_str().and_then(|path| path.strip_prefix("/proc/self/fd/")).map(str::parse);
    match (descriptor, number) {
        (None, Some(number)) => descriptors.get(&number.ok()?).cloned(),
        (Some(descriptor), _) if given.as_os_str().is_empty() => described(descriptor).map(|(_, path)| path),
        _ => given.is_absolute().then(|| given.to_owned()),
    }
}

/// Reads strings as strace writes them.
struct Reader<'t> {
    rest: &'t [u8],
    whole: bool,
}

impl Reader<'_> {
    fn take(&mut self, token: &[u8]) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest;
        true
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn comma(&mut self) {
        self.whole &= self.take(b", ");
    }

    fn list(&mut self) -> Vec<Vec<u8>> {
        let mut strings = Vec::new();
        self.whole &= self.take(b"[");
        while self.rest.first() == Some(&b'"') {
            strings.extend(self.string());
            self.take(b", ");
        }
        self.whole &= self.take(b"]");
        strings
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut closed = self.take(b"\"");
        while closed {
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => bytes.extend(self.escaped()),
                Some(byte) => bytes.push(byte),
                None => closed = false,
            }
        }
        // Dots after a string say that there was more of it.
        self.whole &= closed && !self.take(b"...");
        closed.then_some(bytes)
    }

    fn escaped(&mut self) -> Option<u8> {
        Some(match self.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'v' => 0x0b,
            b'f' => 0x0c,
            digit @ b'0'..=b'7' => self.octal(digit - b'0'),
            other => other,
        })
    }

    fn octal(&mut self, first: u8) -> u8 {
        let mut value = first;
        for _ in 0..2 {
            match self.rest.first() {
                Some(digit @ b'0'..=b'7') => value = value.wrapping_mul(8).wrapping_add(digit - b'0'),
                _ => break,
            }
            self.next();
        }
        value
    }
}

/// A secret of a voyage.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Its name, where it travels in the environment of a `create`; none where it is a file.
    pub variable: Option<String>,
    /// Its value.
    pub value: String,
}

/// What a host may execute.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// Each granted file, without links, and the variables that it may be given: `NAME`, or `NAME=VALUE` with this value alone.
    pub programs: BTreeMap<PathBuf, BTreeSet<String>>,
    /// The secrets of the one container.
    pub secrets: Vec<Secret>,
}

impl Granted {
    /// What is wrong with an exec; nothing, it is to be hoped.
    #[must_use]
    pub fn complaints(&self, exec: &Exec) -> Vec<String> {
        let mut wrong = Vec::new();
        if !exec.whole {
            wrong.push("the trace does not show it whole".to_owned());
        }
        match exec.file.as_ref().and_then(|file| self.programs.get(file)) {
            None => wrong.push(format!("{} ({:?}) is no granted program", exec.given.display(), exec.file)),
            Some(variables) => wrong.extend(self.foreign_variables(exec, variables)),
        }
        let holds = |word: &Vec<u8>| self.secrets.iter().any(|secret| contains(word, secret.value.as_bytes()));
        wrong.extend(exec.argv.iter().filter(|word| holds(word)).map(|_| "a secret is in its argv".to_owned()));
        wrong
    }

    fn foreign_variables(&self, exec: &Exec, granted: &BTreeSet<String>) -> Vec<String> {
        let creates = exec.words().iter().any(|word| word == "create");
        let is_secret = |name: &str| self.secrets.iter().any(|secret| secret.variable.as_deref() == Some(name));
        let mut wrong = Vec::new();
        for (name, value) in exec.variables() {
            let name = String::from_utf8_lossy(name);
            let constant = || format!("{name}={}", String::from_utf8_lossy(value));
            let own = HOST_VARIABLES.contains(&&*name) || granted.contains(&*name) || granted.contains(&constant());
            let secret = creates && is_secret(&name);
            if !own && !secret {
                wrong.push(format!("its variable {name} was not granted"));
            }
            if !secret && self.secrets.iter().any(|secret| contains(value, secret.value.as_bytes())) {
                wrong.push(format!("a secret is in its variable {name}"));
            }
        }
        wrong
    }
}

/// Whether `text` has `part` in it.
#[must_use]
pub fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: &str =
        "7 openat(5</usr/bin>, \"podman\", O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH) = 9</usr/bin/podman>\n";

    fn granted() -> Granted {
        let programs = [("/usr/bin/podman".into(), ["HOME".to_owned(), "GOGC=400".to_owned()].into())].into();
        let secrets = vec![
            Secret { variable: Some("TOKEN".to_owned()), value: "tiger-lily".to_owned() },
            Secret { variable: None, value: "white-rose".to_owned() },
        ];
        Granted { programs, secrets }
    }

    fn complaints(trace: &str) -> Vec<String> {
        execs(trace).iter().flat_map(|exec| granted().complaints(exec)).collect()
    }

    fn create(argv: &str, environment: &str) -> String {
        format!("{OPENED}8 execve(\"/proc/self/fd/9\", [\"podman\", {argv}], [{environment}] <detached ...>\n")
    }

    #[test]
    fn a_granted_program_by_its_descriptor_is_in_order() {
        let good = create(r#""create", "--env=TOKEN""#, r#""HOME=/root", "LC_ALL=C", "PATH=/bin", "TOKEN=tiger-lily""#);
        assert_eq!(complaints(&good), [""; 0]);
        let [exec] = &execs(&good)[..] else { panic!("{good}") };
        assert_eq!(exec.file.as_deref(), Some(Path::new("/usr/bin/podman")));
        assert_eq!(exec.word(1), "create");
    }

    #[test]
    fn whatever_else_is_executed_is_found() {
        let shell = "8 execve(\"/bin/sh\", [\"sh\", \"-c\", \"true\"], [] <detached ...>\n";
        assert!(complaints(shell)[0].contains("no granted program"));
        let relative = "8 execve(\"podman\", [\"podman\"], []) = -1 ENOENT\n";
        assert!(complaints(relative)[0].contains("no granted program"));
        let at = "8 execveat(3</tmp/evil>, \"\", [\"podman\"], [], AT_EMPTY_PATH <detached ...>\n";
        assert!(complaints(at)[0].contains("/tmp/evil"));
    }

    #[test]
    fn a_descriptor_is_what_it_was_opened_from_last() {
        let exec = "8 execve(\"/proc/self/fd/9\", [\"podman\"], [] <detached ...>\n";
        let reused = format!("{OPENED}7 openat(AT_FDCWD</>, \"/tmp/evil\", O_RDONLY) = 9</tmp/evil>\n{exec}");
        assert!(complaints(&reused)[0].contains("/tmp/evil"));
        let resumed = format!("{OPENED}7 <... openat resumed>) = 9</tmp/evil>\n{exec}");
        assert!(complaints(&resumed)[0].contains("/tmp/evil"));
        let closed = format!("{OPENED}7 close(9</usr/bin/podman>) = 0\n{exec}");
        assert!(complaints(&closed)[0].contains("None"));
    }

    #[test]
    fn a_variable_that_was_not_granted_is_found() {
        assert_eq!(complaints(&create(r#""ps""#, r#""LD_PRELOAD=x""#)), ["its variable LD_PRELOAD was not granted"]);
        let constants = create(r#""ps""#, r#""GOGC=400", "GOGC=off""#);
        assert_eq!(complaints(&constants), ["its variable GOGC was not granted"]);
        // A secret is for the command that creates alone.
        let early = complaints(&create(r#""ps""#, r#""TOKEN=tiger-lily""#));
        assert_eq!(early, ["its variable TOKEN was not granted", "a secret is in its variable TOKEN"]);
    }

    #[test]
    fn a_secret_in_another_place_is_found() {
        assert_eq!(complaints(&create(r#""create", "--env=TOKEN=tiger-lily""#, "")), ["a secret is in its argv"]);
        let file = complaints(&create(r#""create""#, r#""HOME=white-rose""#));
        assert_eq!(file, ["a secret is in its variable HOME"]);
    }

    #[test]
    fn what_is_cut_short_is_found() {
        assert_eq!(complaints(&create(r#""create", "--label=a"..."#, "")), ["the trace does not show it whole"]);
        assert_eq!(complaints(&create("...", "")), ["the trace does not show it whole"]);
    }

    #[test]
    fn strings_are_read_as_strace_writes_them() {
        let exec = &execs("1 execve(\"/a b\", [\"q\\\"\\\\\", \"\\303\\251\\n\\0z\"], [\"A=1=2\", \"B=\"]) = 0\n")[0];
        assert_eq!(exec.argv, [b"q\"\\".to_vec(), b"\xc3\xa9\n\0z".to_vec()]);
        assert_eq!(exec.variables().collect::<Vec<_>>(), [(&b"A"[..], &b"1=2"[..]), (b"B", b"")]);
        assert!(exec.whole);
    }
}
