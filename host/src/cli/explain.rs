//! `policy explain`: could a command line ever have come from a backend?

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use portreeve::grants::{Binding, Explanation, Grants, Variables};
use portreeve::{BackendSource, Error, Policy};
use serde_json::{Value, json};

use super::arguments::Common;
use super::backend::{named_state, state_path, usable};
use super::desk;
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Out, command_line, plain};

/// The longest line of a file, in bytes: more than any command line that is rendered.
const LINE: u64 = 4 << 20;

/// `policy explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Explain many command lines: one JSON array of words a line (or an object with `argv`, as a journal has them);
    /// answers one JSON document a line. `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "argv", required_unless_present = "argv")]
    file: Option<PathBuf>,
    /// The command line, its program by its name or by its absolute path
    #[arg(last = true, value_name = "ARGV")]
    argv: Vec<String>,
}

impl Explain {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        let court = Court::open(common)?;
        match self.file {
            Some(file) => court.explain_all(&file),
            None => court.explain(&self.argv, common),
        }
    }
}

/// The backends that are asked, and within what.
struct Court {
    backends: Vec<Grants>,
    policy: Option<Policy>,
    variables: Variables,
}

/// An answer, and of which backend.
struct Answer<'a> {
    grants: &'a Grants,
    explanation: Explanation,
}

impl Court {
    fn open(common: &Common) -> Result<Self, Failure> {
        let sources = usable(common)?.into_iter();
        let mut all = sources.map(BackendSource::holding).collect::<Result<Vec<_>, Error>>()?;
        // What the host runs for itself is in the journal too.
        all.push(portreeve::units::checks().map_err(|error| Error::Config(error.to_string()))?);
        let names = all.iter().map(|grants| grants.backend().to_owned()).collect::<Vec<_>>().join(", ");
        let asked = |grants: &Grants| common.backend.as_deref().is_none_or(|name| name == grants.backend());
        let backends: Vec<Grants> = all.into_iter().filter(asked).collect();
        if backends.is_empty() {
            let name = common.backend.as_deref().unwrap_or_default();
            return Err(Failure::Usage(format!("there is no backend {name:?}; there are: {names}")));
        }
        // Without a policy that is named, the question is about any.
        let policy = common.policy.is_some().then(|| desk::policy(common)).transpose()?;
        let variables = match named_state(common)? {
            None => variables(common),
            Some(state) => variables(common).of_state(&state),
        };
        Ok(Self { backends, policy, variables })
    }

    fn explain(&self, argv: &[String], common: &Common) -> Outcome {
        let answer = self.answer(argv)?;
        if common.json {
            show::json(&document(argv, &answer))?;
        } else if !common.quiet {
            let mut out = Out::open();
            out.text(&words(argv, &answer))?;
            out.finish()?;
        }
        Ok(status(answer.is_reachable()))
    }

    /// One answer a line; whether all are reachable.
    fn explain_all(&self, file: &Path) -> Outcome {
        let shown = file.display().to_string();
        let named = |error: std::io::Error| Failure::Output(error).during(&shown);
        let mut input: Box<dyn BufRead> = match file == Path::new("-") {
            true => Box::new(BufReader::new(stdin())),
            false => Box::new(BufReader::new(File::open(file).map_err(named)?)),
        };
        let (mut out, mut all, mut line) = (Out::open(), true, String::new());
        for number in 1_u64.. {
            line.clear();
            match input.by_ref().take(LINE).read_line(&mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    out.finish()?;
                    return Err(Failure::Usage(format!("{shown}:{number}: it is not UTF-8")));
                }
                Err(error) => return Err(named(error)),
            }
            match read_line(&line) {
                Ok(None) => {}
                Ok(Some(argv)) => {
                    let answer = self.answer(&argv)?;
                    all &= answer.is_reachable();
                    out.json(&document(&argv, &answer))?;
                }
                Err(why) => {
                    out.finish()?;
                    return Err(Failure::Usage(format!("{shown}:{number}: {why}")));
                }
            }
        }
        out.finish()?;
        Ok(status(all))
    }

    /// The answer of the backend that could have run it, else of the one that comes nearest.
    fn answer(&self, argv: &[String]) -> Result<Answer<'_>, Failure> {
        let explain = |grants: &Grants| match &self.policy {
            None => grants.explain_with(argv, &self.variables),
            Some(policy) => grants.explain_within(argv, &self.variables, policy),
        };
        let answers = self.backends.iter().map(|grants| Answer { grants, explanation: explain(grants) });
        let best = answers.reduce(|best, other| if other.nearness() > best.nearness() { other } else { best });
        best.ok_or_else(|| Failure::Usage("this build has no backend".to_owned()))
    }
}

impl Answer<'_> {
    fn is_reachable(&self) -> bool {
        matches!(self.explanation, Explanation::Reachable { .. })
    }

    /// How far it fits; not at all where not even the program does.
    fn nearness(&self) -> usize {
        match &self.explanation {
            Explanation::Unreachable { nearest: None, .. } => 0,
            Explanation::Unreachable { first_difference, .. } => *first_difference,
            _ => usize::MAX,
        }
    }

    /// The backend, where one comes near.
    fn backend(&self) -> Option<&str> {
        (self.nearness() > 0).then(|| self.grants.backend())
    }

    /// The command's line, its slots in angle brackets.
    fn line(&self, command: &str) -> String {
        let command = self.grants.command(command);
        command.map(|command| command.template().to_string()).unwrap_or_default()
    }
}

fn status(reachable: bool) -> Status {
    if reachable { Status::OK } else { Status::NO }
}

/// By these the sockets of daemons are named, and what lies in a home folder or the state directory is protected.
fn variables(common: &Common) -> Variables {
    let known = ["HOME", "XDG_RUNTIME_DIR"].into_iter();
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // Without a login there is none but what would be this user's.
    let usual =
        |name: &str| (name == "XDG_RUNTIME_DIR").then(|| format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    let known = Variables::new(known.filter_map(|name| Some((name, value(name).or_else(|| usual(name))?))));
    let state = state_path(common).ok().map(|path| std::fs::canonicalize(&path).unwrap_or(path));
    state.into_iter().fold(known, Variables::with_state)
}

/// The words of a line; none where it is empty, or a record of a journal that is about no command line.
fn read_line(line: &str) -> Result<Option<Vec<String>>, String> {
    if !line.ends_with('\n') && line.len() as u64 >= LINE {
        return Err(format!("the line is longer than {LINE} bytes"));
    }
    if line.trim().is_empty() {
        return Ok(None);
    }
    let expected = "expected a JSON array of words, or an object with one as `argv`";
    let wrong = |error: serde_json::Error| format!("{error}; {expected}");
    if !line.trim_start().starts_with('{') {
        return serde_json::from_str(line).map(Some).map_err(wrong);
    }
    match serde_json::from_str::<Record>(line).map_err(wrong)? {
        Record { argv: None, seq: None } => Err(expected.to_owned()),
        Record { argv, .. } => Ok(argv),
    }
}

/// What matters of a record of a journal; a name that stands twice is refused.
#[derive(serde::Deserialize)]
struct Record {
    argv: Option<Vec<String>>,
    seq: Option<u64>,
}

/// The answer as a program reads it.
fn document(argv: &[String], answer: &Answer<'_>) -> Value {
    match &answer.explanation {
        Explanation::Reachable { command, bindings } => {
            let values: BTreeMap<String, Value> =
                bindings.iter().map(|(slot, values)| (slot.to_string(), values_of(values))).collect();
            json!({ "argv": argv, "reachable": true, "backend": answer.backend(), "command": command, "values": values })
        }
        Explanation::Unreachable { nearest, first_difference, expected, found, why } => json!({
            "argv": argv, "reachable": false, "backend": answer.backend(), "nearest": nearest,
            "first_difference": first_difference, "expected": expected, "found": found, "why": why,
        }),
        _ => Value::Null,
    }
}

/// A scalar is a text, a flag `true`, and anything else a list of objects.
fn values_of(values: &[Binding]) -> Value {
    match values {
        [one] if one.field("").is_some() => json!(one.field("")),
        [one] if one.iter().next().is_none() => json!(true),
        many => many.iter().map(|value| value.iter().collect::<BTreeMap<_, _>>()).map(|value| json!(value)).collect(),
    }
}

/// The answer as people read it.
fn words(argv: &[String], answer: &Answer<'_>) -> String {
    let mut text = format!("{}\n", command_line(argv));
    // Writing to a string can't fail.
    let _infallible = match &answer.explanation {
        Explanation::Reachable { command, bindings } => {
            let backend = answer.backend().unwrap_or_default();
            let values = bindings.iter().flat_map(|(slot, values)| values.iter().map(move |value| (slot, value)));
            let lines: String =
                values.map(|(slot, value)| format!("    {:<18} {}\n", slot.to_string(), shown(value))).collect();
            write!(
                text,
                "reachable: `{command}` of {backend} renders to exactly this\n  {}\n{lines}",
                plain(&answer.line(command))
            )
        }
        Explanation::Unreachable { nearest, first_difference, expected, found, why } => {
            text.push_str("unreachable: no approved command renders to this, whatever is asked for\n");
            if let Some(nearest) = nearest {
                let backend = answer.backend().unwrap_or_default();
                text.push_str(&format!("  nearest    `{nearest}` of {backend}: {}\n", plain(&answer.line(nearest))));
            }
            let found =
                found.as_deref().map_or_else(|| "the end of the command line".to_owned(), |word| command_line(&[word]));
            text.push_str(&format!("  differs    at word {first_difference}, counted from 0: {found}\n"));
            text.push_str(&format!("  would be   {}\n", plain(expected)));
            why.as_ref().map_or(Ok(()), |why| writeln!(text, "  because    {}", plain(why)))
        }
        _ => Ok(()),
    };
    text
}

fn shown(value: &Binding) -> String {
    let part = |(name, text): (&str, &str)| match name {
        "" => plain(text).into_owned(),
        name => format!("{name}={}", command_line(&[text])),
    };
    value.iter().map(part).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use portreeve::state::StateDir;

    use super::*;

    /// No install.
    fn nowhere() -> Common {
        Common { state: Some("/nonexistent".into()), ..Common::default() }
    }

    fn court(backend: Option<&str>) -> Court {
        let common = Common { backend: backend.map(str::to_owned), ..nowhere() };
        Court { variables: Variables::default(), ..Court::open(&common).unwrap() }
    }

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn told(court: &Court, line: &[&str]) -> String {
        let argv = argv(line);
        let answer = court.answer(&argv).unwrap();
        format!("{}{}\n", words(&argv, &answer), document(&argv, &answer))
    }

    const LINES: [&[&str]; 7] = [
        &["podman", "run", "-v", "/:/host", "alpine"],
        &["podman", "pull", "docker.io/library/alpine:3"],
        &["/usr/bin/podman", "pull", "--tls-verify=false", "localhost:5000/a/b:1"],
        &["podman", "pull", "--tls-verify=false", "docker.io/library/alpine:3"],
        &["/tmp/podman", "ps\u{1b}[2J"],
        &["docker", "--host=unix:///run/docker.sock", "images", "--no-trunc"],
        &["docker", "--host=tcp://10.0.0.9", "version", "--format={{json .}}"],
    ];

    #[test]
    fn answers_read_well() {
        let court = court(None);
        insta::assert_snapshot!("explain", LINES.map(|line| told(&court, line)).join("\n"));
    }

    #[test]
    fn a_backend_answers_for_itself_alone() {
        let (pull, engines) = (argv(LINES[1]), [("podman", true), ("docker", false)]);
        for (backend, reachable) in engines {
            assert_eq!(court(Some(backend)).answer(&pull).unwrap().is_reachable(), reachable, "{backend}");
        }
        let common = Common { backend: Some("nonesuch".to_owned()), ..nowhere() };
        let failure = Court::open(&common).err().unwrap();
        assert_eq!(failure.status().code(), 2);
    }

    #[test]
    fn a_policy_that_is_named_bounds_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.toml");
        std::fs::write(&file, "extends = \"home\"\n[images]\nregistries = [\"example.org\"]\n").unwrap();
        let court = Court::open(&Common { policy: Some(file), ..nowhere() }).unwrap();
        assert!(!court.answer(&argv(LINES[1])).unwrap().is_reachable());
        assert!(court.answer(&argv(&["podman", "pull", "example.org/a/b:1"])).unwrap().is_reachable());
    }

    /// What bears the labels of another install could not have come from the one whose state directory is named.
    #[test]
    fn a_state_directory_that_is_named_bounds_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let own = StateDir::open(&path).unwrap().install().to_string();
        let court = Court::open(&Common { state: Some(path), ..Common::default() }).unwrap();
        let list = |install: &str| {
            argv(&["podman", "ps", "--quiet", &format!("--filter=label=io.portreeve.install={install}")])
        };
        assert!(court.answer(&list(&own)).unwrap().is_reachable());
        assert!(!court.answer(&list("0123456789abcdef")).unwrap().is_reachable());
    }

    #[test]
    fn lines_of_a_file_are_arrays_or_records() {
        assert_eq!(read_line("[\"a\",\"b\"]\n"), Ok(Some(argv(&["a", "b"]))));
        assert_eq!(read_line("{\"seq\":1,\"argv\":[\"a\"]}\n"), Ok(Some(argv(&["a"]))));
        assert_eq!(read_line("{\"seq\":1,\"kind\":\"note\"}"), Ok(None));
        assert_eq!(read_line(" \n"), Ok(None));
        for bad in [
            "podman ps",
            "[1]",
            "{}",
            "\"podman ps\"",
            "[\"a\"] x",
            "null",
            "{\"argv\":\"podman\"}",
            "{\"argv\":[\"a\"],\"argv\":[]}",
        ] {
            assert!(read_line(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_status_says_whether_all_are_reachable() {
        let folder = tempfile::tempdir().unwrap();
        let ask = |text: &str| {
            let file = folder.path().join("lines");
            std::fs::write(&file, text).unwrap();
            court(None).explain_all(&file)
        };
        let (good, bad) = (r#"["podman","version","--format=json"]"#, r#"["podman","version"]"#);
        assert_eq!(ask(&format!("{good}\n\n{good}")).unwrap().code(), 0);
        assert_eq!(ask(&format!("{good}\n{bad}\n")).unwrap().code(), 1);
        let failure = ask(&format!("{good}\n{good}\npodman ps\n")).unwrap_err();
        assert!(failure.status().code() == 2 && format!("{failure:?}").contains("lines:3:"), "{failure:?}");
    }
}
