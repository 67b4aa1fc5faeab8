//! Reading and writing in one.

use std::io::{self, Read, Write};

/// Writes what is read through it.
pub(crate) struct Tee<R, W> {
    pub(crate) reader: R,
    pub(crate) writer: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.writer.write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_through_a_tee_is_written() {
        let mut written = Vec::new();
        let mut read = String::new();
        Tee { reader: &b"over and out"[..], writer: &mut written }.read_to_string(&mut read).unwrap();
        assert_eq!((read.as_bytes(), written.as_slice()), (&b"over and out"[..], &b"over and out"[..]));
    }
}
