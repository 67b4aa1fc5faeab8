//! What a value looks like: a secret, a placeholder, or something that must stay readable.

/// Whole values that stand for none, say that there is one, or name a type.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "null", "nil", "none", "true", "false", "undefined", "empty", "unset", "missing", "required", "optional", "expired", "invalid", "valid", "revoked", "denied",
    "failed", "failure", "unchanged", "error", "found", "present", "absent", "enabled", "disabled", "string", "str", "bool", "boolean", "bytes", "object", "integer",
    "number", "any", "void", "text", "type", "auto", "default", "redacted", "masked", "hidden", "removed", "filtered", "secret", "password", "token", "unknown",
    "not", "the", "and", "for", "with", "from", "was", "has", "must", "should", "will", "cannot", "could", "authentication", "authorization", "changed", "updated", "created",
    "generated", "loaded", "rejected", "accepted", "verified", "mismatch", "incorrect", "wrong", "yes", "okay", "n/a", "[]", "{}", "\"\"", "''", "<nil>", "(null)",
    "your_password", "your-password", "yourpassword", "changeit", "basic", "bearer", "digest", "header", "cookie", "refreshed", "issued", "renewed", "received", "sent", "provided", "supplied",
    "scram-sha-1", "scram-sha-256", "scram-sha-512", "bcrypt", "argon2", "argon2i", "argon2id", "scrypt", "pbkdf2", "prompt", "interactive", "interactive-login",
    "option<string>", "&str", "passwort", "kennwort", "mot de passe", "contrase\u{f1}a", "senha", "wachtwoord",
    // What AWS prints in its documentation.
    "wjalrxutnfemi/k7mdeng/bpxrficyexamplekey",
];

/// Words that the names of errors are made of.
#[rustfmt::skip]
const ERRORS: &[&str] = &[
    "error", "exception", "invalid", "expired", "mismatch", "mismatched", "bad", "denied", "failed", "failure", "unauthorized", "forbidden", "missing",
    "malformed", "revoked", "incorrect", "unknown", "unsupported", "rejected",
];

/// Whether a value stands for a secret without being one: masked, empty, a reference, a template, a type.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let bare = value.trim_ascii();
    let lower = bare.to_ascii_lowercase();
    WORDS.iter().any(|word| word.as_bytes() == lower)
        || is_masked(bare, &lower)
        || holds_mark(bare)
        || is_reference(bare)
        || is_tag(bare)
        || has_few_characters(bare)
        || repeats_a_group(bare)
        || is_error_name(bare)
        || is_closing(bare)
        || is_to_be_replaced(&lower)
}

/// `YOUR_API_KEY`, `replace-me`: what an example has in the place of a value.
fn is_to_be_replaced(lower: &[u8]) -> bool {
    let begins = [b"your_".as_slice(), b"your-", b"replace_", b"replace-", b"insert_", b"insert-"];
    begins.iter().any(|word| lower.starts_with(word))
        && lower.iter().all(|byte| byte.is_ascii_lowercase() || b"_-".contains(byte))
}

/// `TokenExpired`, `JsonWebTokenError`: words with capitals, one of which says what is wrong.
fn is_error_name(bare: &[u8]) -> bool {
    let letters = bare.len() <= 64 && bare.iter().all(u8::is_ascii_alphabetic) && is_capitalised(bare);
    let words = if letters { super::names::words(bare) } else { Vec::new() };
    words.len() >= 2 && words.iter().any(|word| ERRORS.contains(&word.as_str()))
}

/// Brackets that close what stands before them, be there the end of a line behind: `)\n`.
fn is_closing(bare: &[u8]) -> bool {
    let signs = bare.iter().take_while(|byte| b")]};,".contains(byte)).count();
    signs > 0 && matches!(bare.get(signs..), Some([] | [b'\\', b'n' | b'r', ..])) && bare.len() <= 8
}

pub(crate) fn is_capitalised(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_uppercase)
}

/// A word as people write one, with a capital or letters that are none of ASCII's.
pub(crate) fn is_word(value: &[u8]) -> bool {
    let capital = is_capitalised(value) && value.iter().skip(1).all(u8::is_ascii_lowercase);
    capital || is_foreign_word(value)
}

/// Letters alone, some of which are none of ASCII's, be they escaped as in JSON.
fn is_foreign_word(value: &[u8]) -> bool {
    let (mut rest, mut foreign) = (value, false);
    loop {
        rest = match rest {
            [] => return foreign,
            [b'\\', b'u', _, _, _, _, tail @ ..] => {
                foreign = true;
                tail
            }
            [letter, tail @ ..] if letter.is_ascii_alphabetic() || !letter.is_ascii() => {
                foreign |= !letter.is_ascii();
                tail
            }
            _ => return false,
        };
    }
}

/// How a mark of ours begins.
pub(crate) const MARK: &[u8] = b"[redacted:";

/// Whether a mark of ours stands in it: what is masked already is not masked again.
pub(crate) fn holds_mark(value: &[u8]) -> bool {
    memchr::memmem::find(value, MARK).is_some()
}

/// `!vault`, `!env`: what stands before a value that YAML gets from elsewhere.
fn is_tag(bare: &[u8]) -> bool {
    let plain = |word: &[u8]| word.iter().all(u8::is_ascii_lowercase) || [b"Ref".as_slice(), b"Sub"].contains(&word);
    matches!(bare, [b'!', word @ ..] if word.len() > 2 && plain(word))
}

/// `1234-1234-1234-…`: what no issuer draws.
fn repeats_a_group(bare: &[u8]) -> bool {
    let groups: Vec<&[u8]> = bare.split(|byte| b"-._:".contains(byte)).collect();
    groups
        .windows(3)
        .any(|three| matches!(three, [a, b, c] if a.len() >= 3 && a == b && b == c && a.iter().all(u8::is_ascii_digit)))
}

fn is_masked(bare: &[u8], lower: &[u8]) -> bool {
    let starts = |heads: &[&str]| heads.iter().any(|head| lower.starts_with(head.as_bytes()));
    let masks = [
        "[redacted",
        "<redacted",
        "(redacted",
        "{redacted",
        "[masked",
        "<masked",
        "[filtered",
        "[hidden",
        "<hidden",
        "(hidden",
        "***",
        "redacted",
        "[secret",
        "<secret",
        "[removed",
        "%!",
        "•••",
        "…",
        "...",
    ];
    starts(&masks) || (bare.len() > 3 && bare.windows(3).any(|window| window == b"***"))
}

/// `$NAME`, `${…}`, `{{…}}`, `%NAME%`, `<your token>`, `process.env.X`, `getenv("X")`.
fn is_reference(bare: &[u8]) -> bool {
    match bare {
        [b'$', b'{' | b'(', ..] | [b'{', b'{', ..] | [b'#', b'{', ..] | [b'<', b'%', ..] => true,
        [b'$', name @ ..] => {
            !name.is_empty()
                && name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_:$".contains(byte))
        }
        [b'%', b'e', b'n', b'v', b'(', ..] => true,
        [b'%', name @ .., b'%'] => name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'),
        [b'%', b'(', ..] => true,
        [b'%', b's' | b'v' | b'q' | b'd', rest @ ..] => !rest.first().is_some_and(u8::is_ascii_alphanumeric),
        // What a statement is given when it runs.
        [b':' | b'@', name @ ..] if is_parameter(name) => true,
        [b'<', inner @ ..] if inner.len() > 2 => inner
            .strip_suffix(b">")
            .unwrap_or(inner)
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || b" _-|/".contains(byte)),
        [b'<', b'|' | b'/', ..] | [b'<', b's', b'>', ..] => true,
        [b'{', b'e', b'n', b'v', b':', ..] => true,
        [b'{', inner @ .., b'}'] => inner.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte)),
        [b'v', b'a', b'u', b'l', b't', b':', ..]
        | [b'e', b'n', b'v', b'.' | b'(' | b':', ..]
        | [b'o', b's', b'.', ..] => true,
        _ => {
            bare.starts_with(b"process.env")
                || bare.starts_with(b"config.")
                || bare.starts_with(b"secrets.")
                || bare.starts_with(b"arn:")
                || bare.starts_with(b"file:")
                || bare.starts_with(b"ssm:")
        }
    }
}

/// The name of a parameter: one that says what it is for, or `p0`.
fn is_parameter(name: &[u8]) -> bool {
    let numbered =
        matches!(name, [b'p' | b'P', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
    let named = name.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    numbered || named && super::names::judge(name) != super::names::Strength::None
}

/// `xxxxxxxx`, `00000000`, `........`, `abababab`.
pub(crate) fn has_few_characters(bare: &[u8]) -> bool {
    let distinct = distinct(bare);
    match bare.len() {
        0..=3 => distinct <= 1,
        4..=7 => distinct <= 2,
        8..=19 => distinct <= 3,
        _ => distinct <= 5,
    }
}

fn distinct(bytes: &[u8]) -> u32 {
    let mut seen = [0u64; 4];
    for &byte in bytes {
        if let Some(word) = seen.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }
    seen.iter().map(|word| word.count_ones()).sum()
}

/// Whether a value reads as code or as a place rather than as a secret: a call, a member, a path, an address.
pub(crate) fn is_expression(value: &[u8]) -> bool {
    let call = value.iter().position(|&byte| byte == b'(' || byte == b'[').and_then(|at| value.get(..at));
    let closes = value.iter().rposition(|byte| b")]".contains(byte)).and_then(|at| value.get(at + 1..));
    // What goes on behind a bracket that was closed is no call.
    let goes_on = closes.and_then(<[u8]>::first).is_some_and(u8::is_ascii_alphanumeric);
    let called = !goes_on
        && call.is_some_and(|name| {
            !name.is_empty() && name.split(|&byte| byte == b'.' || byte == b':').all(is_identifier)
        })
        && call.and_then(|name| value.get(name.len() + 1..)).is_some_and(is_argument);
    called || is_member(value) || is_path_of_code(value) || is_place(value)
}

/// `Secret::new`, `config::DB`: names joined by `::`, be there a call or a list of types behind.
fn is_path_of_code(value: &[u8]) -> bool {
    let head = value.split(|byte| b"(<[{;,!".contains(byte)).next().unwrap_or_default();
    let Some(first) = head.windows(2).position(|pair| pair == b"::") else { return false };
    let name = |part: &[u8]| part.is_empty() || is_identifier(part) && !is_drawn(part);
    let parts = head.split(|&byte| byte == b':');
    // Nothing may stand between the two colons.
    head.get(..first).is_some_and(|part| part.is_empty() || is_identifier(part)) && parts.into_iter().all(name)
}

/// Capitals, small letters and digits that change often: what people do not call a folder.
fn is_drawn(part: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| part.iter().any(kind);
    part.len() >= 8
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && changes(part) * 3 >= part.len()
}

/// Whether what stands behind an opening bracket goes on as code does, as far as it is there: with a quote, or with a word
/// that something follows as in a call.
fn is_argument(rest: &[u8]) -> bool {
    let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    match (word, rest.get(word)) {
        (_, None | Some(b')' | b']' | b'"' | b'\'' | b'\\')) => true,
        (0, Some(byte)) => b"$&*!".contains(byte),
        (_, Some(b'=')) => word > 1 && rest.get(..word).is_some_and(is_identifier),
        (_, Some(byte)) => b",.([:".contains(byte),
    }
}

/// `cfg.Password`: names joined by dots.
pub(crate) fn is_member(value: &[u8]) -> bool {
    value.contains(&b'.')
        && !value.iter().any(u8::is_ascii_digit)
        && value.split(|&byte| byte == b'.').all(is_identifier)
}

fn is_identifier(part: &[u8]) -> bool {
    part.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Words joined by `/`, such as a path that begins nowhere in particular.
pub(crate) fn is_relative_path(value: &[u8]) -> bool {
    let plain = |part: &[u8]| part.len() < 24 && !is_random(part) && !part.iter().any(|byte| b"+=".contains(byte));
    value.contains(&b'/')
        && value.split(|&byte| byte == b'/').all(plain)
        && value.iter().filter(|byte| byte.is_ascii_uppercase()).count() * 4 < value.len()
}

/// A path, or an address with nothing in front of the host.
pub(crate) fn is_place(value: &[u8]) -> bool {
    let rooted = [b"/".as_slice(), b"./", b"../", b"~/", b"C:\\", b"@/"].iter().any(|root| value.starts_with(root));
    let path = rooted
        && value.split(|&byte| byte == b'/').all(|part| (part.len() < 24 || !is_random(part)) && !is_drawn(part))
        && !value.contains(&b'+')
        && !value.ends_with(b"=");
    // Nobody chooses a password of so many words with slashes between.
    let deep = value.iter().filter(|byte| **byte == b'/').count() >= 4 && is_relative_path(value);
    path || deep || value.windows(3).any(|window| window == b"://")
}

/// `8-4-4-4-12` hexadecimal digits.
pub(crate) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// `postgres-credentials-8h2kd`: words with dashes between, as orchestrators name objects, and what they append.
pub(crate) fn is_object_name(value: &[u8]) -> bool {
    let lower = value.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-');
    let parts = || value.split(|&byte| byte == b'-');
    let words = parts().filter(|part| part.len() >= 2 && part.iter().all(u8::is_ascii_lowercase)).count();
    lower && parts().count() >= 3 && words >= 2 && parts().all(|part| !part.is_empty() && part.len() <= 16)
}

/// Hexadecimal digits, as many as a digest has.
pub(crate) fn is_digest(value: &[u8]) -> bool {
    let hex = value.rsplit(|&byte| byte == b':').next().unwrap_or_default();
    matches!(hex.len(), 32 | 40 | 56 | 64 | 96 | 128) && hex.iter().all(u8::is_ascii_hexdigit)
}

/// `v1.2.3`, `29.0.4-rc.1`, `sha-0f1e2d3`: what stands behind the name of an image or of a module.
pub(crate) fn is_version(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"sha-").or(value.strip_prefix(b"v")).unwrap_or(value);
    let first = value.split(|byte| b".-@+".contains(byte)).next().unwrap_or_default();
    let dotted = first.len() <= 4 && first.iter().all(u8::is_ascii_digit) && value.get(first.len()) == Some(&b'.');
    !first.is_empty() && (dotted || matches!(first.len(), 7..=12) && first.iter().all(u8::is_ascii_hexdigit))
}

/// Whether a digest stands in it, with its algorithm or whole: a tag and what it is pinned to.
pub(crate) fn has_digest(value: &[u8]) -> bool {
    is_digest(value) || value.split(|&byte| byte == b'@').any(is_named_digest)
}

/// Capitals, small letters and digits.
pub(crate) fn is_varied(value: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    value.len() >= 12 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}

/// `2026-05-25T14:48:23Z`: a moment.
pub(crate) fn is_moment(value: &[u8]) -> bool {
    let shape = b"0000-00-00T00:00:00";
    let fits = |(byte, like): (&u8, &u8)| if *like == b'0' { byte.is_ascii_digit() } else { byte == like };
    value.len() >= shape.len()
        && value.iter().zip(shape).all(fits)
        && value.iter().skip(shape.len()).all(|byte| byte.is_ascii_digit() || b".:+-Z".contains(byte))
}

/// `sha256:0f1e…`: a digest with the name of its algorithm.
pub(crate) fn is_named_digest(value: &[u8]) -> bool {
    let named =
        [b"sha256:".as_slice(), b"sha384:", b"sha512:", b"sha1:", b"md5:"].iter().any(|name| value.starts_with(name));
    named && is_digest(value)
}

/// A digest or a UUID behind words: `logs/0f1e….gz`, `session:0f1e…`, `linux-cargo-0f1e…`.
pub(crate) fn names_an_identifier(value: &[u8]) -> bool {
    let (mut words, mut identifier) = (0, value.windows(36).any(is_uuid));
    for part in value.split(|byte| b"/:.-_".contains(byte)) {
        words += usize::from(part.len() >= 3 && part.iter().all(u8::is_ascii_alphabetic));
        identifier |= is_digest(part);
    }
    words > 0 && identifier
}

/// Whether a word looks drawn at random: long enough, letters and digits mixed, not words joined by signs.
pub(crate) fn is_random(value: &[u8]) -> bool {
    let longest = value.split(|byte| !byte.is_ascii_alphanumeric()).map(<[u8]>::len).max().unwrap_or_default();
    (longest >= 10 || value.len() >= 24) && is_mixed(value)
}

fn is_mixed(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let upper = value.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let lower = value.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    let mixed = digits >= 2 && upper + lower >= 3 || upper >= 3 && lower >= 3 && value.len() >= 20;
    value.len() >= 12 && mixed && !has_few_characters(value) && changes(value) * 4 >= value.len()
}

/// How often the kind of character changes from one to the next: often in what is random, seldom in words.
fn changes(value: &[u8]) -> usize {
    let kind = |byte: &u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 3,
    };
    let kinds: Vec<u8> = value.iter().map(kind).collect();
    kinds.windows(2).filter(|pair| pair.first() != pair.last()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders() {
        for value in [
            "",
            "null",
            "<nil>",
            "***",
            "[REDACTED]",
            "xxxxxxxxxxxx",
            "$DB_PASS",
            "${X:-y}",
            "{{ .Token }}",
            "<your-token>",
            "<|im_end|>",
            "%s",
            "[redacted:db]",
            "000000000000",
            "xoxp-1234-1234-1234-ab12",
            "TokenExpired",
            "MismatchedHashAndPassword",
            ":password",
            "@p0",
            "%env(DB_PASSWORD",
            "%env(DB_PASSWORD)%",
            "<nil",
            "scram-sha-256",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
            assert!(is_placeholder(format!("{value}[redacted:A]").as_bytes()), "{value}");
        }
        for value in ["hunter2", "$ecretPa55", "p@ss", "s3cr3t***", "CorrectHorse", ":hunter", "@Hunter2"] {
            assert!(!is_placeholder(value.as_bytes()) || value.ends_with("***"), "{value}");
        }
    }

    #[test]
    fn words_of_people() {
        for value in ["Permission", "Zugangsschl\u{fc}ssel", "Zugangsschl\\u00fcssel"] {
            assert!(is_word(value.as_bytes()), "{value}");
        }
        for value in ["hunter", "HUnter", "Hunter2", "pa\u{df}wort1"] {
            assert!(!is_word(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn random_words_and_others() {
        for value in [
            "b0979f3ce1fe86cb89005ab7e3cb74c8",
            "dc818bapfvv39daqe8utyh0n6",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY0",
            "8qn63o2aek4kly35",
        ] {
            assert!(is_random(value.as_bytes()), "{value}");
        }
        for value in [
            "app-tls-36c1f",
            "authentication",
            "kube-system/default",
            "docker-entrypoint",
            "qwen3.attention",
            "user:53054:profile",
        ] {
            assert!(!is_random(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn identifiers_behind_words() {
        let hex = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
        for value in [
            format!("logs/{hex}.gz"),
            format!("linux-cargo-{hex}"),
            "session:2525cd4c-3c0f-9106-a0dc-9945cb318999".to_owned(),
        ] {
            assert!(names_an_identifier(value.as_bytes()), "{value}");
        }
        assert!(!names_an_identifier(hex.as_bytes()));
        assert!(!names_an_identifier(b"b0979f3ce1fe-xyz"));
    }

    #[test]
    fn code_and_places() {
        for value in [
            "cfg.Password",
            "getenv(\"X\")",
            "os.environ[\"X\"]",
            "/run/secrets/db",
            "Secret::new(\"x\")",
            "config::DB_PASSWORD",
            "https://host/x",
            "self.key_length",
        ] {
            assert!(is_expression(value.as_bytes()), "{value}");
        }
        for value in [
            "hunter2.x9",
            "S_xFyVyQXtZ(,P",
            "b[P=JkSbihQ-EH",
            "n[6F<2,CwV2c3Y",
            "abc(def)ghi123",
            "Tr0ub4dor::3xyzQ",
            "YcjcMxoD::24yPJdRS",
            "/gOnzTjxG94agGnm/DlRZgHgq",
        ] {
            assert!(!is_expression(value.as_bytes()), "{value}");
        }
    }
}
