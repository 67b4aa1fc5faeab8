//! What a caller writes to a running command.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;

/// The standard input of a running command. Dropping it is the end of the input; of a terminal's, nothing: there the
/// end is the byte 4, which the terminal inside the container understands.
///
/// Nothing is kept: a command that does not read makes the writer wait.
#[derive(Debug)]
pub struct CommandInput(Sender);

impl CommandInput {
    pub(super) fn new(sender: Sender) -> Self {
        Self(sender)
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// `BrokenPipe` where the command reads no more.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }
}
