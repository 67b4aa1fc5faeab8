//! What a container prints, onto our own standard output and error: byte by byte and apart, or as JSON lines.
//!
//! Writing happens beside the runtime, so that a reader who is slow or gone can't keep a signal from being heard.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use portreeve::{LogChunk, LogStream};
use serde_json::json;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::exit::Failure;
use super::tame::Tamer;

/// The longest line that becomes one JSON document; a longer one is cut into several.
const LINE: usize = 64 << 10;

/// Where it goes.
pub(crate) enum Sink {
    /// As it is, but for what would steer a terminal that is none of the container's own.
    Bytes { stdout: Output, stderr: Output },
    /// `{"stream":"stdout","line":"…"}`, one a line.
    Lines { stdout: File, out: Lines, err: Lines },
}

impl Sink {
    /// Our own standard output and error. A terminal of ours may be the container's own.
    pub(crate) fn open(json: bool, own_terminal: bool) -> io::Result<Self> {
        if json {
            let stdout = file(io::stdout())?;
            return Ok(Self::Lines { stdout, out: Lines::new("stdout"), err: Lines::new("stderr") });
        }
        let stdout = Output::new(io::stdout(), own_terminal)?;
        Ok(Self::Bytes { stdout, stderr: Output::new(io::stderr(), own_terminal)? })
    }

    /// Hands on one piece.
    pub(super) async fn put(&mut self, chunk: &LogChunk) -> io::Result<()> {
        match (self, chunk) {
            (Self::Bytes { stdout, .. }, LogChunk::Stdout(bytes)) => stdout.put(bytes).await,
            (Self::Bytes { stderr, .. }, LogChunk::Stderr(bytes)) => stderr.put(bytes).await,
            (Self::Lines { stdout, out, .. }, LogChunk::Stdout(bytes)) => write(stdout, &out.take(bytes)).await,
            (Self::Lines { stdout, err, .. }, LogChunk::Stderr(bytes)) => write(stdout, &err.take(bytes)).await,
            _ => Ok(()),
        }
    }

    /// Hands on what is left of a line.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Bytes { stdout, stderr } => {
                stdout.end().await?;
                stderr.end().await
            }
            Self::Lines { stdout, out, err } => {
                write(stdout, &out.rest()).await?;
                write(stdout, &err.rest()).await
            }
        }
    }
}

/// One of our own streams.
pub(crate) struct Output {
    file: File,
    /// Where it is a terminal.
    tamer: Option<Tamer>,
}

impl Output {
    fn new(stream: impl AsFd + IsTerminal, own_terminal: bool) -> io::Result<Self> {
        let tamer = (stream.is_terminal() && !own_terminal).then(Tamer::default);
        Ok(Self { file: file(stream)?, tamer })
    }

    async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tamer {
            Some(tamer) => write(&mut self.file, &tamer.take(bytes)).await,
            None => write(&mut self.file, bytes).await,
        }
    }

    async fn end(&mut self) -> io::Result<()> {
        let rest = self.tamer.as_mut().map_or_else(Vec::new, Tamer::rest);
        write(&mut self.file, &rest).await
    }
}

fn file(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from_std(stream.as_fd().try_clone_to_owned()?.into()))
}

async fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    file.write_all(bytes).await?;
    file.flush().await
}

/// Hands a stream on until it ends.
pub(crate) async fn pump(stream: &mut LogStream, sink: &mut Sink) -> Result<(), Failure> {
    while let Some(chunk) = stream.next().await {
        sink.put(&chunk).await?;
    }
    Ok(sink.end().await?)
}

/// Cuts a stream into lines, each a JSON document.
pub(crate) struct Lines {
    stream: &'static str,
    pending: Vec<u8>,
}

impl Lines {
    fn new(stream: &'static str) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// The documents that some bytes complete.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut documents = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(piece);
            match self.pending.strip_suffix(b"\n") {
                Some(line) => documents.extend(self.document(line, false)),
                None if self.pending.len() >= LINE => documents.extend(self.document(&self.pending, true)),
                None => continue,
            }
            self.pending.clear();
        }
        documents
    }

    /// The line that no newline ended.
    fn rest(&mut self) -> Vec<u8> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() { pending } else { self.document(&pending, true) }
    }

    fn document(&self, line: &[u8], partial: bool) -> Vec<u8> {
        let text = String::from_utf8_lossy(line);
        let document = match partial {
            true => json!({ "stream": self.stream, "line": text, "partial": true }),
            false => json!({ "stream": self.stream, "line": text }),
        };
        format!("{document}\n").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_their_rest_is_told_apart() {
        let mut lines = Lines::new("stdout");
        assert!(lines.take("Gr\u{fc}".as_bytes().split_last().unwrap().1).is_empty());
        let text = [lines.take(b"\xbc\xc3\x9fe\nb"), lines.rest()].concat();
        insta::assert_snapshot!(String::from_utf8(text).unwrap(), @r#"
        {"stream":"stdout","line":"Grüße"}
        {"stream":"stdout","line":"b","partial":true}
        "#);
        assert!(lines.rest().is_empty());
    }

    #[test]
    fn a_line_without_an_end_does_not_fill_the_memory() {
        let mut lines = Lines::new("stderr");
        let piece = vec![b'x'; 10_000];
        let written: usize = (0..100).map(|_| lines.take(&piece).len()).sum();
        assert!(written > 900_000 && lines.pending.len() < LINE);
    }
}
