//! Outcomes, a line each on their way, a table at the end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::behaviours::BEHAVIOURS;
use crate::ground::Kind;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Failed(String),
}

/// How one behaviour went on one engine.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) behaviour: String,
    pub(crate) verdict: Verdict,
    pub(crate) time: Duration,
}

impl Outcome {
    pub(crate) fn to_line(&self) -> String {
        let why = match &self.verdict {
            Verdict::Holds => Value::Null,
            Verdict::Failed(why) => json!(why),
        };
        let millis = u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX);
        json!({"engine": self.kind.name(), "behaviour": self.behaviour, "failed": why, "ms": millis}).to_string()
    }

    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let kind = Kind::from_name(value["engine"].as_str()?)?;
        let verdict = value["failed"].as_str().map_or(Verdict::Holds, |why| Verdict::Failed(why.to_owned()));
        let time = Duration::from_millis(value["ms"].as_u64()?);
        Some(Self { kind, behaviour: value["behaviour"].as_str()?.to_owned(), verdict, time })
    }

    pub(crate) fn failed(&self) -> bool {
        self.verdict != Verdict::Holds
    }
}

/// Prints behaviour × engine; `–` where a behaviour is not meant for an engine, or was not chosen.
pub(crate) fn print(outcomes: &[Outcome], absent: &[Kind]) {
    let width = BEHAVIOURS.iter().map(|behaviour| behaviour.name.len()).max().unwrap_or_default();
    let heads: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    println!("\n{:width$}  {}", "", heads.join("  "));
    for behaviour in BEHAVIOURS {
        let cells = Kind::ALL.map(|kind| cell(outcomes, absent, kind, behaviour.name, behaviour.is_for(kind)));
        let row: Vec<_> = heads.iter().zip(&cells).map(|(head, cell)| format!("{cell:<0$}", head.len())).collect();
        println!("{:width$}  {}", behaviour.name, row.join("  ").trim_end());
    }
    let time = |kind: &Kind| {
        outcomes.iter().filter(|outcome| outcome.kind == *kind).map(|outcome| outcome.time).sum::<Duration>()
    };
    let times: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| format!("{:<1$}", format!("{:.1} s", time(kind).as_secs_f64()), kind.name().len()))
        .collect();
    println!("{:width$}  {}", "", times.join("  ").trim_end());
}

fn cell(outcomes: &[Outcome], absent: &[Kind], kind: Kind, behaviour: &str, is_for: bool) -> &'static str {
    let outcome = outcomes.iter().find(|outcome| outcome.kind == kind && outcome.behaviour == behaviour);
    match outcome {
        Some(outcome) if outcome.failed() => "FAILS",
        Some(_) => "ok",
        None if is_for && absent.contains(&kind) => "absent",
        None => "–",
    }
}
