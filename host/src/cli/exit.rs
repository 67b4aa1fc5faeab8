//! How the program ends, and how it says why.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use portreeve::{Conflict, Error, Refusal};
use serde_json::{Value, json};

use super::show::{plain, plain_lines};

/// An exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(u8);

impl Status {
    /// All is well.
    pub(crate) const OK: Self = Self(0);
    /// The answer is no: a reference is none, an image is not proved, a command line is unreachable.
    pub(crate) const NO: Self = Self(1);
    /// We, or the engine, failed.
    pub(crate) const FAILED: Self = Self(125);
    /// Policy or grant did not allow it.
    pub(crate) const REFUSED: Self = Self(126);
    /// The arguments are wrong.
    const USAGE: Self = Self(2);

    /// A container's own status; one that can't be told is a failure.
    pub(crate) fn of_container(status: i32) -> Self {
        u8::try_from(status).map_or(Self::FAILED, Self)
    }

    /// The end by a signal, as shells tell it.
    fn of_signal(number: u8) -> Self {
        Self(128_u8.saturating_add(number))
    }

    /// As a number.
    pub(crate) fn code(self) -> u8 {
        self.0
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        status.0.into()
    }
}

/// What a command ends with.
pub(crate) type Outcome = Result<Status, Failure>;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments are wrong.
    Usage(String),
    /// A call failed.
    Call(Box<Error>),
    /// An image is not the one it should be, or that could not be shown.
    Unproved(Box<Error>),
    /// Several things were asked for, and some failed; each was told of when it did.
    Told(Status),
    /// A signal came.
    Interrupted(u8),
    /// The caller's deadline came: so long after the start.
    Late(Duration),
    /// Whoever read our results reads no more.
    Closed,
    /// The system failed us.
    Output(io::Error),
}

impl Failure {
    /// Says what was attempted.
    pub(crate) fn during(self, what: &str) -> Self {
        match self {
            Self::Output(source) => Error::Io { what: what.to_owned(), source }.into(),
            other => other,
        }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Usage(_) => Status::USAGE,
            Self::Call(error) => of_error(error),
            Self::Unproved(_) => Status::NO,
            Self::Told(status) => *status,
            Self::Late(_) => Status::FAILED,
            Self::Interrupted(number) => Status::of_signal(*number),
            Self::Closed => Status::of_signal(SIGPIPE),
            Self::Output(_) => Status::FAILED,
        }
    }

    /// For people; nothing where nothing is to be said.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Usage(why) => Some(why.clone()),
            Self::Call(error) | Self::Unproved(error) => Some(error.to_string()),
            Self::Output(error) => Some(format!("standard output: {error}")),
            Self::Late(limit) => Some(format!("time-out: it was not done within {limit:?}; what was begun is ended")),
            Self::Told(_) | Self::Interrupted(_) | Self::Closed => None,
        }
    }

    /// For programs.
    fn document(&self) -> Option<Value> {
        let message = self.message()?;
        let kind = match self {
            Self::Usage(_) => "usage",
            Self::Late(_) => "timeout",
            Self::Call(error) | Self::Unproved(error) => error.kind(),
            _ => "io",
        };
        let (retryable, advice) = self.outlook();
        let mut error = json!({
            "kind": kind, "message": message, "status": self.status().code(), "retryable": retryable, "advice": advice,
        });
        if let (Self::Call(call) | Self::Unproved(call), Some(members)) = (self, error.as_object_mut()) {
            members.extend(details(call));
        }
        Some(json!({ "error": error }))
    }

    /// Whether the same may succeed later, and what to do.
    fn outlook(&self) -> (bool, Option<&'static str>) {
        match self {
            Self::Call(error) | Self::Unproved(error) => (error.is_retryable(), error.advice()),
            Self::Late(_) => (true, Some("call again; a longer `--deadline` allows more time")),
            Self::Usage(_) => (false, Some("write it as the message says; `--help` shows every argument")),
            _ => (false, Some("see that what it writes to can be written")),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(Box::new(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Output(error) }
    }
}

const SIGPIPE: u8 = 13;

fn of_error(error: &Error) -> Status {
    match error {
        Error::Refused(_) => Status::REFUSED,
        Error::Spec(_) | Error::Reference(_) => Status::USAGE,
        _ => Status::FAILED,
    }
}

/// What a kind of error knows beside its message.
fn details(error: &Error) -> Vec<(String, Value)> {
    match error {
        Error::Refused(refusal) => vec![("refusal".to_owned(), refusal_document(refusal))],
        Error::Conflict(conflict) => {
            let Conflict { kind, name, differs } = conflict;
            let members = [("object", json!(kind)), ("name", json!(name)), ("differs", json!(differs))];
            members.map(|(key, value)| (key.to_owned(), value)).to_vec()
        }
        Error::NotFound { kind, name } => vec![("object".to_owned(), json!(kind)), ("name".to_owned(), json!(name))],
        Error::Engine { command, status, .. } => {
            vec![("command".to_owned(), json!(command)), ("engine_status".to_owned(), json!(status))]
        }
        Error::Fault(fault) => {
            let known = json!({ "backend": fault.backend, "digest": fault.digest.to_string(), "kind": fault.kind });
            vec![("fault".to_owned(), known)]
        }
        Error::Quarantined { backend, digest, traps, left, .. } => {
            let known =
                json!({ "backend": backend, "digest": digest.to_string(), "traps": traps, "seconds": left.as_secs() });
            vec![("quarantine".to_owned(), known)]
        }
        Error::NoEngine(problems) => vec![("problems".to_owned(), json!(problems))],
        _ => Vec::new(),
    }
}

fn refusal_document(refusal: &Refusal) -> Value {
    let Refusal { rule, command, slot, value, why, remedy } = refusal;
    json!({ "rule": rule.as_str(), "command": command, "slot": slot, "value": value, "why": why, "remedy": remedy })
}

/// A failure as people read it; a refusal with its parts one a line.
fn words(failure: &Failure) -> Option<String> {
    let Failure::Call(error) = failure else { return failure.message().map(|text| plain_lines(&text)) };
    let Error::Refused(refusal) = &**error else { return Some(advised(error)) };
    let mut text = format!("refused: {}", plain(&refusal.why));
    let rule = Some(refusal.rule.as_str().to_owned());
    let parts = [("rule", &rule), ("command", &refusal.command), ("slot", &refusal.slot), ("value", &refusal.value)];
    let remedy = ("remedy", &refusal.remedy);
    for (what, part) in parts.into_iter().chain([remedy]) {
        if let Some(part) = part {
            text.push_str(&format!("\n  {what:<8} {}", plain(part)));
        }
    }
    Some(text)
}

/// An error, and what to do about it.
fn advised(error: &Error) -> String {
    let text = plain_lines(&error.to_string());
    if matches!(error, Error::Spec(_) | Error::Reference(_) | Error::Config(_)) {
        // What is wrong is said with what would be right.
        return text;
    }
    error.advice().map_or_else(|| text.clone(), |advice| format!("{text}\n  {:<8} {advice}", "remedy"))
}

/// Tells of a failure on standard error, and gives the status to end with.
pub(crate) fn report(failure: &Failure, json: bool) -> Status {
    let text =
        if json { failure.document().map(|document| document.to_string()) } else { words(failure).map(prefixed) };
    if let Some(text) = text {
        // There is nowhere left to say that it could not be said.
        let _unsaid = writeln!(io::stderr().lock(), "{text}");
    }
    failure.status()
}

fn prefixed(text: String) -> String {
    format!("portreeve: {text}")
}

/// Help and versions go to standard output, wrong arguments to standard error.
pub(crate) fn usage(error: &clap::Error, json: bool) -> Status {
    if error.use_stderr() && json {
        let why = error.render().to_string();
        return report(&Failure::Usage(why.trim_start_matches("error: ").trim_end().to_owned()), true);
    }
    // A reader who went away has seen enough.
    let _unsaid = error.print();
    if error.use_stderr() { Status::USAGE } else { Status::OK }
}

#[cfg(test)]
mod tests {
    use portreeve::{Difference, Rule};

    use super::*;

    fn refused() -> Failure {
        Error::Refused(Refusal {
            rule: Rule::Policy,
            command: Some("create".to_owned()),
            slot: Some("port".to_owned()),
            value: Some("any".to_owned()),
            why: "ports may not be published on every address of this machine".to_owned(),
            remedy: Some("a policy file would add \"any\" to addresses under [ports]".to_owned()),
        })
        .into()
    }

    #[test]
    fn a_refusal_names_rule_slot_value_and_remedy() {
        insta::assert_snapshot!(words(&refused()).unwrap(), @r#"
        refused: ports may not be published on every address of this machine
          rule     policy
          command  create
          slot     port
          value    any
          remedy   a policy file would add "any" to addresses under [ports]
        "#);
        insta::assert_snapshot!(refused().document().unwrap(), @r#"{"error":{"kind":"refused","message":"refused: ports may not be published on every address of this machine [policy: command create, slot port, value any]; a policy file would add \"any\" to addresses under [ports]","status":126,"retryable":false,"advice":"do what its remedy says, or ask for less","refusal":{"rule":"policy","command":"create","slot":"port","value":"any","why":"ports may not be published on every address of this machine","remedy":"a policy file would add \"any\" to addresses under [ports]"}}}"#);
    }

    #[test]
    fn a_conflict_says_what_differs() {
        let differs = vec![Difference { field: "image".into(), existing: "aa".into(), asked: "bb".into() }];
        let failure = Failure::from(Error::Conflict(Conflict { kind: "container", name: "web".into(), differs }));
        insta::assert_snapshot!(words(&failure).unwrap(), @r"
        conflict: web exists with another spec:
          - image: aa is there, bb was asked for
          remedy   ask for what is there, remove it first (`rm -f`), or take another name
        ");
        insta::assert_snapshot!(failure.document().unwrap(), @r#"{"error":{"kind":"conflict","message":"conflict: web exists with another spec:\n  - image: aa is there, bb was asked for","status":125,"retryable":false,"advice":"ask for what is there, remove it first (`rm -f`), or take another name","object":"container","name":"web","differs":[{"field":"image","existing":"aa","asked":"bb"}]}}"#);
    }

    #[test]
    fn every_failure_says_whether_to_try_again_and_what_to_do() {
        let failures = [
            (Failure::Late(Duration::from_secs(1)), true),
            (Failure::Usage("no".to_owned()), false),
            (Failure::from(Error::Spec("a b".parse::<portreeve::spec::Name>().unwrap_err())), false),
            (Failure::Unproved(Box::new(Error::Digest("no".to_owned()))), false),
            (Failure::Output(io::Error::other("no")), false),
        ];
        for (failure, retryable) in failures {
            let document = failure.document().unwrap();
            assert_eq!(document["error"]["retryable"], retryable, "{document}");
            assert!(document["error"]["advice"].is_string(), "{document}");
        }
    }

    #[test]
    fn statuses_are_those_of_the_documentation() {
        assert_eq!(refused().status().code(), 126);
        assert_eq!(Failure::Usage(String::new()).status().code(), 2);
        assert_eq!(Failure::from(Error::Cancelled).status().code(), 125);
        assert_eq!(Failure::Interrupted(2).status().code(), 130);
        assert_eq!(Failure::Interrupted(15).status().code(), 143);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).status().code(), 141);
        assert_eq!(Status::of_container(7).code(), 7);
        assert_eq!(Status::of_container(-1).code(), 125);
    }

    #[test]
    fn what_an_engine_said_can_not_steer_a_terminal() {
        let failure = Failure::from(Error::InUse("\u{1b}]0;x\u{7}".to_owned()));
        assert!(words(&failure).unwrap().starts_with("conflict: \\u{1b}]0;x\\u{7}\n  remedy "));
    }
}
