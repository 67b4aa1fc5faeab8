//! Bytes read as choices: the same bytes are the same choices, and any bytes are some.

/// What is left of an input. Where nothing is left, every choice is the first one.
pub(crate) struct Draw<'b> {
    rest: &'b [u8],
}

impl<'b> Draw<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// A number below `count`, which is not 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let wide = if count > 256 { usize::from(self.byte()) << 8 } else { 0 };
        (wide | usize::from(self.byte())) % count
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of several; the list is not empty.
    pub(crate) fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        let at = self.below(list.len());
        &list[at]
    }

    /// At most so many bytes.
    pub(crate) fn bytes(&mut self, most: usize) -> &'b [u8] {
        let length = self.below(most + 1).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes
    }

    /// All that is left.
    pub(crate) fn all(&mut self) -> &'b [u8] {
        std::mem::take(&mut self.rest)
    }

    /// A short text of whatever characters.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes(24)).into_owned()
    }

    /// A word that is known to make sense somewhere, or a text, or both.
    pub(crate) fn word(&mut self, known: &[&str]) -> String {
        match self.byte() % 8 {
            0 => self.text(),
            1 => format!("{}{}", self.pick(known), self.text()),
            _ => (*self.pick(known)).to_owned(),
        }
    }
}
