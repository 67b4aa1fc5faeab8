//! A command, or a container, that is run to its end and told of as a whole.

use std::time::{Duration, Instant};

use super::{LogStream, Portreeve};
use crate::error::Error;
use crate::executor::CommandInput;
use crate::output::LogChunk;
use crate::spec::{ContainerSpec, SpecError};

/// How something ended, and what it printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completed {
    /// Its exit status; 128 + signal when it was killed.
    pub status: i32,
    /// From its start to its end.
    pub duration: Duration,
    /// What it printed, redacted: the first [`Completed::CAP`] bytes. With a terminal, all of it.
    pub stdout: Vec<u8>,
    /// What it said on standard error, likewise.
    pub stderr: Vec<u8>,
    /// How many bytes were read beyond that, and dropped.
    pub dropped: u64,
}

impl Completed {
    /// The most that is kept of each stream, in bytes.
    pub const CAP: usize = 4 << 20;

    fn keep(&mut self, chunk: &LogChunk) {
        let (kept, bytes) = match chunk {
            LogChunk::Stdout(bytes) => (&mut self.stdout, bytes),
            LogChunk::Stderr(bytes) => (&mut self.stderr, bytes),
        };
        let room = Self::CAP.saturating_sub(kept.len());
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        kept.extend_from_slice(head);
        self.dropped = self.dropped.saturating_add(rest.len() as u64);
    }
}

impl Portreeve {
    /// Creates a container, runs it to its end, feeding it `input` where its spec says that it takes one, and tells how
    /// it ended and what it printed. With `remove` in the spec it is gone then.
    ///
    /// # Errors
    /// As [`Portreeve::run_attached`].
    pub async fn run_to_completion(&self, spec: &ContainerSpec, input: &[u8]) -> Result<Completed, Error> {
        self.run_attached(spec).await?.complete(input).await
    }
}

impl LogStream {
    /// Feeds it, reads it to its end, and tells how it ended. What is too much is dropped and counted.
    ///
    /// # Errors
    /// As [`LogStream::finish`]; `Spec` where there is an input for what takes none.
    pub async fn complete(mut self, input: &[u8]) -> Result<Completed, Error> {
        let (begun, mut completed) = (Instant::now(), Completed::default());
        let sink = self.take_input();
        if sink.is_none() && !input.is_empty() && !self.is_left_out() {
            let refused = SpecError::without_input();
            return Err(refused.into());
        }
        self.read_all(&mut completed, feed(sink, input)).await;
        completed.status = self.finish().await?;
        completed.duration = begun.elapsed();
        Ok(completed)
    }
}

impl LogStream {
    /// Reads to the end while it is fed; what ends without having read all of its input has read what it wanted.
    async fn read_all(&mut self, completed: &mut Completed, feeding: impl Future<Output = ()>) {
        let read = async {
            while let Some(chunk) = self.next().await {
                completed.keep(&chunk);
            }
        };
        let mut read = std::pin::pin!(read);
        tokio::select! {
            () = &mut read => {}
            () = feeding => read.await,
        }
    }
}

async fn feed(sink: Option<CommandInput>, input: &[u8]) {
    if let Some(mut sink) = sink {
        // It may read no more; how it ends tells.
        let _unread = sink.write_all(input).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_kept_and_the_rest_counted() {
        let mut completed = Completed::default();
        completed.keep(&LogChunk::Stdout(vec![b'a'; Completed::CAP - 1]));
        completed.keep(&LogChunk::Stdout(b"bcd".to_vec()));
        completed.keep(&LogChunk::Stderr(b"e".to_vec()));
        assert_eq!((completed.stdout.len(), completed.dropped), (Completed::CAP, 2));
        assert_eq!((completed.stdout.last(), completed.stderr.as_slice()), (Some(&b'b'), &b"e"[..]));
    }
}
