//! Docker's multiplexed streams: two streams in one, in frames that begin with the stream's number and the length.
//!
//! The frames are taken apart, each stream is redacted by itself, and what comes out is framed anew.

use super::stream::RedactionStream;

/// Bytes of a frame's header: the stream, three zeros, the length in network order.
pub(crate) const HEADER: usize = 8;
/// Streams there are: standard input, output, error.
const STREAMS: usize = 3;

/// The state of a multiplexed stream.
pub(crate) struct Frames {
    streams: [RedactionStream; STREAMS],
    header: Vec<u8>,
    current: usize,
    left: usize,
}

/// Whether some bytes can be the beginning of a frame: `None` while they are too few to tell.
pub(crate) fn is_frame(head: &[u8]) -> Option<bool> {
    let fits = head.iter().zip(0..).all(|(&byte, at)| match at {
        0 => usize::from(byte) < STREAMS,
        1..=4 => byte == 0,
        _ => true,
    });
    match head.len() {
        _ if !fits => Some(false),
        0..HEADER => None,
        _ => Some(true),
    }
}

impl Frames {
    pub(crate) fn new(stream: impl Fn() -> RedactionStream) -> Self {
        Self { streams: std::array::from_fn(|_| stream()), header: Vec::new(), current: 0, left: 0 }
    }

    pub(crate) fn streams(&mut self) -> &mut [RedactionStream] {
        &mut self.streams
    }

    /// What the streams masked so far, by name; a name may come more than once.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (String, u64)> {
        self.streams.iter().flat_map(RedactionStream::counts)
    }

    pub(crate) fn push(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        while !chunk.is_empty() {
            if self.left == 0 {
                chunk = self.read_header(chunk);
            }
            let (payload, rest) = chunk.split_at(chunk.len().min(self.left));
            self.left -= payload.len();
            chunk = rest;
            self.each(self.current..self.current + 1, out, |stream, redacted| stream.push(payload, redacted));
        }
    }

    pub(crate) fn idle(&mut self, out: &mut Vec<u8>) {
        self.each(0..STREAMS, out, |stream, redacted| stream.idle(redacted));
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.each(0..STREAMS, out, |stream, redacted| stream.finish(redacted));
    }

    fn read_header<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let (head, rest) = chunk.split_at(chunk.len().min(HEADER - self.header.len()));
        self.header.extend_from_slice(head);
        if let &[stream, _, _, _, a, b, c, d] = self.header.as_slice() {
            // What is no header ends the frames: the rest is taken as text of standard output.
            let framed = is_frame(&self.header) == Some(true);
            (self.current, self.left) = match framed {
                true => (usize::from(stream), u32::from_be_bytes([a, b, c, d]) as usize),
                false => (1, usize::MAX),
            };
            self.header.clear();
        }
        rest
    }

    fn each(
        &mut self,
        which: std::ops::Range<usize>,
        out: &mut Vec<u8>,
        act: impl Fn(&mut RedactionStream, &mut Vec<u8>),
    ) {
        for (number, stream) in (0u8..).zip(&mut self.streams).skip(which.start).take(which.len()) {
            let mut redacted = Vec::new();
            act(stream, &mut redacted);
            for part in redacted.chunks(1 << 20) {
                out.extend_from_slice(&[number, 0, 0, 0]);
                out.extend_from_slice(&u32::try_from(part.len()).unwrap_or_default().to_be_bytes());
                out.extend_from_slice(part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Redactor;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        [&[stream, 0, 0, 0], &(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat()
    }

    #[test]
    fn a_secret_across_frames_is_masked_and_the_frames_stay_whole() {
        let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().build();
        let input = [frame(1, "a Xk29-ti"), frame(2, "gerLily-77 b\n"), frame(1, "gerLily-77 c\n")].concat();
        for cut in 0..input.len() {
            let (mut out, mut stream) = (Vec::new(), redactor.stream());
            stream.push(&input[..cut], &mut out);
            stream.push(&input[cut..], &mut out);
            stream.finish(&mut out);
            let (mut texts, mut rest) = ([String::new(), String::new(), String::new()], out.as_slice());
            while let [stream, _, _, _, a, b, c, d, tail @ ..] = rest {
                let (text, tail) = tail.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
                texts[usize::from(*stream)].push_str(std::str::from_utf8(text).unwrap());
                rest = tail;
            }
            assert_eq!(texts, ["", "a [redacted:S] c\n", "gerLily-77 b\n"], "{cut}");
        }
    }
}
