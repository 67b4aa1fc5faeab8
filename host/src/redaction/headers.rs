//! Readers for what stands in URLs and in headers.

use super::assign::{self, colour};
use super::span::{Label, Span};
use super::values;

/// Longest userinfo of a URL that is looked at.
const MAX_USERINFO: usize = 1024;
/// Longest cookie header that is looked at.
const MAX_COOKIES: usize = 16 * 1024;

/// What the userinfo of a URL, and its host, end at.
fn ends_authority(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || b"/?#\"'<>`\\|".contains(byte) || *byte < b' '
}

/// Whether unfinished text behind `://` is no more than the beginning of a user and a host.
pub(crate) fn may_be_userinfo(rest: &[u8]) -> bool {
    !rest.iter().take(MAX_USERINFO).any(ends_authority)
}

/// Masks the password in `scheme://user:password@host`, whose `://` stands at `at`; also a user alone that is a token.
pub(crate) fn userinfo(text: &[u8], at: usize, label: Label, found: &mut Vec<Span>) {
    let start = at + 3;
    let rest = text.get(start..text.len().min(start + MAX_USERINFO)).unwrap_or_default();
    let length = rest.iter().position(ends_authority).unwrap_or(rest.len());
    let authority = rest.get(..length).unwrap_or_default();
    let Some(host) = authority.iter().rposition(|&byte| byte == b'@') else { return };
    let user = authority.get(..host).unwrap_or_default();
    let colon = user.iter().position(|&byte| byte == b':');
    let secret = match colon {
        Some(colon) => colon + 1..host,
        None if values::is_random(user) && user.len() >= 16 => 0..host,
        None => return,
    };
    let value = user.get(secret.clone()).unwrap_or_default();
    if !value.is_empty() && !values::is_placeholder(value) {
        found.push(Span { start: start + secret.start, end: start + secret.end, label });
    }
}

/// Masks the values of a `Cookie` header, or the first one of `Set-Cookie`, whose name ends at `end`.
pub(crate) fn cookie(text: &[u8], start: usize, end: usize, label: Label, found: &mut Vec<Span>) {
    let name = assign::name_around(text, start, end);
    if !text.get(name.0..name.1).is_some_and(|name| name.to_ascii_lowercase().ends_with(b"cookie")) {
        return;
    }
    let Some(mut at) = after_separator(text, name.1) else { return };
    let rest = text.get(at..text.len().min(at + MAX_COOKIES)).unwrap_or_default();
    let ends = |byte: &u8| b"\n\r\"]\x1b`".contains(byte);
    let limit = at + rest.iter().position(ends).unwrap_or(rest.len());
    while at < limit {
        let pair = text.get(at..limit).unwrap_or_default();
        let length = pair.iter().position(|&byte| byte == b';').unwrap_or(pair.len());
        let pair = pair.get(..length).unwrap_or_default();
        if let Some(sign) = pair.iter().position(|&byte| byte == b'=') {
            cookie_pair(pair, sign, at, label, found);
        }
        at += length + 1;
    }
}

fn cookie_pair(pair: &[u8], sign: usize, at: usize, label: Label, found: &mut Vec<Span>) {
    let name = pair.get(..sign).unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let value = pair.get(sign + 1..).unwrap_or_default().trim_ascii_end();
    let value = value.split(|byte| b" '\\".contains(byte)).next().unwrap_or_default();
    let attribute = [b"path".as_slice(), b"domain", b"expires", b"max-age", b"samesite", b"version", b"priority"]
        .contains(&name.as_slice());
    let telling =
        value.len() >= 8 && !value.iter().all(u8::is_ascii_lowercase) && !value.iter().all(u8::is_ascii_digit);
    if telling && !attribute && !values::is_placeholder(value) {
        found.push(Span { start: at + sign + 1, end: at + sign + 1 + value.len(), label });
    }
}

/// Past `: `, `": "`, `=`, `:[` and such.
fn after_separator(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..text.len().min(from + 16)).unwrap_or_default();
    let signs = rest.iter().take_while(|byte| b"\"'\\ :=[".contains(byte)).count();
    let signed = rest.get(..signs).is_some_and(|signs| signs.iter().any(|byte| b":=".contains(byte)));
    let at = from + signs;
    signed.then(|| at + colour(text.get(at..).unwrap_or_default()).unwrap_or(0))
}
