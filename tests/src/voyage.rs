//! Roles for a host in a process of its own. A program that calls [`main_if_called`] first plays them by its first
//! words, `ROLE ENGINE FOLDER IMAGE …`, and is the rehearsal engine too.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a role speaks to the test that started it")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portreeve::journal::{Filter, Journal, Kind};
use portreeve::spec::{NetworkMode, Secret, SecretDelivery, SecretValue};
use portreeve::state::StateDir;
use portreeve::{ContainerSpec, Error, LogChunk, LogOptions, LogStream, Portreeve, Reference};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::berth::Berth;

/// The file in the folder with the two secrets of [`SAIL`], a line each.
pub const SECRETS: &str = "secrets";
/// The names of these: the first is a variable, the second a file.
pub const SECRET_NAMES: [&str; 2] = ["TOKEN", "KEY"];
/// The variable of the container that is no secret.
pub const PLAIN: &str = "GREETING";

/// The main job. Further word: the container's name. Says the argv of every intent in the journal.
pub const SAIL: &str = "--sail";
/// Pulls the image and starts a container. Further words: its name, its words.
pub const RUN: &str = "--run";
/// Runs a container to its end with its output attached, and removes it. Further words: its name, its words.
pub const ATTACH: &str = "--attach";
/// Reads a log to its end. Further words: the container's name.
pub const READ: &str = "--read";
/// Follows a log by many streams at once, until each gave so many lines. Further words: name, streams, lines.
pub const FOLLOW: &str = "--follow";
/// Lists the containers.
pub const LIST: &str = "--ps";
/// Lists the containers so many times, and says `.` after each. Further word: how often.
pub const CALLS: &str = "--calls";
/// Runs, reads, stops and removes many containers at once by one host. Further words: the beginning of their names, how
/// many, how many commands at once.
pub const FLEET: &str = "--fleet";
/// Says the argv of every intent in the journal that is newer. Further word: the number of the last known record.
pub const INTENTS: &str = "--intents";

/// Where a process can see its own use of memory.
const STATUS: &str = "/proc/self/status";

/// Plays a role, or the rehearsal engine, if this process was called as one.
#[must_use]
pub fn main_if_called() -> Option<ExitCode> {
    if let Some(status) = portreeve_rehearsal::main_if_called() {
        return Some(status);
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, engine, folder, image, more @ ..] = &words[..] else { return None };
    if ![SAIL, RUN, ATTACH, READ, FOLLOW, LIST, CALLS, FLEET, INTENTS].contains(&role.as_str()) {
        return None;
    }
    let voyage = Voyage { berth: Berth::at(engine, Path::new(folder)), image: image.parse().unwrap(), more };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    Some(match runtime.block_on(voyage.play(role)) {
        Ok(said) => {
            said.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{role}: {error}");
            ExitCode::FAILURE
        }
    })
}

/// The most memory that this process had resident until now, in KiB (`VmHWM`, proc_pid_status(5)).
///
/// # Panics
/// The kernel does not say it.
#[must_use]
pub fn peak_memory() -> u64 {
    peak_of(Path::new(STATUS)).expect("the kernel says VmHWM")
}

/// The same of another process, by its `status`; none when it is gone.
#[must_use]
pub fn peak_of(status: &Path) -> Option<u64> {
    let status = fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

struct Voyage<'w> {
    berth: Berth,
    image: Reference,
    more: &'w [String],
}

impl Voyage<'_> {
    async fn play(&self, role: &str) -> Result<Vec<Value>, Error> {
        match role {
            SAIL => self.sail().await,
            RUN => self.run().await,
            ATTACH => self.attach().await,
            READ => self.read().await,
            FOLLOW => self.follow().await,
            LIST => self.list().await,
            CALLS => self.calls().await,
            FLEET => self.fleet().await,
            _ => self.intents(self.number(0)),
        }
    }

    fn word(&self, at: usize) -> &str {
        self.more.get(at).map(String::as_str).unwrap_or_default()
    }

    fn number(&self, at: usize) -> u64 {
        self.word(at).parse().unwrap()
    }

    fn spec(&self) -> ContainerSpec {
        let mut spec = ContainerSpec::new(self.image.clone(), self.word(0).parse().unwrap());
        spec.words = self.more.iter().skip(1).cloned().collect();
        spec.network = Some(NetworkMode::None);
        spec
    }

    async fn sail(&self) -> Result<Vec<Value>, Error> {
        let portreeve = self.berth.builder().build().await?;
        let name = self.word(0);
        portreeve.preflight(&Default::default()).await?;
        portreeve.pull(&self.image).await?;
        portreeve.run(&self.secretive()).await?;
        portreeve.list().await?;
        portreeve.inspect(name).await?;
        let mut log = portreeve.logs(name, &LogOptions { follow: true, ..LogOptions::default() }).await?;
        heard(&mut log, "under way").await;
        drop(log);
        portreeve.stop(name, Duration::from_secs(5)).await?;
        portreeve.logs(name, &LogOptions::default()).await?.finish().await?;
        portreeve.remove(name, false).await?;
        let mut short = ContainerSpec::new(self.image.clone(), format!("short-{name}").parse()?);
        short.network = Some(NetworkMode::None);
        short.words = vec!["say".to_owned(), "there and back".to_owned()];
        short.remove = true;
        portreeve.run_attached(&short).await?.finish().await?;
        assert!(portreeve.settle(Duration::from_secs(20)), "a process is left");
        self.intents(0)
    }

    /// A container with a secret in its environment and one in a file, which prints both.
    fn secretive(&self) -> ContainerSpec {
        let mut spec = self.spec();
        let secrets = fs::read_to_string(self.berth.folder().join(SECRETS)).unwrap();
        let file = format!("/run/secrets/{}", SECRET_NAMES[1]);
        let deliveries = [SecretDelivery::Environment, SecretDelivery::File(file.parse().unwrap())];
        let named = SECRET_NAMES.into_iter().zip(secrets.lines()).zip(deliveries);
        spec.secrets = named
            .map(|((name, value), delivery)| {
                let value = SecretValue::new(value.as_bytes().to_vec());
                Secret { name: name.parse().unwrap(), value, delivery }
            })
            .collect();
        spec.env = vec![format!("{PLAIN}=good morning").parse().unwrap()];
        spec.words =
            ["encodings", SECRET_NAMES[0], "file", &file, "say", "under way", "wait"].map(str::to_owned).to_vec();
        spec
    }

    async fn run(&self) -> Result<Vec<Value>, Error> {
        let portreeve = self.berth.builder().build().await?;
        portreeve.pull(&self.image).await?;
        let container = portreeve.run(&self.spec()).await?;
        Ok(vec![json!({"id": container.id})])
    }

    async fn attach(&self) -> Result<Vec<Value>, Error> {
        let portreeve = self.ready().await?;
        let before = peak_memory();
        let mut spec = self.spec();
        spec.remove = true;
        self.measured(before, portreeve.run_attached(&spec).await?).await
    }

    async fn read(&self) -> Result<Vec<Value>, Error> {
        let portreeve = self.ready().await?;
        let before = peak_memory();
        self.measured(before, portreeve.logs(self.word(0), &LogOptions::default()).await?).await
    }

    /// A host that has done everything once that it does at its start.
    async fn ready(&self) -> Result<Portreeve, Error> {
        let portreeve = self.berth.builder().build().await?;
        portreeve.pull(&self.image).await?;
        portreeve.list().await?;
        Ok(portreeve)
    }

    async fn measured(&self, before: u64, mut stream: LogStream) -> Result<Vec<Value>, Error> {
        let begun = Instant::now();
        let mut bytes = 0;
        while let Some(chunk) = stream.next().await {
            bytes += size(&chunk);
        }
        let status = stream.finish().await?;
        let seconds = begun.elapsed().as_secs_f64();
        Ok(vec![json!({"before": before, "peak": peak_memory(), "bytes": bytes, "seconds": seconds, "status": status})])
    }

    /// All streams are open before the first is let go.
    async fn follow(&self) -> Result<Vec<Value>, Error> {
        let portreeve = self.ready().await?;
        let before = peak_memory();
        let (streams, lines) = (self.number(1), self.number(2));
        let all = Arc::new(Barrier::new(usize::try_from(streams).unwrap()));
        let bytes = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..streams {
            let (portreeve, name) = (portreeve.clone(), self.word(0).to_owned());
            let (all, bytes) = (Arc::clone(&all), Arc::clone(&bytes));
            tasks.spawn(async move {
                let mut log = portreeve.logs(&name, &LogOptions { follow: true, ..LogOptions::default() }).await?;
                bytes.fetch_add(read_lines(&mut log, lines).await, Ordering::Relaxed);
                all.wait().await;
                // A second time, now that all the others are open.
                bytes.fetch_add(read_lines(&mut log, lines).await, Ordering::Relaxed);
                all.wait().await;
                Ok::<(), Error>(())
            });
        }
        let children = tokio::spawn(most_children());
        while let Some(done) = tasks.join_next().await {
            done.unwrap()?;
        }
        children.abort();
        let most = MOST_CHILDREN.load(Ordering::Relaxed);
        let bytes = bytes.load(Ordering::Relaxed);
        Ok(vec![json!({"before": before, "peak": peak_memory(), "bytes": bytes, "at-once": most})])
    }

    async fn calls(&self) -> Result<Vec<Value>, Error> {
        let portreeve = self.berth.builder().build().await?;
        for _ in 0..self.number(0) {
            portreeve.list().await?;
            println!(".");
        }
        Ok(Vec::new())
    }

    /// Every container has a task of its own; what was lost is told, not asserted.
    async fn fleet(&self) -> Result<Vec<Value>, Error> {
        let at_once = usize::try_from(self.number(2)).unwrap();
        let portreeve = self.berth.builder().commands_at_once(at_once.try_into().unwrap()).build().await?;
        portreeve.pull(&self.image).await?;
        portreeve.list().await?;
        let (before, begun) = (peak_memory(), Instant::now());
        let mut tasks = JoinSet::new();
        for number in 0..self.number(1) {
            let name = format!("{}-{number}", self.word(0));
            tasks
                .spawn(ship(portreeve.clone(), ContainerSpec { network: Some(NetworkMode::None), ..self.ship(&name) }));
        }
        let ships: Vec<Value> = tasks.join_all().await;
        let seconds = begun.elapsed().as_secs_f64();
        let left = portreeve.list().await?.len();
        Ok(vec![json!({"before": before, "peak": peak_memory(), "seconds": seconds, "left": left, "ships": ships})])
    }

    fn ship(&self, name: &str) -> ContainerSpec {
        let mut spec = ContainerSpec::new(self.image.clone(), name.parse().unwrap());
        spec.words = ["say", name, "wait"].map(str::to_owned).to_vec();
        spec
    }

    async fn list(&self) -> Result<Vec<Value>, Error> {
        let portreeve = self.berth.builder().build().await?;
        let containers = portreeve.list().await?.len();
        Ok(vec![json!({"containers": containers, "peak": peak_memory()})])
    }

    fn intents(&self, known: u64) -> Result<Vec<Value>, Error> {
        let state = StateDir::open(self.berth.state())?;
        let records = Journal::read(&state, Filter::default()).unwrap().map(Result::unwrap);
        let newer = records.filter(|record| record.kind == Kind::Intent && record.seq.get() > known);
        Ok(newer.map(|record| json!({"seq": record.seq.get(), "argv": record.argv})).collect())
    }
}

/// The whole life of one container, and what of it was lost.
async fn ship(portreeve: Portreeve, spec: ContainerSpec) -> Value {
    let name = spec.name.to_string();
    let life = async {
        let id = portreeve.run(&spec).await?.id;
        let mut log = portreeve.logs(&name, &LogOptions { follow: true, ..LogOptions::default() }).await?;
        heard(&mut log, &name).await;
        drop(log);
        portreeve.stop(&name, Duration::from_secs(10)).await?;
        portreeve.remove(&name, false).await?;
        Ok::<String, Error>(id)
    };
    match life.await {
        Ok(id) => json!({"name": name, "id": id}),
        Err(error) => json!({"name": name, "lost": error.to_string()}),
    }
}

fn size(chunk: &LogChunk) -> u64 {
    match chunk {
        LogChunk::Stdout(bytes) | LogChunk::Stderr(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

/// Reads until a log has said something.
async fn heard(log: &mut LogStream, word: &str) {
    let mut text = Vec::new();
    while !crate::trace::contains(&text, word.as_bytes()) {
        match log.next().await {
            Some(LogChunk::Stdout(bytes) | LogChunk::Stderr(bytes)) => text.extend(bytes),
            _ => break,
        }
    }
}

/// Reads so many lines, at least, and gives their size.
async fn read_lines(log: &mut LogStream, lines: u64) -> u64 {
    let (mut read, mut bytes) = (0, 0);
    while read < lines {
        let Some(LogChunk::Stdout(chunk) | LogChunk::Stderr(chunk)) = log.next().await else { break };
        read += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        bytes += chunk.len() as u64;
    }
    bytes
}

static MOST_CHILDREN: AtomicU64 = AtomicU64::new(0);

/// Looks how many processes this one has started that still run.
async fn most_children() {
    loop {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let count = children.map(|list| list.split_whitespace().count() as u64).sum();
        MOST_CHILDREN.fetch_max(count, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
