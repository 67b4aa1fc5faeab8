//! Whether the value of an assignment is a secret: what its name, its looks and its place say together.

use super::assign::{Assignment, Link};
use super::names::{Strength, is_reference};
use super::values;

/// Whether it is one.
pub(super) fn is_secret(text: &[u8], strength: Strength, assignment: &Assignment, value: &[u8]) -> bool {
    // What a flag is given is no code: a dot in it is one of a password.
    let flag = text.get(assignment.name.0..).is_some_and(|name| name.starts_with(b"--"));
    let code = !assignment.marked && values::is_expression(value) && !(flag && values::is_member(value));
    let told =
        values::is_placeholder(value) || values::is_named_digest(value) || speaks_of_flag(text, assignment, value);
    if told || code || values::is_place(value) || values::is_moment(value) || is_of_an_object(text, assignment, value) {
        return false;
    }
    match (strength, assignment.link) {
        (Strength::None, _) => false,
        (_, Link::Comma | Link::Blank) if brings_reference(value) => false,
        (_, Link::Blank) if brings_name(value) => false,
        // Nothing stands behind the sign, and the next of a list of variables behind the blank.
        (_, Link::Sign) if is_parted(text, assignment) && (brings_name(value) || value.starts_with(b"--")) => false,
        (Strength::Weak, _) if names_a_place(text, assignment, value) => false,
        (Strength::Password, Link::Comma | Link::Blank) if is_chosen(value) => true,
        (Strength::Password | Strength::Strong, Link::Blank) if is_stated(text, assignment, value) => true,
        (Strength::Password, Link::Blank) if is_said(text, assignment) && is_spoken(value) => true,
        (Strength::Password, Link::Blank) if assignment.marked && is_quoted_password(value) => true,
        (_, Link::Blank) => {
            value.len() >= 20
                && values::is_random(value)
                && !values::is_digest(value)
                && !values::is_uuid(value)
                && !values::is_relative_path(value)
                && !values::is_object_name(value)
        }
        (Strength::Password, Link::Sign | Link::Flag) => is_password(text, assignment, value),
        (Strength::Strong, Link::Sign | Link::Flag) => is_token(text, assignment, value),
        // Blanks in the value of such a name are those of a sentence.
        (_, Link::Comma) | (Strength::Weak, _) => {
            !value.contains(&b' ')
                && values::is_random(value)
                && !values::is_uuid(value)
                && !values::is_relative_path(value)
                && !values::names_an_identifier(value)
                && !is_bare_digest(text, assignment, value)
        }
    }
}

/// Whether the name is that of a thing: of a host, an image or a module, of a service before its lines, or itself the value
/// of another name.
fn is_of_an_object(text: &[u8], assignment: &Assignment, value: &[u8]) -> bool {
    let (start, end) = assignment.name;
    let before = text.get(start.saturating_sub(64)..start).unwrap_or_default();
    let between = text.get(end..assignment.value.0).unwrap_or_default();
    let listed = before.ends_with(b"=") && matches!(assignment.link, Link::Comma | Link::Blank);
    let service = between.contains(&b'|') && values::is_digest(value);
    listed
        || service
        || (between == b":" && is_host(before, value))
        || is_module(before, between, assignment.link, value)
}

/// A host of an address before its port: the only one, or one of several.
fn is_host(before: &[u8], value: &[u8]) -> bool {
    let address = before.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
    let several = before.ends_with(b",") && memchr::memmem::find(address, b"://").is_some();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let port = (2..=5).contains(&digits) && value.get(digits).is_none_or(|byte| b"/,?;:".contains(byte));
    (before.ends_with(b"://") || before.ends_with(b"@") || several) && port && !value.contains(&b'@')
}

/// The last part of the name of an image before its tag or digest, of a module before its version, or of what a checksum
/// is of.
fn is_module(before: &[u8], between: &[u8], link: Link, value: &[u8]) -> bool {
    let path = matches!(before, [.., byte, b'/'] if byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    let numbered = value.iter().any(u8::is_ascii_digit) && (values::is_version(value) || values::has_digest(value));
    let checksum = before.ends_with(b"checksum/") && values::is_digest(value);
    path && (link == Link::Blank || checksum || (between == b":" && numbered))
}

/// Words that stand behind the name of a flag when a sentence tells of it.
#[rustfmt::skip]
const TELLING: &[&str] = &[
    "and", "argument", "as", "can", "cannot", "for", "flag", "from", "given", "has", "if", "in", "instead", "interactively", "is", "may", "must", "not",
    "on", "option", "or", "parameter", "required", "requires", "should", "to", "using", "value", "via", "was", "when", "will", "with", "without",
];

/// Whether what follows a flag goes on telling of it: `Using --password via the CLI is insecure`.
fn speaks_of_flag(text: &[u8], assignment: &Assignment, value: &[u8]) -> bool {
    let parted = assignment.link == Link::Flag && text.get(assignment.name.1) == Some(&b' ');
    parted && TELLING.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a sentence says that a name of a secret is this: `the token is 0f1e…`, of digits as a digest or a UUID has them.
fn is_stated(text: &[u8], assignment: &Assignment, value: &[u8]) -> bool {
    let between = text.get(assignment.name.1..assignment.value.0).unwrap_or_default().trim_ascii();
    let stated = between.split(|byte| !byte.is_ascii_alphabetic()).next() == Some(b"is");
    let hexadecimal = value.len() >= 16
        && value.iter().all(u8::is_ascii_hexdigit)
        && value.iter().filter(|byte| byte.is_ascii_digit()).count() >= 2
        && value.iter().filter(|byte| byte.is_ascii_alphabetic()).count() >= 2;
    stated && (hexadecimal || values::is_uuid(value))
}

/// Whether a blank stands behind the sign, and none before it.
fn is_parted(text: &[u8], assignment: &Assignment) -> bool {
    text.get(assignment.name.1..).is_some_and(|rest| rest.starts_with(b"= "))
}

/// Whether a verb stands between a name and its value: `the password is …`.
fn is_said(text: &[u8], assignment: &Assignment) -> bool {
    let between = text.get(assignment.name.1..assignment.value.0).unwrap_or_default();
    between.iter().any(u8::is_ascii_alphabetic)
}

/// Whether a word of a sentence reads as a password: letters and digits, and no words with signs between.
fn is_spoken(value: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    let words = has(|byte| b"-_./:".contains(byte)) && !has(u8::is_ascii_uppercase);
    value.len() >= 8 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && !words
}

/// Whether a value is the next assignment of a list of them, with a name of its own: `…/token ISSUER=auth.example.org`.
fn brings_name(value: &[u8]) -> bool {
    let mut parts = value.splitn(2, |&byte| byte == b'=');
    let name = parts.next().unwrap_or_default();
    let rest = parts.next().and_then(<[u8]>::first);
    name.len() >= 3
        && name.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && rest.is_some_and(|byte| *byte != b'=')
}

/// Whether the value of a name such as `key` is where something is kept, as caches, buckets and registries call it; or
/// stands in angle brackets, as mail servers print the session that a line belongs to.
fn names_a_place(text: &[u8], assignment: &Assignment, value: &[u8]) -> bool {
    let has = |signs: &[u8]| value.iter().any(|byte| signs.contains(byte));
    let name = text.get(assignment.name.0..assignment.name.1).unwrap_or_default();
    let path = has(b"\\") || has(b"/") && has(b"._-") || has(b":") && !value.starts_with(b"base64:");
    value.starts_with(b"<") || name.eq_ignore_ascii_case(b"key") && path
}

/// Whether a value looks like a password that somebody chose with care: signs, letters and digits together.
fn is_chosen(value: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    value.len() >= 8
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && has(|byte| b"!@#$%^&*+~".contains(byte))
        && !has(|byte| b"()[]{}<>/ ".contains(byte))
        && value.iter().filter(|byte| **byte == b'%').count() * 3 < value.len()
}

/// Whether a value that stands in quotes behind the word for a password is one: letters with digits, no blank and no slash,
/// as a browser has that follows the path of a page.
fn is_quoted_password(value: &[u8]) -> bool {
    value.len() >= 6
        && value.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'/')
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
}

/// A digest under a name of one word, such as `key`; or the number of a session as TLS tools print it, in capitals.
fn is_bare_digest(text: &[u8], assignment: &Assignment, value: &[u8]) -> bool {
    let words = super::names::words(text.get(assignment.name.0..assignment.name.1).unwrap_or_default());
    let bare = match words.as_slice() {
        [name] => name != "credentials" && name != "pass",
        [session, id] => session == "session" && id == "id" && !value.iter().any(u8::is_ascii_lowercase),
        _ => false,
    };
    // The first digits of a layer, as engines print them before what they do with it.
    let layer = value.len() == 12 && value.iter().all(u8::is_ascii_hexdigit);
    bare && (values::is_digest(value) || layer)
}

/// Whether a value is a word with a capital that a sentence goes on behind: `token: Permission denied`.
fn begins_sentence(text: &[u8], assignment: &Assignment, value: &[u8]) -> bool {
    let rest = rest_of_sentence(text.get(assignment.value.1..).unwrap_or_default());
    let length = rest.iter().take(32).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (word, sign) = (rest.get(..length).unwrap_or_default(), rest.get(length));
    let named = sign.is_some_and(|byte| b"=_-".contains(byte) || byte.is_ascii_digit())
        || sign == Some(&b':') && !word.iter().any(u8::is_ascii_uppercase);
    length >= 2 && !named && value.iter().all(u8::is_ascii_alphabetic) && values::is_capitalised(value)
}

/// What stands behind a word of a sentence, be there a comma between; nothing where it does not go on.
fn rest_of_sentence(text: &[u8]) -> &[u8] {
    let text = match text {
        [b',' | b':' | b';' | b'.', rest @ ..] => rest,
        all => all,
    };
    text.strip_prefix(b" ").unwrap_or_default()
}

fn is_password(text: &[u8], assignment: &Assignment, value: &[u8]) -> bool {
    let number = value.iter().all(u8::is_ascii_digit);
    let word = value.iter().all(u8::is_ascii_lowercase);
    let tight = text.get(assignment.name.1) == Some(&b'=') || assignment.marked || assignment.link == Link::Flag;
    let spoken = (word && !assignment.last) || begins_sentence(text, assignment, value);
    value.len() >= 3 && !(number && value.len() < 4) && (!spoken || tight)
}

fn is_token(text: &[u8], assignment: &Assignment, value: &[u8]) -> bool {
    let name = super::names::words(text.get(assignment.name.0..assignment.name.1).unwrap_or_default());
    let plain = value.iter().all(|byte| byte.is_ascii_lowercase() || b"-_/.:".contains(byte));
    let number = value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    // `secret` alone is what orchestrators call an object, and name it; `bearer` is what a token is of.
    let object = matches!(name.as_slice(), [one] if ["secret", "credential", "bearer"].contains(&one.as_str()))
        && (!values::is_random(value) && !values::is_varied(value) || values::is_object_name(value));
    value.len() >= 8
        && !number
        && !object
        && !values::is_word(value)
        && !values::is_relative_path(value)
        && (!plain || (assignment.marked && value.len() >= 12 && !value.contains(&b'/')))
}

/// Whether a value begins with a name that points at something: `token hash=…`.
pub(super) fn brings_reference(value: &[u8]) -> bool {
    let sign = value.iter().position(|byte| b"=:".contains(byte));
    sign.and_then(|sign| value.get(..sign)).is_some_and(is_reference)
}

#[cfg(test)]
mod tests {
    use super::super::{Redactor, RuleSet};

    #[test]
    fn what_stands_where_a_port_or_a_digest_could_is_masked() {
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        let digits = "0f1e2d3c4b5a6978".repeat(4);
        for (text, secret) in [
            ("{user:joe,password:48213,next:1}".to_owned(), "48213"),
            (format!("secret/data/db/password={digits}"), digits.as_str()),
            (format!("app/api_key: {digits}"), digits.as_str()),
        ] {
            let clean = redactor.text(&text);
            assert!(!clean.contains(secret), "{clean}");
        }
    }
}
