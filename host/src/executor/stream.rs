//! The raw output of a running child, as it comes.

use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionread};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep, timeout};

use super::child::{Ends, Running};
use super::input::CommandInput;
use super::output::{Captured, Exit, RawChunk, Source, Timing};
use super::pace::Pace;
use super::terminal::resize;
use super::{ExecError, Failure};
use crate::spec::WindowSize;

/// The largest piece that is read at once; also what a pipe holds (pipe(7)).
pub(crate) const CHUNK: usize = 64 * 1024;

/// After the child's end, how long is waited for the pipes to be closed by whoever else holds them. What the child
/// wrote itself is in the pipe by then and always read; a process that an engine left behind may keep a pipe open for ever.
pub(crate) const LINGER: Duration = Duration::from_millis(200);

/// Bytes read at most after the child's end, so that such a straggler can't keep a stream going either: the largest
/// pipe an ordinary user can make (`fs.pipe-max-size`), twice.
pub(crate) const LINGER_BYTES: usize = 2 * 1024 * 1024;

/// A running command. Dropped, it ends the command with its whole process group.
pub(crate) struct RawStream {
    command: String,
    running: Running,
    pipes: [Option<Receiver>; 2],
    input: Option<CommandInput>,
    terminal: Option<OwnedFd>,
    turn: Source,
    pace: Pace,
    clock: Clock,
    after_end: Option<AfterEnd>,
    failed: Option<io::Error>,
    killed: Option<oneshot::Receiver<()>>,
}

struct AfterEnd {
    linger: Pin<Box<Sleep>>,
    bytes_left: usize,
}

pub(super) struct Clock {
    pub(super) begun: Instant,
    pub(super) spawn: Duration,
    pub(super) limit: Option<Duration>,
    pub(super) deadline: Option<Pin<Box<Sleep>>>,
    pub(super) expired: bool,
}

impl Clock {
    pub(super) fn start(begun: Instant, limit: Option<Duration>) -> Self {
        let deadline = limit.map(|limit| Box::pin(sleep(limit)));
        Self { begun, spawn: begun.elapsed(), limit, deadline, expired: false }
    }

    async fn expire(&mut self) {
        match &mut self.deadline {
            Some(deadline) => deadline.as_mut().await,
            None => pending().await,
        }
    }
}

enum Event {
    Readable(Source),
    Ended,
    Quiet,
    Expired,
}

impl RawStream {
    pub(super) fn new(command: &str, running: Running, ends: Ends, clock: Clock) -> Self {
        Self {
            command: command.to_owned(),
            running,
            pipes: ends.output,
            input: ends.input.map(CommandInput::new),
            terminal: ends.terminal,
            turn: Source::Stdout,
            pace: Pace::default(),
            clock,
            after_end: None,
            failed: None,
            killed: None,
        }
    }

    /// Where the caller writes; once, and only where the permit says so.
    pub(crate) fn take_input(&mut self) -> Option<CommandInput> {
        self.input.take()
    }

    /// Sets the size of its terminal, where it has one.
    pub(crate) fn resize(&self, size: WindowSize) -> io::Result<()> {
        let Some(terminal) = &self.terminal else { return Ok(()) };
        resize(terminal.as_fd(), size)?;
        self.running.resized();
        Ok(())
    }

    /// The next piece of either stream; none when both are closed, when the child has ended and nothing more comes,
    /// or when its time is up. Where both streams have something they take turns. Nothing is read ahead: a child that
    /// is not listened to waits in its pipe. Can be cancelled without loss.
    pub(crate) async fn next(&mut self) -> Option<RawChunk> {
        if let Some(pause) = self.pace.pause() {
            sleep(pause).await;
        }
        loop {
            match self.event().await {
                Event::Readable(source) => {
                    if let Some(chunk) = self.read(source) {
                        return Some(chunk);
                    }
                }
                Event::Ended => self.after_end = Some(AfterEnd::begin()),
                Event::Quiet => return None,
                Event::Expired => {
                    self.expire();
                    return None;
                }
            }
        }
    }

    /// How the child ended. What it still prints is read and dropped.
    ///
    /// # Errors
    /// [`ExecError::TimedOut`], after the group was ended; [`ExecError::Failed`] when a pipe or the child's status can't
    /// be read.
    pub(crate) async fn exit(&mut self) -> Result<Exit, ExecError> {
        // An input that nobody took is at its end, or a command that reads it would wait for ever.
        self.input = None;
        while self.next().await.is_some() {}
        if self.after_end.is_none() && !self.clock.expired {
            self.await_end().await;
        }
        if self.clock.expired {
            return Err(self.timed_out().await);
        }
        let collected = self.running.collect();
        match self.failed.take() {
            Some(error) => Err(self.error(error)),
            None => collected.map_err(|error| self.error(error)),
        }
    }

    /// How long it took until now; after [`RawStream::exit`], until the end.
    pub(crate) fn timing(&self) -> Timing {
        Timing { spawn: self.clock.spawn, total: self.clock.begun.elapsed() }
    }

    async fn event(&mut self) -> Event {
        let closed = self.pipes.iter().all(Option::is_none);
        let spent = self.after_end.as_ref().is_some_and(|after| after.bytes_left == 0);
        if closed || spent || self.clock.expired {
            return Event::Quiet;
        }
        let Self { running, pipes, turn, clock, after_end, .. } = self;
        let ended = after_end.is_some();
        tokio::select! {
            // The deadline first, that a flood can't hide it; then what was written, then the end.
            biased;
            () = clock.expire() => Event::Expired,
            source = readable(pipes, *turn) => Event::Readable(source),
            () = running.ended(), if !ended => Event::Ended,
            () = linger(after_end), if ended => Event::Quiet,
        }
    }

    fn read(&mut self, source: Source) -> Option<RawChunk> {
        self.turn = other(source);
        let slot = pipe(&mut self.pipes, source);
        let read = slot.as_ref().map(read_some).unwrap_or(Ok(Vec::new()));
        match read {
            Ok(bytes) if bytes.is_empty() => *slot = None,
            Ok(bytes) => return Some(self.chunk(source, bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // What a terminal says when nobody is at its other end any more (pty(7)).
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => *slot = None,
            Err(error) => {
                *slot = None;
                self.failed = Some(error);
            }
        }
        None
    }

    fn chunk(&mut self, source: Source, bytes: Vec<u8>) -> RawChunk {
        if let Some(after) = &mut self.after_end {
            after.bytes_left = after.bytes_left.saturating_sub(bytes.len());
        }
        self.pace.note(bytes.len(), Instant::now());
        RawChunk::new(source, bytes)
    }

    async fn await_end(&mut self) {
        let Self { running, clock, .. } = self;
        let expired = tokio::select! {
            biased;
            () = clock.expire() => true,
            () = running.ended() => false,
        };
        if expired {
            self.expire();
        } else {
            self.after_end = Some(AfterEnd::begin());
        }
    }

    fn expire(&mut self) {
        self.clock.expired = true;
        self.end();
    }

    fn end(&mut self) {
        let held = self.pipes.iter_mut().filter_map(Option::take);
        let held: Vec<OwnedFd> = held.filter_map(|pipe| pipe.into_nonblocking_fd().ok()).collect();
        if let Some(told) = self.running.end(held) {
            self.killed = Some(told);
        }
    }

    async fn timed_out(&mut self) -> ExecError {
        if let Some(killed) = self.killed.take() {
            // Neither outcome matters: the group was told to end, and the reaper goes on by itself.
            let _ = timeout(self.running.patience(), killed).await;
        }
        let after = self.clock.limit.unwrap_or_default();
        let partial = Box::new(Captured::with_cap(0));
        ExecError::TimedOut { command: self.command.clone(), after, partial }
    }

    fn error(&self, source: io::Error) -> ExecError {
        Failure::Io(source).of(&self.command)
    }
}

impl Drop for RawStream {
    fn drop(&mut self) {
        self.end();
    }
}

impl AfterEnd {
    fn begin() -> Self {
        Self { linger: Box::pin(sleep(LINGER)), bytes_left: LINGER_BYTES }
    }
}

async fn linger(after_end: &mut Option<AfterEnd>) {
    match after_end {
        Some(after) => after.linger.as_mut().await,
        None => pending().await,
    }
}

fn other(source: Source) -> Source {
    match source {
        Source::Stdout => Source::Stderr,
        Source::Stderr => Source::Stdout,
    }
}

fn pipe(pipes: &mut [Option<Receiver>; 2], source: Source) -> &mut Option<Receiver> {
    let [stdout, stderr] = pipes;
    match source {
        Source::Stdout => stdout,
        Source::Stderr => stderr,
    }
}

/// Waits until one of the pipes can be read, asking the one whose turn it is first.
async fn readable(pipes: &mut [Option<Receiver>; 2], turn: Source) -> Source {
    poll_fn(|context| {
        for source in [turn, other(turn)] {
            if is_ready(pipe(pipes, source), context) {
                return Poll::Ready(source);
            }
        }
        Poll::Pending
    })
    .await
}

fn is_ready(pipe: &Option<Receiver>, context: &mut Context<'_>) -> bool {
    // An error counts as ready: reading will tell.
    pipe.as_ref().is_some_and(|pipe| pipe.poll_read_ready(context).is_ready())
}

/// Reads what is there into a buffer of that size: an idle stream holds none.
fn read_some(pipe: &Receiver) -> io::Result<Vec<u8>> {
    let waiting = usize::try_from(ioctl_fionread(pipe)?).unwrap_or(CHUNK);
    let mut bytes = vec![0; waiting.clamp(1, CHUNK)];
    let count = pipe.try_read(&mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}
