//! The grammar of references: from text to a normalised [`Reference`], or the first thing that is wrong.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{DEFAULT_REGISTRY, NAME_MAX, Reference, ReferenceError, TAG_MAX};
use crate::digest::Digest;

/// Names that other tools read as a transport when a colon follows. `docker` is not among them: `docker:dind` is
/// an image, and `docker://` is caught by its slashes.
const TRANSPORTS: [&str; 13] = [
    "atomic",
    "containers-storage",
    "dir",
    "docker-archive",
    "docker-daemon",
    "file",
    "http",
    "https",
    "oci",
    "oci-archive",
    "ostree",
    "sif",
    "tarball",
];

/// Names of digest algorithms, accepted or not: a caller who writes one before a colon, or alone, means a digest.
const ALGORITHMS: [&str; 5] = ["blake3", "md5", "sha256", "sha384", "sha512"];

/// How the names of all algorithms begin that anybody writes digests with.
const ALGORITHM_FAMILIES: [&str; 10] =
    ["blake", "crc", "keccak", "md", "multihash", "ripemd", "sha", "sm3", "tarsum", "whirlpool"];

/// From so many hex digits on a text is the hash that an algorithm gave (MD5's is the shortest).
const HASH_MIN: usize = 32;

/// Docker's old name for its registry.
const LEGACY_REGISTRY: &str = "index.docker.io";
/// Where docker keeps repositories of one part.
const OFFICIAL: &str = "library";

/// A piece of the reference, and where it stands in it.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Piece<'a> {
    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        Some((Self { text: before, at: self.at }, Self { text: after, at: self.at + before.len() + 1 }))
    }

    fn rsplit_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.rsplit_once(separator)?;
        Some((Self { text: before, at: self.at }, Self { text: after, at: self.at + before.len() + 1 }))
    }

    fn parts(self, separator: char) -> impl Iterator<Item = Self> {
        self.text.split(separator).scan(self.at, |next, text| {
            let at = *next;
            *next += text.len() + 1;
            Some(Self { text, at })
        })
    }

    fn end(self) -> usize {
        self.at + self.text.len()
    }
}

pub(super) fn parse(text: &str) -> Result<Reference, ReferenceError> {
    refuse_foreign_characters(text)?;
    refuse_transport(text)?;
    refuse_bare_id(text)?;
    let (rest, digest) = split_digest(Piece { text, at: 0 })?;
    let (name, tag) = split_tag(rest)?;
    refuse_digest_as_tag(name, tag)?;
    let (registry, repository) = split_registry(name)?;
    let repository = check_repository(repository)?;
    let tag = tag.map(check_tag).transpose()?;
    normalised(registry, repository, tag, digest)
}

fn refuse_foreign_characters(text: &str) -> Result<(), ReferenceError> {
    if text.is_empty() {
        return Err(ReferenceError::Empty);
    }
    match text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
        None => Ok(()),
        Some((at, found)) if found.is_ascii() => Err(ReferenceError::Blank { at, found }),
        Some((at, found)) => Err(ReferenceError::NotAscii { at, found }),
    }
}

fn refuse_transport(text: &str) -> Result<(), ReferenceError> {
    let Some((prefix, rest)) = text.split_once(':') else { return Ok(()) };
    if TRANSPORTS.contains(&prefix) || (rest.starts_with("//") && !prefix.is_empty()) {
        return Err(ReferenceError::Transport { prefix: format!("{prefix}:") });
    }
    Ok(())
}

/// 12 digits is the short form that engines print, and look up before any name.
fn refuse_bare_id(text: &str) -> Result<(), ReferenceError> {
    let name = text.split([':', '@']).next().unwrap_or(text);
    let is_whole = name.len() == text.len();
    let is_id = [64, 96, 128].contains(&name.len()) || (is_whole && name.len() == 12);
    if (is_id && is_hex(name)) || is_misspelt_digest(name) { Err(ReferenceError::BareId) } else { Ok(()) }
}

/// `sha256-…`, `sha256…`: an algorithm and its hash without the colon between them.
fn is_misspelt_digest(name: &str) -> bool {
    let Some((_, rest)) = algorithm_family(name) else { return false };
    let before = rest.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, 'a'..='f'));
    rest.len() - before.len() >= HASH_MIN && before.chars().all(numbers_algorithms)
}

/// `sha256`, `sha-256`, `sha512-256`, `sha3`: a family, and nothing but numbers after it.
fn is_algorithm_like(name: &str) -> bool {
    algorithm_family(name)
        .is_some_and(|(family, rest)| rest.chars().all(numbers_algorithms) && !(rest.is_empty() && family == "md"))
}

fn algorithm_family(name: &str) -> Option<(&'static str, &str)> {
    ALGORITHM_FAMILIES.into_iter().find_map(|family| Some((family, name.strip_prefix(family)?)))
}

/// What stands after a family: numbers, and the letters of `blake2b` and `blake2s`.
fn numbers_algorithms(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | '/' | 'b' | 's')
}

fn split_digest(whole: Piece<'_>) -> Result<(Piece<'_>, Option<Digest>), ReferenceError> {
    let Some((rest, digest)) = whole.split_once('@') else { return Ok((whole, None)) };
    let parsed = digest.text.parse().map_err(|error| ReferenceError::Digest { start: digest.at, error })?;
    Ok((rest, Some(parsed)))
}

/// The tag follows a colon after the last slash; a colon before it belongs to the registry.
fn split_tag(rest: Piece<'_>) -> Result<(Piece<'_>, Option<Piece<'_>>), ReferenceError> {
    let last = rest.rsplit_once('/').map_or(rest, |(_, last)| last);
    if rest.text.is_empty() || (last.at == 0 && last.text.starts_with(':')) {
        return Err(ReferenceError::NoName { at: 0 });
    }
    // a bracket holds colons of its own: such a part is a registry that no repository follows
    if last.text.starts_with('[') {
        return Err(ReferenceError::NoName { at: last.end() });
    }
    let Some((part, tag)) = last.split_once(':') else { return Ok((rest, None)) };
    let name = rest.text.get(..part.end()).unwrap_or(rest.text);
    Ok((Piece { text: name, at: rest.at }, Some(tag)))
}

fn refuse_digest_as_tag(name: Piece<'_>, tag: Option<Piece<'_>>) -> Result<(), ReferenceError> {
    let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
    let is_alone = last.at == 0;
    let is_hash = tag.is_some_and(|tag| tag.text.len() >= HASH_MIN && is_hex(&tag.text.to_ascii_lowercase()));
    let is_known = ALGORITHMS.contains(&last.text);
    if (is_known && (is_alone || is_hash)) || (is_hash && is_algorithm_like(name.text)) {
        return Err(ReferenceError::DigestAsTag { at: last.at });
    }
    Ok(())
}

/// Splits as docker does: the first of several parts is a registry when it looks like a host.
fn split_registry(name: Piece<'_>) -> Result<(Option<&str>, Piece<'_>), ReferenceError> {
    match name.split_once('/') {
        Some((first, _)) if first.text.is_empty() => Err(ReferenceError::EmptyPart { at: first.at }),
        Some((first, rest)) if looks_like_host(first.text) => {
            check_registry(first)?;
            Ok((Some(first.text), rest))
        }
        _ => Ok((None, name)),
    }
}

fn looks_like_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':', '['])
}

/// The host of a checked registry, without its port.
pub(super) fn host_of(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => registry,
    }
}

fn check_registry(registry: Piece<'_>) -> Result<(), ReferenceError> {
    if let Some((offset, found)) = registry.text.char_indices().find(|(_, c)| c.is_ascii_uppercase()) {
        return Err(ReferenceError::UpperCase { at: registry.at + offset, found });
    }
    let host = Piece { text: host_of(registry.text), at: registry.at };
    check_host(host)?;
    let port = registry.text.get(host.text.len()..).and_then(|rest| rest.strip_prefix(':'));
    port.map_or(Ok(()), |text| check_port(Piece { text, at: host.end() + 1 }))
}

fn check_host(host: Piece<'_>) -> Result<(), ReferenceError> {
    if host.text.starts_with('[') {
        return check_ipv6(host);
    }
    host.parts('.').try_for_each(check_label)?;
    let last = host.text.rsplit('.').next().unwrap_or(host.text);
    // resolvers read any host that ends in a number as an address: 127.1, 0x7f.1, 2130706433
    let is_numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if is_numeric && host.text.parse::<Ipv4Addr>().is_err() {
        return Err(ReferenceError::BadIpv4 { at: host.at });
    }
    Ok(())
}

fn check_ipv6(host: Piece<'_>) -> Result<(), ReferenceError> {
    let address = host.text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_plain = |text: &&str| text.bytes().all(|b| b == b':' || b.is_ascii_hexdigit());
    match address.filter(is_plain).map(str::parse::<Ipv6Addr>) {
        Some(Ok(_)) => Ok(()),
        _ => Err(ReferenceError::BadIpv6 { at: host.at }),
    }
}

fn check_label(label: Piece<'_>) -> Result<(), ReferenceError> {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if let Some(offset) = label.text.bytes().position(|b| !is_inner(b)) {
        return Err(ReferenceError::BadHost { at: label.at + offset });
    }
    if label.text.is_empty() || label.text.len() > 63 || label.text.starts_with('-') {
        return Err(ReferenceError::BadHost { at: label.at });
    }
    if label.text.ends_with('-') {
        return Err(ReferenceError::BadHost { at: label.end() - 1 });
    }
    Ok(())
}

fn check_port(port: Piece<'_>) -> Result<(), ReferenceError> {
    let is_digits = port.text.bytes().all(|b| b.is_ascii_digit());
    let is_padded = port.text.starts_with('0');
    match port.text.parse::<u16>() {
        Ok(_) if is_digits && !is_padded => Ok(()),
        _ => Err(ReferenceError::BadPort { at: port.at }),
    }
}

fn check_repository(repository: Piece<'_>) -> Result<&str, ReferenceError> {
    repository.parts('/').try_for_each(check_part)?;
    Ok(repository.text)
}

fn check_part(part: Piece<'_>) -> Result<(), ReferenceError> {
    if part.text.is_empty() {
        return Err(ReferenceError::EmptyPart { at: part.at });
    }
    let is_allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    if let Some((offset, found)) = part.text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        let at = part.at + offset;
        return Err(match found {
            'A'..='Z' => ReferenceError::UpperCase { at, found },
            _ => ReferenceError::BadRepository { at, found },
        });
    }
    check_separators(part)
}

/// Between two runs of letters and digits stands exactly `.`, `_`, `__` or dashes.
fn check_separators(part: Piece<'_>) -> Result<(), ReferenceError> {
    let is_separator = |c: char| matches!(c, '.' | '_' | '-');
    if part.text.ends_with(is_separator) {
        return Err(ReferenceError::BadSeparator { at: part.end() - 1 });
    }
    let mut at = part.at;
    for run in part.text.split_inclusive(|c: char| !is_separator(c)) {
        let separator = run.trim_end_matches(|c: char| !is_separator(c));
        let is_first = at == part.at;
        let is_allowed = matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-');
        if !is_allowed || (is_first && !separator.is_empty()) {
            return Err(ReferenceError::BadSeparator { at });
        }
        at += run.len();
    }
    Ok(())
}

fn check_tag(tag: Piece<'_>) -> Result<&str, ReferenceError> {
    if tag.text.is_empty() {
        return Err(ReferenceError::EmptyTag { at: tag.at });
    }
    let is_allowed = |i: usize, c: char| c.is_ascii_alphanumeric() || c == '_' || (i > 0 && matches!(c, '.' | '-'));
    if let Some((offset, found)) = tag.text.char_indices().find(|(i, c)| !is_allowed(*i, *c)) {
        return Err(ReferenceError::BadTag { at: tag.at + offset, found });
    }
    if tag.text.len() > TAG_MAX {
        return Err(ReferenceError::TagTooLong { at: tag.at + TAG_MAX, found: tag.text.len() });
    }
    Ok(tag.text)
}

fn normalised(
    registry: Option<&str>,
    repository: &str,
    tag: Option<&str>,
    digest: Option<Digest>,
) -> Result<Reference, ReferenceError> {
    let registry = registry.filter(|written| *written != LEGACY_REGISTRY).unwrap_or(DEFAULT_REGISTRY);
    let is_official = registry == DEFAULT_REGISTRY && !repository.contains('/');
    let repository = if is_official { format!("{OFFICIAL}/{repository}") } else { repository.to_owned() };
    let found = registry.len() + 1 + repository.len();
    if found > NAME_MAX {
        return Err(ReferenceError::NameTooLong { found });
    }
    Ok(Reference { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), digest })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
