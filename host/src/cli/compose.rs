//! `compose`: projects of several services, out of a compose file.

mod source;

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use portreeve::compose::{Finding, PART_LABEL, PROJECT_LABEL, Project, SecretSource, Verdict};
use portreeve::{ContainerInfo, DownOptions, Error, LogChunk, LogOptions, LogStream, PartResult, UpOptions};
use serde_json::json;
use source::{FILE_MAX, Loaded, Source, SourceBefore, line};
use tokio::sync::mpsc::Sender;

use super::arguments::Common;
use super::desk::{self, Desk};
use super::exit::{Failure, Outcome, Status};
use super::progress::Tone;
use super::show::{self, Out, Table, plain};
use super::signals::Signals;

/// `compose …`.
#[derive(Debug, Args)]
pub(crate) struct Compose {
    #[command(flatten)]
    before: Before,
    #[command(subcommand)]
    command: Command,
}

/// What docker takes before the command, and this program behind it as well.
#[derive(Debug, Args)]
struct Before {
    /// The compose file
    #[arg(long = "file", short = 'f', id = "file-before", value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    source: SourceBefore,
}

impl Compose {
    pub(crate) fn run(mut self, common: &Common) -> Outcome {
        let Before { file, source } = self.before;
        if let Some((source_there, file_there)) = self.command.parts() {
            source_there.add(source);
            *file_there = file_there.take().or(file);
        } else if let Command::Ps(ps) = &mut self.command {
            ps.project_name = ps.project_name.take().or(source.project_name);
        }
        self.command.run(common)
    }
}

/// A command of `compose`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Say of each key of a compose file whether it is supported, refused by the policy or unknown
    Check(Check),
    /// Bring a project up: networks, volumes, and services, each after all that it depends on
    Up(Up),
    /// Take a project down: stop and remove what `up` made
    Down(Down),
    /// List the containers of a project, or of all
    Ps(Ps),
    /// Show what the services of a project printed
    Logs(Logs),
}

/// `compose check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    source: Source,
    /// Tell of what is supported too
    #[arg(long)]
    all: bool,
    /// The compose file; otherwise compose.yaml or docker-compose.yaml in this folder
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Command {
    /// What it is about, and the file.
    fn parts(&mut self) -> Option<(&mut Source, &mut Option<PathBuf>)> {
        match self {
            Self::Check(Check { source, file, .. })
            | Self::Up(Up { source, file, .. })
            | Self::Down(Down { source, file, .. })
            | Self::Logs(Logs { source, file, .. }) => Some((source, file)),
            Self::Ps(_) => None,
        }
    }

    fn run(self, common: &Common) -> Outcome {
        match self {
            Self::Check(check) => check.run(common),
            Self::Up(up) => up.run(common),
            Self::Down(down) => down.run(common),
            Self::Ps(ps) => desk::open(common, async |desk| ps.run(desk).await),
            Self::Logs(logs) => logs.run(common),
        }
    }
}

/// `compose up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    source: Source,
    /// The compose file
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Make a container anew where one of the project is there with another spec
    #[arg(long)]
    recreate: bool,
    /// How many seconds each condition of a dependency is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait_timeout: u64,
    /// As it always is: containers run on when this ends
    #[arg(long, short, hide = true)]
    detach: bool,
}

/// `compose down`.
#[derive(Debug, Args)]
pub(crate) struct Down {
    #[command(flatten)]
    source: Source,
    /// The compose file
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Remove the project's volumes too
    #[arg(long, short)]
    volumes: bool,
    /// Seconds between being asked to stop and being killed, where the file does not say
    #[arg(long, short, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

/// `compose ps`.
#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// The project's name; otherwise every project's
    #[arg(long, short, value_name = "NAME")]
    project_name: Option<String>,
}

/// `compose logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    source: Source,
    /// The compose file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Go on while they run
    #[arg(long, short)]
    follow: bool,
    /// The last so many lines of each only
    #[arg(long, short = 'n', value_name = "LINES")]
    tail: Option<u64>,
    /// These services only
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

impl Check {
    fn run(self, common: &Common) -> Outcome {
        let (file, read) = self.source.read(self.file.as_deref())?;
        let read = RefCell::new(read);
        desk::open(common, async |desk| {
            if let Ok(project) = &mut *read.borrow_mut() {
                desk.portreeve.check_compose(project);
            }
            match &*read.borrow() {
                Ok(project) => tell(desk, &file, Some(&project.name), &project.findings, self.all),
                Err(finding) => tell(desk, &file, None, std::slice::from_ref(finding), self.all),
            }
        })
    }
}

fn tell(desk: &Desk, file: &str, project: Option<&str>, findings: &[Finding], all: bool) -> Outcome {
    if desk.json {
        show::json(&json!({ "file": file, "project": project, "findings": findings }))?;
    } else {
        let mut out = Out::open();
        for finding in findings.iter().filter(|one| all || one.verdict != Verdict::Supported) {
            out.line(&plain(&line(file, finding)))?;
        }
        out.line(&format!("{}: {}", plain(project.unwrap_or(file)), counted(findings)))?;
        out.finish()?;
    }
    let problem = findings.iter().any(|one| one.verdict != Verdict::Supported);
    Ok(if problem { Status::NO } else { Status::OK })
}

/// How many keys of each verdict.
fn counted(findings: &[Finding]) -> String {
    let verdicts = [Verdict::Supported, Verdict::Refused, Verdict::Unsupported, Verdict::Unknown, Verdict::Invalid];
    let count = |verdict: Verdict| {
        format!("{} {}", findings.iter().filter(|one| one.verdict == verdict).count(), verdict.as_str())
    };
    verdicts.map(count).join(", ")
}

impl Up {
    fn run(self, common: &Common) -> Outcome {
        let mut loaded = self.source.load(self.file.as_deref())?;
        let options = UpOptions { patience: Duration::from_secs(self.wait_timeout), recreate: self.recreate };
        desk::open_with(common, Tone::of(common), async move |desk, signals| {
            desk.portreeve.check_compose(&mut loaded.project);
            if loaded.project.problems().next().is_some() {
                let status = desk.teller.aside(|| problems(&loaded));
                return Err(Failure::Told(status));
            }
            up(desk, signals, &loaded.project, &options).await
        })
    }
}

async fn up(desk: &Desk, signals: &mut Signals, project: &Project, options: &UpOptions) -> Outcome {
    let before = desk.portreeve.compose_state(&project.name).await?;
    let mut told = |part: &PartResult| told(desk, part);
    match signals.unless(desk.portreeve.compose_up(project, options, &value, &mut told)).await {
        Ok(()) => Ok(Status::OK),
        Err(failure) => {
            if matches!(failure, Failure::Interrupted(_) | Failure::Late(_)) {
                desk.settled().await;
                desk.portreeve.compose_undo(&project.name, &before).await;
            }
            Err(failure)
        }
    }
}

/// What keeps a file from being brought up, on standard error; a refusal ends as refusals do.
fn problems(loaded: &Loaded) -> Status {
    let mut status = Status::FAILED;
    for finding in loaded.project.problems() {
        if finding.verdict == Verdict::Refused {
            status = Status::REFUSED;
        }
        // There is nowhere left to say that it could not be said.
        drop(writeln!(std::io::stderr().lock(), "portreeve: {}", plain(&line(&loaded.file, finding))));
    }
    status
}

/// The value of a secret, read right before it is handed over.
fn value(source: &SecretSource) -> Result<Vec<u8>, Error> {
    match source {
        SecretSource::File(path) => {
            let shown = format!("the secret of {}", path.display());
            let named = |source| Error::Io { what: shown.clone(), source };
            let mut value = Vec::new();
            std::fs::File::open(path).map_err(named)?.take(FILE_MAX + 1).read_to_end(&mut value).map_err(named)?;
            match value.len() as u64 {
                0 => Err(Error::Config(format!("{shown}: it is empty"))),
                size if size > FILE_MAX => Err(Error::Config(format!("{shown}: it is larger than {FILE_MAX} bytes"))),
                _ => Ok(value),
            }
        }
        SecretSource::Variable(name) => {
            let value = std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec);
            value.ok_or_else(|| Error::Config(format!("the secret of the variable {name}: it is not set")))
        }
        _ => Err(Error::Unsupported("a secret from elsewhere".to_owned())),
    }
}

/// A line, or a document, for each part; nobody reads any more is told at the end.
fn told(desk: &Desk, part: &PartResult) {
    if desk.dry_run {
        return;
    }
    let _unread = if desk.json {
        show::json(part)
    } else {
        show::line(&plain(&format!("{} {} {}", part.kind, part.name, part.done)))
    };
}

impl Down {
    fn run(self, common: &Common) -> Outcome {
        let loaded = self.source.load_or_name(self.file.as_deref())?;
        let options = DownOptions { volumes: self.volumes, grace: Duration::from_secs(self.timeout) };
        desk::open(common, async |desk| {
            let mut told = |part: &PartResult| told(desk, part);
            desk.portreeve.compose_down(&loaded.project, &options, &mut told).await?;
            Ok(Status::OK)
        })
    }
}

impl Ps {
    async fn run(&self, desk: &Desk) -> Outcome {
        let containers = desk.portreeve.compose_list(self.project_name.as_deref()).await?;
        if desk.json {
            show::json(&containers)?;
            return Ok(Status::OK);
        }
        let mut table = Table::new(&["PROJECT", "SERVICE", "STATE", "PORTS", "NAME"]);
        for container in &containers {
            let label = |key: &str| container.labels.get(key).cloned().unwrap_or_default();
            let ports = container.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let state = container.state.as_str().to_owned();
            table.row([label(PROJECT_LABEL), label(PART_LABEL), state, ports, container.name.clone()]);
        }
        table.print()?;
        Ok(Status::OK)
    }
}

impl Logs {
    fn run(self, common: &Common) -> Outcome {
        let loaded = self.source.load_or_name(self.file.as_deref())?;
        desk::open(common, async |desk| self.show(desk, &loaded).await)
    }

    /// Every service that is asked for is in the file, or has a container.
    fn check(&self, loaded: &Loaded, containers: &[ContainerInfo]) -> Result<(), Failure> {
        let is_there = |name: &String| containers.iter().any(|one| one.labels.get(PART_LABEL) == Some(name));
        let is_one = |name: &String| loaded.project.services.iter().any(|service| service.name == *name);
        let other = self.services.iter().find(|name| !is_one(name) && !is_there(name));
        other.map_or(Ok(()), |other| {
            Err(Failure::Usage(format!("{} has no service {other}, or its profile was not asked for", loaded.file)))
        })
    }

    async fn show(&self, desk: &Desk, loaded: &Loaded) -> Outcome {
        let containers = desk.portreeve.compose_list(Some(&loaded.project.name)).await?;
        self.check(loaded, &containers)?;
        let options = LogOptions { follow: self.follow, tail: self.tail, ..LogOptions::default() };
        let (sender, mut lines) = tokio::sync::mpsc::channel(LINES);
        let mut readers = tokio::task::JoinSet::new();
        for container in containers {
            let service = container.labels.get(PART_LABEL).cloned().unwrap_or_default();
            if !self.services.is_empty() && !self.services.contains(&service) {
                continue;
            }
            let stream = desk.portreeve.logs(&container.name, &options).await?;
            readers.spawn(read(service, stream, sender.clone()));
        }
        drop(sender);
        desk.teller.finish();
        while let Some((service, line)) = lines.recv().await {
            match desk.json {
                true => show::json(&json!({ "service": service, "line": line }))?,
                false => show::line(&format!("{} | {}", plain(&service), plain(&line)))?,
            }
        }
        while let Some(ended) = readers.join_next().await {
            ended.map_err(|error| Error::State(error.to_string()))??;
        }
        Ok(Status::OK)
    }
}

/// How many lines wait to be written.
const LINES: usize = 64;
/// The longest line, in bytes; a longer one is cut into several.
const LINE_MAX: usize = 64 << 10;

/// Reads a log to its end, line by line.
async fn read(service: String, mut stream: LogStream, to: Sender<(String, String)>) -> Result<(), Error> {
    let mut pending = [Vec::new(), Vec::new()];
    while let Some(chunk) = stream.next().await {
        let (at, bytes) = match chunk {
            LogChunk::Stdout(bytes) => (0, bytes),
            LogChunk::Stderr(bytes) => (1, bytes),
            _ => continue,
        };
        let Some(rest) = pending.get_mut(at) else { continue };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(piece);
            if (rest.ends_with(b"\n") || rest.len() > LINE_MAX) && to.send((service.clone(), text(rest))).await.is_err()
            {
                return Ok(());
            }
        }
    }
    for rest in pending.iter_mut().filter(|rest| !rest.is_empty()) {
        // Nobody reads any more.
        let _unread = to.send((service.clone(), text(rest))).await;
    }
    stream.finish().await.map(drop)
}

fn text(bytes: &mut Vec<u8>) -> String {
    let line = String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
    bytes.clear();
    line
}
