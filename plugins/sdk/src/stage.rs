//! A host for unit tests: it plays recorded answers, and remembers what was asked.
//!
//! It exists off the wasm target alone. Nothing is decided, rendered or run here: whether a grants file allows what a
//! backend asks for is a question for the real host.
//!
//! ```
//! use portreeve_plugin::{Arguments, engine, stage::Stage};
//!
//! let (output, seen) = Stage::new()
//!     .command("version", 0, "1.2.3\n", "")
//!     .play(|| engine::run("version", Arguments::none()));
//! assert_eq!(output.unwrap().stdout, "1.2.3\n");
//! assert_eq!(seen.commands(), ["version"]);
//! ```

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

use crate::{
    Argument, Error, Result,
    devices::Device,
    engine::{Line, Output, Source},
    narration::{Level, Progress},
};

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::new(Stage::new());
}

/// The answers that a host will give, in order for each command.
#[derive(Debug, Default)]
pub struct Stage {
    answers: BTreeMap<String, VecDeque<Result<Output>>>,
    devices: BTreeMap<String, Device>,
    seen: Seen,
}

/// What a backend asked and said.
#[derive(Debug, Default)]
pub struct Seen {
    /// Commands and their arguments, in order.
    pub asks: Vec<(String, Vec<Argument>)>,
    /// Device nodes, in order.
    pub nodes: Vec<String>,
    /// Narration.
    pub said: Vec<(Level, String)>,
    /// Progress.
    pub progress: Vec<Progress>,
}

impl Seen {
    /// The names of the commands asked for.
    #[must_use]
    pub fn commands(&self) -> Vec<&str> {
        self.asks.iter().map(|(command, _)| command.as_str()).collect()
    }
}

impl Stage {
    /// A host that knows no program and no device.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The command's next answer: it ran to its end.
    #[must_use]
    pub fn command(self, command: &str, status: i32, stdout: &str, stderr: &str) -> Self {
        let output = Output { status, stdout: stdout.into(), stderr: stderr.into(), truncated: false };
        self.answer(command, Ok(output))
    }

    /// The command's next answer: it did not run.
    #[must_use]
    pub fn fails(self, command: &str, error: Error) -> Self {
        self.answer(command, Err(error))
    }

    /// A character device that this user may or may not open.
    #[must_use]
    pub fn device(mut self, path: &str, accessible: bool) -> Self {
        let device = Device { exists: true, character: true, major: 195, minor: 0, accessible };
        self.devices.insert(path.into(), device);
        self
    }

    /// Runs a piece of a backend on this stage.
    pub fn play<T>(self, piece: impl FnOnce() -> T) -> (T, Seen) {
        STAGE.replace(self);
        let result = piece();
        (result, STAGE.take().seen)
    }

    fn answer(mut self, command: &str, answer: Result<Output>) -> Self {
        self.answers.entry(command.into()).or_default().push_back(answer);
        self
    }

    fn asked(&mut self, command: &str, arguments: &[Argument]) -> Result<Output> {
        self.seen.asks.push((command.into(), arguments.into()));
        let next = self.answers.get_mut(command).and_then(VecDeque::pop_front);
        next.unwrap_or_else(|| Err(Error::Unavailable(format!("no program for `{command}` is installed"))))
    }
}

#[derive(Debug)]
pub(crate) struct Lines {
    lines: RefCell<VecDeque<Line>>,
    status: i32,
}

#[derive(Debug)]
pub(crate) struct Log {
    bytes: RefCell<VecDeque<u8>>,
}

pub(crate) fn run(command: &str, arguments: &[Argument]) -> Result<Output> {
    STAGE.with_borrow_mut(|stage| stage.asked(command, arguments))
}

pub(crate) fn stream(command: &str, arguments: &[Argument]) -> Result<Lines> {
    let output = run(command, arguments)?;
    let of = |source, text: &str| text.lines().map(|line| Line { source, text: line.into() }).collect::<Vec<_>>();
    let mut lines = of(Source::Stdout, &output.stdout);
    lines.extend(of(Source::Stderr, &output.stderr));
    Ok(Lines { lines: RefCell::new(lines.into()), status: output.status })
}

pub(crate) fn next(lines: &Lines, max: u32) -> Result<Vec<Line>> {
    let mut lines = lines.lines.borrow_mut();
    let count = lines.len().min(max as usize);
    Ok(lines.drain(..count).collect())
}

#[allow(clippy::unnecessary_wraps, reason = "the signature of the real host's")]
pub(crate) fn finish(lines: &Lines) -> Result<i32> {
    Ok(lines.status)
}

pub(crate) fn open(command: &str, arguments: &[Argument]) -> Result<Log> {
    let output = run(command, arguments)?;
    Ok(Log { bytes: RefCell::new((output.stdout + &output.stderr).into_bytes().into()) })
}

pub(crate) fn read(log: &Log, max: u32) -> Result<Vec<u8>> {
    let mut bytes = log.bytes.borrow_mut();
    let count = bytes.len().min(max as usize);
    Ok(bytes.drain(..count).collect())
}

pub(crate) fn check(path: &str) -> Result<Device> {
    STAGE.with_borrow_mut(|stage| {
        stage.seen.nodes.push(path.into());
        let nothing = Device { exists: false, character: false, major: 0, minor: 0, accessible: false };
        Ok(stage.devices.get(path).copied().unwrap_or(nothing))
    })
}

pub(crate) fn say(level: Level, message: &str) {
    STAGE.with_borrow_mut(|stage| stage.seen.said.push((level, message.into())));
}

pub(crate) fn report(progress: &Progress) {
    STAGE.with_borrow_mut(|stage| stage.seen.progress.push(progress.clone()));
}
