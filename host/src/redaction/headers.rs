//! Readers for what stands in URLs and in headers.

use memchr::memmem;

use super::assign::{self, colour};
use super::span::{Label, Span};
use super::values;

/// Longest userinfo of a URL that is looked at.
const MAX_USERINFO: usize = 1024;
/// Longest cookie header that is looked at.
const MAX_COOKIES: usize = 16 * 1024;

/// How the signs of a URL are written: as they are, in JSON that escapes slashes, or within another URL.
struct Writing {
    lead: &'static [u8],
    colon: &'static [u8],
    at: &'static [u8],
    slash: &'static [u8],
}

const WRITINGS: &[Writing] = &[
    Writing { lead: b"://", colon: b":", at: b"@", slash: b"/" },
    Writing { lead: b":\\/\\/", colon: b":", at: b"@", slash: b"/" },
    Writing { lead: b"%3A%2F%2F", colon: b"%3A", at: b"%40", slash: b"%2F" },
];

fn writing(text: &[u8], at: usize) -> Option<&'static Writing> {
    let rest = text.get(at..)?;
    WRITINGS.iter().find(|writing| rest.starts_with(writing.lead))
}

/// What the userinfo of a URL, and its host, end at. A password may hold `#` and `?`, which nobody escaped.
fn ends_authority(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || b"/\"'<>`\\|".contains(byte) || *byte < b' '
}

/// Where the userinfo of the URL would begin whose `://` stands at `at`, if the unfinished text behind it is no more than
/// the beginning of a user and a host.
pub(crate) fn open_userinfo(text: &[u8], at: usize) -> Option<usize> {
    let start = at + writing(text, at)?.lead.len();
    (!text.get(start..)?.iter().take(MAX_USERINFO).any(ends_authority)).then_some(start)
}

/// Masks the password in `scheme://user:password@host`, whose `://` stands at `at`; also a user alone that is a token.
pub(crate) fn userinfo(text: &[u8], at: usize, label: Label, found: &mut Vec<Span>) {
    let Some(writing) = writing(text, at) else { return };
    let start = at + writing.lead.len();
    let rest = text.get(start..text.len().min(start + MAX_USERINFO)).unwrap_or_default();
    let length = rest.iter().position(ends_authority).unwrap_or(rest.len());
    let authority = rest.get(..length).unwrap_or_default();
    let authority = authority.get(..memmem::find(authority, writing.slash).unwrap_or(length)).unwrap_or_default();
    let Some(host) = memmem::rfind(authority, writing.at) else { return };
    // What stands before the digest of an image is its tag.
    let digest = authority.get(host + writing.at.len()..).unwrap_or_default();
    if [b"sha256:".as_slice(), b"sha512:"].iter().any(|name| digest.starts_with(name)) {
        return;
    }
    let user = authority.get(..host).unwrap_or_default();
    let Some(begin) = secret_in(user, writing) else { return };
    let secret = begin..host;
    let value = user.get(secret.clone()).unwrap_or_default();
    if !value.is_empty() && !values::is_placeholder(value) {
        found.push(Span { start: start + secret.start, end: start + secret.end, label });
    }
}

/// Where the secret of what stands before the `@` of a URL begins: behind the colon, or at once in a token without one.
/// A host or a port that a query or a fragment follows is none.
fn secret_in(user: &[u8], writing: &Writing) -> Option<usize> {
    let query = user.iter().position(|byte| b"#?".contains(byte));
    let Some(colon) = first_colon(user, writing.colon) else {
        return (query.is_none() && user.len() >= 16 && values::is_random(user)).then_some(0);
    };
    let begin = colon + writing.colon.len();
    let is_port = |query: usize| user.get(begin..query).is_none_or(|port| port.iter().all(u8::is_ascii_digit));
    let is_address = user.starts_with(b"[") && !user.starts_with(values::MARK);
    (!is_address && !query.is_some_and(is_port)).then_some(begin)
}

/// The first colon that is none of a mark's own.
fn first_colon(user: &[u8], colon: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = user.get(from..)?;
        let (at, mark) = (memmem::find(rest, colon)?, memmem::find(rest, values::MARK));
        match mark.filter(|mark| *mark < at) {
            Some(mark) => from += mark + rest.get(mark..)?.iter().position(|&byte| byte == b']')? + 1,
            None => return Some(from + at),
        }
    }
}

/// Masks the values of a `Cookie` header, or the first one of `Set-Cookie`, whose name ends at `end`. Gives up to where the
/// text was read: a further such name before that is part of a value.
pub(crate) fn cookie(text: &[u8], start: usize, end: usize, label: Label, found: &mut Vec<Span>) -> usize {
    let name = assign::name_around(text, start, end);
    if !text.get(name.0..name.1).is_some_and(|name| name.to_ascii_lowercase().ends_with(b"cookie")) {
        return end;
    }
    let Some(mut at) = after_separator(text, name.1) else { return end };
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
    limit
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

#[cfg(test)]
mod tests {
    use super::super::{Redactor, RuleSet};

    #[test]
    fn the_password_of_a_url_is_found_however_it_is_written() {
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        for (text, expected) in [
            ("x://root:Ua#bp?XT-j5@db:1/a", "x://root:[redacted:url-password]@db:1/a"),
            ("x:\\/\\/app:hunter2@db", "x:\\/\\/app:[redacted:url-password]@db"),
            ("u=x%3A%2F%2Fapp%3Ahunter2%40db%2Fa", "u=x%3A%2F%2Fapp%3A[redacted:url-password]%40db%2Fa"),
            ("x://host:80?mail=a@b", "x://host:80?mail=a@b"),
            ("x://a[redacted:S]b:hunter2@db", "x://a[redacted:S]b:[redacted:url-password]@db"),
            ("x://a[redacted:S]b@db", "x://a[redacted:S]b@db"),
            ("x://[::1]:80/a:b@c", "x://[::1]:80/a:b@c"),
            ("x://host#a:b@c", "x://host#a:b@c"),
            ("x://host/a:b@c", "x://host/a:b@c"),
            ("docker://alpine:3.20@sha256:0f1e", "docker://alpine:3.20@sha256:0f1e"),
            ("x%3A%2F%2Fhost%3A80%2Fa%40b", "x%3A%2F%2Fhost%3A80%2Fa%40b"),
        ] {
            assert_eq!(redactor.text(text), expected);
        }
    }
}
