//! Health checks: what `create` was told of one, what came of it, and how it is run.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::clock::Moment;
use crate::container::Place;
use crate::dialect::Dialect;
use crate::events::{Event, What};
use crate::image;
use crate::state::{self, State};
use crate::trouble::Trouble;
use crate::worker;

/// A health check, as `inspect` has it; times are nanoseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) test: Vec<String>,
    pub(crate) interval: u64,
    timeout: u64,
    start: u64,
    retries: u64,
}

/// What came of it so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    status: String,
    streak: u64,
    log: Vec<Value>,
}

const SECOND: u64 = 1_000_000_000;

/// How many runs are remembered.
const LOG: usize = 5;

impl Check {
    pub(crate) fn read(arguments: &Arguments, dialect: Dialect) -> Result<Option<Self>, Trouble> {
        let Some(command) = arguments.value("health-cmd") else { return Ok(None) };
        let time = |flag: &str, default: u64| arguments.value(flag).map_or(Ok(default), |text| nanos(flag, text));
        Ok(Some(Self {
            test: test(command, dialect),
            interval: time("health-interval", 30 * SECOND)?,
            timeout: time("health-timeout", 30 * SECOND)?,
            start: time("health-start-period", 0)?,
            retries: arguments.value("health-retries").and_then(|text| text.parse().ok()).unwrap_or(3),
        }))
    }

    pub(crate) fn document(&self) -> Value {
        json!({"Test": self.test, "Interval": self.interval, "Timeout": self.timeout, "StartPeriod": self.start, "Retries": self.retries})
    }
}

/// Podman reads an array of several words as a command without a shell; Docker reads everything as a shell's.
fn test(command: &str, dialect: Dialect) -> Vec<String> {
    let shell = |line: &str| vec!["CMD-SHELL".to_owned(), line.to_owned()];
    match serde_json::from_str::<Vec<String>>(command) {
        Ok(words) if dialect == Dialect::Podman => match words.as_slice() {
            [first, ..] if first == "CMD-SHELL" => words,
            [one] => shell(one),
            _ => [vec!["CMD".to_owned()], words].concat(),
        },
        _ => shell(command),
    }
}

fn nanos(flag: &str, text: &str) -> Result<u64, Trouble> {
    let wrong = || Trouble::Usage(format!("invalid argument \"{text}\" for \"--{flag}\" flag"));
    let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, SECOND / 1000),
        (None, Some(digits)) => (digits, SECOND),
        (None, None) => return Err(wrong()),
    };
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)
}

impl Outcome {
    pub(crate) fn load(place: &Place<'_>) -> io::Result<Option<Self>> {
        image::optional(state::load(&place.directory.join("health")))
    }

    /// A container that starts has not been asked yet.
    pub(crate) fn begin(place: &Place<'_>) -> io::Result<()> {
        Self { status: "starting".to_owned(), streak: 0, log: Vec::new() }.save(place)
    }

    fn save(&self, place: &Place<'_>) -> io::Result<()> {
        state::save(&place.directory.join("health"), self)
    }

    pub(crate) fn document(&self) -> Value {
        let log = if self.log.is_empty() { Value::Null } else { json!(self.log) };
        json!({"Status": self.status, "FailingStreak": self.streak, "Log": log})
    }
}

/// Runs the check of a container once; whether it is well.
pub(crate) fn run(state: &State, place: &Place<'_>, dialect: Dialect) -> io::Result<bool> {
    let container = place.container()?;
    let Some(check) = &container.spec.health else { return Err(io::ErrorKind::InvalidInput.into()) };
    let (begun, status) = (Moment::now(), place.status()?);
    let code = worker::ask(place, &words(&check.test)).unwrap_or(1);
    let mut outcome = Outcome::load(place)?.unwrap_or(Outcome { status: String::new(), streak: 0, log: Vec::new() });
    let before = outcome.status.clone();
    let early = begun.0 < status.started.0.saturating_add(check.start);
    if code == 0 {
        (outcome.status, outcome.streak) = ("healthy".to_owned(), 0);
    } else if !early {
        outcome.streak += 1;
        if outcome.streak >= check.retries {
            outcome.status = "unhealthy".to_owned();
        }
    }
    outcome.log.push(json!({"Start": begun.rfc3339(), "End": Moment::now().rfc3339(), "ExitCode": code, "Output": ""}));
    let excess = outcome.log.len().saturating_sub(LOG);
    outcome.log.drain(..excess);
    outcome.save(place)?;
    // Podman tells of each check, Docker of each change.
    if dialect == Dialect::Podman || before != outcome.status {
        Event::of(&container, What::Health).with_health(&outcome.status).note(state)?;
    }
    Ok(code == 0)
}

/// The words of a check. Of a shell's line only words in single quotes are read.
fn words(test: &[String]) -> Vec<String> {
    match test {
        [kind, line] if kind == "CMD-SHELL" => crate::deckhand::quoted(line).unwrap_or_default(),
        [_, words @ ..] => words.to_vec(),
        [] => Vec::new(),
    }
}
