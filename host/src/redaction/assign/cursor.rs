//! A place in a text that moves from a name over signs, quotes, types and colours to the value.

use super::Link;
use super::ends::Quote;

/// Most blanks between a name and its value: columns are aligned with them.
pub(super) const MAX_BLANKS: usize = 48;
/// What stands between the name of a header and its value.
const SCHEMES: &[&str] = &[
    "bearer",
    "basic",
    "token",
    "apikey",
    "api-key",
    "key",
    "bot",
    "digest",
    "negotiate",
    "ghtoken",
    "sso-key",
    "private-token",
];

/// A place in a text, which moves over what it reads.
pub(super) struct Cursor<'t> {
    pub(super) text: &'t [u8],
    pub(super) at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn step(&mut self, link: Link) -> Option<Link> {
        self.at += 1;
        Some(link)
    }

    pub(super) fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        self.at += usize::from(found);
        found
    }

    pub(super) fn blanks(&mut self) -> bool {
        let count = self.rest().iter().take(MAX_BLANKS).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.at += count;
        count > 0
    }

    /// Colour codes, raw or as some program printed them.
    pub(super) fn colours(&mut self) {
        while let Some(length) = colour(self.rest()) {
            self.at += length;
            self.blanks();
        }
    }

    /// A quote with any backslashes before it, or its entity.
    pub(super) fn quotes(&mut self) -> Option<Quote> {
        let slashes = self.rest().iter().take(8).take_while(|&&byte| byte == b'\\').count();
        match self.rest().get(slashes) {
            Some(&sign @ (b'"' | b'\'' | b'`')) => {
                self.at += slashes + 1;
                Some(Quote { sign, slashes })
            }
            _ if self.rest().starts_with(b"&quot;") => {
                self.at += 6;
                Some(Quote { sign: b'&', slashes: 0 })
            }
            _ if self.rest().starts_with(b"\\u0022") => {
                self.at += 6;
                Some(Quote { sign: b'\\', slashes: 0 })
            }
            _ => None,
        }
    }

    /// `=`, `:`, `:=`, `=>`, `->`, `::=`, `%3D`, or such.
    pub(super) fn sign(&mut self) -> bool {
        let rest = self.rest();
        let run = rest.iter().take(4).take_while(|byte| b"=:?|+>-~".contains(byte)).count();
        let signs = rest.get(..run).unwrap_or_default();
        let length = match rest {
            [b'%', b'3', b'D' | b'd' | b'A' | b'a', ..] => 3,
            _ if rest.starts_with(b"\\u003d") || rest.starts_with(b"\\u003D") => 6,
            // What PHP appends; a field of Haskell, of which a path has none.
            _ if rest.starts_with(b".= ") || rest.starts_with(b":: ") => 2,
            _ if signs.starts_with(b"->") => 2,
            // A path through modules, or the message that a shell prints where a variable is not set.
            _ if rest.starts_with(b"|| ") || rest.starts_with(b"<- ") => 2,
            _ if signs == b"::" || signs == b":?" => 0,
            _ if signs.first() == Some(&b'>') || signs.first() == Some(&b'-') => 0,
            _ => signs.iter().rposition(|byte| b"=:>".contains(byte)).map_or(0, |last| last + 1),
        };
        self.at += length;
        length > 0
    }

    /// A type between a name and the sign behind it, as Go declares: `var name string = value`.
    pub(super) fn declared(&mut self) {
        let types = [b"string ".as_slice(), b"*string ", b"[]byte ", b"&str ", b"String "];
        let word = types.iter().find(|word| self.rest().starts_with(word)).map_or(0, |word| word.len());
        let ahead = Cursor { text: self.text, at: self.at + word };
        if ahead.rest().starts_with(b"= ") || ahead.rest().starts_with(b":= ") {
            self.at = ahead.at;
        }
    }

    /// From a name that is an element of XML, or names one, to its text: `<name>`, also in JSON that escapes the brackets;
    /// `<entry key="name">`; `<key>name</key><string>` of property lists.
    pub(super) fn element(&mut self, text: &[u8], name: (usize, usize)) -> bool {
        let before = text.get(name.0.saturating_sub(8)..name.0).unwrap_or_default();
        let attribute = [b" key=\"".as_slice(), b" name=\""].iter().any(|lead| before.ends_with(lead));
        let rest = self.rest();
        let length = match rest {
            [b'>', ..] if attribute => 1,
            _ if before.ends_with(b"\\u003c") && rest.starts_with(b"\\u003e") => 6,
            _ if before.ends_with(b"<key>") && rest.starts_with(b"</key><string>") => 14,
            _ => 0,
        };
        self.at += length;
        length > 0
    }

    /// Whose a password is, up to the sign behind that: `password for user bob: VALUE`.
    pub(super) fn whose(&mut self, blank: bool) {
        let Some(rest) = self.rest().strip_prefix(b"for ").filter(|_| blank) else { return };
        let rest = rest.get(..rest.len().min(48)).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b" _.@-".contains(byte))
        else {
            return;
        };
        let words = rest.get(..length).unwrap_or_default().split(|&byte| byte == b' ').count();
        if words <= 3 && rest.get(length..).is_some_and(|rest| rest.starts_with(b": ")) {
            self.at += 4 + length;
        }
    }

    /// The rest of an opening tag, and what marks its text as plain.
    pub(super) fn attributes(&mut self) -> bool {
        let rest = self.rest().get(..self.rest().len().min(128)).unwrap_or_default();
        let end = rest.iter().position(|byte| b"<>\n".contains(byte)).filter(|&end| rest.get(end) == Some(&b'>'));
        self.at += end.map_or(0, |end| end + 1);
        end.is_some()
    }

    /// A type between a name and its value: `name: str = value`, `=> string(8) "value"`.
    pub(super) fn typed(&mut self) {
        if let Some(rest) = self.rest().strip_prefix(b"<![CDATA[") {
            self.at = self.text.len() - rest.len();
        }
        self.tagged();
        if let Some(rest) = self.rest().strip_prefix(b"string(") {
            let digits = rest.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
            if rest.get(digits..).is_some_and(|rest| rest.starts_with(b") ")) {
                self.at += digits + 9;
            }
        }
        let word =
            self.rest().iter().take(24).take_while(|byte| byte.is_ascii_alphabetic() || b"&[]'".contains(byte)).count();
        let mut ahead = Cursor { text: self.text, at: self.at + word };
        if word > 1 && ahead.blanks() && ahead.peek() == Some(b'=') && ahead.sign() && ahead.blanks() {
            self.at = ahead.at;
        }
    }

    /// A tag or an anchor of YAML before a value: `!!str`, `&anchor`.
    fn tagged(&mut self) {
        let rest = self.rest();
        let signs = if rest.starts_with(b"!!") { 2 } else { usize::from(rest.starts_with(b"&")) };
        let word =
            rest.iter().skip(signs).take(32).take_while(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
        let length = signs + word.count();
        // A reference of Rust has a sign behind its type.
        let declares = rest.get(length..).is_some_and(|rest| rest.starts_with(b" ="));
        if signs > 0 && length > signs && rest.get(length) == Some(&b' ') && !declares {
            self.at += length + 1;
        }
    }

    /// What a sentence has between a name and its value: `the token is VALUE`.
    pub(super) fn verb(&mut self) {
        let verbs = [b"is ".as_slice(), b"was ", b"is: ", b"is now ", b"set to ", b"is set to ", b"changed to "];
        self.at += verbs.iter().rev().find(|verb| self.rest().starts_with(verb)).map_or(0, |verb| verb.len());
    }

    /// Brackets and quotes before a value.
    pub(super) fn opening(&mut self) -> Option<Quote> {
        // What programs wrap a value in; those that look one up by its name are none of them.
        let wraps = [b"Some(".as_slice(), b"Secret(", b"SecretString(", b"Secret::new(", b"SecretStr(", b"Just("];
        self.at += wraps.iter().find(|wrap| self.rest().starts_with(wrap)).map_or(0, |wrap| wrap.len() - 1);
        self.skip(|byte| byte == b'[' || byte == b'(');
        if self.rest().starts_with(b"<<\"") {
            self.at += 2;
        }
        let letters = self.rest().iter().take(2).take_while(|byte| b"brufBRUF@$".contains(byte)).count();
        let mut ahead = Cursor { text: self.text, at: self.at + letters };
        let quote = ahead.quotes();
        if quote.is_some() {
            self.at = ahead.at;
            self.blanks();
        }
        quote
    }

    /// `Bearer` and its like, before the value proper.
    pub(super) fn scheme(&mut self) -> bool {
        let word = self.rest().iter().take(16).take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-').count();
        let name = self.rest().get(..word).unwrap_or_default();
        let known = SCHEMES.iter().any(|scheme| name.eq_ignore_ascii_case(scheme.as_bytes()));
        let mut ahead = Cursor { text: self.text, at: self.at + word };
        let found = known && (ahead.blanks() || ahead.rest().starts_with(b"%20") || ahead.peek() == Some(b'+'));
        if found {
            ahead.at += if ahead.rest().starts_with(b"%20") { 3 } else { usize::from(ahead.peek() == Some(b'+')) };
            self.at = ahead.at;
        }
        found
    }
}

/// The length of a colour code at the start of `rest`.
pub(crate) fn colour(rest: &[u8]) -> Option<usize> {
    let lead = [b"\x1b[".as_slice(), b"\\u001b[", b"\\x1b[", b"\\033[", b"\\u001B[", b"\\x1B[", b"\\e["];
    let length = lead.iter().find(|lead| rest.starts_with(lead))?.len();
    let tail = rest.get(length..).unwrap_or_default();
    let digits = tail.iter().take(16).take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    (tail.get(digits) == Some(&b'm')).then_some(length + digits + 1)
}
