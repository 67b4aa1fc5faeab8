//! Docker's multiplexed streams: two streams in one, in frames that begin with the stream's number and the length.
//!
//! The frames are taken apart, each stream is redacted by itself, and what comes out is framed anew. What is no frame
//! ends them: from there on all is text, and passes without frames.

use super::stream::RedactionStream;
use super::{Redactor, UnmaskableSecret};

/// Bytes of a frame's header: the stream, three zeros, the length in network order.
pub(crate) const HEADER: usize = 8;
/// Streams there are: standard output and error, by their numbers in headers. The first place is that of text behind the
/// frames: no log holds standard input.
const STREAMS: usize = 3;

/// How much behind a header is looked through at first for a value that begins in it.
const NEAR: usize = 64;

/// The state of a multiplexed stream.
pub(crate) struct Frames {
    redactor: Redactor,
    streams: [RedactionStream; STREAMS],
    /// The beginning of a header; a whole one that is not known yet to be one.
    header: Vec<u8>,
    /// What came behind such a one.
    ahead: Vec<u8>,
    current: usize,
    left: usize,
    /// Whether the frames have ended before the input did.
    ended: bool,
    /// The stream of what stands in no frame. Where frames have ended that of the last one goes on: a header may lie of its
    /// length, and its text is read together with what follows.
    text: usize,
}

/// Whether some bytes can be the beginning of a frame: `None` while they are too few to tell. An empty frame proves
/// nothing.
pub(crate) fn is_frame(head: &[u8]) -> Option<bool> {
    match head {
        _ if !may_be_header(head) => Some(false),
        [_, _, _, _, a, b, c, d, ..] => Some([a, b, c, d] != [&0; 4]),
        _ => None,
    }
}

/// Whether the first bytes of `head` are those of a header as far as they go. No engine writes a frame of 16 MiB.
fn may_be_header(head: &[u8]) -> bool {
    head.iter().zip(0..).all(|(&byte, at)| match at {
        0 => (1..STREAMS).contains(&usize::from(byte)),
        1..=4 => byte == 0,
        _ => true,
    })
}

impl Frames {
    pub(crate) fn new(redactor: &Redactor) -> Self {
        Self {
            redactor: redactor.clone(),
            streams: std::array::from_fn(|_| redactor.stream()),
            header: Vec::new(),
            ahead: Vec::new(),
            current: 1,
            left: 0,
            ended: false,
            text: 0,
        }
    }

    pub(crate) fn streams(&mut self) -> &mut [RedactionStream] {
        &mut self.streams
    }

    /// Masks one more value in every stream.
    pub(crate) fn add_secret(&mut self, name: &str, value: &[u8]) -> Result<(), UnmaskableSecret> {
        self.redactor = self.redactor.with_secret(name, value)?;
        self.streams.iter_mut().try_for_each(|stream| stream.add_secret(name, value))
    }

    /// What the streams masked so far, by name; a name may come more than once.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (String, u64)> {
        self.streams.iter().flat_map(RedactionStream::counts)
    }

    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let mut joined = std::mem::take(&mut self.ahead);
        if joined.is_empty() {
            return self.read(chunk, out);
        }
        joined.extend_from_slice(chunk);
        self.read(&joined, out);
    }

    fn read(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        while !chunk.is_empty() {
            if self.ended {
                return self.text(|stream, redacted| stream.push(chunk, redacted), out);
            }
            if self.header.len() == HEADER {
                match self.holds_secret(chunk) {
                    Some(true) => self.end(out),
                    Some(false) => self.open(),
                    None => return self.ahead.extend_from_slice(chunk),
                }
                continue;
            }
            if self.left == 0 {
                chunk = self.read_header(chunk, out);
                continue;
            }
            let (payload, rest) = chunk.split_at(chunk.len().min(self.left));
            self.left -= payload.len();
            chunk = rest;
            self.each(self.current..self.current + 1, out, |stream, redacted| stream.push(payload, redacted));
        }
    }

    pub(crate) fn idle(&mut self, out: &mut Vec<u8>) {
        if !self.ended {
            self.each(1..STREAMS, out, |stream, redacted| stream.idle(redacted));
        }
        self.text(RedactionStream::idle, out);
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        while self.header.len() == HEADER {
            self.open();
            self.push(&[], out);
        }
        if !self.ended {
            self.each(1..STREAMS, out, |stream, redacted| stream.finish(redacted));
            self.take_header_for_text(out);
        }
        self.text(RedactionStream::finish, out);
    }

    /// Reads more of a header, and gives what is left of the chunk.
    fn read_header<'c>(&mut self, chunk: &'c [u8], out: &mut Vec<u8>) -> &'c [u8] {
        let (head, rest) = chunk.split_at(chunk.len().min(HEADER - self.header.len()));
        self.header.extend_from_slice(head);
        if !may_be_header(&self.header) {
            self.end(out);
        } else if self.header.len() == HEADER && self.header.ends_with(&[0; 4]) {
            // It has no text that could go on behind the frames.
            out.append(&mut self.header);
        }
        rest
    }

    /// Takes a header for one.
    fn open(&mut self) {
        if let &[stream, _, _, _, a, b, c, d] = self.header.as_slice() {
            self.left = u32::from_be_bytes([a, b, c, d]) as usize;
            self.current = usize::from(stream);
        }
        self.header.clear();
    }

    /// Whether a known value begins in the header and goes on behind it, so that it is none; `None` while that can't be told.
    fn holds_secret(&self, behind: &[u8]) -> Option<bool> {
        let known = &self.redactor.inner.known;
        let length = self.header.iter().rev().take_while(|&&byte| byte != 0).count();
        let tail = self.header.get(HEADER - length..).unwrap_or_default();
        for near in [NEAR.min(behind.len()), behind.len()] {
            let text = [tail, behind.get(..near).unwrap_or_default()].concat();
            let (mut found, mut pending) = (Vec::new(), Vec::new());
            known.scan(&text, 0, &mut found, &mut pending);
            if found.iter().any(|span| span.start < length) {
                return Some(true);
            }
            if known.head_at_end(&text, known.first_of(&pending, &text)) >= length {
                return Some(false);
            }
        }
        None
    }

    /// Ends the frames before the input has ended.
    fn end(&mut self, out: &mut Vec<u8>) {
        let goes_on = self.goes_on();
        for others in [1..goes_on, goes_on + 1..STREAMS] {
            self.each(others, out, |stream, redacted| stream.finish(redacted));
        }
        (self.ended, self.text) = (true, goes_on);
        self.take_header_for_text(out);
    }

    /// The stream that text behind the frames belongs to: the last frame's, unless all of that was put out and the other's
    /// was not. What was held back of the other one would stand right before the text.
    fn goes_on(&self) -> usize {
        let holds = |at: &usize| self.streams.get(*at).is_some_and(RedactionStream::is_holding);
        [self.current, STREAMS - self.current].into_iter().find(holds).unwrap_or(self.current)
    }

    /// What was taken for the beginning of a header is text.
    fn take_header_for_text(&mut self, out: &mut Vec<u8>) {
        let header = std::mem::take(&mut self.header);
        self.text(|stream, redacted| stream.push(&header, redacted), out);
    }

    fn text(&mut self, act: impl FnOnce(&mut RedactionStream, &mut Vec<u8>), out: &mut Vec<u8>) {
        if let Some(stream) = self.streams.get_mut(self.text) {
            act(stream, out);
        }
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

    use super::is_frame;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        [&[stream, 0, 0, 0], &(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat()
    }

    /// What comes out of an input in two pieces, with a pause between them or none.
    fn in_two(redactor: &Redactor, (first, second): (&[u8], &[u8]), pause: bool) -> String {
        let (mut out, mut stream) = (Vec::new(), redactor.multiplexed_stream());
        stream.push(first, &mut out);
        if pause {
            stream.idle(&mut out);
        }
        stream.push(second, &mut out);
        stream.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_secret_across_frames_is_masked_and_the_frames_stay_whole() {
        let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().build();
        let input = [frame(1, "a Xk29-ti"), frame(2, "gerLily-77 b\n"), frame(1, "gerLily-77 c\n")].concat();
        for cut in 0..input.len() {
            let (mut out, mut stream) = (Vec::new(), redactor.multiplexed_stream());
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

    #[test]
    fn a_secret_that_begins_in_a_header_is_masked() {
        let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().build();
        for (header, rest) in [
            (&[1, 0, 0, 0, 0, 0, 0, b'X'][..], "k29-tigerLily-77 b\n"),
            (&[2, 0, 0, 0, 0, b'X', b'k', b'2'], "9-tigerLily-77 b\n"),
        ] {
            for before in [Vec::new(), frame(1, "a")] {
                let input = [before.as_slice(), header, rest.as_bytes()].concat();
                for cut in 0..=input.len() {
                    let text = in_two(&redactor, input.split_at(cut), true);
                    assert!(text.ends_with("[redacted:S] b\n") && !text.contains("tiger"), "{cut}: {text:?}");
                }
            }
        }
        let text = [&[1, 0, 0, 0, 0, 0, 0][..], b"Xk29-tigerLily-77 b\n"].concat();
        assert_eq!(redactor.bytes(&text), [&[1, 0, 0, 0, 0, 0, 0][..], b"[redacted:S] b\n"].concat());
    }

    #[test]
    fn a_header_that_lies_of_its_length_hides_no_secret() {
        let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().build();
        for length in 1..17_u8 {
            let (head, tail) = b"Xk29-tigerLily-77 b\n".split_at(length.into());
            let lying = [1, 0, 0, 0, 0, 0, 0, length];
            let input = [&lying[..], head, tail].concat();
            let behind_an_empty_frame = [&lying[..], head, &frame(2, ""), tail].concat();
            let (mut out, mut stream) = (Vec::new(), redactor.multiplexed_stream());
            stream.push(&behind_an_empty_frame, &mut out);
            stream.finish(&mut out);
            assert!(!String::from_utf8_lossy(&out).contains("Xk29-tigerLily-77"), "{length}");
            for cut in 0..=input.len() {
                for idle in [false, true] {
                    let text = in_two(&redactor, input.split_at(cut), idle);
                    assert!(text.ends_with("[redacted:S] b\n") && !text.contains("tiger"), "{length} {cut}: {text:?}");
                }
            }
        }
    }

    #[test]
    fn a_secret_that_ends_behind_the_frames_of_another_stream_is_masked() {
        let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().build();
        for between in ["", "x", "x\n"] {
            let input = [frame(1, "a Xk29-ti"), frame(2, between), b"gerLily-77 b\n".to_vec()].concat();
            for cut in 0..=input.len() {
                let text = in_two(&redactor, input.split_at(cut), true);
                assert!(!text.contains("Xk29-tigerLily-77"), "{between:?} {cut}: {text:?}");
            }
        }
    }

    fn cut_from(first: usize, redactor: &Redactor, input: &[u8], expected: &[u8]) {
        for cut in first..=input.len() {
            let (mut out, mut stream) = (Vec::new(), redactor.multiplexed_stream());
            stream.push(&input[..cut], &mut out);
            stream.push(&input[cut..], &mut out);
            stream.finish(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(expected), "{cut}");
        }
    }

    #[test]
    fn zeros_are_no_frames() {
        assert_eq!((is_frame(&[0]), is_frame(&[1, 0, 0, 0, 0, 0, 0, 0])), (Some(false), Some(false)));
        assert_eq!((is_frame(&[1, 0, 0]), is_frame(&[2, 0, 0, 0, 0, 0, 0, 9])), (None, Some(true)));
        let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().build();
        for input in [&b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0world\n"[..], b"\x01\0\0\0\0\0\0\0\0\0\0world\n"] {
            cut_from(0, &redactor, input, input);
        }
    }

    #[test]
    fn what_is_no_frame_passes_as_text_and_is_redacted() {
        let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().build();
        for text in
            ["plain text Xk29-tigerLily-77 \n", "p", "\u{1}\0\0", "\u{1}\0\0Xk29-tigerLily-77", "\u{2}\0\0\0\0\0\0\0"]
        {
            let masked = text.replace("Xk29-tigerLily-77", "[redacted:S]");
            cut_from(
                14,
                &redactor,
                &[frame(1, "hello\n"), text.into()].concat(),
                &[frame(1, "hello\n"), masked.into()].concat(),
            );
        }
    }
}
