//! One command from its words to its exit status.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::arguments::{Arguments, Order};
use crate::commands;
use crate::console::{self, Console};
use crate::dialect::Dialect;
use crate::faults::{Fault, Faults};
use crate::mode::Mode;
use crate::state::{self, State};
use crate::trouble::Trouble;
use crate::verb::{self, Verb};

/// How much `huge-json` prints.
const HUGE: usize = 64 * 1024 * 1024;

/// An engine that carries out one command.
pub(crate) struct Engine {
    pub(crate) state: State,
    pub(crate) dialect: Dialect,
    pub(crate) mode: Mode,
    pub(crate) faults: Faults,
    pub(crate) console: Console,
    /// The whole command line.
    pub(crate) words: Vec<String>,
    /// What a global `--runtime` said.
    pub(crate) runtime: Option<String>,
}

/// Carries out one command; the exit status.
pub(crate) fn run(root: &Path, program: &str, words: Vec<String>) -> u8 {
    let mut engine = match Engine::new(root, program, words) {
        Ok(engine) => engine,
        Err(error) => {
            let _ = console::write(io::stderr().as_fd(), format!("rehearsal: {error}\n").as_bytes());
            return 125;
        }
    };
    let (result, verb) = engine.perform(program);
    let status = result.unwrap_or_else(|trouble| engine.complain(&trouble, verb));
    engine.conclude(status)
}

impl Engine {
    fn new(root: &Path, program: &str, words: Vec<String>) -> Result<Self, String> {
        let mode = std::fs::read_to_string(root.join("mode")).unwrap_or_default();
        let mode = Mode::parse(&mode, program)?;
        let dialect = mode.dialect(program);
        let state = State::open(root, dialect.word()).map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Self { state, dialect, mode, faults: Faults::default(), console: Console::default(), words, runtime: None })
    }

    fn perform(&mut self, program: &str) -> (Result<u8, Trouble>, Option<Verb>) {
        if self.mode.masquerade && program == "docker" {
            self.console.warn("Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.");
        }
        match self.read() {
            Ok(Some((verb, words))) => (self.carry_out(verb, &words), Some(verb)),
            Ok(None) => (Ok(0), None),
            Err(trouble) => (Err(trouble), None),
        }
    }

    /// Reads the flags before the command, and the command; nothing is left to do after `--version`.
    fn read(&mut self) -> Result<Option<(Verb, Vec<String>)>, Trouble> {
        self.note_call()?;
        let words = self.words.get(1..).unwrap_or_default();
        let global = Arguments::parse(words, &[self.dialect.global_flags()], Order::FlagsFirst)?;
        self.runtime = global.value("runtime").map(str::to_owned);
        if let Some(host) = global.value("host") {
            self.note_endpoint(host)?;
        }
        if global.is_set("version") {
            self.console.say(commands::engine::version_line(self.dialect));
            return Ok(None);
        }
        let (verb, count) = Verb::find(&global.operands).map_err(Trouble::UnknownCommand)?;
        if verb.is_podmans() && self.dialect == Dialect::Docker {
            return Err(Trouble::UnknownCommand("pod".to_owned()));
        }
        if verb.is_dockers() && self.dialect == Dialect::Podman {
            return Err(Trouble::UnknownCommand("context".to_owned()));
        }
        Ok(Some((verb, global.operands.get(count..).unwrap_or_default().to_vec())))
    }

    fn note_call(&self) -> io::Result<()> {
        let mut names: Vec<_> = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        names.sort();
        self.state.note("calls", &json!({"argv": self.words, "env": names, "pid": std::process::id()}).to_string())
    }

    fn note_endpoint(&self, host: &str) -> io::Result<()> {
        if self.state.words("endpoint").trim_end() == host {
            return Ok(());
        }
        state::write(&self.state.root().join("endpoint"), format!("{host}\n").as_bytes())
    }

    fn carry_out(&mut self, verb: Verb, words: &[String]) -> Result<u8, Trouble> {
        self.faults = match Faults::parse(&self.state.words("faults"), verb.name(), &verb::NAMES) {
            Ok(faults) => faults,
            Err(error) => return self.broken(&error),
        };
        self.console.dies_halfway = self.faults.has(Fault::DieHalfway);
        if let Some(status) = self.misbehave()? {
            return Ok(status);
        }
        let arguments = Arguments::parse(words, &self.dialect.flags(verb), self.dialect.order(verb))?;
        self.check_daemon(verb)?;
        commands::run(self, verb, &arguments)
    }

    fn broken(&mut self, error: &str) -> Result<u8, Trouble> {
        self.console.warn(&format!("rehearsal: {error}"));
        Ok(125)
    }

    fn check_daemon(&self, verb: Verb) -> Result<(), Trouble> {
        match verb {
            Verb::Version | Verb::Info | Verb::ContextLs if self.dialect == Dialect::Docker => Ok(()),
            Verb::Version => Ok(()),
            _ if self.mode.down => Err(Trouble::Down),
            _ if self.mode.refused => Err(Trouble::Refused),
            _ => Ok(()),
        }
    }

    /// What goes wrong before anything is done; a status when nothing is to be done any more.
    fn misbehave(&mut self) -> Result<Option<u8>, Trouble> {
        if let Some(delay) = self.faults.delay() {
            thread::sleep(Duration::from_millis(delay));
        }
        if self.faults.has(Fault::LeakEnv) {
            let leak = std::env::vars_os()
                .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
            leak.for_each(|line| self.console.warn(&format!("level=debug msg=\"environment: {line}\"")));
        }
        match () {
            () if self.faults.has(Fault::Hang) => hang(),
            () if self.faults.has(Fault::Die) => console::die(),
            () if self.faults.has(Fault::Flood) => flood(io::stdout().as_fd()),
            () if self.faults.has(Fault::FloodStderr) => flood(io::stderr().as_fd()),
            () if self.faults.has(Fault::Garbage) => self.console.say("%!s(<nil>) {\"Id\": \x07 not json ]"),
            () if self.faults.has(Fault::HugeJson) => huge_json()?,
            () if self.faults.has(Fault::Fail) => return Err(Trouble::Invalid("rehearsed failure".to_owned())),
            () => return Ok(None),
        }
        Ok(Some(0))
    }

    fn complain(&mut self, trouble: &Trouble, verb: Option<Verb>) -> u8 {
        let (status, text) = self.dialect.describe(trouble, verb);
        if !text.is_empty() {
            self.console.warn(&text);
        }
        status
    }

    fn conclude(mut self, status: u8) -> u8 {
        if self.faults.has(Fault::HalfUtf8) {
            self.console.out(b"caf\xc3");
        }
        // A reader that went away is the usual reason; there is nobody to tell.
        let written = self.console.flush();
        if self.console.dies_halfway {
            console::die();
        }
        if self.faults.has(Fault::HangAfter) {
            hang();
        }
        self.faults.exit().unwrap_or(if written.is_ok() { status } else { 1 })
    }
}

fn hang() {
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

fn flood(stream: std::os::fd::BorrowedFd<'_>) {
    for number in 0_u64.. {
        let lines: String = (0..512).map(|line| format!("{:.<63}\n", number * 512 + line)).collect();
        if console::write(stream, lines.as_bytes()).is_err() {
            return;
        }
    }
}

fn huge_json() -> io::Result<()> {
    let stdout = io::stdout();
    let element = format!("\"{}\",", "a".repeat(1024 * 1024 - 3));
    console::write(stdout.as_fd(), b"[")?;
    for _ in 0..HUGE / element.len() {
        console::write(stdout.as_fd(), element.as_bytes())?;
    }
    console::write(stdout.as_fd(), b"\"\"]\n")
}
