//! What the name in `name = value` says about the value.

/// How surely a name says that its value is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// It says nothing of the kind.
    None,
    /// Its value is a secret if it looks like one.
    Weak,
    /// Its value is a secret unless it plainly is not.
    Strong,
    /// A password: what people choose themselves, so that looks say little.
    Password,
}

#[rustfmt::skip]
const PASSWORDS: &[&str] = &[
    "password", "passwd", "passphrase", "pwd", "passcode", "pgpassword", "pass", "passwort", "mdp", "pw",
    "dbpass", "sshpass", "mypass", "rootpass", "userpass", "adminpass", "smtppass", "mailpass", "ftppass", "redispass", "storepass", "keypass", "dbpw", "dbpwd", "bindpw", "rootpw", "userpw", "adminpw", "userpwd",
];

#[rustfmt::skip]
const STRONG: &[&str] = &[
    "secret", "token", "apikey", "authtoken", "accesstoken", "refreshtoken", "idtoken", "secretkey", "accesskey", "privatekey", "authkey", "appkey",
    "credential", "creds", "pat", "jwt", "bearer", "sessiontoken", "clientsecret", "apitoken", "apisecret", "masterkey", "encryptionkey",
    "signingkey", "licensekey", "secretaccesskey", "botkey", "webhooksecret",
];

#[rustfmt::skip]
const WEAK: &[&str] = &[
    "key", "auth", "authorization", "authentication", "session", "sessionid", "sid", "sessid", "phpsessid", "jsessionid", "signature", "sig", "credentials",
    "secrets", "tokens", "keys", "authkeys", "salt", "psk", "hmac", "xsrf", "csrf", "login", "dsn", "connectionstring", "connstr", "seed", "mnemonic", "code",
];

/// Endings of words written together: `dbpassword`, `mytoken`.
#[rustfmt::skip]
const STRONG_ENDINGS: &[&str] = &[
    "secret", "token", "apikey", "secretkey", "accesskey", "privatekey", "authkey", "credential",
];
#[rustfmt::skip]
const PASSWORD_ENDINGS: &[&str] = &["password", "passwd", "passphrase", "passwrd"];

/// What stands before `key` when it names a secret.
#[rustfmt::skip]
const KEY_OF_SECRET: &[&str] = &[
    "api", "secret", "access", "private", "auth", "encryption", "signing", "master", "service", "account", "storage", "shared", "subscription", "app",
    "application", "client", "deploy", "license", "admin", "session", "jwt", "webhook", "write", "integration", "rest", "server", "consumer",
    "developer", "bot", "project", "live", "restricted", "ingest", "instrumentation", "security", "cryptographic", "crypto", "decryption", "aes", "hmac", "rsa",
    "management", "management", "user", "personal", "agent", "site", "token", "org", "wireguard", "unseal", "root",
];

/// What stands before `key` when it names a place or a column.
#[rustfmt::skip]
const KEY_OF_NOTHING: &[&str] = &[
    "public", "primary", "foreign", "partition", "sort", "cache", "row", "idempotency", "object", "bucket", "routing", "message", "record", "group",
    "index", "lookup", "dict", "json", "host", "known", "registry", "map", "event", "hot", "function", "arrow", "translation", "i18n", "sequence",
    "kv", "unique", "natural", "column", "field", "config", "context", "attention", "value", "sorted", "composite", "surrogate", "clustering", "missing", "unknown", "duplicate",
    "invalid", "ssh", "gpg", "pub", "pgp", "release", "signature", "hostkey", "shard", "metric", "metadata", "label", "annotation", "dedup", "storage_key", "etag", "any", "press", "answer",
    "unexpected", "vertex", "etcd", "redis", "path", "tenant", "query", "lock", "store", "state", "search", "file", "node", "image", "blob", "layer", "trusted", "imported", "importing",
    "websocket", "socket", "s3", "from", "apt",
];

/// What stands before `token` when it is a piece of text or a page.
#[rustfmt::skip]
const TOKEN_OF_NOTHING: &[&str] = &[
    "max", "min", "num", "n", "total", "eos", "bos", "pad", "unk", "sep", "cls", "mask", "special", "stop", "start", "end", "next", "page", "continuation",
    "prompt", "completion", "cancel", "cancellation", "syntax", "image", "input", "output", "per", "first", "last", "eot", "eom", "fim", "additional",
    "added", "unknown", "newline", "unexpected", "illegal", "lexer", "parser", "cached", "draft", "tool", "think", "predicted", "sampled", "eog", "lf", "nl", "control", "every", "each", "ms",
];

/// Endings that say nothing themselves: the word before them counts.
#[rustfmt::skip]
const NEUTRAL: &[&str] = &[
    "value", "val", "str", "string", "plain", "plaintext", "text", "b64", "base64", "prod", "production", "dev", "test", "staging", "old", "new",
    "current", "data", "raw", "live", "sandbox", "decoded", "encoded", "base", "admin", "root", "master", "replica", "rw", "ro", "main", "v", "hex",
];

/// Longest name that is looked at.
pub(crate) const MAX_NAME: usize = 80;

/// Judges a name such as `DB_PASSWORD`, `apiKey`, `--auth-token` or `X-Api-Key`.
pub(crate) fn judge(name: &[u8]) -> Strength {
    let words = words(name);
    let mut rest = words.as_slice();
    while let [before @ .., last] = rest
        && !before.is_empty()
        && (NEUTRAL.contains(&last.as_str()) || is_version(last))
    {
        rest = before;
    }
    let Some((last, before)) = rest.split_last() else { return Strength::None };
    let previous = before.last().map_or("", String::as_str);
    let last = last.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if before.iter().any(|word| ["public", "csrf", "xsrf", "pub", "existing"].contains(&word.as_str())) {
        return Strength::None;
    }
    judge_last(last, previous)
}

/// A number, or `v2`.
fn is_version(word: &str) -> bool {
    word.strip_prefix('v').unwrap_or(word).bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a word in front of the bare name `key` or `token` says that it is that of a place, of a column or of a text:
/// `redis key=…`, `unexpected token: …`.
pub(crate) fn is_plain(name: &[u8], before: &[u8]) -> bool {
    let words = before.trim_ascii_end();
    let word = words.rsplit(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
    // What stands before may be coloured.
    let code = super::assign::escape_tail(words, words.len() - word.len(), words.len());
    let word = String::from_utf8_lossy(word.get(code..).unwrap_or_default()).to_ascii_lowercase();
    let of_nothing = match name {
        name if name.eq_ignore_ascii_case(b"key") => KEY_OF_NOTHING,
        name if name.eq_ignore_ascii_case(b"token") => TOKEN_OF_NOTHING,
        _ => return false,
    };
    before.ends_with(b" ") && of_nothing.contains(&word.as_str())
}

fn judge_last(last: &str, previous: &str) -> Strength {
    let ends = |list: &[&str]| list.iter().any(|ending| last.ends_with(ending));
    match last {
        "jsonwebtoken" | "webtoken" | "tiktoken" => Strength::None,
        "password" if ["forgot", "forgotten", "show", "hide", "toggle"].contains(&previous) => Strength::None,
        "ikey" if previous == "ap" => Strength::Strong,
        "cookie" if previous == "erlang" => Strength::Strong,
        "word" if previous == "pass" => Strength::Password,
        "token" if TOKEN_OF_NOTHING.contains(&previous) => Strength::None,
        "key" if KEY_OF_NOTHING.contains(&previous) => Strength::None,
        "key" if KEY_OF_SECRET.contains(&previous) => Strength::Strong,
        "code" if !["auth", "authorization", "recovery", "backup", "security", "access"].contains(&previous) => {
            Strength::None
        }
        "tokens" | "keys" | "secrets"
            if !["access", "auth", "api", "refresh", "bearer", "bot", "user", "secret"].contains(&previous) =>
        {
            Strength::None
        }
        "id" if ["session", "sess"].contains(&previous) => Strength::Weak,
        "pass" | "pw" if previous.is_empty() => Strength::Weak,
        "auth" if ["docker", "registry"].contains(&previous) => Strength::Strong,
        _ if PASSWORDS.contains(&last) || ends(PASSWORD_ENDINGS) => Strength::Password,
        _ if STRONG.contains(&last) || ends(STRONG_ENDINGS) => Strength::Strong,
        _ if WEAK.contains(&last) => Strength::Weak,
        _ => Strength::None,
    }
}

/// Endings of names whose values point at something, and must stay readable.
#[rustfmt::skip]
const REFERENCES: &[&str] = &[
    "request", "trace", "span", "commit", "sha", "digest", "image", "container", "version", "build", "checksum", "etag", "rev", "revision", "hash", "job", "run", "pipeline",
    "project", "namespace", "pod", "node", "file", "path", "dir", "uri", "host", "hostname", "tag", "branch", "ref", "volume", "network", "layer", "sha1", "sha256", "md5", "uuid", "guid",
    "release", "event", "fingerprint", "thumbprint", "status", "count", "size", "length",
];

/// Whether a name says that its value points at something: a request, a commit, an image.
pub(crate) fn is_reference(name: &[u8]) -> bool {
    let words = words(name);
    let mut last = words.iter().rev();
    let ending = last.next().map_or("", String::as_str);
    let before = last.next().map_or("", String::as_str);
    let named = |word: &str| REFERENCES.contains(&word);
    named(ending) || (ending == "id" && named(before))
}

/// The lower-case words of a name, split at signs and at changes of case.
pub(crate) fn words(name: &[u8]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut bytes = name.iter().take(MAX_NAME).copied().peekable();
    let mut last = b' ';
    while let Some(byte) = bytes.next() {
        let next_is_lower = bytes.peek().is_some_and(u8::is_ascii_lowercase);
        let begins = byte.is_ascii_uppercase()
            && (last.is_ascii_lowercase() || last.is_ascii_digit() || last.is_ascii_uppercase() && next_is_lower);
        if (!byte.is_ascii_alphanumeric() || begins) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if byte.is_ascii_alphanumeric() {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        last = byte;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_passwords() {
        for name in [
            "DB_PASSWORD",
            "password",
            "dbPassword",
            "rootpasswd",
            "PGPASSWORD",
            "--password",
            "MYSQL_ROOT_PASSWORD_1",
            "password_prod",
            "DBPASS",
            "root_pw",
            "dbPwd",
            "bindpw",
            "PassWord",
            "dbPassWord",
        ] {
            assert_eq!(judge(name.as_bytes()), Strength::Password, "{name}");
        }
    }

    #[test]
    fn names_of_secrets() {
        for name in [
            "api_key",
            "apiKey",
            "X-Api-Key",
            "GITHUB_TOKEN",
            "client-secret",
            "APIKey",
            "user_token2",
            "AWS_SECRET_ACCESS_KEY",
            "client-key-data",
            "accessToken",
            "SECRET_KEY_BASE",
            "tokenV2",
            "SECRET_V2",
            "twitterAPIkey",
        ] {
            assert_eq!(judge(name.as_bytes()), Strength::Strong, "{name}");
        }
        for name in ["key", "auth", "algolia_key", "sessionid"] {
            assert_eq!(judge(name.as_bytes()), Strength::Weak, "{name}");
        }
    }

    #[test]
    fn names_of_other_things() {
        for name in [
            "POSTGRES_PASSWORD_FILE",
            "secretName",
            "token_count",
            "max_tokens",
            "tokens_per_second",
            "eos_token_id",
            "eos_token",
            "public_key",
            "key_id",
            "access_token_url",
            "key_length",
            "PublicKeyToken",
            "csrf-token",
            "KEYTAB_FILE",
            "secretRef",
            "primaryKey",
            "cache-key",
            "author",
            "monkey",
            "passing",
            "prompt_tokens",
            "tiktoken",
            "forgotPassword",
            "apt-key",
            "existingSecret",
        ] {
            assert_eq!(judge(name.as_bytes()), Strength::None, "{name}");
        }
    }
}
