//! What a container prints, where it is a terminal that shows it: colours and the place of the cursor are its own, and
//! nothing else steers the terminal (ECMA-48; what xterm does on top of it).

/// Longest sequence that is waited for.
const LONGEST: usize = 32;
const ESCAPE: u8 = 0x1b;
/// The first byte of the controls 128 to 159 in UTF-8.
const LEAD: u8 = 0xc2;
/// What sequences end with that move the cursor, erase, or set colours.
const HARMLESS: &[u8] = b"ABCDEFGHJKfmsu";

/// Writes out what would steer a terminal.
#[derive(Default)]
pub(super) struct Tamer {
    /// The beginning of a sequence.
    begun: Vec<u8>,
}

/// What a beginning of a sequence is.
enum Sequence {
    Open,
    Harmless,
    Other,
}

impl Tamer {
    /// The harmless form of some bytes; a sequence that is not whole is kept back.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        bytes.iter().for_each(|&byte| self.push(byte, &mut out));
        out
    }

    /// What was kept back.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.give_up(&mut out);
        out
    }

    fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.begun.is_empty() {
            match byte {
                ESCAPE | LEAD => self.begun.push(byte),
                b'\n' | b'\r' | b'\t' | 8 => out.push(byte),
                0..=31 | 127 => out.extend(written(byte)),
                _ => out.push(byte),
            }
            return;
        }
        self.begun.push(byte);
        match sequence(&self.begun) {
            Sequence::Open => {}
            Sequence::Harmless => out.append(&mut self.begun),
            Sequence::Other => self.give_up(out),
        }
    }

    /// The first byte is written out, and what follows it is text again; its last byte may begin a control of two.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        let mut begun = std::mem::take(&mut self.begun);
        if let [ESCAPE, .., LEAD] = begun.as_slice() {
            self.begun.extend(begun.pop());
        }
        let mut rest = begun.into_iter();
        match (rest.next(), rest.as_slice()) {
            (Some(LEAD), [control, ..]) => {
                out.extend(written(*control));
                rest.next();
            }
            (Some(ESCAPE), _) => out.extend(written(ESCAPE)),
            (first, _) => out.extend(first),
        }
        for byte in rest {
            match byte {
                b'\n' | b'\r' | b'\t' | 8 | 32..=126 | 128.. => out.push(byte),
                control => out.extend(written(control)),
            }
        }
    }
}

fn sequence(begun: &[u8]) -> Sequence {
    match begun {
        [LEAD, 0x80..=0x9f] => Sequence::Other,
        [LEAD, ..] => Sequence::Harmless,
        [_, b'['] => Sequence::Open,
        [_, b'[', inner @ .., last] => match last {
            b'0'..=b'9' | b';' | b':' | b'?' if begun.len() < LONGEST => Sequence::Open,
            last if HARMLESS.contains(last) && !inner.contains(&b'?') => Sequence::Harmless,
            b'h' | b'l' if inner == b"?25" => Sequence::Harmless,
            _ => Sequence::Other,
        },
        _ => Sequence::Other,
    }
}

fn written(control: u8) -> Vec<u8> {
    format!("\\u{{{control:x}}}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tamed(bytes: &[u8]) -> String {
        let mut whole = Tamer::default();
        let expected = [whole.take(bytes), whole.rest()].concat();
        for cut in 0..bytes.len() {
            let mut tamer = Tamer::default();
            let parts = [tamer.take(&bytes[..cut]), tamer.take(&bytes[cut..]), tamer.rest()].concat();
            assert_eq!(parts, expected, "{cut}");
        }
        String::from_utf8_lossy(&expected).into_owned()
    }

    #[test]
    fn colours_and_the_cursor_are_left() {
        for text in [
            "plain\n",
            "Gr\u{fc}\u{df}e \u{a0}\t\r\n",
            "\x1b[1;31mred\x1b[0m",
            "\x1b[38:2::1:2:3m",
            "50 %\x1b[2K\x1b[1A\x08",
            "\x1b[?25l\x1b[?25h",
        ] {
            assert_eq!(tamed(text.as_bytes()), text);
        }
    }

    #[test]
    fn nothing_else_steers_a_terminal() {
        for (text, shown) in [
            ("\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}"),
            ("\x1b]52;c;aGk=\x1b\\", "\\u{1b}]52;c;aGk=\\u{1b}\\"),
            ("\x1b[6n", "\\u{1b}[6n"),
            ("\x1b[c\x1bc", "\\u{1b}[c\\u{1b}c"),
            ("\x1b[?1049h", "\\u{1b}[?1049h"),
            ("\x1bP1$r\x1b\\", "\\u{1b}P1$r\\u{1b}\\"),
            ("a\u{9b}31mb\u{85}", "a\\u{9b}31mb\\u{85}"),
            ("\x1b\u{9b}6n", "\\u{1b}\\u{9b}6n"),
            ("\x1b[3\u{9b}6n", "\\u{1b}[3\\u{9b}6n"),
            ("\x1b\u{e9}", "\\u{1b}\u{e9}"),
            ("\x0e\x00\x7f", "\\u{e}\\u{0}\\u{7f}"),
            ("\x1b\x1b[31m", "\\u{1b}\\u{1b}[31m"),
            ("end\x1b[3", "end\\u{1b}[3"),
        ] {
            assert_eq!(tamed(text.as_bytes()), shown);
        }
        let flood = format!("\x1b[{}m", "1;".repeat(100));
        assert!(tamed(flood.as_bytes()).starts_with("\\u{1b}[1;1;"));
    }
}
