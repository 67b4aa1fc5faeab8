//! Our own standard input and terminal, handed on to what runs.

use std::io::{self, IsTerminal};

use portreeve::spec::WindowSize;
use portreeve::{CommandInput, LogStream};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Failure;
use super::pump::Sink;

/// How much of our input is handed on at once.
const PIECE: usize = 16 << 10;

/// Our terminal as it was, put back when this is dropped: until then every key is the command's own.
struct Raw(Termios);

impl Raw {
    /// None where our input is no terminal.
    fn enter() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that went away needs no modes.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// How large the terminal that we print to is; none where it is no terminal.
fn size() -> Option<WindowSize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some(WindowSize { rows: size.ws_row, columns: size.ws_col }).filter(|size| size.rows > 0 && size.columns > 0)
}

/// Hands our input to a stream, and what the stream has to our output, until it ends. With a terminal, keys are the
/// command's, and its size is ours.
pub(crate) async fn attach(stream: &mut LogStream, sink: &mut Sink, terminal: bool) -> Result<(), Failure> {
    let _raw = if terminal { Raw::enter()? } else { None };
    let mut resized = signal(SignalKind::window_change())?;
    if terminal {
        follow(stream)?;
    }
    let feeding = stream.take_input().map(|input| tokio::spawn(feed(input)));
    let pumped = pump(stream, sink, terminal.then_some(&mut resized)).await;
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    pumped
}

async fn pump(stream: &mut LogStream, sink: &mut Sink, mut resized: Option<&mut Signal>) -> Result<(), Failure> {
    loop {
        let chunk = match resized.as_mut() {
            None => stream.next().await,
            Some(resized) => tokio::select! {
                chunk = stream.next() => chunk,
                _ = resized.recv() => {
                    follow(stream)?;
                    continue;
                }
            },
        };
        match chunk {
            Some(chunk) => sink.put(&chunk).await?,
            None => return Ok(sink.end().await?),
        }
    }
}

fn follow(stream: &LogStream) -> Result<(), Failure> {
    size().map_or(Ok(()), |size| Ok(stream.resize(size)?))
}

/// Until our input ends, or nobody reads it any more.
async fn feed(mut input: CommandInput) {
    let (mut stdin, mut piece) = (tokio::io::stdin(), vec![0; PIECE]);
    while let Ok(count) = stdin.read(&mut piece).await {
        let bytes = piece.get(..count).unwrap_or_default();
        if bytes.is_empty() || input.write_all(bytes).await.is_err() {
            return;
        }
    }
}
