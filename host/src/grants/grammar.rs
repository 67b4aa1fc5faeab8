//! What the text of a field may be: closed kinds, each with an anchored pattern for people and for the matcher,
//! and a hand-written check for the renderer. A property test keeps the two together.

use super::accept;

/// The folder that holds the files of secrets. A `secret.file` comes from such a folder, a `mount.bind` never does.
pub const SECRETS_FOLDER: &str = "portreeve-secrets";

/// The longest grace of a stop, in seconds.
pub const GRACE_MAX: u64 = 3600;

/// The kind of text that a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is described by `doc`, of which the reference page is made")]
pub enum Grammar {
    Address,
    Boolean,
    Bytes,
    Capability,
    Cores,
    Count,
    Endpoint,
    Entrypoint,
    EnvName,
    EnvNames,
    EnvValue,
    Gpu,
    HostPath,
    HostPort,
    Hostname,
    Id,
    ImageId,
    ImageQuery,
    ImageReference,
    InsidePath,
    JsonWords,
    LabelKey,
    Mark,
    Milliseconds,
    Name,
    NetworkName,
    OneCapability,
    Platform,
    Port,
    Positive,
    Protocol,
    Restart,
    Runtime,
    Seal,
    Seconds,
    SecretName,
    SecretPath,
    ShellWords,
    Signal,
    Tail,
    Text,
    Time,
    UlimitName,
    UlimitValue,
    Unrendered,
    User,
    UserNamespace,
    Word,
}

/// One row of the table.
pub(super) struct Row {
    /// The most bytes.
    pub(super) max: usize,
    /// The whole text matches this.
    pub(super) pattern: &'static str,
    /// In words: what it is, and what the pattern alone does not say.
    pub(super) doc: &'static str,
    /// The renderer's own check; the matcher never calls it.
    pub(super) accepts: fn(&str) -> bool,
}

const fn row(max: usize, pattern: &'static str, doc: &'static str, accepts: fn(&str) -> bool) -> Row {
    Row { max, pattern, doc, accepts }
}

macro_rules! rows {
    ($($kind:ident $max:literal $pattern:literal $check:ident $doc:literal;)*) => {
        impl Grammar {
            /// Every kind, in the order of the alphabet.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            pub(super) const fn row(self) -> &'static Row {
                match self {
                    $(Self::$kind => {
                        const ROW: Row = row($max, $pattern, $doc, accept::$check);
                        &ROW
                    })*
                }
            }
        }
    };
}

rows! {
    Address 64 r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-f:.]{2,45}\]" address "an IPv4 address, or an IPv6 address in brackets, in its canonical form";
    Boolean 5 r"true|false" boolean "`true` or `false`";
    Bytes 19 r"[1-9][0-9]*" positive "a number of bytes, in digits";
    Capability 32 r"ALL|(?:CAP_)?[A-Z][A-Z_]+" capability "a capability of capabilities(7), or `ALL`";
    Cores 9 r"(?:0|[1-9][0-9]{0,4})(?:\.[0-9]{1,3})?" cores "cores, more than 0, with at most three decimals";
    Count 19 r"0|[1-9][0-9]*" count "a number";
    Endpoint 120 r"unix://(?:/[A-Za-z0-9_@+.-]+)+" endpoint "`unix://` and the absolute path of a socket; no part is `.` or `..`";
    Entrypoint 4096 r"[^\x00-\x20\x7f-\x9f\[-][^\x00-\x1f\x7f-\x9f]*" entrypoint "a program; not beginning with a blank or `[`, which an engine reads as JSON";
    EnvName 256 r"[A-Za-z_][A-Za-z0-9_.-]*" env_name "a variable's name, never a wildcard";
    EnvNames 65536 r"(?:[A-Za-z_][A-Za-z0-9_.-]*(?:,[A-Za-z_][A-Za-z0-9_.-]*)*)?" env_names "names of variables joined by commas, or nothing";
    EnvValue 131000 r"[^\x00]*" env_value "any text without NUL";
    Gpu 40 r"all|(?:0|[1-9][0-9]{0,3})(?::(?:0|[1-9][0-9]{0,3}))?|(?:GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}" gpu "an index, `i:j`, a `GPU-…` or `MIG-…` UUID, or `all`";
    HostPath 4096 r"(?:/[^/\x00-\x1f\x7f-\x9f]+)+" host_path "an absolute path below `/`, resolved: no empty part, no `.` or `..`, none named `portreeve-secrets`";
    HostPort 5 r"(?:[1-9][0-9]{0,4})?" host_port "1 to 65535, or nothing";
    Hostname 253 r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?" hostname "a name of RFC 1123";
    Id 64 r"[0-9a-f]{64}" id "64 hexadecimal digits, lower case";
    ImageId 71 r"(?:sha256:)?[0-9a-f]{64}" image_id "64 hexadecimal digits, perhaps after `sha256:`";
    ImageQuery 1024 r"(?:sha256:)?[0-9a-f]{64}|(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[1-9][0-9]{0,4})?|\[[0-9a-f:]+\](?::[1-9][0-9]{0,4})?)(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128}))?" image_query "an image's reference or its local ID";
    ImageReference 1024 r"(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[1-9][0-9]{0,4})?|\[[0-9a-f:]+\](?::[1-9][0-9]{0,4})?)(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128}))?" image_reference "`registry/repository[:tag][@digest]`, whole; never a short name or another transport";
    InsidePath 4096 r"/[^\x00-\x1f\x7f-\x9f]*" inside_path "an absolute path; no part is `.` or `..`";
    JsonWords 65536 r#"\["(?:[^\x00-\x1f\x7f-\x9f"\\]|\\["\\])*"(?:,"(?:[^\x00-\x1f\x7f-\x9f"\\]|\\["\\])*")*\]"# json_words "words as a JSON array, the first a program's; of one word `[\"CMD-SHELL\",\"'word'\"]`";
    LabelKey 256 r"[A-Za-z0-9._/][A-Za-z0-9._/-]*" label_key "a key, not below `io.portreeve.`, `io.containers.` or `io.podman.` in any case, nor `PODMAN_SYSTEMD_UNIT`";
    Mark 512 r"[A-Za-z0-9][A-Za-z0-9:._-]*" mark "a word that the host made";
    Milliseconds 12 r"(?:0|[1-9][0-9]*)ms" milliseconds "a number and `ms`";
    Name 128 r"[A-Za-z0-9][A-Za-z0-9_.-]*" name "a name as both engines take it";
    NetworkName 128 r"[A-Za-z0-9][A-Za-z0-9_.-]*" network_name "a name, and none that an engine reads as a mode (`host`, `none`, `bridge`, `private` …)";
    OneCapability 32 r"AUDIT_[A-Z]+|BPF|CHOWN|CHECKPOINT_RESTORE|FOWNER|FSETID|KILL|LEASE|MKNOD|PERFMON|SETFCAP|SETGID|SETPCAP|SETUID|SYSLOG|[ABD-Z][A-Z]*(?:_[A-Z]+)+" one_capability "one capability of capabilities(7), without `CAP_`; never `ALL`";
    Platform 64 r"[a-z0-9_]+/[a-z0-9_]+(?:/[a-z0-9_.]+)?" platform "`os/architecture[/variant]`";
    Port 5 r"[1-9][0-9]{0,4}" port "1 to 65535";
    Positive 19 r"[1-9][0-9]*" positive "a number, at least 1";
    Protocol 4 r"tcp|udp|sctp" protocol "`tcp`, `udp` or `sctp`";
    Restart 20 r"no|always|unless-stopped|on-failure(?::[1-9][0-9]{0,8})?" restart "`no`, `always`, `unless-stopped` or `on-failure[:times]`";
    Runtime 256 r"[a-z][a-z0-9_.-]*|(?:/[A-Za-z0-9_+.-]+)+" runtime "the name of a granted OCI runtime, or the absolute path where it was found";
    Seal 8192 r"[0-9a-f]{64}(?:\.[0-9a-f]{12})*" seal "64 hexadecimal digits, and 12 for each part that has a mark of its own, each after a dot";
    Seconds 4 r"0|[1-9][0-9]*" seconds "a number of seconds, at most 3600";
    SecretName 256 r"[A-Za-z_][A-Za-z0-9_.-]*" secret_name "a variable's name, and none that an engine's client or the loader reads itself (`DOCKER_…`, `LD_…`, `PATH` …)";
    SecretPath 4096 r"(?:/[^/\x00-\x1f\x7f-\x9f]+)*/portreeve-secrets(?:/[^/\x00-\x1f\x7f-\x9f]+)+" secret_path "an absolute path below a folder named `portreeve-secrets`; no part is `.` or `..`";
    ShellWords 65536 r"'(?:[^\x00-\x1f\x7f-\x9f']|'\\'')*'(?: '(?:[^\x00-\x1f\x7f-\x9f']|'\\'')*')*" shell_words "words, each in single quotes, the first a program's";
    Signal 12 r"[A-Z][A-Z0-9]{1,8}(?:[+-][0-9]{1,2})?|[1-9][0-9]?" signal "a signal's name, or a number from 1 to 64";
    Tail 19 r"all|0|[1-9][0-9]*" tail "a number of lines, or `all`";
    Text 65536 r"[^\x00-\x1f\x7f-\x9f]*" text "any text without control characters";
    Time 40 r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})|[0-9]{1,12}(?:\.[0-9]{1,9})?|(?:[0-9]{1,9}[hms]){1,3}" time "RFC 3339, seconds since the epoch, or a span such as `1h30m`";
    UlimitName 10 r"as|core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime|sigpending|stack" ulimit_name "a resource of setrlimit(2)";
    UlimitValue 19 r"-1|0|[1-9][0-9]*" ulimit_value "a number, or -1 for none";
    Unrendered 256 r"[A-Za-z_][A-Za-z0-9_.-]*" env_name "a secret's name, which is not rendered";
    User 128 r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(?::[A-Za-z0-9_.][A-Za-z0-9_.-]*)?" user "`user[:group]`, each a name or a number";
    UserNamespace 16 r"auto|host|keep-id|nomap|private" user_namespace "`auto`, `host`, `keep-id`, `nomap` or `private`";
    Word 131000 r"[^\x00]*" word "any text without NUL, even one that begins with `-`";
}

impl Grammar {
    /// The pattern that the whole text matches.
    #[must_use]
    pub const fn pattern(self) -> &'static str {
        self.row().pattern
    }

    /// What it is, in words.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        self.row().doc
    }

    /// The most bytes.
    #[must_use]
    pub const fn longest(self) -> usize {
        self.row().max
    }

    /// Whether a value may begin with `-`: a word, or free text that always stands behind a fixed part of its token.
    pub(super) const fn may_begin_with_dash(self) -> bool {
        matches!(self, Self::Word | Self::EnvValue | Self::Text | Self::UlimitValue)
    }

    /// Whether control characters but NUL are allowed.
    pub(super) const fn may_hold_controls(self) -> bool {
        matches!(self, Self::Word | Self::EnvValue)
    }

    /// Whether no text of this kind can be a text of the other.
    pub(super) const fn is_disjoint_from(self, other: Self) -> bool {
        matches!((self, other), (Self::HostPath, Self::SecretPath) | (Self::SecretPath, Self::HostPath))
    }

    /// Whether no text of this kind holds the character.
    pub(super) const fn never_holds(self, character: char) -> bool {
        match self {
            Self::EnvName | Self::SecretName | Self::Name | Self::NetworkName | Self::Id => {
                !matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-')
            }
            Self::Count | Self::Positive | Self::Bytes | Self::Seconds | Self::Port | Self::HostPort => {
                !character.is_ascii_digit()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::matcher::Patterns;
    use proptest::prelude::*;

    /// What the pattern says can be accepted, plus the rest of the sentence in `doc`.
    fn both(grammar: Grammar, text: &str) -> (bool, bool) {
        (text.len() <= grammar.longest() && (grammar.row().accepts)(text), Patterns::is_match(grammar, text))
    }

    #[test]
    fn known_texts() {
        use Grammar as G;
        let cases: &[(Grammar, &[&str], &[&str])] = &[
            (
                G::Address,
                &["127.0.0.1", "[::1]"],
                &["::1", "0177.0.0.1", "127.1", "[::1", "[fe80::1%eth0]", "localhost"],
            ),
            (
                G::Gpu,
                &["all", "0", "0:1", "MIG-00000000-0000-0000-0000-000000000000"],
                &["", "00", "nvidia0", "0,1", "GPU-"],
            ),
            (
                G::HostPath,
                &["/srv/a b"],
                &["/", "//srv", "/srv/", "/srv/../etc", "srv", "/a/portreeve-secrets/b", "/a\n"],
            ),
            (
                G::SecretPath,
                &["/run/portreeve-secrets/a/b"],
                &["/run/a", "/portreeve-secrets", "/portreeve-secrets/.."],
            ),
            (
                G::ImageReference,
                &["docker.io/library/a:1", "localhost:5000/a:1"],
                &["a", "alpine:latest", "dir:/a", "a/b", "docker.io/a@md5:00"],
            ),
            (
                G::LabelKey,
                &["team", "org.example/x"],
                &[
                    "",
                    "-x",
                    "io.portreeve.owner",
                    "IO.Portreeve.x",
                    "io.containers.autoupdate",
                    "PODMAN_SYSTEMD_UNIT",
                    "a=b",
                ],
            ),
            (G::Cores, &["1", "0.5", "16.125"], &["0", "0.000", "01", "1.0005", "-1", "1."]),
            (G::Positive, &["1", "100"], &["0", "-1", "01", ""]),
            (G::EnvName, &["A", "discovery.type"], &["KEY*", "A=", "", "1A", "-A"]),
            (G::SecretName, &["API_KEY"], &["DOCKER_HOST", "LD_PRELOAD", "http_proxy", "KEY*"]),
            (G::NetworkName, &["mine"], &["host", "none", "bridge", "container:x", "ns:/proc/1/ns/net"]),
            (G::Seconds, &["0", "3600"], &["3601", "86400", "-1", "01", "", "1s"]),
            (
                G::Endpoint,
                &["unix:///run/docker.sock"],
                &["tcp://1.2.3.4:2375", "unix://run/x", "unix:///run/../x", "ssh://a"],
            ),
            (G::Entrypoint, &["/bin/sh", "tini"], &["", "-c", "[\"sh\"]", "a\nb"]),
            (G::Restart, &["on-failure:3"], &["on-failure:", "on-failure:0", "sometimes"]),
            (G::Time, &["2026-01-01T00:00:00Z", "1700000000.5", "1h30m"], &["now", "-5m", "2026-01-01"]),
            (G::User, &["1000:1000", "app"], &["-u", "a:b:c", "", "a:-g"]),
        ];
        for (grammar, good, bad) in cases {
            for text in *good {
                assert_eq!(both(*grammar, text), (true, true), "{grammar:?} takes {text:?}");
            }
            for text in *bad {
                assert!(!both(*grammar, text).0, "{grammar:?} refuses {text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_the_check_takes_the_pattern_takes(text in "[ -~\\n\\u{80}-\\u{a0}é]{0,12}|[a-z0-9:/.\\[\\]@-]{0,16}", at in 0..Grammar::ALL.len()) {
            let (check, pattern) = both(Grammar::ALL[at], &text);
            prop_assert!(!check || pattern, "{:?} {text:?}", Grammar::ALL[at]);
        }

        #[test]
        fn what_the_pattern_makes_is_told_apart_by_more_than_the_check(at in 0..Grammar::ALL.len(), seed in any::<u64>()) {
            let grammar = Grammar::ALL[at];
            let made = crate::grants::tests::made_from(grammar, seed);
            let (check, pattern) = both(grammar, &made);
            prop_assert!(pattern || made.len() > grammar.longest(), "{grammar:?} {made:?}");
            prop_assert!(!check || pattern);
        }
    }
}
