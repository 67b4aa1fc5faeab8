//! Challenges, tokens, and the credentials of an engine's auth file.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Fault;
use crate::reference::{DEFAULT_REGISTRY, Reference};

/// The longest challenge or token read, in bytes.
const HEADER_MAX: usize = 16 << 10;

/// A user and password, never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// base64 of `user:password`, as the header wants it.
    encoded: String,
}

impl Credentials {
    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", self.encoded)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Why an auth file can't be read. The message holds nothing of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthFileError {
    /// Not the JSON it should be.
    #[error("the auth file is not JSON with an object \"auths\" (line {line})")]
    Json {
        /// Where reading failed.
        line: usize,
    },
    /// An entry that is not base64 of `user:password`.
    #[error("the auth file's entry for {registry:?} is not base64 of user:password")]
    Entry {
        /// The entry's key.
        registry: String,
    },
}

/// The credentials of an engine's auth file ([containers-auth.json(5)][man], docker's `config.json`).
///
/// Only `auths.*.auth` is read: credential helpers are programs, which this host does not start.
///
/// [man]: https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
#[derive(Clone, Debug, Default)]
pub struct AuthFile {
    entries: BTreeMap<String, Credentials>,
}

#[derive(Deserialize)]
struct RawFile {
    #[serde(default)]
    auths: BTreeMap<String, RawEntry>,
}

#[derive(Deserialize)]
struct RawEntry {
    #[serde(default)]
    auth: Option<String>,
}

impl AuthFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`AuthFileError`].
    pub fn parse(text: &str) -> Result<Self, AuthFileError> {
        let raw: RawFile = serde_json::from_str(text).map_err(|error| AuthFileError::Json { line: error.line() })?;
        let mut entries = BTreeMap::new();
        for (registry, entry) in raw.auths {
            let Some(auth) = entry.auth.filter(|auth| !auth.is_empty()) else { continue };
            let credentials =
                parse_credentials(&auth).ok_or_else(|| AuthFileError::Entry { registry: registry.clone() })?;
            entries.insert(scope_of(&registry), credentials);
        }
        Ok(Self { entries })
    }

    /// The credentials for a repository: those of the longest prefix of its name, by whole parts.
    pub(super) fn find(&self, reference: &Reference) -> Option<&Credentials> {
        let name = reference.name();
        let parts = name.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| at);
        let prefixes = parts.chain([name.len()]).filter_map(|end| name.get(..end));
        prefixes.filter_map(|prefix| self.entries.get(prefix)).next_back()
    }
}

fn parse_credentials(auth: &str) -> Option<Credentials> {
    let decoded = STANDARD.decode(auth.trim()).ok()?;
    // old clients padded the password with NULs
    let end = decoded.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let pair = decoded.get(..end)?;
    pair.contains(&b':').then(|| Credentials { encoded: STANDARD.encode(pair) })
}

/// The prefix of names that a key of the file is for: docker writes old keys as URLs.
fn scope_of(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let host = |url: &str| url.split('/').next().unwrap_or(url).to_owned();
    let scope = bare.map_or_else(|| key.trim_end_matches('/').to_owned(), host);
    match scope.strip_prefix("index.docker.io").or_else(|| scope.strip_prefix("registry-1.docker.io")) {
        Some("" | "/v1") => DEFAULT_REGISTRY.to_owned(),
        _ => scope,
    }
}

/// What a registry wants before it answers (RFC 9110, section 11.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// The best of several challenges: a token is worth less to a thief than a password.
    pub(super) fn choose(headers: &[String]) -> Result<Self, Fault> {
        let mut known: Vec<Self> = headers.iter().filter_map(|header| Self::parse(header)).collect();
        known.sort_by_key(|challenge| *challenge == Self::Basic);
        let unknown = || Fault::Unauthorised("it asks for a login in a way that is not known here".to_owned());
        known.into_iter().next().ok_or_else(unknown)
    }

    fn parse(header: &str) -> Option<Self> {
        if header.len() > HEADER_MAX {
            return None;
        }
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => {
                let mut parameters = parameters(rest)?;
                let realm = parameters.remove("realm")?;
                Some(Self::Bearer { realm, service: parameters.remove("service") })
            }
            _ => None,
        }
    }
}

/// `name="value"` or `name=value`, with commas between; names in lower case, none twice.
fn parameters(text: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted)?,
            None => split_at_comma(after),
        };
        if found.insert(name.trim().to_ascii_lowercase(), value).is_some() {
            return None;
        }
        rest = after.trim_start().trim_start_matches([',', ' ', '\t']);
    }
    Some(found)
}

fn split_at_comma(text: &str) -> (String, &str) {
    let (value, rest) = text.split_once(',').unwrap_or((text, ""));
    (value.trim().to_owned(), rest)
}

/// The text up to the closing quote, and what follows it.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[derive(Deserialize)]
struct RawToken {
    token: Option<String>,
    access_token: Option<String>,
}

/// The value of an `Authorization` header from a token service's answer.
pub(super) fn bearer(body: &[u8]) -> Result<String, Fault> {
    let bad = || Fault::protocol("its token service gave no token");
    let raw: RawToken = serde_json::from_slice(body).map_err(|_| bad())?;
    let is_token =
        |token: &String| (1..=HEADER_MAX).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    let token = raw.token.or(raw.access_token).filter(is_token).ok_or_else(bad)?;
    Ok(format!("Bearer {token}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer_of(header: &str) -> Option<(String, Option<String>)> {
        match Challenge::parse(header)? {
            Challenge::Bearer { realm, service } => Some((realm, service)),
            Challenge::Basic => None,
        }
    }

    #[test]
    fn challenges_are_read() {
        let (realm, service) =
            bearer_of("Bearer realm=\"https://a.io/t\",service=\"r, \\\"x\\\"\", scope=\"repository:a:pull\"").unwrap();
        assert_eq!((realm.as_str(), service.as_deref()), ("https://a.io/t", Some("r, \"x\"")));
        assert_eq!(bearer_of("bearer realm=https://a.io/t").unwrap().0, "https://a.io/t");
        assert_eq!(Challenge::parse("BASIC realm=\"x\""), Some(Challenge::Basic));
        for bad in [
            "",
            "Bearer",
            "Bearer realm",
            "Bearer realm=\"x",
            "Bearer service=\"x\"",
            "Bearer realm=\"a\",realm=\"b\"",
            "Negotiate abc",
        ] {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
        let both = Challenge::choose(&["Basic realm=\"x\"".to_owned(), "Bearer realm=\"y\"".to_owned()]).unwrap();
        assert!(matches!(both, Challenge::Bearer { .. }));
    }

    #[test]
    fn tokens_are_read() {
        assert_eq!(bearer(b"{\"token\":\"abc\",\"expires_in\":1}").unwrap(), "Bearer abc");
        assert_eq!(bearer(b"{\"access_token\":\"abc\"}").unwrap(), "Bearer abc");
        for bad in [&b"{}"[..], b"{\"token\":\"\"}", b"{\"token\":\"a\\r\\nb\"}", b"x", b"{\"token\":1}"] {
            assert!(bearer(bad).is_err());
        }
    }

    fn find(file: &AuthFile, reference: &str) -> Option<String> {
        let found = file.find(&reference.parse().unwrap())?.basic();
        let decoded = STANDARD.decode(found.strip_prefix("Basic ").unwrap()).unwrap();
        Some(String::from_utf8(decoded).unwrap())
    }

    #[test]
    fn the_longest_key_decides() {
        let auth = |pair: &str| STANDARD.encode(pair);
        let text = serde_json::json!({ "credsStore": "x", "auths": {
            "https://index.docker.io/v1/": { "auth": auth("hub:a") },
            "x.io": { "auth": auth("host:b\0\0") },
            "x.io/team": { "auth": auth("team:c"), "identitytoken": "t" },
            "y.io": {}, "z.io": { "auth": "" },
        }});
        let file = AuthFile::parse(&text.to_string()).unwrap();
        assert_eq!(find(&file, "nginx").as_deref(), Some("hub:a"));
        assert_eq!(find(&file, "x.io/app").as_deref(), Some("host:b"));
        assert_eq!(find(&file, "x.io/team/app").as_deref(), Some("team:c"));
        assert_eq!(find(&file, "x.io/team").as_deref(), Some("team:c"));
        assert_eq!(find(&file, "x.io/teams/app").as_deref(), Some("host:b"));
        for none in ["y.io/a", "z.io/a", "x.io:5000/a", "w.io/x.io"] {
            assert_eq!(find(&file, none), None, "{none}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let file = AuthFile::parse("{\"auths\":{\"x.io\":{\"auth\":\"dXNlcjpwYXNz\"}}}").unwrap();
        assert!(!format!("{file:?}").contains("dXNlcjpwYXNz"));
        let error = AuthFile::parse("{\"auths\":{\"x.io\":{\"auth\":\"c2VjcmV0\"}}}").unwrap_err();
        assert_eq!(error, AuthFileError::Entry { registry: "x.io".to_owned() });
        assert!(matches!(AuthFile::parse("secret"), Err(AuthFileError::Json { line: 1 })));
    }
}
