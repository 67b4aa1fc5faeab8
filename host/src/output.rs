//! What a command printed, as it may be shown: redacted and bounded. Only the redactor makes it.

use serde_json::Value;
use tokio::time::Instant;

use crate::executor::{CommandInput, ExecError, Exit, RawOutput, RawStream, Source};
use crate::redaction::{RedactionStream, Redactor};
use crate::spec::WindowSize;

/// A command that ran to its end, redacted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    status: i32,
    stdout: String,
    stderr: String,
    truncated: bool,
}

impl Output {
    /// Redacts what was printed. A JSON document, or one a line, stays one of the same shape.
    pub(crate) fn redact(raw: &RawOutput, redactor: &Redactor) -> Self {
        let captured = raw.expose();
        Self {
            status: status(raw.exit()),
            stdout: document(captured.expose(Source::Stdout), redactor),
            stderr: redactor.text(&String::from_utf8_lossy(captured.expose(Source::Stderr))),
            truncated: raw.truncated(),
        }
    }

    /// Its exit status; 128 + signal when it was killed.
    pub(crate) fn status(&self) -> i32 {
        self.status
    }

    /// Standard output.
    pub(crate) fn stdout(&self) -> &str {
        &self.stdout
    }

    /// Standard error.
    pub(crate) fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Whether some of it was left out.
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }
}

/// An exit as shells tell it.
pub(crate) fn status(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
    }
}

/// JSON is redacted as a document, all else as text.
fn document(bytes: &[u8], redactor: &Redactor) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.starts_with(['{', '[']) {
        return redactor.text(&text);
    }
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
    match values {
        Err(_) => redactor.text(&text),
        Ok(mut values) => {
            values.iter_mut().for_each(|value| redactor.json(value));
            values.iter().map(|value| format!("{value}\n")).collect()
        }
    }
}

/// A piece of a running command's output, redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogChunk {
    /// From standard output.
    Stdout(Vec<u8>),
    /// From standard error.
    Stderr(Vec<u8>),
}

/// How long a prompt without an end of line is held back.
const IDLE: std::time::Duration = std::time::Duration::from_millis(150);

/// A running command whose output comes out redacted, piece by piece. Nothing is read ahead.
pub(crate) struct RedactedStream {
    raw: RawStream,
    stdout: RedactionStream,
    stderr: RedactionStream,
    /// The source that the idle let go, and is to be handed out next.
    ready: Vec<LogChunk>,
    ended: bool,
    /// Since when something may be held back.
    since: Option<Instant>,
}

impl RedactedStream {
    pub(crate) fn new(raw: RawStream, redactor: &Redactor) -> Self {
        Self { raw, stdout: redactor.stream(), stderr: redactor.stream(), ready: Vec::new(), ended: false, since: None }
    }

    /// The next piece; none at the end. Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Option<LogChunk> {
        loop {
            if let Some(chunk) = self.ready.pop() {
                return Some(chunk);
            }
            if self.ended {
                return None;
            }
            self.fill().await;
        }
    }

    /// Where the caller writes.
    pub(crate) fn take_input(&mut self) -> Option<CommandInput> {
        self.raw.take_input()
    }

    /// Sets the size of its terminal.
    pub(crate) fn resize(&self, size: WindowSize) -> std::io::Result<()> {
        self.raw.resize(size)
    }

    async fn fill(&mut self) {
        let next = match self.since {
            // What is there is read first: a flood is never idle.
            Some(since) => match tokio::time::timeout_at(since + IDLE, self.raw.next()).await {
                Ok(next) => next,
                Err(_) => return self.idle(),
            },
            None => self.raw.next().await,
        };
        match next {
            Some(chunk) => self.push(chunk.source(), chunk.expose()),
            None => self.finish(),
        }
    }

    fn push(&mut self, source: Source, bytes: &[u8]) {
        let mut clean = Vec::with_capacity(bytes.len());
        match source {
            Source::Stdout => self.stdout.push(bytes, &mut clean),
            Source::Stderr => self.stderr.push(bytes, &mut clean),
        }
        let holding = self.stdout.is_holding() || self.stderr.is_holding();
        self.since = self.since.or_else(|| Some(Instant::now())).filter(|_| holding);
        self.offer(source, clean);
    }

    fn idle(&mut self) {
        self.since = None;
        self.drain(RedactionStream::idle);
    }

    fn finish(&mut self) {
        self.ended = true;
        self.drain(RedactionStream::finish);
    }

    fn drain(&mut self, how: impl Fn(&mut RedactionStream, &mut Vec<u8>)) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        how(&mut self.stdout, &mut stdout);
        how(&mut self.stderr, &mut stderr);
        self.offer(Source::Stderr, stderr);
        self.offer(Source::Stdout, stdout);
    }

    fn offer(&mut self, source: Source, clean: Vec<u8>) {
        if clean.is_empty() {
            return;
        }
        self.ready.push(match source {
            Source::Stdout => LogChunk::Stdout(clean),
            Source::Stderr => LogChunk::Stderr(clean),
        });
    }

    /// Waits for the command's end and gives its status.
    pub(crate) async fn exit(&mut self) -> Result<i32, ExecError> {
        self.raw.exit().await.map(status)
    }
}
