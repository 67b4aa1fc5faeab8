//! Containers: `ps`, `inspect`, `logs`, `stop`, `kill`, `rm`, `wait`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use portreeve::spec::Signal;
use portreeve::{Condition, ContainerInfo, ContainerState, Error, ListFilter, LogOptions, Removed};
use serde_json::json;

use super::desk::Desk;
use super::exit::{Failure, Outcome, Status};
use super::parse;
use super::pump::{Sink, pump};
use super::show::{self, Table, short};

/// `ps`.
#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// Those that ended, too
    #[arg(long, short)]
    all: bool,
    /// Those alone of which this holds, exactly: name, id, label, state, image, volume, health, exited, publish or
    /// backend; of one kind any, of labels and of kinds all
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<ListFilter>,
}

impl Ps {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let mut containers = desk.portreeve.list_where(&self.filter).await?;
        let all = self.all || self.filter.iter().any(ListFilter::is_about_state);
        containers.retain(|container| all || container.state.is_alive());
        if desk.json {
            show::json(&containers)?;
        } else if desk.quiet {
            containers.iter().try_for_each(|container| show::line(&short(&container.id)))?;
        } else {
            table(&containers).print()?;
        }
        Ok(Status::OK)
    }
}

fn table(containers: &[ContainerInfo]) -> Table {
    let mut table = Table::new(&["CONTAINER ID", "NAME", "IMAGE ID", "STATE", "CREATED", "PORTS", "BACKEND"]);
    for container in containers {
        let ports: Vec<String> = container.ports.iter().map(ToString::to_string).collect();
        table.row([
            short(&container.id),
            container.name.clone(),
            short(&container.image_id),
            state(container.state, container.exit_code),
            container.created.as_deref().map(show::created).unwrap_or_default(),
            ports.join(" "),
            container.backend.clone(),
        ]);
    }
    table
}

fn state(state: ContainerState, code: Option<i32>) -> String {
    match code {
        Some(code) => format!("{} ({code})", state.as_str()),
        None => state.as_str().to_owned(),
    }
}

/// `inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The engine's own documents, redacted, instead of what every engine tells alike
    #[arg(long)]
    raw: bool,
    /// The containers
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Inspect {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        if self.raw {
            return desk.inspect(&self.names, async |name| desk.portreeve.inspect_raw(name).await).await;
        }
        desk.inspect(&self.names, async |name| desk.portreeve.inspect(name).await).await
    }
}

/// `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Go on while it runs
    #[arg(long, short)]
    follow: bool,
    /// The last so many lines only, or `all`
    #[arg(long, short = 'n', value_name = "LINES", value_parser = tail, default_value = "all")]
    tail: Tail,
    /// From then on only: RFC 3339, seconds since the epoch, or a duration such as 10m
    #[arg(long, value_name = "TIME", value_parser = parse::moment)]
    since: Option<Timestamp>,
    /// Each line begins with its time
    #[arg(long, short)]
    timestamps: bool,
    /// The container
    name: String,
}

/// How much of a log's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tail(Option<u64>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        number => {
            number.parse().map(|lines| Tail(Some(lines))).map_err(|_| "expected a number of lines, or `all`".to_owned())
        }
    }
}

impl Logs {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let options = LogOptions {
            follow: self.follow,
            tail: self.tail.0,
            since: self.since.map(|since| since.to_string()),
            timestamps: self.timestamps,
        };
        let mut sink = Sink::open(desk.json, false)?;
        let mut stream = desk.portreeve.logs(&self.name, &options).await?;
        desk.teller.finish();
        pump(&mut stream, &mut sink).await?;
        stream.finish().await?;
        Ok(Status::OK)
    }
}

/// `stop`.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Seconds until it is killed
    #[arg(long, short, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=3600))]
    time: u32,
    /// The containers
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Stop {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let grace = Duration::from_secs(self.time.into());
        desk.each(&self.names, async |name| done(desk, name, &desk.portreeve.stop(name, grace).await?)).await
    }
}

/// `kill`.
#[derive(Debug, Args)]
pub(crate) struct Kill {
    /// The signal, by name or number
    #[arg(long, short, default_value = "KILL")]
    signal: Signal,
    /// The containers
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Kill {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        desk.each(&self.names, async |name| done(desk, name, &desk.portreeve.kill(name, &self.signal).await?)).await
    }
}

/// Prints the name, or the container as it is now; of a dry run neither.
pub(crate) fn done(desk: &Desk, name: &str, container: &ContainerInfo) -> Result<(), Failure> {
    match (desk.dry_run, desk.json) {
        (true, _) => Ok(()),
        (false, true) => show::json(container),
        (false, false) => show::line(name),
    }
}

/// `rm`.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Kill those that run
    #[arg(long, short)]
    force: bool,
    /// The containers
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Rm {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        desk.remove(&self.names, async |name| match desk.portreeve.remove(name, self.force).await {
            // As with both engines.
            Err(Error::NotFound { .. }) if self.force => Ok(Removed::Absent),
            removed => removed,
        })
        .await
    }
}

/// `wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Wait until it is so instead: `healthy`, `log=TEXT` in a line of its log, or `port=NUMBER` for a listener there
    #[arg(long = "for", value_name = "CONDITION", value_parser = parse::condition)]
    condition: Option<Condition>,
    /// How long that is waited for
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse::duration)]
    wait_timeout: Duration,
    /// The containers
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Wait {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        if let Some(condition) = &self.condition {
            let (limit, waited) = (self.wait_timeout, &desk.portreeve);
            return desk
                .each(&self.names, async |name| done(desk, name, &waited.wait_until(name, condition, limit).await?))
                .await;
        }
        desk.each(&self.names, async |name| {
            let status = desk.portreeve.wait(name).await?;
            if desk.json {
                show::json(&json!({ "name": name, "status": status }))
            } else {
                show::line(&status.to_string())
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_its_exit_status() {
        assert_eq!(state(ContainerState::Exited, Some(7)), "exited (7)");
        assert_eq!(state(ContainerState::Running, None), "running");
    }

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(show::created("2026-01-02T03:04:05.678+01:00"), "2026-01-02T02:04:05Z");
        assert_eq!(show::created("soon"), "soon");
    }

    #[test]
    fn a_tail_is_a_number_or_all() {
        assert_eq!(tail("all"), Ok(Tail(None)));
        assert_eq!(tail("10"), Ok(Tail(Some(10))));
        assert!(tail("-1").is_err() && tail("x").is_err());
    }
}
