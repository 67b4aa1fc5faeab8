//! What containers do: `top`, `stats`, `events`.

use std::time::Duration;

use clap::Args;
use portreeve::{ContainerEvent, Happening, Processes, Usage};
use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::exit::{Failure, Outcome, Status};
use super::parse;
use super::show::{self, Out, Table, plain, short};

/// `top`.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// The container
    name: String,
}

impl Top {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let processes = desk.portreeve.top(&self.name).await?;
        if desk.json {
            show::json(&rows(&processes))?;
        } else {
            let mut table = Table::of(&processes.titles);
            processes.rows.into_iter().for_each(|row| table.add(row));
            table.print()?;
        }
        Ok(Status::OK)
    }
}

/// A row is an object, by the headings.
fn rows(processes: &Processes) -> Vec<Value> {
    let object = |row: &Vec<String>| {
        let titles = processes.titles.iter().map(|title| title.to_lowercase());
        Value::Object(titles.zip(row.iter().map(|cell| json!(cell))).collect::<Map<_, _>>())
    };
    processes.rows.iter().map(object).collect()
}

/// `stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Go on, with a reading in each interval, such as 5s, until the container ends
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    interval: Option<Duration>,
    /// The container
    name: String,
}

impl Stats {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let Some(interval) = self.interval else {
            let usage = desk.portreeve.stats(&self.name).await?;
            if desk.json {
                show::json(&usage)?
            } else {
                heading(&[row(&usage)])?.print()?
            }
            return Ok(Status::OK);
        };
        let mut readings = desk.portreeve.stats_stream(&self.name, interval);
        let mut first = true;
        while let Some(usage) = readings.next().await {
            let usage = usage?;
            if desk.json { show::json(&usage)? } else { spaced(&usage, std::mem::take(&mut first))? }
        }
        Ok(Status::OK)
    }
}

const TITLES: [&str; 4] = ["CPU", "MEMORY", "LIMIT", "PROCESSES"];

fn heading(rows: &[[String; 4]]) -> Result<Table, Failure> {
    let mut table = Table::new(&TITLES);
    rows.iter().cloned().for_each(|row| table.row(row));
    Ok(table)
}

fn row(usage: &Usage) -> [String; 4] {
    let limit = usage.memory_limit.map(show::bytes).unwrap_or_default();
    [cores(usage.cpu), show::bytes(usage.memory), limit, usage.pids.to_string()]
}

/// Thousandths of a core as per cent of one.
fn cores(thousandths: u64) -> String {
    format!("{}.{}%", thousandths / 10, thousandths % 10)
}

/// A reading of many: columns of fixed width, for nobody knows what comes.
fn spaced(usage: &Usage, first: bool) -> Result<(), Failure> {
    let aligned = |[cpu, memory, limit, pids]: [String; 4]| format!("{cpu:<9}{memory:<11}{limit:<11}{pids}");
    let mut out = Out::open();
    if first {
        out.line(&aligned(TITLES.map(str::to_owned)))?;
    }
    let shown = row(usage).map(|cell| if cell.is_empty() { "-".to_owned() } else { cell });
    out.line(&aligned(shown))?;
    out.finish()
}

/// `events`.
#[derive(Debug, Args)]
pub(crate) struct Events {}

impl Events {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let mut events = desk.portreeve.events().await?;
        while let Some(event) = events.next().await {
            let event = event?;
            if desk.json { show::json(&event)? } else { show::line(&told(&event))? }
        }
        Ok(Status::OK)
    }
}

fn told(event: &ContainerEvent) -> String {
    let more = match event.happening {
        Happening::Died { status: Some(status) } => format!(" ({status})"),
        Happening::Health { health: Some(health) } => format!(" ({})", health.as_str()),
        _ => String::new(),
    };
    let (what, name) = (event.happening.as_str(), plain(&event.name));
    format!("{} {what}{more} {name} {} {}", event.time, short(&event.id), event.backend)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::Arguments;
    use super::*;

    #[test]
    fn use_is_shown_in_per_cent_and_with_units() {
        assert_eq!((cores(0), cores(1505)), ("0.0%".to_owned(), "150.5%".to_owned()));
    }

    #[test]
    fn an_interval_is_a_duration() {
        let parsed = |interval| Arguments::try_parse_from(["portreeve", "stats", "--interval", interval, "web"]);
        assert!(parsed("5s").is_ok() && parsed("500ms").is_ok() && parsed("1m30s").is_ok());
        assert!(parsed("-5s").is_err() && parsed("often").is_err());
    }
}
