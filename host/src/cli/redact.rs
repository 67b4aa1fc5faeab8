//! `redact`: a filter from standard input to standard output; `redact test` runs the examples of a rule file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use portreeve::Error;
use portreeve::redaction::{ExampleFailure, RedactionStream, Redactor, RedactorBuilder, RuleSet};
use serde_json::json;

use super::arguments::Common;
use super::desk;
use super::exit::{Failure, Outcome, Status};
use super::redactions;
use super::secret;
use super::show::{Out, plain};
use super::text;

/// How long an unfinished line is held back.
const PATIENCE: Duration = Duration::from_millis(150);
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait to be redacted.
const QUEUE: usize = 2;
/// The largest file of secrets, in bytes.
const MOST: u64 = 8 << 20;

/// `redact`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Redact {
    /// Mask this value: NAME from the environment, NAME=file:PATH or NAME=fd:N
    #[arg(long = "secret", value_name = "NAME[=SOURCE]")]
    secrets: Vec<String>,
    /// Mask the values of this file: NAME=VALUE, one a line; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    secrets_file: Option<PathBuf>,
    /// Add the rules of this file; one with the name of a built-in rule takes its place
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Leave the built-in rules out
    #[arg(long)]
    no_patterns: bool,
    /// Say at the end, on standard error, how often each secret and each rule was masked
    #[arg(long)]
    report: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the examples of a rule file
    Test {
        /// The file
        #[arg(long, value_name = "FILE")]
        rules: PathBuf,
    },
}

impl Redact {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        match &self.command {
            Some(Command::Test { rules }) => test(rules, common.json),
            None => self.filter(common),
        }
    }

    fn filter(&self, common: &Common) -> Outcome {
        let redactor = self.redactor(common)?;
        for unmasked in redactor.unmasked() {
            warn(&unmasked.to_string(), common);
        }
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let counts = pass(&redactor, input, output)?;
        if self.report || common.show_redactions {
            redactions::tell(&counts, common.json);
        }
        Ok(Status::OK)
    }

    fn redactor(&self, common: &Common) -> Result<Redactor, Failure> {
        let built_in = if self.no_patterns { RuleSet::none() } else { RuleSet::builtin() };
        let mut rules = built_in.merged(desk::policy(common)?.rules());
        if let Some(file) = &self.rules {
            rules = rules.merged(&read_rules(file)?);
        }
        let mut builder = Redactor::builder().lenient().rules(rules);
        for option in &self.secrets {
            let (name, value) = secret::value(option, |name| std::env::var_os(name))?;
            builder = with(builder, name.as_str(), &value)?;
        }
        if let Some(file) = &self.secrets_file {
            for (name, value) in read_secrets(file)? {
                builder = with(builder, &name, value.as_bytes())?;
            }
        }
        Ok(builder.build())
    }
}

fn with(builder: RedactorBuilder, name: &str, value: &[u8]) -> Result<RedactorBuilder, Failure> {
    builder.secret(name, value).map_err(|error| Failure::Usage(error.to_string()))
}

fn warn(message: &str, common: &Common) {
    let text = if common.json {
        json!({ "warning": message }).to_string()
    } else {
        format!("portreeve: warning: {}", plain(message))
    };
    // The filter filters all the same.
    let _unsaid = writeln!(io::stderr().lock(), "{text}");
}

fn read_rules(file: &Path) -> Result<RuleSet, Failure> {
    let rules = RuleSet::parse(&text::of_file(file, MOST)?, &file.display().to_string());
    rules.map_err(|error| Error::Config(error.to_string()).into())
}

fn read_secrets(file: &Path) -> Result<Vec<(String, String)>, Failure> {
    parse_secrets(&text::of_file(file, MOST)?, &file.display().to_string()).map_err(|why| Error::Config(why).into())
}

/// `NAME=VALUE` lines. The value is all that follows the first `=`, as it is; no message repeats it.
fn parse_secrets(text: &str, file: &str) -> Result<Vec<(String, String)>, String> {
    let mut secrets: Vec<(String, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let wrong = |what: &str| {
            format!("{file}:{number}: {what}; a line is NAME=VALUE, a comment beginning with `#`, or empty")
        };
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("it has no `=`"))?;
        let name = name.trim();
        let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if !good {
            return Err(wrong("what stands before `=` is no name of letters, digits, `_`, `.` and `-`"));
        }
        if value.is_empty() {
            return Err(wrong(&format!("the value of {name} is empty")));
        }
        if secrets.iter().any(|(known, _)| known == name) {
            return Err(wrong(&format!("{name} stands here twice")));
        }
        secrets.push((name.to_owned(), value.to_owned()));
    }
    Ok(secrets)
}

/// Passes the input on, redacted. An unfinished line is let go, but for what may begin a secret, when nothing has come
/// for some time.
fn pass(
    redactor: &Redactor,
    input: impl Read + Send + 'static,
    mut output: impl Write,
) -> Result<BTreeMap<String, u64>, Failure> {
    let (sender, pieces) = sync_channel(QUEUE);
    std::thread::spawn(move || feed(input, &sender));
    let (mut stream, mut clean) = (redactor.multiplexed_stream(), Vec::with_capacity(2 * PIECE));
    let mut since: Option<Instant> = None;
    loop {
        match next(&pieces, since) {
            Next::Piece(piece) => {
                stream.push(&piece?, &mut clean);
                since = since.or_else(|| Some(Instant::now()));
            }
            Next::Pause => {
                stream.idle(&mut clean);
                since = None;
            }
            Next::End => break,
        }
        put(&mut clean, &mut output)?;
        if !stream.is_holding() {
            since = None;
        }
    }
    finish(stream, clean, output)
}

fn finish(
    mut stream: RedactionStream,
    mut clean: Vec<u8>,
    mut output: impl Write,
) -> Result<BTreeMap<String, u64>, Failure> {
    stream.finish(&mut clean);
    put(&mut clean, &mut output)?;
    Ok(stream.counts())
}

fn put(clean: &mut Vec<u8>, output: &mut impl Write) -> io::Result<()> {
    output.write_all(clean)?;
    output.flush()?;
    clean.clear();
    Ok(())
}

enum Next {
    Piece(io::Result<Vec<u8>>),
    Pause,
    End,
}

fn next(pieces: &Receiver<io::Result<Vec<u8>>>, since: Option<Instant>) -> Next {
    let received = match since {
        None => pieces.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(since) => pieces.recv_timeout((since + PATIENCE).saturating_duration_since(Instant::now())),
    };
    match received {
        Ok(piece) => Next::Piece(piece),
        Err(RecvTimeoutError::Timeout) => Next::Pause,
        Err(RecvTimeoutError::Disconnected) => Next::End,
    }
}

/// Reads until the end, or until nobody takes what is read.
fn feed(mut input: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![0; PIECE];
        let read = match input.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                piece.truncate(length);
                Ok(piece)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let ended = read.is_err();
        if sender.send(read).is_err() || ended {
            return;
        }
    }
}

fn test(file: &Path, json: bool) -> Outcome {
    let rules = read_rules(file)?;
    let failures = rules.run_examples();
    let mut out = Out::open();
    match json {
        true => out.json(&document(&rules, &failures))?,
        false => out.text(&words(&rules, &failures))?,
    }
    out.finish()?;
    if failures.is_empty() { Ok(Status::OK) } else { Err(Failure::Told(Status::FAILED)) }
}

fn document(rules: &RuleSet, failures: &[ExampleFailure]) -> serde_json::Value {
    let failures: Vec<_> = failures
        .iter()
        .map(|failure| {
            let ExampleFailure { id, file, line, example, must_match, became, .. } = failure;
            json!({ "rule": id, "file": file, "line": line, "example": example, "must_match": must_match, "became": became })
        })
        .collect();
    json!({ "rules": rules.len(), "examples": rules.example_count(), "failures": failures })
}

fn words(rules: &RuleSet, failures: &[ExampleFailure]) -> String {
    let mut text = String::new();
    for failure in failures {
        let wanted = if failure.must_match { "must match and does not" } else { "must not match and does" };
        let (place, example) = (format!("{}:{}", failure.file, failure.line), plain(&failure.example));
        text += &format!(
            "{}: {} {wanted}: {example}\n  it became: {}\n",
            plain(&place),
            failure.id,
            plain(&failure.became)
        );
    }
    let (count, examples) = (rules.len(), rules.example_count());
    text + &format!("{count} rules, {examples} examples, {} failed\n", failures.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().rules(RuleSet::builtin()).build()
    }

    fn passed(input: &'static [u8]) -> (Vec<u8>, BTreeMap<String, u64>) {
        let mut output = Vec::new();
        let counts = pass(&redactor(), input, &mut output).unwrap();
        (output, counts)
    }

    #[test]
    fn bytes_that_are_no_text_pass_and_secrets_do_not() {
        let (output, counts) = passed(b"\xff\xfe Xk29-tigerLily-77 \x00\nDB_PASSWORD=hunter2\n");
        assert_eq!(output, b"\xff\xfe [redacted:S] \x00\nDB_PASSWORD=[redacted:password]\n");
        assert_eq!(counts, [("S".to_owned(), 1), ("password".to_owned(), 1)].into());
    }

    #[test]
    fn a_prompt_is_let_go_while_the_input_waits() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (mut answer, sink) = io::pipe().unwrap();
        let filter = std::thread::spawn(move || pass(&redactor(), reader, sink).is_ok());
        writer.write_all(b"Password: ").unwrap();
        let mut seen = [0; 10];
        answer.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"Password: ");
        writer.write_all(b"Xk29-tiger").unwrap();
        std::thread::sleep(2 * PATIENCE);
        writer.write_all(b"Lily-77\n").unwrap();
        drop(writer);
        let mut rest = String::new();
        answer.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "[redacted:S]\n");
        assert!(filter.join().unwrap());
    }

    #[test]
    fn a_file_of_secrets_is_names_and_values() {
        let text = "# ours\n\nTOKEN=a=b # no comment\r\n  KEY.1 = x y\n";
        let secrets = parse_secrets(text, "s").unwrap();
        assert_eq!(
            secrets,
            [("TOKEN".to_owned(), "a=b # no comment".to_owned()), ("KEY.1".to_owned(), " x y".to_owned())]
        );
    }

    #[test]
    fn a_bad_line_is_named_and_not_repeated() {
        for (text, what) in [
            ("A=1\nhunter2", "s:2: it has no `=`"),
            ("hunter 2=x", "s:1: what stands before"),
            ("A=", "s:1: the value of A is empty"),
            ("A=hunter2\nA=2", "s:2: A stands here twice"),
        ] {
            let why = parse_secrets(text, "s").unwrap_err();
            assert!(why.starts_with(what) && !why.contains("hunter"), "{why}");
        }
    }

    #[test]
    fn examples_that_fail_are_told_with_their_place() {
        let rules = "[[rule]]\nid = \"a\"\ndescription = \"b\"\nkeywords = [\"abc-\"]\nexpression = 'abc-[0-9]{6}'\nmatch = [\"abc-12345\"]\nno_match = [\"abc-193746\"]\n";
        let rules = RuleSet::parse(rules, "r.toml").unwrap();
        insta::assert_snapshot!(words(&rules, &rules.run_examples()), @r"
        r.toml:1: a must match and does not: abc-12345
          it became: abc-12345
        r.toml:1: a must not match and does: abc-193746
          it became: [redacted:a]
        1 rules, 2 examples, 2 failed
        ");
    }
}
